//! What of an older view still holds.
//!
//! A view of many files differs from the one before it in few. The texts that no operation
//! since has touched need not be put together again: what an operation touches is found by
//! walking up from it, in the old tree and in the new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::id::{LeafId, NodeId};
use crate::op::NodeKind;
use crate::state::Act;
use crate::view::paths::Paths;
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
    before: Option<Before<'a>>,
    /// The nodes that stand elsewhere now, where it is known.
    moved: Option<BTreeSet<NodeId>>,
    /// What operations touched, and all that it lies in.
    pub(crate) touched: BTreeSet<NodeId>,
}

impl<'a> Reuse<'a> {
    /// Which nodes stand elsewhere is looked up where it is not `known`.
    pub(crate) fn of(
        ground: Ground<'_>,
        tree: &Tree,
        before: Option<Before<'a>>,
        known: Option<BTreeSet<NodeId>>,
    ) -> Self {
        let mut touched = BTreeSet::new();
        let Some(Before { resolved, acts }) = &before else { return Self { before, moved: known, touched } };
        let mut starts: BTreeSet<_> = acts.iter().flat_map(|act| subjects(ground, act)).collect();
        match &known {
            Some(moved) => starts.extend(moved),
            None => starts.extend(moved(&resolved.tree, tree).chain(moved(tree, &resolved.tree))),
        }
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
        Self { before, moved: known, touched }
    }

    /// The same over a tree of which nothing is known.
    pub(crate) fn again(self, ground: Ground<'_>, tree: &Tree) -> Self {
        Self::of(ground, tree, self.before, None)
    }

    /// The older view and the paths of this one, if nothing met there and they follow from its paths: files came, went or have
    /// another name, and folders only came. Then all that was not touched is as it was.
    pub(crate) fn paths(&self, ground: Ground<'_>, tree: &Tree) -> Option<(&'a Resolved, Arc<Paths>)> {
        let before = self.before.as_ref()?.resolved;
        let moved = self.moved.as_ref().filter(|_| before.is_quiet())?;
        let trees = [&before.tree, tree];
        let kinds =
            |node: NodeId| trees.into_iter().filter_map(move |tree| Some(&tree.spots.get(&node)?.place.kind));
        let is = |node: NodeId, kind: NodeKind| kinds(node).any(|other| *other == kind);
        let dirs: BTreeSet<_> = moved.iter().copied().filter(|node| is(*node, NodeKind::Dir)).collect();
        let files: BTreeSet<_> = moved.iter().copied().filter(|node| is(*node, NodeKind::File)).collect();
        let stay = !dirs.iter().any(|node| before.tree.spots.contains_key(node))
            && files.iter().all(|node| kinds(*node).all(|kind| *kind == NodeKind::File));
        let came = |node: &NodeId| files.contains(node) || dirs.contains(node);
        // What was written in a file that is deleted may bring it back.
        let shown = |node: &NodeId| {
            let spot = tree.spots.get(node);
            let inside = spot.is_some_and(|spot| !spot.place.kind.is_named()) || ground.piece(node).is_some();
            inside || *node == ground.root || before.paths.of.contains_key(node) || came(node)
        };
        if !stay || !self.touched.iter().all(shown) {
            return None;
        }
        let paths = match files.is_empty() && dirs.is_empty() {
            true => before.paths.clone(),
            false => Arc::new(before.paths.grown(ground, tree, &dirs, &files)?),
        };
        Some((before, paths))
    }

    /// A file of the older view that is as it was, if nothing met anywhere in that view: then there is nothing to tell of it
    /// either.
    pub(crate) fn file(&self, node: &NodeId, path: &crate::path::RepoPath) -> Option<&'a crate::view::File> {
        let before = self.before.as_ref()?.resolved;
        let file = before.files.get(path).filter(|_| before.is_quiet()).filter(|file| file.node == *node)?;
        (!self.touched.contains(node)).then_some(file)
    }

    /// What the older view showed of a file, if that still holds.
    ///
    /// Overlaps of places speak about other paths, so a text that has some is read again.
    pub(crate) fn rendered(&self, node: &NodeId, path: &crate::path::RepoPath) -> Option<&'a Arc<Rendered>> {
        let rendered = self.before.as_ref()?.resolved.rendered.get(node)?;
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
