//! Which paths of a worktree are looked at: all but what `.gitignore` files name, the
//! worktree's own folder, git's, other worktrees, and what no project can hold.

use std::path::{Path, PathBuf};

use cairn_crdt::path::{Name, PRIVATE_DIR, RepoPath};
use ignore::{DirEntry, WalkBuilder};

/// What the names of half-written files begin with; a checkout that was killed leaves them.
pub const TEMPORARY_PREFIX: &str = ".cairn-tmp.";

/// What a walk over a worktree came upon.
#[derive(Debug, Default)]
pub struct Walked {
    /// Paths that a project can hold, folders included.
    pub paths: Vec<RepoPath>,
    /// What was left out although nothing ignores it, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Walks over what is not ignored; never follows links.
pub fn walk(root: &Path, home: &Path) -> Walked {
    let mut builder = WalkBuilder::new(root);
    builder.hidden(false).ignore(false).git_ignore(true).git_global(false).git_exclude(false);
    builder.require_git(false).parents(false).follow_links(false);
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    builder.filter_entry(move |entry| is_ours(entry, &home));
    let mut walked = Walked::default();
    for entry in builder.build() {
        match entry {
            Ok(entry) if entry.depth() == 0 => {}
            Ok(entry) => walked.take(root, entry.path()),
            Err(error) => walked.skipped.push((root.to_owned(), error.to_string())),
        }
    }
    walked
}

impl Walked {
    fn take(&mut self, root: &Path, path: &Path) {
        match repo_path(root, path) {
            Ok(repo_path) => self.paths.push(repo_path),
            Err(why) => self.skipped.push((path.to_owned(), why)),
        }
    }
}

/// The path of a file inside a worktree as the project knows it.
pub fn repo_path(root: &Path, path: &Path) -> Result<RepoPath, String> {
    let below = path.strip_prefix(root).map_err(|_| "it lies outside of the worktree".to_owned())?;
    RepoPath::new(below.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())
}

fn is_ours(entry: &DirEntry, home: &Path) -> bool {
    if entry.depth() == 0 {
        return true;
    }
    let name = entry.file_name();
    if name == ".git" || is_temporary(name.as_encoded_bytes()) || is_private(name.as_encoded_bytes()) {
        return false;
    }
    let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
    !is_dir || (entry.path() != home && !entry.path().join(PRIVATE_DIR).is_dir())
}

/// Whether this is the name of a half-written file.
pub fn is_temporary(name: &[u8]) -> bool {
    name.starts_with(TEMPORARY_PREFIX.as_bytes())
}

/// The worktree's own folder is left out without a word, in any spelling.
fn is_private(name: &[u8]) -> bool {
    matches!(Name::new(name), Err(cairn_crdt::path::PathError::Private))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn paths(root: &Path, home: &Path) -> Vec<String> {
        let mut paths: Vec<_> = walk(root, home).paths.iter().map(RepoPath::to_string).collect();
        paths.sort();
        paths
    }

    #[test]
    fn gitignore_rules_hold_without_git() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in [".cairn", ".git", "src", "target", "home/repos", "other/.cairn"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let files =
            [".gitignore", ".cairn/link.json", ".git/x", "src/a.rs", "src/b.o", "target/x", ".hidden"];
        for path in
            files.iter().chain(&["home/key", "other/x", ".cairn-tmp.1", "src/.gitignore", "src/keep.o"])
        {
            fs::write(root.join(path), "").unwrap();
        }
        fs::write(root.join(".gitignore"), "*.o\n/target\n").unwrap();
        fs::write(root.join("src/.gitignore"), "!keep.o\n").unwrap();
        let expected = [".gitignore", ".hidden", "src", "src/.gitignore", "src/a.rs", "src/keep.o"];
        assert_eq!(paths(root, &root.join("home")), expected);
    }

    #[test]
    fn b1_names_that_no_project_can_hold_are_left_out_and_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a\\b"), "").unwrap();
        fs::write(dir.path().join("ok"), "").unwrap();
        let walked = walk(dir.path(), Path::new("/nowhere"));
        assert_eq!(walked.paths.len(), 1);
        assert_eq!(walked.skipped.len(), 1);
    }
}
