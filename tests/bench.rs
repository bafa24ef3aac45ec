//! Benchmarks: what they print, never how fast anything is.

use crate::harness::{Node, Out, Stage};
use serde_json::Value;
use std::fs;

/// A file of a release: functions of a few lines.
fn release(edited: &[usize]) -> String {
    let function = |at: usize| {
        let (x, y) = if edited.contains(&at) { (at + 100, at + 200) } else { (at, at) };
        format!("fn work_{at}() -> u32 {{\n    let x = f({x});\n    let y = g({y});\n    x + y\n}}\n\n")
    };
    (0..12).map(function).collect()
}

fn releases(stage: &Stage) -> String {
    for (version, edited) in [("1.9.0", &[][..]), ("1.10.0", &[2, 5, 8]), ("1.11.0", &[1, 2, 5, 9, 10])] {
        let dir = stage.path().join("releases/made").join(version).join("src");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("lib.rs"), release(edited)).unwrap();
    }
    stage.path().join("releases").display().to_string()
}

/// What a benchmark printed, one figure a line.
fn figures(bench: &str, out: &Out) -> Vec<Value> {
    assert_eq!(out.code, 0, "{out:#?}");
    let lines: Vec<Value> = out.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert_eq!(line["bench"], bench);
        assert!(line["figure"].is_string() && line["unit"].is_string(), "{line}");
        assert!(["cairn", "runs"].iter().all(|field| line[field].is_number()), "{line}");
        assert_eq!(line["rival"].is_null(), line["rival_name"].is_null());
        assert_eq!(line["limit"].is_number(), line["met"].is_boolean(), "{line}");
    }
    lines
}

/// Which figures a benchmark printed, and which of them have no limit.
fn names(bench: &str, out: &Out) -> (Vec<String>, usize) {
    let lines = figures(bench, out);
    let names = lines.iter().map(|line| line["figure"].as_str().unwrap().to_owned());
    (names.collect(), lines.iter().filter(|line| line["limit"].is_null()).count())
}

#[test]
fn merges_of_dealt_edits_are_figures_with_limits() {
    let stage = Stage::new();
    let (dir, node) = (releases(&stage), stage.node("a"));
    let run = || node.run(&["bench", "merge", &dir, "--cases", "4", "--seed", "3"]);
    let out = run();
    let lines = figures("merge", &out);
    assert!(lines.iter().all(|line| line["met"].is_boolean()));
    let figure =
        |name: &str| lines.iter().find(|line| line["figure"] == name).map(|line| line["cairn"].clone());
    assert_eq!(figure("all markers"), Some(0.0.into()));
    assert_eq!(figure("all same when swapped"), Some(100.0.into()));
    assert_eq!(figure("clean exact but white space"), Some(100.0.into()));
    // Shares are those of the same cases again; times are not.
    let shares = |text: &str| {
        text.lines().filter(|line| line.contains("\"%\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(shares(&out.stdout), shares(&run().stdout));
}

#[test]
fn a_folder_without_releases_is_told() {
    let stage = Stage::new();
    let node = stage.node("a");
    let empty = stage.path().display().to_string();
    assert_eq!(node.refused(&["bench", "merge", &empty], 3)["code"], "E_NOT_FOUND");
}

/// A node, and a folder with nine files, two of them alike.
fn few(stage: &Stage) -> (Node, String) {
    let dir = stage.path().join("few");
    fs::create_dir(&dir).unwrap();
    for number in 0..8 {
        fs::write(dir.join(format!("work{number}.rs")), release(&[number])).unwrap();
    }
    fs::write(dir.join("again.rs"), release(&[3])).unwrap();
    (stage.node("a"), dir.display().to_string())
}

#[test]
fn posts_are_compared_with_commits() {
    let stage = Stage::new();
    let (node, dir) = few(&stage);
    let out = node.run(&["bench", "post", &dir, "--runs", "1", "--edits", "2"]);
    let (names, unlimited) = names("post", &out);
    let one = ["post of one file, alone", "post of one file, served", "store, over git's after gc"];
    assert_eq!(names[..3], ["first post", "store", "first post, peak memory"]);
    assert_eq!(names[3..], one);
    // Of the two ways to post one file the better one has a limit, and git's store after gc is no promise.
    assert_eq!(unlimited, 2);
    assert!(out.stderr.contains("only 8 files were found, not 50000"), "{}", out.stderr);
}

#[test]
fn looks_are_compared_with_looks() {
    let stage = Stage::new();
    let (node, dir) = few(&stage);
    let out = node.run(&["bench", "status", &dir, "--files", "8", "--runs", "2"]);
    assert_eq!(out.stderr, "");
    let (names, unlimited) = names("status", &out);
    assert_eq!(
        (names, unlimited),
        (["status, alone", "status, served", "idle serve"].map(str::to_owned).into(), 1)
    );
}

#[test]
fn a_join_is_compared_with_a_clone() {
    let stage = Stage::new();
    let (node, dir) = few(&stage);
    let out = node.run(&["bench", "clone", &dir, "--files", "5", "--runs", "2"]);
    let (names, unlimited) = names("clone", &out);
    let all = ["join over clone", "join, peak memory", "serve, peak memory"];
    assert_eq!((names, unlimited), (all.map(str::to_owned).into(), 0));
}

#[test]
fn saves_arrive_on_the_other_side() {
    let stage = Stage::new();
    let out = stage.node("a").run(&["bench", "live", "--seconds", "2", "--rate", "5", "--both"]);
    let lines = figures("live", &out);
    assert_eq!(lines.len(), 4, "{out:#?}");
    let missed = &lines[3];
    assert_eq!((&missed["figure"], &missed["cairn"]), (&"saves that did not arrive".into(), &0.0.into()));
    assert_eq!(missed["runs"], 10);
}

#[test]
fn lineage_is_asked_in_every_form_alone_and_served() {
    let stage = Stage::new();
    let out = stage.node("a").run(&["bench", "lineage", "--artifacts", "1", "--runs", "1"]);
    let (names, unlimited) = names("lineage", &out);
    assert_eq!((names.len(), unlimited), (10, 0), "{names:?}");
}

#[test]
fn large_contents_are_figures_with_limits() {
    let stage = Stage::new();
    let node = stage.node("a");
    let out = node.run(&["bench", "chunks", "--size", "4M", "--runs", "1"]);
    let (names, without_limit) = names("chunks", &out);
    assert_eq!((names.len(), without_limit), (6, 1), "{names:?}");
    let out = node.run(&["bench", "blob", "--size", "4M", "--range-of", "8M", "--runs", "1"]);
    let lines = figures("blob", &out);
    let of =
        |name: &str| lines.iter().find(|line| line["figure"] == name).and_then(|line| line["cairn"].as_f64());
    assert!(of("fetch, over a plain stream").is_some() && of("three providers, over their sum").is_some());
    assert!(of("content moved for 1 MB").is_some_and(|mb| (1.0..2.0).contains(&mb)), "{lines:?}");
    let out = node.run(&["bench", "smallfiles", "--files", "50", "--runs", "1"]);
    assert!(names_of(&out).contains(&"sync with nothing to do".to_owned()), "{out:?}");
}

fn names_of(out: &Out) -> Vec<String> {
    names("smallfiles", out).0
}
