//! Fetching what a peer has and we lack, and answering peers that do so.

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use super::Service;
use super::ahead::Ahead;
use super::requests::{Loading, Run, What};
use super::session::Stage;
use super::store::Then;
use crate::effect::{Batch, SyncFailure};
use crate::error::Reject;
use crate::hash::RepoTag;
use crate::input::{Loaded, ReplyId};
use crate::key::DeviceKey;
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_COUNT_MAX};
use crate::wire::{Request, Response, Segment, repo_tag};

/// A history of a feed that is held up to `end` once what was taken is durable.
pub(super) struct Grown {
    pub(super) project: ProjectId,
    pub(super) history: FeedId,
    pub(super) end: u64,
}

impl Service {
    /// Asks a peer for as much of what it has as may be under way.
    pub(super) fn fetch_more(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        while self.may_ask(&peer) {
            let Some((feed, project, from)) = self.next_want(peer, repo) else { return };
            if !self.ask_from(peer, repo, (project, feed), from, now_ms) {
                return;
            }
        }
    }

    /// Asks a peer for a feed from a place on; false if the request cannot be encoded.
    pub(super) fn ask_from(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        (project, feed): (ProjectId, FeedId),
        from: u64,
        now_ms: u64,
    ) -> bool {
        let (tag, bytes_max) = (repo_tag(repo, &self.me, &peer), self.config.segment_bytes_max as u32);
        let request = Request::Fetch { tag, project, feed, from, bytes_max };
        let is_asked = self.ask(peer, repo, What::Fetch { feed, from }, &request, now_ms);
        if is_asked {
            self.under_way.asked.insert((repo, feed));
        }
        is_asked
    }

    /// A feed to ask a peer for, and from where. Forgets those that have come from elsewhere.
    fn next_want(&mut self, peer: DeviceKey, repo: RepoId) -> Option<(FeedId, ProjectId, u64)> {
        let replica = self.replicas.get(&repo)?;
        let conversation = self.sessions.get_mut(&peer)?.conversations.get_mut(&repo)?;
        if conversation.stage == Stage::Opening {
            return None;
        }
        let claims = &conversation.claims;
        conversation.wants.retain(|feed, project| {
            let claimed = claims.get(feed).copied().unwrap_or(0);
            let more = replica.feed_length(*project, *feed) < claimed;
            more && !replica.is_frozen(*project, *feed) && !replica.is_contested(*project, *feed)
        });
        let mut wants = conversation.wants.iter();
        let (feed, project) = wants.find(|(feed, _)| !self.under_way.has(repo, **feed))?;
        Some((*feed, *project, replica.feed_length(*project, *feed)))
    }

    pub(super) fn fetched(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        (feed, from): (FeedId, u64),
        segment: Segment,
        bytes: &[u8],
        now_ms: u64,
    ) {
        // A subtree that is gone at the peer may begin before what was asked for.
        let asked_for = segment.top.claimed().feed_id() == feed && segment.start <= from;
        if asked_for && self.under_way.stored.contains(&(repo, feed)) {
            let (segment, bytes) = (Box::new(segment), bytes.to_vec());
            return self.keep_ahead((repo, feed), Ahead { peer, from, segment, bytes });
        }
        let top = segment.top.clone();
        let taken = if asked_for {
            self.take(peer, repo, segment, Then::Fetched { peer }, now_ms)
        } else {
            Err(Reject::Graft("feed"))
        };
        match taken {
            Ok(grown) => {
                self.waiting_for_one(peer, repo);
                self.ask_ahead(peer, repo, feed, grown, now_ms);
            }
            Err(Reject::Unabsorbed) => self.put_aside(peer, repo, feed),
            Err(reject) if self.doubt(peer, repo, &top, &reject, now_ms) => {
                if let Some(conversation) = self.talk(peer, repo) {
                    conversation.wants.remove(&feed);
                }
            }
            Err(reject) => {
                self.drop_want(peer, repo, &feed, SyncFailure::Rejected(reject.clone()));
                self.refuse(peer, Some(repo), &reject, bytes);
            }
        }
    }

    /// Verifies a run of waypoints and sends it on its way to the disk. Which history it goes on with, and to where.
    pub(super) fn take(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        segment: Segment,
        then: Then,
        now_ms: u64,
    ) -> Result<Grown, Reject> {
        let replica = self.replicas.get(&repo).ok_or(Reject::Missing)?;
        if self.under_way.has(repo, segment.top.claimed().feed_id()) {
            return Err(Reject::Busy);
        }
        let accepted = replica.ingest(segment, now_ms)?;
        let grown = Grown { project: accepted.project, history: accepted.feed, end: accepted.end() };
        let mut batch = Batch::new(repo);
        batch.feeds.push(accepted);
        self.persist(batch, Some(peer), then);
        Ok(grown)
    }

    /// One more thing that the conversation waits for.
    pub(super) fn waiting_for_one(&mut self, peer: DeviceKey, repo: RepoId) {
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.busy += 1;
            conversation.worked = true;
            conversation.moved = true;
        }
    }

    /// Asks for a feed again once something else has come.
    fn put_aside(&mut self, peer: DeviceKey, repo: RepoId, feed: FeedId) {
        if let Some(conversation) = self.talk(peer, repo)
            && let Some(project) = conversation.wants.remove(&feed)
        {
            conversation.later.insert(feed, project);
        }
    }

    fn drop_want(&mut self, peer: DeviceKey, repo: RepoId, feed: &FeedId, why: SyncFailure) {
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.wants.remove(feed);
            conversation.failure.get_or_insert(why);
        }
    }

    /// The peer claimed to have more of a feed and does not give it: it may not be there yet.
    pub(super) fn not_there(&mut self, peer: DeviceKey, repo: RepoId, feed: FeedId, now_ms: u64) {
        let wait_ms = self.config.retry_min_ms;
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.wants.remove(&feed);
            conversation.claims.remove(&feed);
        }
        self.compare_at(peer, repo, now_ms + wait_ms);
    }

    pub(super) fn serve_fetch(
        &mut self,
        peer: DeviceKey,
        reply: ReplyId,
        tag: RepoTag,
        (project, feed, from, bytes_max): (ProjectId, FeedId, u64, u32),
        now_ms: u64,
    ) {
        let repo = self.readable(peer, tag, Some(project), now_ms);
        let replica = repo.and_then(|repo| self.replicas.get(&repo));
        let whole = replica.map_or(0, |replica| replica.whole_length(project, feed));
        let Some(repo) = repo.filter(|_| from < whole) else {
            return self.respond(peer, reply, &Response::Absent);
        };
        self.note_elsewhere(repo, feed, from);
        let to = whole.min(from + SEGMENT_COUNT_MAX as u64);
        let run = Run { repo, project, feed, from };
        self.load(
            Loading::Serve { peer, reply, run },
            to,
            u64::from(bytes_max).min(SEGMENT_BYTES_MAX as u64),
        );
    }

    pub(super) fn serve_loaded(&mut self, peer: DeviceKey, reply: ReplyId, run: Run, loaded: Loaded) {
        let replica = self.replicas.get(&run.repo).filter(|_| !loaded.pieces.is_empty());
        let segment = replica.and_then(|replica| replica.segment(run.project, run.feed, run.from, loaded));
        let response = segment.map_or(Response::Absent, Response::Segment);
        self.respond(peer, reply, &response);
    }
}
