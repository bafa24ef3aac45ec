//! What lies in a folder: of each file its bytes and its kind, as one value that can be compared.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Plain,
    Executable,
    Link,
}

/// A file as it lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    pub(super) kind: Kind,
    /// Of its bytes; of a link, of its target.
    pub(super) hash: [u8; 32],
}

impl State {
    fn new(kind: Kind, bytes: &[u8]) -> Self {
        Self { kind, hash: *blake3::hash(bytes).as_bytes() }
    }

    /// The first digits of its hash.
    pub(super) fn short(&self) -> String {
        self.hash[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// An open file, read from its beginning.
    pub(super) fn of(file: &mut File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        io::Seek::rewind(file)?;
        file.read_to_end(&mut bytes)?;
        Ok(Self::new(kind(&file.metadata()?), &bytes))
    }

    /// What stands at a path; `None` for nothing and for a folder.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let facts = fs::symlink_metadata(path).ok()?;
        if facts.is_symlink() {
            return Some(Self::new(Kind::Link, fs::read_link(path).ok()?.as_os_str().as_bytes()));
        }
        match facts.is_file() {
            true => Self::of(&mut File::open(path).ok()?).ok(),
            false => None,
        }
    }
}

fn kind(facts: &Metadata) -> Kind {
    match facts.permissions().mode() & 0o100 {
        0 => Kind::Plain,
        _ => Kind::Executable,
    }
}

/// Every file below a folder by its path there; what is cairn's own is left out.
pub(super) fn walk(root: &Path) -> BTreeMap<PathBuf, State> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let is_half_written =
                [&b".cairn-tmp."[..], b"..cairn-tmp."].iter().any(|begin| name.as_bytes().starts_with(begin));
            if name == ".cairn" || is_half_written {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if let Some(state) = State::at(&path) {
                found.insert(path.strip_prefix(root).unwrap().to_path_buf(), state);
            }
        }
    }
    found
}
