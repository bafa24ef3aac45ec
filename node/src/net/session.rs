//! The core's side of the network: feeds what the wire reports to the core, and passes effects on.
//!
//! A session lives on the thread that owns the store. A command makes one, and it starts a swarm when
//! the verb first needs a peer; `serve` makes one that listens. While a verb waits for a peer, the
//! session goes on feeding the core, so inside `serve` everybody else is served meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cairn_blobs::Pace;
use cairn_crdt::id::RepoId;
use cairn_protocol::effect::{Effect, Event};
use cairn_protocol::hash::RepoTag;
use cairn_protocol::input::Input;
use cairn_protocol::key::DeviceKey;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::wire::Wire;
use super::{Address, network_keypair};
use crate::artifacts::Artifacts;
use crate::driver::{Order, Report};
use crate::error::NodeError;
use crate::home::Home;
use crate::peers::PeerBook;
use crate::progress::Teller;
use crate::{clock, identity};

/// Threads of the runtime: one for the swarm, one for what it hands over.
const THREADS: usize = 2;
/// How long a command waits for a listener or for the first peer; a peer that is just starting is
/// called again meanwhile.
pub(super) const REACH_MAX: Duration = Duration::from_secs(20);
/// Where every call has failed, how long the peers are called again before they are given up: one of them may just be starting.
pub(super) const REFUSED_MAX: Duration = Duration::from_secs(3);
/// How long the runtime may take to end.
const END_MAX: Duration = Duration::from_secs(2);
/// How often a wait looks at its deadlines.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// Events that are kept for whoever asks; the oldest go first.
const NEWS_MAX: usize = 4096;

/// What a session needs of the core.
pub(crate) trait Core {
    /// Takes in one thing that happened. What is to become durable waits for [`Core::store`].
    fn input(&mut self, input: Input) -> Result<(), NodeError>;
    /// Makes durable what waits for it; whether anything did.
    fn store(&mut self) -> bool;
    /// What is to be done on the wire, in order.
    fn take_effects(&mut self) -> Vec<Effect>;
    /// When to come again with `Input::Tick`.
    fn next_wake(&self) -> Option<u64>;
    /// The repo behind a tag, if the peer may read there.
    fn readable(&self, peer: DeviceKey, tag: RepoTag) -> Option<RepoId>;
    /// Whether a peer is being asked for bodies that have faded here.
    fn is_recalling(&self, repo: RepoId) -> bool;
    /// Asks nobody any more for bodies that have faded here.
    fn end_recall(&mut self, repo: RepoId);
    /// How many waypoints of a repo are held.
    fn waypoints(&self, repo: RepoId) -> u64;
}

/// One thing that people may want to know.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// From the service.
    Event(Event),
    /// A call did not come through; it is tried again.
    Unreachable(Address, String),
}

/// The network of one process.
pub struct Session {
    pub(super) home: Home,
    pub(super) book: PeerBook,
    wire: Option<Wire>,
    pub(super) artifacts: Option<Artifacts>,
    /// When a fetch gave up last because no peer answered a call.
    pub(super) nobody_at: Option<Instant>,
    /// How fast artifacts go out.
    lending: Pace,
    asker_is_gone: Option<Arc<AtomicBool>>,
    /// Tells who asked what is going to be fetched.
    pub(super) teller: Option<Teller>,
    runtime: Option<Arc<Runtime>>,
    news: VecDeque<News>,
    /// Turns true when the process is told to stop, so that no wait goes on.
    stop: watch::Sender<bool>,
    /// Numbers the news, so that a wait sees each one once although `serve` takes them away.
    pub(super) heard: u64,
    /// Repos that could not be exchanged with a peer when that was tried last, and why.
    pub(super) apart: BTreeMap<(DeviceKey, RepoId), String>,
}

impl Session {
    /// A session that has started nothing yet.
    pub fn new(home: &Home) -> Self {
        Self {
            home: home.clone(),
            book: PeerBook::load(home),
            wire: None,
            artifacts: None,
            nobody_at: None,
            lending: Pace::free(),
            asker_is_gone: None,
            teller: None,
            runtime: None,
            news: VecDeque::new(),
            stop: watch::channel(false).0,
            heard: 0,
            apart: BTreeMap::new(),
        }
    }

    /// Where this node can be reached.
    pub fn listening(&self) -> Vec<Address> {
        self.wire.as_ref().map_or_else(Vec::new, |wire| wire.listening.clone())
    }

    /// The peers that are connected.
    pub fn connected(&self) -> Vec<DeviceKey> {
        self.wire.as_ref().map_or_else(Vec::new, |wire| wire.connected.iter().copied().collect())
    }

    /// The peers that this home remembers.
    pub fn remembered(&self) -> &PeerBook {
        &self.book
    }

    /// The runtime, started when it is first needed: most commands need none.
    pub(crate) fn runtime(&mut self) -> Result<Arc<Runtime>, NodeError> {
        if let Some(runtime) = &self.runtime {
            return Ok(Arc::clone(runtime));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("cairn-net")
            .enable_all()
            .build()
            .map_err(|error| NodeError::Network(format!("cannot start a runtime: {error}")))?;
        Ok(Arc::clone(self.runtime.insert(Arc::new(runtime))))
    }

    /// From now on SIGINT and SIGTERM end every wait instead of the process.
    pub(crate) fn stop_on_signals(&mut self) -> Result<watch::Receiver<bool>, NodeError> {
        let runtime = self.runtime()?;
        let _inside = runtime.enter();
        let failed = |_| NodeError::Bug("signals cannot be heard");
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let stop = self.stop.clone();
        runtime.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.send_replace(true);
        });
        Ok(self.stop.subscribe())
    }

    pub(super) fn check_stop(&self) -> Result<(), NodeError> {
        if *self.stop.borrow() {
            return Err(NodeError::Network("this process was told to stop".to_owned()));
        }
        match self.asker_is_gone.as_ref().is_some_and(|gone| gone.load(Ordering::SeqCst)) {
            true => Err(NodeError::Network("the command that asked for it was ended".to_owned())),
            false => Ok(()),
        }
    }

    /// From now on waits end when this turns true: who asked for what is waited for has gone away.
    pub(crate) fn serves(&mut self, gone: Option<Arc<AtomicBool>>) {
        self.asker_is_gone = gone;
    }

    /// From now on this hears what is going to be fetched, before it begins.
    pub fn tells(&mut self, teller: Option<Teller>) {
        self.teller = teller;
    }

    /// What is to be told to people, since the last time.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        self.news.drain(..).collect()
    }

    /// Ends the swarm and closes the artifact store.
    pub fn close(mut self) -> Result<(), NodeError> {
        self.end()
    }

    /// Artifacts go out no faster than so many bytes a second, over all peers; without a limit for zero.
    pub(crate) fn limit_lending(&mut self, bytes_per_s: u64) {
        self.lending = Pace::of(bytes_per_s);
    }

    fn end(&mut self) -> Result<(), NodeError> {
        self.wire = None;
        let closed = self.artifacts.take().map_or(Ok(()), Artifacts::close);
        let Some(runtime) = self.runtime.take() else { return closed };
        if let Some(runtime) = Arc::into_inner(runtime) {
            runtime.shutdown_timeout(END_MAX);
        }
        closed.and_then(|()| self.book.save())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(%error, "the network did not end well");
        }
    }
}

/// The swarm: started once, fed and heard from then on.
impl Session {
    pub(super) fn wire(&mut self) -> Result<&mut Wire, NodeError> {
        if self.wire.is_none() {
            let runtime = self.runtime()?;
            let identity = network_keypair(&identity::device(&self.home)?)?;
            self.wire = Some(Wire::start(&runtime, identity)?);
        }
        self.wire.as_mut().ok_or(NodeError::Bug("a swarm that is gone at once"))
    }

    /// Listens, lends artifacts, and returns when every listener stands.
    pub(crate) fn listen(&mut self, core: &mut dyn Core, addresses: &[Address]) -> Result<(), NodeError> {
        let artifacts = self.artifacts()?.clone();
        let runtime = self.runtime()?;
        let pace = self.lending.clone();
        self.wire()?.lend(&runtime, artifacts, pace)?;
        let deadline = Instant::now() + REACH_MAX;
        for (count, address) in addresses.iter().enumerate() {
            self.wire()?.order(Order::Listen(address.clone()))?;
            while self.wire()?.listening.len() <= count {
                self.check_listener(address, deadline)?;
                self.step(core, LOOK)?;
            }
        }
        Ok(())
    }

    fn check_listener(&mut self, address: &Address, deadline: Instant) -> Result<(), NodeError> {
        if let Some((address, reason)) = self.wire()?.deaf.pop() {
            return Err(NodeError::Network(format!("cannot listen on {address}: {reason}")));
        }
        match Instant::now() > deadline {
            true => Err(NodeError::Network(format!("cannot listen on {address}: it takes too long"))),
            false => Ok(()),
        }
    }

    /// Calls these, and again whenever they are lost.
    pub(crate) fn call(&mut self, addresses: Vec<Address>) -> Result<(), NodeError> {
        self.wire()?.order(Order::Call(addresses))
    }

    /// Takes in the next report, or lets time pass; at most `wait`.
    pub(crate) fn step(&mut self, core: &mut dyn Core, wait: Duration) -> Result<(), NodeError> {
        self.settle(core)?;
        let wait = wait.min(until_wake(core));
        let (Some(runtime), Some(wire)) = (&self.runtime, &mut self.wire) else { return Ok(()) };
        let report = runtime.block_on(wire.next(wait));
        self.take_in(core, report)
    }

    /// Takes in a report, or the passing of time, and does what follows.
    pub(crate) fn take_in(&mut self, core: &mut dyn Core, report: Option<Report>) -> Result<(), NodeError> {
        match report {
            Some(report) => self.heard_of(core, report)?,
            None if until_wake(core).is_zero() => core.input(Input::Tick)?,
            None => {}
        }
        self.settle(core)
    }

    /// Waits for a report or for `other`, whichever comes first.
    pub(crate) fn wait_with<T>(
        &mut self,
        core: &dyn Core,
        wait: Duration,
        other: impl Future<Output = T>,
    ) -> Waited<T> {
        let wait = wait.min(until_wake(core));
        let (Some(runtime), Some(wire)) = (&self.runtime, &mut self.wire) else { return Waited::Nothing };
        runtime.block_on(async {
            tokio::select! {
                other = other => Waited::Other(other),
                report = wire.next(wait) => report.map_or(Waited::Nothing, |report| Waited::Report(Box::new(report))),
            }
        })
    }

    fn heard_of(&mut self, core: &mut dyn Core, report: Report) -> Result<(), NodeError> {
        let now_ms = clock::now_ms();
        let old = self.wire.as_mut().is_some_and(|wire| wire.note(&report));
        match report {
            Report::Input(input) => core.input(input)?,
            Report::Reached { peer, address } => {
                self.book.reached(peer, &address, now_ms);
                self.book.save()?;
            }
            Report::Unreachable { address, reason } => {
                self.book.failed(&address, &reason, now_ms);
                self.book.save()?;
                // Said once; the calls that follow are routine.
                if !old {
                    self.tell(News::Unreachable(address, reason));
                }
            }
            Report::MayRead { peer, tag, reply } => {
                reply.send(core.readable(peer, tag)).ok();
            }
            Report::Listening(_) | Report::NotListening { .. } | Report::Claims { .. } => {}
        }
        Ok(())
    }

    /// Passes on what the core wants done, and has it make durable what is due. Questions to peers are on their way before the disk
    /// is waited for.
    pub(crate) fn settle(&mut self, core: &mut dyn Core) -> Result<(), NodeError> {
        self.pass_on(core)?;
        while core.store() {
            self.pass_on(core)?;
        }
        Ok(())
    }

    fn pass_on(&mut self, core: &mut dyn Core) -> Result<(), NodeError> {
        let Some(wire) = &self.wire else { return Ok(()) };
        let mut events = Vec::new();
        for effect in core.take_effects() {
            match effect {
                Effect::Notify(event) => events.push(event),
                effect => wire.order(Order::Perform(effect))?,
            }
        }
        events.into_iter().try_for_each(|event| self.happened(event))
    }

    fn happened(&mut self, event: Event) -> Result<(), NodeError> {
        match &event {
            Event::Synced { repo, peer } => {
                self.apart.remove(&(*peer, *repo));
                self.remember(*peer, *repo)?;
            }
            Event::SyncFailed { repo, peer, reason } => {
                self.apart.insert((*peer, *repo), reason.to_string());
            }
            _ => {}
        }
        self.tell(News::Event(event));
        Ok(())
    }

    /// A peer that shares a repo is worth finding again, also when it was the one who called.
    fn remember(&mut self, peer: DeviceKey, repo: RepoId) -> Result<(), NodeError> {
        let now_ms = clock::now_ms();
        let claims = self.wire.as_ref().and_then(|wire| wire.claims.get(&peer)).cloned();
        if !self.book.iter().any(|(known, _)| known == peer) {
            for address in claims.unwrap_or_default() {
                self.book.reached(peer, &address, now_ms);
            }
        }
        self.book.exchanged(peer, repo, now_ms);
        self.book.save()
    }

    fn tell(&mut self, news: News) {
        if self.news.len() >= NEWS_MAX {
            self.news.pop_front();
        }
        self.news.push_back(news);
        self.heard += 1;
    }

    /// The news after the first `seen` that were ever told; those that were taken away are not there.
    pub(super) fn news_after(&self, seen: u64) -> impl Iterator<Item = &News> + '_ {
        let fresh = usize::try_from(self.heard - seen).unwrap_or(usize::MAX);
        self.news.iter().skip(self.news.len().saturating_sub(fresh))
    }
}

/// What came first.
pub(crate) enum Waited<T> {
    /// A report of the wire.
    Report(Box<Report>),
    /// What was waited for beside it.
    Other(T),
    /// Neither, in time.
    Nothing,
}

fn until_wake(core: &dyn Core) -> Duration {
    match core.next_wake() {
        Some(at) => Duration::from_millis(at.saturating_sub(clock::now_ms())),
        None => Duration::MAX,
    }
}
