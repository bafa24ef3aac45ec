//! Edits that met a cut, brought to the pieces.
//!
//! While one side edits a text as a whole another may cut it, and two sides may cut one text in
//! different ways. The pieces are ranges of the tokens that the text began with, so an edit of a piece
//! can be said of the whole, and an edit of the whole of the pieces. Here all edits are
//! first said of the whole, and then of the pieces that are shown. Which hunk becomes which
//! depends on that hunk, on those it stands on and on the cuts: so the names of routed hunks never
//! change, and whoever edits what they show may stand on them.
//!
//! Cuts that go through a token cannot be followed; what was written there stays where it was
//! and is told as an overlap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::documents::Contents;
use crate::error::CrdtError;
use crate::graph::Graph;
use crate::hunk::{Hunk, Origin, Run, TokenId};
use crate::id::{HunkId, LeafId, NodeId, WaypointId};
use crate::lineage::Lineage;
use crate::split::Pieces;
use crate::state::{LeafLog, State};
use crate::text::genesis;
use crate::token::tokenize;

/// How deep cuts within cuts are followed.
const DEPTH_MAX: u8 = 16;

/// Hunks of one leaf and who wrote them.
type Hunks = BTreeMap<HunkId, (Arc<Hunk>, Vec<WaypointId>)>;

/// Hunks of the whole that are in a piece already: the leaf and the name that they have there.
type Kept = BTreeMap<HunkId, (LeafId, HunkId)>;

/// The state with every edit in the pieces that are shown; the same state where no edit met a cut.
pub(crate) fn routed(
    state: Arc<State>,
    lineage: &Lineage,
    graph: &Graph,
    contents: &dyn Contents,
) -> Result<Arc<State>, CrdtError> {
    if state.met.is_empty() {
        return Ok(state);
    }
    let met: Vec<_> = state.met.iter().copied().collect();
    let placed = state.nodes.iter().filter(|(_, node)| !node.place.is_empty()).map(|(id, _)| *id);
    let parents = state.nodes.values().filter_map(|node| Some(node.at.winner()?.parent));
    let (placed, parents) = (placed.collect(), parents.collect());
    let mut routing = Routing { state: State::clone(&state), placed, parents, lineage, graph, contents };
    for leaf in &met {
        routing.choose(*leaf);
    }
    for leaf in met {
        routing.spread(leaf, 0)?;
    }
    Ok(Arc::new(routing.state))
}

struct Routing<'a> {
    state: State,
    /// The nodes that someone put somewhere or deleted.
    placed: BTreeSet<NodeId>,
    /// What someone put nodes under.
    parents: BTreeSet<NodeId>,
    lineage: &'a Lineage,
    graph: &'a Graph,
    contents: &'a dyn Contents,
}

impl Routing<'_> {
    /// Of several ways to cut a leaf, one whose pieces someone moved goes first: edits of text follow
    /// to other pieces, moves do not.
    fn choose(&mut self, leaf: LeafId) {
        let is_arranged = |pieces: &Pieces| {
            let arranged = |node: &NodeId| self.placed.contains(node) || self.parents.contains(node);
            pieces.list.iter().any(|piece| arranged(&piece.node))
        };
        let log = self.state.leaves.get(&leaf).filter(|log| log.splits.len() > 1);
        let mut splits = log.into_iter().flat_map(|log| &log.splits);
        let chosen = splits.find(|(_, (pieces, _))| is_arranged(pieces)).map(|(rank, _)| rank.clone());
        if chosen.is_some() {
            self.leaf(leaf).chosen = chosen;
        }
    }

    /// Brings all edits of a leaf, and of pieces that are not shown, to the pieces that are.
    fn spread(&mut self, leaf: LeafId, depth: u8) -> Result<(), CrdtError> {
        let bytes = genesis(leaf, self.lineage, self.contents)?;
        let Some(log) = self.state.leaves.get(&leaf).filter(|_| depth < DEPTH_MAX).cloned() else {
            return Ok(());
        };
        let Some(winner) = log.split(bytes.len() as u64) else { return Ok(()) };
        let Some(frame) = Frame::of(leaf, &bytes, winner) else { return Ok(()) };
        let shown: BTreeSet<_> = frame.parts.iter().map(|part| part.leaf).collect();
        let (whole, kept) = self.gather(&log, leaf, &bytes, &shown, depth)?;
        let forward = frame.forward(&whole, &kept);
        for (part, hunks) in frame.parts.iter().zip(forward.hunks) {
            if !hunks.is_empty() {
                self.add(part.leaf, hunks);
            }
            if self.state.leaves.get(&part.leaf).is_some_and(|log| log.has_met()) {
                self.spread(part.leaf, depth + 1)?;
            }
        }
        self.leaf(leaf).hunks.clear();
        Ok(())
    }

    /// The edits of a leaf with those of its pieces said of the whole, and which of them stay in the pieces
    /// too: those in pieces that are `shown` and in those that someone put elsewhere.
    fn gather(
        &mut self,
        log: &LeafLog,
        leaf: LeafId,
        bytes: &[u8],
        shown: &BTreeSet<LeafId>,
        depth: u8,
    ) -> Result<(Hunks, Kept), CrdtError> {
        let (mut whole, mut kept) = (log.hunks.clone(), Kept::new());
        let mut open = Vec::new();
        let mut done = BTreeSet::new();
        for (pieces, _) in log.splits.values().rev() {
            let Some(frame) = Frame::of(leaf, bytes, pieces) else { continue };
            let mut own = BTreeMap::new();
            for (number, part) in frame.parts.iter().enumerate() {
                if !done.insert(part.leaf) {
                    continue;
                }
                let stays = shown.contains(&part.leaf) || self.placed.contains(&part.node);
                let left = match stays {
                    true => self.state.leaves.get(&part.leaf).map(|log| log.hunks.clone()),
                    false => Some(self.take_out(part.leaf, depth + 1)?),
                };
                own.insert(number, Own { left: left.unwrap_or_default(), names: BTreeMap::new(), stays });
            }
            open.push((frame, own));
        }
        // What was written on top of other pieces waits until those have been read.
        let mut before = None;
        while before.replace(whole.len()) != Some(whole.len()) {
            for (frame, own) in &mut open {
                let forward = frame.forward(&whole, &kept);
                for (number, own) in own {
                    frame.backward(*number, own, &forward, &mut whole);
                    if let Some(part) = frame.parts.get(*number).filter(|_| own.stays) {
                        kept.extend(own.names.iter().map(|(name, whole)| (*whole, (part.leaf, *name))));
                    }
                }
            }
        }
        for (frame, own) in open {
            for (number, own) in own.into_iter().filter(|(_, own)| !own.stays && !own.left.is_empty()) {
                if let Some(part) = frame.parts.get(number) {
                    self.leaf(part.leaf).hunks.extend(own.left);
                }
            }
        }
        Ok((whole, kept))
    }

    /// Takes the edits out of a leaf that is not shown, with those of its pieces.
    fn take_out(&mut self, leaf: LeafId, depth: u8) -> Result<Hunks, CrdtError> {
        let Some(log) = self.state.leaves.get(&leaf).filter(|_| depth < DEPTH_MAX).cloned() else {
            return Ok(Hunks::new());
        };
        let bytes = genesis(leaf, self.lineage, self.contents)?;
        let (whole, _) = self.gather(&log, leaf, &bytes, &BTreeSet::new(), depth)?;
        self.leaf(leaf).hunks.clear();
        Ok(whole)
    }

    fn leaf(&mut self, leaf: LeafId) -> &mut LeafLog {
        Arc::make_mut(self.state.leaves.or_default(leaf))
    }

    fn add(&mut self, leaf: LeafId, hunks: Hunks) {
        let graph = self.graph;
        let log = self.leaf(leaf);
        for (id, (hunk, by)) in hunks {
            for by in &by {
                log.edits.join(*by, (), graph);
            }
            let (_, writers) = log.hunks.entry(id).or_insert_with(|| (hunk, Vec::new()));
            let all: BTreeSet<_> = writers.drain(..).chain(by).collect();
            writers.extend(all);
        }
    }
}

/// A leaf and the pieces that it is cut into, counted in tokens.
struct Frame {
    leaf: LeafId,
    tokens: u32,
    parts: Vec<Part>,
}

struct Part {
    node: NodeId,
    leaf: LeafId,
    first: u32,
    count: u32,
}

/// The edits of one piece.
struct Own {
    /// Those that are not yet said of the whole.
    left: Hunks,
    /// The names that the others have there.
    names: BTreeMap<HunkId, HunkId>,
    /// Whether they stay in the piece as well.
    stays: bool,
}

/// What hunks of the whole are in the pieces.
struct Forward {
    /// The hunks of each piece.
    hunks: Vec<Hunks>,
    /// The name that each hunk has in each piece in which it says something.
    names: BTreeMap<HunkId, BTreeMap<usize, HunkId>>,
    /// The piece that holds the tokens of each hunk.
    homes: BTreeMap<HunkId, usize>,
    /// The other way round: what a hunk of a piece is in the whole.
    wholes: BTreeMap<(usize, HunkId), HunkId>,
}

impl Frame {
    /// `None` if a piece begins or ends inside a token.
    fn of(leaf: LeafId, bytes: &[u8], pieces: &Pieces) -> Option<Self> {
        if pieces.end as usize != bytes.len() {
            return None;
        }
        let tokens = tokenize(bytes);
        let mut parts = Vec::new();
        let (mut at, mut first) = (0usize, 0usize);
        for piece in &pieces.list {
            let Some(leaf) = piece.leaf else { continue };
            let own = tokenize(bytes.get(at..piece.end as usize)?);
            if tokens.get(first..first + own.len())? != own {
                return None;
            }
            parts.push(Part { node: piece.node, leaf, first: first as u32, count: own.len() as u32 });
            (at, first) = (piece.end as usize, first + own.len());
        }
        (first == tokens.len()).then_some(Self { leaf, tokens: first as u32, parts })
    }

    /// The piece that holds a token of the beginning.
    fn part(&self, index: u32) -> Option<usize> {
        let at = self.parts.partition_point(|part| part.first <= index).checked_sub(1)?;
        self.parts.get(at).filter(|part| index - part.first < part.count).map(|_| at)
    }

    /// Says hunks of the whole of the pieces. Those that name nothing have no effect, there as here.
    fn forward(&self, whole: &Hunks, kept: &Kept) -> Forward {
        let mut forward = Forward {
            hunks: self.parts.iter().map(|_| Hunks::new()).collect(),
            names: BTreeMap::new(),
            homes: BTreeMap::new(),
            wholes: BTreeMap::new(),
        };
        for id in in_order(whole) {
            let Some((hunk, by)) = whole.get(&id) else { continue };
            let there = kept.get(&id).and_then(|(leaf, name)| {
                Some((self.parts.iter().position(|part| part.leaf == *leaf)?, *name))
            });
            if let Some((part, name)) = there {
                forward.homes.insert(id, part);
                forward.names.entry(id).or_default().insert(part, name);
                forward.wholes.insert((part, name), id);
                continue;
            }
            let Some((home, said)) = self.parts_of(hunk, &forward) else { continue };
            forward.homes.insert(id, home);
            for (part, hunk) in said {
                let Some(leaf) = self.parts.get(part).map(|part| part.leaf) else { continue };
                let name = hunk.id(leaf);
                forward.names.entry(id).or_default().insert(part, name);
                forward.wholes.insert((part, name), id);
                if let Some(hunks) = forward.hunks.get_mut(part) {
                    hunks.insert(name, (Arc::new(hunk), by.clone()));
                }
            }
        }
        forward
    }

    /// What one hunk says of each piece, and the piece that its own tokens go to.
    fn parts_of(&self, hunk: &Hunk, forward: &Forward) -> Option<(usize, BTreeMap<usize, Hunk>)> {
        let mut runs = BTreeMap::<usize, Vec<Run>>::new();
        let mut first = None;
        for run in &hunk.deleted {
            for (part, run) in self.cut_run(*run, forward)? {
                first.get_or_insert(part);
                runs.entry(part).or_default().push(run);
            }
        }
        let locate = |token: Option<TokenId>| token.map(|token| self.locate(token, forward));
        let (after, before) = (locate(hunk.after), locate(hunk.before));
        if after == Some(None) || before == Some(None) {
            return None;
        }
        let (after, before) = (after.flatten(), before.flatten());
        let home = first.or(after.map(|(part, _)| part)).unwrap_or(0);
        let mut settles = BTreeMap::<usize, Vec<HunkId>>::new();
        for (part, name) in hunk.settles.iter().filter_map(|id| forward.names.get(id)).flatten() {
            settles.entry(*part).or_default().push(*name);
        }
        let parts: BTreeSet<_> = runs.keys().chain(settles.keys()).copied().chain([home]).collect();
        let said = parts.into_iter().map(|part| {
            let here =
                |token: Option<(usize, TokenId)>| token.filter(|(at, _)| *at == part).map(|(_, token)| token);
            let inserted = if part == home { hunk.inserted.clone() } else { Vec::new() };
            let (deleted, settles) = (runs.remove(&part), settles.remove(&part));
            let (deleted, settles) = (deleted.unwrap_or_default(), settles.unwrap_or_default());
            (
                part,
                Hunk {
                    after: here(after),
                    before: here(before),
                    deleted,
                    inserted,
                    settles,
                    nonce: hunk.nonce,
                },
            )
        });
        let says =
            |hunk: &Hunk| !(hunk.deleted.is_empty() && hunk.inserted.is_empty() && hunk.settles.is_empty());
        Some((home, said.filter(|(_, hunk)| says(hunk)).collect()))
    }

    /// A token of the whole as one of a piece.
    fn locate(&self, token: TokenId, forward: &Forward) -> Option<(usize, TokenId)> {
        match token.origin {
            Origin::Genesis => {
                let part = self.part(token.index)?;
                let first = self.parts.get(part)?.first;
                Some((part, TokenId { index: token.index - first, ..token }))
            }
            Origin::Hunk(id) => {
                let part = *forward.homes.get(&id)?;
                let origin = Origin::Hunk(*forward.names.get(&id)?.get(&part)?);
                Some((part, TokenId { origin, ..token }))
            }
        }
    }

    /// A run of tokens of the whole as runs of the pieces.
    fn cut_run(&self, run: Run, forward: &Forward) -> Option<Vec<(usize, Run)>> {
        let end = run.first.checked_add(run.count)?;
        let mut found = Vec::new();
        let mut at = run.first;
        while at < end {
            let (part, token) = self.locate(TokenId { origin: run.origin, index: at }, forward)?;
            let room = match run.origin {
                Origin::Genesis => self.parts.get(part)?.count - token.index,
                Origin::Hunk(_) => u32::MAX,
            };
            let count = room.min(end - at);
            found.push((part, Run { origin: token.origin, first: token.index, count }));
            at += count;
        }
        Some(found)
    }

    /// Says hunks of a piece of the whole, as far as they can be.
    fn backward(&self, number: usize, own: &mut Own, forward: &Forward, whole: &mut Hunks) {
        let Some(part) = self.parts.get(number) else { return };
        let Own { left, names, .. } = own;
        let known = |id: &HunkId, names: &BTreeMap<HunkId, HunkId>| {
            names.get(id).or_else(|| forward.wholes.get(&(number, *id))).copied()
        };
        for id in in_order_above(left, |id| known(id, names).is_some()) {
            let Some((hunk, by)) = left.get(&id) else { continue };
            let Some(hunk) = self.of_whole(part, hunk, |id| known(id, names)) else { continue };
            let name = hunk.id(self.leaf);
            names.insert(id, name);
            let (_, writers) = whole.entry(name).or_insert_with(|| (Arc::new(hunk), Vec::new()));
            let all: BTreeSet<_> = writers.drain(..).chain(by.iter().copied()).collect();
            writers.extend(all);
            left.remove(&id);
        }
    }

    /// A hunk of a piece as one of the whole.
    fn of_whole(&self, part: &Part, hunk: &Hunk, name: impl Fn(&HunkId) -> Option<HunkId>) -> Option<Hunk> {
        let origin = |origin: Origin| match origin {
            Origin::Genesis => Some((Origin::Genesis, part.first)),
            Origin::Hunk(id) => Some((Origin::Hunk(name(&id)?), 0)),
        };
        let token = |token: TokenId| {
            let (origin, shift) = origin(token.origin)?;
            Some(TokenId { origin, index: token.index.checked_add(shift)? })
        };
        let begun = |index: Option<u32>| {
            let index = index.filter(|index| *index < self.tokens);
            Some(index.map(|index| TokenId { origin: Origin::Genesis, index }))
        };
        let after =
            hunk.after.map_or_else(|| begun(part.first.checked_sub(1)), |after| token(after).map(Some))?;
        let end = part.first + part.count;
        let before = hunk.before.map_or_else(|| begun(Some(end)), |before| token(before).map(Some))?;
        let deleted: Option<Vec<_>> = hunk
            .deleted
            .iter()
            .map(|run| {
                let (origin, shift) = origin(run.origin)?;
                Some(Run { origin, first: run.first.checked_add(shift)?, count: run.count })
            })
            .collect();
        let settles: Option<Vec<_>> = hunk.settles.iter().map(&name).collect();
        let (inserted, nonce) = (hunk.inserted.clone(), hunk.nonce);
        Some(Hunk { after, before, deleted: deleted?, inserted, settles: settles?, nonce })
    }
}

/// Hunks, each after those it stands on; those that stand on one that is missing are left out.
fn in_order(hunks: &Hunks) -> Vec<HunkId> {
    in_order_above(hunks, |_| false)
}

/// The same, where some hunks outside may be stood on.
fn in_order_above(hunks: &Hunks, outside: impl Fn(&HunkId) -> bool) -> Vec<HunkId> {
    let mut waiting = BTreeMap::new();
    let mut above = BTreeMap::<HunkId, Vec<HunkId>>::new();
    for (id, (hunk, _)) in hunks {
        let below: BTreeSet<_> =
            hunk.dependencies().filter(|id| hunks.contains_key(id) || !outside(id)).collect();
        waiting.insert(*id, below.len());
        below.into_iter().for_each(|below| above.entry(below).or_default().push(*id));
    }
    let mut ready: Vec<_> = waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut order = Vec::with_capacity(hunks.len());
    while let Some(id) = ready.pop() {
        order.push(id);
        for above in above.remove(&id).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(&above) {
                *count -= 1;
                ready.extend((*count == 0).then_some(above));
            }
        }
    }
    order
}
