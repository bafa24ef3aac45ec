//! Whether something that was deleted comes back.
//!
//! A function that is there twice is loud, one that is gone is quiet. So a deleted file or
//! item shows again when anything in it was written that none of the deletions had seen.
//! Deleting a part of it is no such write.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::id::{LeafId, NodeId, WaypointId};
use crate::view::tree::{Ground, Tree};

/// The writes in a node or leaf that the deletions on the way down have not seen.
struct Search<'a> {
    ground: Ground<'a>,
    tree: &'a Tree,
    open: Vec<(Stop, Rc<Vec<WaypointId>>)>,
    met: BTreeSet<NodeId>,
    found: BTreeSet<WaypointId>,
}

enum Stop {
    Node(NodeId),
    Leaf(LeafId),
}

/// The waypoints that wrote to a node, or in it, and that none of its deletions has seen.
pub(crate) fn unseen_in_node(ground: Ground<'_>, tree: &Tree, node: NodeId) -> BTreeSet<WaypointId> {
    search(ground, tree, Stop::Node(node), Vec::new())
}

/// The waypoints that wrote in a leaf, and that none of `seen_by` has seen.
pub(crate) fn unseen_in_leaf(
    ground: Ground<'_>,
    tree: &Tree,
    leaf: LeafId,
    seen_by: Vec<WaypointId>,
) -> BTreeSet<WaypointId> {
    search(ground, tree, Stop::Leaf(leaf), seen_by)
}

/// Whether a node that stands somewhere is shown there.
pub(crate) fn is_alive(ground: Ground<'_>, tree: &Tree, node: NodeId) -> bool {
    let deleted = tree.spots.get(&node).is_some_and(|spot| spot.deleted);
    !deleted || !unseen_in_node(ground, tree, node).is_empty()
}

fn search(ground: Ground<'_>, tree: &Tree, from: Stop, seen_by: Vec<WaypointId>) -> BTreeSet<WaypointId> {
    let open = vec![(from, Rc::new(seen_by))];
    let mut search = Search { ground, tree, open, met: BTreeSet::new(), found: BTreeSet::new() };
    while let Some((stop, seen_by)) = search.open.pop() {
        match stop {
            Stop::Node(node) => search.node(node, seen_by),
            Stop::Leaf(leaf) => search.leaf(leaf, seen_by),
        }
    }
    search.found
}

impl Search<'_> {
    fn note<'b>(&mut self, writers: impl Iterator<Item = &'b WaypointId>, seen_by: &[WaypointId]) {
        let graph = self.ground.graph;
        self.found.extend(writers.filter(|by| !graph.is_within(by, seen_by)));
    }

    fn node(&mut self, node: NodeId, mut seen_by: Rc<Vec<WaypointId>>) {
        if !self.met.insert(node) {
            return;
        }
        let (ground, tree) = (self.ground, self.tree);
        if let Some(written) = ground.state.nodes.get(&node) {
            if tree.spots.get(&node).is_some_and(|spot| spot.deleted) {
                let all = seen_by.iter().chain(written.place.writers());
                seen_by = Rc::new(all.copied().collect());
            }
            self.note(written.at.writers(), &seen_by);
            self.note(written.body.writers(), &seen_by);
            self.note(written.mode.writers(), &seen_by);
        }
        self.children(node, &seen_by);
        let leaves = ground.leaves(&node).into_iter();
        self.open.extend(leaves.map(|leaf| (Stop::Leaf(leaf), seen_by.clone())));
    }

    /// What was put under a parent, and the pieces under it that nobody has moved.
    fn children(&mut self, parent: NodeId, seen_by: &Rc<Vec<WaypointId>>) {
        let (ground, tree) = (self.ground, self.tree);
        let put = tree.children(&parent).iter().copied();
        self.open.extend(put.map(|node| (Stop::Node(node), seen_by.clone())));
        let leaf = ground.lineage.inside(&parent).or_else(|| Some(ground.lineage.slice(&parent)?.0));
        let Some(log) = leaf.and_then(|leaf| ground.state.leaves.get(&leaf)) else { return };
        let pieces = log.splits.values().flat_map(|(pieces, _)| pieces.under(&parent));
        let unmoved = pieces.filter(|piece| !tree.spots.contains_key(&piece.node));
        self.open.extend(unmoved.map(|piece| (Stop::Node(piece.node), seen_by.clone())));
    }

    fn leaf(&mut self, leaf: LeafId, seen_by: Rc<Vec<WaypointId>>) {
        if let Some(log) = self.ground.state.leaves.get(&leaf) {
            self.note(log.edits.writers(), &seen_by);
        }
        self.children(NodeId::inside(leaf), &seen_by);
    }
}
