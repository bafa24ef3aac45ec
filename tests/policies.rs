//! Which bytes of large files come by themselves, between real nodes, and worktrees that leave them out.

use std::fs;

use serde_json::Value;

use crate::harness::{Chance, Node, Stage, wait_for_agreement, wait_until};

/// Bytes that nothing compresses.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    (0..bytes).map(|_| chance.next(256) as u8).collect()
}

/// A founder with large files on two branches and a mark, who serves. `main` shows `new.bin`, the mark `old.bin`, the branch
/// `side` beside both `side.bin`.
fn founder(stage: &Stage) -> Node {
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    ana.write("old.bin", noise(200_000, 1));
    ana.post("old");
    ana.ok(&["mark", "v1", "-m", "old", "--pin"]);
    ana.ok(&["come", "side"]);
    ana.write("side.bin", noise(210_000, 2));
    ana.post("side");
    ana.ok(&["get", "?main"]);
    fs::remove_file(ana.tree.join("old.bin")).unwrap();
    ana.write("new.bin", noise(220_000, 3));
    ana.post("new");
    ana.serve();
    ana
}

/// The names of those whose bytes are here, of all that the home knows.
fn held(node: &Node) -> Vec<String> {
    let told = node.ok(&["du"]);
    let items = told["artifacts"].as_array().unwrap().iter();
    let mut names: Vec<_> = items
        .filter(|item| item["held_bytes"] == item["bytes"])
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// What `status` names as not fetched.
fn absent(node: &Node) -> Vec<String> {
    let status = node.ok(&["status"]);
    assert_eq!(status["changed"].as_array().map(Vec::len), Some(0), "{status}");
    let none = Vec::new();
    let absent = status["absent"].as_array().unwrap_or(&none).iter();
    absent.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

/// What `status` names as changed, and how.
fn changed(node: &Node) -> Vec<(String, String)> {
    let status = node.ok(&["status"]);
    let word = |change: &Value, field: &str| change[field].as_str().unwrap().to_owned();
    let changes = status["changed"].as_array().unwrap().iter();
    changes.map(|change| (word(change, "kind"), word(change, "path"))).collect()
}

#[test]
fn lazy_is_the_default_and_brings_what_a_worktree_shows() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    assert_eq!(ben.ok(&["artifact", "policy"])["policy"], "lazy");
    assert_eq!(held(&ben), ["new.bin"]);
    ben.ok(&["put", "--known"]);
    ben.serve();
    ana.write("more.bin", noise(150_000, 4));
    ana.post("more");
    wait_for_agreement(&[&ana, &ben]);
    ben.stop();
    assert_eq!(held(&ben), ["new.bin"], "nobody asked for the others");
    // A version is shown without what nobody has, which is told and never a removal.
    ana.stop();
    let got = ben.ok(&["get", "?v1"]);
    assert_eq!((&got["absent"], absent(&ben)), (&1.into(), vec!["old.bin".to_owned()]), "{got}");
    assert!(ben.ok(&["post"])["waypoint"].is_null(), "absence is nothing to post");
    ben.refused(&["get", "old.bin"], 5);
    assert!(absent(&ben) == ["old.bin"] && !ben.tree.join("old.bin").exists());
    // Once somebody has it, the next `get` brings it.
    ana.serve();
    ben.ok(&["get", "?v1"]);
    assert!(ben.read("old.bin") == noise(200_000, 1) && absent(&ben).is_empty());
}

#[test]
fn eager_brings_what_branches_show_by_put_and_by_serve() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    assert_eq!(ben.ok(&["artifact", "policy", "eager"])["project"], "eager");
    let put = ben.ok(&["put", "--known"]);
    assert_eq!(put["supplied"]["artifacts"], 2, "{put}");
    assert_eq!(held(&ben), ["new.bin", "old.bin", "side.bin"], "the branch `side` shows `old.bin` too");
    // The policy of the home, and what comes while a node serves.
    let mut cid = stage.node("cid");
    cid.join(&ana, "write");
    cid.ok(&["artifact", "policy", "eager", "--all-projects"]);
    cid.serve();
    wait_until("what the branches show is here", || held(&cid).len() == 3);
    ana.write("more.bin", noise(150_000, 4));
    ana.post("more");
    wait_until("what is new is here", || held(&cid).len() == 4);
    assert!(cid.saw("fetched") && !cid.tree.join("more.bin").exists(), "the worktree stays where it is");
    // Without a provider the worktree has it.
    ana.stop();
    cid.ok(&["put"]);
    assert!(cid.read("more.bin") == noise(150_000, 4));
    assert_eq!(cid.ok(&["artifact", "policy", "default", "--all-projects"])["policy"], "lazy");
}

#[test]
fn eager_tells_what_did_not_come_and_tries_again() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let mut ben = stage.node("ben");
    ben.join(&ana, "read");
    ben.ok(&["artifact", "policy", "eager"]);
    // Ana knows of it, and does not have it.
    let mut dan = stage.node("dan");
    dan.join(&ana, "write");
    dan.write("far.bin", noise(120_000, 9));
    dan.post("far");
    let address = ana.address.clone().unwrap();
    dan.ok(&["put", "--peer", &address]);
    ben.serve();
    wait_until("that it did not come is told", || ben.saw("unfetched"));
    let told = ben.events().into_iter().filter(|event| event["event"] == "unfetched").collect::<Vec<_>>();
    assert_eq!((told.len(), &told[0]["code"]), (1, &"E_NOT_FOUND".into()), "{told:?}");
    let far = dan.serve();
    ben.ok(&["put", "--peer", &far]);
    wait_until("it is here", || held(&ben).contains(&"far.bin".to_owned()));
    [&mut ana, &mut dan].into_iter().for_each(Node::stop);
}

#[test]
fn pinned_brings_marks_and_pins_and_a_worktree_leaves_out_the_rest() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let mut ben = stage.node("ben");
    ben.ok(&["init", ".", "--project", "@ben/own"]);
    ben.ok(&["artifact", "policy", "pinned", "--all-projects"]);
    let tree = ben.tree.clone();
    ben.tree = stage.path().join("ben-demo");
    fs::create_dir(&ben.tree).unwrap();
    ben.join(&ana, "write");
    assert_eq!((held(&ben), absent(&ben)), (vec![], vec!["new.bin".to_owned()]));
    ben.ok(&["put", "--known"]);
    assert_eq!(held(&ben), ["old.bin"], "the mark shows it");
    // By hash: the name belongs to another branch.
    let side = ana.ok(&["show", "side.bin?side"]);
    let items = ana.ok(&["du"]);
    let item = items["artifacts"].as_array().unwrap().iter().find(|item| item["name"] == "side.bin");
    let hash = item.unwrap_or_else(|| panic!("{side}"))["artifact"].as_str().unwrap().to_owned();
    ben.ok(&["artifact", "pin", &hash]);
    let put = ben.ok(&["put", "--known"]);
    assert_eq!((&put["supplied"]["artifacts"], held(&ben).len()), (&1.into(), 2), "{put}");
    // What a mark shows is written; what nothing names stays out until somebody asks.
    ben.ok(&["get", "?v1"]);
    assert!(ben.read("old.bin") == noise(200_000, 1) && absent(&ben).is_empty());
    ben.ok(&["get", "?main"]);
    assert_eq!(absent(&ben), ["new.bin"]);
    ben.ok(&["get", "new.bin"]);
    assert!(ben.read("new.bin") == noise(220_000, 3) && absent(&ben).is_empty());
    ana.stop();
    ben.ok(&["artifact", "pin", &hash, "--remove"]);
    assert_eq!(ben.ok(&["artifact", "policy"])["pinned"], serde_json::json!([]));
    ben.tree = tree;
}

#[test]
fn a_pin_keeps_from_collection_what_has_faded() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    for (seed, message) in [(1, "one"), (2, "two")] {
        ana.write("model.bin", noise(200_000, seed));
        ana.post(message);
    }
    let listed = ana.ok(&["du"]);
    for item in listed["artifacts"].as_array().unwrap() {
        ana.ok(&["artifact", "pin", item["artifact"].as_str().unwrap()]);
    }
    ana.ok(&["mark", "v1", "-m", "an epoch"]);
    ana.ok(&["fade", "--keep", "0s", "--alone"]);
    assert_eq!(ana.ok(&["artifact", "gc"])["unneeded"], serde_json::json!([]));
    for item in listed["artifacts"].as_array().unwrap() {
        ana.ok(&["artifact", "pin", item["artifact"].as_str().unwrap(), "--remove"]);
    }
    let collected = ana.ok(&["artifact", "gc"]);
    assert_eq!(collected["unneeded"].as_array().map(Vec::len), Some(1), "{collected}");
}

#[test]
fn a_lazy_worktree_leaves_large_files_out_until_somebody_asks() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let ben = stage.node("ben");
    let (invite, peer) = (ana.invite("write"), ana.address.clone().unwrap());
    let joined = ben.ok(&["join", &invite, "--peer", &peer, "--lazy", "."]);
    assert_eq!((&joined["absent"], &joined["files"]), (&1.into(), &1.into()), "{joined}");
    assert_eq!((absent(&ben), held(&ben)), (vec!["new.bin".to_owned()], vec![]));
    // What is not there is posted as nothing, whatever else is.
    ben.write("b.txt", b"b\n");
    ben.post("beside it");
    assert_eq!(absent(&ben), ["new.bin"]);
    ben.ok(&["put", "--known"]);
    ana.ok(&["put"]);
    assert!(ana.read("new.bin") == noise(220_000, 3), "nobody took it away");
    // Asked for, it comes, and goes along with the versions from then on.
    ben.ok(&["get", "new.bin"]);
    assert!(ben.read("new.bin") == noise(220_000, 3) && absent(&ben).is_empty());
    ana.write("new.bin", noise(230_000, 5));
    ana.write("other.bin", noise(130_000, 6));
    ana.post("another version");
    ben.ok(&["put", "--known"]);
    assert!(ben.read("new.bin") == noise(230_000, 5), "what is there goes along");
    assert_eq!(absent(&ben), ["other.bin"]);
    // Between versions, and back.
    ben.ok(&["get", "?v1"]);
    assert_eq!((absent(&ben), ben.tree.join("new.bin").exists()), (vec!["old.bin".to_owned()], false));
    ben.ok(&["undo"]);
    assert!(ben.read("new.bin") == noise(230_000, 5), "what was asked for comes back");
    assert_eq!(absent(&ben), ["other.bin"]);
    // What was made here is one's own.
    ben.write("mine.bin", noise(140_000, 7));
    ben.post("mine");
    ben.ok(&["undo"]);
    assert!(!ben.tree.join("mine.bin").exists());
    ben.ok(&["redo"]);
    assert!(ben.read("mine.bin") == noise(140_000, 7));
    // A removal of what is there is one.
    fs::remove_file(ben.tree.join("mine.bin")).unwrap();
    assert_eq!(changed(&ben), [("removed".to_owned(), "mine.bin".to_owned())]);
    ben.post("without it");
    ben.ok(&["undo"]);
    assert!(ben.read("mine.bin") == noise(140_000, 7));
    // And so is one by name of what was left out.
    ben.ok(&["delete", "other.bin"]);
    assert!(absent(&ben).is_empty());
    ben.ok(&["undo"]);
    assert_eq!(absent(&ben), ["other.bin"]);
    // The whole of it, and lazy again: what is here stays.
    assert_eq!(ben.ok(&["get", "--whole"])["absent"], 0);
    assert!(ben.read("other.bin") == noise(130_000, 6));
    ben.ok(&["get", "--lazy"]);
    assert!(ben.ok(&["status"])["lazy"] == true && ben.tree.join("other.bin").exists());
    ana.ok(&["put"]);
    ana.write("third.bin", noise(110_000, 8));
    ana.post("third");
    ben.ok(&["put", "--known"]);
    assert_eq!(absent(&ben), ["third.bin"]);
    ana.stop();
    ben.refused(&["get", "third.bin"], 5);
    assert_eq!(absent(&ben), ["third.bin"]);
}

#[test]
fn a_file_that_somebody_makes_where_one_was_left_out_is_a_change_of_theirs() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let mut ben = stage.node("ben");
    let (invite, peer) = (ana.invite("write"), ana.address.clone().unwrap());
    ben.ok(&["join", &invite, "--peer", &peer, "--lazy", "."]);
    // Made and taken away again, it never was.
    ben.write("new.bin", b"small and mine\n");
    assert_eq!(changed(&ben), [("modified".to_owned(), "new.bin".to_owned())]);
    fs::remove_file(ben.tree.join("new.bin")).unwrap();
    assert_eq!(absent(&ben), ["new.bin"]);
    // In the way of another version it is kept first.
    ben.write("new.bin", b"small and mine\n");
    ben.ok(&["get", "?v1"]);
    ben.ok(&["undo"]);
    assert_eq!(ben.read("new.bin"), b"small and mine\n");
    ben.ok(&["post"]);
    assert!(absent(&ben).is_empty());
    // Posted, it is in the place of the other, and taking it away is a removal.
    fs::remove_file(ben.tree.join("new.bin")).unwrap();
    assert_eq!(changed(&ben), [("removed".to_owned(), "new.bin".to_owned())]);
    ben.post("gone");
    ben.ok(&["get", "?v1"]);
    ben.ok(&["get", "?main"]);
    assert!(changed(&ben).is_empty() && !ben.tree.join("new.bin").exists());
    [&mut ana, &mut ben].into_iter().for_each(Node::stop);
}

#[test]
fn a_version_whose_bytes_nobody_has_takes_the_old_ones_off_the_disk() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    // Dan's new version reaches Ben through Ana, who has not its bytes.
    let dan = stage.node("dan");
    dan.join(&ana, "write");
    dan.write("new.bin", noise(230_000, 9));
    dan.post("newer");
    let address = ana.address.clone().unwrap();
    dan.ok(&["put", "--peer", &address]);
    let put = ben.ok(&["put", "--known"]);
    assert_eq!((&put["absent"], absent(&ben)), (&1.into(), vec!["new.bin".to_owned()]), "{put}");
    ben.write("b.txt", b"b\n");
    ben.post("beside it");
    ben.ok(&["undo"]);
    let shown = ben.ok(&["diff", "?main"]);
    assert_eq!(
        shown["files"].as_array().map(Vec::len),
        Some(0),
        "the newer version was not taken back: {shown}"
    );
    ana.stop();
}

#[test]
fn what_is_going_to_be_fetched_is_told_first() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let ben = stage.node("ben");
    let (invite, peer) = (ana.invite("write"), ana.address.clone().unwrap());
    let join = ben.command_in_words().args(["join", &invite, "--peer", &peer, "."]).output().unwrap();
    let told = String::from_utf8(join.stderr).unwrap();
    assert!(told.contains("note: fetching 1 large file, 214.8 KiB; ") && told.contains("are free"), "{told}");
    let got = ben.ok(&["get", "?v1"]);
    assert_eq!((&got["fetch"]["files"], &got["fetch"]["bytes"]), (&1.into(), &200_000.into()), "{got}");
    assert!(got["fetch"]["room_bytes"].as_u64().unwrap() > 0, "{got}");
    assert!(ben.ok(&["get", "?main"])["fetch"].is_null(), "all of it is here");
    // By a running `serve` the same, to whoever asked; and of what shares chunks only the rest counts.
    let mut cid = stage.node("cid");
    cid.join(&ana, "write");
    let mut longer = noise(220_000, 3);
    longer.extend(noise(300_000, 9));
    ana.write("new.bin", &longer);
    ana.post("longer");
    cid.serve();
    wait_for_agreement(&[&ana, &cid]);
    let get = cid.command_in_words().arg("get").output().unwrap();
    let told = String::from_utf8(get.stderr).unwrap();
    assert!(get.status.success() && told.contains("note: fetching 1 large file, "), "{told}");
    assert!(cid.read("new.bin") == longer);
    [&mut ana, &mut cid].into_iter().for_each(Node::stop);
}

/// What the packs of a node come to.
fn pack_bytes(node: &Node) -> u64 {
    let packs = fs::read_dir(node.home.join("blobs/packs")).unwrap().map(|entry| entry.unwrap());
    packs
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum()
}

#[test]
fn a_quota_holds_to_the_byte_for_what_is_added_and_what_is_fetched() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let file = stage.path().join("made.bin");
    fs::write(&file, noise(1 << 20, 20)).unwrap();
    let add = ["artifact", "add", file.to_str().unwrap(), "--name", "noise"];
    ana.ok(&["artifact", "quota", "600k"]);
    let refused = ana.refused(&add, 4);
    let details = &refused["details"];
    assert_eq!((&refused["code"], &details["free_bytes"]), (&"E_QUOTA".into(), &(600 << 10).into()));
    assert!(details["needed_bytes"].as_u64().unwrap() > 1 << 20, "{refused}");
    assert_eq!(details["collectable_bytes"], 0, "{refused}");
    assert_eq!(pack_bytes(&ana), 0, "nothing of it was stored");
    ana.write("large.bin", noise(700_000, 21));
    ana.refused(&["post"], 4);
    fs::remove_file(ana.tree.join("large.bin")).unwrap();
    ana.ok(&["artifact", "quota", "off"]);
    ana.ok(&add);
    let whole = pack_bytes(&ana);
    assert_eq!(ana.ok(&["artifact", "quota"])["used_bytes"], whole);
    ana.serve();
    // One byte too few refuses before anything comes.
    let mut ben = stage.node("ben");
    ben.join(&ana, "read");
    ben.ok(&["artifact", "quota", &(whole - 1).to_string()]);
    assert_eq!(ben.ok(&["du"])["chunk_quota_bytes"], whole - 1);
    assert_eq!(ben.refused(&["artifact", "fetch", "noise"], 4)["code"], "E_QUOTA");
    assert!(pack_bytes(&ben) < 20_000, "only what it consists of");
    // By `serve` too: what comes by itself is told.
    ben.ok(&["artifact", "policy", "eager"]);
    ben.serve();
    wait_until("it is told", || ben.saw("unfetched"));
    let told = ben.events().into_iter().find(|event| event["event"] == "unfetched").unwrap();
    assert_eq!(told["code"], "E_QUOTA", "{told}");
    let put = ben.ok(&["put", "--known"]);
    assert_eq!(put["supplied"]["missing"][0]["code"], "E_QUOTA", "{put}");
    ben.ok(&["artifact", "policy", "lazy"]);
    ben.ok(&["artifact", "quota", &whole.to_string()]);
    ben.ok(&["artifact", "fetch", "noise"]);
    assert!(pack_bytes(&ben) <= whole);
    assert_eq!(ben.ok(&["artifact", "verify"])["ok"], true);
    [&mut ana, &mut ben].into_iter().for_each(Node::stop);
}

#[test]
fn a_quota_refuses_a_checkout_first_and_a_lazy_one_fits() {
    let stage = Stage::new();
    let mut ana = founder(&stage);
    let ben = stage.node("ben");
    ben.ok(&["init", "own", "--project", "@ben/own"]);
    let own = stage.path().join("ben/own");
    let quota =
        ben.command().args(["artifact", "quota", "100k"]).current_dir(&own).arg("-C").arg(&own).output();
    assert!(quota.unwrap().status.success());
    let (invite, peer) = (ana.invite("write"), ana.address.clone().unwrap());
    let refused = ben.refused(&["join", &invite, "--peer", &peer, "demo"], 4);
    assert_eq!(refused["code"], "E_QUOTA", "{refused}");
    assert!(!ben.tree.join("demo").exists(), "nothing was begun");
    let joined = ben.ok(&["join", &invite, "--peer", &peer, "--lazy", "demo"]);
    assert_eq!(joined["absent"], 1, "{joined}");
    ana.stop();
}

#[test]
fn of_two_transfers_that_pass_a_quota_together_one_ends_and_goes_on_later() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let contents = [noise(3 << 20, 30), noise(3 << 20, 31)];
    for (name, bytes) in ["one", "two"].into_iter().zip(&contents) {
        let file = stage.path().join(name);
        fs::write(&file, bytes).unwrap();
        ana.ok(&["artifact", "add", file.to_str().unwrap()]);
    }
    ana.serve_with(&["--upload-limit", "1M"]);
    let mut ben = stage.node("ben");
    ben.join(&ana, "read");
    let quota = 4 << 20;
    ben.ok(&["artifact", "quota", &quota.to_string()]);
    let hash = |name: &str| ana.ok(&["artifact", "show", name])["artifact"].as_str().unwrap().to_owned();
    let (one, two) = (hash("one"), hash("two"));
    // One by itself, the other because somebody asks; either would fit alone.
    ben.ok(&["artifact", "policy", "pinned"]);
    ben.ok(&["artifact", "pin", &one]);
    ben.serve();
    wait_until("the first one comes", || pack_bytes(&ben) > 200_000);
    let asked = ben.run(&["artifact", "fetch", &two]);
    wait_until("both have ended", || ben.saw("fetched") || ben.saw("unfetched"));
    assert!(pack_bytes(&ben) <= quota, "{}", pack_bytes(&ben));
    let told = ben.events();
    let by_itself =
        told.iter().find(|event| event["event"] == "unfetched").map(|event| event["code"].clone());
    let codes = [Some(asked.json["code"].clone()), by_itself];
    assert!(codes.contains(&Some("E_QUOTA".into())), "{asked:?} {told:?}");
    let held = pack_bytes(&ben);
    ben.ok(&["artifact", "quota", "off"]);
    for (artifact, bytes) in [&one, &two].into_iter().zip(&contents) {
        let out = stage.path().join("out");
        ben.ok(&["artifact", "get", artifact, "-o", out.to_str().unwrap()]);
        assert!(fs::read(&out).unwrap() == *bytes);
    }
    assert!(held > 3 << 20 && pack_bytes(&ben) < 13 << 19, "what came stayed, and came once");
    [&mut ana, &mut ben].into_iter().for_each(Node::stop);
}
