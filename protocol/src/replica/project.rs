//! One project of a repo: its feeds, its documents, and what waypoints say beside operations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::Documents;
use cairn_crdt::id::{FeedId, ProjectId, RepoId, WaypointId};
use cairn_crdt::op::Op;

use super::Labels;
use super::branches::{Branch, HeldFor};
use crate::effect::Accepted;
use crate::entry::{Payload, Profile};
use crate::error::Reject;
use crate::feed::project_id;
use crate::key::DeviceKey;
use crate::log::Log;
use crate::mark::Mark;
use crate::proof::ForkProof;
use crate::retention::Floor;
use crate::retire::Retire;
use crate::signed::Verified;
use crate::stamp::Stamp;
use crate::top::Top;
use crate::waypoint::Waypoint;

/// One project.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) documents: Documents,
    /// The feeds, and the sides of forked ones under local names.
    pub(super) feeds: BTreeMap<FeedId, Feed>,
    /// The local names of the sides of forked feeds.
    pub(super) sides: BTreeMap<FeedId, Vec<FeedId>>,
    /// Feeds that are proven to be forked.
    pub(super) forks: BTreeMap<FeedId, ForkProof>,
    /// Up to where all histories of a forked feed agree.
    pub(super) places: BTreeMap<FeedId, u64>,
    /// The highest place that each key is known to have signed, held here or not.
    pub(super) signed: BTreeMap<FeedId, u64>,
    pub(super) waypoints: BTreeMap<WaypointId, Known>,
    pub(super) waiting: Waiting,
    /// The applied waypoints, parents first.
    pub(super) order: Vec<WaypointId>,
    /// Feeds whose next waypoints are signed and on their way to the disk.
    pub(super) writing: BTreeSet<FeedId>,
    pub(super) branches: BTreeMap<String, Branch>,
    /// All marks that were ever set.
    pub(super) marks: Vec<(WaypointId, Mark)>,
    /// What takes labels away.
    pub(super) retired: Vec<(WaypointId, Retire)>,
    /// All floors that admins ever set.
    pub(super) floors: Vec<(WaypointId, Floor)>,
    /// Late waypoints that others have carried over into an epoch.
    pub(super) carried: BTreeSet<WaypointId>,
    pub(super) profiles: BTreeMap<DeviceKey, (Stamp, WaypointId, Profile)>,
    /// Waypoints that are applied and show on no branch, with the reason.
    pub(super) held: BTreeMap<WaypointId, HeldFor>,
}

impl Project {
    pub(super) fn new(repo: RepoId, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            documents: Documents::new(project_id(repo, name)),
            feeds: BTreeMap::new(),
            sides: BTreeMap::new(),
            forks: BTreeMap::new(),
            places: BTreeMap::new(),
            signed: BTreeMap::new(),
            waypoints: BTreeMap::new(),
            waiting: Waiting::default(),
            order: Vec::new(),
            writing: BTreeSet::new(),
            branches: BTreeMap::new(),
            marks: Vec::new(),
            retired: Vec::new(),
            floors: Vec::new(),
            carried: BTreeSet::new(),
            profiles: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    pub(super) fn id(&self) -> ProjectId {
        self.documents.project()
    }

    /// The waypoint, once it is applied.
    pub(super) fn applied(&self, id: &WaypointId) -> Option<&Known> {
        self.waypoints.get(id).filter(|_| self.documents.contains(id))
    }
}

/// One key's feed, as far as it is held.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) key: DeviceKey,
    /// The feed's own name, where this is a side.
    pub(super) origin: FeedId,
    pub(super) ids: Vec<WaypointId>,
    pub(super) log: Log,
    /// The highest top of which every waypoint is held.
    pub(super) whole: Option<Verified<Top>>,
    /// Why nothing more is taken.
    pub(super) frozen: Option<Reject>,
}

impl Feed {
    pub(super) fn new(accepted: &Accepted) -> Self {
        let (key, origin) = (accepted.key, accepted.top.feed_id());
        Self { key, origin, ids: Vec::new(), log: Log::default(), whole: None, frozen: None }
    }

    /// How many waypoints are held.
    pub(super) fn n(&self) -> u64 {
        self.ids.len() as u64
    }

    /// How many waypoints the highest top says that is held in full.
    pub(super) fn whole_n(&self) -> u64 {
        self.whole.as_ref().map_or(0, |top| top.n)
    }

    pub(super) fn append(&mut self, id: WaypointId) {
        self.log.append(&id);
        self.ids.push(id);
    }

    /// Remembers a top, if all of it is held and nothing higher is.
    pub(super) fn note_top(&mut self, top: &Verified<Top>) {
        if self.whole_n() < top.n && top.n <= self.n() {
            self.whole = Some(top.clone());
        }
    }

    /// The waypoint before the one with number `seq`.
    pub(super) fn before(&self, seq: u64) -> Option<WaypointId> {
        let index = usize::try_from(seq).ok()?.checked_sub(2)?;
        self.ids.get(index).copied()
    }
}

/// What is remembered of a waypoint: everything but the bytes of contents.
#[derive(Debug)]
pub(super) struct Known {
    /// The feed, or side, in which it came.
    pub(super) feed: FeedId,
    /// The feed that it names itself.
    pub(super) origin: FeedId,
    pub(super) key: DeviceKey,
    pub(super) seq: u64,
    pub(super) stamp: Stamp,
    pub(super) parents: Vec<WaypointId>,
    pub(super) continued: bool,
    /// Whether its operations have faded.
    pub(super) faded: bool,
    pub(super) labels: Labels,
    /// The operations, until the documents have them.
    pub(super) ops: Arc<[Op]>,
}

impl Known {
    /// Reads all that is to be remembered; refuses what no replica may take.
    pub(super) fn read(waypoint: &Waypoint) -> Result<Self, Reject> {
        let header = waypoint.header();
        let (mut labels, mut ops) = (Labels::default(), Vec::new());
        for entry in waypoint.entries().filter(|entry| entry.content().is_none()) {
            match entry.payload()? {
                Payload::Op(op) => ops.push(op),
                other => labels.read(other),
            }
        }
        Ok(Self {
            feed: header.feed.id(),
            origin: header.feed.id(),
            key: header.feed.key,
            seq: header.seq,
            stamp: header.stamp,
            parents: header.parents.clone(),
            continued: header.is_continued(),
            faded: waypoint.is_faded(),
            labels,
            ops: ops.into(),
        })
    }
}

impl Labels {
    /// Takes one payload as a label; the last of a kind counts.
    fn read(&mut self, payload: Payload) {
        match payload {
            Payload::Branch(name) => self.branch = Some(name),
            Payload::Message(text) => self.message = Some(text),
            Payload::Profile(profile) => self.profile = Some(profile),
            Payload::Mark(mark) => self.mark = Some(mark),
            Payload::Edge(edge) => self.edges.push(edge),
            Payload::Retire(retire) => self.retire = Some(retire),
            Payload::Epoch(root) => self.epoch = Some(root),
            Payload::Floor(floor) => self.floor = Some(floor),
            Payload::Op(_) | Payload::Content(_) | Payload::Unknown { .. } => {}
        }
    }
}

/// Waypoints that wait for another one to be applied.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_missing: BTreeMap<WaypointId, BTreeSet<WaypointId>>,
    count: usize,
}

impl Waiting {
    pub(super) fn wait(&mut self, missing: WaypointId, id: WaypointId) {
        if self.by_missing.entry(missing).or_default().insert(id) {
            self.count += 1;
        }
    }

    /// Those that waited for `id`; they may still lack something else.
    pub(super) fn release(&mut self, id: &WaypointId) -> BTreeSet<WaypointId> {
        let released = self.by_missing.remove(id).unwrap_or_default();
        self.count -= released.len();
        released
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}
