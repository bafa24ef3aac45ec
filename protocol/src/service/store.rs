//! Durable, then visible: what was verified goes to the disk; what rests on it happens once it is there.

use std::collections::BTreeMap;

use cairn_crdt::id::{FeedId, ProjectId, RepoId, WaypointId};

use super::Service;
use super::regain::LostId;
use super::timer::Timer;
use crate::effect::{Accepted, Batch, Effect, Event, SyncFailure, Verdict};
use crate::error::Reject;
use crate::grant::GrantRecord;
use crate::input::{GossipId, ReplyId, Ticket};
use crate::key::DeviceKey;
use crate::replica::{Applied, Replica};
use crate::wire::Response;

/// A batch on its way to the disk.
#[derive(Debug)]
pub(super) struct Storing {
    batch: Batch,
    /// Who sent it; nobody, if it was made here.
    source: Option<DeviceKey>,
    then: Then,
}

/// What to do once a batch is durable.
#[derive(Debug)]
pub(super) enum Then {
    /// Nothing more.
    Nothing,
    /// Go on fetching from a peer.
    Fetched { peer: DeviceKey },
    /// Go on with what a peer said about rights.
    Opened { peer: DeviceKey, grants: Vec<GrantRecord> },
    /// Nothing was new: the disk has back what it had lost.
    Regained { id: LostId },
    /// Compare tops with a peer.
    Compare { peer: DeviceKey },
    /// Show a peer the repo.
    Show { peer: DeviceKey, reply: ReplyId },
    /// Tell a peer that what it pushed is durable.
    Pushed { peer: DeviceKey, reply: ReplyId },
    /// Tell a peer that the forks which it told of are.
    Noted { peer: DeviceKey, reply: ReplyId },
    /// Pass a gossiped message on.
    Judge { message: GossipId },
}

impl Service {
    /// Sends a batch on its way to the disk.
    pub(super) fn persist(&mut self, batch: Batch, source: Option<DeviceKey>, then: Then) {
        let ticket = Ticket(self.next_id());
        for accepted in &batch.feeds {
            self.under_way.stored.insert((batch.repo, accepted.top.feed_id()));
        }
        self.effects.push_back(Effect::Persist { ticket, batch: Box::new(batch.clone()) });
        self.storing.insert(ticket, Storing { batch, source, then });
    }

    pub(super) fn granted(&mut self, repo: RepoId, records: Vec<GrantRecord>) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let mut batch = Batch::new(repo);
        batch.grants = replica.new_grants(&records).0;
        if !batch.is_empty() {
            self.persist(batch, None, Then::Nothing);
        }
    }

    /// A local write is durable, or, where a source is named, what came in a file.
    pub(super) fn written(&mut self, batch: Batch, source: Option<DeviceKey>, now_ms: u64) {
        let repo = batch.repo;
        self.take_in(&batch, source, now_ms);
        if source.is_some() {
            self.prove(repo, batch.feeds.iter().map(|accepted| accepted.top.feed).collect());
        }
        self.spread(&batch, None, false, now_ms);
        self.advance_all(repo, now_ms);
    }

    pub(super) fn persisted(&mut self, ticket: Ticket, now_ms: u64) {
        let Some(Storing { batch, source, then }) = self.storing.remove(&ticket) else { return };
        let repo = batch.repo;
        self.release_feeds(&batch);
        if let Then::Regained { id } = then {
            if let Some(replica) = self.replicas.get_mut(&repo) {
                replica.recall(&batch.recalled);
            }
            let recalled = batch.recalled.iter().map(|recalled| recalled.place + 1);
            let end = batch.feeds.iter().map(Accepted::end).chain(recalled).max();
            self.regained_to(id, end.unwrap_or(id.2));
            self.go_on_ahead(&batch, true, now_ms);
            return self.advance_all(repo, now_ms);
        }
        self.take_in(&batch, source, now_ms);
        let by_gossip = matches!(then, Then::Judge { .. });
        self.go_on(&batch, then, now_ms);
        self.go_on_ahead(&batch, true, now_ms);
        self.prove(repo, batch.feeds.iter().map(|accepted| accepted.top.feed).collect());
        self.spread(&batch, source, by_gossip, now_ms);
        self.advance_all(repo, now_ms);
    }

    fn release_feeds(&mut self, batch: &Batch) {
        for accepted in &batch.feeds {
            self.under_way.stored.remove(&(batch.repo, accepted.top.feed_id()));
        }
    }

    /// Applies what is durable, and tells people.
    fn take_in(&mut self, batch: &Batch, source: Option<DeviceKey>, now_ms: u64) {
        let repo = batch.repo;
        if let Some(founding) = batch.founding.clone().filter(|_| !self.replicas.contains_key(&repo)) {
            // Its signature was checked before it was stored.
            let Ok(replica) = Replica::open(founding) else { return };
            self.add(replica, now_ms);
            self.notify(Event::Joined { repo });
        }
        let Some(replica) = self.replicas.get_mut(&repo) else { return };
        let applied = replica.apply(batch, now_ms);
        self.wait_for_future(repo);
        if !batch.grants.is_empty() {
            self.notify(Event::Granted { repo });
        }
        for accepted in batch.feeds.iter().filter(|_| source.is_some()) {
            let (project, feed, n) = (accepted.project, accepted.top.feed_id(), accepted.end());
            self.note_elsewhere(repo, accepted.feed, n);
            self.notify(Event::Received { repo, project, feed, n });
        }
        self.tell(repo, source, applied);
    }

    /// Tells people what changed.
    fn tell(&mut self, repo: RepoId, source: Option<DeviceKey>, applied: Applied) {
        for (project, branch, frontier) in applied.branches {
            self.notify(Event::Merged { repo, project, branch, frontier });
        }
        for (project, feed) in applied.forked {
            self.notify(Event::Forked { repo, project, feed });
        }
        for (project, name) in applied.marks {
            self.notify(Event::Marked { repo, project, name });
        }
        let mut held: BTreeMap<(ProjectId, FeedId), Vec<WaypointId>> = BTreeMap::new();
        for (project, feed, id) in applied.held {
            held.entry((project, feed)).or_default().push(id);
        }
        for ((project, feed), waypoints) in held {
            self.notify(Event::Held { repo, project, feed, waypoints });
        }
        let peer = source.unwrap_or(self.me);
        for (_, _, _, reason) in applied.refused {
            self.notify(Event::Rejected { repo: Some(repo), peer, reason });
        }
    }

    fn go_on(&mut self, batch: &Batch, then: Then, now_ms: u64) {
        let repo = batch.repo;
        match then {
            Then::Nothing | Then::Regained { .. } => {}
            Then::Fetched { peer } => self.finish_one(peer, repo),
            Then::Opened { peer, grants } => self.opened_with(peer, repo, &grants, now_ms),
            Then::Compare { peer } => self.compare(peer, repo, now_ms),
            Then::Show { peer, reply } => self.show(peer, reply, repo, now_ms),
            Then::Pushed { peer, reply } => {
                let run = batch.feeds.first().map(|accepted| (accepted.project, accepted.feed));
                let replica = self.replicas.get(&repo);
                let n =
                    run.zip(replica).map_or(0, |((project, feed), known)| known.feed_length(project, feed));
                if let Some((conversation, (_, feed))) = self.talk(peer, repo).zip(run) {
                    conversation.claim(feed, n);
                }
                self.respond(peer, reply, &Response::Pushed { n });
            }
            Then::Noted { peer, reply } => {
                self.respond(peer, reply, &Response::Pushed { n: batch.forks.len() as u64 });
            }
            Then::Judge { message } => self.judge(message, Verdict::Accept),
        }
    }

    pub(super) fn persist_failed(&mut self, ticket: Ticket, now_ms: u64) {
        let Some(Storing { batch, then, .. }) = self.storing.remove(&ticket) else { return };
        let repo = batch.repo;
        self.release_feeds(&batch);
        match then {
            Then::Nothing | Then::Regained { .. } => {}
            Then::Fetched { peer } => {
                self.finish_one(peer, repo);
                self.failed(peer, repo, SyncFailure::Disk, now_ms);
            }
            Then::Opened { peer, .. } | Then::Compare { peer } => {
                self.failed(peer, repo, SyncFailure::Disk, now_ms);
            }
            Then::Show { peer, reply } => self.respond(peer, reply, &Response::Absent),
            Then::Pushed { peer, reply } | Then::Noted { peer, reply } => {
                self.respond(peer, reply, &Response::Rejected { code: Reject::Busy.code() });
            }
            Then::Judge { message } => self.judge(message, Verdict::Ignore),
        }
        self.go_on_ahead(&batch, false, now_ms);
        self.advance_all(repo, now_ms);
    }

    /// Lets neighbours know what is durable and applied here.
    fn spread(&mut self, batch: &Batch, source: Option<DeviceKey>, by_gossip: bool, now_ms: u64) {
        for accepted in &batch.feeds {
            self.announce(batch.repo, accepted, source, by_gossip);
        }
        if !batch.forks.is_empty() {
            let peers: Vec<DeviceKey> = self.sessions.keys().copied().collect();
            peers.into_iter().for_each(|peer| self.owe_forks(peer, batch.repo));
        }
        if batch.grants.is_empty() {
            return;
        }
        let peers: Vec<DeviceKey> = self.sessions.keys().copied().collect();
        for peer in peers.into_iter().filter(|peer| Some(*peer) != source) {
            let knows = self.talk(peer, batch.repo).is_some_and(|conversation| conversation.knows);
            if knows {
                self.owe(peer, batch.repo, &batch.grants);
                self.mention(peer, batch.repo, now_ms);
            }
        }
    }

    fn owe(&mut self, peer: DeviceKey, repo: RepoId, grants: &[GrantRecord]) {
        let Some(conversation) = self.talk(peer, repo) else { return };
        let fresh = grants.iter().filter(|record| !conversation.offered.contains(&record.id()));
        conversation.owed.extend(fresh.cloned().collect::<Vec<_>>());
    }

    /// Sets the timer for waypoints that lie in the future.
    pub(super) fn wait_for_future(&mut self, repo: RepoId) {
        if let Some(at_ms) = self.replicas.get(&repo).and_then(Replica::next_release) {
            self.timers.set(at_ms, Timer::Release(repo));
        }
    }

    pub(super) fn release(&mut self, repo: RepoId, now_ms: u64) {
        let Some(replica) = self.replicas.get_mut(&repo) else { return };
        let applied = replica.release(now_ms);
        self.tell(repo, None, applied);
        if self.replicas.get(&repo).and_then(Replica::next_release).is_some_and(|at_ms| at_ms > now_ms) {
            self.wait_for_future(repo);
        }
    }

    /// Whether all of a feed up to its top is in a run: only then can it be announced.
    pub(super) fn is_complete(accepted: &Accepted) -> bool {
        accepted.end() == accepted.top.n
    }
}
