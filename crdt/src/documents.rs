//! All documents of one project: waypoints go in, views and drafts come out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::draft::{Ahead, Draft, FileEdit, Settling};
use crate::epoch::Epochs;
use crate::error::{Absent, CrdtError, Invalid};
use crate::frontier::Frontier;
use crate::graph::Graph;
use crate::id::{ContentHash, LeafId, NodeId, ProjectId, WaypointId};
use crate::lineage::Lineage;
use crate::op::{Body, Op};
use crate::path::RepoPath;
use crate::routing::routed;
use crate::shelf::{Shelf, Spot};
use crate::state::{Act, State};
use crate::text::Texts;
use crate::view::View;
use crate::view::outline::Reading;
use crate::view::report::Settle;
use crate::view::resolve::{Resolved, resolve};
use crate::view::reuse::Before;
use crate::view::tree::Ground;

/// How many versions are kept ready, however large they are.
const KEPT_MIN: usize = 8;
/// How many are kept of a small project, in which many write at once, each on a version of its own.
const KEPT_MAX: usize = 256;
/// How many nodes and leaves they have together.
const KEPT_NODES_MAX: usize = 200_000;

/// One waypoint, as far as documents care: where it stands and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The waypoint.
    pub id: WaypointId,
    /// What it stands on.
    pub parents: Vec<WaypointId>,
    /// What it does, in order.
    pub ops: Arc<[Op]>,
}

/// What lies on the disk: bytes by their hash, and operations.
pub trait Contents {
    /// The bytes, or why they are not here.
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent>;

    /// The operations of a waypoint that was put there ([`Documents::insert_shelved`]); `None` where it does not read back.
    fn ops(&self, id: WaypointId, spot: Spot) -> Option<Arc<[Op]>>;
}

/// Bytes that are all in memory.
pub type Kept = BTreeMap<ContentHash, Arc<[u8]>>;

impl Contents for Kept {
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
        BTreeMap::get(self, &content).cloned().ok_or(Absent::Missing(content))
    }

    /// Nothing was put aside there.
    fn ops(&self, _id: WaypointId, _spot: Spot) -> Option<Arc<[Op]>> {
        None
    }
}

/// The documents of one project.
#[derive(Debug)]
pub struct Documents {
    project: ProjectId,
    pub(crate) graph: Graph,
    pub(crate) lineage: Arc<Lineage>,
    pub(crate) texts: Texts,
    pub(crate) acts: BTreeMap<WaypointId, Arc<[Act]>>,
    pub(crate) epochs: Epochs,
    pub(crate) shelf: Shelf,
    pub(crate) kept: VecDeque<Ready>,
    foreseen: Option<Foreseen>,
}

/// A version that was asked for lately.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    frontier: Frontier,
    state: Arc<State>,
    /// How many waypoints of its epoch were taken into the state.
    waypoints: usize,
    /// How many operations those say.
    ops: usize,
    /// The state with all edits routed, and its view.
    resolved: Option<(Arc<State>, Arc<Resolved>)>,
}

/// What the last draft was read back as. Waypoints that say just that on the same version show it too.
#[derive(Debug)]
struct Foreseen {
    base: Frontier,
    ops: Vec<Op>,
    resolved: Resolved,
    /// The last of the waypoints that say it, of those that are here.
    last: Option<WaypointId>,
    /// How many of the operations they say.
    said: usize,
}

impl Foreseen {
    /// Notes a waypoint that goes on with the operations, standing on the one that said those before: a long draft becomes
    /// several.
    fn follow(&mut self, change: &Change) {
        let on = self.last.as_ref().map_or(self.base.heads(), std::slice::from_ref);
        let rest = self.ops.get(self.said..).unwrap_or_default();
        let is_new = self.last.is_none() || !rest.is_empty();
        if is_new && on == change.parents && rest.starts_with(&change.ops) {
            self.last = Some(change.id);
            self.said += change.ops.len();
        }
    }

    /// Whether a waypoint and those below it that were noted say all of it.
    fn is_said_by(&self, id: &WaypointId) -> bool {
        self.last == Some(*id) && self.said == self.ops.len()
    }
}

impl Documents {
    /// The documents of a project in which nothing was written yet.
    pub fn new(project: ProjectId) -> Self {
        Self {
            project,
            graph: Graph::default(),
            lineage: Arc::default(),
            texts: Texts::default(),
            acts: BTreeMap::new(),
            epochs: Epochs::default(),
            shelf: Shelf::default(),
            kept: VecDeque::new(),
            foreseen: None,
        }
    }

    /// The project that the documents belong to.
    pub fn project(&self) -> ProjectId {
        self.project
    }

    /// The node above all others.
    pub(crate) fn root(&self) -> NodeId {
        NodeId::project_root(self.project)
    }

    /// Takes in one waypoint, whose parents must be here. Taking it twice is nothing new.
    ///
    /// An operation is refused for what it says, never for what is known, so every replica
    /// refuses the same waypoints.
    pub fn insert(&mut self, change: Change) -> Result<(), CrdtError> {
        let acts = self.acts_of(change.id, &change.ops)?;
        self.join(change.id, &change.parents)?;
        if let Some(foreseen) = &mut self.foreseen {
            foreseen.follow(&change);
        }
        self.keep(change.id, acts)
    }

    /// Takes in one waypoint that needs nothing of what it stands on.
    pub(crate) fn insert_detached(&mut self, change: Change) -> Result<(), CrdtError> {
        let acts = self.acts_of(change.id, &change.ops)?;
        self.join_detached(change.id, &change.parents);
        self.keep(change.id, acts)
    }

    /// What a waypoint does, if any document can take it.
    pub(crate) fn acts_of(&self, waypoint: WaypointId, ops: &[Op]) -> Result<Arc<[Act]>, CrdtError> {
        let acts: Result<_, _> = ops.iter().map(|op| self.checked(op)).collect();
        acts.map_err(|reason| CrdtError::Invalid { waypoint, reason })
    }

    /// Remembers what a waypoint does.
    pub(crate) fn keep(&mut self, id: WaypointId, acts: Arc<[Act]>) -> Result<(), CrdtError> {
        let lineage = match Arc::get_mut(&mut self.lineage) {
            Some(lineage) => lineage,
            None => return Err(CrdtError::Bug("a draft outlived its call")),
        };
        acts.iter().for_each(|act| act.name(lineage));
        self.shelf.held += acts.len();
        self.acts.insert(id, acts);
        Ok(())
    }

    /// Gives a waypoint its place in the graph and in the epoch of its parents.
    pub(crate) fn join(&mut self, id: WaypointId, parents: &[WaypointId]) -> Result<(), CrdtError> {
        let missing = |parent| CrdtError::MissingParent { waypoint: id, parent };
        if let Some(parent) = parents.iter().find(|parent| !self.graph.contains(parent)) {
            return Err(missing(*parent));
        }
        let several = |_| CrdtError::Invalid { waypoint: id, reason: Invalid::Epochs };
        let epoch = match self.epoch_of(parents) {
            // What stands in an epoch already stays there.
            Err(_) if self.epoch(&id).is_some() => None,
            epoch => epoch.map_err(several)?,
        };
        self.graph.insert(id, parents).map_err(missing)?;
        self.stand(&id, epoch);
        Ok(())
    }

    /// The same where parents may be missing, or stand in several epochs.
    pub(crate) fn join_detached(&mut self, id: WaypointId, parents: &[WaypointId]) {
        if self.join(id, parents).is_err() {
            self.graph.insert_detached(id, parents);
        }
    }

    pub(crate) fn checked(&self, op: &Op) -> Result<Act, Invalid> {
        match op {
            Op::Place { node, .. } if *node == self.root() => Err(Invalid::Place(*node)),
            _ => Act::of(op),
        }
    }

    /// Whether the waypoint is here.
    pub fn contains(&self, id: &WaypointId) -> bool {
        self.graph.contains(id)
    }

    /// Whether `a` is `b` or lies in its past.
    pub fn is_ancestor(&self, a: &WaypointId, b: &WaypointId) -> bool {
        self.graph.is_ancestor(a, b)
    }

    /// Moves tips, none of which lies in another's past, on to a waypoint, unless it lies in the past of one.
    pub fn advance(&self, tips: &mut BTreeSet<WaypointId>, id: WaypointId) {
        self.graph.advance(tips, id);
    }

    /// What a waypoint stands on; nothing for one that is not here.
    pub fn parents(&self, id: &WaypointId) -> &[WaypointId] {
        self.graph.parents(id)
    }

    /// Those of `ids` that are here and lie in no other's past.
    pub fn frontier_of(&self, ids: impl IntoIterator<Item = WaypointId>) -> Frontier {
        self.graph.frontier_of(ids)
    }

    /// The waypoints of a frontier and of its whole past, parents first.
    pub fn ancestors(&self, frontier: &Frontier) -> impl Iterator<Item = WaypointId> + '_ {
        self.graph.past(frontier.heads()).into_iter()
    }

    /// The waypoints that `frontier` has and `known` lacks, parents first.
    pub fn between(&self, known: &Frontier, frontier: &Frontier) -> Vec<WaypointId> {
        self.graph.between(known.heads(), frontier.heads())
    }

    /// What a frontier shows.
    pub fn view(&mut self, frontier: &Frontier, contents: &dyn Contents) -> Result<Arc<View>, CrdtError> {
        Ok(self.resolved(frontier, contents)?.1.view().clone())
    }

    /// The bytes of a file of a view; the target of a symbolic link.
    ///
    /// For an artifact, whose bytes lie elsewhere, this is the hash of its manifest.
    pub fn bytes(
        &mut self,
        view: &View,
        path: &RepoPath,
        contents: &dyn Contents,
    ) -> Result<Vec<u8>, CrdtError> {
        let (state, resolved) = self.resolved(&view.frontier, contents)?;
        let missing = || CrdtError::NoSuchPath(path.clone());
        let node = *resolved.paths.files.get(path).ok_or_else(missing)?;
        match state.nodes.get(&node).and_then(|written| written.body.winner()) {
            Some(Body::Text { content, .. }) => {
                let root = self.root();
                let ground = Ground { root, state: &state, lineage: &self.lineage, graph: &self.graph };
                let (tree, texts) = (&resolved.tree, &mut self.texts);
                let mut reading = Reading { ground, tree, texts, contents };
                Ok(reading.outline(node, LeafId::of(node, *content))?.bytes)
            }
            Some(Body::Opaque { content, .. }) => Ok(contents.get(*content)?.to_vec()),
            Some(Body::Artifact { artifact, .. }) => Ok(artifact.0.to_vec()),
            Some(Body::Link { target }) => Ok(target.clone()),
            None => Ok(Vec::new()),
        }
    }

    /// The content that a file of a view began as, if it began as one: most of its bytes lie there.
    pub fn beginning(
        &mut self,
        view: &View,
        path: &RepoPath,
        contents: &dyn Contents,
    ) -> Result<Option<ContentHash>, CrdtError> {
        let (state, resolved) = self.resolved(&view.frontier, contents)?;
        let node = resolved.paths.files.get(path);
        let body = node.and_then(|node| state.nodes.get(node)?.body.winner());
        Ok(body.and_then(|body| match body {
            Body::Text { content, .. } | Body::Opaque { content, .. } => Some(*content),
            Body::Artifact { .. } | Body::Link { .. } => None,
        }))
    }

    /// What to write on top of `base` so that the view shows exactly `edits`.
    ///
    /// Paths that no edit names stay as they are. Files that went from one path to another,
    /// and items that went from one place to another, are found by what they hold.
    pub fn draft(
        &mut self,
        base: &Frontier,
        edits: &[FileEdit],
        contents: &dyn Contents,
    ) -> Result<Draft, CrdtError> {
        crate::draft::draft(self, base, edits, Settling::Touched, contents)
    }

    /// Lays texts ready that were read ahead: the drafts that are written next may ask for them. Those that
    /// were laid before are let go.
    pub fn expect(&mut self, texts: Vec<Ahead>) {
        self.texts.expected = texts;
    }

    /// The same where the author has looked at all of it: every overlap of the base is settled as the view shows it, or as
    /// an edit says.
    pub fn settled_draft(
        &mut self,
        base: &Frontier,
        edits: &[FileEdit],
        contents: &dyn Contents,
    ) -> Result<Draft, CrdtError> {
        crate::draft::draft(self, base, edits, Settling::All, contents)
    }

    /// What to write on top of `base` to settle one overlap of its view in favour of an alternative.
    pub fn take(
        &mut self,
        base: &Frontier,
        overlap: usize,
        alternative: usize,
        contents: &dyn Contents,
    ) -> Result<Draft, CrdtError> {
        let (state, resolved) = self.resolved(base, contents)?;
        let found = resolved.found.get(overlap).ok_or(CrdtError::NoSuchOverlap)?;
        let mut kept = Vec::new();
        let ops = match &found.settle {
            Settle::Text(node, codec, texts) => texts.get(alternative).map(|text| {
                let (content, bytes) = (ContentHash::of(text), text.len() as u64);
                kept.push((content, text.as_slice().into()));
                vec![Op::Body { node: *node, body: Body::Text { content, bytes, codec: *codec } }]
            }),
            Settle::Ops(choices) => choices.get(alternative).cloned(),
            Settle::Leaf(leaf, number) => {
                let genesis = crate::text::genesis(*leaf, &self.lineage, contents)?;
                let log = state.leaves.get(leaf).ok_or(CrdtError::NoSuchOverlap)?;
                let text = self.texts.edited(*leaf, log, &genesis, &self.graph)?;
                let hunks = text.leaf.take(*number, alternative);
                hunks.map(|hunks| vec![Op::Edit { leaf: *leaf, epoch: 0, hunks }])
            }
        };
        let ops = ops.ok_or(CrdtError::NoSuchOverlap)?;
        Ok(Draft { ops, contents: kept })
    }

    /// A version's state, all edits where they are shown, and its view, from what is kept ready if any of it helps.
    pub(crate) fn resolved(
        &mut self,
        frontier: &Frontier,
        contents: &dyn Contents,
    ) -> Result<(Arc<State>, Arc<Resolved>), CrdtError> {
        let state = self.state(frontier, contents)?;
        let at = self.kept.iter().position(|kept| kept.frontier == *frontier);
        let ready = at.and_then(|at| self.kept.get(at)?.resolved.clone());
        if let Some(ready) = ready {
            return Ok(ready);
        }
        let state = routed(state, &self.lineage, &self.graph, contents)?;
        if let Some(resolved) = self.came(frontier) {
            if let Some(kept) = at.and_then(|at| self.kept.get_mut(at)) {
                kept.resolved = Some((state.clone(), resolved.clone()));
            }
            return Ok((state, resolved));
        }
        let older = self.older_view(frontier);
        if let Some((_, missing)) = &older {
            self.fetch(missing, contents)?;
        }
        let root = self.root();
        let ground = Ground { root, state: &state, lineage: &self.lineage, graph: &self.graph };
        let before = older.as_ref().map(|(resolved, missing)| {
            let acts = missing.iter().filter_map(|id| self.acts.get(id)).flat_map(|acts| acts.iter());
            Before { resolved, acts: acts.collect() }
        });
        let resolved = Arc::new(resolve(frontier.clone(), ground, &mut self.texts, contents, before)?);
        if let Some(kept) = at.and_then(|at| self.kept.get_mut(at)) {
            kept.resolved = Some((state.clone(), resolved.clone()));
        }
        Ok((state, resolved))
    }

    /// Remembers what a draft shows on its base.
    pub(crate) fn foresee(&mut self, base: &Frontier, ops: &[Op], resolved: Resolved) {
        let below = self.kept.iter().find(|kept| kept.frontier == *base).map_or(0, |kept| kept.ops);
        self.shelf.need(below + ops.len());
        // Where edits met, what is told names the waypoints that met.
        self.foreseen = resolved.is_quiet().then(|| Foreseen {
            base: base.clone(),
            ops: ops.to_vec(),
            resolved,
            last: None,
            said: 0,
        });
    }

    /// What was foreseen for a version, if it is a waypoint that says what was drafted.
    fn came(&mut self, frontier: &Frontier) -> Option<Arc<Resolved>> {
        let [head] = frontier.heads() else { return None };
        let foreseen = self.foreseen.take_if(|foreseen| foreseen.is_said_by(head))?;
        Some(Arc::new(foreseen.resolved.standing(frontier.clone(), *head)))
    }

    /// The kept version that lacks least of a frontier and `suits`, among those that lie within it, in its epoch.
    fn nearest(&self, frontier: &Frontier, suits: impl Fn(&Ready) -> bool) -> Option<&Ready> {
        let (heads, epoch) = (frontier.heads(), self.epoch_of(frontier.heads()).ok()?);
        let lies_within = |kept: &&Ready| {
            let below = kept.frontier.heads();
            below.iter().all(|id| self.graph.is_within(id, heads)) && self.epoch_of(below).ok() == Some(epoch)
        };
        let mut suiting: Vec<&Ready> = self.kept.iter().filter(|kept| suits(kept)).collect();
        // Whoever lies within lacks the less the more it has.
        suiting.sort_by_key(|kept| std::cmp::Reverse(kept.waypoints));
        suiting.into_iter().find(lies_within)
    }

    /// The kept view that lacks least of a frontier, and what it lacks.
    fn older_view(&self, frontier: &Frontier) -> Option<(Arc<Resolved>, Vec<WaypointId>)> {
        let kept = self.nearest(frontier, |kept| kept.resolved.is_some())?;
        let (_, resolved) = kept.resolved.clone()?;
        Some((resolved, self.since(kept.frontier.heads(), frontier.heads())))
    }

    /// What the waypoints of a frontier have written.
    fn state(&mut self, frontier: &Frontier, contents: &dyn Contents) -> Result<Arc<State>, CrdtError> {
        if let Some(unknown) = frontier.heads().iter().find(|id| !self.graph.contains(id)) {
            return Err(CrdtError::UnknownWaypoint(*unknown));
        }
        if let Some(at) = self.kept.iter().position(|kept| kept.frontier == *frontier) {
            let kept = self.kept.remove(at).ok_or(CrdtError::Bug("a kept version is gone"))?;
            let state = kept.state.clone();
            self.kept.push_front(kept);
            return Ok(state);
        }
        // What has faded may not know its epoch any more.
        self.check_held(frontier.heads())?;
        self.epoch_of(frontier.heads())?;
        let nearest = self.nearest(frontier, |_| true);
        let below = nearest.map_or(&[][..], |kept| kept.frontier.heads());
        let missing = self.since(below, frontier.heads());
        let (waypoints, mut ops) = nearest.map_or((0, 0), |kept| (kept.waypoints, kept.ops));
        let mut state = nearest.map(|kept| kept.state.clone()).unwrap_or_default();
        self.check_held(&missing)?;
        self.check_whole(&missing)?;
        self.fetch(&missing, contents)?;
        let (waypoints, growing) = (waypoints + missing.len(), Arc::make_mut(&mut state));
        for id in missing {
            let acts = self.acts.get(&id).map_or(&[][..], |acts| acts);
            growing.apply(id, acts, &self.graph);
            ops += acts.len();
        }
        self.shelf.need(ops);
        self.kept.truncate((KEPT_NODES_MAX / state.size()).clamp(KEPT_MIN, KEPT_MAX) - 1);
        let frontier = frontier.clone();
        self.kept.push_front(Ready { frontier, state: state.clone(), waypoints, ops, resolved: None });
        Ok(state)
    }

    /// Refuses a version of which something is here and what that stands on is not.
    fn check_whole(&self, ids: &[WaypointId]) -> Result<(), CrdtError> {
        let standing = ids.iter().filter(|id| !self.epochs.is_begun(id));
        let mut below = standing.flat_map(|id| self.parents(id));
        let gone = below.find(|id| !self.graph.contains(id));
        gone.map_or(Ok(()), |id| Err(CrdtError::Faded(*id)))
    }
}
