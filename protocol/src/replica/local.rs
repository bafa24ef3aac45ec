//! Local waypoints: checkpoints that never leave the home that they were written in.
//!
//! A feed has no gaps: whoever holds waypoint 7 holds the first six. So what is to stay here cannot lie in a feed that others
//! have; it lies in one of its own, under a key that is derived from the author's, and that whole feed is *local*. It is
//! stored, signed, checked and forgotten like any other, and nobody needs a right to write it.
//!
//! That a feed is local is not noted beside it, where a rebuilt index or a restored backup could lose it: every waypoint says
//! so in an entry of a required kind. So it is as durable as the waypoint. A program that does not know the kind refuses
//! the waypoint, and one that does refuses it from anybody but its own disk: a leak would not spread.
//!
//! What is told to others is told of [`Replica::feeds`] and of what is asked by `Replica::feed`, which know no local
//! feed: to a peer that asks for one by name, it is one that is not there. A local waypoint moves no label and is in
//! nobody's past: what is shared may not stand on it nor name it, and [`Replica::lay`] refuses to write it.

use std::collections::BTreeSet;

use cairn_crdt::Frontier;
use cairn_crdt::id::{FeedId, ProjectId, WaypointId};

use super::Replica;
use super::history::LogEntry;
use super::project::Feed;
use crate::key::DeviceKey;

impl Replica {
    /// A feed, whether others may have it or not.
    pub(super) fn kept_feed(&self, project: ProjectId, feed: FeedId) -> Option<&Feed> {
        self.projects.get(&project)?.feeds.get(&feed)
    }

    /// How many waypoints of a feed are held, whether others may have them or not.
    pub fn kept_length(&self, project: ProjectId, feed: FeedId) -> u64 {
        self.kept_feed(project, feed).map_or(0, Feed::n)
    }

    /// Whether a feed never leaves this home.
    pub fn is_local_feed(&self, project: ProjectId, feed: FeedId) -> bool {
        self.kept_feed(project, feed).is_some_and(|feed| feed.local)
    }

    /// Whether a waypoint never leaves this home.
    pub fn is_local(&self, project: ProjectId, id: &WaypointId) -> bool {
        let known = self.projects.get(&project).and_then(|project| project.waypoints.get(id));
        known.is_some_and(|known| known.labels.local)
    }

    /// The part of a version that others may have: instead of a local waypoint, what it stands on.
    pub fn shared(&self, project: ProjectId, version: &Frontier) -> Frontier {
        let Some(known) = self.projects.get(&project) else { return version.clone() };
        let (mut open, mut shared) = (version.heads().to_vec(), Vec::new());
        while let Some(id) = open.pop() {
            match self.is_local(project, &id) {
                true => open.extend(known.documents.parents(&id)),
                false => shared.push(id),
            }
        }
        known.documents.frontier_of(shared)
    }

    /// Whether what a local waypoint stands on lies in a past.
    pub(super) fn stands_in(
        &self,
        project: ProjectId,
        entry: &LogEntry,
        past: &BTreeSet<WaypointId>,
    ) -> bool {
        self.shared(project, &Frontier::from_iter([entry.id])).heads().iter().all(|head| past.contains(head))
    }

    /// The local waypoints of a project, newest first; those of one key, where one is given. Parts of a write that goes on are
    /// left out.
    pub fn locals(&self, project: ProjectId, key: Option<&DeviceKey>) -> Vec<LogEntry> {
        let Some(known) = self.projects.get(&project) else { return Vec::new() };
        let feeds = known.feeds.values().filter(|feed| feed.local && key.is_none_or(|key| feed.key == *key));
        let names = feeds.flat_map(|feed| feed.log.names()).map(|(_, id)| id);
        let mut entries: Vec<LogEntry> =
            names.filter_map(|id| known.entry(id)).filter(|entry| !entry.continued).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.stamp, entry.id)));
        entries
    }
}
