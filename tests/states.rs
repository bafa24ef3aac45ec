//! Old states: taking steps back, finding a state again, marks and what becomes of them.

use crate::harness::{Node, Stage, wait_until};
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// When the newest waypoint was written, to the second, as `get` takes it.
fn second_of_newest(node: &Node) -> String {
    let seconds = node.ok(&["log", "-n", "1"])["waypoints"][0]["stamp"]["wall_ms"].as_u64().unwrap() / 1000;
    let out =
        std::process::Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%FT%T"]).output();
    String::from_utf8(out.unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn c13_undo_and_redo_go_over_restarts_and_reach_other_nodes() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.rs", b"fn a() {\n    one();\n}\n\nfn b() {\n    two();\n}\n")]);
    ana.serve();
    let bob = stage.node("bob");
    bob.join(&ana, "write");
    let first = ana.root();
    ana.edit("a.rs", "one()", "uno()");
    let second = ana.post("uno");
    bob.edit("a.rs", "two()", "due()");
    bob.post("due");
    bob.ok(&["put", "--peer", &ana.address.clone().unwrap()]);
    ana.edit("a.rs", "uno()", "eins()");
    ana.write("new/notes.txt", "unposted\n");
    let undone = ana.ok(&["undo"]);
    for field in ["waypoint", "undone", "root", "files"] {
        assert!(!undone[field].is_null(), "{undone}");
    }
    assert_eq!(undone["files"], 2, "{undone}");
    assert!(!ana.tree.join("new").exists());
    ana.stop();
    assert_eq!(ana.ok(&["undo"])["undone"], second.as_str());
    assert_eq!(ana.root(), first);
    ana.refused(&["undo", "?no-such-waypoint"], 3);
    ana.serve();
    ana.ok(&["put"]);
    let shown = String::from_utf8(ana.read("a.rs")).unwrap();
    assert!(shown.contains("one()") && shown.contains("due()"), "{shown}");
    ana.ok(&["redo"]);
    ana.ok(&["redo"]);
    let shown = String::from_utf8(ana.read("a.rs")).unwrap();
    assert!(shown.contains("eins()") && shown.contains("due()"), "{shown}");
    assert_eq!(ana.read("new/notes.txt"), b"unposted\n");
    ana.refused(&["redo"], 3);
    let peer = ana.address.clone().unwrap();
    wait_until("bob has it too", || {
        bob.ok(&["put", "--peer", &peer]);
        bob.root() == ana.root()
    });
    let theirs = ana.ok(&["log"])["waypoints"].as_array().unwrap().clone();
    let theirs = theirs.iter().find(|waypoint| waypoint["message"] == "due").unwrap();
    let undone = ana.ok(&["undo", &format!("?{}", text(&theirs["waypoint"]))]);
    assert_eq!(undone["undone"], theirs["waypoint"]);
    assert!(String::from_utf8(ana.read("a.rs")).unwrap().contains("two()"));
    ana.stop();
}

#[test]
fn c20_a_state_is_found_by_time_and_by_words_or_its_candidates_are_listed() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    let (first, then) = (ana.root(), second_of_newest(&ana));
    sleep(Duration::from_millis(1200));
    ana.write("a.txt", "two\n");
    ana.post("a faster skiplist");
    let second = ana.root();
    ana.write("a.txt", "three\n");
    let third = ana.post("another Skiplist, tried and left");
    ana.write("a.txt", "four\n");
    ana.post("done");
    let root = |uri: &str| text(&ana.ok(&["root", uri])["root"]).to_owned();
    for uri in
        [format!("?{then}"), format!("?head,{then}"), format!("?main,{then}Z"), format!("{then}+00:00")]
    {
        assert_eq!(root(&uri), first, "{uri}");
    }
    assert_eq!(root("?0s"), ana.root());
    assert_eq!(root("?head,faster"), second);
    assert_eq!(root("?main,\"faster skip\""), second);
    assert_eq!(root("?\"faster skip\""), second);
    assert_eq!(root(&format!("?{}", &third[..12])), root("?head,tried and left"));
    let several = ana.refused(&["get", "?head,skiplist"], 3);
    assert!(several["code"] == "E_AMBIGUOUS" && text(&several["message"]).contains(&third[..8]), "{several}");
    ana.refused(&["get", "?3d"], 3);
    ana.refused(&["get", "?head,no such words"], 3);
    ana.ok(&["get", &format!("?{then}")]);
    assert_eq!(ana.read("a.txt"), b"one\n");
    assert_eq!(ana.ok(&["undo"])["waypoint"], Value::Null);
    assert_eq!(ana.read("a.txt"), b"four\n");
}
