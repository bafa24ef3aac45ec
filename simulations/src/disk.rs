//! A disk that keeps what was synced and loses the rest in a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::id::{ContentHash, FeedId, RepoId, WaypointId};
use cairn_crdt::op::Op;
use cairn_crdt::{Absent, Contents, Spot};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::piece::Piece;
use cairn_protocol::proof::ForkProof;
use cairn_protocol::replica::{Fading, Holders};
use cairn_protocol::skeleton::Bones;
use cairn_protocol::tower::Policy;
use cairn_protocol::waypoint::Waypoint;
use cairn_protocol::{Batch, Replica, Signed, Skeleton};

use crate::shelf::{Shelf, contents, placed};

/// What is on its way to the disk: named by the service, or a write of this peer's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writing {
    /// A batch of the service.
    Ticket(u64),
    /// A local write.
    Own(u64),
}

/// The disk of one peer.
#[derive(Debug, Default)]
pub struct Disk {
    durable: BTreeMap<RepoId, Image>,
    pending: BTreeMap<Writing, Batch>,
}

/// What is durable of one repo.
#[derive(Debug)]
pub struct Image {
    founding: Signed<FoundingRecord>,
    projects: Vec<String>,
    grants: Vec<GrantRecord>,
    forks: Vec<ForkProof>,
    feeds: BTreeMap<FeedId, Shelf>,
    contents: BTreeMap<ContentHash, Arc<[u8]>>,
}

impl Disk {
    /// Takes a batch that is not durable yet.
    pub fn begin(&mut self, writing: Writing, batch: Batch) {
        self.pending.insert(writing, batch);
    }

    /// Makes a batch durable.
    pub fn sync(&mut self, writing: Writing) -> Option<Batch> {
        let batch = self.pending.remove(&writing)?;
        self.commit(&batch);
        Some(batch)
    }

    /// Loses what is not durable.
    pub fn crash(&mut self) {
        self.pending.clear();
    }

    /// Writes a batch at once.
    pub fn commit(&mut self, batch: &Batch) {
        if let Some(founding) = &batch.founding {
            self.durable.entry(batch.repo).or_insert_with(|| Image::new(founding.clone()));
        }
        if let Some(image) = self.durable.get_mut(&batch.repo) {
            image.commit(batch);
        }
    }

    /// One repo's image.
    pub fn image(&self, repo: RepoId) -> Option<&Image> {
        self.durable.get(&repo)
    }

    /// One repo's image, to forget or to move things in it.
    pub fn image_mut(&mut self, repo: RepoId) -> Option<&mut Image> {
        self.durable.get_mut(&repo)
    }

    /// Whether anything is on its way.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What a start finds.
    pub fn restore(&self, now_ms: u64) -> Vec<Replica> {
        self.durable.values().filter_map(|image| image.restore(now_ms)).collect()
    }

    /// Reads everything; what is wrong with it.
    pub fn damage(&self) -> Option<String> {
        self.durable.values().flat_map(|image| image.feeds.values()).find_map(|shelf| shelf.read().err())
    }
}

impl Image {
    fn new(founding: Signed<FoundingRecord>) -> Self {
        Self {
            founding,
            projects: Vec::new(),
            grants: Vec::new(),
            forks: Vec::new(),
            feeds: BTreeMap::new(),
            contents: BTreeMap::new(),
        }
    }

    fn commit(&mut self, batch: &Batch) {
        let fresh = batch.projects.iter().filter(|name| !self.projects.contains(name));
        self.projects.extend(fresh.cloned().collect::<Vec<_>>());
        self.grants.extend(batch.grants.iter().cloned());
        self.forks.extend(batch.forks.iter().cloned());
        for accepted in &batch.feeds {
            self.feeds.entry(accepted.feed).or_insert_with(|| Shelf::new(accepted)).store(accepted);
            self.contents.extend(accepted.waypoints().flat_map(|waypoint| contents(waypoint)));
        }
        for recalled in &batch.recalled {
            let piece = Piece::Waypoint(Arc::clone(&recalled.waypoint));
            self.contents.extend(contents(&recalled.waypoint));
            if let Some(shelf) = self.feeds.get_mut(&recalled.feed) {
                shelf.recall(recalled.place, piece).expect("a stone that was written can be written again");
            }
        }
    }

    /// Forgets.
    pub fn fade(&mut self, fading: &Fading) -> Result<(), String> {
        for feed in fading.feeds() {
            if let Some(shelf) = self.feeds.get_mut(&feed) {
                shelf.fade(feed, fading)?;
            }
        }
        // What is in no waypoint any more is nowhere any more.
        let waypoints = self.feeds.values().flat_map(Shelf::waypoints);
        self.contents = waypoints.flat_map(|(_, waypoint)| contents(waypoint)).collect();
        Ok(())
    }

    /// Cuts and merges the stones of all feeds.
    pub fn compact(&mut self, policy: Policy) -> Result<(), String> {
        self.feeds.values_mut().try_for_each(|shelf| shelf.compact(policy))
    }

    /// How many waypoints of each feed there are.
    pub fn lengths(&self) -> BTreeMap<FeedId, u64> {
        self.feeds.iter().map(|(feed, shelf)| (*feed, shelf.len())).collect()
    }

    /// How many waypoints of one feed there are.
    pub fn length(&self, feed: FeedId) -> u64 {
        self.feeds.get(&feed).map_or(0, Shelf::len)
    }

    /// Whether a waypoint lies at a place, or the hash that is left of it.
    pub fn holds(&self, feed: FeedId, place: u64, id: &WaypointId) -> bool {
        match self.feeds.get(&feed).and_then(|shelf| shelf.at(place)) {
            Some(Piece::Waypoint(waypoint)) => waypoint.id() == *id,
            Some(Piece::Gone(_)) => true,
            None => false,
        }
    }

    fn restore(&self, now_ms: u64) -> Option<Replica> {
        let mut replica = Replica::open(self.founding.clone()).ok()?;
        for name in &self.projects {
            replica.add_project(name).ok()?;
        }
        replica.admit_grants(&self.grants, now_ms);
        for (feed, kept) in &self.feeds {
            let name = self.projects.iter().find(|name| replica.project(name) == Some(kept.project))?.clone();
            let pieces = kept.read().ok()?;
            let skeletons = pieces.iter().map(Skeleton::of);
            replica.restore(&name, *feed, kept.top.clone(), skeletons).ok()?;
            replica.restore_relics(&name, *feed, kept.relics().map(|relic| Bones::of(relic))).ok()?;
        }
        replica.restored(now_ms);
        replica.admit_forks(&self.forks, now_ms);
        Some(replica)
    }

    /// Encoded pieces of a feed from the one with the waypoint at `from`, as many as fit.
    pub fn pieces(&self, feed: FeedId, from: u64, to: u64, bytes_max: u64) -> Vec<Vec<u8>> {
        let Some(kept) = self.feeds.get(&feed) else { return Vec::new() };
        let range =
            placed(0, kept.pieces()).filter(|(start, piece)| start + piece.count() > from && *start < to);
        let mut left = bytes_max;
        let fits = |bytes: &Vec<u8>| {
            let first = left == bytes_max;
            let room = bytes.len() as u64 <= left;
            left = left.saturating_sub(bytes.len() as u64);
            room || first
        };
        range.map(|(_, piece)| piece.to_bytes()).take_while(fits).collect()
    }
}

impl Image {
    /// Waypoints of a feed by place, without their operations and contents.
    pub fn witnesses(&self, feed: FeedId, places: &[u64]) -> Vec<Waypoint> {
        let Some(kept) = self.feeds.get(&feed) else { return Vec::new() };
        let found = placed(0, kept.pieces()).filter(|(place, _)| places.contains(place));
        found.filter_map(|(_, piece)| Some(piece.waypoint()?.faded(&BTreeSet::new()))).collect()
    }
}

impl Holders for Image {
    fn holder(&self, content: ContentHash) -> Option<(FeedId, u64)> {
        let carries = |waypoint: &Waypoint| contents(waypoint).any(|(hash, _)| hash == content);
        self.feeds.iter().find_map(|(feed, shelf)| {
            shelf.waypoints().find(|(_, waypoint)| carries(waypoint)).map(|(place, _)| (*feed, place))
        })
    }
}

impl Contents for Image {
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
        self.contents.get(&content).cloned().ok_or(Absent::Missing(content))
    }

    fn ops(&self, id: WaypointId, spot: Spot) -> Option<Arc<[Op]>> {
        let mut waypoints = self.feeds.get(&spot.feed)?.waypoints();
        let (_, found) = waypoints.find(|(place, waypoint)| *place == spot.place && waypoint.id() == id)?;
        found.ops().ok().map(Arc::from)
    }
}
