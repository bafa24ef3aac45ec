//! Fading: which waypoints may be forgotten. A pure choice; the disk does it.
//!
//! What a version shows needs the operations back to the beginning of its epoch and nothing below. So every
//! version that has to stay says what it needs, and what nobody needs may go: its operations, and the bytes that no
//! operation names any more. Where an epoch says what lies below it, a waypoint that nobody gave a name goes as a whole;
//! of others who wrote them, when, on what and why stays. Hashes stay of all: the author's signature over the feed still
//! holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::id::{ContentHash, FeedId, ProjectId, WaypointId};
use cairn_crdt::{Contents, CrdtError};

use super::project::{Known, Project};
use super::{Replica, Retention};
use crate::log::leaf_hash;
use crate::piece::{Gone, Piece, joined};
use crate::waypoint::Waypoint;

/// What may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fading {
    /// The places, from 0, of the waypoints in each feed whose operations go.
    pub places: BTreeMap<FeedId, BTreeSet<u64>>,
    /// The places of those that go as a whole, but for the hashes of the subtrees that they make up.
    pub gone: BTreeMap<FeedId, BTreeSet<u64>>,
    /// The contents that stay though their waypoints fade, because something else names them.
    pub contents: BTreeSet<ContentHash>,
}

/// Where bytes lie on the disk.
pub trait Holders {
    /// A waypoint that carries a content, by its feed and its place from 0.
    fn holder(&self, content: ContentHash) -> Option<(FeedId, u64)>;
}

impl Holders for BTreeMap<ContentHash, (FeedId, u64)> {
    fn holder(&self, content: ContentHash) -> Option<(FeedId, u64)> {
        self.get(&content).copied()
    }
}

impl Fading {
    /// What is left of a feed's pieces, of which the first begins at `start`.
    pub fn left(&self, feed: FeedId, start: u64, pieces: impl IntoIterator<Item = Piece>) -> Vec<Piece> {
        let mut next = start;
        let left = pieces.into_iter().map(|piece| {
            let place = next;
            next += piece.count();
            let less = piece.waypoint().and_then(|waypoint| self.left_of(feed, place, waypoint));
            less.unwrap_or(piece)
        });
        joined(start, left)
    }

    /// What is left of one waypoint; nothing if all of it stays.
    pub fn left_of(&self, feed: FeedId, place: u64, waypoint: &Waypoint) -> Option<Piece> {
        let is_in = |places: &BTreeMap<FeedId, BTreeSet<u64>>| {
            places.get(&feed).is_some_and(|places| places.contains(&place))
        };
        if is_in(&self.gone) {
            return Some(Piece::Gone(Gone { level: 0, hash: leaf_hash(&waypoint.id()) }));
        }
        let less = is_in(&self.places).then(|| waypoint.faded(&self.contents));
        less.filter(|less| less != waypoint).map(|less| Piece::Waypoint(Arc::new(less)))
    }

    /// Whether anything fades in a run of a feed.
    pub fn touches(&self, feed: FeedId, start: u64, end: u64) -> bool {
        let mut fades = [&self.places, &self.gone].into_iter().filter_map(|places| places.get(&feed));
        fades.any(|places| places.range(start..end).next().is_some())
    }

    /// The feeds in which anything fades.
    pub fn feeds(&self) -> BTreeSet<FeedId> {
        self.places.keys().chain(self.gone.keys()).copied().collect()
    }

    /// How many waypoints fade.
    pub fn count(&self) -> u64 {
        self.places.values().chain(self.gone.values()).map(|places| places.len() as u64).sum()
    }
}

impl Replica {
    /// What may go from a project at `now_ms`. Bytes that stay are carried by waypoints, which stay for them.
    pub fn fading(
        &self,
        project: ProjectId,
        retention: Retention<'_>,
        holders: &dyn Holders,
        contents: &dyn Contents,
        now_ms: u64,
    ) -> Result<Fading, CrdtError> {
        let Some(project) = self.projects.get(&project) else { return Ok(Fading::default()) };
        let heads: Vec<WaypointId> = project.kept(retention, now_ms).into_iter().collect();
        let named_since_ms = now_ms.saturating_sub(retention.names_ms);
        let needed = project.documents.needed(&heads);
        let named = project.documents.named(&needed, contents)?;
        Ok(project.without(&needed, named, holders, named_since_ms))
    }
}

impl Project {
    /// What goes where only `needed` stays, and the contents that it names.
    fn without(
        &self,
        needed: &BTreeSet<WaypointId>,
        contents: BTreeSet<ContentHash>,
        holders: &dyn Holders,
        named_since_ms: u64,
    ) -> Fading {
        let mut fading = Fading { contents, ..Fading::default() };
        let carriers = fading.contents.iter().filter_map(|content| holders.holder(*content)).collect();
        let gone = self.gone(needed, &carriers, named_since_ms);
        for (id, known) in self.waypoints.iter() {
            if gone.contains(id) {
                fading.gone.entry(known.feed).or_default().insert(known.seq - 1);
            } else if !needed.contains(id) && !known.faded && self.documents.contains(id) {
                fading.places.entry(known.feed).or_default().insert(known.seq - 1);
            }
        }
        fading
    }

    /// The waypoints that go as a whole: old and nameless ones that an epoch is known to have in its past, that carry no bytes
    /// which stay, and that nothing which stays waits for.
    ///
    /// In a feed in which epochs begin one of these has to have them. So whoever comes late can take those feeds first, each
    /// shown with its own epochs, and knows from them what is rightly missing in all others.
    fn gone(
        &self,
        needed: &BTreeSet<WaypointId>,
        carriers: &BTreeSet<(FeedId, u64)>,
        named_since_ms: u64,
    ) -> BTreeSet<WaypointId> {
        let begun: BTreeSet<FeedId> =
            self.epochs.iter().filter_map(|id| self.waypoints.get(id)).map(|known| known.feed).collect();
        let own: BTreeMap<FeedId, _> = begun.into_iter().map(|feed| (feed, self.own_epochs(feed))).collect();
        let goes = |(id, known): &(&WaypointId, &Known)| {
            let is_named = known.labels.says_something() || known.stamp.wall_ms > named_since_ms;
            // Names of local waypoints say that their feed is local, whatever a map says of it.
            let is_named = is_named || known.labels.local;
            let stays = is_named || needed.contains(*id) || carriers.contains(&(known.feed, known.seq - 1));
            let is_absorbed = || match own.get(&known.feed) {
                Some(epochs) => epochs.iter().any(|(_, line)| line.has(known.seq - 1)),
                None => self.is_absorbed(known),
            };
            !stays && is_absorbed()
        };
        let mut gone: BTreeSet<WaypointId> = self.waypoints.iter().filter(goes).map(|(id, _)| *id).collect();
        let mut open: Vec<WaypointId> =
            self.waypoints.names().filter(|id| !gone.contains(id)).copied().collect();
        while let Some(id) = open.pop() {
            let fades = !needed.contains(&id) && self.applied(&id).is_some_and(|known| known.writes);
            let waits = self.waypoints.get(&id).filter(|known| !known.needs_no_parents() && !fades);
            let parents = waits.map_or(&[][..], |_| self.parents(&id));
            open.extend(parents.iter().filter(|parent| gone.remove(*parent)));
        }
        gone
    }
}
