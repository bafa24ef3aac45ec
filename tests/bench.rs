//! Benchmarks: what they print, never how fast anything is.

use crate::harness::Stage;
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

#[test]
fn merges_of_dealt_edits_are_figures_with_limits() {
    let stage = Stage::new();
    let (dir, node) = (releases(&stage), stage.node("a"));
    let run = || node.run(&["bench", "merge", &dir, "--cases", "4", "--seed", "3"]);
    let out = run();
    assert_eq!(out.code, 0, "{out:#?}");
    let lines: Vec<Value> = out.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert_eq!(line["bench"], "merge");
        assert!(line["figure"].is_string() && line["unit"].is_string() && line["met"].is_boolean(), "{line}");
        assert!(["cairn", "limit", "runs"].iter().all(|field| line[field].is_number()), "{line}");
        assert_eq!(line["rival"].is_null(), line["rival_name"].is_null());
    }
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
