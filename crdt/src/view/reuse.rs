//! What of an older view still holds.
//!
//! A view of many files differs from the one before it in few. The texts that no operation
//! since has touched need not be put together again: what an operation touches is found by
//! walking up from it, in the old tree and in the new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::id::{LeafId, NodeId};
use crate::state::Act;
use crate::view::paths::Paths;
use crate::view::report::{Found, Settle};
use crate::view::resolve::{Rendered, Resolved};
use crate::view::tree::{Ground, Spot, Tree};

/// An older view, and what was written since.
pub(crate) struct Before<'a> {
    /// The view; its frontier lies within the new one.
    pub(crate) resolved: &'a Resolved,
    /// The operations that the new one has more.
    pub(crate) acts: Vec<&'a Act>,
}

impl Before<'_> {
    /// The older tree, if nothing was written since that a tree is made of.
    pub(crate) fn tree(&self) -> Option<Arc<Tree>> {
        let is_inside = |act: &&Act| matches!(act, Act::Edit(..) | Act::Mode(..));
        let holds = self.resolved.tree.broken.is_empty() && self.acts.iter().all(is_inside);
        holds.then(|| self.resolved.tree.clone())
    }
}

/// What of an older view is as it was.
pub(crate) struct Reuse<'a> {
    before: Option<&'a Resolved>,
    touched: BTreeSet<NodeId>,
    /// Nodes that stand elsewhere now.
    moved: BTreeSet<NodeId>,
}

impl<'a> Reuse<'a> {
    pub(crate) fn of(ground: Ground<'_>, tree: &Arc<Tree>, before: Option<&Before<'a>>) -> Self {
        let Some(Before { resolved, acts }) = before else {
            return Self { before: None, touched: BTreeSet::new(), moved: BTreeSet::new() };
        };
        let mut starts: BTreeSet<_> = acts.iter().flat_map(|act| subjects(ground, act)).collect();
        let moved: BTreeSet<_> = match Arc::ptr_eq(tree, &resolved.tree) {
            true => BTreeSet::new(),
            false => moved(&resolved.tree, tree).chain(moved(tree, &resolved.tree)).collect(),
        };
        starts.extend(&moved);
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
        Self { before: Some(resolved), touched, moved }
    }

    /// The paths of the older view, if every file and folder stands where it stood, and no deleted file may have come back.
    pub(crate) fn paths(&self, tree: &Tree) -> Option<Arc<Paths>> {
        let before = self.before?;
        let has_path = |tree: &Tree, node| tree.spots.get(node).is_some_and(Spot::has_path);
        let is_moved = self.moved.iter().any(|node| has_path(tree, node) || has_path(&before.tree, node));
        let is_deleted = |node| tree.spots.get(node).is_some_and(|spot| spot.has_path() && spot.deleted);
        let is_broken = !(tree.broken.is_empty() && before.tree.broken.is_empty());
        let holds = !is_moved && !is_broken && !self.touched.iter().any(is_deleted);
        holds.then(|| before.paths.clone())
    }

    /// A file of the older view that is as it was, if nothing met anywhere in that view: then there is nothing to tell of it
    /// either.
    pub(crate) fn file(&self, node: &NodeId, path: &crate::path::RepoPath) -> Option<&'a crate::view::File> {
        let before = self.before.filter(|before| before.is_quiet())?;
        let file = before.view.files.get(path).filter(|file| file.node == *node)?;
        (!self.touched.contains(node)).then_some(file)
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

/// The nodes that an operation is about.
fn subjects(ground: Ground<'_>, act: &Act) -> Vec<NodeId> {
    let leaf = match act {
        Act::Place(node, _) | Act::Body(node, _) | Act::Mode(node, _) => return vec![*node],
        Act::Split(pieces) => pieces.leaf,
        Act::Edit(leaf, _) => *leaf,
    };
    let mut found: Vec<_> = ground.lineage.owner(&leaf).into_iter().collect();
    let Some(mut outer) = routed_around(ground, leaf).map(|leaf| vec![leaf]) else { return found };
    // The edit may show in any piece, and a piece may stand in another file.
    let mut met = BTreeSet::new();
    while let Some(leaf) = outer.pop() {
        if !met.insert(leaf) {
            continue;
        }
        let splits = ground.state.leaves.get(&leaf).into_iter().flat_map(|log| log.splits.values());
        for piece in splits.flat_map(|(pieces, _)| &pieces.list) {
            found.push(piece.node);
            outer.extend(piece.leaf);
        }
    }
    found
}

/// The outermost leaf from which an edit of a leaf may be brought to other pieces.
fn routed_around(ground: Ground<'_>, leaf: LeafId) -> Option<LeafId> {
    let cut = |leaf: &LeafId, ways: usize| {
        ground.state.leaves.get(leaf).is_some_and(|log| log.splits.len() >= ways)
    };
    let mut outermost = Some(leaf).filter(|leaf| cut(leaf, 1));
    let mut at = leaf;
    while let Some((outer, ..)) = ground.lineage.owner(&at).and_then(|node| ground.lineage.slice(&node)) {
        outermost = Some(outer).filter(|outer| cut(outer, 2)).or(outermost);
        at = outer;
    }
    outermost
}

/// The nodes that stand in one tree and not in the same place in the other.
fn moved<'a>(tree: &'a Tree, other: &'a Tree) -> impl Iterator<Item = NodeId> + 'a {
    let same = |id, spot| other.spots.get(id).is_some_and(|there| there == spot);
    tree.spots.iter().filter(move |(id, spot)| !same(*id, *spot)).map(|(id, _)| *id)
}
