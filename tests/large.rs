//! Large contents over real processes: parts of them, several providers, damage, kills, and what is collected.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Chance, Node, Stage, wait_until};

/// Bytes that nothing compresses.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    (0..bytes).map(|_| chance.next(256) as u8).collect()
}

/// A founder that serves an artifact, and a reader that has joined.
fn pair(stage: &Stage, bytes: &[u8]) -> (Node, Node) {
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let made = stage.path().join("made.bin");
    fs::write(&made, bytes).unwrap();
    ana.ok(&["artifact", "add", made.to_str().unwrap(), "--name", "noise"]);
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "read");
    (ana, ben)
}

/// The pack files of a node.
fn packs(node: &Node) -> Vec<PathBuf> {
    let files = fs::read_dir(node.home.join("blobs/packs")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "pack")).collect()
}

fn pack_bytes(node: &Node) -> u64 {
    packs(node).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

/// Flips one bit in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_part_of_an_artifact_moves_alone() {
    let stage = Stage::new();
    let bytes = noise(8 << 20, 1);
    let (_ana, ben) = pair(&stage, &bytes);
    let out = stage.path().join("part.bin");
    let word = out.to_str().unwrap();
    for (from, to) in [(0, 1), (1_000_000, 1_100_000), (8_388_000, 8_388_608)] {
        let got = ben.ok(&["artifact", "get", "noise", "--range", &format!("{from}..{to}"), "-o", word]);
        assert_eq!(fs::read(&out).unwrap(), bytes[from..to], "{from}..{to}");
        let moved = got["moved_bytes"].as_u64().unwrap();
        assert!(moved > 0 && moved <= (to - from) as u64 + (64 << 10), "{got}");
    }
    // What is asked for beyond the end is not there.
    let got = ben.ok(&["artifact", "get", "noise", "--range", "8388600..9000000", "-o", word]);
    assert_eq!((got["bytes"].as_u64(), fs::read(&out).unwrap()), (Some(8), bytes[8_388_600..].to_vec()));
    assert_eq!(ben.ok(&["artifact", "ls"])["artifacts"][0]["held"], false, "parts are not kept");
    ben.refused(&["artifact", "get", "noise", "--range", "5..5", "-o", word], 2);
    ben.ok(&["artifact", "fetch", "noise"]);
    let got = ben.ok(&["artifact", "get", "noise", "--range", "7..9", "-o", word]);
    assert_eq!((got["moved_bytes"].as_u64(), fs::read(&out).unwrap()), (Some(0), bytes[7..9].to_vec()));
}

#[test]
fn a_flipped_bit_is_named_by_its_range_and_mended_from_a_peer() {
    let stage = Stage::new();
    let bytes = noise(6 << 20, 2);
    let (mut ana, ben) = pair(&stage, &bytes);
    ben.ok(&["artifact", "fetch", "noise"]);
    flip(&packs(&ben)[0]);
    let told = ben.run(&["artifact", "verify"]);
    assert_eq!(told.code, 6, "{told:?}");
    let place = told.json["problems"][0]["where"].as_str().unwrap();
    let range = place.rsplit_once("bytes ").unwrap().1;
    let (from, to) = range.split_once("..").unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    assert!(from < to && to - from <= 512 << 10 && to <= bytes.len(), "{place}");
    let out = stage.path().join("out.bin");
    let mended = ben.ok(&["artifact", "verify", "noise", "--repair"]);
    assert_eq!(mended["repaired_bytes"].as_u64(), Some((to - from) as u64), "{mended}");
    assert_eq!(ben.ok(&["artifact", "verify"])["ok"], true);
    // The same by `get`. What came last lies at the end.
    let pack = &packs(&ben)[0];
    let mut damaged = fs::read(pack).unwrap();
    let last = damaged.len() - 1000;
    damaged[last] ^= 1;
    fs::write(pack, damaged).unwrap();
    let got = ben.ok(&["artifact", "get", "noise", "-o", out.to_str().unwrap()]);
    assert!(got["fetched"] == true && fs::read(&out).unwrap() == bytes, "{got}");
    // Who serves what is damaged gives nothing instead.
    let cid = stage.node("cid");
    cid.join(&ana, "read");
    packs(&ana).iter().for_each(|pack| flip(pack));
    let refused = cid.run(&["artifact", "fetch", "noise"]);
    assert!(refused.code != 0 && cid.ok(&["artifact", "ls"])["artifacts"][0]["held"] == false, "{refused:?}");
    ana.stop();
}

#[test]
fn three_providers_are_asked_at_once_and_one_that_goes_silent_is_passed_over() {
    let stage = Stage::new();
    let bytes = noise(6 << 20, 3);
    let (ana, ben) = pair(&stage, &bytes);
    let mut others = vec![stage.node("cid"), stage.node("dan")];
    for other in &mut others {
        other.join(&ana, "read");
        other.ok(&["artifact", "fetch", "noise"]);
        let address = other.serve_with(&["--upload-limit", "500k"]);
        ben.ok(&["put", "--peer", &address]);
    }
    // One of them stops in the middle, without closing anything.
    let frozen = others[0].pid();
    let signal = |name: &str| {
        let status = std::process::Command::new("kill").args([name, &frozen.to_string()]).status();
        assert!(status.unwrap().success());
    };
    let out = stage.path().join("out.bin");
    let mut get = ben.command();
    get.args(["artifact", "get", "noise", "-o", out.to_str().unwrap()]);
    let mut child = get.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal("-STOP");
    let ended = child.wait().unwrap();
    signal("-CONT");
    assert!(ended.success() && fs::read(&out).unwrap() == bytes);
}

/// Kills the taker, or the giver, at a place that chance picks; what came stays, and it ends with the right bytes.
fn kills(rounds: u64, seed: u64) {
    let stage = Stage::new();
    let bytes = noise(24 << 20, seed);
    let (mut ana, ben) = pair(&stage, &bytes);
    let out = stage.path().join("out.bin");
    let mut chance = Chance(seed);
    for round in 0..rounds {
        let before = pack_bytes_if_any(&ben);
        let mut get = ben.command();
        get.args(["artifact", "get", "noise", "--limit", "40M", "-o", out.to_str().unwrap()]);
        let mut child = get.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(chance.next(500)));
        match round % 2 {
            0 => child.kill().unwrap(),
            _ => {
                ana.kill();
                std::thread::sleep(Duration::from_millis(20));
                child.kill().unwrap();
                ana.serve();
            }
        }
        child.wait().unwrap();
        assert!(pack_bytes_if_any(&ben) >= before, "what came stays");
        let told = ben.run(&["artifact", "verify"]);
        assert!(
            told.code == 0
                || told.json["problems"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|problem| problem["code"] == "E_MISSING"),
            "{told:?}"
        );
    }
    ben.ok(&["artifact", "get", "noise", "-o", out.to_str().unwrap()]);
    assert!(fs::read(&out).unwrap() == bytes);
    assert_eq!(ben.ok(&["artifact", "verify"])["ok"], true);
    assert!(pack_bytes(&ben) < bytes.len() as u64 * 21 / 20, "nothing is kept twice");
}

fn pack_bytes_if_any(node: &Node) -> u64 {
    if node.home.join("blobs/packs").exists() { pack_bytes(node) } else { 0 }
}

#[test]
fn a_transfer_survives_kills_of_either_side() {
    kills(4, 4);
}

#[test]
#[ignore = "minutes; nightly"]
fn a_transfer_survives_fifty_kills_of_either_side() {
    kills(50, 5);
}

#[test]
fn what_a_mark_a_branch_or_a_name_shows_is_never_collected() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let contents: Vec<Vec<u8>> = (0..4).map(|seed| noise(300_000, 10 + seed)).collect();
    // Two versions of a large file: the first one is marked, the second one is on the branch.
    ana.write("model.bin", &contents[0]);
    ana.post("one");
    ana.ok(&["mark", "v1", "-m", "one"]);
    ana.write("model.bin", &contents[1]);
    ana.post("two");
    // One by name, and one that is only on an unposted state of the file: it is no artifact yet.
    let named = stage.path().join("named.bin");
    fs::write(&named, &contents[2]).unwrap();
    ana.ok(&["artifact", "add", named.to_str().unwrap(), "--name", "named"]);
    let nothing = ana.ok(&["artifact", "gc"]);
    assert_eq!(nothing["unneeded"].as_array().map(Vec::len), Some(0), "{nothing}");
    let owners = ana.ok(&["du"]);
    let artifacts = owners["artifacts"].as_array().unwrap();
    assert_eq!(artifacts.len(), 3, "{owners}");
    assert!(
        artifacts
            .iter()
            .all(|item| item["is_needed"] == true && !item["needed_by"].as_array().unwrap().is_empty())
    );
    ana.ok(&["get", "?v1"]);
    assert!(ana.read("model.bin") == contents[0]);
    assert_eq!(ana.ok(&["artifact", "verify"])["ok"], true);
}

/// A few interleavings; `CAIRN_CASES` asks for more, `CAIRN_SEED` for others.
#[test]
fn marks_fade_and_gc_in_any_order_restore_every_byte_that_is_shown() {
    let number = |name: &str| std::env::var(name).ok().and_then(|word| word.parse().ok());
    let (cases, seed) = (number("CAIRN_CASES").unwrap_or(3), number("CAIRN_SEED").unwrap_or(100));
    (seed..seed + cases).for_each(interleaved);
}

/// What must be there at the end of an interleaving.
#[derive(Default)]
struct Shown {
    /// Marks, with what the files held.
    marks: Vec<(String, Vec<u8>, Vec<u8>)>,
    /// The versions of one name.
    versions: Vec<Vec<u8>>,
    large: Vec<u8>,
    small: Vec<u8>,
}

impl Shown {
    /// Looks at all of it.
    fn check(&self, node: &Node, told: &str) {
        for (name, large, small) in &self.marks {
            node.ok(&["get", &format!("?{name}")]);
            assert!(node.read("model.bin") == *large && node.read("a.txt") == *small, "{name} {told}");
        }
        node.ok(&["get", "?main"]);
        assert!(self.large.is_empty() || node.read("model.bin") == self.large, "{told}");
        assert!(node.read("a.txt") == self.small, "{told}");
        for (at, bytes) in self.versions.iter().enumerate() {
            let out = node.home.join("out.bin");
            let version = format!("log@v{}", at + 1);
            node.ok(&["artifact", "get", &version, "-o", out.to_str().unwrap()]);
            assert!(fs::read(&out).unwrap() == *bytes, "{version} {told}");
        }
        assert_eq!(node.ok(&["artifact", "verify"])["ok"], true, "{told}");
        assert_eq!(node.ok(&["verify", "--deep"])["ok"], true, "{told}");
    }
}

fn interleaved(seed: u64) {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let mut chance = Chance(seed);
    let mut shown = Shown { small: b"a\n".to_vec(), ..Shown::default() };
    let mut told = format!("seed {seed}:");
    let file = stage.path().join("more.bin");
    for step in 0..24 {
        let fresh = noise(100_000 + chance.next(200_000) as usize, 1000 * seed + step);
        let action = chance.next(10);
        told += &format!(" {action}");
        match action {
            0 | 1 => {
                ana.write("model.bin", &fresh);
                ana.post("another one");
                shown.large = fresh;
            }
            2 => {
                shown.small.extend(format!("line {step}\n").bytes());
                ana.write("a.txt", &shown.small);
                ana.post("a line");
            }
            3 if !shown.large.is_empty() => {
                let name = format!("m{step}");
                ana.ok(&["mark", &name, "-m", "kept"]);
                shown.marks.push((name, shown.large.clone(), shown.small.clone()));
            }
            4 => drop(ana.ok(&["fade", "--keep", "0s", "--alone"])),
            5 => {
                fs::write(&file, &fresh).unwrap();
                ana.ok(&["artifact", "add", file.to_str().unwrap(), "--name", "log"]);
                shown.versions.push(fresh);
            }
            6 if !shown.versions.is_empty() => {
                fs::write(&file, &fresh[..50_000]).unwrap();
                ana.ok(&["artifact", "append", "log", file.to_str().unwrap()]);
                let last = shown.versions.last().unwrap();
                shown.versions.push([last, &fresh[..50_000]].concat());
            }
            7 if ana.is_serving() => ana.kill(),
            7 => drop(ana.serve()),
            _ => drop(ana.ok(&["artifact", "gc"])),
        }
    }
    ana.ok(&["fade", "--keep", "0s", "--alone"]);
    told += &format!(" {}", ana.ok(&["artifact", "gc"]));
    shown.check(&ana, &told);
}

#[test]
fn what_is_on_its_way_here_is_not_collected() {
    let stage = Stage::new();
    let bytes = noise(6 << 20, 60);
    let (_ana, mut ben) = pair(&stage, &bytes);
    ben.serve();
    let out = stage.path().join("out.bin");
    let mut get = ben.command();
    get.args(["artifact", "get", "noise", "--limit", "4M", "-o", out.to_str().unwrap()]);
    let mut child = get.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut collected = 0;
    while child.try_wait().unwrap().is_none() {
        let taken = ben.ok(&["artifact", "gc"]);
        assert_eq!(taken["unneeded"].as_array().map(Vec::len), Some(0), "{taken}");
        collected += 1;
    }
    assert!(child.wait().unwrap().success() && collected > 0);
    assert!(fs::read(&out).unwrap() == bytes);
    assert_eq!(ben.ok(&["artifact", "verify"])["ok"], true);
}

#[test]
fn what_faded_is_collected_and_its_bytes_go() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    ana.write("model.bin", noise(2_000_000, 30));
    ana.post("old");
    let kept = noise(300_000, 31);
    ana.write("model.bin", &kept);
    ana.post("new");
    ana.ok(&["mark", "v1", "-m", "an epoch"]);
    let would = ana.ok(&["artifact", "gc", "--dry-run"]);
    assert_eq!(would["chunk_bytes"], 0, "nothing has faded: {would}");
    ana.ok(&["fade", "--keep", "0s", "--alone"]);
    let would = ana.ok(&["artifact", "gc", "--dry-run"]);
    assert_eq!(would["unneeded"].as_array().map(Vec::len), Some(1), "{would}");
    assert!(pack_bytes(&ana) > 2_000_000);
    let unneeded = ana.ok(&["du"]);
    assert_eq!(unneeded["artifacts"][0]["is_needed"], false, "ranked first: {unneeded}");
    let did = ana.ok(&["artifact", "gc"]);
    assert!(pack_bytes(&ana) < 500_000 && did["bytes_after"].as_u64() == Some(pack_bytes(&ana)), "{did}");
    ana.write("model.bin", b"something else");
    ana.ok(&["get", "?v1"]);
    assert!(ana.read("model.bin") == kept);
}

#[test]
fn a_transfer_that_nobody_serves_ends_with_an_error() {
    let stage = Stage::new();
    let (mut ana, ben) = pair(&stage, &noise(300_000, 40));
    ana.stop();
    wait_until("ana is gone", || !ana.is_serving());
    ben.refused(&["artifact", "fetch", "noise"], 5);
}

/// A file of safetensors: the length of its header, the header, zeros.
fn tensors(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 0);
    bytes
}

#[test]
fn artifacts_are_compared_by_what_their_headers_say() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let add = |name: &str, bytes: &[u8]| {
        let file = stage.path().join(name);
        fs::write(&file, bytes).unwrap();
        ana.ok(&["artifact", "add", file.to_str().unwrap()]);
    };
    let big = 3 << 20;
    let tensor = |dtype: &str, shape: &str, from: usize, to: usize| {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let body = tensor("F32", "[1024,768]", 0, big);
    let old = format!(
        r#"{{"w":{body},"b":{},"old":{}}}"#,
        tensor("F32", "[8]", big, big + 32),
        tensor("U8", "[1]", big + 32, big + 33)
    );
    let new = format!(
        r#"{{"w":{body},"b":{},"new":{}}}"#,
        tensor("F16", "[2,8]", big, big + 32),
        tensor("U8", "[1]", big + 32, big + 33)
    );
    add("old.safetensors", &tensors(&old, big + 33));
    add("new.safetensors", &tensors(&new, big + 33));
    let told = ana.ok(&["artifact", "diff", "old.safetensors", "new.safetensors"]);
    let inside = &told["inside"];
    let named = |name: &str| {
        inside["changes"].as_array().unwrap().iter().find(|change| change["name"] == name).unwrap()
    };
    assert_eq!((&inside["form"], &inside["same"]), (&"safetensors".into(), &1.into()), "{told:#}");
    assert_eq!(named("b")["what"], serde_json::json!(["reshaped", "retyped"]));
    assert_eq!(named("b")["now"], serde_json::json!({ "dtype": "F16", "shape": [2, 8] }));
    assert_eq!((&named("old")["what"][0], &named("new")["what"][0]), (&"removed".into(), &"added".into()));
    let words =
        ana.command_in_words().args(["artifact", "diff", "old.safetensors", "new.safetensors"]).output();
    let words = String::from_utf8(words.unwrap().stdout).unwrap();
    assert!(words.contains("reshaped, retyped b  F32[8] → F16[2, 8]"), "{words}");
    // A table over several chunks, of which a column got another name and rows came.
    let rows = |names: &str, count: usize| {
        let rows = (0..count).map(|row| format!("{row},\"x\n{}\"\n", row * 7));
        format!("{names}\n{}", rows.collect::<String>()).into_bytes()
    };
    add("old.csv", &rows("id,x", 60_000));
    add("new.csv", &rows("id,y", 60_000));
    add("more.csv", &rows("id,x,z", 60_001));
    let inside = ana.ok(&["artifact", "diff", "old.csv", "new.csv"])["inside"].clone();
    let change = serde_json::json!([{ "name": "y", "what": ["renamed"], "from": "x" }]);
    assert_eq!((&inside["changes"], &inside["rows"]["now"]), (&change, &60_000.into()), "{inside:#}");
    let inside = ana.ok(&["artifact", "diff", "old.csv", "more.csv"])["inside"].clone();
    assert_eq!(inside["rows"], serde_json::json!({ "then": 60_000, "now": 60_001 }));
    // A header that lies is told, and the rest is answered.
    add("lies.safetensors", &[&[0xff; 8][..], b"{}"].concat());
    let told = ana.ok(&["artifact", "diff", "old.safetensors", "lies.safetensors"]);
    let problems = told["inside"]["problems"].as_array().unwrap();
    assert_eq!((problems.len(), &told["same"]), (1, &false.into()), "{told:#}");
    assert!(problems[0]["detail"].as_str().unwrap().contains("its header has"), "{told:#}");
    assert!(ana.ok(&["artifact", "diff", "old.csv", "new.safetensors"])["inside"].is_null());
}
