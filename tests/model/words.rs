//! Which files there are, and what is written into them.
//!
//! Each text holds a number that no other one holds, always of eight digits: so what was lost is known by its bytes, and many
//! saves are as long as what they replace.

use crate::harness::Chance;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Names that a careless tool would mix up; `f` and `d` are now a folder, now a file.
const PATHS: [&[u8]; 17] = [
    b"a.rs",
    b"a.rs",
    b"b.py",
    b"notes.txt",
    b"notes.txt",
    b"data.json",
    b"run.sh",
    b"bin.dat",
    b"large.bin",
    b"d/x.rs",
    b"d/y.txt",
    b"d/e/z.md",
    b"f",
    b"f/one.txt",
    "wei\u{df} \u{e4}.txt".as_bytes(),
    b"name-\xff.txt",
    b"d/out.ign",
];

/// What `.gitignore` says from the start.
pub(super) const IGNORED: &str = "*.ign\n";

/// A path of the project.
pub(super) fn path(chance: &mut Chance) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(PATHS[chance.next(PATHS.len() as u64) as usize]))
}

/// Makes texts of which no two are the same.
pub(super) struct Text<'a> {
    pub(super) chance: &'a mut Chance,
    pub(super) stamp: u64,
}

impl Text<'_> {
    /// A file with one more edit; a new one where there was nothing.
    pub(super) fn edited(&mut self, path: &Path, before: &[u8]) -> Vec<u8> {
        match path.extension().and_then(OsStr::to_str) {
            Some("dat") => self.noise(200),
            Some("bin") => self.noise(70 << 10),
            _ if before.is_empty() || self.chance.next(12) == 0 => self.fresh(),
            _ => match self.chance.next(3) {
                0 => self.as_long(before),
                1 => self.with_a_line(before),
                _ => self.without_a_line(before),
            },
        }
    }

    /// As many bytes, another number among them.
    pub(super) fn as_long(&mut self, before: &[u8]) -> Vec<u8> {
        let mut after = before.to_vec();
        let is_number = |window: &[u8]| window.iter().all(u8::is_ascii_digit);
        let at: Vec<usize> =
            (0..before.len().saturating_sub(7)).filter(|at| is_number(&before[*at..*at + 8])).collect();
        let number = format!("{:08}", self.stamp);
        let at = match at.len() {
            0 => before.len().saturating_sub(8),
            many => at[self.chance.next(many as u64) as usize],
        };
        after.iter_mut().skip(at).zip(number.bytes()).for_each(|(to, from)| *to = from);
        after
    }

    fn with_a_line(&mut self, before: &[u8]) -> Vec<u8> {
        let mut lines = lines(before);
        let at = self.chance.next(lines.len() as u64 + 1) as usize;
        let line = format!("// note {:08}\n", self.stamp);
        lines.insert(at, line.as_bytes());
        lines.concat()
    }

    fn without_a_line(&mut self, before: &[u8]) -> Vec<u8> {
        let mut lines = lines(before);
        let at = self.chance.next(lines.len() as u64) as usize;
        lines.remove(at);
        let last = format!("// cut {:08}\n", self.stamp);
        lines.push(last.as_bytes());
        // Files do not grow without end.
        let from = lines.len().saturating_sub(40);
        lines[from..].concat()
    }

    fn fresh(&mut self) -> Vec<u8> {
        let function = |at: u64| format!("fn f{at}() -> u64 {{\n    {:08}\n}}\n\n", self.stamp * 10 + at);
        (0..1 + self.stamp % 5).map(function).collect::<String>().into_bytes()
    }

    fn noise(&mut self, bytes: usize) -> Vec<u8> {
        let mut noise = Chance(self.stamp | 1 << 40);
        (0..bytes).map(|_| noise.next(256) as u8).collect()
    }
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}
