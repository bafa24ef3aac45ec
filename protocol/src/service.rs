//! The sync service: a state machine that holds every repo of a home and talks to every peer.
//!
//! Sans-io: the driver brings [`Input`]s and the time, takes [`Effect`]s, and comes again
//! at [`Service::next_wake`]. The contract of the driver stands in the crate's front page.

use std::collections::BTreeMap;

use cairn_crdt::id::{ProjectId, RepoId};

use crate::config::Config;
use crate::effect::Effect;
use crate::hash::{RepoTag, Topic};
use crate::input::Input;
use crate::key::DeviceKey;
use crate::replica::Replica;

/// Every repo of a home, and a conversation with every peer.
#[derive(Debug)]
pub struct Service {
    me: DeviceKey,
    config: Config,
    replicas: BTreeMap<RepoId, Replica>,
}

#[expect(unused_variables, clippy::todo, reason = "signatures first, so that others can compile")]
impl Service {
    /// A service without repos, for the device `me`.
    pub fn new(me: DeviceKey, config: Config) -> Self {
        Self { me, config, replicas: BTreeMap::new() }
    }

    /// The device key of this node.
    pub fn me(&self) -> DeviceKey {
        self.me
    }

    /// Adds a repo whose store is open. Effects may follow.
    pub fn add(&mut self, replica: Replica, now_ms: u64) {
        todo!()
    }

    /// Takes a repo out, for instance because its store was closed.
    pub fn remove(&mut self, repo: RepoId) -> Option<Replica> {
        todo!()
    }

    /// The repos.
    pub fn repos(&self) -> impl Iterator<Item = &Replica> + '_ {
        self.replicas.values()
    }

    /// One repo.
    pub fn replica(&self, repo: RepoId) -> Option<&Replica> {
        self.replicas.get(&repo)
    }

    /// One repo, for views and drafts, which fill caches.
    pub fn replica_mut(&mut self, repo: RepoId) -> Option<&mut Replica> {
        self.replicas.get_mut(&repo)
    }

    /// The peers that are connected now.
    pub fn peers(&self) -> impl Iterator<Item = DeviceKey> + '_ {
        std::iter::empty()
    }

    /// The repo that a blinded tag of a request of `peer` stands for, if the peer may read
    /// `project` of it (any project where `None`). For streams beside this protocol, such as artifacts.
    pub fn readable(
        &self,
        peer: DeviceKey,
        tag: RepoTag,
        project: Option<ProjectId>,
        now_ms: u64,
    ) -> Option<RepoId> {
        todo!()
    }

    /// The topic under which a repo is gossiped about.
    pub fn topic(&self, repo: RepoId) -> Topic {
        todo!()
    }

    /// Takes in one thing that happened, at `now_ms` milliseconds since 1970.
    pub fn handle(&mut self, input: Input, now_ms: u64) {
        todo!()
    }

    /// The next thing to do outside, `None` when there is nothing left to do.
    pub fn poll(&mut self) -> Option<Effect> {
        todo!()
    }

    /// When to bring `Input::Tick`, in milliseconds since 1970, if nothing else happens before.
    pub fn next_wake(&self) -> Option<u64> {
        todo!()
    }
}
