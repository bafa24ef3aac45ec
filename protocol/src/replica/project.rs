//! One project of a repo: its feeds, its documents, and what waypoints say beside operations.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use cairn_crdt::id::{FeedId, ProjectId, RepoId, WaypointId};
use cairn_crdt::names::Named;
use cairn_crdt::op::Op;
use cairn_crdt::{Change, Documents};

use super::Labels;
use super::branches::{Branch, HeldFor};
use super::restore::Restored;
use crate::effect::Accepted;
use crate::entry::{Edge, Payload, Profile};
use crate::epoch::Epoch;
use crate::error::Reject;
use crate::feed::project_id;
use crate::imported::Imported;
use crate::key::DeviceKey;
use crate::log::Log;
use crate::mark::Mark;
use crate::piece::Gone;
use crate::proof::ForkProof;
use crate::retention::Floor;
use crate::retire::Retire;
use crate::signed::Verified;
use crate::skeleton::Bones;
use crate::stamp::Stamp;
use crate::top::Top;

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
    pub(super) waypoints: Named<Known>,
    pub(super) waiting: Waiting,
    /// What the disk has given so far, until all of it is here.
    pub(super) restored: Option<Restored>,
    /// The applied waypoints, parents first.
    pub(super) order: Vec<WaypointId>,
    /// Feeds whose next waypoints are signed and on their way to the disk.
    pub(super) writing: BTreeSet<FeedId>,
    pub(super) branches: BTreeMap<String, Branch>,
    /// All marks that were ever set.
    pub(super) marks: Vec<(WaypointId, Mark)>,
    /// What takes labels away.
    pub(super) retired: Vec<(WaypointId, Retire)>,
    /// The admitted waypoints that begin an epoch and say what lies below it.
    pub(super) epochs: BTreeSet<WaypointId>,
    /// All applied ones, admitted or not.
    pub(super) mapped: Vec<WaypointId>,
    /// Whether something is forgotten or missing, so that parents do not lead everywhere.
    pub(super) gaps: bool,
    /// Whether more is since the past of epochs was told last.
    pub(super) parted: bool,
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
            waypoints: Named::default(),
            waiting: Waiting::default(),
            restored: None,
            order: Vec::new(),
            writing: BTreeSet::new(),
            branches: BTreeMap::new(),
            marks: Vec::new(),
            retired: Vec::new(),
            epochs: BTreeSet::new(),
            mapped: Vec::new(),
            gaps: false,
            parted: false,
            floors: Vec::new(),
            carried: BTreeSet::new(),
            profiles: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    pub(super) fn id(&self) -> ProjectId {
        self.documents.project()
    }

    /// The feeds, and sides of feeds, that others may have: all but those that never leave this home.
    pub(super) fn shared_feeds(&self) -> impl Iterator<Item = (&FeedId, &Feed)> + '_ {
        self.feeds.iter().filter(|(_, feed)| !feed.local)
    }

    /// What a waypoint stands on, applied or not.
    pub(super) fn parents(&self, id: &WaypointId) -> &[WaypointId] {
        let waiting = self.waypoints.get(id).and_then(|known| known.waiting.as_ref());
        waiting.map_or_else(|| self.documents.parents(id), |change| &change.parents)
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
    pub(super) log: Log,
    /// The highest top of which every waypoint is held.
    pub(super) whole: Option<Verified<Top>>,
    /// Why nothing more is taken.
    pub(super) frozen: Option<Reject>,
    /// Whether it never leaves this home.
    pub(super) local: bool,
    /// The number of the first waypoint that documents refuse; nothing from there on is applied.
    pub(super) barred: Option<u64>,
    pub(super) source: Arc<Source>,
    /// The branch that its last waypoint named.
    branch: Option<Arc<str>>,
}

impl Feed {
    pub(super) fn new(accepted: &Accepted) -> Self {
        let (key, origin) = (accepted.key, accepted.top.feed_id());
        let source = Arc::new(Source { feed: accepted.feed, origin, key });
        Self {
            key,
            origin,
            log: Log::default(),
            whole: None,
            frozen: None,
            local: false,
            barred: None,
            source,
            branch: None,
        }
    }

    /// Lets a waypoint share the name of its branch with others of this feed.
    pub(super) fn share(&mut self, known: &mut Known) {
        if known.labels.branch == self.branch {
            known.labels.branch = self.branch.clone();
        } else {
            self.branch = known.labels.branch.clone();
        }
    }

    /// How many waypoints are held.
    pub(super) fn n(&self) -> u64 {
        self.log.len()
    }

    /// How many waypoints the highest top says that is held in full.
    pub(super) fn whole_n(&self) -> u64 {
        self.whole.as_ref().map_or(0, |top| top.n)
    }

    pub(super) fn append(&mut self, id: WaypointId) {
        self.log.append(&id);
    }

    /// Remembers a top, if all of it is held and nothing higher is.
    pub(super) fn note_top(&mut self, top: &Verified<Top>) {
        if self.whole_n() < top.n && top.n <= self.n() {
            self.whole = Some(top.clone());
        }
    }

    /// Applies nothing from the last waypoint on.
    pub(super) fn bar(&mut self) {
        let n = self.n();
        self.barred.get_or_insert(n);
    }

    /// Goes on behind waypoints that were forgotten by whoever sent them.
    pub(super) fn skip(&mut self, start: u64, gone: &Gone) -> Result<(), Reject> {
        self.log.cover(start, gone.level, gone.hash)
    }
}

/// Where waypoints came from; those of a feed share it.
#[derive(Debug)]
pub(super) struct Source {
    /// The feed, or side, in which they came.
    pub(super) feed: FeedId,
    /// The feed that they name themselves.
    pub(super) origin: FeedId,
    pub(super) key: DeviceKey,
}

/// What is remembered of a waypoint: everything but the bytes of contents, and what the documents have.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) source: Arc<Source>,
    pub(super) seq: u64,
    pub(super) stamp: Stamp,
    pub(super) continued: bool,
    /// Whether its operations have faded.
    pub(super) faded: bool,
    /// Whether it has operations that have not faded.
    pub(super) writes: bool,
    /// Whether it came from the disk without them.
    pub(super) shelved: bool,
    /// Whether documents refuse it for what it says.
    pub(super) refused: bool,
    pub(super) labels: Said,
    /// What is for the documents, until they have it.
    pub(super) waiting: Option<Box<Change>>,
}

impl Deref for Known {
    type Target = Source;

    fn deref(&self) -> &Source {
        &self.source
    }
}

/// What a waypoint says beside its operations: nearly always a branch, which its feed's last one named too, and a message.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) branch: Option<Arc<str>>,
    pub(super) message: Option<Box<str>>,
    /// Whether the waypoint never leaves this home.
    pub(super) local: bool,
    rare: Option<Box<Rare>>,
}

/// What few waypoints say.
#[derive(Debug)]
pub(super) struct Rare {
    pub(super) profile: Option<Profile>,
    pub(super) mark: Option<Mark>,
    pub(super) edges: Vec<Edge>,
    pub(super) retire: Option<Retire>,
    pub(super) floor: Option<Floor>,
    pub(super) epoch: Option<Epoch>,
    /// Without the other system's record, which stays on the disk.
    pub(super) imported: Option<Box<Imported>>,
}

/// What most waypoints say of it.
static NOTHING: Rare = Rare {
    profile: None,
    mark: None,
    edges: Vec::new(),
    retire: None,
    floor: None,
    epoch: None,
    imported: None,
};

impl Deref for Said {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING)
    }
}

impl Said {
    /// Reads what payloads say, of a kind each, and the operations among them.
    pub(super) fn read<'a>(
        payloads: impl IntoIterator<Item = (u16, &'a [u8])>,
    ) -> Result<(Self, Vec<Op>), Reject> {
        let (mut labels, mut ops) = (Labels::default(), Vec::new());
        for (kind, bytes) in payloads {
            match Payload::read(kind, bytes)? {
                Payload::Op(op) => ops.push(op),
                other => labels.read(other),
            }
        }
        Ok((labels.into(), ops))
    }

    /// Whether there is anything to remember a waypoint by.
    pub(super) fn says_something(&self) -> bool {
        self.message.is_some() || self.rare.is_some()
    }
}

impl From<Labels> for Said {
    fn from(labels: Labels) -> Self {
        let Labels { branch, message, profile, mark, edges, retire, floor, epoch, imported, local, .. } =
            labels;
        let about_labels = mark.is_some() || retire.is_some() || floor.is_some() || epoch.is_some();
        let says = about_labels || profile.is_some() || !edges.is_empty() || imported.is_some();
        let rare = says.then(|| Box::new(Rare { profile, mark, edges, retire, floor, epoch, imported }));
        Self { branch: branch.map(Arc::from), message: message.map(Box::from), local, rare }
    }
}

impl Known {
    /// Whether it can be applied though what it stands on is not here: nothing that it shows depends on it.
    pub(super) fn needs_no_parents(&self) -> bool {
        self.faded || self.labels.epoch.as_ref().is_some_and(Epoch::is_detached)
    }

    /// Reads all that is to be remembered of a waypoint that came from there; refuses what no replica may take.
    pub(super) fn read(bones: Bones, source: &Arc<Source>) -> Result<Self, Reject> {
        let payloads = bones.payloads.iter().map(|(kind, bytes)| (*kind, &bytes[..]));
        let (labels, ops) = Said::read(payloads)?;
        let Bones { id, seq, stamp, continued, parents, faded, shelved, .. } = bones;
        Ok(Self {
            source: source.clone(),
            seq,
            stamp,
            continued,
            faded,
            writes: shelved || !ops.is_empty(),
            shelved,
            refused: false,
            labels,
            waiting: Some(Box::new(Change { id, parents, ops: ops.into() })),
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
            Payload::Epoch(epoch) => self.epoch = Some(epoch),
            Payload::Local => self.local = true,
            Payload::Floor(floor) => self.floor = Some(floor),
            Payload::Imported(imported) => {
                self.imported = Some(Box::new(Imported { record: Vec::new(), ..*imported }));
            }
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

    /// All that wait.
    pub(super) fn all(&self) -> Vec<WaypointId> {
        self.by_missing.values().flatten().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}
