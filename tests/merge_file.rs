//! `merge-file` by itself, and as the merge driver of a real git.

use crate::harness::{Out, Stage, told};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the binary where no home is, and where none may come to be.
fn merge(stage: &Stage, words: &[&str]) -> Out {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    command.env("HOME", stage.path().join("nowhere")).env_remove("CAIRN_HOME").env_remove("CAIRN_KEY");
    command.env_remove("XDG_DATA_HOME").current_dir(stage.path()).arg("merge-file").args(words);
    told(command.output().unwrap())
}

fn sides(base: &str, ours: &str, theirs: &str) -> Stage {
    let stage = Stage::new();
    for (name, text) in [("base.rs", base), ("ours.rs", ours), ("theirs.rs", theirs)] {
        fs::write(stage.path().join(name), text).unwrap();
    }
    stage
}

fn text(stage: &Stage, name: &str) -> String {
    fs::read_to_string(stage.path().join(name)).unwrap()
}

#[test]
fn loose_files_merge_without_a_repo_or_a_home() {
    let stage = sides("fn f() {\n    1\n}\n", "fn f() {\n    2\n}\n", "fn f() {\n    1\n}\n\nfn g() {}\n");
    let out = merge(&stage, &["base.rs", "ours.rs", "theirs.rs", "-o", "out.rs", "--json"]);
    assert_eq!((out.code, &out.json["overlaps"]), (0, &serde_json::json!([])), "{out:#?}");
    assert_eq!(text(&stage, "out.rs"), "fn f() {\n    2\n}\n\nfn g() {}\n");
    assert_eq!(fs::read_dir(stage.path()).unwrap().count(), 4, "something else was written");
}

#[test]
fn overlaps_of_loose_files_are_told_and_sides_may_be_swapped() {
    let stage = sides("fn f() {\n    1\n}\n", "fn f() {\n    2\n}\n", "fn f() {\n    31\n}\n");
    let one = merge(&stage, &["base.rs", "ours.rs", "theirs.rs", "-o", "one.rs", "--json"]);
    let two = merge(&stage, &["base.rs", "theirs.rs", "ours.rs", "-o", "two.rs", "--json"]);
    assert_eq!((one.code, two.code), (1, 1), "{one:#?}");
    assert_eq!(text(&stage, "one.rs"), text(&stage, "two.rs"));
    let overlap = &one.json["overlaps"][0];
    assert_eq!((overlap["path"].as_str(), overlap["line"].as_u64()), (Some("one.rs"), Some(2)));
    assert_eq!((overlap["symbol"].as_str(), overlap["kind"].as_str()), (Some("f"), Some("replace")));
    assert_eq!(overlap["alternatives"][0]["authors"][0], "ours");
    assert_eq!(two.json["overlaps"][0]["alternatives"][0]["authors"][0], "theirs");
    assert!(one.stderr.contains("one.rs:2"), "{one:#?}");
}

#[test]
fn neighbouring_lines_are_kept_and_worth_a_look() {
    let base = "fn f() {\n    one();\n    two();\n}\n";
    let stage = sides(base, &base.replace("one", "uno"), &base.replace("two", "due"));
    let out = merge(&stage, &["base.rs", "ours.rs", "theirs.rs", "-o", "out.rs", "--json"]);
    assert_eq!(text(&stage, "out.rs"), "fn f() {\n    uno();\n    due();\n}\n");
    let soft = &out.json["overlaps"][0];
    assert_eq!((out.code, soft["soft"].as_bool()), (1, Some(true)), "{out:#?}");
    assert!(out.stderr.starts_with("worth a look:\n0 beside out.rs:2 in f\n"), "{out:#?}");
}

#[test]
fn a_merge_that_fails_writes_nothing() {
    let stage = sides("a\n", "b\n", "c\n");
    let cases: [(&[&str], i32); 4] = [
        (&["base.rs", "ours.rs", "gone.rs", "-o", "out.rs"], 3),
        (&["base.rs", "ours.rs", "theirs.rs"], 2),
        (&["base.rs", "ours.rs", "theirs.rs", "-o", "."], 2),
        (&["base.rs", "ours.rs", ".", "-o", "out.rs"], 4),
    ];
    for (words, code) in cases {
        let out = merge(&stage, words);
        assert_eq!(out.code, code, "{words:?}: {out:#?}");
        assert_eq!(fs::read_dir(stage.path()).unwrap().count(), 3, "{words:?}");
    }
}

#[test]
fn any_bytes_merge() {
    let stage = sides("", "", "");
    let files: [(&str, &[u8]); 3] =
        [("base.rs", b"\xff\r\nb\r\nc"), ("ours.rs", b"\xfe\r\nb\r\nc"), ("theirs.rs", b"\xff\r\nb\r\nd")];
    files.iter().for_each(|(name, bytes)| fs::write(stage.path().join(name), bytes).unwrap());
    assert_eq!(merge(&stage, &["base.rs", "ours.rs", "theirs.rs", "-o", "ours.rs"]).code, 0);
    assert_eq!(fs::read(stage.path().join("ours.rs")).unwrap(), b"\xfe\r\nb\r\nd");
    fs::write(stage.path().join("base.rs"), b"a\0b").unwrap();
    fs::write(stage.path().join("theirs.rs"), b"a\0c").unwrap();
    let out = merge(&stage, &["base.rs", "ours.rs", "theirs.rs", "-o", "out.rs"]);
    assert_eq!(out.code, 1, "{out:#?}");
}

/// A git repository that asks cairn.
struct Git<'a> {
    dir: &'a Path,
}

impl<'a> Git<'a> {
    fn new(dir: &'a Path) -> Self {
        let git = Self { dir };
        git.ok(&["init", "-q", "-b", "main", "."]);
        let driver = format!("'{}' merge-file %O %A %B -o %A --path %P", env!("CARGO_BIN_EXE_cairn"));
        git.ok(&["config", "merge.cairn.driver", &driver]);
        git
    }

    fn run(&self, words: &[&str]) -> Out {
        let mut command = Command::new("git");
        command.current_dir(self.dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command.args(["-c", "user.name=Ana", "-c", "user.email=ana@example.com"]).args(words);
        told(command.output().unwrap())
    }

    fn ok(&self, words: &[&str]) -> Out {
        let out = self.run(words);
        assert_eq!(out.code, 0, "git {words:?}: {out:#?}");
        out
    }

    fn ask_cairn(&self, asked: bool) {
        let attributes = if asked { "* merge=cairn\n" } else { "" };
        fs::write(self.dir.join(".git/info/attributes"), attributes).unwrap();
    }

    fn commit(&self, path: &str, text: &str) {
        fs::write(self.dir.join(path), text).unwrap();
        self.ok(&["add", "."]);
        self.ok(&["commit", "-qm", "step"]);
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.join(path)).unwrap()
    }
}

const LOAD: &str = "def load(path):\n    with open(path) as file:\n        return file.read()\n";
const COUNT: &str = "def count(text):\n    words = text.split()\n    return len(words)\n";

/// One side moves a function, the other edits all of them.
#[test]
fn git_merges_and_rebases_with_cairn_where_it_would_stop() {
    let stage = Stage::new();
    let git = Git::new(stage.path());
    let (load, count) = (
        LOAD.replace("(path) as", "(path, encoding='utf-8') as"),
        COUNT.replace("text.split", "text.lower().split"),
    );
    git.commit("count.py", &format!("{LOAD}\n\n{COUNT}"));
    git.ok(&["checkout", "-qb", "side"]);
    git.commit("count.py", &format!("{COUNT}\n\n{LOAD}"));
    git.commit("other.py", "x = 1\n");
    git.ok(&["checkout", "-q", "main"]);
    git.commit("count.py", &format!("{load}\n\n{count}"));
    let both = format!("{count}\n\n{load}");

    assert_eq!(git.run(&["merge", "side"]).code, 1, "plain git must stop here, or this shows nothing");
    git.ok(&["merge", "--abort"]);
    git.ask_cairn(true);
    git.ok(&["merge", "-q", "--no-edit", "side"]);
    assert_eq!(git.read("count.py"), both);

    git.ok(&["reset", "-q", "--hard", "HEAD~"]);
    git.ok(&["checkout", "-q", "side"]);
    git.ask_cairn(false);
    assert_eq!(git.run(&["rebase", "main"]).code, 1, "plain git must stop here, or this shows nothing");
    git.ok(&["rebase", "--abort"]);
    git.ask_cairn(true);
    git.ok(&["rebase", "-q", "main"]);
    assert_eq!(git.read("count.py"), both);
    assert_eq!(git.ok(&["log", "--format=%s"]).stdout.lines().count(), 4);
}
