//! Nothing enters from a key without a grant, and nothing is served to one without a read grant.

use crate::harness::{Node, Stage, copy, wait_for_agreement, wait_until};
use std::fs;
use std::thread;
use std::time::Duration;

#[test]
fn a1_a_stranger_sees_nothing_of_a_private_repo_not_even_that_it_is_there() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("secret.txt", b"secret\n")]);
    let address = ana.serve();
    let repo = ana.ok(&["status"])["repo"].as_str().unwrap().to_owned();
    let stranger = stage.node("stranger");
    let absent = format!("cairn://{}/@me/demo", "0".repeat(64));
    let there = format!("cairn://{repo}/@me/demo");
    let (one, two) = (stage.path().join("one"), stage.path().join("two"));
    let clone = |link: &str, dir: &std::path::Path| {
        stranger.run(&["clone", link, "--peer", &address, dir.to_str().unwrap()])
    };
    let (private, nothing) = (clone(&there, &one), clone(&absent, &two));
    assert_ne!(private.code, 0, "{private:#?}");
    assert_eq!(
        (private.code, &private.json["code"]),
        (nothing.code, &nothing.json["code"]),
        "{private:#?} {nothing:#?}"
    );
    assert!(!one.join("secret.txt").exists());
    for file in crate::harness::files_below(&stranger.home) {
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"secret"), "{}", file.display());
    }
}

#[test]
fn a_public_repo_is_cloned_by_anyone_and_written_by_nobody_else() {
    let stage = Stage::new();
    let mut ana = stage.node("ana");
    ana.ok(&["init", ".", "--project", "@me/open", "--public"]);
    ana.write("open.txt", "open\n");
    ana.post("first");
    let address = ana.serve();
    let repo = ana.ok(&["status"])["repo"].as_str().unwrap().to_owned();
    let guest = stage.node("guest");
    guest.ok(&["clone", &format!("cairn://{repo}/@me/open"), "--peer", &address, "."]);
    assert_eq!(guest.read("open.txt"), b"open\n");
    let before = ana.branch();
    guest.write("open.txt", "mine now\n");
    let out = guest.run(&["post", "-m", "uninvited"]);
    assert!(matches!(out.code, 0 | 4), "{out:#?}");
    let _ = guest.run(&["put", "--peer", &address]);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(ana.branch(), before, "a key without a grant moved a branch");
}

#[test]
fn a1_a_reader_reads_and_writes_nothing() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let address = ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "read");
    assert_eq!(ana.root(), ben.root());
    let before = ana.branch();
    ben.write("a.txt", "b\n");
    let out = ben.run(&["post", "-m", "not allowed"]);
    assert_eq!(out.code, 4, "{out:#?}");
    let _ = ben.run(&["put", "--peer", &address]);
    assert_eq!(ana.branch(), before, "a reader moved a branch");
}

/// Which of two guests counts is decided by their grants, not by who came first: a rule that every
/// node can follow, whatever it heard when. Never do both.
#[test]
fn an_invitation_for_one_lets_one_in() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let address = ana.serve();
    let invite = ana.invite("write");
    let guests = [stage.node("ben"), stage.node("cleo")];
    for guest in &guests {
        let _ = guest.run(&["join", &invite, "--peer", &address, "."]);
    }
    for guest in &guests {
        guest.write(&format!("{}.txt", guest.name), "mine\n");
        let _ = guest.run(&["post", "-m", "from a guest"]);
        let _ = guest.run(&["put", "--peer", &address]);
    }
    let shown = |guest: &&Node| ana.run(&["show", &format!("{}.txt?main", guest.name)]).code == 0;
    let inside: Vec<_> = guests.iter().filter(shown).map(|guest| &guest.name).collect();
    assert_eq!(inside.len(), 1, "a link for one let in {inside:?}");
}

/// Ana, whose home is an older copy of itself, and Ben, who serves and has what she posted since.
fn put_back(stage: &Stage) -> (Node, Node, String) {
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.serve();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    let address = ben.serve();
    ana.stop();
    let old = stage.path().join("old.home");
    copy(&ana.home, &old);
    ana.write("a.txt", "2\n");
    ana.post("second");
    ana.ok(&["put", "--peer", &address]);
    wait_for_agreement(&[&ana, &ben]);
    fs::remove_dir_all(&ana.home).unwrap();
    copy(&old, &ana.home);
    (ana, ben, address)
}

/// Ana's home is put back to an older copy of itself: the old top must not become the new head anywhere.
#[test]
fn a2_an_old_tower_replayed_moves_nothing_back() {
    let stage = Stage::new();
    let (mut ana, mut ben, address) = put_back(&stage);
    let high = ben.branch();
    assert_eq!(found(&ana), ["E_COPIED", "E_PUT_BACK"], "the worktree knows more than the store");
    ana.write("a.txt", "not yet\n");
    assert_ne!(ana.run(&["post", "-m", "before it has synced"]).code, 0);
    ana.serve_with(&["--peer", &address]);
    wait_for_agreement(&[&ana, &ben]);
    assert_eq!(found(&ana), [""; 0]);
    assert_eq!(ben.branch(), high, "an old top moved ben back");
    assert!(ben.is_serving());
}

/// The copy of Ana's machine, and Ben, who serves and has what she posted since on hers.
fn cloned(stage: &Stage) -> (Node, Node, String) {
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.serve();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    let address = ben.serve();
    ana.stop();
    let (home, tree) = (stage.path().join("copy.home"), stage.path().join("copy.tree"));
    copy(&ana.home, &home);
    copy(&ana.tree, &tree);
    let copied = Node::new("copy", home, tree);
    copied.write("a.txt", "before it has asked anybody\n");
    let refused = copied.run(&["post", "-m", "before it has asked anybody"]);
    assert_eq!((refused.code, &refused.json["code"]), (4, &"E_ROLLBACK".into()), "{refused:#?}");
    assert!(found(&copied).contains(&"E_COPIED".to_owned()));
    copied.write("a.txt", "1\n");
    copied.ok(&["put", "--peer", &address]);
    assert_eq!(found(&copied), [""; 0]);
    ana.write("a.txt", "2\n");
    ana.post("second");
    ana.ok(&["put", "--peer", &address]);
    wait_for_agreement(&[&ana, &ben]);
    (copied, ben, address)
}

/// A key that is used in two places signs two histories. Both are kept everywhere, everybody is told once, what
/// nobody else has built on waits, and all who did not copy their key go on.
#[test]
fn a4_a_cloned_key_is_told_of_and_takes_nothing_away() {
    let stage = Stage::new();
    let (ana, mut ben, address) = cloned(&stage);
    ben.ok(&["get"]);
    ben.write("b.txt", "b\n");
    ben.post("on top of the first second");
    let high = ben.branch();
    ana.write("a.txt", "other\n");
    let other = ana.post("another second");
    ana.ok(&["put", "--peer", &address]);
    wait_until("ben is told", || ben.saw("forked"));
    let forked = |node: &Node| node.events().iter().filter(|event| event["event"] == "forked").count();
    assert_eq!(forked(&ben), 1, "{:#?}", ben.events());
    assert_eq!(ben.branch(), high, "what ben built on stays, what only the copy wrote waits");
    assert_eq!(ben.ok(&["show", &other])["waypoint"]["waypoint"], other, "what waits is there");
    ana.write("a.txt", "a third\n");
    let refused = ana.run(&["post", "-m", "by a key that is used twice"]);
    assert_eq!((refused.code, &refused.json["code"]), (4, &"E_FORKED".into()), "{refused:#?}");
    ben.stop();
    ben.serve();
    ben.write("b.txt", "b again\n");
    ben.post("ben goes on");
    assert_eq!(forked(&ben), 1, "told again after a start");
    assert_eq!(ben.ok(&["verify", "--deep"])["ok"], true);
}

/// The codes of what `doctor` finds.
fn found(node: &Node) -> Vec<String> {
    let told = node.run(&["doctor"]);
    let problems = told.json["problems"].as_array().unwrap_or_else(|| panic!("{told:#?}")).clone();
    assert_eq!(told.code, if problems.is_empty() { 0 } else { 6 }, "{told:#?}");
    assert!(problems.iter().all(|problem| !problem["next"].as_str().unwrap().is_empty()), "{told:#?}");
    problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}

/// The second machine gets a key of its own, and what it wrote while it had the other's counts.
#[test]
fn a5_a_cloned_machine_goes_on_with_a_key_of_its_own() {
    let stage = Stage::new();
    let (ana, mut ben, address) = cloned(&stage);
    assert_eq!(found(&ben), [""; 0]);
    ana.write("c.txt", "by the copy\n");
    let other = ana.post("by the copy");
    ana.ok(&["put", "--peer", &address]);
    wait_until("ben is told", || ben.saw("forked"));
    assert!(found(&ana).contains(&"E_FORKED".to_owned()), "{:?}", found(&ana));
    assert!(
        ["E_FORKED", "E_HELD"].iter().all(|code| found(&ben).contains(&(*code).to_owned())),
        "{:?}",
        found(&ben)
    );
    assert_eq!(ben.run(&["show", "c.txt?main"]).code, 3, "nobody built on it yet");
    let old = ana.ok(&["identity"])["key"].clone();
    let forked = ana.ok(&["identity", "fork"]);
    assert_ne!(forked["key"], old);
    assert_eq!(forked["repos"][0]["granted"], true, "{forked:#}");
    assert_eq!(forked["repos"][0]["kept"], serde_json::json!([other]), "{forked:#}");
    ana.write("d.txt", "by the new key\n");
    ana.post("by the new key");
    ana.ok(&["put", "--peer", &address]);
    wait_for_agreement(&[&ana, &ben]);
    for file in ["c.txt?main", "d.txt?main"] {
        assert_eq!(ben.run(&["show", file]).code, 0, "{file}");
    }
    assert!(ben.is_serving());
}

/// A device that is new has seen nothing by which it could tell an old state from the newest: it asks all it can.
#[test]
fn a5_a_fresh_clone_says_how_many_peers_agree() {
    let stage = Stage::new();
    let mut ana = stage.node("ana");
    ana.ok(&["init", ".", "--project", "@me/open", "--public"]);
    ana.write("a.txt", "a\n");
    ana.post("first");
    let address = ana.serve();
    let repo = ana.ok(&["status"])["repo"].as_str().unwrap().to_owned();
    let link = format!("cairn://{repo}/@me/open");
    let mut ben = stage.node("ben");
    let alone = ben.ok(&["clone", &link, "--peer", &address, "."]);
    assert_eq!(alone["agreed"], 1, "{alone:#}");
    let other = ben.serve();
    let cleo = stage.node("cleo");
    let both = cleo.ok(&["clone", &link, "--peer", &other, "--peer", &address, "."]);
    assert_eq!(both["agreed"], 2, "{both:#}");
    assert_eq!(cleo.root(), ana.root());
}
