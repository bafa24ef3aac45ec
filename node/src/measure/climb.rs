//! A feed that grows, on a real disk, through the path that every write takes: sign, log, sync, cut, merge.
//!
//! Each waypoint replaces the 64 bytes of one file, and says so. [`Climb`] is the tower alone: a store and
//! the feed's log. [`post_many`] is the whole node, with replica and documents.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, FeedId, NodeId, ProjectId, WaypointId, derive};
use cairn_crdt::op::{Body, NodeKind, Op, Place};
use cairn_crdt::{Draft, Frontier};
use cairn_protocol::entry::{Entry, Payload};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::hash::GrantId;
use cairn_protocol::log::Log;
use cairn_protocol::piece::Piece;
use cairn_protocol::replica::Fading;
use cairn_protocol::top::Top;
use cairn_protocol::waypoint::{self, Waypoint};
use cairn_protocol::{Accepted, Batch, FeedName, Keypair, Labels, Reject, Stamp, project_id};

use super::meter::Meter;
use crate::config::Config;
use crate::error::NodeError;
use crate::home::Home;
use crate::owner::{Owner, Write};
use crate::store::{Seen, Store};
use crate::{clock, entropy};

const PROJECT: &str = "@bench/tower";
/// How many waypoints, or agents, become durable together.
pub(super) const GROUP: u64 = 256;

/// A store with one feed that grows.
pub struct Climb {
    store: Store,
    meter: Meter,
    key: Keypair,
    feed: FeedName,
    log: Log,
    parent: Option<WaypointId>,
    /// The heads of the grants that the key has seen.
    heads: Vec<GrantId>,
}

/// What the stones of a tower come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Height {
    /// How many stones.
    pub stones: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes that were ever written into stones, also into those that became part of others.
    pub written: u64,
}

impl Climb {
    /// An empty store in a folder.
    pub fn new(dir: &Path) -> Result<Self, NodeError> {
        let key = Keypair::from_secret(&entropy::random()?);
        let record = FoundingRecord {
            name: "tower".to_owned(),
            public: false,
            founders: vec![key.key()],
            nonce: entropy::random()?,
            stamp: Stamp::default().next(clock::now_ms()),
        };
        let founding = record.sign(&key)?.into_signed();
        let repo = founding.repo();
        let feed = FeedName { repo, project: project_id(repo, PROJECT), key: key.key() };
        let meter = Meter::default();
        let store = Store::create(Arc::new(meter.clone()), dir, &founding)?;
        Ok(Self { store, meter, key, feed, log: Log::new(), parent: None, heads: Vec::new() })
    }

    /// Writes waypoints; whenever the log is large it is cut, and at the end.
    pub fn grow(&mut self, count: u64) -> Result<(), NodeError> {
        let log_bytes_max = Config::default().log_bytes_max;
        let mut left = count;
        while left > 0 {
            let group = left.min(GROUP);
            left -= group;
            let batch = self.batch(group)?;
            self.store.commit(&batch)?;
            if self.store.wants_cut(log_bytes_max) {
                self.store.cut()?;
            }
        }
        self.store.cut().map(|_| ())
    }

    /// Lets so many agents, each with a key of its own that has seen these grants, write so many waypoints; gives their feeds.
    pub(super) fn come_and_go(
        &mut self,
        agents: u64,
        waypoints: u64,
        heads: &[GrantId],
    ) -> Result<Vec<FeedId>, NodeError> {
        let mut batches = Vec::new();
        for _ in 0..agents {
            self.key = Keypair::from_secret(&entropy::random()?);
            self.feed.key = self.key.key();
            (self.log, self.parent, self.heads) = (Log::new(), None, heads.to_vec());
            batches.push(self.batch(waypoints)?);
        }
        self.store.commit_all(&batches.iter().collect::<Vec<_>>())?;
        Ok(batches.iter().flat_map(|batch| &batch.feeds).map(|run| run.feed).collect())
    }

    /// Forgets.
    pub(super) fn forget(&mut self, fading: &Fading) -> Result<(), NodeError> {
        self.store.fade(fading).map(drop)
    }

    fn batch(&mut self, count: u64) -> Result<Batch, NodeError> {
        let (start, seed) = (self.log.len(), entropy::random::<32>()?);
        let mut pieces = Vec::new();
        for seq in start + 1..=start + count {
            let waypoint = Arc::new(self.waypoint(seq, &seed)?);
            self.log.append(&waypoint.id());
            self.parent = Some(waypoint.id());
            pieces.push(Piece::Waypoint(waypoint));
        }
        let top =
            Top { feed: self.feed, n: self.log.len(), root: self.log.root(), grants: self.heads.clone() };
        let (project, feed, key) = (self.feed.project, self.feed.id(), self.key.key());
        let run = Accepted { project, feed, key, start, pieces, top: top.sign(&self.key)? };
        Ok(Batch { projects: vec![PROJECT.to_owned()], feeds: vec![run], ..Batch::new(self.feed.repo) })
    }

    fn waypoint(&self, seq: u64, seed: &[u8; 32]) -> Result<Waypoint, Reject> {
        let Draft { ops, contents } = draft(self.feed.project, seq);
        let contents = contents.into_iter().map(|(_, bytes)| Payload::Content(bytes.to_vec()));
        let labels = [Payload::Branch("main".to_owned()), Payload::Message(message(seq))];
        let payloads = contents.chain(ops.into_iter().map(Payload::Op)).chain(labels);
        let salt = |index: u64| {
            let mut salt = [0; 16];
            salt.copy_from_slice(
                &derive("cairn bench salt", &[seed, &seq.to_le_bytes(), &index.to_le_bytes()])[..16],
            );
            salt
        };
        let entries = (0..).zip(payloads).map(|(index, payload)| Entry::new(salt(index), &payload)).collect();
        let labels = waypoint::Labels {
            feed: self.feed,
            seq,
            stamp: Stamp::default().next(clock::now_ms()),
            continued: false,
            parents: self.parent.into_iter().collect(),
            grants: Vec::new(),
        };
        Waypoint::new(labels, entries)
    }

    /// What the stones come to.
    pub fn height(&self) -> Height {
        let report = self.store.height();
        Height { stones: report.0, bytes: report.1, written: self.meter.stones() }
    }

    /// What is known of the tower now.
    pub fn seen(&self) -> Result<Seen, NodeError> {
        self.store.glance(&Seen::default())
    }

    /// Checks the tower against what was known of it; gives the bytes that were read and the milliseconds.
    pub fn glance(&self, seen: &Seen) -> Result<(u64, f64), NodeError> {
        self.meter.take_read();
        let begun = Instant::now();
        self.store.glance(seen)?;
        Ok((self.meter.take_read(), begun.elapsed().as_secs_f64() * 1000.0))
    }

    /// The most bytes that prove that a root of so many waypoints stands below the newest one. Each proof is checked.
    pub fn proof_bytes(&self, lengths: impl IntoIterator<Item = u64>) -> Result<u64, NodeError> {
        let (n, root, mut most) = (self.log.len(), self.log.root(), 0);
        for m in lengths {
            let proof = self.log.consistency(m, n).ok_or(Reject::Missing)?;
            let earlier = self.log.root_of(m).ok_or(Reject::Missing)?;
            proof.verify(m, &earlier, n, &root)?;
            most = most.max(proof.to_bytes().len() as u64);
        }
        Ok(most)
    }
}

/// Lets a node post so many waypoints on one branch of a new home, in groups.
pub fn post_many(dir: &Path, count: u64) -> Result<(), NodeError> {
    let mut owner = Owner::open(Home::open(dir)?)?;
    let repo = owner.create("tower", false)?;
    let project = owner.add_project(repo, PROJECT)?;
    let mut posted = 0;
    while posted < count {
        let group = (count - posted).min(GROUP);
        let mut writes = (posted + 1..=posted + group).map(|seq| (draft(project, seq), labels(seq)));
        let Some((draft, labels)) = writes.next() else { break };
        let parents: Frontier = owner.replica(repo)?.branch(project, "main");
        owner.write_all(repo, Write { project, parents, draft, labels, key: None }, writes.collect())?;
        owner.take_effects();
        posted += group;
    }
    owner.close()
}

fn message(seq: u64) -> String {
    format!("step {seq}")
}

fn labels(seq: u64) -> Labels {
    let (branch, message) = (Some("main".to_owned()), Some(message(seq)));
    Labels { branch, message, ..Labels::default() }
}

/// What a waypoint does: it gives a file other bytes; the first one makes the file.
fn draft(project: ProjectId, seq: u64) -> Draft {
    let node = NodeId(derive("cairn bench node", &[]));
    let half = derive("cairn bench bytes", &[&seq.to_le_bytes()]);
    let bytes: Vec<u8> = [half, half].concat();
    let content = ContentHash::of(&bytes);
    let body = Op::Body { node, body: Body::Opaque { content, bytes: bytes.len() as u64 } };
    let (parent, name) = (NodeId::project_root(project), b"state.bin".to_vec());
    let place = Place { parent, position: Vec::new(), name, kind: NodeKind::File };
    let placed = (seq == 1).then_some(Op::Place { node, place: Some(place) });
    Draft { ops: placed.into_iter().chain([body]).collect(), contents: vec![(content, bytes.into())] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tower_grows_and_a_node_posts_and_both_can_be_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut climb = Climb::new(&dir.path().join("store")).unwrap();
        climb.grow(1000).unwrap();
        let (seen, height) = (climb.seen().unwrap(), climb.height());
        assert!(
            height.stones <= 10 && height.written >= height.bytes && height.bytes > 100_000,
            "{height:?}"
        );
        climb.grow(100).unwrap();
        let (bytes, _) = climb.glance(&seen).unwrap();
        // All stones of the first thousand have become part of one, whose names are read.
        assert!((500..256 << 10).contains(&bytes), "{bytes}");
        assert!((33..4096).contains(&climb.proof_bytes(1..1100).unwrap()));
        let home = dir.path().join("home");
        post_many(&home, 600).unwrap();
        let owner = Owner::open(Home::open(&home).unwrap()).unwrap();
        let repo = owner.repos()[0];
        let project = owner.replica(repo).unwrap().project(PROJECT).unwrap();
        assert_eq!(owner.replica(repo).unwrap().feeds(project)[0].n, 600);
        assert!(owner.verify(true).iter().all(|(_, report)| report.is_ok()));
    }
}
