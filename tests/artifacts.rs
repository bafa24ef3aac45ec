//! Names of artifacts over real processes: versions, aliases, streams, and those who add or append at once.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::harness::{Chance, Node, Stage, files_below, wait_until};
use serde_json::Value;

/// A file beside the worktrees.
fn file(stage: &Stage, name: &str, bytes: &[u8]) -> PathBuf {
    let path = stage.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Adds bytes; what was answered, and the number of the newest version then.
fn add(stage: &Stage, node: &Node, bytes: &[u8]) -> Value {
    let path = file(stage, "given", bytes);
    let mut added = node.ok(&["artifact", "add", path.to_str().unwrap(), "--name", "model"]);
    added["version"] = versions(node, "model").last().unwrap().0.into();
    added
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

/// Brings two homes together; the guest fetches all that the host has.
fn meet(host: &mut Node, guest: &Node) {
    let address = host.serve();
    guest.ok(&["put", "--peer", &address]);
    for (_, artifact) in versions(guest, "model") {
        guest.ok(&["artifact", "fetch", &artifact]);
    }
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

fn append(stage: &Stage, node: &Node, bytes: &[u8]) -> Value {
    let path = file(stage, "more", bytes);
    node.ok(&["artifact", "append", "model", path.to_str().unwrap()])
}

#[test]
fn what_is_appended_shares_what_was_there_and_what_was_cited_stays() {
    let stage = Stage::new();
    let node = stage.founder("ana", &[("a.txt", b"a\n"), (".gitignore", b"*.out\n")]);
    let mut chance = Chance(7);
    let long: Vec<u8> = (0..6 << 20).map(|_| chance.next(256) as u8).collect();
    assert_eq!(append(&stage, &node, &long)["version"], 2, "the first one is empty");
    let cited = node.ok(&["artifact", "show", "model@v2"])["artifact"].clone();
    let added = append(&stage, &node, b"a line\n");
    assert!(added["stored_bytes"].as_u64().unwrap() < 600 << 10, "{added}");
    let mut command = node.command();
    command
        .args(["artifact", "append", "model", "-", "--on", "v3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"another\n").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(bytes(&stage, &node, "model") == [&long[..], b"a line\nanother\n"].concat());
    assert!(bytes(&stage, &node, "model@v2") == long);
    assert_eq!(node.ok(&["artifact", "show", "model@v2"])["artifact"], cited);
    assert_eq!(node.ok(&["artifact", "verify", "model@v2"])["ok"], true);
    // What was appended in the meantime is not passed over.
    let path = file(&stage, "more", b"late\n");
    let refused = node.refused(&["artifact", "append", "model", path.to_str().unwrap(), "--on", "v3"], 4);
    assert!(refused["message"].as_str().unwrap().contains("that is v4"), "{refused}");
    // The same bytes at once are the same artifact.
    let whole = add(&stage, &node, &bytes(&stage, &node, "model"));
    assert_eq!((&whole["version"], &whole["stored_bytes"]), (&4.into(), &0.into()), "{whole}");
}

#[test]
fn what_two_append_at_once_is_put_together_by_the_next() {
    let stage = Stage::new();
    let (mut ana, ben) = two(&stage);
    append(&stage, &ana, b"begin\n");
    meet(&mut ana, &ben);
    append(&stage, &ana, b"ana 1\n");
    append(&stage, &ana, b"ana 2\n");
    append(&stage, &ben, b"ben 1\n");
    meet(&mut ana, &ben);
    assert_eq!(versions(&ana, "model"), versions(&ben, "model"));
    assert_eq!(bytes(&stage, &ana, "model"), b"begin\nana 1\nana 2\n", "the longer one is the newer one");
    let path = file(&stage, "more", b"late\n");
    let refused = ben.refused(&["artifact", "append", "model", path.to_str().unwrap(), "--on", "latest"], 4);
    assert!(refused["message"].as_str().unwrap().contains("at the same time"), "{refused}");
    append(&stage, &ben, b"ben 2\n");
    assert_eq!(bytes(&stage, &ben, "model"), b"begin\nana 1\nana 2\nben 1\nben 2\n");
    append(&stage, &ben, b"ben 3\n");
    assert_eq!(bytes(&stage, &ben, "model"), b"begin\nana 1\nana 2\nben 1\nben 2\nben 3\n");
    meet(&mut ana, &ben);
    assert_eq!(versions(&ana, "model"), versions(&ben, "model"));
}

/// Follows a name from another home, with and without a `serve` there, while lines are appended.
#[test]
fn a_name_is_followed_over_the_network() {
    for serves in [false, true] {
        let stage = Stage::new();
        let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
        append(&stage, &ana, b"line 0\n");
        ana.serve();
        let mut ben = stage.node("ben");
        ben.join(&ana, "read");
        if serves {
            ben.serve();
        }
        let out = stage.path().join("followed");
        let mut command = ben.command();
        command.args(["artifact", "get", "model", "--follow", "-o", out.to_str().unwrap()]);
        let log = fs::File::create(stage.path().join("follow.log")).unwrap();
        let child =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut child = Ended(child);
        let mut wanted = "line 0\n".to_owned();
        for line in 1..4 {
            wait_until(&format!("{wanted:?} is there, serve: {serves}"), || {
                fs::read_to_string(&out).is_ok_and(|now| now == wanted)
            });
            append(&stage, &ana, format!("line {line}\n").as_bytes());
            wanted += &format!("line {line}\n");
        }
        wait_until("the last line is there", || fs::read_to_string(&out).is_ok_and(|now| now == wanted));
        assert!(child.0.try_wait().unwrap().is_none(), "it goes on until it is interrupted");
        drop(child);
        let told = fs::read_to_string(stage.path().join("follow.log")).unwrap();
        let parts: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(
            parts.iter().map(|part| part["from"].as_u64().unwrap()).collect::<Vec<_>>(),
            [0, 7, 14, 21]
        );
        assert!(
            files_below(&ben.tree.join(".cairn"))
                .iter()
                .all(|file| !file.to_string_lossy().contains("follow-"))
        );
    }
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
