//! Waypoints that never leave the home that they were written in: kept, found, forgotten, and nowhere else.

use crate::harness::{Node, Stage, assert_same_trees, files_below, wait_for_agreement, wait_until};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Bytes that no compressor makes shorter, so that they are found wherever they lie.
fn noise(seed: u64) -> Vec<u8> {
    let mut chance = crate::harness::Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..2_000).map(|_| chance.next(256) as u8).collect()
}

fn holds(file: &Path, bytes: &[u8]) -> bool {
    // The socket of a serving node is no file of bytes.
    fs::read(file).unwrap_or_default().windows(bytes.len()).any(|window| window == bytes)
}

fn is_below(folder: &Path, bytes: &[u8]) -> bool {
    files_below(folder).iter().any(|path| holds(path, bytes))
}

fn raw(digits: &Value) -> Vec<u8> {
    let digits = digits.as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Keeps a checkpoint; nothing that others see may move.
fn keep(node: &Node, message: &str) -> String {
    let (branch, status) = (node.branch(), node.ok(&["status"]));
    let kept = node.ok(&["post", "--local", "-m", message]);
    assert_eq!((node.branch(), &node.ok(&["status"])), (branch, &status), "{kept}");
    assert_eq!((&kept["local"], &kept["frontier"]), (&Value::from(true), &status["frontier"]));
    assert!(!status["changed"].as_array().unwrap().is_empty(), "it is still unposted: {status}");
    kept["waypoint"].as_str().unwrap().to_owned()
}

fn parents(node: &Node, waypoint: &str) -> Vec<Value> {
    let shown = node.ok(&["show", &format!("?{waypoint}")]);
    shown["waypoint"]["parents"].as_array().unwrap().clone()
}

/// What of a local waypoint must be nowhere else: bytes, key and name; as bytes and as digits.
fn marks_of(node: &Node, bytes: &[u8]) -> Vec<Vec<u8>> {
    let local = node.ok(&["log", "--local"])["waypoints"][0].clone();
    assert_eq!(local["local"], true);
    let names = [&local["key"], &local["feed"], &local["waypoint"]];
    let texts = names.map(|name| name.as_str().unwrap().as_bytes().to_vec());
    [&[bytes[..64].to_vec()][..], &names.map(raw), &texts].concat()
}

#[test]
fn a_local_waypoint_reaches_no_peer_and_no_bundle() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.rs", b"fn one() -> u8 {\n    1\n}\n")]);
    ana.serve();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    ben.serve();
    let (secret, shared) = (noise(1), noise(2));
    let before = ana.branch();
    ana.write("data.bin", &secret);
    let local = keep(&ana, "secret words");
    let marks = marks_of(&ana, &secret);
    let control = [&marks[0], &marks[1]];
    assert!(control.iter().all(|mark| is_below(&ana.home, mark)), "the test can find what is there");

    let nowhere = |ben: &Node, when: &str| {
        for (number, mark) in marks.iter().enumerate() {
            assert!(!is_below(&ben.home, mark), "{when}: mark {number} is at the other one's");
        }
        ben.refused(&["show", &format!("?{local}")], 3);
    };
    ana.write("data.bin", &shared);
    let posted = ana.post("posted");
    assert_eq!(parents(&ana, &posted), *before.1.as_array().unwrap());
    wait_for_agreement(&[&ana, &ben]);
    nowhere(&ben, "after a post");

    ben.ok(&["put"]);
    ben.edit("a.rs", "    1", "    2");
    ben.post("from ben");
    wait_for_agreement(&[&ana, &ben]);
    ana.ok(&["put"]);
    ana.ok(&["mark", "v1", "-m", "the first"]);
    wait_for_agreement(&[&ana, &ben]);
    assert_eq!(ben.ok(&["root", "?v1"]), ana.ok(&["root", "?v1"]));
    nowhere(&ben, "after a put and a mark");

    for words in [&["bundle"][..], &["bundle", "--archive"], &["bundle", "--since", "?v1"]] {
        let file = stage.path().join("ana.bundle");
        ana.ok(&[words, &[file.to_str().unwrap()]].concat());
        let found = marks.iter().position(|mark| holds(&file, mark));
        assert_eq!(found, None, "{words:?}");
        assert_eq!(ben.ok(&["unbundle", file.to_str().unwrap()])["waypoints"], 0, "{words:?}");
    }
    let git = stage.path().join("git");
    ana.ok(&["export", "git", git.to_str().unwrap()]);
    nowhere(&ben, "after bundles");

    ana.stop();
    assert_eq!(ana.ok(&["fsck", "--rebuild"])["ok"], true);
    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
    assert_eq!(ana.ok(&["doctor"])["ok"], true);
    ana.serve();
    ana.write("b.txt", b"after the restart\n");
    ana.post("after the restart");
    ben.ok(&["put", "--peer", &ana.address.clone().unwrap()]);
    wait_for_agreement(&[&ana, &ben]);
    assert_same_trees(&ana.tree, &ben.tree);
    nowhere(&ben, "after a restart with rebuilt indexes");
    let again = ana.ok(&["show", &format!("?{local}")]);
    assert_eq!(
        (&again["waypoint"]["local"], &again["waypoint"]["message"]),
        (&true.into(), &"secret words".into())
    );
    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
}

#[test]
fn a_local_state_comes_back_and_nothing_shared_stands_on_it() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"one\n"), ("b.txt", b"b\n")]);
    let shared = ana.branch();
    ana.write("a.txt", b"two\n");
    let two = keep(&ana, "second try");
    ana.write("a.txt", b"three\n");
    ana.write("c.txt", b"c\n");
    let three = keep(&ana, "third try");
    ana.write("a.txt", b"four\n");

    // Back and forth: what is on the way is kept, locally.
    let got = ana.ok(&["get", &format!("?{two}")]);
    let four = got["saved"].as_str().unwrap().to_owned();
    assert_eq!((ana.read("a.txt"), ana.tree.join("c.txt").exists()), (b"two\n".to_vec(), false));
    assert_eq!((ana.branch(), &got["frontier"]), (shared.clone(), &shared.1));
    assert_eq!(ana.ok(&["status"])["changed"][0]["path"], "a.txt");
    ana.ok(&["undo"]);
    assert_eq!((ana.read("a.txt"), ana.read("c.txt")), (b"four\n".to_vec(), b"c\n".to_vec()));
    ana.ok(&["redo"]);
    assert_eq!(ana.read("a.txt"), b"two\n");
    assert!(ana.ok(&["get", "?main"])["saved"].is_null(), "it was kept before");
    assert_eq!((ana.read("a.txt"), ana.branch()), (b"one\n".to_vec(), shared.clone()));
    ana.ok(&["undo"]);
    assert_eq!((ana.read("a.txt"), ana.branch()), (b"two\n".to_vec(), shared.clone()));
    ana.ok(&["get", &format!("c.txt?{three}")]);
    assert_eq!((ana.read("c.txt"), ana.read("a.txt")), (b"c\n".to_vec(), b"two\n".to_vec()));

    let log = ana.ok(&["log", "--local"])["waypoints"].as_array().unwrap().clone();
    let messages: Vec<_> = log.iter().rev().map(|one| one["message"].as_str()).collect();
    assert_eq!(messages[..2], [Some("second try"), Some("third try")]);
    assert!(log.iter().all(|one| one["local"] == true && one["parents"] == shared.1), "{log:?}");
    assert!(log.iter().any(|one| one["waypoint"] == four.as_str()));
    assert_eq!(
        ana.ok(&["log"])["waypoints"].as_array().map(Vec::len),
        Some(1),
        "no version has them in its past"
    );

    // What is shared names none of them.
    ana.refused(&["put", &format!("?{three}")], 2);
    ana.refused(&["mark", "mine", "-m", "mine", &format!("?{three}")], 2);
    ana.refused(&["come", "mine", &format!("?{three}")], 2);
    let posted = ana.post("all at once");
    assert_eq!(parents(&ana, &posted), *shared.1.as_array().unwrap());
    assert_eq!((ana.read("a.txt"), ana.read("c.txt")), (b"two\n".to_vec(), b"c\n".to_vec()));
    // What one did can be posted, without naming it.
    ana.write("e.txt", b"e\n");
    let local = keep(&ana, "a new file");
    fs::remove_file(ana.tree.join("e.txt")).unwrap();
    let gathered = ana.ok(&["post", "--from", &local, "-m", "the new file after all"]);
    assert_eq!(parents(&ana, gathered["waypoint"].as_str().unwrap()), [Value::from(posted.clone())]);
    assert_eq!(ana.read("e.txt"), b"e\n");
    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
    // After a post, what is unposted is posted again before anything else is shown.
    ana.write("d.txt", b"d\n");
    let saved = ana.ok(&["get", &format!("?{posted}")])["saved"].as_str().unwrap().to_owned();
    assert!(ana.ok(&["show", &format!("?{saved}")])["waypoint"]["local"].is_null());
}

#[test]
fn local_waypoints_are_found_by_hash_time_and_words() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    for (text, message) in [("two\n", "skiplist, first"), ("three\n", "tree instead")] {
        ana.write("a.txt", text);
        keep(&ana, message);
    }
    let shows = |uri: &str| ana.ok(&["show", uri])["waypoint"]["message"].clone();
    assert_eq!(shows("?local"), "tree instead");
    assert_eq!(shows("?local,skiplist"), "skiplist, first");
    assert_eq!(shows("?head,skiplist"), "skiplist, first");
    assert_eq!(shows("?local,\"tree instead\""), "tree instead");
    let log = ana.ok(&["log", "--local", "-n", "2"])["waypoints"].clone();
    let early_ms = log[1]["stamp"]["wall_ms"].as_u64().unwrap();
    wait_until("a second goes by", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_millis() as u64 > early_ms + 1_000
    });
    ana.write("a.txt", b"four\n");
    keep(&ana, "late");
    assert_eq!(shows("?local"), "late");
    assert_eq!(shows("?local,0s"), "late");
    ana.refused(&["show", "?local,3d"], 3);
    ana.refused(&["show", "?local,nothing"], 3);
    let time = |ms: u64| {
        let seconds = ms / 1000 % 86_400;
        format!("?local,{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
    assert_ne!(shows(&time(early_ms)), "late");
    let diff = ana.ok(&["diff", "?local,skiplist", "?local"]);
    assert!(diff["files"][0]["text"].as_str().unwrap().contains("+four"), "{diff}");
    assert_eq!(ana.ok(&["show", "a.txt?local,skiplist"])["file"]["text"], "two\n");

    // Whoever may only read keeps what he likes; another device of the same repo finds none of it.
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "read");
    ben.write("a.txt", b"from ben\n");
    ben.refused(&["post", "-m", "no"], 4);
    keep(&ben, "for myself");
    assert_eq!(ben.ok(&["log", "--local"])["waypoints"].as_array().map(Vec::len), Some(1));
    assert_eq!(ben.ok(&["held"])["held"].as_array().map(Vec::len), Some(0));
    assert_eq!(ben.ok(&["doctor"])["ok"], true);
}

#[test]
fn local_waypoints_fade_by_the_window_and_wait_for_no_peer() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    ana.serve();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    ana.stop();
    let secret = noise(7);
    ana.write("data.bin", &secret);
    let local = keep(&ana, "a try");
    fs::remove_file(ana.tree.join("data.bin")).unwrap();
    assert_eq!(ana.ok(&["fade", "--keep", "30d"])["waypoints"], 0, "it is younger");
    let dry = ana.ok(&["fade", "--keep", "0s", "--dry-run"]);
    assert_eq!((&dry["waypoints"], &dry["unshared"]), (&1.into(), &0.into()), "{dry}");
    assert!(is_below(&ana.home, &secret[..64]), "a dry run forgets nothing");
    let faded = ana.ok(&["fade", "--keep", "0s"]);
    assert_eq!((&faded["waypoints"], &faded["bytes_after"]), (&1.into(), &dry["bytes_after"]));
    assert!(!is_below(&ana.home, &secret[..64]), "a faded waypoint's bytes are gone");
    assert_eq!(ana.ok(&["log", "--local"])["waypoints"][0]["waypoint"], local.as_str());
    ana.refused(&["get", &format!("?{local}")], 3);
    assert_eq!(ana.ok(&["fsck", "--rebuild"])["ok"], true);
    // A faded one is still local.
    ana.serve();
    ana.write("b.txt", b"b\n");
    ana.post("after the fade");
    ben.ok(&["put", "--peer", &ana.address.clone().unwrap()]);
    assert_same_trees(&ana.tree, &ben.tree);
    ben.refused(&["show", &format!("?{local}")], 3);
    ben.serve();
    wait_for_agreement(&[&ana, &ben]);
}
