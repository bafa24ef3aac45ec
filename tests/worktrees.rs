//! Several worktrees of one project, and several projects in one worktree.

use std::fs;

use crate::harness::{Node, Stage};
use serde_json::Value;

fn changed(node: &Node) -> Value {
    node.ok(&["status"])["changed"].clone()
}

#[test]
fn c18_a_project_has_several_worktrees_each_on_a_branch_of_its_own() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let repo = ana.ok(&["status"])["repo"].as_str().unwrap().to_owned();
    let other = Node::new("other", ana.home.clone(), stage.path().join("other"));
    fs::create_dir_all(&other.tree).unwrap();
    other.ok(&["clone", &format!("//{repo}"), "."]);
    other.ok(&["come", "fix"]);
    other.write("b.txt", "b\n");
    other.post("a fix");
    let status = ana.ok(&["status"]);
    assert_eq!((&status["branch"], &status["changed"]), (&"main".into(), &Value::Array(Vec::new())));
    assert!(!ana.tree.join("b.txt").exists());
    ana.ok(&["put", "?fix"]);
    assert_eq!(ana.read("b.txt"), b"b\n");
    assert_eq!(other.ok(&["status"])["branch"], "fix");
}

#[test]
fn c18_a_worktree_holds_several_projects_and_none_takes_in_the_files_of_another() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n"), ("vendor/list.txt", b"notes\n")]);
    let notes = Node::new("notes", ana.home.clone(), ana.tree.join("vendor/notes"));
    notes.write("n.txt", "n\n");
    notes.ok(&["init", ".", "--project", "@me/notes"]);
    notes.post("a note");
    assert_eq!((changed(&ana), changed(&notes)), (Value::Array(Vec::new()), Value::Array(Vec::new())));
    assert_eq!(notes.ok(&["status"])["project"], "@me/notes");
    // What is done to the outer one leaves the inner one alone, even where its folder goes.
    ana.ok(&["come", "bare"]);
    fs::remove_file(ana.tree.join("vendor/list.txt")).unwrap();
    ana.post("no list");
    ana.ok(&["get", "?main"]);
    ana.ok(&["get", "?bare"]);
    assert_eq!((notes.read("n.txt"), changed(&notes)), (b"n\n".to_vec(), Value::Array(Vec::new())));
    notes.write("n.txt", "more\n");
    notes.post("another note");
    assert_eq!(changed(&ana), Value::Array(Vec::new()));
}
