//! Histories of git, in and out: real repositories, made with the git binary and compared by the names of their objects.

use crate::harness::{Node, Stage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository of git with a worktree.
struct Repo {
    dir: PathBuf,
    commits: std::cell::Cell<u64>,
}

impl Repo {
    fn new(dir: PathBuf) -> Self {
        fs::create_dir_all(&dir).unwrap();
        let repo = Self { dir, commits: 0.into() };
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    /// Runs git, which need not succeed; what it printed.
    fn try_git(&self, words: &[&str]) -> (bool, String) {
        let when = format!("{} +0530", 1_600_000_000 + self.commits.get());
        let mut git = Command::new("git");
        git.args(["-c", "protocol.file.allow=always"]).args(words).current_dir(&self.dir);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Ana Å").env(format!("GIT_{who}_EMAIL"), "ana@example.org");
            git.env(format!("GIT_{who}_DATE"), &when);
        }
        let out = git.output().unwrap();
        (out.status.success(), String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    fn git(&self, words: &[&str]) -> String {
        let (done, told) = self.try_git(words);
        assert!(done, "git {words:?}: {told}");
        told
    }

    fn write(&self, path: impl AsRef<[u8]>, bytes: &[u8]) {
        let path = self.dir.join(OsStr::from_bytes(path.as_ref()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn commit(&self, message: &str) {
        self.commits.set(self.commits.get() + 1);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    fn path(&self) -> &str {
        self.dir.to_str().unwrap()
    }
}

/// What every ref of a repository names.
fn refs(dir: &Path) -> BTreeMap<String, String> {
    let out = Command::new("git")
        .args(["for-each-ref", "--format=%(refname) %(objectname)"])
        .current_dir(dir)
        .output();
    let text = String::from_utf8(out.unwrap().stdout).unwrap();
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

/// The tree of every commit of a repository, by the commit.
fn trees(dir: &Path) -> BTreeMap<String, String> {
    let out = Command::new("git").args(["log", "--all", "--format=%H %T"]).current_dir(dir).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

fn sound(dir: &Path) {
    let out = Command::new("git").args(["fsck", "--full"]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn importer(stage: &Stage, name: &str) -> Node {
    let node = stage.node(name);
    node.ok(&["init", ".", "--project", "@me/demo"]);
    node
}

/// A history with about everything that git can hold.
fn rich(stage: &Stage) -> Repo {
    let repo = Repo::new(stage.path().join("rich"));
    repo.write("a.rs", b"fn a() { 1 }\n\nfn b() { 2 }\n");
    repo.write("run.sh", b"#!/bin/sh\n");
    fs::set_permissions(repo.dir.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    repo.write("crlf.txt", b"a\r\nb\r\n");
    repo.write("empty", b"");
    repo.write(b"n\xff\xfename", b"\xff");
    repo.write("d/e/deep.txt", b"deep\nand\nlong enough to be known again\n");
    repo.write("large.bin", &(0..=255).cycle().take(100_000).collect::<Vec<u8>>());
    repo.write("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    symlink("d/e/deep.txt", repo.dir.join("link")).unwrap();
    repo.commit("first");
    repo.git(&["tag", "light"]);
    repo.git(&["tag", "-a", "v1", "-m", "the first\n\nof many"]);
    repo.write("a.rs", b"fn a() { 1 }\n\nfn b() { 3 }\n");
    repo.git(&["mv", "d", "moved"]);
    repo.commit("edit and move");
    repo.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
    repo.write("a.rs", b"fn a() { 10 }\n\nfn b() { 2 }\n");
    repo.commit("side");
    repo.git(&["checkout", "-q", "main"]);
    repo.try_git(&["merge", "-q", "side"]);
    repo.write("a.rs", b"fn neither() {}\n");
    repo.write("evil", b"in no parent\n");
    repo.commit("a merge that is its own");
    octopus_and_cross(&repo);
    fs::remove_dir_all(repo.dir.join("moved")).unwrap();
    repo.write("moved", b"a file now\n");
    fs::remove_file(repo.dir.join("empty")).unwrap();
    repo.write("empty/inside", b"a folder now\n");
    repo.commit("kinds change");
    let commit = repo.git(&["rev-parse", "side"]);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},libs/sub")]);
    repo.git(&["commit", "-q", "-m", "submodule"]);
    repo.git(&["checkout", "-q", "--orphan", "other"]);
    repo.git(&["rm", "-rq", "-f", "--cached", "."]);
    repo.git(&["commit", "-q", "--allow-empty", "-m", "a beginning of its own"]);
    repo.git(&["checkout", "-q", "-f", "main"]);
    repo.git(&["branch", "same"]);
    repo.git(&["tag", "-a", "v2", "-m", "the second"]);
    repo
}

fn octopus_and_cross(repo: &Repo) {
    for name in ["o1", "o2"] {
        repo.git(&["checkout", "-q", "-b", name, "main"]);
        repo.write(name, name.as_bytes());
        repo.commit(name);
    }
    repo.git(&["checkout", "-q", "main"]);
    repo.write("main", b"main");
    repo.commit("main goes on");
    repo.git(&["merge", "-q", "--no-edit", "o1", "o2"]);
    repo.git(&["checkout", "-q", "-b", "x"]);
    repo.write("x", b"x");
    repo.commit("x");
    repo.git(&["checkout", "-q", "-b", "y", "main"]);
    repo.write("y", b"y");
    repo.commit("y");
    repo.git(&["merge", "-q", "--no-edit", "x"]);
    repo.git(&["checkout", "-q", "x"]);
    repo.git(&["merge", "-q", "--no-edit", "y~1"]);
    repo.write("x", b"x again");
    repo.commit("x again");
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["merge", "-q", "--no-edit", "x", "y"]);
}

#[test]
fn a_history_comes_out_as_it_went_in() {
    let stage = Stage::new();
    let (repo, node) = (rich(&stage), importer(&stage, "a"));
    let first = node.ok(&["import", "git", repo.path()]);
    assert_eq!(first["commits"], trees(&repo.dir).len(), "{first}");
    assert_eq!((&first["left_out"], &first["artifacts"]), (&Value::Array(Vec::new()), &1.into()));
    let again = node.ok(&["import", "git", repo.path()]);
    assert_eq!(again["commits"], 0);
    assert!(again["branches"].as_array().unwrap().iter().all(|branch| branch["changed"] == false), "{again}");
    let out = stage.path().join("out.git");
    node.ok(&["export", "git", out.to_str().unwrap()]);
    assert_eq!(refs(&out), refs(&repo.dir));
    assert_eq!(trees(&out), trees(&repo.dir));
    sound(&out);
    assert_eq!(node.ok(&["export", "git", out.to_str().unwrap()])["commits"], 0);
    assert_eq!(node.ok(&["verify", "--deep"])["ok"], true);
    let log = node.ok(&["log", "?main"]);
    let last = &log["waypoints"][0];
    assert_eq!((&last["author"], &last["imported"]["mail"]), (&"Ana Å".into(), &"ana@example.org".into()));
    assert_eq!(last["imported"]["offset_minutes"], 330);
    assert_eq!(node.ok(&["overlaps", "?main"])["overlaps"], Value::Array(Vec::new()));
    node.ok(&["get", "?main"]);
    assert_eq!(node.read("a.rs"), b"fn neither() {}\n");
    assert_eq!(fs::read(node.tree.join(OsStr::from_bytes(b"n\xff\xfename"))).unwrap(), b"\xff");
}

#[test]
fn only_what_is_new_is_imported_and_a_copy_knows_too() {
    let stage = Stage::new();
    let (repo, mut a, b) = (Repo::new(stage.path().join("repo")), importer(&stage, "a"), stage.node("b"));
    repo.write("a.txt", b"one\n");
    repo.commit("one");
    a.ok(&["import", "git", repo.path()]);
    a.ok(&["get", "?main"]);
    a.serve();
    b.join(&a, "write");
    assert_eq!(b.ok(&["import", "git", repo.path()])["commits"], 0);
    repo.write("a.txt", b"one\ntwo\n");
    repo.commit("two");
    assert_eq!(b.ok(&["import", "git", repo.path()])["commits"], 1);
    b.ok(&["put"]);
    assert_eq!(b.read("a.txt"), b"one\ntwo\n");
}

#[test]
fn a_branch_that_git_moved_aside_leaves_its_old_tip() {
    let stage = Stage::new();
    let (repo, node) = (Repo::new(stage.path().join("repo")), importer(&stage, "a"));
    repo.write("a.txt", b"one\n");
    repo.commit("one");
    repo.write("b.txt", b"rejected\n");
    repo.commit("rejected");
    node.ok(&["import", "git", repo.path()]);
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    repo.write("c.txt", b"instead\n");
    repo.commit("instead");
    assert_eq!(node.ok(&["import", "git", repo.path()])["commits"], 1);
    node.ok(&["get", "?main"]);
    assert!(!node.tree.join("b.txt").exists() && node.tree.join("c.txt").exists());
}

#[test]
fn work_on_both_sides_meets() {
    let stage = Stage::new();
    let (repo, node) = (Repo::new(stage.path().join("repo")), importer(&stage, "a"));
    repo.write("a.txt", b"one\n\n\n\n\nlast\n");
    repo.commit("one");
    node.ok(&["import", "git", repo.path()]);
    node.ok(&["get", "?main"]);
    node.edit("a.txt", "last", "last, said here");
    node.post("here");
    node.write("b.txt", "here too\n");
    node.post("here again");
    let out = stage.path().join("out.git");
    node.ok(&["export", "git", out.to_str().unwrap()]);
    sound(&out);
    repo.git(&["pull", "-q", out.to_str().unwrap(), "main"]);
    assert_eq!(repo.git(&["log", "--format=%s"]), "here again\none", "waypoints between labels stay here");
    assert_eq!(node.ok(&["import", "git", repo.path()])["commits"], 0, "what was exported is known");
    repo.write("a.txt", b"one, said there\n\n\n\n\nlast, said here\n");
    repo.commit("there");
    assert_eq!(node.ok(&["import", "git", repo.path()])["commits"], 1);
    node.ok(&["put"]);
    assert_eq!(node.read("a.txt"), b"one, said there\n\n\n\n\nlast, said here\n");
    node.ok(&["export", "git", out.to_str().unwrap()]);
    assert_eq!(refs(&out)["refs/heads/main"], repo.git(&["rev-parse", "main"]));
}

/// Makes a tree of these lines as they are, however bad, and a commit of it.
fn forged(repo: &Repo, lines: &[(&str, &[u8], &str)]) {
    let mut tree = Vec::new();
    for (mode, name, id) in lines {
        let id = (0..20).map(|at| u8::from_str_radix(&id[at * 2..at * 2 + 2], 16).unwrap());
        tree.extend_from_slice(&[mode.as_bytes(), b" ", name, b"\0", &id.collect::<Vec<_>>()].concat());
    }
    repo.write("../tree.bin", &tree);
    let tree = repo.git(&["hash-object", "-t", "tree", "--literally", "-w", "../tree.bin"]);
    let commit = repo.git(&["commit-tree", "-m", "forged", &tree]);
    repo.git(&["update-ref", "refs/heads/main", &commit]);
}

#[test]
fn trees_that_no_worktree_may_hold_are_refused() {
    let stage = Stage::new();
    let node = importer(&stage, "a");
    let (file, folder) = ("100644", "40000");
    let blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
    let names: [&[u8]; 7] = [b"..", b".git", b".GIT", b".cairn", b"a\\b", b".", b"a/b"];
    for (number, name) in names.into_iter().enumerate() {
        let repo = Repo::new(stage.path().join(format!("bad{number}")));
        repo.write("x", b"");
        repo.git(&["hash-object", "-w", "x"]);
        forged(&repo, &[(file, name, blob)]);
        let told = node.refused(&["import", "git", repo.path()], 4);
        assert_eq!(told["code"], "E_GIT", "{name:?}: {told}");
    }
    for lines in [
        vec![(file, &b"a"[..], blob), (file, b"a", blob)],
        vec![(file, b"b", blob), (file, b"a", blob)],
        vec![(file, b"", blob)],
        vec![("777", b"a", blob)],
        vec![(folder, b"a", "00112233445566778899aabbccddeeff00112233")],
    ] {
        let repo = Repo::new(stage.path().join(format!("worse{}", lines[0].0.len() + lines.len())));
        repo.write("x", b"");
        repo.git(&["hash-object", "-w", "x"]);
        forged(&repo, &lines);
        let out = node.run(&["import", "git", repo.path()]);
        assert!([4, 6].contains(&out.code) && out.json["code"] == "E_GIT", "{lines:?}: {out:?}");
    }
    assert_eq!(node.ok(&["verify", "--deep"])["ok"], true);
}

#[test]
fn damaged_repositories_are_named() {
    let stage = Stage::new();
    let (repo, node) = (Repo::new(stage.path().join("repo")), importer(&stage, "a"));
    for number in 0..40 {
        repo.write(format!("f{}", number % 7), format!("line {number}\n").repeat(50).as_bytes());
        repo.commit(&format!("commit {number}"));
    }
    assert_eq!(node.refused(&["import", "git", stage.path().to_str().unwrap()], 3)["code"], "E_GIT");
    repo.git(&["gc", "-q"]);
    let folder = repo.dir.join(".git/objects/pack");
    let packs = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let pack = packs.into_iter().find(|path| path.extension().is_some_and(|end| end == "pack")).unwrap();
    let whole = fs::read(&pack).unwrap();
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
    for size in [whole.len() / 2, 40, 0] {
        fs::write(&pack, &whole[..size]).unwrap();
        assert_eq!(node.refused(&["import", "git", repo.path()], 6)["code"], "E_GIT", "cut to {size}");
    }
    let mut turned = whole.clone();
    let at = turned.len() / 2;
    turned[at] ^= 0x10;
    fs::write(&pack, &turned).unwrap();
    assert_eq!(node.refused(&["import", "git", repo.path()], 6)["code"], "E_GIT");
    fs::write(&pack, &whole).unwrap();
    assert!(
        node.ok(&["import", "git", repo.path()])["commits"].as_u64().unwrap() > 0,
        "it goes on where it stopped"
    );
    assert_eq!(node.ok(&["verify", "--deep"])["ok"], true);
    repo.git(&["clone", "-q", "--depth", "1", &format!("file://{}", repo.path()), "../shallow"]);
    let shallow = stage.path().join("shallow");
    assert_eq!(node.refused(&["import", "git", shallow.to_str().unwrap()], 4)["code"], "E_GIT");
}

#[test]
fn modes_that_no_view_shows_come_back() {
    let stage = Stage::new();
    let (repo, node) = (Repo::new(stage.path().join("repo")), importer(&stage, "a"));
    let blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
    let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    repo.write("x", b"");
    repo.git(&["hash-object", "-w", "x"]);
    repo.git(&["write-tree"]);
    forged(&repo, &[("100664", b"group", blob), ("40000", b"nothing", empty), ("100644", b"plain", blob)]);
    node.ok(&["import", "git", repo.path()]);
    let out = stage.path().join("out.git");
    node.ok(&["export", "git", out.to_str().unwrap()]);
    assert_eq!(refs(&out), refs(&repo.dir));
}

#[test]
fn an_export_leaves_alone_what_it_does_not_know() {
    let stage = Stage::new();
    let (repo, node) = (Repo::new(stage.path().join("repo")), importer(&stage, "a"));
    repo.write("a", b"one\n");
    repo.commit("one");
    node.ok(&["import", "git", repo.path()]);
    let out = stage.path().join("out.git");
    let out = out.to_str().unwrap();
    node.ok(&["export", "git", out]);
    repo.write("a", b"two\n");
    repo.commit("two");
    repo.git(&["push", "-q", out, "main"]);
    node.ok(&["get", "?main"]);
    node.write("b", "here\n");
    node.post("here");
    let told = node.ok(&["export", "git", out]);
    assert_eq!(told["left_out"][0]["name"], "refs/heads/main", "{told}");
    assert_eq!(refs(Path::new(out))["refs/heads/main"], repo.git(&["rev-parse", "main"]));
    assert_eq!(node.refused(&["export", "git", repo.path()], 4)["code"], "E_GIT", "it has a worktree");
}

/// Its own newest history, where the sources are a checkout.
#[test]
fn its_own_repository_comes_out_as_it_went_in() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let stage = Stage::new();
    let repo = Repo::new(stage.path().join("empty"));
    let copy = stage.path().join("own.git");
    let (copied, _) = repo.try_git(&["clone", "-q", "--bare", own.to_str().unwrap(), copy.to_str().unwrap()]);
    if own.join(".git").exists() && copied {
        newest(&stage, &Repo { dir: copy, commits: 0.into() });
    }
}

/// The trees of the newest commits, on a beginning of their own: all of them would take a test too long.
fn newest(stage: &Stage, cut: &Repo) {
    let part = stage.path().join("part");
    let repo = Repo::new(part);
    let (mut parent, mut trees_wanted) = (None::<String>, Vec::new());
    let newest = cut.git(&["log", "-n", "8", "--reverse", "--first-parent", "--format=%T"]);
    fs::write(repo.dir.join(".git/objects/info/alternates"), format!("{}/objects\n", cut.path())).unwrap();
    for tree in newest.lines() {
        let words = ["commit-tree", "-m", "step", tree];
        let on: Vec<&str> = parent.iter().flat_map(|parent| ["-p", parent.as_str()]).collect();
        parent = Some(repo.git(&[&words[..], &on[..]].concat()));
        trees_wanted.push(tree.to_owned());
    }
    repo.git(&["update-ref", "refs/heads/main", &parent.unwrap()]);
    let node = importer(stage, "own");
    assert_eq!(node.ok(&["import", "git", repo.path()])["commits"], trees_wanted.len());
    let out = stage.path().join("own-out.git");
    node.ok(&["export", "git", out.to_str().unwrap()]);
    assert_eq!(trees(&out), trees(&repo.dir));
}
