//! The sync service: a state machine that holds every repo of a home and talks to every peer.
//!
//! Sans-io: the driver brings [`Input`]s and the time, takes [`Effect`]s, and comes again
//! at [`Service::next_wake`]. The contract of the driver stands in the crate's front page.
//! This file only keeps the state and sends each input to the conversation that it belongs to.

mod ahead;
mod announce;
mod elsewhere;
mod fetch;
mod forks;
mod open;
mod push;
mod regain;
mod requests;
mod session;
mod store;
mod timer;

use std::collections::{BTreeMap, VecDeque};

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use crate::config::Config;
use crate::effect::{Effect, Event};
use crate::hash::{RepoTag, Topic};
use crate::input::{Input, LoadId, RequestId, Ticket};
use crate::key::DeviceKey;
use crate::replica::Replica;
use crate::wire::topic;

use ahead::UnderWay;
use requests::{Asked, Loading};
use session::Session;
use store::Storing;
use timer::{Timer, Timers};

/// Every repo of a home, and a conversation with every peer.
#[derive(Debug)]
pub struct Service {
    me: DeviceKey,
    config: Config,
    replicas: BTreeMap<RepoId, Replica>,
    sessions: BTreeMap<DeviceKey, Session>,
    asked: BTreeMap<RequestId, Asked>,
    loads: BTreeMap<LoadId, Loading>,
    storing: BTreeMap<Ticket, Storing>,
    /// Feeds of which waypoints are under way.
    under_way: UnderWay,
    /// Runs of waypoints that the disk lost.
    lost: BTreeMap<regain::LostId, regain::Lost>,
    /// How much of each feed some other peer is known to hold.
    elsewhere: BTreeMap<RepoId, BTreeMap<FeedId, u64>>,
    topics: BTreeMap<Topic, RepoId>,
    timers: Timers,
    effects: VecDeque<Effect>,
    last_id: u64,
}

impl Service {
    /// A service without repos, for the device `me`.
    pub fn new(me: DeviceKey, config: Config) -> Self {
        Self {
            me,
            config,
            replicas: BTreeMap::new(),
            sessions: BTreeMap::new(),
            asked: BTreeMap::new(),
            loads: BTreeMap::new(),
            storing: BTreeMap::new(),
            under_way: UnderWay::default(),
            lost: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            topics: BTreeMap::new(),
            timers: Timers::default(),
            effects: VecDeque::new(),
            last_id: 0,
        }
    }

    /// The device key of this node.
    pub fn me(&self) -> DeviceKey {
        self.me
    }

    /// Adds a repo whose store is open. Effects may follow.
    pub fn add(&mut self, replica: Replica, now_ms: u64) {
        let repo = replica.id();
        if replica.is_public() {
            // A private repo is not gossiped about: whoever subscribes would read along.
            self.topics.insert(topic(repo), repo);
            self.effects.push_back(Effect::Subscribe { topic: topic(repo) });
        }
        self.replicas.insert(repo, replica);
        self.wait_for_future(repo);
        let peers: Vec<DeviceKey> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.begin(peer, repo, now_ms);
        }
    }

    /// Takes a repo out, for instance because its store was closed.
    pub fn remove(&mut self, repo: RepoId) -> Option<Replica> {
        self.topics.remove(&topic(repo));
        for session in self.sessions.values_mut() {
            session.forget(repo);
        }
        self.replicas.remove(&repo)
    }

    /// The repos.
    pub fn repos(&self) -> impl Iterator<Item = &Replica> + '_ {
        self.replicas.values()
    }

    /// One repo.
    pub fn replica(&self, repo: RepoId) -> Option<&Replica> {
        self.replicas.get(&repo)
    }

    /// One repo, for writes, views and drafts.
    pub fn replica_mut(&mut self, repo: RepoId) -> Option<&mut Replica> {
        self.replicas.get_mut(&repo)
    }

    /// The peers that are connected now.
    pub fn peers(&self) -> impl Iterator<Item = DeviceKey> + '_ {
        self.sessions.keys().copied()
    }

    /// The repo that a tag in a request of `peer` stands for, if the peer may read `project` of
    /// it (any project where `None`). For streams beside this protocol, such as artifacts.
    pub fn readable(
        &self,
        peer: DeviceKey,
        tag: RepoTag,
        project: Option<ProjectId>,
        now_ms: u64,
    ) -> Option<RepoId> {
        let repo = self.named(peer, tag)?;
        let replica = self.replicas.get(&repo)?;
        replica.may_read(&peer, project, now_ms).then_some(repo)
    }

    /// The topic under which a repo is gossiped about.
    pub fn topic(&self, repo: RepoId) -> Topic {
        topic(repo)
    }

    /// Takes in one thing that happened, at `now_ms` milliseconds since 1970.
    pub fn handle(&mut self, input: Input, now_ms: u64) {
        match input {
            Input::PeerConnected { peer } => self.connected(peer, now_ms),
            Input::PeerDisconnected { peer } => self.disconnected(peer, now_ms),
            Input::Request { peer, reply, bytes } => self.asked_by(peer, reply, bytes, now_ms),
            Input::Response { peer, request, result } => self.answered(peer, request, result, now_ms),
            Input::Gossip { peer, message, topic, bytes } => self.gossip(peer, message, topic, bytes, now_ms),
            Input::Persisted { ticket } => self.persisted(ticket, now_ms),
            Input::PersistFailed { ticket } => self.persist_failed(ticket, now_ms),
            Input::Loaded { load, loaded } => self.loaded(load, loaded, now_ms),
            Input::Written { batch } => self.written(batch, None, now_ms),
            Input::Carried { batch } => self.written(batch, Some(self.me), now_ms),
            Input::Granted { repo, records } => self.granted(repo, records),
            Input::Synchronise { peer, repo } => self.synchronise(peer, repo, now_ms),
            Input::Join { peer, wanted } => self.join(peer, wanted, now_ms),
            Input::Lost { repo, project, feed, from, to } => {
                self.regain((repo, feed, from), regain::Lost::damaged(project, to), now_ms);
            }
            Input::Recall { repo, project, feed, from, to } => {
                self.regain((repo, feed, from), regain::Lost::faded(project, to), now_ms);
            }
            Input::Tick => {}
        }
        while let Some(timer) = self.timers.due(now_ms) {
            self.fire(timer, now_ms);
        }
    }

    /// The next thing to do outside, `None` when there is nothing left to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to bring `Input::Tick`, in milliseconds since 1970, if nothing else happens before.
    pub fn next_wake(&self) -> Option<u64> {
        self.timers.next()
    }

    fn fire(&mut self, timer: Timer, now_ms: u64) {
        match timer {
            Timer::Answer(request) => self.overdue(request, now_ms),
            Timer::Compare(peer, repo) => self.compare_due(peer, repo, now_ms),
            Timer::Release(repo) => self.release(repo, now_ms),
        }
    }

    /// A fresh name for a request, a load or a batch.
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn notify(&mut self, event: Event) {
        self.effects.push_back(Effect::Notify(event));
    }
}

#[cfg(test)]
mod tests;
