//! A large tree of real files, each content once.

use super::releases::entries;
use super::stage::bug;
use crate::error::{Failure, NOT_FOUND};
use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The most bytes of a file: what is larger is mostly made by programs.
const FILE_BYTES_MAX: u64 = 60_000;
/// What tells a program which files to look at: all are to be looked at.
const RULES: [&str; 7] =
    [".git", ".cairn", ".gitignore", ".gitattributes", ".gitmodules", ".ignore", ".cairnignore"];

/// The files of a tree.
pub(super) struct Tree {
    /// Their paths, in order.
    files: Vec<PathBuf>,
    /// What they come to.
    pub(super) bytes: u64,
}

impl Tree {
    /// Copies up to so many files from below some folders into a new one.
    pub(super) fn gather(folders: &[PathBuf], to: &Path, files_max: usize) -> Result<Self, Failure> {
        let (mut tree, mut seen) = (Self { files: Vec::new(), bytes: 0 }, BTreeSet::new());
        for (number, folder) in folders.iter().enumerate() {
            let mut open = vec![folder.clone()];
            while let Some(path) = open.pop().filter(|_| tree.files.len() < files_max) {
                if path.is_dir() {
                    let below = entries(&path).into_iter().filter(|(name, path)| is_fit(name, path));
                    open.extend(below.map(|(_, path)| path).collect::<Vec<_>>().into_iter().rev());
                } else if let Ok(within) = path.strip_prefix(folder) {
                    tree.take(&path, to, &Path::new(&number.to_string()).join(within), &mut seen)?;
                }
            }
        }
        match tree.files.is_empty() {
            false => Ok(tree),
            true => Err(Failure::new(
                NOT_FOUND,
                "E_NOT_FOUND",
                "no files to measure with were found",
                "name a folder with sources; `cargo fetch` leaves some where they are looked for by default",
            )),
        }
    }

    fn take(&mut self, from: &Path, to: &Path, name: &Path, seen: &mut BTreeSet<u64>) -> Result<(), Failure> {
        let bytes = fs::read(from)?;
        let mut sum = DefaultHasher::new();
        bytes.hash(&mut sum);
        // Two contents of one sum are so rare that a file is left out at most.
        if bytes.is_empty() || !seen.insert(sum.finish()) {
            return Ok(());
        }
        write(&to.join(name), &bytes)?;
        self.bytes += bytes.len() as u64;
        self.files.push(name.to_owned());
        Ok(())
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Copies them from one folder to another.
    pub(super) fn copy(&self, from: &Path, to: &Path) -> Result<(), Failure> {
        self.files.iter().try_for_each(|file| write(&to.join(file), &fs::read(from.join(file))?))
    }

    /// Refuses a folder that does not hold the same files as another, to the byte.
    pub(super) fn check(&self, one: &Path, other: &Path) -> Result<(), Failure> {
        for file in &self.files {
            if fs::read(one.join(file))? != fs::read(other.join(file))? {
                return Err(bug(&format!("{} differs in {}", file.display(), other.display())));
            }
        }
        Ok(())
    }

    /// A file to edit: another one for each number, of Rust where there are such files.
    pub(super) fn pick(&self, number: usize) -> Option<&Path> {
        let is_rust = |file: &&PathBuf| file.extension().is_some_and(|end| end == "rs");
        let rust: Vec<&PathBuf> = self.files.iter().filter(is_rust).collect();
        let all = if rust.is_empty() { self.files.iter().collect() } else { rust };
        // Far from each other, and none twice for long.
        all.get(number * 7919 % all.len().max(1)).map(|file| file.as_path())
    }
}

fn is_fit(name: &str, path: &Path) -> bool {
    let about = fs::symlink_metadata(path);
    let is_fit = about.is_ok_and(|about| about.is_dir() || about.is_file() && about.len() <= FILE_BYTES_MAX);
    is_fit && !RULES.contains(&name) && !name.contains('\\')
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_content_is_taken_once_and_no_rules() {
        let stage = tempfile::tempdir().unwrap();
        let (from, to) = (stage.path().join("from"), stage.path().join("to"));
        let files = [
            ("a/b.rs", "1"),
            ("a/c", "1"),
            ("d", "2"),
            ("e", ""),
            (".gitignore", "3"),
            (".git/f", "4"),
            ("g", "5"),
        ];
        files.iter().for_each(|(name, text)| write(&from.join(name), text.as_bytes()).unwrap());
        std::os::unix::fs::symlink("d", from.join("l")).unwrap();
        let tree = Tree::gather(std::slice::from_ref(&from), &to, 9).unwrap();
        assert_eq!(tree.files, ["0/a/b.rs", "0/d", "0/g"].map(PathBuf::from));
        assert_eq!((tree.bytes, tree.pick(5)), (3, Some(Path::new("0/a/b.rs"))));
        let copy = stage.path().join("copy");
        tree.copy(&to, &copy).unwrap();
        tree.check(&to, &copy).unwrap();
        write(&copy.join("0/d"), b"3").unwrap();
        assert!(tree.check(&to, &copy).is_err());
        assert_eq!(Tree::gather(&[from], &stage.path().join("few"), 2).unwrap().len(), 2);
        assert!(Tree::gather(&[], &to, 9).is_err());
    }
}
