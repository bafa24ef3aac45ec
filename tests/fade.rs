//! Old waypoints fade: the store shrinks, marks stay, and who comes late still gets all there is.

use crate::harness::{Node, Stage, assert_same_trees, files_below, wait_for_agreement, wait_until};
use crate::watch::Watch;
use std::fs;

/// Bytes that no compressor makes shorter, so that they are found on the raw disk while they are there.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..2_000).map(|_| byte()).collect()
}

/// Whether any file of a home holds these bytes as they are.
fn is_on_disk(node: &Node, bytes: &[u8]) -> bool {
    let holds = |file: &[u8]| file.windows(64).any(|window| window == &bytes[..64]);
    // The socket of a serving node is no file of bytes.
    files_below(&node.home).iter().any(|path| holds(&fs::read(path).unwrap_or_default()))
}

fn fade(node: &Node, keep: &str) -> (u64, u64, u64) {
    fade_with(node, &["--keep", keep])
}

fn fade_with(node: &Node, words: &[&str]) -> (u64, u64, u64) {
    let told = node.ok(&[&["fade"], words].concat());
    let number = |field: &str| told[field].as_u64().unwrap();
    (number("waypoints"), number("bytes_before"), number("bytes_after"))
}

#[test]
fn what_has_faded_is_gone_from_the_raw_disk_and_marks_restore() {
    let stage = Stage::new();
    let (marked, churned, kept) = (noise(1), noise(2), noise(3));
    let ana = stage.founder("ana", &[("data", &marked[..]), ("a.txt", b"one\n")]);
    let first = ana.ok(&["mark", "v1", "-m", "the first"]);
    assert!(first["pinned"].is_null());
    for n in 0..20u64 {
        ana.write("data", noise(100 + n));
        ana.write("a.txt", format!("{n}\n"));
        ana.post("churn");
    }
    ana.write("data", &churned);
    ana.post("soon gone");
    ana.write("data", &kept);
    ana.post("kept");
    ana.ok(&["mark", "v2", "-m", "the second"]);
    let root = ana.root();
    assert!(is_on_disk(&ana, &churned) && is_on_disk(&ana, &marked) && is_on_disk(&ana, &kept));

    let dry = ana.ok(&["fade", "--keep", "0s", "--dry-run"]);
    assert!(is_on_disk(&ana, &churned), "a dry run forgets nothing");
    assert_eq!(fade(&ana, "30d").0, 0, "everything is younger");
    let (waypoints, before, after) = fade(&ana, "0s");
    assert_eq!((dry["waypoints"].as_u64(), dry["bytes_after"].as_u64()), (Some(waypoints), Some(after)));
    assert!(waypoints >= 21 && after < before / 2, "{waypoints} waypoints, {before} -> {after} bytes");
    assert!(!is_on_disk(&ana, &churned), "a faded waypoint's bytes are gone");
    assert!(is_on_disk(&ana, &marked) && is_on_disk(&ana, &kept), "marks and tips stay");
    assert_eq!(fade(&ana, "0s").0, 0, "fading again finds nothing");

    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
    assert_eq!(ana.root(), root);
    assert_eq!(ana.ok(&["root", "?v1"])["root"], first["root"]);
    ana.ok(&["get", "?v1"]);
    assert_eq!((ana.read("data"), ana.read("a.txt")), (marked, b"one\n".to_vec()));
    ana.ok(&["get", "?v2"]);
    assert_eq!(ana.read("data"), kept);
    let log = ana.ok(&["log", "?main"])["waypoints"].as_array().unwrap().clone();
    assert!(log.len() >= 24, "who wrote what, when and why stays: {log:?}");
    let faded = log.iter().find(|one| one["message"] == "soon gone").unwrap();
    let gone = ana.refused(&["get", &format!("?{}", faded["waypoint"].as_str().unwrap())], 3);
    assert_eq!(gone["code"], "E_FADED");
}

#[test]
fn who_joins_after_the_fade_gets_all_that_is_left_and_works_on() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.rs", b"fn one() -> u8 {\n    1\n}\n"), ("b.txt", b"b\n")]);
    for n in 2..9 {
        ana.write("a.rs", format!("fn one() -> u8 {{\n    {n}\n}}\n"));
        ana.post("churn");
    }
    ana.ok(&["mark", "v1", "-m", "the first"]);
    assert!(fade(&ana, "0s").0 > 0);
    ana.serve();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    assert_same_trees(&ana.tree, &ben.tree);
    assert_eq!(ben.ok(&["verify", "--deep"])["ok"], true);
    ben.edit("a.rs", "    8", "    80");
    ben.post("on top of what is left");
    let peer = ana.address.clone().unwrap();
    ben.ok(&["put", "--peer", &peer]);
    ana.ok(&["put"]);
    wait_for_agreement(&[&ana, &ben]);
    assert_same_trees(&ana.tree, &ben.tree);
    assert_eq!(ana.read("a.rs"), b"fn one() -> u8 {\n    80\n}\n");
    ben.serve();
    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
}

#[test]
fn late_work_is_carried_over_by_its_author() {
    let stage = Stage::new();
    let code = |a: u8, b: u8| format!("fn one() -> u8 {{\n    {a}\n}}\n\nfn two() -> u8 {{\n    {b}\n}}\n");
    let mut ana = stage.founder("ana", &[("a.rs", code(1, 1).as_bytes())]);
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    ben.write("a.rs", code(1, 9));
    ben.write("new.txt", "from ben\n");
    ben.post("written beside the mark");
    ana.write("a.rs", code(7, 1));
    ana.post("before the mark");
    assert!(ana.ok(&["mark", "v1", "-m", "the first"])["pinned"].is_null());
    ana.write("a.rs", code(8, 1));
    ana.post("after the mark");
    assert!(fade_with(&ana, &["--keep", "0s", "--alone"]).0 > 0);
    let peer = ana.address.clone().unwrap();
    let put = ben.ok(&["put", "--peer", &peer]);
    assert_eq!(put["carried"].as_array().map(Vec::len), Some(1), "{put}");
    assert!(put["met"].is_null(), "{put}");
    assert_eq!(ben.read("a.rs"), code(8, 9).into_bytes());
    assert_eq!(ben.read("new.txt"), b"from ben\n");
    ana.ok(&["put"]);
    wait_for_agreement(&[&ana, &ben]);
    assert_same_trees(&ana.tree, &ben.tree);
    let again = ben.ok(&["put", "--peer", &peer]);
    assert!(again["carried"].is_null(), "nothing is carried over twice: {again}");
}

/// Ben writes on a version of a branch that ana took away and forgot; then he is not to be reached. The version.
fn written_on_what_ana_forgot(ana: &mut Node, ben: &mut Node) -> String {
    ana.serve();
    ben.join(ana, "write");
    ana.ok(&["come", "aside"]);
    ana.write("a.txt", "aside\n");
    let aside = ana.post("on the way out");
    ben.ok(&["put", "--known"]);
    ana.ok(&["get", "?main"]);
    ana.ok(&["delete", "?aside", "-m", "not needed"]);
    assert!(fade_with(ana, &["--keep", "0s", "--alone"]).0 > 0);
    ben.ok(&["get", &format!("?{aside}")]);
    ben.write("b.txt", "from ben\n");
    let written = ben.post("on what ana forgot");
    ben.ok(&["put", "--known"]);
    ana.stop();
    written
}

#[test]
fn what_stands_on_what_has_faded_here_waits_for_a_peer_and_keeps_nobody_from_work() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    let mut ben = stage.node("ben");
    let written = written_on_what_ana_forgot(&mut ana, &mut ben);
    ana.write("mine.txt", "from ana\n");
    let gone = ana.refused(&["put"], 3);
    assert_eq!(gone["code"], "E_FADED");
    assert!(gone["message"].as_str().unwrap().contains("no peer could be asked"), "{gone}");
    assert_eq!(ana.ok(&["status"])["changed"], serde_json::json!([]), "what was unposted is posted");
    ana.refused(&["put", &format!("?{written}")], 3);
    ana.write("mine.txt", "more\n");
    ana.post("ana works on");
    ana.ok(&["undo"]);
    ana.ok(&["redo"]);
    let peer = ben.serve();
    ana.ok(&["put", "--peer", &peer]);
    assert_eq!((ana.read("mine.txt"), ana.read("b.txt")), (b"more\n".to_vec(), b"from ben\n".to_vec()));
    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
}

#[test]
fn a_watch_posts_on_while_it_cannot_merge() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    let mut ben = stage.node("ben");
    written_on_what_ana_forgot(&mut ana, &mut ben);
    ana.serve();
    let watch = Watch::start(&ana);
    wait_until("it is told what cannot be merged", || watch.saw("unmerged"));
    ana.write("mine.txt", "saved meanwhile\n");
    wait_until("it is posted", || watch.saw("posted"));
    assert_eq!(ana.ok(&["status"])["changed"], serde_json::json!([]));
    ben.serve();
    wait_until("it is merged as soon as somebody has it", || ana.tree.join("b.txt").exists());
    assert_eq!(ana.read("mine.txt"), b"saved meanwhile\n");
}

#[test]
fn a_writers_mark_pins_and_begins_no_epoch() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    ben.write("a.txt", "two\n");
    ben.post("before");
    let mark = ben.ok(&["mark", "mine", "-m", "a pin"]);
    assert!(mark["pinned"].as_str().unwrap().contains("admin"));
    ben.write("a.txt", "three\n");
    ben.post("after");
    assert_eq!(fade(&ben, "0s").0, 0, "without an epoch everything is needed");
    ben.ok(&["get", "?mine"]);
    assert_eq!(ben.read("a.txt"), b"two\n");
}

#[test]
fn serve_fades_by_itself_once_somebody_has_said_so() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("data", &noise(1)[..])]);
    ana.ok(&["fade", "--keep", "0s", "--auto"]);
    let churned = noise(2);
    ana.write("data", &churned);
    ana.post("soon gone");
    ana.write("data", noise(3));
    ana.post("kept");
    ana.ok(&["mark", "v1", "-m", "the first"]);
    assert!(is_on_disk(&ana, &churned));
    ana.serve();
    wait_until("old waypoints fade", || ana.saw("faded"));
    assert!(!is_on_disk(&ana, &churned));
    assert_eq!(ana.ok(&["status"])["changed"].as_array().map(Vec::len), Some(0), "the node goes on");
}

/// Churn by a peer, in the log, in stones, in the index and in the quarantine: gone from every file of the home.
#[test]
fn no_file_of_the_home_keeps_what_has_faded() {
    let stage = Stage::new();
    let (marked, churned, late) = (noise(11), noise(12), noise(13));
    let mut ana = stage.founder("ana", &[("data", &marked[..]), ("a.txt", b"one\n")]);
    ana.cut_at_once();
    ana.ok(&["mark", "v1", "-m", "the first"]);
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    let peer = ana.address.clone().unwrap();
    for n in 0..12u64 {
        ben.write("data", if n == 5 { churned.clone() } else { noise(200 + n) });
        ben.post("churn by a peer");
    }
    ben.ok(&["put", "--peer", &peer]);
    ana.ok(&["put"]);
    ana.stop();
    assert!(is_on_disk(&ana, &churned));
    // A stone that goes bad is copied aside before it is written again; here is such a copy.
    let holds = |path: &std::path::PathBuf| {
        fs::read(path).unwrap().windows(64).any(|window| window == &churned[..64])
    };
    let stone = ana.stones().into_iter().find(holds).expect("the churn lies in a stone");
    let aside = stone.parent().unwrap().with_file_name("quarantine").join("stone.0");
    assert!(aside.parent().unwrap().is_dir());
    fs::copy(&stone, aside).unwrap();
    ana.write("data", &late);
    ana.post("kept");
    ana.ok(&["mark", "v2", "-m", "the second"]);
    let before = ana.stones().iter().map(|stone| fs::metadata(stone).unwrap().len()).sum::<u64>();
    assert!(fade_with(&ana, &["--keep", "0s", "--alone"]).0 >= 12);
    let after = ana.stones().iter().map(|stone| fs::metadata(stone).unwrap().len()).sum::<u64>();
    assert!(after < before / 2, "{before} -> {after} bytes of stones");
    for (path, bytes) in files_below(&ana.home).iter().map(|path| (path, fs::read(path).unwrap_or_default()))
    {
        let found = bytes.windows(64).any(|window| window == &churned[..64]);
        assert!(!found, "{} still holds what has faded", path.display());
    }
    assert!(is_on_disk(&ana, &marked) && is_on_disk(&ana, &late));
    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
    ana.ok(&["get", "?v1"]);
    assert_eq!(ana.read("data"), marked);
    ana.ok(&["get", "?v2"]);
    assert_eq!(ana.read("data"), late);
}

#[test]
fn what_no_other_peer_has_stays_until_one_has_it() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    ana.serve();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    ana.stop();
    let churned = noise(21);
    ana.write("data", &churned);
    ana.post("nobody else has this");
    ana.write("data", noise(22));
    ana.post("nor this");
    ana.ok(&["mark", "v1", "-m", "the first"]);
    let kept = ana.ok(&["fade", "--keep", "0s", "--dry-run"]);
    assert!(kept["unshared"].as_u64().unwrap() >= 2 && kept["policy"]["shared"] == true, "{kept}");
    fade(&ana, "0s");
    assert!(is_on_disk(&ana, &churned), "what no other peer has stays");
    ben.serve();
    ana.ok(&["put", "--peer", &ben.address.clone().unwrap()]);
    assert!(fade(&ana, "0s").0 >= 2, "over a restart it is known that ben has it");
    assert!(!is_on_disk(&ana, &churned) && is_on_disk(&ben, &churned));
    ana.write("data", noise(23));
    ana.post("and nobody has this");
    ana.write("data", noise(24));
    ana.post("kept");
    ana.ok(&["mark", "v2", "-m", "the second"]);
    assert_eq!(ana.ok(&["fade", "--keep", "0s", "--dry-run"])["waypoints"], 0);
    assert!(fade_with(&ana, &["--keep", "0s", "--alone"]).0 >= 1, "who says so forgets it all the same");
}

#[test]
fn a_floor_binds_every_node_and_only_an_admin_sets_it() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"one\n")]);
    ana.write("a.txt", "two\n");
    ana.post("soon old");
    ana.ok(&["mark", "v1", "-m", "the first"]);
    let status = ana.ok(&["fade", "--status"]);
    let day_ms = 86_400_000u64;
    let policy = &status["policy"];
    let times = ["keep_ms", "hourly_ms", "daily_ms", "weekly_ms"]
        .map(|field| policy[field].as_u64().unwrap() / day_ms);
    assert_eq!((times, &policy["shared"], &policy["auto"]), ([30, 7, 90, 730], &false.into(), &false.into()));
    ana.ok(&["fade", "--floor", "90d"]);
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    let refused = ben.refused(&["fade", "--floor", "0s"], 4);
    assert!(refused["message"].as_str().unwrap().contains("admin"), "{refused}");
    for node in [&ana, &ben] {
        let told = node.ok(&["fade", "--keep", "0s", "--alone"]);
        assert_eq!((&told["waypoints"], &told["policy"]["raised"]), (&0.into(), &true.into()), "{told}");
        assert_eq!(told["policy"]["keep_ms"].as_u64(), Some(90 * day_ms));
        assert_eq!(told["policy"]["floor"]["keep_ms"].as_u64(), Some(90 * day_ms));
    }
    ana.ok(&["fade", "--floor", "0s"]);
    ben.ok(&["put", "--peer", &ana.address.clone().unwrap()]);
    for node in [&ana, &ben] {
        assert!(node.ok(&["fade", "--keep", "0s", "--alone"])["waypoints"].as_u64().unwrap() >= 2);
    }
    ana.ok(&["fade", "--keep", "2d", "--daily", "1w", "--auto"]);
    let policy = ana.ok(&["fade", "--status"])["policy"].clone();
    assert_eq!(
        (policy["keep_ms"].as_u64(), policy["daily_ms"].as_u64()),
        (Some(2 * day_ms), Some(7 * day_ms))
    );
    assert_eq!((&policy["hourly_ms"], &policy["auto"]), (&0.into(), &true.into()));
    ana.ok(&["fade", "--by-hand"]);
    assert_eq!(ana.ok(&["fade", "--status"])["policy"]["auto"], false);
    for bad in [
        &["fade", "--keep", "x"][..],
        &["fade", "--floor", "1d", "--dry-run"],
        &["fade", "--auto", "--alone"],
    ] {
        ana.refused(bad, 2);
    }
}
