//! Processes that are killed, and what must be there afterwards.

use crate::harness::{Chance, Node, Stage};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// Posts until the process is killed at a random moment; whatever was acknowledged before is there.
#[test]
fn e2_kill_nine_every_acknowledged_post_is_there() {
    let stage = Stage::new();
    let node = stage.founder("ana", &[("a.txt", b"0\n")]);
    let mut chance = Chance(0x5eed_cafe);
    let mut acknowledged = BTreeSet::new();
    let mut killed = 0;
    for round in 0..40 {
        node.write("a.txt", format!("{round}\n"));
        node.write(&format!("f{}.rs", round % 7), format!("pub fn f() -> u32 {{\n    {round}\n}}\n"));
        let mut child = node
            .command()
            .args(["post", "-m", "again"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Some rounds run to their end, the others are cut at any point of their life.
        if round % 4 != 0 {
            thread::sleep(Duration::from_micros(chance.next(60_000)));
            let _ = child.kill();
        }
        let mut told = String::new();
        child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        if let Ok(answer) = serde_json::from_str::<serde_json::Value>(told.trim()) {
            acknowledged.extend(answer["waypoint"].as_str().map(str::to_owned));
        }
    }
    assert!(killed > 0, "nothing was killed: the test tested nothing");
    assert!(acknowledged.len() >= 5, "{acknowledged:?}");
    assert_all_there(&node, &acknowledged);
}

/// The same with a `serve` that is killed while clients post through it.
#[test]
fn e2_kill_nine_of_the_owner_every_acknowledged_post_is_there() {
    let stage = Stage::new();
    let mut node = stage.founder("ana", &[("a.txt", b"0\n")]);
    let mut chance = Chance(0xfeed);
    let mut acknowledged = BTreeSet::new();
    for round in 0..6 {
        node.serve();
        let pid = node.pid().to_string();
        let pause = Duration::from_millis(100 + chance.next(400));
        let killer = thread::spawn(move || {
            thread::sleep(pause);
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap()
        });
        for step in 0..100 {
            node.write("a.txt", format!("{round} {step}\n"));
            let out = node.run(&["post", "-m", "through the owner"]);
            acknowledged.extend(out.json["waypoint"].as_str().map(str::to_owned));
            if out.code != 0 || !node.is_serving() {
                break;
            }
        }
        assert!(killer.join().unwrap().success());
        node.kill();
    }
    assert_all_there(&node, &acknowledged);
}

fn assert_all_there(node: &Node, acknowledged: &BTreeSet<String>) {
    let report = node.ok(&["verify", "--deep"]);
    assert_eq!(report["ok"], true, "{report}");
    let log = node.ok(&["log", "?main"]);
    let there: BTreeSet<String> = log["waypoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| told["waypoint"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "acknowledged, then lost: {lost:?}");
    // And the worktree is not confused: what is on disk can be posted, and is then what the branch shows.
    node.write("last.txt", "the last word\n");
    node.post("after the crashes");
    assert_eq!(node.ok(&["status"])["changed"].as_array().map(Vec::len), Some(0));
    // A post that was cut off after it was durable is a tip beside ours until it is merged.
    node.ok(&["put"]);
    assert_eq!(node.root(), node.branch().0);
}

/// A checkout that is killed is finished by the next one.
#[test]
fn a_killed_checkout_is_finished_by_the_next() {
    let stage = Stage::new();
    let node = stage.node("ana");
    node.ok(&["init", ".", "--project", "@me/demo"]);
    for number in 0..200 {
        node.write(&format!("d{}/f{number}.txt", number % 9), format!("first {number}\n").repeat(40));
    }
    let first = node.post("first");
    for number in 0..200 {
        node.write(&format!("d{}/f{number}.txt", number % 9), format!("second {number}\n").repeat(40));
    }
    let second = node.post("second");
    let mut chance = Chance(99);
    for round in 0..8 {
        let goal = if round % 2 == 0 { &first } else { &second };
        let mut child =
            node.command().args(["get", &format!("?{goal}")]).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(chance.next(50_000)));
        let _ = child.kill();
        child.wait().unwrap();
    }
    node.ok(&["get", &format!("?{first}")]);
    for number in 0..200 {
        let text = fs::read_to_string(node.tree.join(format!("d{}/f{number}.txt", number % 9))).unwrap();
        assert_eq!(text, format!("first {number}\n").repeat(40));
    }
}
