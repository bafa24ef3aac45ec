//! What is remembered of one connected peer: a conversation about each repo.
//!
//! A conversation rests, opens, and is open while the two sides are brought together; then it
//! rests again until something new is mentioned or it is time to compare.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use super::Service;
use super::timer::Timer;
use crate::effect::{Event, SyncFailure};
use crate::error::Reject;
use crate::grant::GrantRecord;
use crate::hash::{GrantId, LogHash, RepoTag};
use crate::input::Wanted;
use crate::key::DeviceKey;
use crate::proof::ForkProof;
use crate::signed::Signed;
use crate::top::Top;

/// One connected peer.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// What is said about each repo.
    pub(super) conversations: BTreeMap<RepoId, Conversation>,
    /// Repos by the tag under which this peer names them.
    pub(super) tags: BTreeMap<RepoTag, RepoId>,
    /// How many of our requests the peer has not answered.
    pub(super) inflight: usize,
    /// How many of its requests we have not answered.
    pub(super) serving: usize,
}

impl Session {
    pub(super) fn forget(&mut self, repo: RepoId) {
        self.conversations.remove(&repo);
        self.tags.retain(|_, named| *named != repo);
    }
}

/// How far a conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stage {
    /// Nothing was asked, or it is to be asked again at a set time.
    #[default]
    Resting,
    /// We asked for the peer's tops, or store what must be known before they are compared.
    Opening,
    /// We know the peer's tops and bring the two sides together.
    Open,
}

/// How a feed is brought to a peer that has less of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bring {
    /// By sending the waypoints.
    Bodies,
    /// By telling the peer that there is more, which it then fetches.
    Hint,
}

/// What is said with one peer about one repo.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) stage: Stage,
    /// Whether the peer has shown that it knows the repo's identity; only then is anything said
    /// to it that would give the identity away.
    pub(super) knows: bool,
    /// Whether the peer holds the repo and may read it here.
    pub(super) shares: bool,
    /// The tops that the peer told last; not verified before something is made of them.
    pub(super) tops: Vec<Signed<Top>>,
    /// Names of projects that the peer told.
    pub(super) names: BTreeMap<ProjectId, String>,
    /// How much of each feed the peer is known, or claims, to hold.
    pub(super) claims: BTreeMap<FeedId, u64>,
    /// Feeds of which the peer claims to hold more than we do.
    pub(super) wants: BTreeMap<FeedId, ProjectId>,
    /// Feeds whose forgotten parts cannot be told from what is missing before more has come.
    pub(super) later: BTreeMap<FeedId, ProjectId>,
    /// Whether anything was taken since the feeds for later were put aside.
    pub(super) moved: bool,
    /// Feeds of which we hold more than the peer does, and that are to be brought to it.
    pub(super) lacks: BTreeMap<FeedId, (ProjectId, Bring)>,
    /// Histories of forked feeds that the peer has and we lack, by feed and root.
    pub(super) sides: BTreeMap<(FeedId, LogHash), Signed<Top>>,
    /// Forks that the peer is to be told of.
    pub(super) forks: Vec<ForkProof>,
    /// Forks that the peer was told of, or told us of.
    pub(super) told: Vec<ForkProof>,
    /// Grants that the peer lacks, to go out with the next opening.
    pub(super) owed: Vec<GrantRecord>,
    /// Grants that were offered once; a peer that does not want them is not asked again.
    pub(super) offered: BTreeSet<GrantId>,
    /// Requests, loads and batches under way.
    pub(super) busy: usize,
    /// Whether the peer is to be given all that it lacks.
    pub(super) push: bool,
    /// Whether someone waits for the two sides to become equal.
    pub(super) awaited: bool,
    /// Whether anything was moved since the conversation was opened.
    pub(super) worked: bool,
    /// Whether to compare again after a while before giving up.
    pub(super) retry: bool,
    /// What went wrong since the conversation was opened.
    pub(super) failure: Option<SyncFailure>,
    /// What we want of a repo that is not here yet.
    pub(super) joining: Option<Wanted>,
    /// How often in a row it failed.
    pub(super) failures: u32,
    /// When to open it again.
    pub(super) open_at_ms: Option<u64>,
    /// Whether to open it again as soon as it rests: something unknown was mentioned.
    pub(super) reopen: bool,
}

impl Conversation {
    /// How much of a feed the peer is known, or claims, to hold.
    pub(super) fn claimed(&self, feed: &FeedId) -> u64 {
        self.claims.get(feed).copied().unwrap_or(0)
    }

    /// Notes that the peer holds at least `n` of a feed.
    pub(super) fn claim(&mut self, feed: FeedId, n: u64) {
        let known = self.claims.entry(feed).or_insert(0);
        *known = n.max(*known);
    }

    /// Wants again what was put aside, if something came since; gives it up otherwise.
    fn take_later(&mut self) -> bool {
        let later = std::mem::take(&mut self.later);
        if later.is_empty() {
            return false;
        }
        if !std::mem::take(&mut self.moved) {
            self.failure.get_or_insert(SyncFailure::Rejected(Reject::Unabsorbed));
            return false;
        }
        self.wants.extend(later);
        true
    }

    /// Whether nothing is left to do.
    fn is_idle(&self) -> bool {
        let wanting = !self.wants.is_empty() || !self.sides.is_empty();
        self.busy == 0 && !wanting && self.lacks.is_empty() && (self.forks.is_empty() || !self.shares)
    }
}

impl Service {
    pub(super) fn connected(&mut self, peer: DeviceKey, now_ms: u64) {
        if self.sessions.contains_key(&peer) || peer == self.me {
            return;
        }
        self.sessions.insert(peer, Session::default());
        self.notify(Event::Peer { peer, connected: true });
        let repos: Vec<RepoId> = self.replicas.keys().copied().collect();
        for repo in repos {
            self.begin(peer, repo, now_ms);
        }
    }

    pub(super) fn disconnected(&mut self, peer: DeviceKey, now_ms: u64) {
        let Some(session) = self.sessions.remove(&peer) else { return };
        self.notify(Event::Peer { peer, connected: false });
        for (repo, conversation) in session.conversations {
            if conversation.awaited {
                self.notify(Event::SyncFailed { repo, peer, reason: SyncFailure::Disconnected });
            }
        }
        let gone = self.asked.extract_if(.., |_, asked| asked.peer == peer);
        let gone: Vec<_> = gone.map(|(_, asked)| asked).collect();
        self.loads.retain(|_, loading| loading.peer() != peer);
        for asked in gone {
            if self.let_go(&asked) {
                self.advance_all(asked.repo, now_ms);
            }
        }
    }

    /// The conversation with a connected peer about a repo.
    pub(super) fn talk(&mut self, peer: DeviceKey, repo: RepoId) -> Option<&mut Conversation> {
        self.sessions.get_mut(&peer).map(|session| session.conversations.entry(repo).or_default())
    }

    pub(super) fn synchronise(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        let Some(conversation) = self.talk(peer, repo) else {
            return self.notify(Event::SyncFailed { repo, peer, reason: SyncFailure::Disconnected });
        };
        conversation.awaited = true;
        conversation.push = true;
        match conversation.stage {
            Stage::Resting => self.open(peer, repo, now_ms),
            // What the peer told may be older than what somebody just wrote.
            Stage::Opening | Stage::Open => conversation.reopen = true,
        }
    }

    /// Goes on with every conversation about a repo, because something there changed.
    pub(super) fn advance_all(&mut self, repo: RepoId, now_ms: u64) {
        let peers: Vec<DeviceKey> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.advance(peer, repo, now_ms);
        }
    }

    /// Does the next things that a conversation needs; rests when there are none.
    pub(super) fn advance(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        self.regain_more(peer, repo, now_ms);
        self.forks_more(peer, repo, now_ms);
        self.fetch_more(peer, repo, now_ms);
        self.sides_more(peer, repo, now_ms);
        self.push_more(peer, repo, now_ms);
        self.settle(peer, repo, now_ms);
    }

    fn settle(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        let interval_ms = self.config.compare_interval_ms;
        let Some(conversation) = self.talk(peer, repo) else { return };
        if conversation.stage == Stage::Opening || !conversation.is_idle() {
            return;
        }
        if conversation.take_later() {
            return self.advance(peer, repo, now_ms);
        }
        if std::mem::take(&mut conversation.reopen) {
            return self.open(peer, repo, now_ms);
        }
        if conversation.stage == Stage::Resting {
            return;
        }
        conversation.stage = Stage::Resting;
        conversation.tops.clear();
        if std::mem::take(&mut conversation.retry) && conversation.failure.is_none() {
            let wait_ms = self.backoff(peer, repo);
            return self.compare_at(peer, repo, now_ms + wait_ms);
        }
        match conversation.failure.take() {
            Some(reason) => self.failed(peer, repo, reason, now_ms),
            None => {
                conversation.failures = 0;
                let worked = std::mem::take(&mut conversation.worked);
                let awaited = std::mem::take(&mut conversation.awaited);
                self.compare_at(peer, repo, now_ms + interval_ms);
                if worked || awaited {
                    self.notify(Event::Synced { repo, peer });
                }
            }
        }
    }

    /// Ends a conversation that went wrong; it is tried again later.
    pub(super) fn failed(&mut self, peer: DeviceKey, repo: RepoId, reason: SyncFailure, now_ms: u64) {
        let wait_ms = self.backoff(peer, repo);
        let Some(conversation) = self.talk(peer, repo) else { return };
        conversation.stage = Stage::Resting;
        conversation.wants.clear();
        conversation.later.clear();
        conversation.sides.clear();
        conversation.lacks.clear();
        conversation.failure = None;
        conversation.reopen = false;
        let awaited = std::mem::take(&mut conversation.awaited);
        if awaited {
            conversation.joining = None;
            self.notify(Event::SyncFailed { repo, peer, reason });
        }
        self.compare_at(peer, repo, now_ms + wait_ms);
    }

    /// How long to wait after one more failure.
    fn backoff(&mut self, peer: DeviceKey, repo: RepoId) -> u64 {
        let (min_ms, max_ms) = (self.config.retry_min_ms, self.config.retry_max_ms);
        let Some(conversation) = self.talk(peer, repo) else { return max_ms };
        conversation.failures += 1;
        min_ms.saturating_mul(1 << conversation.failures.min(16)).clamp(1, max_ms.max(1))
    }

    /// Opens a conversation again at a time, or sooner if something is mentioned.
    pub(super) fn compare_at(&mut self, peer: DeviceKey, repo: RepoId, at_ms: u64) {
        let Some(conversation) = self.talk(peer, repo) else { return };
        if conversation.open_at_ms.is_none_or(|known| at_ms < known) {
            conversation.open_at_ms = Some(at_ms);
            self.timers.set(at_ms, Timer::Compare(peer, repo));
        }
    }

    pub(super) fn compare_due(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        if !self.sessions.contains_key(&peer) || !self.replicas.contains_key(&repo) {
            return;
        }
        let Some(conversation) = self.talk(peer, repo) else { return };
        if conversation.open_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            conversation.open_at_ms = None;
            self.mention(peer, repo, now_ms);
        }
    }

    /// Something unknown was mentioned: opens the conversation again as soon as possible.
    pub(super) fn mention(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        let Some(conversation) = self.talk(peer, repo) else { return };
        match conversation.stage {
            Stage::Resting if conversation.busy == 0 => self.open(peer, repo, now_ms),
            _ => conversation.reopen = true,
        }
    }
}
