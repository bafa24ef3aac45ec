//! What benchmarks need of the state, of its grammars and of the store, and nothing else does.

use std::collections::BTreeMap;

use cairn_crdt::id::{ProjectId, WaypointId, derive};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{Change, Documents, FileEdit, Frontier, Kept};

use crate::error::NodeError;

mod agents;
mod climb;
mod loom;
mod meter;
mod packer;
mod stream;
mod trail;
mod whole;

pub use agents::agent_bytes;
pub use climb::{Climb, Height, post_many};

pub use cairn_crdt::syntax::parses;
pub use loom::{Woven, weave};
pub use packer::Packer;
pub use stream::{receive_stream, send_streams};
pub use trail::{Edits, Trail};
pub use whole::hash_file;

/// What became of the sides of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The merged bytes.
    pub bytes: Vec<u8>,
    /// In how many places edits met.
    pub overlaps: usize,
}

/// Merges what any number of sides made of a file; `name` tells the language.
pub fn merged(name: &[u8], base: &[u8], sides: &[&[u8]]) -> Result<Merged, NodeError> {
    let merged = cairn_crdt::merge(name, base, sides)?;
    Ok(Merged { bytes: merged.bytes, overlaps: merged.overlaps.len() })
}

/// Files by their paths.
pub type Files = BTreeMap<Vec<u8>, Vec<u8>>;

/// Two branches of a project, posted and not yet seen together.
pub struct Fork {
    documents: Documents,
    contents: Kept,
    both: Frontier,
}

impl Fork {
    /// A project with these files, and what two branches wrote on top of them.
    pub fn new(base: &Files, sides: [&Files; 2]) -> Result<Self, NodeError> {
        let documents = Documents::new(ProjectId(derive("cairn bench project", &[])));
        let mut fork = Self { documents, contents: Kept::default(), both: Frontier::empty() };
        let trunk = Frontier::from_iter([fork.post(b"base", &Frontier::empty(), base)?]);
        let [left, right] = sides;
        let heads = [fork.post(b"left", &trunk, left)?, fork.post(b"right", &trunk, right)?];
        fork.both = Frontier::from_iter(heads);
        Ok(fork)
    }

    fn post(&mut self, name: &[u8], base: &Frontier, files: &Files) -> Result<WaypointId, NodeError> {
        let edits: Result<Vec<_>, _> = files.iter().map(|(path, bytes)| write(path, bytes)).collect();
        let draft = self.documents.draft(base, &edits?, &self.contents)?;
        self.contents.extend(draft.contents);
        let id = WaypointId(derive("cairn bench waypoint", &[name]));
        self.documents.insert(Change { id, parents: base.heads().to_vec(), ops: draft.ops.into() })?;
        Ok(id)
    }

    /// Makes the view of both branches: how many files it shows, and how many places where they met.
    pub fn view(&mut self) -> Result<(usize, usize), NodeError> {
        let view = self.documents.view(&self.both, &self.contents)?;
        Ok((view.files.len(), view.overlaps.len()))
    }
}

fn write(path: &[u8], bytes: &[u8]) -> Result<FileEdit, NodeError> {
    Ok(FileEdit::Write { path: repo_path(path)?, bytes: bytes.into(), executable: false })
}

fn repo_path(path: &[u8]) -> Result<RepoPath, NodeError> {
    RepoPath::new(path).map_err(|_| NodeError::Bug("a benchmark's path is no path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Files {
        Files::from([(b"src/a.rs".to_vec(), text.as_bytes().to_vec())])
    }

    #[test]
    fn both_branches_are_seen_together() {
        let (base, left, right) = (files("fn f() { 1 }\n"), files("fn f() { 2 }\n"), files("fn f() { 3 }\n"));
        assert_eq!(Fork::new(&base, [&left, &right]).unwrap().view().unwrap(), (1, 1));
        assert_eq!(Fork::new(&base, [&left, &left]).unwrap().view().unwrap(), (1, 0));
    }
}
