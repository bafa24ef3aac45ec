//! The Merkle root of the tree that a view shows.
//!
//! A folder is hashed over its names in order, each with what it is, so two views with one
//! root show the same files, and a folder's hash says whether anything below it differs.
//! Folders that hold nothing count.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Root, derive};
use crate::path::{Name, RepoPath};
use crate::view::{File, FileBody};

/// What is in one folder: each name with a byte for its kind, the executable bit and a hash.
type Folder = BTreeMap<Name, (u8, bool, [u8; 32])>;

/// The root of a tree.
pub(crate) fn root(files: &BTreeMap<RepoPath, File>, dirs: &BTreeSet<RepoPath>) -> Root {
    let mut folders = BTreeMap::<Option<RepoPath>, Folder>::new();
    for (path, file) in files {
        let (kind, hash) = file_hash(&file.body);
        folders.entry(path.parent()).or_default().insert(path.name(), (kind, file.executable, hash));
    }
    // A folder sorts before what lies in it, so in reverse every folder is whole when it is hashed.
    for dir in dirs.iter().rev() {
        let folder = folders.remove(&Some(dir.clone())).unwrap_or_default();
        let hash = folder_hash(&folder);
        folders.entry(dir.parent()).or_default().insert(dir.name(), (0, false, hash));
    }
    Root(folder_hash(&folders.remove(&None).unwrap_or_default()))
}

fn file_hash(body: &FileBody) -> (u8, [u8; 32]) {
    match body {
        FileBody::Bytes { content, .. } => (1, content.0),
        FileBody::Artifact { artifact, .. } => (2, artifact.0),
        FileBody::Link { target } => (3, derive("cairn 1 link", &[target])),
    }
}

fn folder_hash(folder: &Folder) -> [u8; 32] {
    let entries: Vec<_> = folder
        .iter()
        .map(|(name, (kind, executable, hash))| {
            [&[*kind, u8::from(*executable)], &hash[..], name.as_bytes()].concat()
        })
        .collect();
    let parts: Vec<_> = entries.iter().map(|entry| &entry[..]).collect();
    derive("cairn 1 folder", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_counts() {
        let dirs = BTreeSet::from([RepoPath::new(b"a").unwrap()]);
        assert_ne!(root(&BTreeMap::new(), &dirs), root(&BTreeMap::new(), &BTreeSet::new()));
    }

    #[test]
    fn names_and_depth_count() {
        let tree = |paths: &[&str]| {
            let dirs: BTreeSet<_> =
                paths.iter().map(|path| RepoPath::new(path.as_bytes()).unwrap()).collect();
            root(&BTreeMap::new(), &dirs)
        };
        assert_ne!(tree(&["a", "a/b"]), tree(&["a", "b"]));
        assert_ne!(tree(&["a", "a-b", "a/c"]), tree(&["a", "a-b", "a-b/c"]));
        assert_eq!(tree(&["a", "a-b", "a/c"]), tree(&["a/c", "a-b", "a"]));
    }
}
