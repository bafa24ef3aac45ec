//! Where every node stands: the winning places, with cycles of moves broken.
//!
//! Two sides may each move a folder into the other's. No single writer saw a cycle, so the
//! view breaks it: the node with the largest id goes back to the place it had before, or,
//! when that helps nothing, to the project's root. The choice looks at ids and at the set
//! of writes only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::graph::Graph;
use crate::id::{LeafId, NodeId};
use crate::lineage::Lineage;
use crate::op::{NodeKind, Place};
use crate::paged::Paged;
use crate::split::Piece;
use crate::state::{Act, Node, State};

/// Where one node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The place.
    pub(crate) place: Place,
    /// Whether every last word on it is that it is deleted.
    pub(crate) deleted: bool,
}

/// Where every node stands that someone put somewhere.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tree {
    /// The spots; a piece of a leaf that nobody moved has none.
    pub(crate) spots: Paged<NodeId, Arc<Spot>>,
    /// The nodes that someone put there, by parent.
    under: Paged<NodeId, Arc<Vec<NodeId>>>,
    /// Nodes whose move had to be undone, and the place they wanted.
    pub(crate) broken: BTreeMap<NodeId, Place>,
    /// Whether a node stands in the root because its parent is no folder.
    has_orphans: bool,
}

/// What a tree is made from.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) root: NodeId,
    pub(crate) state: &'a State,
    pub(crate) lineage: &'a Lineage,
    pub(crate) graph: &'a Graph,
}

impl<'a> Ground<'a> {
    /// The piece that a node was cut as, by the first split that knows it.
    pub(crate) fn piece(&self, node: &NodeId) -> Option<&'a Piece> {
        let (leaf, _, _) = self.lineage.slice(node)?;
        let splits = &self.state.leaves.get(&leaf)?.splits;
        splits.values().find_map(|(pieces, _)| pieces.get(node))
    }

    /// The node that holds a leaf which the state has cut.
    fn owner_of_inside(&self, parent: &NodeId) -> Option<NodeId> {
        let leaf = self.lineage.inside(parent)?;
        let cut = self.state.leaves.get(&leaf).is_some_and(|log| !log.splits.is_empty());
        if cut { self.lineage.owner(&leaf) } else { None }
    }

    /// The text leaves that a node ever had, with the one it was cut as.
    pub(crate) fn leaves(&self, node: &NodeId) -> Vec<LeafId> {
        let written =
            self.state.nodes.get(node).into_iter().flat_map(|node| node.texts.iter().map(|(leaf, _)| *leaf));
        written.chain(self.piece(node).and_then(|piece| piece.leaf)).collect()
    }
}

impl Spot {
    fn is_dir(&self) -> bool {
        self.place.kind == NodeKind::Dir
    }
}

/// Growing by what was written since.
impl Tree {
    /// The tree of a state that has these operations more, and the nodes that stand elsewhere in it; `None` where
    /// something of this tree, or of the other, stands otherwise than it was put: then all places count.
    pub(crate) fn grown(&self, ground: Ground<'_>, acts: &[&Act]) -> Option<(Self, BTreeSet<NodeId>)> {
        if self.has_orphans || !self.broken.is_empty() {
            return None;
        }
        let (mut placed, mut holders) = (BTreeSet::new(), BTreeSet::new());
        for act in acts {
            match act {
                Act::Place(node, _) => drop(placed.insert(*node)),
                Act::Split(pieces) => {
                    holders.extend(ground.lineage.owner(&pieces.leaf));
                    placed.extend(pieces.list.iter().map(|piece| piece.node));
                }
                Act::Body(..) | Act::Mode(..) | Act::Edit(..) => {}
            }
        }
        let (spots, under) = (self.spots.clone(), self.under.clone());
        let mut tree = Self { spots, under, ..Self::default() };
        placed.retain(|node| tree.stand(ground, *node));
        let lost = |node: &NodeId| self.spots.get(node).is_some_and(|was| was.is_dir() && !tree.is_dir(node));
        let torn = |node: &NodeId| tree.spots.get(node).is_some_and(|spot| tree.is_orphan(spot, ground.root));
        let mut above = placed.iter().chain(&holders);
        let sound = !placed.contains(&ground.root)
            && !placed.iter().any(|node| lost(node) || torn(node))
            && !above.any(|node| tree.circles(ground, *node));
        sound.then_some((tree, placed))
    }

    fn is_dir(&self, node: &NodeId) -> bool {
        self.spots.get(node).is_some_and(|spot| spot.is_dir())
    }

    /// Lets a node stand where the state says; whether that is another spot than before.
    fn stand(&mut self, ground: Ground<'_>, node: NodeId) -> bool {
        let now = ground.state.nodes.get(&node).and_then(|written| spot(ground, &node, written));
        let was = self.spots.get(&node).map(|spot| spot.place.parent);
        if self.spots.get(&node).map(|spot| &**spot) == now.as_ref() {
            return false;
        }
        let parent = now.as_ref().map(|spot| spot.place.parent);
        match now {
            Some(spot) => drop(self.spots.insert(node, Arc::new(spot))),
            None => drop(self.spots.remove(&node)),
        }
        if was != parent {
            self.leave(was, &node);
            self.enter(parent, node);
        }
        true
    }

    fn leave(&mut self, parent: Option<NodeId>, node: &NodeId) {
        let Some((parent, nodes)) = parent.and_then(|parent| Some((parent, self.under.get_mut(&parent)?)))
        else {
            return;
        };
        let nodes = Arc::make_mut(nodes);
        nodes.retain(|other| other != node);
        if nodes.is_empty() {
            self.under.remove(&parent);
        }
    }

    fn enter(&mut self, parent: Option<NodeId>, node: NodeId) {
        let Some(parent) = parent else { return };
        let nodes = Arc::make_mut(self.under.or_default(parent));
        let at = nodes.partition_point(|other| *other < node);
        nodes.insert(at, node);
    }

    /// Whether a walk up from a node comes to a node twice.
    fn circles(&self, ground: Ground<'_>, node: NodeId) -> bool {
        let (mut met, mut next) = (BTreeSet::new(), Some(node));
        while let Some(node) = next {
            if !met.insert(node) {
                return true;
            }
            next = self.parent(ground, &node);
        }
        false
    }
}

impl Tree {
    /// The tree of a state.
    pub(crate) fn of(ground: Ground<'_>) -> Self {
        let spots = ground.state.nodes.iter();
        let spots = spots.filter_map(|(id, node)| Some((*id, Arc::new(spot(ground, id, node)?)))).collect();
        let mut tree = Tree { spots, ..Tree::default() };
        tree.adopt_orphans(ground.root);
        tree.break_cycles(ground);
        tree.list_children();
        tree
    }

    /// Files and folders whose parent is no folder stand in the root.
    fn adopt_orphans(&mut self, root: NodeId) {
        self.spots.remove(&root);
        let orphans = self.spots.iter().filter(|(_, spot)| self.is_orphan(spot, root));
        let orphans: Vec<_> = orphans.map(|(id, _)| *id).collect();
        self.has_orphans = !orphans.is_empty();
        for orphan in orphans {
            self.put_under(orphan, root);
        }
    }

    /// Whether a file or folder stands in what is no folder.
    fn is_orphan(&self, spot: &Spot, root: NodeId) -> bool {
        let Place { parent, kind, .. } = &spot.place;
        kind.is_named() && *parent != root && !self.spots.get(parent).is_some_and(|spot| spot.is_dir())
    }

    fn put_under(&mut self, node: NodeId, parent: NodeId) {
        if let Some(spot) = self.spots.get_mut(&node) {
            Arc::make_mut(spot).place.parent = parent;
        }
    }

    fn list_children(&mut self) {
        let mut under = BTreeMap::<NodeId, Vec<NodeId>>::new();
        for (id, spot) in &self.spots {
            under.entry(spot.place.parent).or_default().push(*id);
        }
        self.under = under.into_iter().map(|(parent, nodes)| (parent, Arc::new(nodes))).collect();
    }

    /// The nodes that someone put under a parent, those that are deleted too.
    pub(crate) fn children(&self, parent: &NodeId) -> &[NodeId] {
        self.under.get(parent).map_or(&[], |nodes| nodes)
    }

    /// Puts a node into the root because no path to its place exists.
    pub(crate) fn uproot(&mut self, node: NodeId, root: NodeId) {
        if let Some(spot) = self.spots.get(&node) {
            self.broken.entry(node).or_insert(spot.place.clone());
            self.put_under(node, root);
            self.list_children();
        }
    }

    /// The node that a node lies in.
    pub(crate) fn parent(&self, ground: Ground<'_>, node: &NodeId) -> Option<NodeId> {
        let written = self.spots.get(node).map(|spot| spot.place.parent);
        let parent = written.or_else(|| Some(ground.piece(node)?.place.parent))?;
        Some(ground.owner_of_inside(&parent).unwrap_or(parent))
    }

    fn break_cycles(&mut self, ground: Ground<'_>) {
        let mut safe = BTreeSet::new();
        let nodes: Vec<_> = self.spots.keys().copied().collect();
        for node in nodes {
            while let Some(cycle) = self.cycle_above(ground, node, &mut safe) {
                self.break_cycle(ground, &cycle);
            }
        }
    }

    /// The cycle that a walk up from `node` runs into; else every node on the way is safe.
    fn cycle_above(
        &self,
        ground: Ground<'_>,
        node: NodeId,
        safe: &mut BTreeSet<NodeId>,
    ) -> Option<Vec<NodeId>> {
        let (mut path, mut met) = (Vec::new(), BTreeSet::new());
        let mut next = Some(node);
        while let Some(node) = next.filter(|node| !safe.contains(node)) {
            if !met.insert(node) {
                let start = path.iter().position(|other| *other == node).unwrap_or_default();
                return Some(path.split_off(start));
            }
            path.push(node);
            next = self.parent(ground, &node);
        }
        safe.extend(path);
        None
    }

    fn break_cycle(&mut self, ground: Ground<'_>, cycle: &[NodeId]) {
        let moved = cycle.iter().filter(|node| self.spots.contains_key(node));
        let Some(node) = moved.max().copied() else { return };
        let Some(spot) = self.spots.remove(&node) else { return };
        let wanted = spot.place.clone();
        let place = self.place_before(ground, node, &wanted);
        let place = place.or_else(|| self.root_place(ground, node, &wanted));
        if let Some(place) = place {
            self.spots.insert(node, Arc::new(Spot { place, deleted: spot.deleted }));
        }
        self.broken.insert(node, wanted);
    }

    /// The last place before `wanted` from which no walk leads back to the node.
    fn place_before(&self, ground: Ground<'_>, node: NodeId, wanted: &Place) -> Option<Place> {
        let written = ground.state.nodes.get(&node)?;
        let mut places: Vec<_> = written.places.iter().filter(|write| write.value != *wanted).collect();
        let seen = |by| places.iter().filter(|write| ground.graph.is_ancestor(&write.by, by)).count();
        let ranks: Vec<_> = places.iter().map(|write| seen(&write.by)).collect();
        let mut ranked: Vec<_> = ranks.into_iter().zip(places.drain(..)).collect();
        ranked.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.value.cmp(&y.value)));
        let places = ranked.into_iter().map(|(_, write)| &write.value);
        places.into_iter().find(|place| !self.leads_to(ground, place.parent, node)).cloned()
    }

    /// The root for files and folders. An item goes back to where it was cut: no spot.
    fn root_place(&self, ground: Ground<'_>, node: NodeId, wanted: &Place) -> Option<Place> {
        match wanted.kind {
            NodeKind::Dir | NodeKind::File => Some(Place { parent: ground.root, ..wanted.clone() }),
            _ if self.parent(ground, &node).is_some_and(|parent| self.leads_to(ground, parent, node)) => {
                Some(Place { parent: ground.root, ..wanted.clone() })
            }
            _ => None,
        }
    }

    /// Whether a walk up from `from` meets `node`.
    fn leads_to(&self, ground: Ground<'_>, from: NodeId, node: NodeId) -> bool {
        let mut met = BTreeSet::new();
        let mut next = Some(ground.owner_of_inside(&from).unwrap_or(from));
        while let Some(at) = next {
            if at == node {
                return true;
            }
            if !met.insert(at) {
                return false;
            }
            next = self.parent(ground, &at);
        }
        false
    }
}

/// Where a node stands: the winner of its places, or the last one before it was deleted.
fn spot(ground: Ground<'_>, id: &NodeId, node: &Node) -> Option<Spot> {
    let at = match node.place.only() {
        Some(only) => only.as_ref(),
        None => {
            let values = node.place.values().into_keys().flatten();
            values.min_by_key(|place| crate::register::Ranked::rank(*place))
        }
    };
    if let Some(place) = at {
        return Some(Spot { place: place.clone(), deleted: false });
    }
    let cut = || Some(&ground.piece(id)?.place);
    let last = node.at.winner().or_else(cut).filter(|_| !node.place.is_empty());
    last.map(|place| Spot { place: place.clone(), deleted: true })
}
