//! Two owners in one process, with a queue between them instead of a network.

use std::sync::Arc;

use cairn_crdt::FileEdit;
use cairn_crdt::path::RepoPath;
use cairn_protocol::grant::{Grant, Role, Scope};
use cairn_protocol::hash::GrantId;
use cairn_protocol::input::ReplyId;
use cairn_protocol::{DeviceKey, Event, Wanted};

use super::*;

pub(super) const PROJECT: &str = "@ada/engine";

fn owner(dir: &Path) -> Owner {
    Owner::open(Home::open(dir).unwrap()).unwrap()
}

/// One file, to be written by a key on top of what the branch shows.
pub(super) fn writing(
    owner: &mut Owner,
    repo: RepoId,
    name: &str,
    text: &str,
    key: Option<Keypair>,
) -> Write {
    let project = owner.replica(repo).unwrap().project(PROJECT).unwrap();
    let (replica, store) = owner.with(repo).unwrap();
    let parents = replica.branch(project, "main");
    let path = RepoPath::new(name.as_bytes()).unwrap();
    let edit = FileEdit::Write { path, bytes: text.as_bytes().into(), executable: false };
    let draft = replica.draft(project, &parents, &[edit], store).unwrap();
    let labels = Labels { branch: Some("main".to_owned()), ..Labels::default() };
    Write { project, parents, draft, labels, key }
}

/// Writes one file on top of what the branch shows.
fn write(owner: &mut Owner, repo: RepoId, name: &str, text: &str) -> Written {
    let write = writing(owner, repo, name, text, None);
    owner.write(repo, write).unwrap()
}

/// The right to write, given by the founder of a repo to a key that it is numbered by.
pub(super) fn right(owner: &Owner, repo: RepoId, number: u8, seen: Vec<GrantId>) -> Grant {
    let founder = identity::device(owner.home()).unwrap();
    Grant {
        repo,
        issuer: founder.key(),
        subject: Keypair::from_secret(&[number; 32]).key(),
        role: Role::Write,
        scope: Scope::All,
        delegable: false,
        depth: 1,
        not_after_ms: None,
        uses: None,
        parent: None,
        seen,
        nonce: [number; 16],
    }
}

fn read(owner: &mut Owner, repo: RepoId, name: &str) -> Result<Vec<u8>, NodeError> {
    let project = owner.replica(repo)?.project(PROJECT).unwrap();
    let (replica, store) = owner.with(repo)?;
    let frontier = replica.branch(project, "main");
    let view = replica.view(project, &frontier, store)?;
    Ok(replica.bytes(project, &view, &RepoPath::new(name.as_bytes()).unwrap(), store)?)
}

fn founded(dir: &Path) -> (Owner, RepoId) {
    let mut owner = owner(dir);
    let repo = owner.create("engine", true).unwrap();
    owner.add_project(repo, PROJECT).unwrap();
    (owner, repo)
}

/// Lets a home go in whose logs nothing is left.
fn close_in_stones(mut owner: Owner) {
    owner.config.log_bytes_max = 0;
    owner.close().unwrap();
}

fn me(owner: &Owner) -> DeviceKey {
    owner.service().me()
}

/// Carries messages between two connected owners until neither has any; gives the events of both.
fn exchange(a: &mut Owner, b: &mut Owner) -> Vec<Event> {
    let (mut events, mut asked) = (Vec::new(), BTreeMap::new());
    for _ in 0..10_000 {
        let from_a: Vec<_> = a.take_effects().into_iter().map(|effect| (true, effect)).collect();
        let from_b = b.take_effects().into_iter().map(|effect| (false, effect));
        let effects: Vec<_> = from_a.into_iter().chain(from_b).collect();
        if effects.is_empty() {
            return events;
        }
        for (by_a, effect) in effects {
            let (from, to) = if by_a { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
            match effect {
                Effect::Request { request, bytes, .. } => {
                    let reply = ReplyId(asked.len() as u64);
                    asked.insert(reply, request);
                    to.input(Input::Request { peer: me(from), reply, bytes }).unwrap();
                }
                Effect::Respond { reply, bytes } => {
                    let (request, peer) = (asked[&reply], me(from));
                    to.input(Input::Response { peer, request, result: Ok(bytes) }).unwrap();
                }
                Effect::Notify(event) => events.push(event),
                _ => {}
            }
        }
    }
    panic!("they never come to rest");
}

fn connect(a: &mut Owner, b: &mut Owner) {
    let (key_a, key_b) = (me(a), me(b));
    a.input(Input::PeerConnected { peer: key_b }).unwrap();
    b.input(Input::PeerConnected { peer: key_a }).unwrap();
}

/// Two owners of which the second has joined the first one's repo.
fn joined(dir: &Path) -> (Owner, Owner, RepoId) {
    let (mut a, repo) = founded(&dir.join("a"));
    for number in 0..5 {
        write(&mut a, repo, &format!("{number}.txt"), &format!("file {number}\n").repeat(50));
    }
    let mut b = owner(&dir.join("b"));
    connect(&mut a, &mut b);
    let wanted = Wanted { repo, projects: vec![PROJECT.to_owned()], grants: Vec::new() };
    b.input(Input::Join { peer: me(&a), wanted }).unwrap();
    exchange(&mut a, &mut b);
    (a, b, repo)
}

#[test]
fn what_was_written_is_there_in_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, repo) = founded(dir.path());
    assert_eq!(write(&mut first, repo, "a.txt", "one\n").seq, 1);
    drop(first);
    let mut second = owner(dir.path());
    assert_eq!(read(&mut second, repo, "a.txt").unwrap(), b"one\n");
    assert_eq!(write(&mut second, repo, "a.txt", "one\ntwo\n").seq, 2);
    second.close().unwrap();
    let mut third = owner(dir.path());
    assert_eq!(read(&mut third, repo, "a.txt").unwrap(), b"one\ntwo\n");
    assert!(third.verify(true).iter().all(|(_, report)| report.is_ok()));
}

#[test]
fn what_another_peer_has_is_known_in_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let (alone, repo) = founded(&dir.path().join("alone"));
    assert_eq!(alone.elsewhere(repo), None, "nobody ever asked");
    let (a, b, repo) = joined(dir.path());
    assert!(a.elsewhere(repo).is_some(), "who was asked is not alone");
    let held = b.elsewhere(repo).unwrap();
    assert_eq!(held.values().copied().collect::<Vec<_>>(), [5]);
    let path = b.repo_dir(repo).unwrap().join("elsewhere.json");
    b.close().unwrap();
    let b = owner(&dir.path().join("b"));
    assert_eq!(b.elsewhere(repo), Some(held));
    b.close().unwrap();
    std::fs::write(path, "{\"not a feed\": 1}").unwrap();
    assert_eq!(owner(&dir.path().join("b")).elsewhere(repo), None, "learned anew, and too little until then");
}

#[test]
fn a_log_is_cut_at_the_end_where_it_would_hold_up_the_next_start() {
    for (lines, is_cut) in [(10, false), (60_000, true)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut a, repo) = founded(dir.path());
        let text: String = (0..lines).map(|line| format!("line {line}\n")).collect();
        write(&mut a, repo, "a.txt", &text);
        let folder = a.repo_dir(repo).unwrap().join("stones");
        let stones = || std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(stones(), 0, "whoever writes does not wait for it");
        a.close().unwrap();
        assert_eq!(stones() > 0, is_cut);
        assert_eq!(read(&mut owner(dir.path()), repo, "a.txt").unwrap(), text.as_bytes());
    }
}

#[test]
fn e9_a_home_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let _first = owner(dir.path());
    let second = Owner::open(Home::open(dir.path()).unwrap());
    assert!(matches!(second, Err(NodeError::Owned { pid, .. }) if pid == std::process::id()));
}

#[test]
fn a_repo_that_is_broken_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, good) = founded(dir.path());
    let bad = first.create("other", false).unwrap();
    first.close().unwrap();
    std::fs::write(dir.path().join("repos").join(bad.to_string()).join("manifest"), "nonsense").unwrap();
    let second = owner(dir.path());
    assert_eq!(second.repos(), [good]);
    assert_eq!(second.store(bad).unwrap_err().code(), "E_DAMAGED");
    let reports = second.verify(false);
    assert!(reports.iter().any(|(repo, report)| *repo == bad && !report.is_ok()));
}

#[test]
fn e7_a_damaged_stone_is_fetched_again_from_a_peer() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, b, repo) = joined(dir.path());
    let stones = b.repo_dir(repo).unwrap().join("stones");
    close_in_stones(b);
    a.input(Input::PeerDisconnected { peer: a_peer(&a) }).unwrap();
    let largest = std::fs::read_dir(stones).unwrap().map(|entry| entry.unwrap().path());
    let stone = largest.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&stone).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&stone, bytes).unwrap();
    let mut b = owner(&dir.path().join("b"));
    let scrubbed: Vec<_> =
        b.stones().iter().map(|(repo, feed, stone)| b.scrub(*repo, *feed, stone).is_ok()).collect();
    assert!(scrubbed.contains(&false));
    connect(&mut a, &mut b);
    let events = exchange(&mut a, &mut b);
    // What of the feed can still be read is known; the rest comes as if it were new.
    let came = |event: &Event| matches!(event, Event::Regained { .. } | Event::Received { .. });
    assert!(events.iter().any(came), "{events:?}");
    assert_eq!(b.take_repaired().len(), 1);
    assert!(b.verify(true).iter().all(|(_, report)| report.is_ok()));
    assert_eq!(read(&mut b, repo, "3.txt").unwrap(), "file 3\n".repeat(50).as_bytes());
}

/// The one peer that an owner is connected to.
fn a_peer(owner: &Owner) -> DeviceKey {
    owner.service().peers().next().unwrap()
}

#[test]
fn e7_without_the_index_too_the_whole_feed_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, b, repo) = joined(dir.path());
    let repo_dir = b.repo_dir(repo).unwrap().to_owned();
    close_in_stones(b);
    a.input(Input::PeerDisconnected { peer: a_peer(&a) }).unwrap();
    std::fs::remove_file(repo_dir.join("index.redb")).unwrap();
    for entry in std::fs::read_dir(repo_dir.join("stones")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut b = owner(&dir.path().join("b"));
    connect(&mut a, &mut b);
    exchange(&mut a, &mut b);
    assert!(b.verify(true).iter().all(|(_, report)| report.is_ok()));
    assert_eq!(read(&mut b, repo, "0.txt").unwrap(), "file 0\n".repeat(50).as_bytes());
}

#[test]
fn a_key_whose_own_feed_is_damaged_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, repo) = founded(dir.path());
    write(&mut a, repo, "a.txt", "one\n");
    let repo_dir = a.repo_dir(repo).unwrap().to_owned();
    close_in_stones(a);
    std::fs::remove_file(repo_dir.join("index.redb")).unwrap();
    for entry in std::fs::read_dir(repo_dir.join("stones")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut a = owner(dir.path());
    let project = a.replica(repo).unwrap().project(PROJECT).unwrap();
    let draft = Draft { ops: Vec::new(), contents: Vec::new() };
    let labels = Labels { message: Some("again".to_owned()), ..Labels::default() };
    let write = Write { project, parents: Frontier::empty(), draft, labels, key: None };
    assert_eq!(a.write(repo, write).unwrap_err().code(), "E_DAMAGED");
}

#[test]
fn many_contents_come_back_from_one_waypoint() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, repo) = founded(dir.path());
    let project = a.replica(repo).unwrap().project(PROJECT).unwrap();
    let edits: Vec<FileEdit> = (0..200u32)
        .map(|number| {
            let path = RepoPath::new(format!("dir/{number}.txt").as_bytes()).unwrap();
            let bytes: Arc<[u8]> = format!("text of {number}\n").into_bytes().into();
            FileEdit::Write { path, bytes, executable: false }
        })
        .collect();
    let (replica, store) = a.with(repo).unwrap();
    let draft = replica.draft(project, &Frontier::empty(), &edits, store).unwrap();
    let labels = Labels { branch: Some("main".to_owned()), ..Labels::default() };
    a.write(repo, Write { project, parents: Frontier::empty(), draft, labels, key: None }).unwrap();
    a.close().unwrap();
    let mut a = owner(dir.path());
    for number in [0, 7, 199] {
        let name = format!("dir/{number}.txt");
        assert_eq!(read(&mut a, repo, &name).unwrap(), format!("text of {number}\n").into_bytes());
    }
}

/// Whoever joined goes on to tell the peer what rights come later: it was asked for ever, and told nothing.
#[test]
fn a_right_that_comes_after_joining_reaches_the_peer_and_both_come_to_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b, repo) = joined(dir.path());
    let founder = identity::device(a.home()).unwrap();
    let grant = right(&a, repo, 7, Vec::new());
    let id = grant.id();
    b.grant(repo, vec![grant.sign(&founder).unwrap()]).unwrap();
    exchange(&mut a, &mut b);
    assert!(a.replica(repo).unwrap().grants().contains(&id));
}
