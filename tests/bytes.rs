//! Whatever bytes go in come out: through post, through a second worktree, through a peer.

use crate::harness::{Stage, assert_same_trees};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Files that a careless tool would change.
fn strange(tree: &Path) {
    let huge: Vec<u8> = b"0123456789abcdef".iter().copied().cycle().take(9 << 20).collect();
    let every: Vec<u8> = (0..=255u8).cycle().take(4096).collect();
    let files: [(&[u8], &[u8]); 12] = [
        (b"crlf.txt", b"one\r\ntwo\r\nthree\n"),
        (b"bom.rs", b"\xef\xbb\xbffn main() {}\n"),
        (b"latin.rs", b"// caf\xe9\nfn f() {}\n"),
        (b"empty.rs", b""),
        (b"no_newline.py", b"def f():\n    return 1"),
        (b"nul.txt", b"a\0b\0\n"),
        (b"every.bin", &every),
        (b"broken.rs", b"fn f( { } } struct\n\"unclosed"),
        (b"huge_line.txt", &huge),
        (b"only_newlines.md", b"\n\n\n\r\n"),
        (b"name-\xff\xfe.txt", b"its name is no UTF-8\n"),
        ("umlaut-\u{e4} and space.txt".as_bytes(), b"its name is\n"),
    ];
    fs::create_dir_all(tree.join("deep/er")).unwrap();
    for (name, bytes) in files {
        fs::write(tree.join("deep/er").join(OsStr::from_bytes(name)), bytes).unwrap();
    }
    fs::write(tree.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(tree.join("run.sh"), Permissions::from_mode(0o755)).unwrap();
    symlink("deep/er/crlf.txt", tree.join("link")).unwrap();
    symlink("nowhere at all", tree.join("dangling")).unwrap();
}

#[test]
fn b6_strange_bytes_come_back_exactly() {
    let stage = Stage::new();
    let mut ana = stage.node("ana");
    ana.ok(&["init", ".", "--project", "@me/demo"]);
    strange(&ana.tree);
    let first = ana.post("strange");
    assert_eq!(ana.ok(&["status"])["changed"].as_array().map(Vec::len), Some(0));

    let kept = stage.path().join("kept");
    crate::harness::copy(&ana.tree, &kept);
    fs::remove_dir_all(ana.tree.join("deep")).unwrap();
    fs::remove_file(ana.tree.join("link")).unwrap();
    ana.post("all gone");
    ana.ok(&["mark", "gone", "-m", "nothing here"]);
    ana.ok(&["get", &format!("?{first}")]);
    assert_same_trees(&ana.tree, &kept);

    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    ben.ok(&["get", "?gone"]);
    assert!(!ben.tree.join("deep").exists());
}

#[test]
fn b6_a_peer_gets_the_same_bytes_and_modes() {
    let stage = Stage::new();
    let mut ana = stage.node("ana");
    ana.ok(&["init", ".", "--project", "@me/demo"]);
    strange(&ana.tree);
    ana.post("strange");
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    assert_eq!(ana.root(), ben.root());
    assert_same_trees(&ana.tree, &ben.tree);
    let mode = fs::metadata(ben.tree.join("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "the executable bit came along");
    assert_eq!(fs::read_link(ben.tree.join("dangling")).unwrap(), Path::new("nowhere at all"));
}

#[test]
fn edits_of_strange_text_keep_the_rest_as_it_was() {
    let stage = Stage::new();
    let files: [(&str, &[u8]); 2] =
        [("crlf.rs", b"fn a() {}\r\n\r\nfn b() {}\r\n"), ("latin.py", b"# caf\xe9\ndef f():\n\treturn 1\n")];
    let node = stage.founder("ana", &files);
    node.write("crlf.rs", b"fn a() {}\r\n\r\nfn b() { 1; }\r\n");
    node.write("latin.py", b"# caf\xe9\ndef f():\n\treturn 2\n");
    let edited = node.post("edited");
    let kept = stage.path().join("kept");
    crate::harness::copy(&node.tree, &kept);
    fs::remove_file(node.tree.join("crlf.rs")).unwrap();
    fs::remove_file(node.tree.join("latin.py")).unwrap();
    node.ok(&["get", &format!("?{edited}")]);
    assert_same_trees(&node.tree, &kept);
}
