//! The world: one clock, one queue of what is to happen, and the driver of every peer.
//!
//! Everything that happens has a time and a number; the queue is ordered by both, so that
//! nothing depends on the order in which memory happens to lie.

use std::collections::BTreeMap;

use cairn_crdt::id::{ProjectId, RepoId};
use cairn_protocol::effect::Verdict;
use cairn_protocol::hash::Topic;
use cairn_protocol::input::{GossipId, Loaded, ReplyId, RequestId, Ticket};
use cairn_protocol::{Config, DeviceKey, Effect, Input, Wanted};

use crate::checks::Checks;
use crate::disk::Writing;
use crate::mischief;
use crate::network::Network;
use crate::peer::Peer;
use crate::rng::Rng;
use crate::trace::Trace;

/// The branch that everybody writes on.
pub const BRANCH: &str = "main";

/// What travels between two peers.
#[derive(Debug, Clone)]
pub enum Packet {
    /// A request, and under which name its sender waits for the answer.
    Request(RequestId, Vec<u8>),
    /// An answer.
    Response(RequestId, Vec<u8>),
    /// Gossip.
    Gossip(Topic, Vec<u8>),
}

/// Something that a story makes happen.
#[derive(Debug, Clone)]
pub enum Act {
    /// A peer writes.
    Edit(usize),
    /// A peer asks another for the repo, and again until it has it.
    Join(usize, usize, Wanted),
    /// A process dies.
    Crash(usize),
    /// A process dies the next time a batch reaches its disk.
    CrashAtPersist(usize),
    /// A process starts.
    Start(usize),
    /// The wires between these peers and all others are cut.
    Cut(Vec<usize>),
    /// All wires are mended.
    Heal,
    /// The copy of a peer's home writes something and meets another peer.
    Equivocate(usize, usize),
    /// A peer's clock goes wrong by this much, or right again.
    SetClock(usize, i64),
    /// A liar sends something.
    Mischief(usize),
    /// A peer marks what its branch shows; only to pin it, or to begin an epoch where it may.
    Mark(usize, bool),
    /// A peer forgets.
    Fade(usize),
    /// A peer cuts and merges its stones.
    Compact(usize),
    /// A peer carries its own late work over.
    Carry(usize),
}

/// One thing that is to happen.
#[derive(Debug)]
enum Happening {
    Arrive { from: usize, to: usize, life: u64, packet: Packet },
    Durable { peer: usize, life: u64, writing: Writing },
    Wake { peer: usize, life: u64 },
    Act(Act),
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// The virtual clock.
    pub now_ms: u64,
    /// All chance.
    pub rng: Rng,
    /// The wires.
    pub network: Network,
    /// The peers.
    pub peers: Vec<Peer>,
    /// The record.
    pub trace: Trace,
    /// What must hold.
    pub checks: Checks,
    /// The repo.
    pub repo: RepoId,
    /// The project.
    pub project: ProjectId,
    /// The settings of every service.
    pub config: Config,
    armed: Vec<usize>,
    by_key: BTreeMap<DeviceKey, usize>,
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
}

impl World {
    /// A world in which nothing has happened.
    pub fn new(
        rng: Rng,
        peers: Vec<Peer>,
        repo: RepoId,
        project: ProjectId,
        config: Config,
        echo: bool,
    ) -> Self {
        Self {
            now_ms: 1_700_000_000_000,
            rng,
            network: Network::default(),
            by_key: peers.iter().map(|peer| (peer.key(), peer.index)).collect(),
            peers,
            trace: Trace::new(echo),
            checks: Checks::default(),
            repo,
            project,
            config,
            armed: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Lets something happen after a while.
    pub fn later(&mut self, delay_ms: u64, act: Act) {
        self.push(delay_ms, Happening::Act(act));
    }

    fn push(&mut self, delay_ms: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now_ms + delay_ms, self.sequence), happening);
    }

    pub(crate) fn note(&mut self, text: &str) {
        self.trace.line(self.now_ms, text);
    }

    /// Lets everything happen that is due in the next `span_ms`, unless something is violated first.
    pub fn run_for(&mut self, span_ms: u64) {
        let end_ms = self.now_ms + span_ms;
        while self.checks.violation.is_none() {
            match self.queue.first_key_value() {
                Some((&(at_ms, _), _)) if at_ms <= end_ms => {}
                _ => break,
            }
            if let Some(((at_ms, _), happening)) = self.queue.pop_first() {
                self.now_ms = at_ms.max(self.now_ms);
                self.happen(happening);
            }
        }
        self.now_ms = end_ms;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive { from, to, life, packet } => self.arrive(from, to, life, packet),
            Happening::Durable { peer, life, writing } => self.durable(peer, life, writing),
            Happening::Wake { peer, life } if self.lives(peer, life) => {
                self.peers[peer].wake_at_ms = None;
                self.feed(peer, Input::Tick);
            }
            Happening::Wake { .. } => {}
            Happening::Act(act) => self.act(act),
        }
    }

    fn lives(&self, peer: usize, life: u64) -> bool {
        self.peers[peer].up && self.peers[peer].life == life
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Edit(peer) => self.edit(peer),
            Act::Join(peer, via, wanted) => self.join(peer, via, wanted),
            Act::Crash(peer) => self.crash(peer),
            Act::CrashAtPersist(peer) => self.armed.push(peer),
            Act::Start(peer) => self.start(peer),
            Act::Cut(side) => self.cut(&side),
            Act::Heal => self.heal(),
            Act::Equivocate(copied, victim) => self.equivocate(copied, victim),
            Act::SetClock(peer, skew_ms) => self.peers[peer].skew_ms = skew_ms,
            Act::Mischief(peer) => self.make_mischief(peer),
            Act::Mark(peer, pin) => self.mark(peer, pin),
            Act::Fade(peer) => self.fade(peer),
            Act::Compact(peer) => self.compact(peer),
            Act::Carry(peer) => drop(self.carry(peer)),
        }
    }

    /// Connects all pairs that can reach each other and are not connected.
    pub fn connect_all(&mut self) {
        for a in 0..self.peers.len() {
            for b in self.network.neighbours(a).into_iter().filter(|b| *b > a) {
                self.connect(a, b);
            }
        }
    }

    fn connect(&mut self, a: usize, b: usize) {
        let possible = self.peers[a].up && self.peers[b].up && self.network.reaches(a, b);
        if !possible || !self.peers[a].connected.insert(b) {
            return;
        }
        self.peers[b].connected.insert(a);
        self.note(&format!("connect {a} {b}"));
        let (key_a, key_b) = (self.peers[a].key(), self.peers[b].key());
        self.feed(a, Input::PeerConnected { peer: key_b });
        self.feed(b, Input::PeerConnected { peer: key_a });
    }

    fn disconnect(&mut self, a: usize, b: usize) {
        let (key_a, key_b) = (self.peers[a].key(), self.peers[b].key());
        if self.peers[a].connected.remove(&b) && self.peers[a].up {
            self.feed(a, Input::PeerDisconnected { peer: key_b });
        }
        if self.peers[b].connected.remove(&a) && self.peers[b].up {
            self.feed(b, Input::PeerDisconnected { peer: key_a });
        }
    }

    fn cut(&mut self, side: &[usize]) {
        self.note(&format!("cut {side:?}"));
        for (a, b) in self.network.cut(|peer| side.contains(&peer)) {
            self.disconnect(a, b);
        }
    }

    /// Mends every wire.
    pub fn heal(&mut self) {
        self.note("heal");
        self.network.heal();
        self.connect_all();
    }

    fn crash(&mut self, peer: usize) {
        if !self.peers[peer].up {
            return;
        }
        self.note(&format!("crash {peer}"));
        let config = self.config.clone();
        let neighbours = self.peers[peer].connected.clone();
        self.peers[peer].crash(config);
        for neighbour in neighbours {
            self.disconnect(peer, neighbour);
        }
    }

    /// Starts a process that is not running.
    pub fn start(&mut self, peer: usize) {
        if self.peers[peer].up {
            return;
        }
        self.note(&format!("start {peer}"));
        if let Some(text) = self.peers[peer].disk.damage() {
            self.checks.violate(format!("peer {peer} cannot read its disk: {text}"));
        }
        let now_ms = self.peers[peer].clock(self.now_ms);
        self.peers[peer].start(now_ms);
        self.pump(peer);
        self.checks.after_restart(&self.peers[peer], self.repo, self.project);
        self.connect_all();
    }

    fn join(&mut self, peer: usize, via: usize, wanted: Wanted) {
        if self.peers[peer].has(self.repo) {
            return;
        }
        if self.peers[peer].connected.contains(&via) {
            let key = self.peers[via].key();
            self.feed(peer, Input::Join { peer: key, wanted: wanted.clone() });
        }
        self.later(1500, Act::Join(peer, via, wanted));
    }

    fn arrive(&mut self, from: usize, to: usize, life: u64, packet: Packet) {
        if !self.lives(to, life) || !self.peers[to].connected.contains(&from) {
            return;
        }
        let peer = self.peers[from].key();
        match packet {
            Packet::Request(request, bytes) => {
                let reply = ReplyId(self.peers[to].next_id());
                self.peers[to].replies.insert(reply, (from, request));
                self.feed(to, Input::Request { peer, reply, bytes });
            }
            Packet::Response(request, bytes) => {
                self.feed(to, Input::Response { peer, request, result: Ok(bytes) });
            }
            Packet::Gossip(topic, bytes) => {
                let id = *blake3::hash(&bytes).as_bytes();
                if self.peers[to].topics.contains(&topic) && self.peers[to].seen.insert(id) {
                    self.checks.gossip.insert(id.to_vec(), (topic, bytes.clone()));
                    self.feed(to, Input::Gossip { peer, message: GossipId(id.to_vec()), topic, bytes });
                }
            }
        }
    }

    fn durable(&mut self, peer: usize, life: u64, writing: Writing) {
        if !self.lives(peer, life) {
            return;
        }
        let armed = self.armed.iter().position(|armed| *armed == peer);
        if let Some(place) = armed {
            self.armed.remove(place);
            // Half of the time the batch made it, and nobody was told.
            if self.rng.chance(50) {
                self.peers[peer].disk.sync(writing);
            }
            self.crash(peer);
            return self.later(2000, Act::Start(peer));
        }
        let Some(batch) = self.peers[peer].disk.sync(writing) else { return };
        match writing {
            Writing::Ticket(ticket) => self.feed(peer, Input::Persisted { ticket: Ticket(ticket) }),
            Writing::Own(_) => {
                self.checks.acknowledged(peer, &batch);
                self.feed(peer, Input::Written { batch });
                self.checks.shown(&mut self.peers[peer], self.repo, self.project);
            }
        }
    }

    /// Writes a batch of a peer's own.
    pub(crate) fn write(&mut self, peer: usize, batch: cairn_protocol::Batch) {
        let (id, life) = (self.peers[peer].next_id(), self.peers[peer].life);
        self.peers[peer].disk.begin(Writing::Own(id), batch);
        let delay_ms = self.rng.between(1, 20);
        self.push(delay_ms, Happening::Durable { peer, life, writing: Writing::Own(id) });
    }

    /// Brings one input to a peer and performs what it asks for.
    pub fn feed(&mut self, peer: usize, input: Input) {
        if !self.peers[peer].up {
            return;
        }
        let now_ms = self.peers[peer].clock(self.now_ms);
        self.peers[peer].service.handle(input, now_ms);
        self.pump(peer);
    }

    pub(crate) fn pump(&mut self, peer: usize) {
        while let Some(effect) = self.peers[peer].service.poll() {
            self.perform(peer, effect);
        }
        let (now_ms, life) = (self.peers[peer].clock(self.now_ms), self.peers[peer].life);
        let Some(at_ms) = self.peers[peer].service.next_wake() else { return };
        if self.peers[peer].wake_at_ms.is_none_or(|known| at_ms < known) {
            self.peers[peer].wake_at_ms = Some(at_ms);
            self.push(at_ms.saturating_sub(now_ms), Happening::Wake { peer, life });
        }
    }

    fn perform(&mut self, peer: usize, effect: Effect) {
        match effect {
            Effect::Request { peer: to, request, bytes } => {
                let bytes = self.tamper(peer, bytes);
                self.send(peer, to, Packet::Request(request, bytes));
            }
            Effect::Respond { reply, bytes } => {
                let Some((to, request)) = self.peers[peer].replies.remove(&reply) else { return };
                let bytes = self.tamper(peer, bytes);
                let to = self.peers[to].key();
                self.send(peer, to, Packet::Response(request, bytes));
            }
            Effect::Load { load, repo, feed, from, to, bytes_max, witnesses, .. } => {
                let image = self.peers[peer].disk.image(repo);
                let loaded = image.map(|image| Loaded {
                    pieces: image.pieces(feed, from, to, bytes_max),
                    witnesses: image.witnesses(feed, &witnesses),
                });
                let loaded = Ok(loaded.unwrap_or_default());
                let now_ms = self.peers[peer].clock(self.now_ms);
                self.peers[peer].service.handle(Input::Loaded { load, loaded }, now_ms);
            }
            Effect::Subscribe { topic } => drop(self.peers[peer].topics.insert(topic)),
            Effect::Publish { topic, bytes } => {
                let bytes = self.tamper(peer, bytes);
                self.peers[peer].seen.insert(*blake3::hash(&bytes).as_bytes());
                self.flood(peer, None, topic, &bytes);
            }
            Effect::Judge { message, verdict } => self.judged(peer, &message, verdict),
            Effect::Persist { ticket, batch } => {
                let writing = Writing::Ticket(ticket.0);
                let life = self.peers[peer].life;
                self.peers[peer].disk.begin(writing, *batch);
                let delay_ms = self.rng.between(1, 30);
                self.push(delay_ms, Happening::Durable { peer, life, writing });
            }
            Effect::Penalise { peer: blamed, reason } => {
                let blamed = self.by_key.get(&blamed).copied();
                self.note(&format!("{peer} blames {blamed:?}: {reason}"));
                self.checks.blamed(&self.peers, peer, blamed, &reason);
            }
            Effect::Notify(event) => {
                self.note(&format!("{peer} {event:?}"));
                self.checks.event(&self.peers[peer], self.repo, &event);
            }
            _ => {}
        }
    }

    fn tamper(&mut self, peer: usize, bytes: Vec<u8>) -> Vec<u8> {
        if self.peers[peer].liar && self.rng.chance(30) {
            mischief::tamper(&mut self.rng, bytes)
        } else {
            bytes
        }
    }

    /// Sends a packet, if the wire lets it through.
    pub(crate) fn send(&mut self, from: usize, to: DeviceKey, packet: Packet) {
        let Some(to) = self.by_key.get(&to).copied() else { return };
        let life = self.peers[to].life;
        for delay_ms in self.network.delays(&mut self.rng) {
            let packet = packet.clone();
            self.push(delay_ms, Happening::Arrive { from, to, life, packet });
        }
    }

    pub(crate) fn flood(&mut self, peer: usize, but: Option<usize>, topic: Topic, bytes: &[u8]) {
        let neighbours: Vec<usize> = self.peers[peer].connected.iter().copied().collect();
        for neighbour in neighbours.into_iter().filter(|neighbour| Some(*neighbour) != but) {
            let key = self.peers[neighbour].key();
            self.send(peer, key, Packet::Gossip(topic, bytes.to_vec()));
        }
    }

    fn judged(&mut self, peer: usize, message: &GossipId, verdict: Verdict) {
        let Some((topic, bytes)) = self.checks.gossip.get(&message.0).cloned() else { return };
        if verdict == Verdict::Accept {
            self.flood(peer, None, topic, &bytes);
        }
    }
}
