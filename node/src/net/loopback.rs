//! Real sockets on loopback, with a core that is a script instead of an owner.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cairn_crdt::id::{ArtifactId, RepoId};
use cairn_protocol::effect::{Effect, Event, Verdict};
use cairn_protocol::hash::{RepoTag, Topic};
use cairn_protocol::input::{Input, RequestId, Unanswered};
use cairn_protocol::key::{DeviceKey, Keypair};
use cairn_protocol::wire::repo_tag;

use super::session::Core;
use super::{Address, Session};
use crate::error::NodeError;
use crate::home::Home;

const REPO: RepoId = RepoId([7; 32]);
const TOPIC: Topic = Topic([8; 32]);
const LONG: Duration = Duration::from_secs(30);

/// A core that answers every request with its bytes reversed, accepts gossip, and writes down the rest.
struct Script {
    me: DeviceKey,
    readers: Vec<DeviceKey>,
    effects: VecDeque<Effect>,
    connected: Vec<DeviceKey>,
    answers: BTreeMap<RequestId, Result<Vec<u8>, Unanswered>>,
    gossip: Vec<Vec<u8>>,
    verdict: Verdict,
}

impl Core for Script {
    fn input(&mut self, input: Input) -> Result<(), NodeError> {
        match input {
            Input::PeerConnected { peer } => self.connected.push(peer),
            Input::PeerDisconnected { peer } => self.connected.retain(|known| *known != peer),
            Input::Request { reply, mut bytes, .. } => {
                bytes.reverse();
                self.effects.push_back(Effect::Respond { reply, bytes });
            }
            Input::Response { request, result, .. } => {
                self.answers.insert(request, result);
            }
            Input::Gossip { message, bytes, .. } => {
                self.gossip.push(bytes);
                self.effects.push_back(Effect::Judge { message, verdict: self.verdict });
            }
            Input::Synchronise { peer, repo } => {
                self.effects.push_back(Effect::Notify(Event::Synced { repo, peer }));
            }
            _ => {}
        }
        Ok(())
    }

    /// It keeps nothing.
    fn store(&mut self) -> bool {
        false
    }

    fn is_recalling(&self, _: RepoId) -> bool {
        false
    }

    fn end_recall(&mut self, _: RepoId) {}

    fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.drain(..).collect()
    }

    fn next_wake(&self) -> Option<u64> {
        None
    }

    fn readable(&self, peer: DeviceKey, tag: RepoTag) -> Option<RepoId> {
        (self.readers.contains(&peer) && tag == repo_tag(REPO, &peer, &self.me)).then_some(REPO)
    }

    fn waypoints(&self, _repo: RepoId) -> u64 {
        0
    }
}

/// Gives a home a key that the test knows.
fn write_key(home: &Home, seed: u8) {
    use std::os::unix::fs::PermissionsExt;
    let path = home.key_path();
    std::fs::write(&path, format!("cairn key 1 {}\n", cairn_crdt::id::hex(&[seed; 32]))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// One node: a session and its script, in a folder of its own.
struct Node {
    session: Session,
    core: Script,
    dir: tempfile::TempDir,
}

impl Node {
    fn new(seed: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        write_key(&home, seed);
        let me = crate::identity::device(&home).unwrap().key();
        let session = Session::new(&home);
        let core = Script {
            me,
            readers: Vec::new(),
            effects: VecDeque::new(),
            connected: Vec::new(),
            answers: BTreeMap::new(),
            gossip: Vec::new(),
            verdict: Verdict::Accept,
        };
        Self { session, core, dir }
    }

    fn listening(seed: u8) -> Self {
        let mut node = Self::new(seed);
        let address: Address = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        node.session.listen(&mut node.core, &[address]).unwrap();
        node
    }

    fn address(&self) -> Address {
        self.session.listening()[0].clone()
    }

    fn port(&self) -> u16 {
        self.address().to_string().split('/').nth(4).unwrap().parse().unwrap()
    }

    fn step(&mut self) {
        self.session.step(&mut self.core, Duration::from_millis(2)).unwrap();
    }

    fn ask(&mut self, peer: DeviceKey, id: u64, bytes: Vec<u8>) {
        self.core.effects.push_back(Effect::Request { peer, request: RequestId(id), bytes });
    }
}

/// Lets nodes run, turn by turn, until something holds.
fn until(nodes: &mut [&mut Node], what: &str, holds: impl Fn(&[&mut Node]) -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds(nodes) {
        assert!(Instant::now() < deadline, "never: {what}");
        nodes.iter_mut().for_each(|node| node.step());
    }
}

fn connect(from: &mut Node, to: &mut Node) {
    from.session.call(vec![to.address()]).unwrap();
    let (mine, theirs) = (from.core.me, to.core.me);
    until(&mut [from, to], "connected", |nodes| {
        nodes[0].core.connected.contains(&theirs) && nodes[1].core.connected.contains(&mine)
    });
}

/// A node that runs by itself until it is dropped.
struct Running {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(mut node: Node) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            while !flag.load(std::sync::atomic::Ordering::SeqCst) {
                node.step();
            }
            node.session.close().unwrap();
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn peers_find_each_other_and_requests_are_answered() {
    let (mut a, mut b) = (Node::listening(1), Node::listening(2));
    connect(&mut a, &mut b);
    let large = vec![3; 5 << 20];
    a.ask(b.core.me, 1, b"abc".to_vec());
    b.ask(a.core.me, 2, large.clone());
    until(&mut [&mut a, &mut b], "answered", |nodes| nodes.iter().all(|node| node.core.answers.len() == 1));
    assert_eq!(a.core.answers[&RequestId(1)], Ok(b"cba".to_vec()));
    assert_eq!(b.core.answers[&RequestId(2)], Ok(large));
}

#[test]
fn a_peer_that_starts_later_is_reached_and_one_that_comes_back_too() {
    let late = Node::listening(2);
    let address = late.address();
    let place: Address = format!("/ip4/127.0.0.1/tcp/{}", late.port()).parse().unwrap();
    let key = late.core.me;
    drop(late);
    let mut a = Node::listening(1);
    a.session.call(vec![address]).unwrap();
    for _ in 0..100 {
        a.step();
    }
    assert!(a.core.connected.is_empty());
    for _ in 0..2 {
        let mut late = Node::new(2);
        late.session.listen(&mut late.core, std::slice::from_ref(&place)).unwrap();
        until(&mut [&mut a, &mut late], "reached", |nodes| nodes[0].core.connected == [key]);
        drop(late);
        until(&mut [&mut a], "lost", |nodes| nodes[0].core.connected.is_empty());
    }
}

#[test]
fn gossip_is_judged_before_it_is_passed_on() {
    let (mut a, mut b, mut c) = (Node::listening(1), Node::listening(2), Node::listening(3));
    for node in [&mut a, &mut b, &mut c] {
        node.core.effects.push_back(Effect::Subscribe { topic: TOPIC });
    }
    connect(&mut a, &mut b);
    connect(&mut b, &mut c);
    let mut sent = 0u8;
    let mut last = Instant::now();
    let deadline = Instant::now() + LONG;
    // The mesh forms with the heartbeat: say something each second until it has come through.
    while c.core.gossip.is_empty() {
        assert!(Instant::now() < deadline, "gossip never came through");
        if last.elapsed() > Duration::from_millis(700) {
            sent += 1;
            last = Instant::now();
            let bytes = [vec![sent], vec![0; 100_000]].concat();
            a.core.effects.push_back(Effect::Publish { topic: TOPIC, bytes });
        }
        [&mut a, &mut b, &mut c].into_iter().for_each(Node::step);
    }
    b.core.verdict = Verdict::Reject;
    c.core.gossip.clear();
    let before = b.core.gossip.len();
    let bytes = b"not to be passed on".to_vec();
    a.core.effects.push_back(Effect::Publish { topic: TOPIC, bytes: bytes.clone() });
    until(&mut [&mut a, &mut b, &mut c], "heard", |nodes| nodes[1].core.gossip.len() > before);
    for _ in 0..200 {
        [&mut a, &mut b, &mut c].into_iter().for_each(Node::step);
    }
    assert!(!c.core.gossip.contains(&bytes), "a11: refused gossip was passed on");
}

/// What strangers do to a port: noise, half a handshake, silence, and never reading.
fn abuse(port: u16) -> Vec<TcpStream> {
    let hello = b"\x13/multistream/1.0.0\n\x07/noise\n";
    let mut open = Vec::new();
    for turn in 0..40u8 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut noise = vec![0; 1 + 3000 * usize::from(turn)];
        blake3::Hasher::new().update(&[turn]).finalize_xof().fill(&mut noise);
        let words: Vec<u8> = match turn % 5 {
            0 => noise,
            1 => [&hello[..], &noise].concat(),
            2 => hello.to_vec(),
            3 => Vec::new(),
            _ => [&hello[..], &[0xff, 0xff], &noise].concat(),
        };
        // The other side may have hung up already, which is its right.
        stream.write_all(&words).ok();
        open.push(stream);
    }
    open
}

#[test]
fn a10_garbage_on_the_listening_socket() {
    let (mut a, mut b) = (Node::listening(1), Node::listening(2));
    connect(&mut b, &mut a);
    let strangers = abuse(a.port());
    for id in 0..20 {
        b.ask(a.core.me, id, vec![id as u8; 10_000]);
    }
    until(&mut [&mut a, &mut b], "answered under fire", |nodes| nodes[1].core.answers.len() == 20);
    assert!(b.core.answers.values().all(Result::is_ok));
    let mut newcomer = Node::listening(3);
    connect(&mut newcomer, &mut a);
    assert_eq!(a.core.connected.len(), 2, "a stranger was taken for a peer");
    drop(strangers);
}

#[test]
fn a10_a_half_open_stranger_is_let_go() {
    let mut a = Node::listening(1);
    let mut stranger = TcpStream::connect(("127.0.0.1", a.port())).unwrap();
    stranger.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let deadline = Instant::now() + LONG;
    let mut buffer = [0; 1024];
    loop {
        a.step();
        match stranger.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            _ => assert!(Instant::now() < deadline, "a silent stranger stays for ever"),
        }
    }
}

/// A node that lends one artifact to `reader`, running by itself.
fn lender(seed: u8, bytes: &[u8], readers: &[DeviceKey]) -> (Address, ArtifactId, Running) {
    let mut node = Node::listening(seed);
    node.core.readers = readers.to_vec();
    let file = node.dir.path().join("model.bin");
    std::fs::write(&file, bytes).unwrap();
    let added = node.session.import_artifact(REPO, &file, "model.bin").unwrap();
    (node.address(), added.artifact, Running::start(node))
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut out);
    out
}

#[test]
fn a_large_artifact_moves_between_two_nodes() {
    let mut taker = Node::new(2);
    let bytes = noise(64 << 20);
    let (address, artifact, _running) = lender(1, &bytes, &[taker.core.me]);
    taker.session.sync(&mut taker.core, REPO, &[address.to_string()]).unwrap();
    assert!(!taker.session.holds_artifact(REPO, artifact).unwrap());
    taker.session.fetch_artifact(&mut taker.core, REPO, artifact, &super::Haul::default()).unwrap();
    let out = taker.dir.path().join("out.bin");
    let written = taker.session.export_artifact(REPO, artifact, &out).unwrap();
    assert_eq!(written, bytes.len() as u64);
    assert!(std::fs::read(out).unwrap() == bytes);
}

#[test]
fn an_artifact_looks_absent_to_who_may_not_read() {
    let mut stranger = Node::new(3);
    let friend = Keypair::from_secret(&[2; 32]).key();
    let (address, artifact, _running) = lender(1, &noise(100_000), &[friend]);
    stranger.session.sync(&mut stranger.core, REPO, &[address.to_string()]).unwrap();
    let refused = stranger
        .session
        .fetch_artifact(&mut stranger.core, REPO, artifact, &super::Haul::default())
        .unwrap_err();
    let mut allowed = Node::new(2);
    allowed.session.sync(&mut allowed.core, REPO, &[address.to_string()]).unwrap();
    let unknown = ArtifactId([9; 32]);
    let absent = allowed
        .session
        .fetch_artifact(&mut allowed.core, REPO, unknown, &super::Haul::default())
        .unwrap_err();
    let words = |error: NodeError, name: ArtifactId| error.to_string().replace(&name.to_string(), "");
    assert_eq!(words(refused, artifact), words(absent, unknown));
    allowed.session.fetch_artifact(&mut allowed.core, REPO, artifact, &super::Haul::default()).unwrap();
}

#[test]
fn nobody_there_is_a_network_error() {
    let mut a = Node::new(1);
    let error = a.session.sync(&mut a.core, REPO, &[]).unwrap_err();
    assert_eq!(error.exit_code(), 5, "{error}");
    let error = a.session.sync(&mut a.core, REPO, &["nonsense".to_owned()]).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
}
