//! Requests and answers in both directions, and readings from the disk that serve them.

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use super::Service;
use super::timer::Timer;
use crate::effect::{Effect, Event, SyncFailure};
use crate::error::{ErrorKind, Reject};
use crate::hash::{LogHash, RepoTag};
use crate::input::{LoadError, LoadId, Loaded, ReplyId, RequestId, Unanswered};
use crate::key::DeviceKey;
use crate::limits::{SEGMENT_BYTES_MAX, SERVING_COUNT_MAX, WITNESSES_BYTES_MAX};
use crate::wire::{Request, Response, repo_tag};

/// A request under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) peer: DeviceKey,
    pub(super) repo: RepoId,
    pub(super) what: What,
}

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// To be shown the repo.
    Open,
    /// For waypoints.
    Fetch { feed: FeedId, from: u64 },
    /// For waypoints that the disk lost.
    Regain { feed: FeedId, from: u64 },
    /// To take waypoints up to `end`.
    Push { project: ProjectId, feed: FeedId, from: u64, end: u64 },
    /// To know that there are waypoints.
    Hint,
    /// For waypoints of another history of a feed, the one with this root.
    Side { feed: FeedId, root: LogHash },
    /// To know of forks.
    Forks,
}

/// A reading from the disk under way.
#[derive(Debug)]
pub(super) enum Loading {
    /// To answer a peer.
    Serve { peer: DeviceKey, reply: ReplyId, run: Run },
    /// To bring a peer what it lacks.
    Push { peer: DeviceKey, run: Run },
}

/// A run of waypoints that is read from the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) repo: RepoId,
    pub(super) project: ProjectId,
    pub(super) feed: FeedId,
    pub(super) from: u64,
}

impl Loading {
    pub(super) fn peer(&self) -> DeviceKey {
        match self {
            Loading::Serve { peer, .. } | Loading::Push { peer, .. } => *peer,
        }
    }
}

impl Service {
    /// Asks a peer; false if the request cannot be encoded.
    pub(super) fn ask(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        what: What,
        request: &Request,
        now_ms: u64,
    ) -> bool {
        let Ok(bytes) = request.to_frame() else { return false };
        let id = RequestId(self.next_id());
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        session.inflight += 1;
        session.conversations.entry(repo).or_default().busy += 1;
        self.asked.insert(id, Asked { peer, repo, what });
        self.timers.set(now_ms + self.config.request_timeout_ms, Timer::Answer(id));
        self.effects.push_back(Effect::Request { peer, request: id, bytes });
        true
    }

    /// Whether one more request may be under way to a peer.
    pub(super) fn may_ask(&self, peer: &DeviceKey) -> bool {
        self.sessions.get(peer).is_some_and(|session| session.inflight < self.config.requests_inflight_max)
    }

    pub(super) fn overdue(&mut self, request: RequestId, now_ms: u64) {
        if let Some(asked) = self.asked.get(&request) {
            self.answered(asked.peer, request, Err(Unanswered::Timeout), now_ms);
        }
    }

    pub(super) fn answered(
        &mut self,
        peer: DeviceKey,
        request: RequestId,
        result: Result<Vec<u8>, Unanswered>,
        now_ms: u64,
    ) {
        if self.asked.get(&request).is_none_or(|asked| asked.peer != peer) {
            return;
        }
        let Some(asked) = self.asked.remove(&request) else { return };
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.inflight = session.inflight.saturating_sub(1);
        }
        self.finish_one(peer, asked.repo);
        self.let_go(&asked);
        match result.map(|bytes| (Response::from_frame(&bytes), bytes)) {
            Ok((Ok(response), bytes)) => self.response(&asked, response, &bytes, now_ms),
            Ok((Err(reject), bytes)) => {
                self.refuse(peer, Some(asked.repo), &reject, &bytes);
                self.failed(peer, asked.repo, SyncFailure::Rejected(reject), now_ms);
            }
            Err(_) => self.failed(peer, asked.repo, SyncFailure::Disconnected, now_ms),
        }
        self.advance_all(asked.repo, now_ms);
    }

    /// Lets others ask for a feed again.
    pub(super) fn let_go(&mut self, asked: &Asked) -> bool {
        match asked.what {
            What::Fetch { feed, .. } | What::Side { feed, .. } => {
                self.under_way.asked.remove(&(asked.repo, feed))
            }
            _ => false,
        }
    }

    fn response(&mut self, asked: &Asked, response: Response, bytes: &[u8], now_ms: u64) {
        let (peer, repo) = (asked.peer, asked.repo);
        match (asked.what, response) {
            (What::Open, Response::Opened { founding, grants, projects, tops }) => {
                self.opened(peer, repo, founding, grants, (projects, tops), now_ms);
            }
            (What::Open, Response::Absent) => self.shut_out(peer, repo, now_ms),
            (What::Fetch { feed, from }, Response::Segment(segment)) => {
                self.fetched(peer, repo, (feed, from), segment, bytes, now_ms);
            }
            (What::Fetch { feed, .. }, Response::Absent) => self.not_there(peer, repo, feed, now_ms),
            (What::Push { project, feed, from, end }, Response::Pushed { n }) => {
                self.pushed(peer, repo, (project, feed), (from, end), n, now_ms);
            }
            (What::Push { project, feed, .. }, Response::Rejected { code }) => {
                self.push_refused(peer, repo, (project, feed), code);
            }
            (What::Push { project, feed, .. }, Response::Absent) => {
                self.push_refused(peer, repo, (project, feed), Reject::Missing.code());
            }
            (What::Side { feed, root }, Response::Segment(segment)) => {
                self.sided(peer, repo, (feed, root), segment, bytes, now_ms);
            }
            (What::Side { feed, root }, _) => self.drop_side(peer, repo, (feed, root)),
            (What::Regain { feed, from }, Response::Segment(segment)) => {
                self.regained(peer, repo, (feed, from), segment, bytes);
            }
            (What::Hint | What::Forks | What::Regain { .. }, _) => {}
            (_, Response::Rejected { code }) => {
                self.failed(peer, repo, SyncFailure::Refused(code), now_ms);
            }
            _ => {
                let reject = Reject::Misuse("an answer to another question");
                self.failed(peer, repo, SyncFailure::Rejected(reject), now_ms);
            }
        }
    }

    /// One thing that the conversation waited for is there.
    pub(super) fn finish_one(&mut self, peer: DeviceKey, repo: RepoId) {
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.busy = conversation.busy.saturating_sub(1);
        }
    }

    pub(super) fn asked_by(&mut self, peer: DeviceKey, reply: ReplyId, bytes: Vec<u8>, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(&peer) else {
            return self.respond_to(None, reply, &Response::Absent);
        };
        session.serving += 1;
        if session.serving > SERVING_COUNT_MAX {
            return self.respond(peer, reply, &Response::Rejected { code: Reject::Busy.code() });
        }
        match Request::from_frame(&bytes) {
            Ok(Request::Open { tag, grants }) => self.serve_open(peer, reply, tag, grants, now_ms),
            Ok(Request::Fetch { tag, project, feed, from, bytes_max }) => {
                self.serve_fetch(peer, reply, tag, (project, feed, from, bytes_max), now_ms);
            }
            Ok(Request::Push { tag, segment }) => self.serve_push(peer, reply, tag, segment, &bytes, now_ms),
            Ok(Request::Forks { tag, proofs }) => self.serve_forks(peer, reply, tag, proofs, &bytes, now_ms),
            Ok(Request::Side { tag, project, feed, top, known, bytes_max }) => {
                self.serve_side(peer, reply, (tag, project, feed), (top, known), bytes_max, now_ms);
            }
            Err(reject) => {
                self.refuse(peer, None, &reject, &bytes);
                self.respond(peer, reply, &Response::Rejected { code: reject.code() });
            }
        }
    }

    /// Answers a request of a peer. Every request is answered once.
    pub(super) fn respond(&mut self, peer: DeviceKey, reply: ReplyId, response: &Response) {
        self.respond_to(Some(peer), reply, response);
    }

    fn respond_to(&mut self, peer: Option<DeviceKey>, reply: ReplyId, response: &Response) {
        if let Some(session) = peer.and_then(|peer| self.sessions.get_mut(&peer)) {
            session.serving = session.serving.saturating_sub(1);
        }
        // What is too large for a frame is not there; an absence always fits.
        let bytes = response.to_frame().or_else(|_| Response::Absent.to_frame()).unwrap_or_default();
        self.effects.push_back(Effect::Respond { reply, bytes });
    }

    /// The repo that a tag of `peer` names.
    pub(super) fn named(&self, peer: DeviceKey, tag: RepoTag) -> Option<RepoId> {
        let known = self.sessions.get(&peer).and_then(|session| session.tags.get(&tag).copied());
        known.or_else(|| self.replicas.keys().copied().find(|repo| repo_tag(*repo, &peer, &self.me) == tag))
    }

    pub(super) fn load(&mut self, loading: Loading, to: u64, bytes_max: u64) {
        let load = LoadId(self.next_id());
        let (Loading::Serve { run, .. } | Loading::Push { run, .. }) = &loading;
        let Run { repo, project, feed, from } = *run;
        self.loads.insert(load, loading);
        let replica = self.replicas.get(&repo);
        let witnesses = replica.map_or(Vec::new(), |replica| replica.witnesses(project, feed, from, to));
        let room =
            if witnesses.is_empty() { SEGMENT_BYTES_MAX } else { SEGMENT_BYTES_MAX - WITNESSES_BYTES_MAX };
        let bytes_max = bytes_max.min(room as u64);
        self.effects.push_back(Effect::Load { load, repo, project, feed, from, to, bytes_max, witnesses });
    }

    pub(super) fn loaded(&mut self, load: LoadId, loaded: Result<Loaded, LoadError>, now_ms: u64) {
        let loaded = loaded.unwrap_or_default();
        match self.loads.remove(&load) {
            Some(Loading::Serve { peer, reply, run }) => self.serve_loaded(peer, reply, run, loaded),
            Some(Loading::Push { peer, run }) => self.push_loaded(peer, run, loaded, now_ms),
            None => {}
        }
    }

    /// Refuses something; holds it against the peer where it shows a lie and not just ignorance.
    pub(super) fn refuse(&mut self, peer: DeviceKey, repo: Option<RepoId>, reason: &Reject, bytes: &[u8]) {
        if is_lie(reason) {
            let (reason, bytes) = (reason.clone(), bytes.to_vec());
            self.effects.push_back(Effect::Penalise { peer, reason: reason.clone() });
            self.effects.push_back(Effect::Quarantine { repo, peer, reason, bytes });
        }
        // Who comes while a feed is being taken in did nothing wrong, and comes again.
        if *reason != Reject::Busy {
            self.notify(Event::Rejected { repo, peer, reason: reason.clone() });
        }
    }
}

/// Whether no honest peer could have sent what was refused for this reason.
pub(super) fn is_lie(reason: &Reject) -> bool {
    let ignorance = matches!(
        reason,
        Reject::Gap { .. }
            | Reject::Rollback { .. }
            | Reject::Missing
            | Reject::Unabsorbed
            | Reject::Ungranted
            | Reject::Fork
            | Reject::Stamp(_)
            | Reject::Level { .. }
            | Reject::UnknownRequired(_)
            | Reject::Document(_)
    );
    reason.kind() == ErrorKind::Peer && !ignorance
}
