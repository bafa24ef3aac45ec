//! Bringing a peer what it lacks: where somebody asked for it, and as news of a private repo,
//! which is not gossiped about.

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use super::Service;
use super::requests::{Loading, Run, What, is_lie};
use super::session::{Bring, Stage};
use super::store::Then;
use crate::effect::SyncFailure;
use crate::error::Reject;
use crate::hash::RepoTag;
use crate::input::{Loaded, ReplyId};
use crate::key::DeviceKey;
use crate::limits::SEGMENT_COUNT_MAX;
use crate::replica::Comparison;
use crate::wire::{Request, Response, Segment, repo_tag};

impl Service {
    /// Brings a peer as much of what it lacks as may be under way.
    pub(super) fn push_more(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        while self.may_ask(&peer) {
            let Some((feed, project, bring)) = self.next_lack(peer, repo) else { return };
            match bring {
                Bring::Hint => self.hint(peer, repo, project, feed, now_ms),
                Bring::Bodies => self.push_load(peer, repo, project, feed),
            }
        }
    }

    /// Takes out one feed that the peer lacks.
    fn next_lack(&mut self, peer: DeviceKey, repo: RepoId) -> Option<(FeedId, ProjectId, Bring)> {
        let conversation = self.sessions.get_mut(&peer)?.conversations.get_mut(&repo)?;
        if conversation.stage == Stage::Opening {
            return None;
        }
        conversation.lacks.pop_first().map(|(feed, (project, bring))| (feed, project, bring))
    }

    fn hint(&mut self, peer: DeviceKey, repo: RepoId, project: ProjectId, feed: FeedId, now_ms: u64) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let whole = replica.whole_length(project, feed);
        let Some(segment) = replica.segment(project, feed, whole, Loaded::default()) else { return };
        let request = Request::Push { tag: repo_tag(repo, &self.me, &peer), segment };
        self.ask(peer, repo, What::Hint, &request, now_ms);
    }

    fn push_load(&mut self, peer: DeviceKey, repo: RepoId, project: ProjectId, feed: FeedId) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let whole = replica.whole_length(project, feed);
        let Some(from) = self.talk(peer, repo).map(|conversation| conversation.claimed(&feed)) else {
            return;
        };
        if from >= whole {
            return;
        }
        self.waiting_for_one(peer, repo);
        let to = whole.min(from + SEGMENT_COUNT_MAX as u64);
        let run = Run { repo, project, feed, from };
        self.load(Loading::Push { peer, run }, to, self.config.segment_bytes_max);
    }

    pub(super) fn push_loaded(&mut self, peer: DeviceKey, run: Run, loaded: Loaded, now_ms: u64) {
        let Run { repo, project, feed, from } = run;
        self.finish_one(peer, repo);
        let replica = self.replicas.get(&repo).filter(|_| !loaded.pieces.is_empty());
        match replica.and_then(|replica| replica.segment(project, feed, from, loaded)) {
            Some(segment) => {
                let end = segment.end();
                let request = Request::Push { tag: repo_tag(repo, &self.me, &peer), segment };
                self.ask(peer, repo, What::Push { project, feed, from, end }, &request, now_ms);
            }
            None => {
                if let Some(conversation) = self.talk(peer, repo) {
                    conversation.failure.get_or_insert(SyncFailure::Disk);
                }
            }
        }
        self.advance(peer, repo, now_ms);
    }

    /// The peer has stored what was pushed; `n` is what it holds now.
    pub(super) fn pushed(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        (project, feed): (ProjectId, FeedId),
        (from, end): (u64, u64),
        n: u64,
        now_ms: u64,
    ) {
        let whole = self.replicas.get(&repo).map_or(0, |replica| replica.whole_length(project, feed));
        let wait_ms = self.config.retry_min_ms;
        self.note_elsewhere(repo, feed, n.min(end));
        let Some(conversation) = self.talk(peer, repo) else { return };
        conversation.claims.insert(feed, n);
        if n >= whole {
            return;
        }
        // A peer that restarted may hold less than it did; one that takes nothing is left alone.
        if n >= end || n < from {
            conversation.lacks.insert(feed, (project, Bring::Bodies));
        } else {
            self.compare_at(peer, repo, now_ms + wait_ms);
        }
    }

    /// The peer refused what was pushed. It may only have to learn of a grant or a project first,
    /// or be taking the same feed from elsewhere: then the whole comparison is tried again.
    pub(super) fn push_refused(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        (project, feed): (ProjectId, FeedId),
        code: u16,
    ) {
        let again = self.config.push_retries_max;
        let Some(conversation) = self.talk(peer, repo) else { return };
        conversation.lacks.remove(&feed);
        if code == Reject::Fork.code() {
            // The peer asks for what it lacks of a forked feed.
            conversation.lacks.insert(feed, (project, Bring::Hint));
            return;
        }
        let passing = [Reject::Busy, Reject::Missing, Reject::Ungranted, Reject::Unabsorbed];
        let passing = passing.iter().any(|r| r.code() == code);
        if passing && conversation.failures < again {
            conversation.retry = true;
        } else {
            conversation.failure.get_or_insert(SyncFailure::Refused(code));
        }
    }

    pub(super) fn serve_push(
        &mut self,
        peer: DeviceKey,
        reply: ReplyId,
        tag: RepoTag,
        segment: Segment,
        bytes: &[u8],
        now_ms: u64,
    ) {
        let (name, top) = (segment.top.claimed().feed, segment.top.clone());
        let Some(repo) = self.readable(peer, tag, None, now_ms) else {
            return self.respond(peer, reply, &Response::Absent);
        };
        if segment.pieces.is_empty() {
            self.hinted(peer, repo, &segment, now_ms);
            let n =
                self.replicas.get(&repo).map_or(0, |replica| replica.feed_length(name.project, name.id()));
            return self.respond(peer, reply, &Response::Pushed { n });
        }
        let end = segment.end();
        let then = Then::Pushed { peer, reply };
        match self.take(peer, repo, segment, then, now_ms) {
            Ok(_) => {}
            Err(reject) if self.doubt(peer, repo, &top, &reject, now_ms) => {
                self.respond(peer, reply, &Response::Rejected { code: Reject::Fork.code() });
                self.advance(peer, repo, now_ms);
            }
            Err(Reject::Rollback { known, .. }) => self.respond(peer, reply, &Response::Pushed { n: known }),
            Err(reject) => {
                let unknown = matches!(reject, Reject::Missing | Reject::Ungranted | Reject::Gap { .. });
                if let Some(conversation) = self.talk(peer, repo).filter(|_| !is_lie(&reject)) {
                    conversation.claim(name.id(), end);
                }
                self.refuse(peer, Some(repo), &reject, bytes);
                self.respond(peer, reply, &Response::Rejected { code: reject.code() });
                if unknown {
                    self.compare_at(peer, repo, now_ms + self.config.retry_min_ms);
                }
            }
        }
    }

    /// A peer tells that it has more of a feed.
    fn hinted(&mut self, peer: DeviceKey, repo: RepoId, segment: &Segment, now_ms: u64) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let (name, n) = (segment.top.claimed().feed, segment.top.claimed().n);
        let known = replica.takes(&name, now_ms) && replica.documents(name.project).is_some();
        let more = replica.feed_length(name.project, name.id()) < n;
        let aside = replica.compare(segment.top.claimed());
        if !known {
            return self.compare_at(peer, repo, now_ms + self.config.retry_min_ms);
        }
        if matches!(aside, Comparison::Differs | Comparison::Side) {
            self.check_fork(peer, repo, segment.top.clone(), now_ms);
            return self.advance(peer, repo, now_ms);
        }
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.claim(name.id(), n);
            if more {
                conversation.wants.insert(name.id(), name.project);
            }
        }
        self.advance(peer, repo, now_ms);
    }
}
