//! Opening: two peers find out whether they share a repo, exchange rights, and compare tops.

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use super::Service;
use super::requests::What;
use super::session::{Bring, Stage};
use super::store::Then;
use crate::effect::{Batch, SyncFailure};
use crate::error::Reject;
use crate::feed::project_id;
use crate::founding::FoundingRecord;
use crate::grant::GrantRecord;
use crate::hash::RepoTag;
use crate::input::{ReplyId, Wanted};
use crate::key::DeviceKey;
use crate::limits::{PROJECTS_COUNT_MAX, TOPS_COUNT_MAX};
use crate::replica::{Comparison, News, Replica};
use crate::signed::Signed;
use crate::top::Top;
use crate::wire::{Request, Response, repo_tag};

/// The projects and tops that a peer tells.
type Told = (Vec<(String, ProjectId)>, Vec<Signed<Top>>);

impl Service {
    /// Begins to talk with a peer about a repo that is here.
    pub(super) fn begin(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        if self.talk(peer, repo).is_some_and(|conversation| conversation.stage == Stage::Resting) {
            self.open(peer, repo, now_ms);
        }
    }

    /// Asks a peer to show a repo.
    pub(super) fn open(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        let grants = self.credentials(peer, repo);
        let Some(conversation) = self.talk(peer, repo) else { return };
        conversation.stage = Stage::Opening;
        conversation.reopen = false;
        conversation.open_at_ms = None;
        let request = Request::Open { tag: repo_tag(repo, &self.me, &peer), grants };
        if !self.ask(peer, repo, What::Open, &request, now_ms) {
            let reason = SyncFailure::Rejected(Reject::Misuse("more grants than a frame holds"));
            self.failed(peer, repo, reason, now_ms);
        }
    }

    /// The grants that go out with an opening. They name the repo, so they are shown only to a
    /// peer that knows its identity, or that somebody here chose to ask.
    fn credentials(&mut self, peer: DeviceKey, repo: RepoId) -> Vec<GrantRecord> {
        let me = self.me;
        let chain = self.replicas.get(&repo).map(|replica| replica.grants().chain(&me)).unwrap_or_default();
        let Some(conversation) = self.talk(peer, repo) else { return Vec::new() };
        if let Some(wanted) = &conversation.joining {
            return wanted.grants.clone();
        }
        if !conversation.knows && !conversation.awaited {
            return Vec::new();
        }
        let owed = std::mem::take(&mut conversation.owed);
        conversation.offered.extend(owed.iter().map(GrantRecord::id));
        let more = owed.into_iter().filter(|record| !chain.contains(record)).collect::<Vec<_>>();
        chain.into_iter().chain(more).collect()
    }

    /// The peer does not have the repo, or does not show it.
    pub(super) fn shut_out(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        if self.talk(peer, repo).is_some_and(|conversation| conversation.awaited && conversation.reopen) {
            // Somebody asked since; what lets us in was not shown before.
            return self.open(peer, repo, now_ms);
        }
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.shares = false;
        }
        self.failed(peer, repo, SyncFailure::Absent, now_ms);
        if !self.replicas.contains_key(&repo)
            && let Some(session) = self.sessions.get_mut(&peer)
        {
            session.forget(repo);
        }
    }

    pub(super) fn opened(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        founding: Signed<FoundingRecord>,
        grants: Vec<GrantRecord>,
        (projects, tops): Told,
        now_ms: u64,
    ) {
        if founding.repo() != repo {
            return self.failed(peer, repo, SyncFailure::Rejected(Reject::Graft("repo")), now_ms);
        }
        let Some(conversation) = self.talk(peer, repo) else { return };
        (conversation.knows, conversation.shares) = (true, true);
        let named = projects.into_iter().filter(|(name, id)| project_id(repo, name) == *id);
        conversation.names = named.map(|(name, id)| (id, name)).take(PROJECTS_COUNT_MAX).collect();
        conversation.tops = tops;
        match self.new_here(peer, repo, founding, &grants) {
            Err(reject) => {
                self.refuse(peer, Some(repo), &reject, &[]);
                self.failed(peer, repo, SyncFailure::Rejected(reject), now_ms);
            }
            Ok(batch) if batch.is_empty() => self.opened_with(peer, repo, &grants, now_ms),
            Ok(batch) => self.persist(batch, Some(peer), Then::Opened { peer, grants }),
        }
    }

    /// What of a peer's answer must be stored before anything else: grants, or the whole repo.
    fn new_here(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        founding: Signed<FoundingRecord>,
        grants: &[GrantRecord],
    ) -> Result<Batch, Reject> {
        let mut batch = Batch::new(repo);
        if let Some(replica) = self.replicas.get(&repo) {
            batch.grants = replica.new_grants(grants).0;
            return Ok(batch);
        }
        let joining = self.talk(peer, repo).and_then(|conversation| conversation.joining.clone());
        let wanted = joining.ok_or(Reject::Missing)?;
        let replica = Replica::open(founding.clone())?;
        let all: Vec<GrantRecord> = grants.iter().chain(&wanted.grants).cloned().collect();
        batch.grants = replica.new_grants(&all).0;
        batch.founding = Some(founding);
        batch.projects = wanted.projects;
        Ok(batch)
    }

    /// Goes on once all that the peer said about rights is stored.
    pub(super) fn opened_with(&mut self, peer: DeviceKey, repo: RepoId, theirs: &[GrantRecord], now_ms: u64) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let ours: Vec<GrantRecord> = replica.grants().records().cloned().collect();
        let Some(conversation) = self.talk(peer, repo) else { return };
        // The repo is here with all that was wanted: from now on what is owed goes out, which else were owed for ever.
        conversation.joining = None;
        let theirs: std::collections::BTreeSet<_> = theirs.iter().map(GrantRecord::id).collect();
        let fresh = |record: &GrantRecord| !theirs.contains(&record.id());
        let owed = ours.into_iter().filter(fresh);
        conversation.owed = owed.filter(|record| !conversation.offered.contains(&record.id())).collect();
        if !conversation.owed.is_empty() {
            return self.open(peer, repo, now_ms);
        }
        self.compare(peer, repo, now_ms);
    }

    /// Compares the peer's tops with what is held, and sets to work.
    pub(super) fn compare(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        let new = self.new_projects(peer, repo, now_ms);
        if !new.is_empty() {
            let mut batch = Batch::new(repo);
            batch.projects = new;
            return self.persist(batch, Some(peer), Then::Compare { peer });
        }
        let Some(conversation) = self.talk(peer, repo) else { return };
        conversation.stage = Stage::Open;
        let tops = std::mem::take(&mut conversation.tops);
        for top in tops {
            self.compare_one(peer, repo, top, now_ms);
        }
        self.owe_forks(peer, repo);
        self.find_lacks(peer, repo);
        self.advance(peer, repo, now_ms);
    }

    /// Names of projects that are not here, and in which the peer shows a feed that may be.
    fn new_projects(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) -> Vec<String> {
        let Some(conversation) = self.sessions.get(&peer).and_then(|s| s.conversations.get(&repo)) else {
            return Vec::new();
        };
        let Some(replica) = self.replicas.get(&repo) else { return Vec::new() };
        let names: Vec<String> = conversation.names.values().cloned().collect();
        replica.new_projects(&names, &conversation.tops, &[], now_ms)
    }

    fn compare_one(&mut self, peer: DeviceKey, repo: RepoId, top: Signed<Top>, now_ms: u64) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let (name, n) = (top.claimed().feed, top.claimed().n);
        let (takes, comparison) = (replica.takes(&name, now_ms), replica.compare(top.claimed()));
        let held = replica.holding(top.claimed());
        self.note_own(repo, &top);
        let Some(conversation) = self.talk(peer, repo) else { return };
        match comparison {
            Comparison::More => {
                conversation.claim(name.id(), n);
                if takes {
                    conversation.wants.insert(name.id(), name.project);
                }
            }
            Comparison::Same => {
                held.iter().for_each(|feed| conversation.claim(*feed, n));
                held.into_iter().for_each(|feed| self.note_elsewhere(repo, feed, n));
            }
            Comparison::Differs | Comparison::Side => self.check_fork(peer, repo, top, now_ms),
        }
    }

    /// Notes how far this device has signed, if a peer knows more of that than is held here.
    pub(super) fn note_own(&mut self, repo: RepoId, top: &Signed<Top>) {
        if top.claimed().feed.key == self.me
            && let Ok(top) = top.clone().verify()
            && let Some(replica) = self.replicas.get_mut(&repo)
        {
            replica.note_signed(&top);
        }
    }

    /// Looks closer at a top that contradicts what is held.
    pub(super) fn check_fork(&mut self, peer: DeviceKey, repo: RepoId, top: Signed<Top>, now_ms: u64) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        match replica.news(top.clone(), now_ms) {
            Ok(News::Side(proof)) => {
                if let Some(proof) = proof {
                    self.forked(peer, repo, *proof, now_ms);
                }
                self.want_side(peer, repo, top, now_ms);
            }
            Ok(_) => {}
            Err(reject) => self.refuse(peer, Some(repo), &reject, &[]),
        }
    }

    /// Notes all that the peer lacks, if it is to be given it.
    fn find_lacks(&mut self, peer: DeviceKey, repo: RepoId) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        let held: Vec<(FeedId, ProjectId, u64)> = replica.lengths().collect();
        let Some(conversation) = self.talk(peer, repo).filter(|conversation| conversation.push) else {
            return;
        };
        for (feed, project, n) in held {
            if n > conversation.claimed(&feed) {
                conversation.lacks.insert(feed, (project, Bring::Bodies));
            }
        }
    }

    pub(super) fn serve_open(
        &mut self,
        peer: DeviceKey,
        reply: ReplyId,
        tag: RepoTag,
        grants: Vec<GrantRecord>,
        now_ms: u64,
    ) {
        let Some(repo) = self.named(peer, tag) else { return self.respond(peer, reply, &Response::Absent) };
        let met = self.met(peer, repo, tag);
        let Some(replica) = self.replicas.get(&repo) else {
            return self.respond(peer, reply, &Response::Absent);
        };
        if !replica.may_read_with(&peer, &grants, now_ms) {
            self.respond(peer, reply, &Response::Absent);
        } else {
            let mut batch = Batch::new(repo);
            batch.grants = replica.new_grants(&grants).0;
            match batch.is_empty() {
                true => self.show(peer, reply, repo, now_ms),
                false => self.persist(batch, Some(peer), Then::Show { peer, reply }),
            }
        }
        if met {
            // Only now is it known that the peer may be shown who we are.
            self.mention(peer, repo, now_ms);
        }
    }

    /// Notes that a peer knows a repo's identity; true the first time.
    fn met(&mut self, peer: DeviceKey, repo: RepoId, tag: RepoTag) -> bool {
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        session.tags.insert(tag, repo);
        let conversation = session.conversations.entry(repo).or_default();
        !std::mem::replace(&mut conversation.knows, true)
    }

    /// Shows a peer a repo that it may read.
    pub(super) fn show(&mut self, peer: DeviceKey, reply: ReplyId, repo: RepoId, now_ms: u64) {
        let Some(replica) = self.replicas.get(&repo) else {
            return self.respond(peer, reply, &Response::Absent);
        };
        let readable = |project: &ProjectId| replica.may_read(&peer, Some(*project), now_ms);
        let projects = replica.projects().filter(|(id, _)| readable(id));
        let projects: Vec<_> = projects.map(|(id, name)| (name.to_owned(), id)).collect();
        let tops = projects.iter().flat_map(|(_, id)| replica.tops(*id));
        let response = Response::Opened {
            founding: replica.founding().signed().clone(),
            grants: replica.grants().records().cloned().collect(),
            tops: tops.take(TOPS_COUNT_MAX).collect(),
            projects,
        };
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.shares = true;
        }
        self.respond(peer, reply, &response);
    }

    /// Gets a repo that is not here.
    pub(super) fn join(&mut self, peer: DeviceKey, wanted: Wanted, now_ms: u64) {
        let repo = wanted.repo;
        if let Some(replica) = self.replicas.get(&repo) {
            let mut batch = Batch::new(repo);
            batch.grants = replica.new_grants(&wanted.grants).0;
            batch.projects = wanted.projects;
            self.synchronise(peer, repo, now_ms);
            return self.persist(batch, Some(self.me), Then::Nothing);
        }
        if let Some(conversation) = self.talk(peer, repo) {
            conversation.joining = Some(wanted);
        }
        self.synchronise(peer, repo, now_ms);
    }
}
