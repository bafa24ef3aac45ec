//! Old waypoints fade: the store shrinks, marks stay, and who comes late still gets all there is.

use crate::harness::{Node, Stage, assert_same_trees, files_below, wait_for_agreement, wait_until};
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
    let told = node.ok(&["fade", "--keep", keep]);
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
    assert!(fade(&ana, "0s").0 > 0);
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
