//! Two homes, real owners, real sockets: what one writes the other shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cairn_crdt::id::{ProjectId, RepoId, Root};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileEdit, Frontier};
use cairn_protocol::Labels;
use cairn_protocol::input::Wanted;

use super::go_on;
use crate::error::NodeError;
use crate::home::Home;
use crate::net::{Address, Session};
use crate::owner::{Owner, Write};

const LONG: Duration = Duration::from_secs(30);

/// A home with its owner and its network.
struct Node {
    owner: Owner,
    session: Session,
    dir: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(dir: tempfile::TempDir) -> Self {
        let home = Home::open(dir.path()).unwrap();
        let session = Session::new(&home);
        Self { owner: Owner::open(home).unwrap(), session, dir }
    }

    fn listen(&mut self, place: &str) -> String {
        let place: Address = place.parse().unwrap();
        self.session.listen(&mut self.owner, &[place]).unwrap();
        self.session.listening()[0].to_string()
    }

    fn write(&mut self, repo: RepoId, project: ProjectId, path: &str, text: &str) {
        let (replica, store) = self.owner.with(repo).unwrap();
        let base = replica.branch(project, "main");
        let path = RepoPath::new(path.as_bytes()).unwrap();
        let edit = FileEdit::Write { path, bytes: text.as_bytes().into(), executable: false };
        let draft = replica.draft(project, &base, &[edit], store).unwrap();
        let labels = Labels { branch: Some("main".to_owned()), ..Labels::default() };
        let write = Write { project, parents: base, draft, labels, key: None };
        self.owner.write(repo, write).unwrap();
    }

    fn root(&mut self, repo: RepoId, project: ProjectId) -> Option<(Root, Frontier)> {
        let (replica, store) = self.owner.with(repo).ok()?;
        let frontier = replica.branch(project, "main");
        let view = replica.view(project, &frontier, store).ok()?;
        Some((view.root, frontier))
    }

    fn step(&mut self) {
        go_on(self.session.step(&mut self.owner, Duration::from_millis(5))).unwrap();
    }

    fn close(self) -> tempfile::TempDir {
        self.session.close().unwrap();
        self.owner.close().unwrap();
        self.dir
    }
}

/// A node that runs by itself.
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Node>,
}

impl Running {
    fn start(mut node: Node) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::SeqCst) {
                node.step();
            }
            node
        });
        Self { stop, thread }
    }

    fn stop(self) -> Node {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn until(nodes: &mut [&mut Node], what: &str, mut holds: impl FnMut(&mut [&mut Node]) -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds(nodes) {
        assert!(Instant::now() < deadline, "never: {what}");
        nodes.iter_mut().for_each(|node| node.step());
    }
}

/// A founder that listens, with a public repo and two files in it.
fn founder() -> (Node, RepoId, ProjectId, String) {
    let mut node = Node::new();
    let repo = node.owner.create("tool", true).unwrap();
    let project = node.owner.add_project(repo, "@me/tool").unwrap();
    node.write(repo, project, "readme.txt", "one\ntwo\n");
    node.write(repo, project, "src/main.rs", "fn main() {}\n");
    let address = node.listen("/ip4/127.0.0.1/tcp/0");
    (node, repo, project, address)
}

fn wanted(repo: RepoId) -> Wanted {
    Wanted { repo, projects: vec!["@me/tool".to_owned()], grants: Vec::new() }
}

#[test]
fn a_repo_is_joined_and_later_edits_arrive() {
    let (founder, repo, project, address) = founder();
    let running = Running::start(founder);
    let mut guest = Node::new();
    guest.session.join(&mut guest.owner, wanted(repo), std::slice::from_ref(&address)).unwrap();
    let mut founder = running.stop();
    assert_eq!(guest.root(repo, project), founder.root(repo, project));
    founder.write(repo, project, "readme.txt", "one\ntwo and a half\n");
    let newest = founder.root(repo, project);
    until(&mut [&mut founder, &mut guest], "the edit arrives", |nodes| {
        nodes[1].root(repo, project) == newest
    });
}

#[test]
fn a_guest_is_back_after_both_restart() {
    let (founder, repo, project, address) = founder();
    let place = address.split("/p2p/").next().unwrap().to_owned();
    let running = Running::start(founder);
    let mut guest = Node::new();
    guest.session.join(&mut guest.owner, wanted(repo), std::slice::from_ref(&address)).unwrap();
    let guest = guest.close();
    let mut founder = Node::at(running.stop().close());
    founder.write(repo, project, "later.txt", "while nobody was there\n");
    founder.listen(&place);
    let running = Running::start(founder);
    let mut guest = Node::at(guest);
    // No address is given: the guest remembers who shares the repo.
    let exchanged = guest.session.sync(&mut guest.owner, repo, &[]).unwrap();
    assert_eq!(exchanged.received, 1);
    let mut founder = running.stop();
    assert_eq!(guest.root(repo, project), founder.root(repo, project));
}

#[test]
fn a_repo_that_is_not_there_is_not_found() {
    let (founder, _, _, address) = founder();
    let running = Running::start(founder);
    let mut guest = Node::new();
    let missing = RepoId([9; 32]);
    let error = guest.session.join(&mut guest.owner, wanted(missing), &[address]).unwrap_err();
    assert!(matches!(error, NodeError::NotFound { .. }), "{error}");
    running.stop();
}

#[test]
fn serve_answers_commands_and_ends_in_good_order() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    let options = super::Options {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        peers: Vec::new(),
        ..Default::default()
    };
    let (sender, events) = std::sync::mpsc::channel();
    let serving = std::thread::spawn({
        let home = home.clone();
        move || super::run(&home, &options, &mut |event| sender.send(event).unwrap())
    });
    let ready = events.recv_timeout(LONG).unwrap();
    let super::Event::Ready { peer, listen, .. } = ready else { panic!("{ready:?}") };
    assert!(listen[0].ends_with(&format!("/p2p/{peer}")), "{listen:?}");
    let request = crate::verbs::Request::Peers(crate::verbs::peers::Args::default());
    let answer: crate::verbs::Answer = crate::control::call(&home.socket_path(), &request).unwrap();
    assert!(matches!(answer, crate::verbs::Answer::Peers(_)));
    assert!(matches!(Owner::open(home.clone()), Err(NodeError::Owned { .. })));
    // Ready was told, so the signal is heard and does not end the tests.
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    serving.join().unwrap().unwrap();
    assert_eq!(events.iter().last(), Some(super::Event::Stopped {}));
    assert!(!home.socket_path().exists());
    Owner::open(home).unwrap().close().unwrap();
}

/// `serve` starts beside a command that works in the home just then; beside another `serve` it does not.
#[test]
fn e9_serve_waits_for_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    let command = Owner::open(home.clone()).unwrap();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        command.close().unwrap();
    });
    super::open(&home).unwrap().close().unwrap();
    ends.join().unwrap();
}
