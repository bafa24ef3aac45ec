//! What the waypoints of a frontier have written: registers of nodes, logs of leaves.
//!
//! A state grows by one waypoint at a time, parents first, and depends on the set alone.
//! Nothing is decided here; who wins and what is shown is the view's part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Invalid;
use crate::graph::Graph;
use crate::hunk::Hunk;
use crate::id::{HunkId, LeafId, NodeId, WaypointId};
use crate::lineage::Lineage;
use crate::op::{Body, Op, Place};
use crate::paged::Paged;
use crate::register::{Register, Write};
use crate::split::Pieces;

/// One operation, checked and with its names worked out.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Place(NodeId, Option<Place>),
    Body(NodeId, Body),
    Mode(NodeId, bool),
    Split(Arc<Pieces>),
    Edit(LeafId, Vec<(HunkId, Arc<Hunk>)>),
}

impl Act {
    /// Checks one operation by what it says alone, so that every replica says the same.
    pub(crate) fn of(op: &Op) -> Result<Self, Invalid> {
        match op {
            Op::Place { node, place } => match place {
                Some(place) if place.parent == *node => Err(Invalid::Place(*node)),
                _ => Ok(Act::Place(*node, place.clone())),
            },
            Op::Body { node, body } => match body {
                Body::Text { codec: 0, .. } => Err(Invalid::Text(*node)),
                Body::Text { bytes, .. } if *bytes > crate::syntax::TEXT_BYTES_MAX as u64 => {
                    Err(Invalid::Text(*node))
                }
                _ => Ok(Act::Body(*node, body.clone())),
            },
            Op::Mode { node, executable } => Ok(Act::Mode(*node, *executable)),
            Op::Split(split) => {
                Pieces::of(split).map(Arc::new).map(Act::Split).ok_or(Invalid::Cuts(split.leaf))
            }
            Op::Edit { leaf, epoch, .. } if *epoch != 0 => Err(Invalid::Epoch(*leaf)),
            Op::Edit { leaf, hunks, .. } => {
                let hunks = hunks.iter().map(|hunk| (hunk.id(*leaf), Arc::new(hunk.clone())));
                Ok(Act::Edit(*leaf, hunks.collect()))
            }
        }
    }

    /// Remembers the names that the operation brings into the world.
    pub(crate) fn name(&self, lineage: &mut Lineage) {
        match self {
            Act::Body(node, Body::Text { content, .. }) => lineage.add_body(*node, *content),
            Act::Split(pieces) => lineage.add_pieces(pieces),
            _ => {}
        }
    }
}

/// What was written about one node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    /// Where it is, or that it is deleted.
    pub(crate) place: Register<Option<Place>>,
    /// Where it was last seen, so that a node which comes back knows where to.
    pub(crate) at: Register<Place>,
    /// Every place it ever had, so that a broken cycle can go back to the one before.
    pub(crate) places: Vec<Write<Place>>,
    /// Its body.
    pub(crate) body: Register<Body>,
    /// Its executable bit.
    pub(crate) mode: Register<bool>,
    /// The leaves of all text bodies it ever had, in order; nearly always one, so a list: there are as many as files.
    pub(crate) texts: Vec<(LeafId, Body)>,
}

/// Makes room in an empty list for no more than the one that it will nearly always hold.
pub(crate) fn room_for_one<T>(list: &mut Vec<T>) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
}

/// What was written about one leaf.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeafLog {
    /// The ways in which it was cut, by rank, and who did it.
    pub(crate) splits: BTreeMap<Vec<u8>, (Arc<Pieces>, Vec<WaypointId>)>,
    /// The changes of its text, and who made each.
    pub(crate) hunks: BTreeMap<HunkId, (Arc<Hunk>, Vec<WaypointId>)>,
    /// The last waypoints that edited it.
    pub(crate) edits: Register<()>,
    /// The split that counts, by its rank, where that is not simply the first.
    pub(crate) chosen: Option<Vec<u8>>,
}

impl LeafLog {
    /// Whether the leaf was cut, and edited beside that or cut in another way.
    pub(crate) fn has_met(&self) -> bool {
        self.splits.len() > 1 || !(self.splits.is_empty() || self.hunks.is_empty())
    }

    /// The split that counts for a leaf of this length.
    pub(crate) fn split(&self, length: u64) -> Option<&Arc<Pieces>> {
        let chosen = self.chosen.as_ref().and_then(|rank| self.splits.get(rank));
        let splits = chosen.into_iter().chain(self.splits.values());
        splits.map(|(pieces, _)| pieces).find(|pieces| u64::from(pieces.end) == length)
    }
}

/// What the waypoints of a frontier have written.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) nodes: Paged<NodeId, Arc<Node>>,
    pub(crate) leaves: Paged<LeafId, Arc<LeafLog>>,
    /// The leaves whose edits met a cut, or that were cut in several ways.
    pub(crate) met: BTreeSet<LeafId>,
}

impl State {
    /// How many nodes and leaves were written, and one for the state itself.
    pub(crate) fn size(&self) -> usize {
        1 + self.nodes.len() + self.leaves.len()
    }

    /// Takes in a waypoint, all of whose past is in.
    pub(crate) fn apply(&mut self, by: WaypointId, acts: &[Act], graph: &Graph) {
        for act in acts {
            match act {
                Act::Place(node, place) => self.place(by, *node, place, graph),
                Act::Body(node, body) => self.body(by, *node, body, graph),
                Act::Mode(node, executable) => self.node(*node).mode.write(by, *executable, graph),
                Act::Split(pieces) => self.split(by, pieces),
                Act::Edit(leaf, hunks) => self.edit(by, *leaf, hunks, graph),
            }
        }
    }

    fn node(&mut self, node: NodeId) -> &mut Node {
        Arc::make_mut(self.nodes.or_default(node))
    }

    fn leaf(&mut self, leaf: LeafId) -> &mut LeafLog {
        Arc::make_mut(self.leaves.or_default(leaf))
    }

    fn place(&mut self, by: WaypointId, node: NodeId, place: &Option<Place>, graph: &Graph) {
        let node = self.node(node);
        node.place.write(by, place.clone(), graph);
        if let Some(place) = place {
            node.at.write(by, place.clone(), graph);
            room_for_one(&mut node.places);
            node.places.push(Write { by, value: place.clone() });
        }
    }

    fn body(&mut self, by: WaypointId, node: NodeId, body: &Body, graph: &Graph) {
        let written = self.node(node);
        written.body.write(by, body.clone(), graph);
        if let Body::Text { content, .. } = body {
            let leaf = LeafId::of(node, *content);
            written.texts.retain(|(known, _)| *known != leaf);
            room_for_one(&mut written.texts);
            let at = written.texts.partition_point(|(known, _)| *known < leaf);
            written.texts.insert(at, (leaf, body.clone()));
        }
    }

    fn split(&mut self, by: WaypointId, pieces: &Arc<Pieces>) {
        let splits = &mut self.leaf(pieces.leaf).splits;
        let (_, writers) = splits.entry(pieces.rank.clone()).or_insert_with(|| (pieces.clone(), Vec::new()));
        insert_sorted(writers, by);
        self.note_met(pieces.leaf);
    }

    fn edit(&mut self, by: WaypointId, leaf: LeafId, hunks: &[(HunkId, Arc<Hunk>)], graph: &Graph) {
        let log = self.leaf(leaf);
        log.edits.write(by, (), graph);
        for (id, hunk) in hunks {
            let (_, writers) = log.hunks.entry(*id).or_insert_with(|| (hunk.clone(), Vec::new()));
            insert_sorted(writers, by);
        }
        self.note_met(leaf);
    }

    fn note_met(&mut self, leaf: LeafId) {
        if self.leaves.get(&leaf).is_some_and(|log| log.has_met()) {
            self.met.insert(leaf);
        }
    }
}

fn insert_sorted(ids: &mut Vec<WaypointId>, id: WaypointId) {
    if let Err(at) = ids.binary_search(&id) {
        ids.insert(at, id);
    }
}
