//! What people and tools script against: help, exit codes, field names, errors.

use crate::harness::{Stage, told};
use serde_json::Value;
use std::process::Command;

const VERBS: [&str; 43] = [
    "init",
    "import",
    "export",
    "get",
    "post",
    "put",
    "delete",
    "status",
    "diff",
    "log",
    "show",
    "come",
    "root",
    "overlaps",
    "mark",
    "undo",
    "redo",
    "serve",
    "watch",
    "peers",
    "invite",
    "join",
    "clone",
    "identity",
    "artifact",
    "verify",
    "fade",
    "bundle",
    "unbundle",
    "fsck",
    "doctor",
    "du",
    "demo",
    "merge-file",
    "bench",
    "completions",
    "man",
    "grant",
    "revoke",
    "held",
    "run",
    "share",
    "reproduce",
];

fn cairn(words: &[&str]) -> crate::harness::Out {
    told(Command::new(env!("CARGO_BIN_EXE_cairn")).env_remove("CAIRN_HOME").args(words).output().unwrap())
}

#[test]
fn the_help_of_each_verb_ends_with_two_examples() {
    let all = cairn(&["--help"]);
    assert_eq!(all.code, 0);
    let listed = all
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let listed: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(listed.iter().all(|verb| VERBS.contains(verb)), "{listed:?}");
    for verb in listed {
        let help = cairn(&[verb, "--help"]);
        assert_eq!(help.code, 0, "{verb}");
        let tail: Vec<&str> = help.stdout.trim_end().lines().rev().take(3).collect();
        assert_eq!(tail[2], "Examples:", "{verb}: {}", help.stdout);
        assert!(tail[..2].iter().all(|line| line.starts_with("  cairn ")), "{verb}: {tail:?}");
    }
}

#[test]
fn usage_errors_exit_2_and_speak_json_when_asked() {
    for words in [&["frobnicate", "--json"][..], &["--json", "mark"], &["root", "--no-such-flag", "--json"]] {
        let out = cairn(words);
        assert_eq!(out.code, 2, "{words:?}");
        assert!(out.json["code"] == "E_USAGE" && out.json["hint"].is_string(), "{words:?}: {out:#?}");
    }
    assert_eq!(cairn(&["frobnicate"]).code, 2);
    assert_eq!(cairn(&["-C", "/no/such/folder", "root", "--json"]).code, 3);
}

#[test]
fn what_is_not_there_exits_3() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    ana.refused(&["root", "?no-such-branch"], 3);
    ana.refused(&["show", "no/such/file.txt"], 3);
    ana.refused(&["artifact", "get", "no-such-artifact", "-o", "out.bin"], 3);
    let nowhere = stage.node("nowhere");
    nowhere.refused(&["status"], 3);
}

#[test]
fn a_peer_that_is_not_there_exits_5() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    ana.refused(&["put", "--peer", "/ip4/127.0.0.1/tcp/9"], 5);
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn is_hash(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[test]
fn field_names_are_fixed() {
    let stage = Stage::new();
    let ana = stage.node("ana");
    let init = ana.ok(&["init", ".", "--project", "@me/demo"]);
    assert_eq!(keys(&init), ["feed", "project", "repo"]);
    assert!(is_hash(&init["repo"]) && is_hash(&init["feed"]));
    assert_eq!(init["project"], "@me/demo");
    ana.write("a.txt", "a\n");
    let status = ana.ok(&["status"]);
    let fields =
        ["branch", "changed", "frontier", "incoming", "overlaps", "peers", "project", "repo", "root"];
    assert_eq!(keys(&status), fields);
    assert_eq!(keys(&status["changed"][0]), ["kind", "path"]);
    let post = ana.ok(&["post", "-m", "first"]);
    assert_eq!(keys(&post), ["feed", "files", "frontier", "root", "seq", "waypoint"]);
    assert!(is_hash(&post["waypoint"]) && post["files"] == 1, "{post}");
    let nothing = ana.ok(&["post"]);
    assert_eq!((&nothing["waypoint"], &nothing["files"]), (&Value::Null, &Value::from(0)));
    let root = ana.ok(&["root"]);
    assert_eq!(keys(&root), ["frontier", "overlaps", "root"]);
    assert_eq!((&root["root"], &root["frontier"]), (&post["root"], &post["frontier"]));
    let mark = ana.ok(&["mark", "one", "-m", "the first"]);
    assert_eq!(keys(&mark), ["frontier", "mark", "root"]);
    assert_eq!(ana.ok(&["root", "?one"])["root"], root["root"]);
    let verify = ana.ok(&["verify"]);
    assert_eq!(keys(&verify), ["bytes", "feeds", "ok", "problems", "ssts"]);
    let invite = ana.ok(&["invite", "--role", "read", "--expires", "7d", "--uses", "2"]);
    assert!(invite["invite"].as_str().is_some_and(|link| link.starts_with("cairn:")));
    let artifact = ana.ok(&["artifact", "add", "a.txt", "--name", "a"]);
    assert_eq!(keys(&artifact), ["artifact", "bytes", "stored_bytes"]);
}

#[test]
fn the_device_key_is_private_backed_up_and_restored() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let key = ana.ok(&["identity", "show"])["key"].clone();
    let mode = std::fs::metadata(ana.home.join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let backup = stage.path().join("backup.key");
    ana.ok(&["identity", "backup", backup.to_str().unwrap()]);
    assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let other = stage.node("other");
    other.ok(&["identity", "restore", backup.to_str().unwrap()]);
    assert_eq!(other.ok(&["identity"])["key"], key);
}

#[test]
fn branches_are_forked_switched_and_merged() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.rs", b"fn a() {\n    one();\n}\n\nfn b() {\n    two();\n}\n")]);
    ana.ok(&["come", "side"]);
    ana.edit("a.rs", "one()", "uno()");
    ana.post("on the side");
    ana.ok(&["get", "?main"]);
    assert!(!String::from_utf8(ana.read("a.rs")).unwrap().contains("uno"));
    ana.edit("a.rs", "two()", "due()");
    ana.post("on main");
    ana.ok(&["put", "?side"]);
    let text = String::from_utf8(ana.read("a.rs")).unwrap();
    assert!(text.contains("uno()") && text.contains("due()"), "{text}");
    assert_eq!(ana.ok(&["status"])["branch"], "main");
}

#[test]
fn overlaps_are_listed_shown_and_settled() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.rs", b"fn a() -> u32 {\n    one()\n}\n")]);
    ana.ok(&["come", "side"]);
    ana.edit("a.rs", "one", "uno");
    ana.post("on the side");
    ana.ok(&["get", "?main"]);
    ana.edit("a.rs", "one", "eins");
    ana.post("on main");
    let put = ana.run(&["put", "?side"]);
    assert_eq!(put.code, 1, "{put:#?}");
    let list = ana.run(&["overlaps"]);
    assert_eq!(list.code, 1, "{list:#?}");
    let overlap = &list.json["overlaps"][0];
    assert_eq!(overlap["path"], "a.rs");
    assert_eq!(overlap["alternatives"].as_array().map(Vec::len), Some(2), "{overlap}");
    let wanted = overlap["alternatives"][1]["text"].as_str().unwrap().to_owned();
    let taken = ana.run(&["overlaps", "take", "0", "1"]);
    assert_eq!(taken.code, 0, "{taken:#?}");
    assert!(String::from_utf8(ana.read("a.rs")).unwrap().contains(wanted.trim()));
    assert_eq!(ana.ok(&["root"])["overlaps"], 0);
}

#[test]
fn diff_delete_and_log_tell_what_happened() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n"), ("b.txt", b"b\n")]);
    ana.write("a.txt", "changed\n");
    let diff = ana.run(&["diff"]);
    assert_eq!(diff.code, 1);
    let text = diff.json["files"][0]["text"].as_str().unwrap();
    assert!(text.contains("-a\n") && text.contains("+changed\n"), "{text}");
    ana.ok(&["delete", "b.txt"]);
    assert!(!ana.tree.join("b.txt").exists());
    ana.run(&["post", "-m", "second"]);
    let log = ana.ok(&["log", "-n", "1"]);
    assert_eq!(log["waypoints"].as_array().map(Vec::len), Some(1));
    assert_eq!(ana.run(&["diff"]).code, 0);
}
