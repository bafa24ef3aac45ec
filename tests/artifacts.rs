//! Names of artifacts over real processes: versions, aliases, and those who add at once.

use std::fs;
use std::path::PathBuf;

use crate::harness::{Node, Stage};
use serde_json::Value;

/// A file beside the worktrees.
fn file(stage: &Stage, name: &str, bytes: &[u8]) -> PathBuf {
    let path = stage.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn add(stage: &Stage, node: &Node, bytes: &[u8]) -> Value {
    let path = file(stage, "given", bytes);
    node.ok(&["artifact", "add", path.to_str().unwrap(), "--name", "model"])
}

/// What a word means, as bytes.
fn bytes(stage: &Stage, node: &Node, word: &str) -> Vec<u8> {
    let out = stage.path().join(format!("{}.out", node.name));
    node.ok(&["artifact", "get", word, "-o", out.to_str().unwrap()]);
    fs::read(out).unwrap()
}

/// Numbers and hashes of the versions of a name.
fn versions(node: &Node, name: &str) -> Vec<(u64, String)> {
    let listed = node.ok(&["artifact", "ls", name]);
    let items = listed["artifacts"].as_array().unwrap().iter();
    items
        .map(|item| (item["version"].as_u64().unwrap(), item["artifact"].as_str().unwrap().to_owned()))
        .collect()
}

/// Two homes of one project; nobody serves.
fn two(stage: &Stage) -> (Node, Node) {
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n"), (".gitignore", b"*.out\n")]);
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    ana.stop();
    (ana, ben)
}

/// Brings two homes together.
fn meet(host: &mut Node, guest: &Node) {
    let address = host.serve();
    guest.ok(&["put", "--peer", &address]);
    host.stop();
}

#[test]
fn versions_that_two_add_at_once_are_both_kept_and_have_the_same_numbers() {
    let stage = Stage::new();
    let (mut ana, ben) = two(&stage);
    assert_eq!(add(&stage, &ana, b"first")["version"], 1);
    meet(&mut ana, &ben);
    let cited = add(&stage, &ben, b"second of ben");
    ana.ok(&["artifact", "alias", "model", "base"]);
    for (node, own) in [(&ana, b"second of ana"), (&ben, b"another of me")] {
        assert!(add(&stage, node, own)["version"].as_u64().unwrap() >= 2);
    }
    meet(&mut ana, &ben);
    let told = versions(&ana, "model");
    assert_eq!(told, versions(&ben, "model"));
    assert_eq!(told.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(bytes(&stage, &ana, "model@v1"), b"first");
    assert_eq!(bytes(&stage, &ben, "model@base"), b"first");
    // Two of them were added as the second: their hashes say who comes first.
    assert!(told[1].1 < told[2].1, "{told:?}");
    assert_eq!(bytes(&stage, &ben, "model@v4"), b"another of me");
    assert!(told.iter().any(|(_, artifact)| cited["artifact"] == *artifact), "what was cited is still there");
    assert_eq!(add(&stage, &ana, b"third")["version"], 5);
    ana.refused(&["artifact", "get", "model@v6", "-o", "x.out"], 3);
    ana.refused(&["artifact", "ls", "nobody"], 3);
    ana.refused(&["artifact", "alias", "model", "v9"], 2);
    // Old versions outlive forgetting and collecting.
    ana.ok(&["mark", "m", "-m", "m"]);
    ana.ok(&["fade", "--keep", "0s"]);
    ana.ok(&["artifact", "gc"]);
    assert_eq!(ana.ok(&["artifact", "verify", "model@v1"])["ok"], true);
    assert_eq!(ana.ok(&["artifact", "diff", "model@v1", "model@base"])["same"], true);
}

#[test]
fn aliases_that_two_set_at_once_mean_the_same_everywhere() {
    let stage = Stage::new();
    let (mut ana, ben) = two(&stage);
    [&b"one"[..], b"two"].iter().for_each(|bytes| drop(add(&stage, &ana, bytes)));
    meet(&mut ana, &ben);
    for (node, version) in [(&ana, "v1"), (&ben, "v2")] {
        node.ok(&["artifact", "alias", "model", "best", version]);
    }
    meet(&mut ana, &ben);
    let shown = |node: &Node| node.ok(&["artifact", "show", "model@best"])["artifact"].clone();
    assert_eq!(shown(&ana), shown(&ben));
    ana.ok(&["artifact", "alias", "model", "best", "v2"]);
    meet(&mut ana, &ben);
    assert_eq!(bytes(&stage, &ben, "model@best"), b"two");
}

#[test]
fn a_run_reads_a_version_and_what_it_read_is_found_again() {
    let stage = Stage::new();
    let node = stage.founder("ana", &[("a.txt", b"a\n")]);
    let first = add(&stage, &node, b"first\n");
    add(&stage, &node, b"second\n");
    let bring =
        ["run", "--artifact", "data/model.bin=model@v1", "--output", "out.txt", "--name", "use", "--"];
    node.ok(&[&bring[..], &["sh", "-c", "cat data/model.bin a.txt > out.txt"]].concat());
    assert_eq!(node.read("out.txt"), b"first\na\n");
    let record = node.ok(&["run", "show", "use"])["record"].clone();
    assert_eq!(record["inputs"][0]["artifact"], first["artifact"], "{record:#}");
    assert_eq!(record["outputs"].as_array().unwrap().len(), 1, "{record:#}");
    assert_eq!(node.ok(&["artifact", "show", "model@v1"])["read_by"].as_array().unwrap().len(), 1);
    let traced = node.ok(&["artifact", "lineage", "model@v1", "--down"]);
    assert!(traced.to_string().contains("out.txt"), "{traced}");
    // The file stays what it is; another version is not written over it.
    node.refused(&["run", "--artifact", "data/model.bin=model@v2", "--", "true"], 4);
    assert_eq!(node.read("data/model.bin"), b"first\n");
    let dir = stage.path().join("again");
    let reproduced = node.run(&["reproduce", "use", dir.to_str().unwrap(), "--verify"]);
    assert_eq!(reproduced.code, 0, "{reproduced:#?}");
}
