//! One file and what several hands made of it, without a repo.
//!
//! The sides become waypoints on top of one that holds the base, and the view of their
//! frontier is the answer. So a merge of three loose files and a merge in a project are one
//! piece of code, and neither the order of the sides nor who wrote them has any say.

use std::mem::ManuallyDrop;

use crate::documents::{Change, Documents, Kept};
use crate::draft::FileEdit;
use crate::error::CrdtError;
use crate::frontier::Frontier;
use crate::id::{ProjectId, WaypointId, derive};
use crate::overlap::Overlap;
use crate::path::{Name, RepoPath};

/// What became of the sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The merged file.
    pub bytes: Vec<u8>,
    /// Where the sides met.
    pub overlaps: Vec<Overlap>,
    /// Where they came near to each other.
    pub notes: Vec<Overlap>,
    /// The waypoint by which overlaps name each side; equal sides have the same.
    pub sides: Vec<WaypointId>,
}

/// Merges what `sides` made of `base`; `name` tells the language, its folder does not matter.
pub fn merge(name: &[u8], base: &[u8], sides: &[&[u8]]) -> Result<Merged, CrdtError> {
    Bench::new(name)?.merge(base, sides)
}

/// The same, as the last thing that a process does: what was put together on the way is left for the
/// system to take back at once, which is faster than to take it apart piece by piece.
pub fn merge_at_last(name: &[u8], base: &[u8], sides: &[&[u8]]) -> Result<Merged, CrdtError> {
    ManuallyDrop::new(Bench::new(name)?).merge(base, sides)
}

/// A project of one file.
struct Bench {
    documents: Documents,
    contents: Kept,
    path: RepoPath,
}

impl Bench {
    fn new(name: &[u8]) -> Result<Self, CrdtError> {
        let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let name = Name::new(last).or_else(|_| Name::new(b"file"))?;
        let documents = Documents::new(ProjectId(derive("cairn 1 loose files", &[])));
        Ok(Self { documents, contents: Kept::default(), path: RepoPath::root(&name) })
    }

    fn merge(&mut self, base: &[u8], sides: &[&[u8]]) -> Result<Merged, CrdtError> {
        let trunk = self.post(&Frontier::empty(), base)?;
        let trunk = Frontier::from_iter([trunk]);
        let posted: Result<Vec<_>, _> = sides.iter().map(|side| self.post(&trunk, side)).collect();
        let sides = posted?;
        let heads = sides.iter().chain(trunk.heads()).copied();
        let frontier = self.documents.frontier_of(heads);
        let view = self.documents.view(&frontier, &self.contents)?;
        let bytes = self.documents.bytes(&view, &self.path, &self.contents)?;
        Ok(Merged { bytes, overlaps: view.overlaps.clone(), notes: view.notes.clone(), sides })
    }

    /// Posts `bytes` on top of `base`; the waypoint's name is what it says.
    fn post(&mut self, base: &Frontier, bytes: &[u8]) -> Result<WaypointId, CrdtError> {
        let parents = base.heads();
        let above: Vec<u8> = parents.iter().flat_map(|parent| parent.0).collect();
        let id = WaypointId(derive("cairn 1 loose side", &[&above, bytes]));
        if self.documents.contains(&id) {
            return Ok(id);
        }
        let edit = FileEdit::Write { path: self.path.clone(), bytes: bytes.into(), executable: false };
        let draft = self.documents.draft(base, &[edit], &self.contents)?;
        self.contents.extend(draft.contents);
        self.documents.insert(Change { id, parents: parents.to_vec(), ops: draft.ops.into() })?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(base: &str, sides: &[&str]) -> (String, usize) {
        let sides: Vec<_> = sides.iter().map(|side| side.as_bytes()).collect();
        let merged = merge(b"some/a.rs", base.as_bytes(), &sides).unwrap();
        (String::from_utf8(merged.bytes).unwrap(), merged.overlaps.len())
    }

    #[test]
    fn sides_meet_in_any_order() {
        let (base, a, b) = ("fn f() { 1 }\n", "fn f() { 2 }\n", "fn f() { 1 }\n\nfn g() {}\n");
        let both = "fn f() { 2 }\n\nfn g() {}\n".to_owned();
        assert_eq!(text(base, &[a, b]).0, both);
        assert_eq!(text(base, &[b, a]).0, both);
        assert_eq!(text(base, &[b, a, base]).0, both);
    }

    #[test]
    fn a_side_that_changed_nothing_has_no_say() {
        assert_eq!(text("a\n", &["a\n", "b\n"]), ("b\n".into(), 0));
        assert_eq!(text("a\n", &["b\n", "b\n"]), ("b\n".into(), 0));
        assert_eq!(text("", &["", ""]), (String::new(), 0));
    }

    #[test]
    fn one_number_wins_and_the_other_is_told() {
        let (shown, overlaps) = text("let x = 100;\n", &["let x = 200;\n", "let x = 150;\n"]);
        assert_eq!((shown.as_str(), overlaps), ("let x = 150;\n", 1));
    }
}
