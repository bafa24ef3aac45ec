//! Epochs: waypoints that say all there is, so that what lies below them may be forgotten.
//!
//! An epoch begins with a waypoint whose operations write down, from nothing, all that the version
//! below it shows. Files keep their nodes; texts begin anew with the bytes that they show. A view in an epoch
//! reads nothing older. So everything below can fade, and the view of each version is the same on a node that
//! holds the history and on one that does not.
//!
//! The price: what was written beside the beginning of an epoch does not enter it by itself. No waypoint
//! stands on two epochs, and a late branch is carried over by a waypoint of its own ([`crate::carry`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::documents::{Change, Contents, Documents};
use crate::draft::Draft;
use crate::error::{CrdtError, Invalid};
use crate::frontier::Frontier;
use crate::id::{ContentHash, WaypointId};
use crate::op::{Body, Op, Place};
use crate::state::Act;
use crate::syntax::TEXT_BYTES_MAX;
use crate::view::{FileBody, View};

/// Which waypoint stands in which epoch, and which ones have faded.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    /// The waypoints that begin an epoch, and how many epochs lie below each.
    begun: BTreeMap<WaypointId, u32>,
    /// Where waypoints stand, by their numbers.
    standings: Vec<Standing>,
}

/// Where a waypoint stands.
#[derive(Debug, Default, Clone, Copy)]
struct Standing {
    /// The number of the waypoint that begins its epoch.
    epoch: Option<u32>,
    is_faded: bool,
}

impl Epochs {
    fn standing(&self, number: Option<u32>) -> Standing {
        number.and_then(|number| self.standings.get(number as usize)).copied().unwrap_or_default()
    }

    fn change(&mut self, number: Option<u32>, change: impl FnOnce(&mut Standing)) {
        let Some(number) = number.map(|number| number as usize) else { return };
        if self.standings.len() <= number {
            self.standings.resize(number + 1, Standing::default());
        }
        if let Some(standing) = self.standings.get_mut(number) {
            change(standing);
        }
    }

    /// Whether an epoch begins with a waypoint.
    pub(crate) fn is_begun(&self, id: &WaypointId) -> bool {
        self.begun.contains_key(id)
    }
}

impl Documents {
    /// Takes in the waypoint that begins an epoch: its operations are all there is.
    ///
    /// With a `depth`, how many epochs there are with this one, nothing that it stands on has to be here; see [`Documents::absorb`].
    pub fn restart(&mut self, change: Change, depth: u32) -> Result<(), CrdtError> {
        let id = change.id;
        match depth {
            0 => self.insert(change)?,
            _ => self.insert_detached(change)?,
        }
        self.begin(id, depth);
        Ok(())
    }

    /// Begins an epoch; `depth` is how many there are with it, or 0 where what stands below tells.
    pub(crate) fn begin(&mut self, id: WaypointId, depth: u32) {
        let below = self.epoch(&id).filter(|below| *below != id);
        let above = below.and_then(|below| self.epochs.begun.get(&below));
        let above = above.map_or(1, |depth| depth.saturating_add(1));
        self.epochs.begun.insert(id, if depth > 0 { depth } else { above });
        let number = self.graph.number(&id);
        self.epochs.change(number, |standing| standing.epoch = number);
    }

    /// Puts a waypoint that is here into the epoch of its parents, unless it stands in one.
    pub(crate) fn stand(&mut self, id: &WaypointId, parents: Option<u32>) {
        self.epochs.change(self.graph.number(id), |standing| standing.epoch = standing.epoch.or(parents));
    }

    /// The number of the one epoch of several waypoints; `None` before the first.
    pub(crate) fn epoch_of(&self, ids: &[WaypointId]) -> Result<Option<u32>, CrdtError> {
        let mut epochs = ids.iter().map(|id| self.epochs.standing(self.graph.number(id)).epoch);
        let first = epochs.next().flatten();
        if epochs.all(|epoch| epoch == first) { Ok(first) } else { Err(CrdtError::Epochs) }
    }

    /// Refuses a version of which a part has faded.
    pub(crate) fn check_held(&self, ids: &[WaypointId]) -> Result<(), CrdtError> {
        let faded = ids.iter().find(|id| self.is_faded(id));
        faded.map_or(Ok(()), |id| Err(CrdtError::Faded(*id)))
    }

    /// Takes note of waypoints that came after those that stand on them: what lies in whose past, and in which epoch. Whether
    /// there were any.
    pub fn settle(&mut self) -> bool {
        let Some(order) = self.graph.settle() else { return false };
        for id in order {
            // What stands on several epochs stays in none.
            if let Ok(epoch) = self.epoch_of(self.graph.parents(&id)) {
                self.stand(&id, epoch);
            }
        }
        true
    }

    /// Notes that waypoints lie in the past of one that was taken in before what it stands on.
    pub fn absorb(&mut self, above: WaypointId, past: &[WaypointId]) {
        self.graph.absorb(above, past);
    }

    /// How many epochs a version has, its own among them.
    pub fn depth(&self, frontier: &Frontier) -> u32 {
        let epoch = self.epoch_of(frontier.heads()).ok().flatten();
        epoch.and_then(|epoch| self.epochs.begun.get(self.graph.name(epoch)?)).copied().unwrap_or(0)
    }

    /// Takes in a waypoint whose operations have faded, and perhaps what it stands on too; versions that need them are
    /// refused. `begins` is the depth of the epoch that it began, as in [`Documents::restart`].
    pub fn insert_faded(
        &mut self,
        id: WaypointId,
        parents: &[WaypointId],
        begins: Option<u32>,
    ) -> Result<(), CrdtError> {
        self.join_detached(id, parents);
        self.epochs.change(self.graph.number(&id), |standing| standing.is_faded = true);
        if let Some(depth) = begins {
            self.begin(id, depth);
        }
        Ok(())
    }

    /// Refuses operations that no document can take, without taking them.
    pub fn check(&self, ops: &[Op]) -> Result<(), Invalid> {
        ops.iter().try_for_each(|op| self.checked(op).map(|_| ()))
    }

    /// Takes in the operations of a waypoint that had faded. It stands where it always stood.
    pub fn recall(&mut self, change: &Change) -> Result<(), CrdtError> {
        let id = change.id;
        if !self.is_faded(&id) {
            return Ok(());
        }
        let acts = self.acts_of(id, &change.ops)?;
        self.keep(id, acts)?;
        self.epochs.change(self.graph.number(&id), |standing| standing.is_faded = false);
        Ok(())
    }

    /// Whether a waypoint's operations have faded.
    pub fn is_faded(&self, id: &WaypointId) -> bool {
        self.epochs.standing(self.graph.number(id)).is_faded
    }

    /// The waypoint that began the epoch of `id`; `None` before the first.
    pub fn epoch(&self, id: &WaypointId) -> Option<WaypointId> {
        self.graph.name(self.epochs.standing(self.graph.number(id)).epoch?).copied()
    }

    /// Whether a version stands in one epoch, as every version must that shows something.
    pub fn is_one_epoch(&self, frontier: &Frontier) -> bool {
        self.epoch_of(frontier.heads()).is_ok()
    }

    /// Those of `tips` that count: the ones in the epoch with the most epochs below it. Of several such
    /// epochs, begun side by side, the one with the smallest name counts, whoever began it and when.
    pub fn in_force(&self, tips: &BTreeSet<WaypointId>) -> BTreeSet<WaypointId> {
        let rank = |epoch: &Option<WaypointId>| {
            let depth = epoch.and_then(|id| self.epochs.begun.get(&id)).copied().unwrap_or(0);
            (std::cmp::Reverse(depth), *epoch)
        };
        let epochs = tips.iter().map(|tip| self.epoch(tip));
        let chosen = epochs.min_by_key(rank).flatten();
        tips.iter().filter(|tip| self.epoch(tip) == chosen).copied().collect()
    }

    /// The waypoints that `heads` need beside what `known` has, back to where their epochs begin.
    pub(crate) fn since(&self, known: &[WaypointId], heads: &[WaypointId]) -> Vec<WaypointId> {
        self.graph.between_down_to(known, heads, |id| self.epochs.is_begun(id))
    }

    /// The waypoints whose operations are needed to show versions with these heads.
    pub fn needed(&self, heads: &[WaypointId]) -> BTreeSet<WaypointId> {
        self.since(&[], heads).into_iter().collect()
    }

    /// The bytes that the operations of waypoints name.
    pub fn named<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a WaypointId>,
        contents: &dyn Contents,
    ) -> Result<BTreeSet<ContentHash>, CrdtError> {
        let mut ids: Vec<_> = ids.into_iter().collect();
        // Neighbours on the disk lie in one pack, which is unpacked once if they are asked for one after the other.
        ids.sort_by_cached_key(|id| self.spot(id).map(|spot| (spot.feed, spot.place)));
        let mut named = BTreeSet::new();
        for id in ids {
            named.extend(self.acts_at(id, contents)?.iter().filter_map(|act| match act {
                Act::Body(_, Body::Text { content, .. } | Body::Opaque { content, .. }) => Some(*content),
                _ => None,
            }));
        }
        Ok(named)
    }

    /// All that a version shows, written down from nothing: what an epoch on top of it begins with.
    ///
    /// Bytes that the version shows as someone wrote them are named and not brought again. Refuses a
    /// version with overlaps, whose alternatives the epoch would forget.
    pub fn snapshot(&mut self, frontier: &Frontier, contents: &dyn Contents) -> Result<Draft, CrdtError> {
        let view = self.view(frontier, contents)?;
        let unsettled = view.overlaps.iter().filter(|overlap| !overlap.kind.is_soft()).count();
        if unsettled > 0 {
            return Err(CrdtError::Unsettled(unsettled));
        }
        let mut draft = Draft::default();
        let (state, resolved) = self.resolved(frontier, contents)?;
        let nodes = resolved.paths.dirs.values().chain(resolved.paths.files.values());
        for node in nodes {
            let spot = resolved.tree.spots.get(node);
            let place =
                spot.map(|spot| spot.place.clone()).ok_or(CrdtError::Bug("a shown node stands nowhere"))?;
            draft.ops.push(Op::Place { node: *node, place: Some(Place { position: Vec::new(), ..place }) });
        }
        let known = self.named(&self.needed(frontier.heads()), contents)?;
        for (path, file) in &view.files {
            let written = state.nodes.get(&file.node).and_then(|written| written.body.winner()).cloned();
            let body = self.begun_body(&view, path, written, contents, &known, &mut draft)?;
            draft.ops.push(Op::Body { node: file.node, body });
            if file.executable {
                draft.ops.push(Op::Mode { node: file.node, executable: true });
            }
        }
        Ok(draft)
    }

    /// The body with which a file begins an epoch; bytes that nobody wrote as a whole come along.
    fn begun_body(
        &mut self,
        view: &View,
        path: &crate::path::RepoPath,
        written: Option<Body>,
        contents: &dyn Contents,
        known: &BTreeSet<ContentHash>,
        draft: &mut Draft,
    ) -> Result<Body, CrdtError> {
        let file = view.files.get(path).ok_or(CrdtError::Bug("a shown file is not shown"))?;
        let FileBody::Bytes { content, bytes, .. } = file.body else {
            return written.ok_or(CrdtError::Bug("a file without a body"));
        };
        if !known.contains(&content) && draft.contents.iter().all(|(brought, _)| *brought != content) {
            let shown = self.bytes(view, path, contents)?;
            draft.contents.push((content, shown.into()));
        }
        match written {
            Some(Body::Opaque { .. }) | None => Ok(Body::Opaque { content, bytes }),
            Some(Body::Text { codec, .. }) if bytes <= TEXT_BYTES_MAX as u64 => {
                Ok(Body::Text { content, bytes, codec })
            }
            Some(Body::Text { .. }) => Ok(Body::Opaque { content, bytes }),
            Some(_) => Err(CrdtError::Bug("bytes of a file that has none")),
        }
    }
}
