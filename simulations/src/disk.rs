//! A disk that keeps what was synced and loses the rest in a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_crdt::id::{ContentHash, FeedId, ProjectId, RepoId, WaypointId};
use cairn_crdt::op::Op;
use cairn_crdt::{Absent, Contents, Spot};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::piece::Piece;
use cairn_protocol::proof::ForkProof;
use cairn_protocol::top::Top;
use cairn_protocol::{Batch, Replica, Signed, Skeleton};

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
    feeds: BTreeMap<FeedId, Kept>,
    contents: BTreeMap<ContentHash, Arc<[u8]>>,
}

/// What is durable of one feed.
#[derive(Debug)]
struct Kept {
    project: ProjectId,
    top: Signed<Top>,
    pieces: Vec<Piece>,
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

    /// What a start finds.
    pub fn restore(&self, now_ms: u64) -> Vec<Replica> {
        self.durable.values().filter_map(|image| image.restore(now_ms)).collect()
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
            let kept = self.feeds.entry(accepted.feed).or_insert_with(|| Kept {
                project: accepted.project,
                top: accepted.top.signed().clone(),
                pieces: Vec::new(),
            });
            let held = kept.len();
            for (start, piece) in placed(accepted.start, &accepted.pieces) {
                if start + piece.count() <= held {
                    continue;
                }
                // What is forgotten elsewhere may cover the end of what is here.
                kept.cut(start);
                let entries = piece.waypoint().into_iter().flat_map(|waypoint| waypoint.entries());
                let contents = entries.filter_map(|entry| entry.content());
                self.contents.extend(contents.map(|(hash, bytes)| (hash, Arc::from(bytes))));
                kept.pieces.push(piece.clone());
            }
            if accepted.end() >= accepted.top.n {
                kept.top = accepted.top.signed().clone();
            }
        }
        for recalled in &batch.recalled {
            let kept = self.feeds.get_mut(&recalled.feed);
            if let Some(piece) = kept.and_then(|kept| kept.piece_mut(recalled.place)) {
                *piece = Piece::Waypoint(Arc::clone(&recalled.waypoint));
            }
            let contents = recalled.waypoint.entries().filter_map(|entry| entry.content());
            self.contents.extend(contents.map(|(hash, bytes)| (hash, Arc::from(bytes))));
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
            let skeletons = kept.pieces.iter().map(Skeleton::of);
            replica.restore(&name, *feed, kept.top.clone(), skeletons, now_ms).ok()?;
        }
        replica.admit_forks(&self.forks, now_ms);
        Some(replica)
    }

    /// Encoded pieces of a feed from the one with the waypoint at `from`, as many as fit.
    pub fn pieces(&self, feed: FeedId, from: u64, to: u64, bytes_max: u64) -> Vec<Vec<u8>> {
        let Some(kept) = self.feeds.get(&feed) else { return Vec::new() };
        let range =
            placed(0, &kept.pieces).filter(|(start, piece)| start + piece.count() > from && *start < to);
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

impl Kept {
    fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::count).sum()
    }

    /// The waypoint at a place.
    fn piece_mut(&mut self, place: u64) -> Option<&mut Piece> {
        let at = placed(0, &self.pieces).position(|(start, piece)| start == place && piece.count() == 1)?;
        self.pieces.get_mut(at)
    }

    /// Drops what lies at or behind a place.
    fn cut(&mut self, end: u64) {
        let stay = placed(0, &self.pieces).take_while(|(start, piece)| start + piece.count() <= end).count();
        self.pieces.truncate(stay);
    }
}

/// Pieces with the places at which they begin.
fn placed(start: u64, pieces: &[Piece]) -> impl Iterator<Item = (u64, &Piece)> + '_ {
    pieces.iter().scan(start, |next, piece| {
        let start = *next;
        *next += piece.count();
        Some((start, piece))
    })
}

impl Contents for Image {
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
        self.contents.get(&content).cloned().ok_or(Absent::Missing(content))
    }

    fn ops(&self, id: WaypointId, spot: Spot) -> Option<Arc<[Op]>> {
        let mut pieces = placed(0, &self.feeds.get(&spot.feed)?.pieces);
        let (_, piece) = pieces.find(|(place, _)| *place == spot.place)?;
        let waypoint = piece.waypoint().filter(|waypoint| waypoint.id() == id)?;
        waypoint.ops().ok().map(Arc::from)
    }
}
