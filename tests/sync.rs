//! Real nodes exchange, verify and merge; whatever the order, they end at the same bytes.

use crate::harness::{Node, PATIENCE, Stage, assert_same_trees, copy, wait_for_agreement, wait_until};
use crate::watch::Watch;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

const SHARED: &str = "//! Shared by three.

/// Edited on every node.
pub fn shared(input: u64) -> u64 {
    let first = input + 1;
    let second = first * 2;
    let third = second - 3;
    first + second + third
}

/// Edited by nobody.
pub fn quiet() -> &'static str {
    \"quiet\"
}
";

/// Three nodes that share one file and have each edited one function of it, alone.
fn three_apart(stage: &Stage) -> [Node; 3] {
    let mut ana = stage.founder("ana", &[("shared.rs", SHARED.as_bytes())]);
    let (ben, cleo) = (stage.node("ben"), stage.node("cleo"));
    ana.serve();
    ben.join(&ana, "write");
    cleo.join(&ana, "write");
    ana.stop();
    ana.edit("shared.rs", "input + 1", "input + 10");
    ben.edit("shared.rs", "first * 2", "first * 20");
    cleo.edit("shared.rs", "second - 3", "second - 30");
    // And one word that all three change to something else.
    ana.edit("shared.rs", "-> u64", "-> u128");
    ben.edit("shared.rs", "-> u64", "-> u32");
    cleo.edit("shared.rs", "-> u64", "-> usize");
    let _ = [&ana, &ben, &cleo].map(|node| node.post("alone"));
    [ana, ben, cleo]
}

/// The same three nodes once more, in another folder.
fn again(nodes: &[Node; 3], folder: &Path) -> [Node; 3] {
    fs::create_dir_all(folder).unwrap();
    nodes.each_ref().map(|node| {
        let (home, tree) = (folder.join(format!("{}.home", node.name)), folder.join(&node.name));
        copy(&node.home, &home);
        copy(&node.tree, &tree);
        let copied = Node::new(&node.name, home, tree);
        let link = copied.tree.join(".cairn/link.json");
        let text = fs::read_to_string(&link).unwrap();
        let (from, to) =
            (node.home.to_string_lossy().into_owned(), copied.home.to_string_lossy().into_owned());
        fs::write(&link, text.replace(&from, &to)).unwrap();
        let _ = fs::remove_file(copied.home.join("peers.json"));
        copied
    })
}

/// The nodes come up one after the other in this order, each calling those before it.
fn meet(mut nodes: [Node; 3], order: [usize; 3]) -> String {
    let mut there: Vec<String> = Vec::new();
    for index in order {
        let words: Vec<&str> = there.iter().flat_map(|address| ["--peer", address.as_str()]).collect();
        let address = nodes[index].serve_with(&words);
        there.push(address);
    }
    let all = [&nodes[0], &nodes[1], &nodes[2]];
    wait_until(&format!("{order:?}: three edits are on every node"), || {
        all.iter().all(|node| {
            node.ok(&["log", "?main"])["waypoints"].as_array().is_some_and(|list| list.len() >= 4)
        })
    });
    wait_for_agreement(&all);
    let _ = all.map(|node| node.ok(&["put"]));
    wait_for_agreement(&all);
    let roots: BTreeSet<String> = all.iter().map(|node| node.root()).collect();
    assert_eq!(roots.len(), 1, "{order:?}: {roots:?}");
    let text = String::from_utf8(nodes[0].read("shared.rs")).unwrap();
    for edit in ["input + 10", "first * 20", "second - 30"] {
        assert!(text.contains(edit), "{order:?}: {edit} is lost:\n{text}");
    }
    assert_same_trees(&nodes[0].tree, &nodes[2].tree);
    roots.into_iter().next().unwrap()
}

#[test]
fn three_processes_in_all_six_orders_of_joining_show_one_root() {
    let stage = Stage::new();
    let apart = three_apart(&stage);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let roots: BTreeSet<String> = orders
        .iter()
        .enumerate()
        .map(|(number, order)| meet(again(&apart, &stage.path().join(format!("order-{number}"))), *order))
        .collect();
    assert_eq!(roots.len(), 1, "the order of joining decided: {roots:?}");
}

#[test]
fn an_edit_travels_while_both_serve_and_put_without_a_uri_merges_it() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("shared.rs", SHARED.as_bytes())]);
    let mut ben = stage.node("ben");
    ana.serve();
    ben.join(&ana, "write");
    ben.serve();
    ana.edit("shared.rs", "\"quiet\"", "\"loud\"");
    ana.post("louder");
    wait_for_agreement(&[&ana, &ben]);
    assert_eq!(ben.ok(&["status"])["incoming"], 1);
    ben.ok(&["put"]);
    assert_same_trees(&ana.tree, &ben.tree);
    assert!(ben.saw("received"), "{:?}", ben.events());
    let peers = ben.ok(&["peers"]);
    assert!(peers["peers"].as_array().is_some_and(|list| !list.is_empty()), "{peers}");
}

#[test]
fn put_peer_fetches_sends_and_merges_without_a_serve_of_ones_own() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("shared.rs", SHARED.as_bytes())]);
    let ben = stage.node("ben");
    let address = ana.serve();
    ben.join(&ana, "write");
    ben.edit("shared.rs", "first * 2", "first * 20");
    ben.post("from ben");
    ana.edit("shared.rs", "input + 1", "input + 10");
    ana.post("from ana");
    let put = ben.ok(&["put", "--peer", &address]);
    assert_eq!(put["received"], 1, "{put}");
    wait_for_agreement(&[&ana, &ben]);
    ana.ok(&["put"]);
    assert_eq!(ana.root(), ben.root());
    assert_same_trees(&ana.tree, &ben.tree);
}

/// Real files: our own, then those of published crates, as many as asked for.
fn real_files(into: &Path, wanted: usize) -> usize {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let ours = ["crdt", "protocol", "blobs", "node", "cli", "simulations", "tests"];
    let mut sources: Vec<PathBuf> = ours.iter().map(|name| workspace.join(name)).collect();
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let registry = cargo.map(|cargo| cargo.join("registry/src")).unwrap_or_default();
    for index in fs::read_dir(registry).into_iter().flatten().flatten() {
        let mut crates: Vec<_> =
            fs::read_dir(index.path()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        crates.sort();
        sources.extend(crates);
    }
    let mut copied = 0;
    for source in sources {
        let name = source.file_name().unwrap().to_owned();
        for file in crate::harness::files_below(&source) {
            let inside = file.strip_prefix(&source).unwrap();
            let plain = inside.components().all(|part| !part.as_os_str().to_string_lossy().starts_with('.'));
            if !plain || fs::metadata(&file).is_ok_and(|facts| facts.len() > 1 << 20) {
                continue;
            }
            let target = into.join(&name).join(inside);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&file, target).unwrap();
            copied += 1;
            if copied >= wanted {
                return copied;
            }
        }
    }
    copied
}

fn two_homes(wanted: usize, interrupted: bool) {
    let stage = Stage::new();
    let (mut ana, ben) = (stage.node("ana"), stage.node("ben"));
    ana.ok(&["init", ".", "--project", "@me/real"]);
    let files = real_files(&ana.tree, wanted);
    let posted = ana.ok(&["post", "-m", "real files"]);
    assert!(posted["files"].as_u64().is_some_and(|posted| posted > 0 && posted <= files as u64), "{posted}");
    ana.serve();
    if interrupted {
        join_across_a_kill(&mut ana, &ben);
    } else {
        ben.join(&ana, "read");
    }
    assert_eq!(ana.root(), ben.root());
    assert_same_trees(&ana.tree, &ben.tree);
    assert_eq!(ben.ok(&["verify", "--deep"])["ok"], true);
}

/// The server dies (-9) while the guest fetches, and comes back; the guest asks again, and goes on.
fn join_across_a_kill(ana: &mut Node, ben: &Node) {
    let (invite, peer) = (ana.invite("read"), ana.address.clone().unwrap());
    let words = ["join", invite.as_str(), "--peer", peer.as_str(), "."];
    let mut command = ben.command();
    let mut first =
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_millis(400));
    ana.kill();
    let patience = Instant::now() + PATIENCE;
    let ended = loop {
        if let Some(status) = first.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < patience, "a join from a dead server never ends");
        thread::sleep(Duration::from_millis(50));
    };
    ana.serve();
    if !ended.success() {
        ben.ok(&words);
    }
}

#[test]
fn two_homes_a_tree_of_real_files_equal_roots_and_bytes() {
    two_homes(files_wanted(300), false);
}

#[test]
fn two_homes_the_server_killed_half_way_and_restarted() {
    two_homes(files_wanted(300), true);
}

#[test]
#[ignore = "takes minutes"]
fn two_homes_five_thousand_files() {
    two_homes(5_000, false);
}

#[test]
#[ignore = "takes minutes"]
fn two_homes_five_thousand_files_the_server_killed_half_way() {
    two_homes(5_000, true);
}

fn files_wanted(usual: usize) -> usize {
    std::env::var("CAIRN_FILES").ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}

#[test]
fn known_peers_are_called_again_after_a_restart() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("shared.rs", SHARED.as_bytes())]);
    let mut ben = stage.node("ben");
    ana.serve();
    ben.join(&ana, "write");
    ben.serve();
    ana.kill();
    ben.kill();
    ana.edit("shared.rs", "input + 1", "input + 10");
    ana.post("while nobody listened");
    ana.serve();
    ben.serve();
    wait_for_agreement(&[&ana, &ben]);
}

#[test]
fn what_put_writes_after_the_exchange_reaches_known_peers_too() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("shared.rs", SHARED.as_bytes())]);
    let ben = stage.node("ben");
    ana.serve();
    ben.join(&ana, "write");
    ben.edit("shared.rs", "input + 1", "input + 10");
    let posted = ben.ok(&["put", "--known"])["posted"].as_str().unwrap().to_owned();
    assert_eq!(
        ana.ok(&["log", "-n", "1", "?main"])["waypoints"][0]["waypoint"],
        *posted,
        "unposted work too"
    );
}

#[test]
fn an_artifact_is_fetched_from_a_known_peer_byte_equal() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let ben = stage.node("ben");
    ana.serve();
    ben.join(&ana, "read");
    let mut chance = crate::harness::Chance(7);
    let bytes: Vec<u8> = (0..3 << 20).map(|_| chance.next(256) as u8).collect();
    let (made, got) = (stage.path().join("made.bin"), stage.path().join("got.bin"));
    fs::write(&made, &bytes).unwrap();
    let added = ana.ok(&["artifact", "add", made.to_str().unwrap(), "--name", "noise"]);
    assert_eq!(added["bytes"], bytes.len());
    let twice = ana.ok(&["artifact", "add", made.to_str().unwrap(), "--name", "noise"]);
    assert_eq!(twice["stored_bytes"], 0, "the same bytes are stored once: {twice}");
    ben.ok(&["put", "--peer", ana.address.as_deref().unwrap()]);
    let hash = added["artifact"].as_str().unwrap();
    let fetched = ben.ok(&["artifact", "get", hash, "-o", got.to_str().unwrap()]);
    assert_eq!(fetched["bytes"], bytes.len());
    assert_eq!(fs::read(&got).unwrap(), bytes);
    assert_eq!(ben.ok(&["artifact", "verify"])["ok"], true);
}

/// Two laptops, a `serve` and a `watch` each: an edit appears on the other side when typing stops.
#[test]
fn watched_worktrees_follow_each_other() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("shared.rs", SHARED.as_bytes())]);
    let mut ben = stage.node("ben");
    ana.serve();
    ben.join(&ana, "write");
    ben.serve();
    let _watching = [&ana, &ben].map(Watch::start);
    ana.edit("shared.rs", "input + 1", "input + 10");
    wait_until("ana's edit is in ben's file", || ben.read("shared.rs") == ana.read("shared.rs"));
    ben.edit("shared.rs", "\"quiet\"", "\"loud\"");
    wait_until("ben's edit is in ana's file", || {
        String::from_utf8_lossy(&ana.read("shared.rs")).contains("loud")
            && ana.read("shared.rs") == ben.read("shared.rs")
    });
}

/// What fails is told and tried again: a `watch` must not end because of something that passes.
#[test]
fn a_watch_goes_on_after_what_fails_for_a_while() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    let watching = Watch::start(&ana);
    wait_until("the watch is ready", || watching.saw("ready"));
    let link = ana.tree.join(".cairn/link.json");
    let kept = fs::read(&link).unwrap();
    fs::write(&link, "not what it was").unwrap();
    ana.write("a.txt", "two\n");
    wait_until("the watch tells that it failed", || watching.saw("failed"));
    fs::write(&link, kept).unwrap();
    wait_until("the save is posted", || watching.saw("posted"));
    assert_eq!(ana.ok(&["status"])["changed"].as_array().map(Vec::len), Some(0));
}

/// Where no `serve` runs, a `watch` asks for the home once somebody else has had it, and leaves it to others until then.
#[test]
fn a_watch_leaves_a_home_alone_that_nobody_else_has_had() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    let beside = Node::new("beside", ana.home.clone(), stage.path().join("beside"));
    beside.ok(&["clone", &format!("//{}", ana.ok(&["status"])["repo"].as_str().unwrap()), "."]);
    let watching = Watch::start(&ana);
    wait_until("the watch is ready", || watching.saw("ready"));
    let owner = || fs::read_to_string(ana.home.join("owner.lock")).unwrap_or_default();
    let is_watch = || owner().starts_with(&format!("{} ", watching.pid()));
    wait_until("the watch has looked", is_watch);
    beside.write("a.txt", "two\n");
    beside.post("from beside");
    wait_until("the watch has merged it", || ana.read("a.txt") == b"two\n");
    wait_until("the watch is done with it", is_watch);
    let had = || fs::metadata(ana.home.join("owner.lock")).unwrap().modified().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let before = had();
    std::thread::sleep(Duration::from_millis(3500));
    assert_eq!(had(), before, "the home was opened although nobody else had it");
}

/// Who asks for another version than the branch shows is answered when it shows one.
#[test]
fn a_question_waits_for_the_branch_to_move() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.rs", b"fn a() {}\n")]);
    ana.serve();
    let args = json!({ "here": { "dir": ana.tree }, "uri": "?main", "unlike": ana.branch().1 });
    let asked = json!({ "level": 3, "request": { "verb": "root", "args": args } }).to_string();
    let mut socket = UnixStream::connect(ana.home.join("owner.sock")).unwrap();
    socket.write_all(&[&(asked.len() as u32).to_le_bytes(), asked.as_bytes()].concat()).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut length = [0; 4];
    assert!(socket.read_exact(&mut length).is_err(), "answered before anything was posted");
    ana.write("a.rs", "fn a() { b() }\n");
    let waypoint = ana.post("second");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // Empty frames only say that the owner lives.
    while length == [0; 4] {
        socket.read_exact(&mut length).unwrap();
    }
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    socket.read_exact(&mut body).unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["answer"]["answer"]["frontier"], json!([waypoint]), "{answer}");
}
