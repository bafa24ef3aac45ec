//! Overlaps as data: a program, an editor or a hand settles them, and a refusal changes nothing.

use crate::harness::{Node, Stage, files_below};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const BASE: &str = "fn one() {\n    a();\n}\n\nfn two() {\n    let x = 100;\n    b(x);\n}\n";

/// A node whose two branches met at one number.
fn met(stage: &Stage) -> Node {
    let ana = stage.founder("ana", &[("src/a.rs", BASE.as_bytes())]);
    ana.ok(&["come", "side"]);
    ana.edit("src/a.rs", "100", "200");
    ana.post("more");
    ana.ok(&["get", "?main"]);
    ana.edit("src/a.rs", "100", "150");
    ana.edit("src/a.rs", "a()", "aa()");
    ana.post("some");
    let put = ana.run(&["put", "?side"]);
    assert_eq!((put.code, &put.json["overlaps"]), (1, &Value::from(1)), "{put:#?}");
    let spot = &put.json["places"][0];
    assert_eq!((spot["path"].as_str(), spot["line"].as_u64()), (Some("src/a.rs"), Some(6)), "{put:#?}");
    assert_eq!((spot["symbol"].as_str(), spot["kind"].as_str()), (Some("two"), Some("replace")));
    assert_eq!(&ana.ok(&["status"])["places"][0], spot);
    ana
}

/// A program that does `words` in a shell.
fn program(folder: &Path, name: &str, words: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{words}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn text(node: &Node) -> String {
    String::from_utf8(node.read("src/a.rs")).unwrap()
}

/// Everything that is kept: the store's files, and where the worktree stands. Not the lock, which names the
/// process, nor the index, which is derived and notes each time that it is opened.
fn kept(node: &Node) -> (Vec<(PathBuf, Vec<u8>)>, Value) {
    let passing = |path: &PathBuf| path.ends_with("owner.lock") || path.ends_with("index.redb");
    let files = files_below(&node.home).into_iter().filter(|path| !passing(path));
    let files = files.map(|path| (path.clone(), fs::read(&path).unwrap_or_default()));
    let files = files.chain([(PathBuf::from("a.rs"), node.read("src/a.rs"))]).collect();
    (files, node.ok(&["root"]))
}

#[test]
fn a_program_reads_the_question_and_its_text_is_posted_on_top_of_both_sides() {
    let stage = Stage::new();
    let ana = met(&stage);
    let asked = stage.path().join("asked.json");
    let words = format!("cat > '{}'; echo '{{\"text\": \"175\"}}'", asked.display());
    let program = program(stage.path(), "decide", &words);
    let with = format!("'{}' --token secret", program.display());
    let done = ana.run(&["overlaps", "resolve", "--with", &with]);
    assert_eq!(done.code, 0, "{done:#?}");

    let question: Value = serde_json::from_slice(&fs::read(asked).unwrap()).unwrap();
    assert_eq!(question["kind"], "replace");
    assert_eq!(question["base"], BASE);
    let shown = question["alternatives"][0]["text"].as_str().unwrap();
    let around = [question["before"].as_str().unwrap(), shown, question["after"].as_str().unwrap()].concat();
    assert_eq!(around, BASE.replace("100", shown).replace("a()", "aa()"));
    assert!(question["alternatives"][1]["waypoints"][0].is_string(), "{question}");

    assert_eq!(text(&ana), BASE.replace("100", "175").replace("a()", "aa()"));
    assert_eq!(ana.ok(&["root"])["overlaps"], 0);
    let log = ana.ok(&["log"]);
    let newest = &log["waypoints"][0];
    assert_eq!(newest["waypoint"], done.json["settled"][0]["waypoint"]);
    assert_eq!(newest["message"], "resolve src/a.rs#two with decide");
    let merge = &log["waypoints"][1];
    assert_eq!(newest["parents"][0], merge["waypoint"]);
    assert_eq!(merge["parents"].as_array().map(Vec::len), Some(2), "{log}");
}

#[test]
fn a_refusal_changes_nothing() {
    let stage = Stage::new();
    let ana = met(&stage);
    // The first reading may still put derived files in order.
    ana.run(&["overlaps"]);
    let before = kept(&ana);
    let refusals = [
        "echo '{\"refuse\": \"I cannot tell\"}'",
        "echo '{\"text\": \"1\"}'; exit 3",
        "echo '{\"text\": 1}'",
        "echo '{\"take\": 9}'",
        "echo 175",
        "true",
        "kill -9 $$",
    ];
    for words in refusals {
        let program = program(stage.path(), "decide", words);
        let done = ana.run(&["overlaps", "resolve", "--with", program.to_str().unwrap(), "0"]);
        assert_eq!(done.code, 1, "{words}: {done:#?}");
        assert_eq!(done.json["settled"].as_array().map(Vec::len), Some(0), "{words}: {done:#?}");
        assert!(done.json["refused"][0]["reason"].is_string(), "{words}: {done:#?}");
        assert!(kept(&ana) == before, "{words}: something changed");
    }
    assert_eq!(ana.run(&["overlaps", "resolve", "--with", "true", "7"]).code, 3);
}

#[test]
fn several_overlaps_of_one_file_are_resolved_in_one_go() {
    let stage = Stage::new();
    let base = "fn f() {\n    let a = 1;\n    let b = 1;\n    let c = 1;\n}\n\nfn g() {\n    let d = 1;\n}\n";
    let ana = stage.founder("ana", &[("src/a.rs", base.as_bytes())]);
    ana.ok(&["come", "side"]);
    ana.write("src/a.rs", base.replace("= 1", "= 20"));
    ana.post("side");
    ana.ok(&["get", "?main"]);
    ana.write("src/a.rs", base.replace("= 1", "= 30"));
    ana.post("main");
    assert_eq!(ana.ok(&["put", "?side"])["overlaps"], 4);
    let words = "sed 's/.*\"line\":\\([0-9]*\\).*/{\"text\":\"\\1\\1\\1\"}/'";
    let program = program(stage.path(), "decide", words);
    let done = ana.run(&["overlaps", "resolve", "--with", program.to_str().unwrap()]);
    assert_eq!(done.code, 0, "{done:#?}");
    let wanted = "fn f() {\n    let a = 222;\n    let b = 333;\n    let c = 444;\n}\n\nfn g() {\n    let d = 888;\n}\n";
    assert_eq!(text(&ana), wanted);
    assert_eq!(ana.ok(&["root"])["overlaps"], 0);
}

#[test]
fn a_taken_alternative_and_a_deletion_are_settled_by_a_program_too() {
    let stage = Stage::new();
    let ana = met(&stage);
    let take = program(stage.path(), "take", "echo '{\"take\": 1}'");
    assert_eq!(ana.run(&["overlaps", "resolve", "--with", take.to_str().unwrap()]).code, 0);
    assert!(text(&ana).contains("200"), "{}", text(&ana));

    ana.ok(&["come", "gone"]);
    ana.write("src/a.rs", "fn one() {\n    aa();\n}\n");
    ana.post("two is gone");
    ana.ok(&["get", "?main"]);
    ana.edit("src/a.rs", "b(x)", "b(x + 1)");
    ana.post("two is edited");
    assert_eq!(ana.run(&["put", "?gone"]).json["overlaps"], 1);
    let list = ana.ok(&["overlaps"]);
    assert_eq!(list["overlaps"][0]["kind"], "delete_edit", "{list}");
    assert_eq!(ana.run(&["overlaps", "resolve", "--with", take.to_str().unwrap()]).code, 0);
    assert_eq!(text(&ana), "fn one() {\n    aa();\n}\n");
    assert_eq!(ana.ok(&["root"])["overlaps"], 0);
}

#[test]
fn an_editor_opens_at_the_place_and_what_it_leaves_is_posted() {
    let stage = Stage::new();
    let ana = met(&stage);
    let words =
        format!("echo \"$@\" > '{}'; sed -i 's/150\\|200/160/' \"$2\"", stage.path().join("words").display());
    let editor = program(stage.path(), "vim", &words);
    let edit = |editor: &Path| {
        let mut command = ana.command();
        command.env_remove("VISUAL").env("EDITOR", editor).args(["overlaps", "edit", "0"]);
        crate::harness::told(command.output().unwrap())
    };
    let failing = program(stage.path(), "failing", "exit 1");
    assert_eq!(edit(&failing).code, 4);
    let idle = program(stage.path(), "idle", "true");
    let out = edit(&idle);
    assert_eq!((out.code, &out.json["waypoint"]), (1, &Value::Null), "{out:#?}");
    let out = edit(&editor);
    assert_eq!(out.code, 0, "{out:#?}");
    assert!(out.json["waypoint"].is_string());
    let opened = fs::read_to_string(stage.path().join("words")).unwrap();
    assert!(opened.starts_with("+6 /") && opened.trim_end().ends_with("src/a.rs"), "{opened}");
    assert!(text(&ana).contains("160"), "{}", text(&ana));
    assert_eq!(ana.ok(&["root"])["overlaps"], 0);
}

#[test]
fn changing_the_place_and_posting_settles_it() {
    let stage = Stage::new();
    let ana = met(&stage);
    ana.edit("src/a.rs", "let x", "let mut x");
    ana.post("beside it");
    assert_eq!(ana.ok(&["root"])["overlaps"], 1, "what met is still there");
    let shown = ana.ok(&["overlaps"])["overlaps"][0]["alternatives"][0]["text"].as_str().unwrap().to_owned();
    ana.edit("src/a.rs", &shown, "1000");
    ana.post("both are too few");
    assert_eq!(ana.ok(&["root"])["overlaps"], 0);
    assert_eq!(text(&ana), BASE.replace("100", "1000").replace("a()", "aa()").replace("let x", "let mut x"));
}

#[test]
fn neighbouring_lines_are_worth_a_look_until_someone_posts_on_top() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("src/a.rs", BASE.as_bytes())]);
    ana.ok(&["come", "side"]);
    ana.edit("src/a.rs", "b(x)", "b(x + 1)");
    ana.post("below");
    ana.ok(&["get", "?main"]);
    ana.edit("src/a.rs", "100", "200");
    ana.post("above");
    let blend = ana.ok(&["overlaps", "?main?side"]);
    let soft = &blend["overlaps"][0];
    assert_eq!((soft["kind"].as_str(), soft["soft"].as_bool()), (Some("beside"), Some(true)), "{blend}");
    let put = ana.run(&["put", "?side"]);
    assert_eq!((put.code, &put.json["overlaps"]), (0, &Value::from(0)), "{put:#?}");
    let spot = &put.json["places"][0];
    assert_eq!((spot["kind"].as_str(), spot["line"].as_u64()), (Some("beside"), Some(6)), "{put:#?}");
    assert_eq!(ana.ok(&["status"])["places"], Value::Null);
}
