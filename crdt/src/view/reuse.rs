//! What of an older view still holds.
//!
//! A view of many files differs from the one before it in few. The texts that no operation
//! since has touched need not be put together again: what an operation touches is found by
//! walking up from it, in the old tree and in the new one.

use std::collections::BTreeSet;

use crate::id::NodeId;
use crate::state::Act;
use crate::view::report::{Found, Settle};
use crate::view::resolve::{Rendered, Resolved};
use crate::view::tree::{Ground, Tree};

/// An older view, and what was written since.
pub(crate) struct Before<'a> {
    /// The view; its frontier lies within the new one.
    pub(crate) resolved: &'a Resolved,
    /// The operations that the new one has more.
    pub(crate) acts: Vec<&'a Act>,
}

/// The texts of an older view that are as they were.
pub(crate) struct Reuse<'a> {
    before: Option<&'a Resolved>,
    touched: BTreeSet<NodeId>,
}

impl<'a> Reuse<'a> {
    pub(crate) fn of(ground: Ground<'_>, tree: &Tree, before: Option<Before<'a>>) -> Self {
        let Some(Before { resolved, acts }) = before else {
            return Self { before: None, touched: BTreeSet::new() };
        };
        let mut starts: BTreeSet<_> = acts.into_iter().filter_map(|act| subject(ground, act)).collect();
        starts.extend(moved(&resolved.tree, tree).chain(moved(tree, &resolved.tree)));
        let mut touched = BTreeSet::new();
        for tree in [&resolved.tree, tree] {
            let mut met = BTreeSet::new();
            for start in &starts {
                let mut next = Some(*start);
                while let Some(node) = next.filter(|node| met.insert(*node)) {
                    next = tree.parent(ground, &node);
                }
            }
            touched.extend(met);
        }
        Self { before: Some(resolved), touched }
    }

    /// What the older view showed of a file, if that still holds.
    ///
    /// Overlaps of places speak about other paths, so a text that has some is read again.
    pub(crate) fn rendered(&self, node: &NodeId, path: &crate::path::RepoPath) -> Option<&'a Rendered> {
        let rendered = self.before?.rendered.get(node)?;
        let in_leaves = |found: &Found| matches!(found.settle, Settle::Leaf(..));
        let holds = !self.touched.contains(node) && rendered.path == *path;
        (holds && rendered.found.iter().all(in_leaves)).then_some(rendered)
    }
}

/// The node that an operation is about.
fn subject(ground: Ground<'_>, act: &Act) -> Option<NodeId> {
    match act {
        Act::Place(node, _) | Act::Body(node, _) | Act::Mode(node, _) => Some(*node),
        Act::Split(pieces) => ground.lineage.owner(&pieces.leaf),
        Act::Edit(leaf, _) => ground.lineage.owner(leaf),
    }
}

/// The nodes that stand in one tree and not in the same place in the other.
fn moved<'a>(tree: &'a Tree, other: &'a Tree) -> impl Iterator<Item = NodeId> + 'a {
    let same = |id, spot| other.spots.get(id).is_some_and(|there| there == spot);
    tree.spots.iter().filter(move |(id, spot)| !same(*id, *spot)).map(|(id, _)| *id)
}
