//! `merge-file`: three loose files, merged as a repo would merge them.
//!
//! It needs no repo, no home and no owner, so it is no request: the command does it itself. What comes
//! out is renamed into place, so whoever reads it sees the old bytes or the new ones. Nothing is synced to the
//! disk: whoever merges files again and again, as git does, decides that for all of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cairn_crdt::lines::Lines;
use cairn_crdt::merge::merge_at_last;
use cairn_crdt::{Merged, Overlap as Met, OverlapSide};
use serde::Serialize;

use super::overlaps::{Alternative, Overlap, told};
use crate::error::NodeError;

/// The most bytes of one file: all three are held at once.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// How many names are tried for the new file.
const NAMES_MAX: u32 = 64;

/// What `merge-file` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    /// The file that both sides began with.
    pub base: PathBuf,
    /// One side.
    pub ours: PathBuf,
    /// The other side.
    pub theirs: PathBuf,
    /// Where the merged file goes; may be one of the three.
    pub out: PathBuf,
    /// The name that tells the language; else that of a file does.
    pub path: Option<PathBuf>,
    /// The name by which overlaps are told.
    pub told: String,
}

/// What `merge-file` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Where the sides met; the authors are `ours` and `theirs`.
    pub overlaps: Vec<Overlap>,
    /// What is only noted: where both changed one item in different places.
    pub notes: Vec<Overlap>,
}

/// Merges, and writes the merged file.
pub fn run(args: &Args) -> Result<Answer, NodeError> {
    let (base, ours, theirs) = (read(&args.base)?, read(&args.ours)?, read(&args.theirs)?);
    let name = name(args);
    let merged = merge_at_last(name.as_os_str().as_encoded_bytes(), &base, &[&ours, &theirs])?;
    write(&args.out, &args.ours, &merged.bytes)?;
    let told = |list| overlaps(&merged, list, &args.told);
    Ok(Answer { overlaps: told(&merged.overlaps), notes: told(&merged.notes) })
}

/// The name that was given; else that of the base, which both sides have in common, unless only the
/// merged file's tells a language.
fn name(args: &Args) -> &Path {
    let given = args.path.as_deref();
    let telling = [&args.base, &args.out].into_iter().find(|path| path.extension().is_some());
    given.unwrap_or(telling.unwrap_or(&args.base))
}

fn read(path: &Path) -> Result<Vec<u8>, NodeError> {
    let failed = |error| refused("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let expected = file.metadata().map_err(failed)?.len().min(FILE_BYTES_MAX);
    // With room for all of it, and a byte to find the end by, it is read at once.
    let mut bytes = Vec::with_capacity(expected as usize + 1);
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 {
        0..=FILE_BYTES_MAX => Ok(bytes),
        _ => Err(NodeError::TooLarge { path: path.to_owned(), limit: FILE_BYTES_MAX }),
    }
}

fn refused(doing: &'static str, path: &Path, error: io::Error) -> NodeError {
    match error.kind() {
        io::ErrorKind::NotFound => NodeError::NotFound { what: "file", name: path.display().to_string() },
        _ => NodeError::io(doing, path, error),
    }
}

/// Puts the merged bytes at `out` at once, with the rights of the file there, or else of `like`.
fn write(out: &Path, like: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    let failed = |error| refused("write", out, error);
    let there = match fs::metadata(out) {
        Ok(there) if !there.is_file() => {
            return Err(NodeError::Usage(format!("{} is not a file that can be replaced", out.display())));
        }
        Ok(there) => Some((fs::canonicalize(out).map_err(failed)?, there.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let (target, rights) = match there {
        Some(there) => there,
        None => (out.to_owned(), fs::metadata(like).map_err(failed)?.permissions()),
    };
    let (temporary, mut file) = beside(&target).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.set_permissions(rights));
    let placed = written.and_then(|()| fs::rename(&temporary, &target));
    placed.map_err(|error| {
        // What could not be placed is of no use to anyone; the error that is told is the first one.
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

/// A new file in the folder of `target`.
fn beside(target: &Path) -> io::Result<(PathBuf, File)> {
    let mut tried = 0;
    loop {
        let path = target.with_file_name(format!(".cairn-merge-{}-{tried}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < NAMES_MAX => tried += 1,
            Err(error) => return Err(error),
        }
    }
}

fn overlaps(merged: &Merged, list: &[Met], name: &str) -> Vec<Overlap> {
    let lines = Lines::of(&merged.bytes);
    let each = list.iter().enumerate().map(|(index, met)| {
        let line = met.range.map(|(start, _)| lines.number(start));
        let side = |side: &OverlapSide| alternative(merged, side);
        Overlap { path: name.to_owned(), ..told(index, met, line, side) }
    });
    each.collect()
}

/// A side of an overlap; its authors are the files that say it.
fn alternative(merged: &Merged, side: &OverlapSide) -> Alternative {
    let files = merged.sides.iter().zip(["ours", "theirs"]);
    let authors = files.filter(|(waypoint, _)| side.waypoints.contains(waypoint));
    Alternative {
        text: String::from_utf8_lossy(&side.bytes).into_owned(),
        waypoints: Vec::new(),
        authors: authors.map(|(_, file)| file.to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stage(tempfile::TempDir);

    impl Stage {
        fn new(base: &str, ours: &str, theirs: &str) -> Self {
            let stage = Self(tempfile::tempdir().unwrap());
            for (name, text) in [("base", base), ("ours", ours), ("theirs", theirs)] {
                fs::write(stage.path(name), text).unwrap();
            }
            stage
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn args(&self, ours: &str, theirs: &str, out: &str) -> Args {
            let [base, ours, theirs, out] = ["base", ours, theirs, out].map(|name| self.path(name));
            Args { base, ours, theirs, out, path: Some("src/a.rs".into()), told: "src/a.rs".into() }
        }

        fn names(&self) -> usize {
            fs::read_dir(self.0.path()).unwrap().count()
        }
    }

    #[test]
    fn swapped_sides_give_the_same_bytes_and_both_are_named() {
        let stage = Stage::new("fn f() {\n    1\n}\n", "fn f() {\n    2\n}\n", "fn f() {\n    31\n}\n");
        let told = run(&stage.args("ours", "theirs", "one")).unwrap();
        let swapped = run(&stage.args("theirs", "ours", "two")).unwrap();
        assert_eq!(fs::read(stage.path("one")).unwrap(), fs::read(stage.path("two")).unwrap());
        let [overlap] = &told.overlaps[..] else { panic!("{told:?}") };
        assert_eq!((overlap.path.as_str(), overlap.line), ("src/a.rs", Some(2)));
        assert_eq!(overlap.symbol.as_deref(), Some("f"));
        let authors = |answer: &Answer| {
            answer.overlaps[0].alternatives.iter().map(|side| side.authors.clone()).collect::<Vec<_>>()
        };
        assert_eq!(authors(&told), [["ours"], ["theirs"]]);
        assert_eq!(authors(&swapped), [["theirs"], ["ours"]]);
    }

    #[test]
    fn the_merged_file_may_replace_a_side() {
        let stage = Stage::new("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n");
        assert_eq!(run(&stage.args("ours", "theirs", "ours")).unwrap(), Answer::default());
        assert_eq!(fs::read(stage.path("ours")).unwrap(), b"A\nb\nC\n");
        assert_eq!(stage.names(), 3);
    }

    #[test]
    fn nothing_is_written_where_something_is_wrong() {
        let stage = Stage::new("", "a", "b");
        assert_eq!(run(&stage.args("ours", "gone", "out")).unwrap_err().exit_code(), 3);
        assert_eq!(run(&stage.args("ours", "theirs", "no/out")).unwrap_err().exit_code(), 3);
        assert_eq!(run(&stage.args("ours", "theirs", ".")).unwrap_err().exit_code(), 2);
        assert_eq!(stage.names(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_rights_stay_as_they_are() {
        use std::os::unix::fs::PermissionsExt;
        let stage = Stage::new("a\n", "b\n", "a\n");
        fs::write(stage.path("target"), "").unwrap();
        fs::set_permissions(stage.path("target"), fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink("target", stage.path("out")).unwrap();
        run(&stage.args("ours", "theirs", "out")).unwrap();
        let target = fs::symlink_metadata(stage.path("target")).unwrap();
        assert_eq!(target.permissions().mode() & 0o777, 0o750);
        assert_eq!(fs::read(stage.path("target")).unwrap(), b"b\n");
        assert!(fs::symlink_metadata(stage.path("out")).unwrap().is_symlink());
    }
}
