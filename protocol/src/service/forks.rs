//! Forked feeds: proofs are told to every peer, and the histories that a peer has and we lack are fetched.
//!
//! A peer that sends what contradicts what is held is not blamed for it: its author may have signed both.
//! It is asked for the whole history. Only when that does not hold either has the peer lied.

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use super::Service;
use super::requests::{Loading, Run, What};
use super::session::Stage;
use super::store::Then;
use crate::effect::{Batch, SyncFailure};
use crate::error::Reject;
use crate::feed::FeedName;
use crate::hash::{LogHash, RepoTag};
use crate::input::ReplyId;
use crate::key::DeviceKey;
use crate::limits::{FORKS_COUNT_MAX, SEGMENT_BYTES_MAX, SEGMENT_COUNT_MAX};
use crate::proof::ForkProof;
use crate::replica::Comparison;
use crate::signed::Signed;
use crate::top::Top;
use crate::wire::{Request, Response, Segment, Tip, repo_tag};

/// The histories to be had from one peer at a time: whoever has more of them is asked again later.
const WANTED_COUNT_MAX: usize = 64;

impl Service {
    /// Makes the proof of a fork durable; the conversation with the peer that showed it waits for that.
    pub(super) fn forked(&mut self, peer: DeviceKey, repo: RepoId, proof: ForkProof, now_ms: u64) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let mut batch = Batch::new(repo);
        batch.forks = replica.new_forks(&[proof], now_ms).0;
        if !batch.is_empty() {
            self.waiting_for_one(peer, repo);
            self.persist(batch, None, Then::Fetched { peer });
        }
    }

    /// Proves what histories that are both here now say against their author.
    pub(super) fn prove(&mut self, repo: RepoId, names: Vec<FeedName>) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let mut batch = Batch::new(repo);
        batch.forks = names.iter().filter_map(|name| replica.unproven(name)).collect();
        if !batch.is_empty() {
            self.persist(batch, None, Then::Nothing);
        }
    }

    /// Notes a history that a peer has and we lack, if its author signed it.
    pub(super) fn want_side(&mut self, peer: DeviceKey, repo: RepoId, top: Signed<Top>, now_ms: u64) -> bool {
        let takes =
            self.replicas.get(&repo).is_some_and(|replica| replica.takes(&top.claimed().feed, now_ms));
        if !takes || top.clone().verify().is_err() {
            return false;
        }
        let Some(conversation) = self.talk(peer, repo) else { return false };
        if conversation.sides.len() < WANTED_COUNT_MAX {
            conversation.sides.insert((top.claimed().feed_id(), top.claimed().root), top);
        }
        true
    }

    /// Whether what a peer sent, and was refused, may be part of another history of its feed, for
    /// which the peer is asked then.
    pub(super) fn doubt(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        top: &Signed<Top>,
        reject: &Reject,
        now_ms: u64,
    ) -> bool {
        let Some(replica) = self.replicas.get(&repo) else { return false };
        let name = top.claimed().feed;
        let contradicts = matches!(reject, Reject::Proof(_) | Reject::Fork)
            && replica.feed_length(name.project, name.id()) > 0
            && replica.compare(top.claimed()) != Comparison::Same;
        contradicts && self.want_side(peer, repo, top.clone(), now_ms)
    }

    /// Asks a peer for histories that it has and we lack.
    pub(super) fn sides_more(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        while self.may_ask(&peer) {
            let Some(top) = self.next_side(peer, repo, now_ms) else { return };
            let Some(replica) = self.replicas.get(&repo) else { return };
            let (project, feed) = (top.feed.project, top.feed_id());
            let request = Request::Side {
                tag: repo_tag(repo, &self.me, &peer),
                project,
                feed,
                top: Tip { n: top.n, root: top.root },
                known: replica.tips(project, feed),
                bytes_max: self.config.segment_bytes_max as u32,
            };
            if !self.ask(peer, repo, What::Side { feed, root: top.root }, &request, now_ms) {
                return;
            }
            self.under_way.asked.insert((repo, feed));
        }
    }

    /// A history to ask a peer for. Forgets those that are here now.
    fn next_side(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) -> Option<Top> {
        let replica = self.replicas.get(&repo)?;
        let conversation = self.sessions.get_mut(&peer)?.conversations.get_mut(&repo)?;
        if conversation.stage == Stage::Opening {
            return None;
        }
        conversation.sides.retain(|_, top| {
            let lacks = replica.compare(top.claimed()) != Comparison::Same;
            lacks && replica.takes(&top.claimed().feed, now_ms)
        });
        let mut free = conversation.sides.values().map(Signed::claimed);
        free.find(|top| !self.under_way.has(repo, top.feed_id())).cloned()
    }

    /// A peer sent a part of a history that it was asked for.
    pub(super) fn sided(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        (feed, root): (FeedId, LogHash),
        segment: Segment,
        bytes: &[u8],
        now_ms: u64,
    ) {
        let taken = if segment.top.claimed().feed_id() == feed {
            self.take_aside(peer, repo, segment, now_ms)
        } else {
            Err(Reject::Graft("feed"))
        };
        match taken {
            Ok(()) => self.waiting_for_one(peer, repo),
            Err(reject) => {
                self.drop_side(peer, repo, (feed, root));
                if let Some(conversation) = self.talk(peer, repo) {
                    conversation.failure.get_or_insert(SyncFailure::Rejected(reject.clone()));
                }
                self.refuse(peer, Some(repo), &reject, bytes);
            }
        }
    }

    fn take_aside(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        segment: Segment,
        now_ms: u64,
    ) -> Result<(), Reject> {
        let replica = self.replicas.get(&repo).ok_or(Reject::Missing)?;
        let mut batch = Batch::new(repo);
        batch.feeds.push(replica.ingest_side(segment, now_ms)?);
        self.persist(batch, Some(peer), Then::Fetched { peer });
        Ok(())
    }

    pub(super) fn drop_side(&mut self, peer: DeviceKey, repo: RepoId, side: (FeedId, LogHash)) {
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.sides.remove(&side);
        }
    }

    pub(super) fn serve_side(
        &mut self,
        peer: DeviceKey,
        reply: ReplyId,
        (tag, project, feed): (RepoTag, ProjectId, FeedId),
        (top, known): (Tip, Vec<Tip>),
        bytes_max: u32,
        now_ms: u64,
    ) {
        let repo = self.readable(peer, tag, Some(project), now_ms);
        let replica = repo.and_then(|repo| self.replicas.get(&repo));
        let side = replica.and_then(|replica| replica.side(project, feed, &top, &known));
        let (Some(repo), Some(replica), Some((feed, from))) = (repo, replica, side) else {
            return self.respond(peer, reply, &Response::Absent);
        };
        let to = replica.whole_length(project, feed).min(from + SEGMENT_COUNT_MAX as u64);
        let loading = Loading::Serve { peer, reply, run: Run { repo, project, feed, from } };
        self.load(loading, to, u64::from(bytes_max).min(SEGMENT_BYTES_MAX as u64));
    }

    /// Notes the forks that a peer is to be told of.
    pub(super) fn owe_forks(&mut self, peer: DeviceKey, repo: RepoId) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let forks: Vec<ForkProof> = replica.forks().cloned().collect();
        let Some(conversation) = self.talk(peer, repo) else { return };
        conversation.forks = forks.into_iter().filter(|proof| !conversation.told.contains(proof)).collect();
    }

    /// Tells a peer of forks.
    pub(super) fn forks_more(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        if !self.may_ask(&peer) {
            return;
        }
        let Some(conversation) = self.talk(peer, repo) else { return };
        if !conversation.shares || conversation.forks.is_empty() {
            return;
        }
        let mut proofs = std::mem::take(&mut conversation.forks);
        conversation.forks = proofs.split_off(proofs.len().min(FORKS_COUNT_MAX));
        conversation.told.extend(proofs.iter().cloned());
        let request = Request::Forks { tag: repo_tag(repo, &self.me, &peer), proofs };
        self.ask(peer, repo, What::Forks, &request, now_ms);
    }

    pub(super) fn serve_forks(
        &mut self,
        peer: DeviceKey,
        reply: ReplyId,
        tag: RepoTag,
        proofs: Vec<ForkProof>,
        bytes: &[u8],
        now_ms: u64,
    ) {
        let repo = self.readable(peer, tag, None, now_ms);
        let Some((repo, replica)) = repo.and_then(|repo| Some((repo, self.replicas.get(&repo)?))) else {
            return self.respond(peer, reply, &Response::Absent);
        };
        let (new, refused) = replica.new_forks(&proofs, now_ms);
        if let Some(reject) = refused {
            self.refuse(peer, Some(repo), &reject, bytes);
            return self.respond(peer, reply, &Response::Rejected { code: reject.code() });
        }
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.told.extend(proofs);
        }
        if new.is_empty() {
            return self.respond(peer, reply, &Response::Pushed { n: 0 });
        }
        let mut batch = Batch::new(repo);
        batch.forks = new;
        self.persist(batch, Some(peer), Then::Noted { peer, reply });
    }
}
