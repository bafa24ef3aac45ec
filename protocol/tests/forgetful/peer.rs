//! A peer: a replica on a disk, its own key, and the last top that it has seen of each feed.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{FeedId, ProjectId, Root, WaypointId};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{CrdtError, Draft, FileEdit, Frontier, View};
use cairn_protocol::entry::{Edge, EdgeKind};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::grant::{Grant, GrantRecord, Role, Scope};
use cairn_protocol::hash::LogHash;
use cairn_protocol::input::Loaded;
use cairn_protocol::mark::{Mark, feeds_root};
use cairn_protocol::piece::count_in;
use cairn_protocol::replica::Retention;
use cairn_protocol::retention::Thinning;
use cairn_protocol::skeleton::Bones;
use cairn_protocol::{Batch, Keypair, Labels, Post, Reject, Replica, Skeleton, Stamp, WriteError};

use super::disk::{Disk, Held, placed};

pub const NOW_MS: u64 = 1_700_000_000_000;
pub const PROJECT: &str = "@team/tower";
pub const BRANCH: &str = "main";

/// What a mark must restore: its root, and every byte.
pub type Restored = (Root, BTreeMap<RepoPath, Vec<u8>>);

pub struct Peer {
    pub replica: Replica,
    pub project: ProjectId,
    pub disk: Disk,
    key: Keypair,
    /// How far each feed was seen, and the root there.
    seen: BTreeMap<FeedId, (u64, LogHash)>,
    count: u64,
}

fn key(seed: u8) -> Keypair {
    Keypair::from_secret(&[seed; 32])
}

fn rights(founding: &FoundingRecord, replica: &Replica) -> Vec<GrantRecord> {
    assert_eq!(founding.founders, [key(1).key()]);
    let grant = |subject: u8| Grant {
        repo: replica.id(),
        issuer: key(1).key(),
        subject: key(subject).key(),
        role: if subject == 2 { Role::Admin } else { Role::Write },
        scope: Scope::All,
        delegable: false,
        depth: 1,
        not_after_ms: None,
        uses: None,
        parent: None,
        seen: Vec::new(),
        nonce: [subject; 16],
    };
    (2..=5).map(|subject| grant(subject).sign(&key(1)).unwrap()).collect()
}

fn founded() -> (Replica, ProjectId) {
    let founders = vec![key(1).key()];
    let record =
        FoundingRecord { name: "t".into(), public: false, founders, nonce: [7; 16], stamp: Stamp::default() };
    let mut replica = Replica::open(record.clone().sign(&key(1)).unwrap().into_signed()).unwrap();
    let rights = rights(&record, &replica);
    replica.admit_grants(&rights, NOW_MS);
    let project = replica.add_project(PROJECT).unwrap();
    (replica, project)
}

/// Whether a version is not there for a reason that a peer may give.
pub fn is_refusal(error: &CrdtError) -> bool {
    matches!(error, CrdtError::Faded(_) | CrdtError::Absent(_) | CrdtError::UnknownWaypoint(_))
}

impl Peer {
    /// The peer with this key; 1 founded the repo, 1 and 2 are its admins.
    pub fn new(seed: u8) -> Self {
        let (replica, project) = founded();
        Self { replica, project, disk: Disk::default(), key: key(seed), seen: BTreeMap::new(), count: 0 }
    }

    pub fn is_admin(&self) -> bool {
        [key(1).key(), key(2).key()].contains(&self.key.key())
    }

    pub fn tip(&self) -> Frontier {
        self.replica.branch(self.project, BRANCH)
    }

    pub fn view(&mut self, version: &Frontier) -> Result<std::sync::Arc<View>, CrdtError> {
        self.replica.view(self.project, version, &self.disk)
    }

    /// A version's root and every byte of it.
    pub fn restore(&mut self, version: &Frontier) -> Result<Restored, CrdtError> {
        let view = self.view(version)?;
        let mut files = BTreeMap::new();
        for path in view.files.keys() {
            files.insert(path.clone(), self.replica.bytes(self.project, &view, path, &self.disk)?);
        }
        Ok((view.root, files))
    }

    /// Makes a batch durable, and then visible.
    fn take(&mut self, batch: &Batch, now_ms: u64) {
        batch.feeds.iter().for_each(|accepted| self.disk.store(accepted));
        self.replica.apply(batch, now_ms);
        for accepted in &batch.feeds {
            self.see(accepted.feed, accepted.top.n, accepted.top.root);
        }
    }

    fn see(&mut self, feed: FeedId, n: u64, root: LogHash) {
        let known = self.seen.entry(feed).or_insert((n, root));
        if n > known.0 {
            *known = (n, root);
        }
        assert!(n != known.0 || root == known.1, "one length of a feed has one root");
    }

    pub fn write(
        &mut self,
        parents: Frontier,
        draft: Draft,
        labels: Labels,
        now_ms: u64,
    ) -> Result<WaypointId, WriteError> {
        self.count += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.count.to_le_bytes());
        let key = self.key.clone();
        let post = Post { project: self.project, key: &key, parents, draft, labels, now_ms, entropy };
        let batch = self.replica.write(post)?;
        self.take(&batch, now_ms);
        Ok(batch.feeds[0].waypoints().last().unwrap().id())
    }

    /// Writes files on top of the branch.
    pub fn post(&mut self, edits: &[FileEdit], now_ms: u64) -> WaypointId {
        let tip = self.tip();
        let draft = self.replica.draft(self.project, &tip, edits, &self.disk).unwrap();
        let labels = Labels { branch: Some(BRANCH.into()), ..Labels::default() };
        self.write(tip, draft, labels, now_ms).unwrap()
    }

    /// Marks the branch; an epoch begins with it where one may. What the mark must restore.
    pub fn mark(&mut self, name: &str, pin: bool, now_ms: u64) -> Option<Restored> {
        let tip = self.tip();
        if tip.is_empty() {
            return None;
        }
        let restored = self.restore(&tip).unwrap();
        let tops = self.replica.feeds(self.project).into_iter().filter_map(|info| {
            let top = info.top?;
            Some((info.feed, top.n, top.root))
        });
        let feeds = feeds_root(&tops.collect::<Vec<_>>());
        let (frontier, root) = (tip.heads().to_vec(), restored.0);
        let mark =
            Mark { name: name.into(), message: "m".into(), frontier, root, feeds, class: None, hold: None };
        let labels = Labels { mark: Some(mark), ..Labels::default() };
        let documents = self.replica.documents_mut(self.project).unwrap();
        let snapshot = documents.snapshot(&tip, &self.disk);
        match snapshot {
            Ok(draft) if !pin && self.is_admin() => {
                let epoch = self.replica.epoch_on(self.project, &tip, root);
                let labels = Labels { epoch: Some(epoch), branch: Some(BRANCH.into()), ..labels };
                let began = self.write(tip, draft, labels, now_ms).unwrap();
                if self.tip().heads() == [began] {
                    assert_eq!(self.restore(&self.tip()).unwrap(), restored, "an epoch shows what was there");
                }
            }
            Ok(_) | Err(CrdtError::Unsettled(_)) => {
                self.write(tip, Draft::default(), labels, now_ms).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        Some(restored)
    }

    /// Forgets, and starts again from what is left.
    pub fn fade(&mut self, thinning: Thinning, elsewhere: Option<&BTreeMap<FeedId, u64>>, now_ms: u64) {
        let retention = Retention { thinning, names_ms: 0, pins: &[], elsewhere };
        let fading = self.replica.fading(self.project, retention, &self.disk, &self.disk, now_ms).unwrap();
        self.disk.fade(&fading);
        let tip = self.tip();
        self.restart(now_ms);
        assert_eq!(self.tip(), tip, "fading moves no branch");
        // Waypoints that hold nothing which could fade are chosen again, and nothing comes of it.
        let again = self.replica.fading(self.project, retention, &self.disk, &self.disk, now_ms).unwrap();
        for (feed, places) in &again.places {
            let pieces = self.disk.feeds[feed].read();
            let hollow = placed(&pieces).filter(|(_, waypoint)| !waypoint.is_faded());
            let hollow: BTreeSet<u64> = hollow.map(|(place, _)| place).collect();
            assert!(places.is_subset(&hollow), "fading twice finds nothing that it did not find at once");
        }
    }

    /// Starts again from the bytes on the disk.
    pub fn restart(&mut self, now_ms: u64) {
        let (mut replica, project) = founded();
        for (feed, held) in &self.disk.feeds {
            let skeletons = held.read().iter().map(Skeleton::of).collect::<Vec<_>>();
            replica.restore(PROJECT, *feed, held.top.clone(), skeletons).unwrap();
            let relics = held.relics.values().map(|waypoint| Bones::of(waypoint));
            replica.restore_relics(PROJECT, *feed, relics).unwrap();
        }
        replica.restored(now_ms);
        (self.replica, self.project) = (replica, project);
    }

    /// Takes in what another peer has, in runs of at most `run` waypoints; every top is held against the one seen last.
    pub fn pull(&mut self, other: &Self, run: u64, now_ms: u64) {
        loop {
            let before: u64 = self.disk.feeds.values().map(Held::len).sum();
            for feed in other.disk.feeds.keys() {
                self.check_top(other, *feed);
                while self.pull_run(other, *feed, run, now_ms) {}
            }
            // What was forgotten there is taken once the epoch that has it in its past has come.
            if self.disk.feeds.values().map(Held::len).sum::<u64>() == before {
                break;
            }
        }
        self.carry(now_ms);
    }

    /// Takes one run of a feed; whether more of it may follow.
    fn pull_run(&mut self, other: &Self, feed: FeedId, run: u64, now_ms: u64) -> bool {
        let whole = other.replica.whole_length(self.project, feed);
        let from = self.replica.feed_length(self.project, feed);
        if from >= whole {
            return false;
        }
        let mut next = 0;
        let pieces = other.disk.feeds[&feed].read().into_iter().filter(|piece| {
            next += piece.count();
            from < next && next <= whole
        });
        let part: Vec<Vec<u8>> = pieces.take(run as usize).map(|piece| piece.to_bytes()).collect();
        let places = other.replica.witnesses(self.project, feed, from, from + count_in(&part));
        let held = other.disk.feeds[&feed].read();
        let shown = placed(&held).filter(|(place, _)| places.contains(place));
        let witnesses = shown.map(|(_, waypoint)| waypoint.faded(&BTreeSet::new())).collect();
        let loaded = Loaded { pieces: part, witnesses };
        let Some(segment) = other.replica.segment(self.project, feed, from, loaded) else { return false };
        let accepted = match self.replica.ingest(segment, now_ms) {
            Ok(accepted) => accepted,
            Err(Reject::Missing | Reject::Unabsorbed) => return false,
            Err(reject) => panic!("an honest run was refused: {reject}"),
        };
        let mut batch = Batch::new(self.replica.id());
        batch.feeds.push(accepted);
        self.take(&batch, now_ms);
        true
    }

    /// What another peer shows of a feed never contradicts what was seen of it.
    fn check_top(&self, other: &Self, feed: FeedId) {
        let infos = other.replica.feeds(self.project);
        let Some(top) = infos.into_iter().find(|info| info.feed == feed).and_then(|info| info.top) else {
            return;
        };
        let Some((m, root)) = self.seen.get(&feed).filter(|(m, _)| *m < top.n) else { return };
        // Where the other has forgotten what it was at that place, it can prove nothing about it.
        let Some(segment) = other.replica.segment(self.project, feed, *m, Vec::new()) else { return };
        let proof = segment.proof.unwrap();
        proof.verify(*m, root, top.n, &top.root).expect("a later top continues the one that was seen");
        let forged = LogHash([9; 32]);
        assert!(proof.verify(*m, &forged, top.n, &top.root).is_err(), "and no other");
    }

    /// Carries this peer's own late work over, as far as what it needs is still here.
    fn carry(&mut self, now_ms: u64) {
        for late in self.replica.late(self.project, BRANCH) {
            let own = self.replica.entry(self.project, late).is_some_and(|entry| entry.key == self.key.key());
            let shown: BTreeSet<WaypointId> = self.tip().heads().iter().copied().collect();
            let documents = self.replica.documents(self.project).unwrap();
            let Some(began) = shown.first().and_then(|tip| documents.epoch(tip)).filter(|_| own) else {
                continue;
            };
            let marked: Frontier = documents.parents(&began).iter().copied().collect();
            let onto = Frontier::from_iter([self.replica.begun(self.project, began).unwrap()]);
            let from = Frontier::from_iter([late]);
            let documents = self.replica.documents_mut(self.project).unwrap();
            match documents.carry(&from, &marked, &onto, &self.disk) {
                Ok(carried) => {
                    let edges = vec![Edge { kind: EdgeKind::Translates, target: late }];
                    let labels = Labels { branch: Some(BRANCH.into()), edges, ..Labels::default() };
                    self.write(onto, carried.draft, labels, now_ms).unwrap();
                }
                Err(error) => assert!(is_refusal(&error), "{error}"),
            }
        }
    }
}
