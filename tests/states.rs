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

#[test]
fn c31_marks_are_a_changelog_that_merges_and_are_shown_whole() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    ana.ok(&["identity", "name", "Ana"]);
    ana.ok(&["mark", "v1", "-m", "the first\n\n- begins", "--class", "release"]);
    ana.serve();
    let bob = stage.node("bob");
    bob.join(&ana, "write");
    bob.write("b.txt", "b\n");
    bob.post("b");
    bob.ok(&["mark", "v2-bob", "-m", "with b"]);
    ana.write("a.txt", "two\n");
    ana.post("two");
    ana.ok(&["mark", "v2-ana", "-m", "with two"]);
    ana.ok(&["mark", "old", "-m", "set late, on what came first", "?v1"]);
    bob.ok(&["put", "--peer", &ana.address.clone().unwrap()]);
    ana.ok(&["put"]);
    ana.ok(&["mark", "v3", "-m", "both"]);
    bob.ok(&["put", "--peer", &ana.address.clone().unwrap()]);
    let (one, two) = (ana.ok(&["log", "--changelog"]), bob.ok(&["log", "--changelog"]));
    assert_eq!(one, two);
    let names: Vec<&str> =
        one["changelog"].as_array().unwrap().iter().map(|mark| text(&mark["mark"])).collect();
    assert_eq!((names[0], &names[3..]), ("v3", &["old", "v1"][..]), "{names:?}");
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_cairn"))
        .arg("--home")
        .arg(&bob.home)
        .arg("-C")
        .arg(&bob.tree)
        .args(["log", "--changelog", "?v1"])
        .output()
        .unwrap();
    let page = String::from_utf8(out.stdout).unwrap();
    assert!(
        page.starts_with("# Changelog\n\n## old — 20") && page.ends_with("the first\n\n- begins\n"),
        "{page}"
    );
    let shown = bob.ok(&["show", "?v1"])["mark"].clone();
    assert_eq!((text(&shown["mark"]), text(&shown["class"])), ("v1", "release"));
    assert_eq!(shown["message"], "the first\n\n- begins");
    for field in ["frontier", "root", "date", "author", "waypoint"] {
        assert!(!shown[field].is_null(), "{shown}");
    }
    assert!(shown["hold"].is_null());
    ana.stop();
}

#[test]
fn b14_a_held_mark_is_kept_and_a_deleted_label_leaves_a_tombstone() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    ana.ok(&["mark", "audit", "-m", "as filed", "--class", "10 years", "--hold", "case 7"]);
    ana.serve();
    let peer = ana.address.clone().unwrap();
    let bob = stage.node("bob");
    bob.join(&ana, "write");
    assert_eq!(bob.ok(&["show", "?audit"])["mark"]["hold"], "case 7");
    let refused = bob.refused(&["mark", "--delete", "audit", "-m", "tidying"], 4);
    assert!(text(&refused["message"]).contains("case 7"), "{refused}");
    bob.refused(&["mark", "--release", "audit", "-m", "tidying"], 4);
    assert_eq!(ana.ok(&["mark", "--release", "audit", "-m", "closed"])["done"], "released");
    ana.refused(&["mark", "--release", "audit", "-m", "closed"], 4);
    bob.ok(&["put", "--peer", &peer]);
    assert!(bob.ok(&["show", "?audit"])["mark"]["hold"].is_null());
    bob.ok(&["mark", "--delete", "audit", "-m", "the ten years are over"]);
    bob.ok(&["come", "side"]);
    bob.ok(&["get", "?main"]);
    bob.ok(&["delete", "?side", "-m", "went nowhere"]);
    bob.refused(&["delete", "?main"], 4);
    bob.ok(&["put", "--peer", &peer]);
    for node in [&ana, &bob] {
        let gone = node.refused(&["get", "?audit"], 3);
        assert!(text(&gone["message"]).contains("the ten years are over"), "{gone}");
        assert_eq!(gone["code"], "E_DELETED");
        assert!(text(&node.refused(&["root", "?side"], 3)["message"]).contains("went nowhere"));
        let log = node.ok(&["log"]);
        let deleted = |one: &Value| one["deleted"][0]["name"] == "audit";
        assert!(log["waypoints"].as_array().unwrap().iter().any(deleted), "{log}");
        assert_eq!(node.ok(&["log", "--changelog"])["changelog"].as_array().map(Vec::len), Some(0));
    }
    ana.ok(&["mark", "audit", "-m", "anew"]);
    assert_eq!(ana.ok(&["show", "?audit"])["mark"]["message"], "anew");
    bob.ok(&["come", "side"]);
    assert_eq!(bob.ok(&["root", "?side"])["root"].as_str().unwrap(), bob.root());
    ana.stop();
}

#[test]
fn c14_waypoints_are_gathered_into_one_on_another_branch() {
    let stage = Stage::new();
    let base = "fn a() {\n    one();\n}\n\nfn b() {\n    two();\n}\n";
    let ana = stage.founder("ana", &[("m.rs", base.as_bytes())]);
    ana.ok(&["come", "fixes"]);
    ana.write("f.txt", "fixes\n");
    ana.post("on fixes");
    ana.ok(&["get", "?main"]);
    ana.edit("m.rs", "one()", "uno()");
    let one = ana.post("uno");
    ana.edit("m.rs", "two()", "due()");
    let two = ana.post("due");
    ana.edit("m.rs", "uno()", "eins()");
    ana.post("eins");
    let stand = ana.root();
    let to = ["post", "--from", &two[..10], &one[..10], "--to", "?fixes", "-m", "both"];
    let gathered = ana.ok(&to);
    assert_eq!((gathered["files"].as_u64(), ana.root()), (Some(1), stand));
    let only = ana.ok(&["post", "--from", &two[..10], "m.rs#fn(b)", "--to", "?fixes", "-m", "again"]);
    assert_eq!(only["waypoint"], Value::Null, "it is there already: {only}");
    ana.refused(&["post", "--from", &two[..10]], 2);
    ana.refused(&["post", "--from", &two[..10], "--to", "?nowhere", "-m", "x"], 3);
    ana.ok(&["get", "?fixes"]);
    let shown = String::from_utf8(ana.read("m.rs")).unwrap();
    assert_eq!(shown, base.replace("one", "uno").replace("two", "due"));
    assert_eq!(ana.ok(&["log", "-n", "1"])["waypoints"][0]["message"], "both");
    ana.edit("m.rs", "uno()", "un()");
    let third = ana.ok(&["log", "-n", "1", "?main"])["waypoints"][0]["waypoint"].clone();
    let misfit = ana.refused(&["post", "--from", text(&third), "-m", "does not fit"], 4);
    assert!(text(&misfit["message"]).contains("m.rs"), "{misfit}");
}
