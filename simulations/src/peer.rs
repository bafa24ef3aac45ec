//! One peer: the service that is under test, its disk, and what its driver must remember.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::RepoId;
use cairn_protocol::hash::Topic;
use cairn_protocol::input::{ReplyId, RequestId};
use cairn_protocol::{Config, DeviceKey, Keypair, Service};

use crate::disk::Disk;

/// One peer.
#[derive(Debug)]
pub struct Peer {
    /// Its place in the world.
    pub index: usize,
    /// Its key.
    pub keypair: Keypair,
    /// The core.
    pub service: Service,
    /// Its disk.
    pub disk: Disk,
    /// Whether its process runs.
    pub up: bool,
    /// How often it was started; what belongs to an earlier life is void.
    pub life: u64,
    /// Whom it is connected to.
    pub connected: BTreeSet<usize>,
    /// What it takes part in.
    pub topics: BTreeSet<Topic>,
    /// Gossip that it has seen.
    pub seen: BTreeSet<[u8; 32]>,
    /// Requests of others that it has not answered.
    pub replies: BTreeMap<ReplyId, (usize, RequestId)>,
    /// When it is woken.
    pub wake_at_ms: Option<u64>,
    /// Whether what it sends is tampered with, and what it signs counts for nothing.
    pub liar: bool,
    /// Whether its key is used elsewhere too; it may find that it cannot write any more.
    pub copied: bool,
    /// How far its clock is ahead of the world's, in milliseconds.
    pub skew_ms: i64,
    /// The last name given to a request of others or to a local write.
    pub last_id: u64,
}

impl Peer {
    /// A peer with an empty disk.
    pub fn new(index: usize, keypair: Keypair, config: Config) -> Self {
        Self {
            service: Service::new(keypair.key(), config),
            index,
            keypair,
            disk: Disk::default(),
            up: true,
            life: 0,
            connected: BTreeSet::new(),
            topics: BTreeSet::new(),
            seen: BTreeSet::new(),
            replies: BTreeMap::new(),
            wake_at_ms: None,
            liar: false,
            copied: false,
            skew_ms: 0,
            last_id: 0,
        }
    }

    /// What its clock shows.
    pub fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms)
    }

    /// Its public key.
    pub fn key(&self) -> DeviceKey {
        self.keypair.key()
    }

    /// A fresh name for a request or a write.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The process dies: memory and what was not synced are gone.
    pub fn crash(&mut self, config: Config) {
        self.up = false;
        self.life += 1;
        self.disk.crash();
        self.service = Service::new(self.key(), config);
        self.connected.clear();
        self.topics.clear();
        self.replies.clear();
        self.wake_at_ms = None;
    }

    /// The process starts again from what is durable.
    pub fn start(&mut self, now_ms: u64) {
        self.up = true;
        for replica in self.disk.restore(now_ms) {
            self.service.add(replica, now_ms);
        }
    }

    /// Whether it holds a repo.
    pub fn has(&self, repo: RepoId) -> bool {
        self.service.replica(repo).is_some()
    }
}
