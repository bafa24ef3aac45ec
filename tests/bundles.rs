//! Work that travels in files, and old states that come back: from an archive, or from a peer that still has them.

use crate::harness::{Chance, Node, PATIENCE, Stage, assert_same_trees, files_below};
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

fn code(a: u32, b: u32) -> String {
    format!("fn one() -> u32 {{\n    {a}\n}}\n\nfn two() -> u32 {{\n    {b}\n}}\n")
}

/// Writes a bundle of a node's worktree; the file, and what was said of it.
fn bundled(stage: &Stage, node: &Node, name: &str, words: &[&str]) -> (String, Value) {
    let file = stage.path().join(name).to_str().unwrap().to_owned();
    let told = node.ok(&[&["bundle"], words, &[file.as_str()]].concat());
    assert_eq!(told["bytes"], fs::metadata(&file).unwrap().len(), "{told}");
    assert!(!stage.path().join(format!(".{name}.new")).exists());
    (file, told)
}

/// A text that travels in waypoints, as bytes of artifacts do not, and that no compressor makes much shorter.
fn noise(chance: &mut Chance) -> String {
    let mut line = || (0..60).map(|_| char::from(b'0' + chance.next(64) as u8)).collect::<String>() + "\n";
    (0..40_000).map(|_| line()).collect()
}

fn carry(stage: &Stage, from: &Node, to: &Node) -> Value {
    let (file, _) = bundled(stage, from, &format!("{}-{}.bundle", from.name, to.name), &[]);
    to.ok(&["unbundle", &file])
}

/// What `unbundle` says of a file that is not as it should be.
fn problem(node: &Node, file: &str) -> Value {
    let out = node.run(&["unbundle", file]);
    assert_eq!(out.code, 6, "{out:#?}");
    assert_eq!(out.json["problems"].as_array().map(Vec::len), Some(1), "{out:#?}");
    out.json
}

#[test]
fn two_homes_without_a_network_come_to_the_same_root() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.rs", code(1, 1).as_bytes())]);
    let ben = stage.node("ben");
    let invite = ana.invite("write");
    assert_eq!(carry(&stage, &ana, &ben)["waypoints"], 1);
    ben.ok(&["join", &invite, "."]);
    assert_same_trees(&ana.tree, &ben.tree);
    for round in 2..4 {
        ana.write("a.rs", code(round * 10, round));
        ana.post("from ana");
        ben.edit(
            "a.rs",
            &format!("    {}\n}}\n\nfn two", if round == 2 { 1 } else { 20 }),
            &format!("    {}\n}}\n\nfn two", round * 10),
        );
        ben.write(&format!("{round}.txt"), "from ben\n");
        ben.post("from ben");
        assert_eq!(carry(&stage, &ana, &ben)["waypoints"], 1, "only what is new");
        assert!(carry(&stage, &ben, &ana)["waypoints"].as_u64().is_some_and(|new| new >= 1));
        let _ = [&ana, &ben].map(|node| node.ok(&["put"]));
        // A merge may need a word of its own; it travels like everything else.
        carry(&stage, &ana, &ben);
        carry(&stage, &ben, &ana);
        let _ = [&ana, &ben].map(|node| node.ok(&["put"]));
        assert_eq!(ana.branch(), ben.branch());
        assert_eq!(ana.root(), ben.root());
        assert_same_trees(&ana.tree, &ben.tree);
    }
    let again = carry(&stage, &ben, &ana);
    assert_eq!((&again["waypoints"], &again["feeds"]), (&Value::from(0), &Value::from(0)), "{again}");
    let _ = [&ana, &ben].map(|node| assert_eq!(node.ok(&["verify", "--deep"])["ok"], true));
}

#[test]
fn since_leaves_out_what_is_known_and_is_refused_where_it_is_not() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    let (ben, cleo) = (stage.node("ben"), stage.node("cleo"));
    let (whole, _) = bundled(&stage, &ana, "whole.bundle", &[]);
    let made = ben.ok(&["unbundle", &whole, "."]);
    assert_eq!(made["worktree"]["root"], ana.root(), "{made}");
    assert_same_trees(&ana.tree, &ben.tree);
    let known = ana.branch().1[0].as_str().unwrap().to_owned();
    ana.write("a.txt", "one\ntwo\n");
    ana.post("second");
    let (more, told) = bundled(&stage, &ana, "more.bundle", &["--since", &format!("?{known}")]);
    assert_eq!((&told["waypoints"], &told["since"][0]), (&Value::from(1), &Value::from(known)), "{told}");
    let refused = cleo.refused(&["unbundle", &more, "."], 4);
    assert_eq!(refused["code"], "E_LACKS");
    let feed = ana.ok(&["log"])["waypoints"][0]["feed"].as_str().unwrap().to_owned();
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains(&feed[..8]) && message.contains("first 1 waypoint(s)"), "{message}");
    assert!(cleo.stones().is_empty() && !cleo.tree.join("a.txt").exists(), "nothing was taken in");
    assert_eq!(ben.ok(&["unbundle", &more])["waypoints"], 1);
    ben.ok(&["put"]);
    assert_same_trees(&ana.tree, &ben.tree);
    cleo.ok(&["unbundle", &whole, "."]);
    assert_eq!(cleo.ok(&["unbundle", &more])["waypoints"], 1);
    assert_eq!(cleo.branch(), ana.branch());
}

#[test]
fn a_bundle_of_another_repo_does_not_slip_into_a_worktree() {
    let stage = Stage::new();
    let (ana, ben) = (stage.founder("ana", &[("a.txt", b"a\n")]), stage.founder("ben", &[("b.txt", b"b\n")]));
    let (file, told) = bundled(&stage, &ben, "ben.bundle", &[]);
    let before = ana.branch();
    let refused = ana.refused(&["unbundle", &file], 4);
    assert_eq!(refused["code"], "E_FOREIGN");
    assert!(refused["message"].as_str().unwrap().contains(told["repo"].as_str().unwrap()), "{refused}");
    assert_eq!(ana.branch(), before);
    let elsewhere = stage.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    ana.ok(&["unbundle", &file, elsewhere.to_str().unwrap()]);
    assert_same_trees(&elsewhere, &ben.tree);
    ana.refused(&["unbundle", ana.tree.join("a.txt").to_str().unwrap()], 6);
    ana.refused(&["unbundle", "no-such-file"], 3);
}

#[test]
fn a_cut_or_changed_bundle_leaves_what_was_verified_and_the_whole_one_goes_on() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    let mut chance = Chance(3);
    for n in 0..3 {
        ana.write("noise.txt", noise(&mut chance));
        ana.post(&format!("noise {n}"));
    }
    let (file, told) = bundled(&stage, &ana, "whole.bundle", &[]);
    let total = told["waypoints"].as_u64().unwrap();
    let bytes = fs::read(&file).unwrap();
    let ben = stage.node("ben");
    let broken = stage.path().join("broken.bundle").to_str().unwrap().to_owned();
    let (mut taken, mut kept) = (0, 0);
    for len in [50, bytes.len() * 2 / 5, bytes.len() * 4 / 5, bytes.len() - 1] {
        fs::write(&broken, &bytes[..len]).unwrap();
        let told = problem(&ben, &broken);
        assert_eq!(told["problems"][0]["code"], "E_CUT", "{told}");
        taken += told["waypoints"].as_u64().unwrap();
        if len > 50 {
            assert!(taken > kept, "{len}: {told}");
            kept = taken;
        }
        let missing: u64 = told["missing"]
            .as_array()
            .unwrap()
            .iter()
            .map(|gap| gap["to"].as_u64().unwrap() - gap["from"].as_u64().unwrap() + 1)
            .sum();
        assert!(len == 50 || missing == total - taken, "{len}: {told}");
    }
    let cleo = stage.node("cleo");
    for at in [44, bytes.len() / 2, bytes.len() - 40] {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        fs::write(&broken, &changed).unwrap();
        let told = problem(&cleo, &broken);
        assert_eq!(told["problems"][0]["code"], "E_DAMAGED", "{at}: {told}");
        assert!(at == 44 || cleo.ok(&["unbundle", &file])["problems"] == Value::Array(Vec::new()));
    }
    let whole = ben.ok(&["unbundle", &file, "."]);
    assert_eq!(whole["waypoints"].as_u64(), Some(total - taken), "{whole}");
    assert_eq!(whole["missing"], Value::Array(Vec::new()));
    assert_same_trees(&ana.tree, &ben.tree);
    let _ = [&ben, &cleo].map(|node| assert_eq!(node.ok(&["verify", "--deep"])["ok"], true));
}

#[test]
fn an_unbundle_that_was_killed_goes_on_where_it_stopped() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    let mut chance = Chance(5);
    for n in 0..24 {
        ana.write(&format!("noise-{n}.txt"), noise(&mut chance));
        ana.post("noise");
    }
    let (file, told) = bundled(&stage, &ana, "large.bundle", &[]);
    let ben = stage.node("ben");
    let mut child =
        ben.command().args(["unbundle", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let patience = Instant::now() + PATIENCE;
    let held = || {
        files_below(&ben.home)
            .iter()
            .map(|path: &PathBuf| fs::metadata(path).map_or(0, |facts| facts.len()))
            .sum::<u64>()
    };
    while held() < 15_000_000 {
        assert!(
            Instant::now() < patience && child.try_wait().unwrap().is_none(),
            "it ended before it was killed"
        );
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let rest = ben.ok(&["unbundle", &file, "."]);
    let (new, total) = (rest["waypoints"].as_u64().unwrap(), told["waypoints"].as_u64().unwrap());
    assert!(new > 0 && new < total, "{new} of {total} were left");
    assert_same_trees(&ana.tree, &ben.tree);
    assert_eq!(ben.ok(&["verify", "--deep"])["ok"], true);
}

/// A node with an old state below an epoch; its hash, and what it showed.
fn with_an_old_state(ana: &Node) -> (String, Vec<u8>) {
    ana.ok(&["mark", "v0", "-m", "the beginning"]);
    ana.ok(&["mark", "--delete", "v0", "-m", "only its epoch is wanted"]);
    let mut old = (String::new(), Vec::new());
    for n in 1..6 {
        ana.write("a.rs", code(n, n));
        if n == 5 {
            // No later version names these bytes, and they lie below the epoch of the old state: they fade too.
            fs::remove_file(ana.tree.join("still.txt")).unwrap();
        }
        let waypoint = ana.post(&format!("state {n}"));
        if n == 3 {
            old = (waypoint, ana.read("a.rs"));
        }
    }
    ana.ok(&["mark", "v1", "-m", "the first"]);
    ana.write("a.rs", code(100, 100));
    ana.post("after the mark");
    old
}

#[test]
fn an_archive_brings_back_what_has_faded_until_the_next_fade() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.rs", code(0, 0).as_bytes()), ("still.txt", b"never edited\n")]);
    let (old, shown) = with_an_old_state(&ana);
    let (plain, _) = bundled(&stage, &ana, "plain.bundle", &[]);
    let (archive, told) = bundled(&stage, &ana, "old.archive", &["--archive"]);
    assert_eq!(told["archive"], true);
    let fade = || ana.ok(&["fade", "--keep", "0s"])["waypoints"].as_u64().unwrap();
    let faded = fade();
    assert!(faded >= 5, "{faded}");
    let gone = ana.refused(&["get", &format!("?{old}")], 3);
    assert_eq!(gone["code"], "E_FADED");
    assert_eq!(ana.ok(&["unbundle", &plain])["recalled"], 0, "a bundle is no archive");
    let back = ana.ok(&["unbundle", &archive]);
    assert_eq!((back["recalled"].as_u64(), back["waypoints"].as_u64()), (Some(faded), Some(0)), "{back}");
    assert_eq!(ana.ok(&["unbundle", &archive])["recalled"], 0, "twice is nothing new");
    ana.ok(&["get", &format!("?{old}")]);
    assert_eq!((ana.read("a.rs"), ana.read("still.txt")), (shown, b"never edited\n".to_vec()));
    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
    ana.ok(&["get", "?main"]);
    assert_eq!(fade(), faded, "the next fade takes it again");
    assert_eq!(ana.refused(&["get", &format!("?{old}")], 3)["code"], "E_FADED");
}

#[test]
fn a_faded_state_is_fetched_from_a_peer_that_has_it_and_else_says_who_had_it() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.rs", code(0, 0).as_bytes()), ("still.txt", b"never edited\n")]);
    let (old, shown) = with_an_old_state(&ana);
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    let fade = |node: &Node| node.ok(&["fade", "--keep", "0s"])["waypoints"].as_u64().unwrap();
    assert!(fade(&ben) >= 5);
    let wanted = format!("?{old}");
    ben.ok(&["get", &wanted]);
    assert_eq!((ben.read("a.rs"), ben.read("still.txt")), (shown, b"never edited\n".to_vec()));
    assert_eq!(ben.ok(&["verify", "--deep"])["ok"], true);
    // What the worktree stands on stays; once it has moved on, it may fade again.
    ben.ok(&["get", "?main"]);
    assert!(fade(&ben) > 0 && fade(&ana) > 0);
    let key = ana.ok(&["identity", "show"])["key"].clone();
    let before = ben.root();
    for serving in [true, false] {
        if !serving {
            ana.stop();
        }
        let gone = ben.refused(&["get", &wanted], 3);
        assert_eq!(gone["code"], "E_FADED", "{gone}");
        let details = &gone["details"];
        assert_eq!(details["version"][0], old.as_str(), "{gone}");
        assert_eq!((&details["authors"][0]["key"], details["authors"].as_array().unwrap().len()), (&key, 1));
        let peer = &details["peers"][0];
        assert_eq!((&peer["key"], peer["claims"].as_bool()), (&key, Some(serving)), "{gone}");
        assert!(peer["seen_ms"].as_u64().is_some_and(|seen| seen > 1_600_000_000_000), "{gone}");
        let message = gone["message"].as_str().unwrap();
        assert!(
            message.contains(&old[..12]) && message.contains(peer["peer"].as_str().unwrap()),
            "{message}"
        );
        assert_eq!(ben.root(), before, "the worktree stays where it was");
    }
}

/// Bytes of a model, two versions of which have most in common.
fn model(seed: u64, len: usize) -> Vec<u8> {
    let mut chance = Chance(seed);
    (0..len / 8).flat_map(|_| chance.next(u64::MAX).to_le_bytes()).collect()
}

#[test]
fn artifacts_travel_in_a_bundle_and_a_changed_byte_is_refused() {
    let stage = Stage::new();
    let (mut bytes, first) = (model(11, 5_000_000), model(11, 5_000_000));
    let ana = stage.founder("ana", &[("a.txt", b"one\n"), ("model.bin", &first)]);
    ana.ok(&["mark", "v1", "-m", "the first", "--pin"]);
    bytes[2_500_000..2_500_100].fill(7);
    ana.write("model.bin", &bytes);
    ana.write("gone.bin", model(12, 300_000));
    ana.post("second");
    fs::remove_file(ana.tree.join("gone.bin")).unwrap();
    ana.post("without the other one");
    let (file, told) = bundled(&stage, &ana, "whole.bundle", &[]);
    let size = told["artifact_bytes"].as_u64().unwrap();
    assert_eq!(told["artifacts"], 2, "of branches and marks, and no other: {told}");
    assert!((5_000_000..9_000_000).contains(&size), "what two versions share travels once: {told}");
    let (plain, less) = bundled(&stage, &ana, "plain.bundle", &["--no-artifacts"]);
    assert!(less["bytes"].as_u64().unwrap() < 100_000 && less["artifacts"] == 0, "{less}");
    let (_, later) = bundled(&stage, &ana, "later.bundle", &["--since", "?v1"]);
    assert_eq!(later["artifacts"], 1, "{later}");

    // A file that was cut leaves what came; a changed byte is found in its part; the whole file goes on from there.
    let ben = stage.node("ben");
    let whole = fs::read(&file).unwrap();
    let broken = stage.path().join("broken.bundle").to_str().unwrap().to_owned();
    let mut came = 0;
    for (at, code) in [(whole.len() / 3, "E_CUT"), (whole.len() * 2 / 3, "E_DAMAGED")] {
        let mut changed = whole.clone();
        match code {
            "E_CUT" => changed.truncate(at),
            _ => changed[at] ^= 4,
        }
        fs::write(&broken, &changed).unwrap();
        let told = problem(&ben, &broken);
        assert_eq!(told["problems"][0]["code"], code, "{told}");
        let new = told["artifact_bytes"].as_u64().unwrap();
        assert!(new > 0 && !told["missing_artifacts"].as_array().unwrap().is_empty(), "{told}");
        let place = told["problems"][0]["where"].as_str().unwrap().to_owned();
        assert!(code == "E_CUT" || place.contains("byte"), "{told}");
        came += new;
    }
    let rest = ben.ok(&["unbundle", &file, "."]);
    assert_eq!(rest["artifact_bytes"].as_u64(), Some(size - came), "{rest}");
    assert!(rest["artifacts"].as_u64() > Some(0) && rest["missing_artifacts"].is_null(), "{rest}");
    assert_same_trees(&ana.tree, &ben.tree);
    assert_eq!(ben.read("model.bin"), bytes);
    ben.ok(&["get", "?v1"]);
    assert_eq!(ben.read("model.bin"), first);
    let verified = ben.ok(&["artifact", "verify"]);
    assert_eq!(
        (&verified["ok"], verified["artifacts"].as_u64()),
        (&Value::from(true), Some(1)),
        "{verified}"
    );
    assert_eq!(ben.ok(&["unbundle", &file])["artifact_bytes"], 0, "what is here already is passed over");

    let cleo = stage.node("cleo");
    cleo.ok(&["unbundle", &plain, "."]);
    assert!(!cleo.tree.join("model.bin").exists());
    let (again, told) = bundled(&stage, &cleo, "cleo.bundle", &[]);
    assert_eq!(
        (&told["artifacts"], told["left_out"].as_array().map(Vec::len)),
        (&0.into(), Some(2)),
        "{told}"
    );
    assert_eq!(ben.ok(&["unbundle", &again])["waypoints"], 0);
}
