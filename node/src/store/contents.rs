//! Reading what waypoints carry: the bytes of contents, and operations.

use std::sync::Arc;

use cairn_crdt::id::{ContentHash, FeedId, WaypointId};
use cairn_crdt::op::Op;
use cairn_crdt::{Absent, Contents, Spot};
use cairn_protocol::replica::Holders;
use cairn_protocol::stone::Stored;
use cairn_protocol::waypoint::Waypoint;

use super::stones::Stones;
use super::{Place, Store};
use crate::error::NodeError;

impl Store {
    /// Where a content lies on the disk, as far as that is known: what is read in the order of this is read from the
    /// beginning to the end. Contents of one waypoint count as one.
    pub(crate) fn order_of(&self, content: ContentHash) -> Option<(Place, u64)> {
        let place = self.place_of(content)?;
        let held = self.feeds.get(&place.feed)?;
        let Some(stone) = held.stone(place.place) else { return Some((place, 0)) };
        let start = self.stones.begins(held.name, stone, place.place);
        Some((Place { place: stone.span.start, ..place }, start.unwrap_or(place.place)))
    }

    fn place_of(&self, content: ContentHash) -> Option<Place> {
        self.fresh.get(&content).copied().or_else(|| self.index.content(content).ok().flatten())
    }

    /// The bytes of a content, hashed again, or why they are not here.
    pub fn content(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
        if let Some(bytes) = self.cache().get(content) {
            return Ok(bytes);
        }
        let place = self.place_of(content).ok_or(Absent::Missing(content))?;
        match self.lying(place) {
            Ok(contents) => {
                if let Some(bytes) = self.keep_lying(contents, content) {
                    return Ok(bytes);
                }
            }
            Err(error) => tracing::warn!(%error, %content, "a content cannot be read"),
        }
        match self.load_covered(place, Stones::read) {
            Ok(Stored::Body(waypoint)) => self.keep_contents(&waypoint, content),
            Ok(Stored::Faded(_) | Stored::Gone(_)) => Err(Absent::Faded(content)),
            Err(error) => {
                tracing::warn!(%error, %content, "a content cannot be read");
                Err(Absent::Missing(content))
            }
        }
    }

    /// The contents that a waypoint carries, where the summary of its stone says where they lie.
    fn lying(&self, place: Place) -> Result<Vec<Vec<u8>>, NodeError> {
        let Some(held) = self.feeds.get(&place.feed) else { return Ok(Vec::new()) };
        match held.stone(place.place).filter(|_| held.in_log(place.place).is_none()) {
            Some(stone) => self.stones.lying(held.name, stone, place.place),
            None => Ok(Vec::new()),
        }
    }

    /// Keeps contents for the next questions, and answers this one if what it asks for is among them.
    fn keep_lying(&self, contents: Vec<Vec<u8>>, wanted: ContentHash) -> Option<Arc<[u8]>> {
        let mut cache = self.cache();
        for bytes in contents {
            cache.put(ContentHash::of(&bytes), bytes.into());
        }
        cache.get(wanted)
    }

    /// Keeps what a waypoint carries for the next questions, and answers this one.
    fn keep_contents(&self, waypoint: &Waypoint, wanted: ContentHash) -> Result<Arc<[u8]>, Absent> {
        let mut found =
            Err(if waypoint.is_whole() { Absent::Missing(wanted) } else { Absent::Faded(wanted) });
        let mut cache = self.cache();
        for (content, bytes) in waypoint.entries().filter_map(|entry| entry.content()) {
            let bytes: Arc<[u8]> = bytes.into();
            if content == wanted {
                found = Ok(bytes.clone());
            }
            cache.put(content, bytes);
        }
        found
    }
}

impl Contents for Store {
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
        self.content(content)
    }

    fn ops(&self, id: WaypointId, spot: Spot) -> Option<Arc<[Op]>> {
        match self.load_covered(Place { feed: spot.feed, place: spot.place }, Stones::read_lean_at) {
            Ok(Stored::Body(waypoint)) if waypoint.id() == id => waypoint.ops().ok().map(Arc::from),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, %id, "a waypoint cannot be read");
                None
            }
        }
    }
}

impl Holders for Store {
    fn holder(&self, content: ContentHash) -> Option<(FeedId, u64)> {
        self.place_of(content).map(|place| (place.feed, place.place))
    }
}
