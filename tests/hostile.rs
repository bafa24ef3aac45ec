//! Garbage on every socket, and paths that want out of the worktree.

use crate::harness::{Chance, Stage, wait_for_agreement};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::time::Duration;

fn garbage() -> Vec<Vec<u8>> {
    let mut chance = Chance(0xbad5eed);
    let mut noise = |length: usize| (0..length).map(|_| chance.next(256) as u8).collect::<Vec<u8>>();
    vec![
        Vec::new(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0xff; 4096],
        vec![0; 4096],
        noise(1),
        noise(100_000),
        b"\x13/multistream/1.0.0\n\x20/cairn/sync/1 but not really".to_vec(),
        [b"\x13/multistream/1.0.0\n\x07/noise\n".as_slice(), &noise(5000)].concat(),
    ]
}

#[test]
fn a10_garbage_on_the_tcp_port_harms_nobody() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let address = ana.serve();
    let port: u16 = address.split("/tcp/").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
    for bytes in garbage() {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 256]);
    }
    // Connections that say nothing at all stay open meanwhile.
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    assert_eq!(ana.root(), ben.root());
    assert!(ana.is_serving());
    drop(silent);
}

#[test]
fn a10_garbage_on_the_owners_socket_is_answered_and_closed() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    ana.serve();
    let socket = ana.home.join("owner.sock");
    let framed = |body: &[u8]| [&(body.len() as u32).to_le_bytes(), body].concat();
    let mut inputs = garbage();
    inputs.extend([
        framed(b"{}"),
        framed(br#"{"level":1,"request":{"verb":"root"}}"#),
        framed(br#"{"level":1,"request":{"verb":"no such verb","args":{}}}"#),
        framed(br#"{"level":2,"request":null}"#),
        framed(&[b'['; 100_000]),
        u32::MAX.to_le_bytes().to_vec(),
    ]);
    for bytes in inputs {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the owner closes the conversation");
        let text = String::from_utf8_lossy(&answer);
        assert!(
            bytes.is_empty() || text.contains("\"code\":\"E_"),
            "{:?}: {text:?}",
            &bytes[..bytes.len().min(40)]
        );
    }
    assert!(ana.is_serving());
    ana.write("a.txt", "still here\n");
    ana.post("after the garbage");
}

#[test]
fn b2_a_folder_swapped_for_a_link_leads_nobody_out() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("dir/a.txt", b"first\n"), ("dir/deep/b.txt", b"first\n")]);
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    ana.write("dir/a.txt", "second\n");
    ana.write("dir/deep/b.txt", "second\n");
    ana.post("second");
    let outside = stage.path().join("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("a.txt"), "not yours\n").unwrap();
    fs::remove_dir_all(ben.tree.join("dir")).unwrap();
    symlink(&outside, ben.tree.join("dir")).unwrap();
    ben.run(&["put", "--peer", ana.address.as_deref().unwrap()]);
    assert_eq!(fs::read_to_string(outside.join("a.txt")).unwrap(), "not yours\n");
    assert!(!outside.join("deep/b.txt").exists(), "a file was written through a link");
}

#[test]
fn b2_a_link_that_a_peer_posts_is_a_link_and_nothing_is_written_through_it() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let outside = stage.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    symlink(&outside, ana.tree.join("out")).unwrap();
    ana.post("a link that leads out");
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    assert_eq!(fs::read_link(ben.tree.join("out")).unwrap(), outside);
    // Ana replaces the link by a folder with a file: ben's checkout must remove the link, not follow it.
    fs::remove_file(ana.tree.join("out")).unwrap();
    ana.write("out/through.txt", "x\n");
    ana.post("a folder where the link was");
    ben.ok(&["put", "--peer", ana.address.as_deref().unwrap()]);
    assert!(!outside.join("through.txt").exists(), "a file was written through a link");
    assert_eq!(ben.read("out/through.txt"), b"x\n");
    assert!(!fs::symlink_metadata(ben.tree.join("out")).unwrap().is_symlink());
}

#[test]
fn b1_paths_that_lead_out_are_refused_in_every_verb() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    fs::write(stage.path().join("outside.txt"), "not yours\n").unwrap();
    for path in ["../outside.txt", "/etc/hostname", "a/../../outside.txt", "a//b", "./../outside.txt"] {
        for words in [&["delete", path][..], &["show", path], &["post", path]] {
            let out = ana.run(words);
            assert!((2..=4).contains(&out.code), "cairn {words:?}: {out:#?}");
        }
    }
    assert_eq!(fs::read_to_string(stage.path().join("outside.txt")).unwrap(), "not yours\n");
}

#[test]
fn b3_the_link_folder_is_never_posted_in_any_spelling() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    let spellings = [".CAIRN", ".Cairn", ".cairn.", ".cairn ", "CAIRN~1", ".ca\u{200c}irn", ".cairn::$DATA"];
    for name in spellings {
        ana.write(&format!("{name}/link.json"), "{\"home\":\"/evil\"}");
    }
    ana.write("b.txt", "b\n");
    let _ = ana.run(&["post", "-m", "with strange folders"]);
    let link = ana.read(".cairn/link.json");
    ana.serve();
    let ben = stage.node("ben");
    ben.join(&ana, "write");
    for name in spellings {
        assert!(!ben.tree.join(name).exists(), "{name:?} was checked out");
    }
    assert_eq!(ana.read(".cairn/link.json"), link);
    assert!(!String::from_utf8_lossy(&ben.read(".cairn/link.json")).contains("evil"));
}

#[test]
fn a_folder_where_a_file_was_and_a_file_where_a_folder_was() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("x", b"a file\n"), ("y/inside.txt", b"a folder\n")]);
    ana.serve();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    ben.serve();
    fs::remove_file(ana.tree.join("x")).unwrap();
    ana.write("x/inside.txt", "now a folder\n");
    fs::remove_dir_all(ana.tree.join("y")).unwrap();
    ana.write("y", "now a file\n");
    ana.post("swapped");
    wait_for_agreement(&[&ana, &ben]);
    // Ben has unposted work in the way: it is kept, and the rest is checked out.
    ben.write("y/mine.txt", "unposted\n");
    ben.ok(&["put"]);
    assert_eq!(ben.read("x/inside.txt"), b"now a folder\n");
    let log = ben.ok(&["log"]);
    assert!(log["waypoints"].as_array().unwrap().len() >= 3, "what was in the way became a waypoint: {log}");
    wait_for_agreement(&[&ana, &ben]);
    ana.ok(&["put"]);
    assert_eq!(ana.root(), ben.root());
    crate::harness::assert_same_trees(&ana.tree, &ben.tree);
}
