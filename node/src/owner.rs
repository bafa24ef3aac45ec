//! The owner: the one process that holds a home's stores, and the disk side of the driver.
//!
//! It feeds the pure service with inputs and performs the effects that concern the disk; those
//! for the network and for people it hands on. It decides nothing. Durable comes
//! before visible: a batch is committed, then the service hears of it, then anything leaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use cairn_crdt::id::{FeedId, ProjectId, RepoId, WaypointId};
use cairn_crdt::{Draft, Frontier};
use cairn_protocol::founding::FoundingRecord;
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::replica::Stack;
use cairn_protocol::{Batch, Effect, FeedName, Input, Keypair, Labels, Post, Replica, Service, Stamp};

use crate::config::Config;
use crate::error::{NodeError, Range};
use crate::files::Guard;
use crate::home::Home;
use crate::placed::Placed;
use crate::store::{Report, StoneRecord, Store};
use crate::verbs::Place;
use crate::worktree::lookout::Lookouts;
use crate::{clock, entropy, identity};
use perform::Batches;

mod carried;
mod elsewhere;
mod fade;
mod perform;
mod restore;
#[cfg(test)]
mod tests;
mod together;

pub use fade::Keep;

/// The one process that holds a home's stores.
#[derive(Debug)]
pub struct Owner {
    home: Home,
    config: Config,
    key: Keypair,
    placed: Placed,
    service: Service,
    stores: BTreeMap<RepoId, Store>,
    /// Repos that could not be opened, and why. The others go on.
    broken: BTreeMap<RepoId, NodeError>,
    /// What is written down of what other peers hold.
    recalled: BTreeMap<RepoId, BTreeMap<FeedId, u64>>,
    /// What is left for the network and for people.
    effects: VecDeque<Effect>,
    /// What is to become durable next.
    due: Batches,
    /// What peers were asked to send again.
    sought: BTreeSet<(RepoId, Range)>,
    repaired: Vec<(RepoId, Range)>,
    /// What is known of large worktrees, where this process lives long enough to watch them.
    lookouts: Option<Lookouts>,
    /// The time to go by instead of the clock's, where years are simulated.
    at_ms: Option<u64>,
    _lock: Guard,
}

/// A local write.
#[derive(Debug)]
pub struct Write {
    /// The project.
    pub project: ProjectId,
    /// What it stands on.
    pub parents: Frontier,
    /// What it does to documents.
    pub draft: Draft,
    /// What it says beside that.
    pub labels: Labels,
    /// Who writes; the home's acting key when left out.
    pub key: Option<Keypair>,
}

/// What came of a local write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The waypoint that stands for the write.
    pub waypoint: WaypointId,
    /// The feed that it is in.
    pub feed: FeedId,
    /// Its number in the feed, from 1.
    pub seq: u64,
}

impl Owner {
    /// Becomes the owner of a home and opens all of its repos.
    ///
    /// A repo that cannot be opened is listed by [`Owner::broken`] and does not stop the others.
    pub fn open(home: Home) -> Result<Self, NodeError> {
        let lock = home.lock()?;
        let device = identity::device(&home)?;
        let config = Config::load(&home)?;
        let service = Service::new(device.key(), cairn_protocol::Config::default());
        let mut owner = Self {
            key: identity::acting(&home)?,
            placed: Placed::look(&home)?,
            home,
            config,
            service,
            stores: BTreeMap::new(),
            broken: BTreeMap::new(),
            recalled: BTreeMap::new(),
            effects: VecDeque::new(),
            due: Batches::new(),
            sought: BTreeSet::new(),
            lookouts: None,
            repaired: Vec::new(),
            at_ms: None,
            _lock: lock,
        };
        for repo in owner.home.repos()? {
            owner.open_repo(repo);
        }
        owner.pump();
        Ok(owner)
    }

    /// Cuts every log into stones that would hold up the next start, and lets the home go.
    pub fn close(mut self) -> Result<(), NodeError> {
        let remembered = self.repos().into_iter().try_for_each(|repo| self.remember(repo));
        let limit = self.log_kept_bytes();
        let mut large = self.stores.into_values().filter(|store| store.wants_cut(limit));
        large.try_for_each(Store::close).and(remembered)
    }

    /// Goes by this time, in milliseconds since 1970, until it is told another.
    pub(crate) fn set_clock(&mut self, now_ms: u64) {
        self.at_ms = Some(now_ms);
    }

    fn now_ms(&self) -> u64 {
        self.at_ms.unwrap_or_else(clock::now_ms)
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the settings, durably.
    pub fn configure(&mut self, change: impl FnOnce(&mut Config)) -> Result<(), NodeError> {
        let mut config = self.config.clone();
        change(&mut config);
        config.save(&self.home)?;
        self.config = config;
        Ok(())
    }

    /// The key that writes when a write names none.
    pub fn key(&self) -> &Keypair {
        &self.key
    }

    /// Puts a new device key in the place of the present one; says where that one is kept.
    ///
    /// On the network this process keeps its name until it is started again.
    pub fn renew(&mut self, secret: &[u8; 32]) -> Result<std::path::PathBuf, NodeError> {
        let (key, kept) = identity::renew(&self.home, secret)?;
        self.key = key;
        self.placed.renewed(&self.home)?;
        Ok(kept)
    }

    /// Whether nothing may be written in a repo before a peer was asked: this home is a copy.
    pub fn is_copied(&self, repo: RepoId) -> bool {
        self.placed.waits(repo)
    }

    /// The service, to be asked; what it is to do comes through [`Owner::input`].
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The repos that are open.
    pub fn repos(&self) -> Vec<RepoId> {
        self.stores.keys().copied().collect()
    }

    /// The repos that could not be opened, and why.
    pub fn broken(&self) -> &BTreeMap<RepoId, NodeError> {
        &self.broken
    }

    /// The store of a repo.
    pub fn store(&self, repo: RepoId) -> Result<&Store, NodeError> {
        self.stores.get(&repo).ok_or_else(|| self.missing(repo))
    }

    /// The replica of a repo.
    pub fn replica(&self, repo: RepoId) -> Result<&Replica, NodeError> {
        self.service.replica(repo).ok_or_else(|| self.missing(repo))
    }

    /// The replica of a repo with the store, which gives it the bytes of contents.
    pub fn with(&mut self, repo: RepoId) -> Result<(&mut Replica, &Store), NodeError> {
        let missing = self.missing(repo);
        match (self.service.replica_mut(repo), self.stores.get(&repo)) {
            (Some(replica), Some(store)) => Ok((replica, store)),
            _ => Err(missing),
        }
    }

    fn store_mut(&mut self, repo: RepoId) -> Result<&mut Store, NodeError> {
        let missing = self.missing(repo);
        self.stores.get_mut(&repo).ok_or(missing)
    }

    fn missing(&self, repo: RepoId) -> NodeError {
        match self.broken.get(&repo) {
            Some(NodeError::Damaged(damage)) => damage.clone().into(),
            Some(error) => NodeError::Refused(format!("repo {repo} could not be opened: {error}")),
            None => NodeError::NotFound { what: "repo", name: repo.to_string() },
        }
    }

    /// Founds a repo, of which the device key is the only founder.
    pub fn create(&mut self, name: &str, public: bool) -> Result<RepoId, NodeError> {
        let key = identity::device(&self.home)?;
        let record = FoundingRecord {
            name: name.to_owned(),
            public,
            founders: vec![key.key()],
            nonce: entropy::random()?,
            stamp: Stamp::default().next(clock::now_ms()),
        };
        let founding = record.sign(&key)?;
        let repo = founding.repo();
        let replica = Replica::open(founding.signed().clone())?;
        self.create_store(repo, founding.signed())?;
        self.service.add(replica, clock::now_ms());
        self.pump();
        Ok(repo)
    }

    /// Makes room for a project in a repo, durably.
    pub fn add_project(&mut self, repo: RepoId, name: &str) -> Result<ProjectId, NodeError> {
        let (replica, _) = self.with(repo)?;
        let known = replica.project(name);
        let project = replica.add_project(name)?;
        if known.is_none() {
            let batch = Batch { projects: vec![name.to_owned()], ..Batch::new(repo) };
            self.commit(repo, &[&batch])?;
        }
        Ok(project)
    }

    /// Signs a local write, makes it durable, and lets the service show and announce it.
    pub fn write(&mut self, repo: RepoId, write: Write) -> Result<Written, NodeError> {
        self.write_all(repo, write, Vec::new())
    }

    /// Signs a local write and others of the same key on top of it, and makes them durable together: one signature, one
    /// write and one sync for all. Says what came of the last.
    pub fn write_all(
        &mut self,
        repo: RepoId,
        write: Write,
        then: Vec<(Draft, Labels)>,
    ) -> Result<Written, NodeError> {
        let batch = self.sign(repo, write, then)?;
        let written = written(&batch)?;
        self.commit(repo, &[&batch])?;
        self.show(repo, vec![batch])?;
        Ok(written)
    }

    /// Signs a local write and others on top of it. Nobody sees them before they are durable.
    fn sign(&mut self, repo: RepoId, write: Write, then: Vec<(Draft, Labels)>) -> Result<Batch, NodeError> {
        self.revive(repo)?;
        let entropy = entropy::random()?;
        let key = write.key.as_ref().unwrap_or(&self.key).clone();
        self.check_own_feed(repo, write.project, &key, write.labels.local)?;
        let post = Post {
            project: write.project,
            key: &key,
            parents: write.parents,
            draft: write.draft,
            labels: write.labels,
            now_ms: self.now_ms(),
            entropy,
        };
        let (replica, _) = self.with(repo)?;
        Ok(replica.write_all(post, then)?)
    }

    /// Lets the service show and announce what is durable.
    fn show(&mut self, repo: RepoId, batches: Vec<Batch>) -> Result<(), NodeError> {
        for batch in batches {
            self.input(Input::Written { batch })?;
        }
        if let Some(replica) = self.service.replica_mut(repo) {
            replica.let_go();
        }
        Ok(())
    }

    /// Begins waypoints of a key, the home's acting one when left out, that will be signed together.
    pub(crate) fn stack(&mut self, place: Place, key: Option<&Keypair>) -> Result<Stack, NodeError> {
        self.revive(place.repo)?;
        let entropy = entropy::random()?;
        let key = key.unwrap_or(&self.key).clone();
        self.check_own_feed(place.repo, place.project, &key, false)?;
        Ok(self.replica(place.repo)?.stack(place.project, key.key(), self.now_ms(), &entropy, false)?)
    }

    /// Lays a write on a stack, where the next can be drafted on top of it. The stack must be sealed, whatever happens
    /// next: the documents know of it.
    pub(crate) fn lay(
        &mut self,
        repo: RepoId,
        stack: &mut Stack,
        parents: &Frontier,
        draft: &Draft,
        labels: &Labels,
    ) -> Result<WaypointId, NodeError> {
        let (replica, _) = self.with(repo)?;
        let laid = replica.lay(stack, parents, draft, labels)?;
        replica.foresee(stack)?;
        Ok(laid)
    }

    /// Signs a stack, makes it durable, and lets the service show and announce it. Where that fails the repo is opened again.
    pub(crate) fn seal(
        &mut self,
        repo: RepoId,
        stack: Stack,
        key: Option<&Keypair>,
    ) -> Result<(), NodeError> {
        let key = key.unwrap_or(&self.key).clone();
        let sealed = self.with(repo).and_then(|(replica, _)| Ok(replica.seal(stack, &key)?));
        let batch = sealed.inspect_err(|_| self.reopen(repo))?;
        self.commit(repo, &[&batch])?;
        self.input(Input::Written { batch })
    }

    /// Makes local grants and revocations durable and hands them on.
    pub fn grant(&mut self, repo: RepoId, records: Vec<GrantRecord>) -> Result<(), NodeError> {
        self.revive(repo)?;
        self.input(Input::Granted { repo, records })
    }

    /// Refuses to sign where waypoints of the same feed cannot be read: a second
    /// waypoint with the same number would fork it for ever. A copy of a home may go on with a local feed: nobody ever sees both.
    fn check_own_feed(
        &self,
        repo: RepoId,
        project: ProjectId,
        key: &Keypair,
        local: bool,
    ) -> Result<(), NodeError> {
        if self.is_copied(repo) && !local {
            let why = "this home is a copy, or was put back: what it signed since may be missing";
            return Err(NodeError::Behind(why.to_owned()));
        }
        let feed = cairn_protocol::FeedName { repo, project, key: key.key() }.id();
        let store = self.store(repo)?;
        if self.replica(repo)?.kept_length(project, feed) >= store.feed_length(feed) {
            return Ok(());
        }
        let damage =
            store.damages().into_iter().find(|damage| damage.range.is_some_and(|range| range.feed == feed));
        Err(damage.map_or(NodeError::Bug("a feed was restored in part"), NodeError::from))
    }

    /// Commits batches together. Where that fails nobody may go on as if they were there, so the repo is
    /// opened again from what is on the disk.
    fn commit(&mut self, repo: RepoId, batches: &[&Batch]) -> Result<(), NodeError> {
        let committed = self.store_mut(repo)?.commit_all(batches);
        match &committed {
            Ok(()) => self.cut_large(repo),
            Err(_) => self.reopen(repo),
        }
        committed
    }

    /// Opens a repo again whose store stopped after a failed write.
    fn revive(&mut self, repo: RepoId) -> Result<(), NodeError> {
        if self.store(repo).is_ok_and(Store::is_poisoned) || self.broken.contains_key(&repo) {
            self.reopen(repo);
        }
        self.store(repo).map(|_| ())
    }

    /// Brings one input to the service and performs what follows from it, as far as the disk goes.
    pub fn input(&mut self, input: Input) -> Result<(), NodeError> {
        self.service.handle(input, self.now_ms());
        self.pump();
        Ok(())
    }

    /// What is left to do for the network and to tell people, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.drain(..).collect()
    }

    /// The ranges of damaged stones that were healed since this was asked last.
    pub fn take_repaired(&mut self) -> Vec<(RepoId, Range)> {
        std::mem::take(&mut self.repaired)
    }

    /// When to bring `Input::Tick`, in milliseconds since 1970, if nothing else happens before.
    pub fn next_wake(&self) -> Option<u64> {
        self.service.next_wake()
    }

    /// Checks every repo against what was signed; repos that could not be opened are problems too.
    pub fn verify(&self, deep: bool) -> Vec<(RepoId, Report)> {
        let opened = self.stores.iter().map(|(repo, store)| (*repo, store.verify(deep)));
        let broken = self.broken.iter().map(|(repo, error)| (*repo, Report::broken(error)));
        opened.chain(broken).collect()
    }

    /// Watches large worktrees from now on, so that not every verb walks over them.
    pub(crate) fn keep_lookouts(&mut self) {
        self.lookouts.get_or_insert_default();
    }

    /// The watched worktrees, if any are.
    pub(crate) fn lookouts(&mut self) -> Option<&mut Lookouts> {
        self.lookouts.as_mut()
    }

    /// The stones of every repo, for [`Owner::scrub`].
    pub(crate) fn stones(&self) -> Vec<(RepoId, FeedName, StoneRecord)> {
        let of_repo = |(repo, store): (&RepoId, &Store)| {
            let stones = store.stones().into_iter();
            let repo = *repo;
            stones.map(move |(feed, stone)| (repo, feed, stone)).collect::<Vec<_>>()
        };
        self.stores.iter().flat_map(of_repo).collect()
    }

    /// Reads every byte of one stone, and asks peers for what is found to be lost.
    pub(crate) fn scrub(
        &mut self,
        repo: RepoId,
        feed: FeedName,
        stone: &StoneRecord,
    ) -> Result<(), NodeError> {
        let Some(store) = self.stores.get(&repo) else { return Ok(()) };
        let scrubbed = store.scrub(feed, stone);
        if scrubbed.is_err() {
            self.sought.clear();
            self.pump();
        }
        scrubbed
    }

    /// Derives indexes again, and makes stores usable whose log has a bad record in the middle.
    pub fn rebuild(&mut self) -> Result<(), NodeError> {
        for store in self.stores.values_mut() {
            store.rebuild_index()?;
        }
        let broken: Vec<RepoId> = self.broken.keys().copied().collect();
        for repo in broken {
            Store::salvage(self.home.files(), &self.home.repo_dir(repo))?;
            self.reopen(repo);
        }
        Ok(())
    }

    /// Keeps bytes that were refused, for people to look at.
    pub fn quarantine(&self, repo: Option<RepoId>, name: &str, bytes: &[u8]) -> Result<(), NodeError> {
        match repo.and_then(|repo| self.stores.get(&repo)) {
            Some(store) => store.quarantine(name, bytes),
            None => Ok(()),
        }
    }

    /// The folder of a repo's store.
    pub fn repo_dir(&self, repo: RepoId) -> Result<&Path, NodeError> {
        self.store(repo).map(Store::dir)
    }
}

/// What stands for a batch that a local write made.
fn written(batch: &Batch) -> Result<Written, NodeError> {
    let run = batch.feeds.last().ok_or(NodeError::Bug("a write without a feed"))?;
    let last = run.waypoints().last().ok_or(NodeError::Bug("a write without a waypoint"))?;
    Ok(Written { waypoint: last.id(), feed: run.feed, seq: last.header().seq })
}
