//! What people need around the core: their shell, their devices, each other's rights and names.

use crate::harness::{Node, Out, Stage, told, wait_until};
use std::fs;
use std::process::Command;

fn cairn(words: &[&str]) -> Out {
    told(Command::new(env!("CARGO_BIN_EXE_cairn")).env_remove("CAIRN_HOME").args(words).output().unwrap())
}

/// The verbs that help lists.
fn verbs() -> Vec<String> {
    let help = cairn(&["--help"]).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let verbs: Vec<_> = listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(verbs.len() > 30, "{help}");
    verbs
}

#[test]
fn a_shell_reads_its_completions() {
    let stage = Stage::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = cairn(&["completions", shell]);
        assert_eq!(script.code, 0, "{script:#?}");
        let file = stage.path().join(shell);
        fs::write(&file, &script.stdout).unwrap();
        // A shell that is not there reads nothing; bash is always there.
        match Command::new(shell).arg("-n").arg(&file).output() {
            Ok(read) => assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr)),
            Err(error) => assert!(shell != "bash", "{error}"),
        }
        for verb in verbs() {
            assert!(script.stdout.contains(&verb), "{shell} does not know {verb}");
        }
    }
    let complete = "source \"$0\"; COMP_WORDS=(cairn overl); COMP_CWORD=1; _cairn cairn overl cairn; echo ${COMPREPLY[*]}";
    let completed =
        Command::new("bash").args(["-c", complete]).arg(stage.path().join("bash")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "overlaps", "{completed:?}");
}

#[test]
fn each_verb_has_a_page_in_the_manual() {
    let stage = Stage::new();
    let dir = stage.path().join("share/man/man1");
    let done = cairn(&["man", dir.to_str().unwrap(), "--json"]);
    assert_eq!(done.code, 0, "{done:#?}");
    for verb in verbs() {
        let page = fs::read_to_string(dir.join(format!("cairn-{verb}.1"))).unwrap();
        assert!(page.contains(".SH EXAMPLES"), "{verb}:\n{page}");
        assert!(page.contains("\\-C"), "{verb} lacks what holds everywhere:\n{page}");
    }
    for page in ["cairn.1", "cairn-import-git.1", "cairn-overlaps-take.1"] {
        assert!(dir.join(page).exists(), "{page}");
    }
    assert_eq!(done.json["pages"].as_array().unwrap().len(), fs::read_dir(&dir).unwrap().count());
}

/// The keys that hold something in the project where a node stands, with their roles.
fn holders(node: &Node) -> Vec<(String, String)> {
    let listed = node.ok(&["grant"]);
    let rights = listed["rights"].as_array().unwrap().iter();
    let held = rights.filter(|right| right["state"] == "holds" && right["link"] == false);
    held.map(|right| (right["key"].as_str().unwrap().to_owned(), right["role"].as_str().unwrap().to_owned()))
        .collect()
}

fn key(node: &Node) -> String {
    node.ok(&["identity"])["key"].as_str().unwrap().to_owned()
}

/// Posts a file, sends it to a peer, and says whether it shows there.
fn shows_at(author: &Node, host: &Node, file: &str) -> bool {
    author.write(file, format!("by {}\n", author.name));
    author.ok(&["post", "-m", file]);
    author.ok(&["put", "--peer", host.address.as_deref().unwrap()]);
    host.run(&["show", &format!("{file}?main")]).code == 0
}

#[test]
fn a_second_admin_marks_epochs_and_lets_in_as_many_as_the_first() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.serve();
    let ben = stage.node("ben");
    ben.ok(&["identity", "name", "Ben"]);
    ben.join(&ana, "admin");
    assert!(shows_at(&ben, &ana, "b.txt"));
    // An epoch: what lies below his mark may fade at the founder's.
    ben.ok(&["mark", "v1", "-m", "by the second admin"]);
    ben.ok(&["put", "--peer", ana.address.as_deref().unwrap()]);
    let fade = ana.ok(&["fade", "--keep", "0s", "--alone", "--dry-run"]);
    assert!(fade["waypoints"].as_u64().unwrap() > 0, "{fade:#}");
    for name in ["cleo", "dora", "eve"] {
        let guest = stage.node(name);
        guest.ok(&["join", &ben.invite("write"), "--peer", ana.address.as_deref().unwrap(), "."]);
        assert!(shows_at(&guest, &ana, &format!("{name}.txt")), "{name}: {:#?}", ana.ok(&["doctor"]));
    }
    assert!(holders(&ana).contains(&(key(&ben), "admin".to_owned())), "{:?}", holders(&ana));
    assert_eq!(holders(&ana).iter().filter(|(_, role)| role == "write").count(), 3);
}

#[test]
fn a_right_is_given_by_key_and_taken_back_by_name() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.serve();
    let address = ana.address.clone().unwrap();
    let ben = stage.node("ben");
    ben.ok(&["identity", "name", "Ben"]);
    let granted = ana.ok(&["grant", &key(&ben), "--role", "write"]);
    assert_eq!(
        (&granted["rights"][0]["role"], &granted["rights"][0]["state"]),
        (&"write".into(), &"holds".into())
    );
    ben.ok(&["clone", granted["link"].as_str().unwrap(), "--peer", &address, "."]);
    assert!(shows_at(&ben, &ana, "before.txt"));
    let link = ben.refused(&["invite"], 4);
    assert_eq!(link["code"], "E_REFUSED", "who may write does not invite");
    let high = ana.branch();
    let revoked = ana.ok(&["revoke", "Ben"]);
    assert_eq!((&revoked["revoked"][0]["key"], &revoked["waypoints"]), (&key(&ben).into(), &1.into()));
    assert_eq!(ana.branch(), high, "what was written until now counts");
    // Ben has not heard of it, and goes on.
    ben.write("after.txt", "after\n");
    ben.post("after");
    let _ = ben.run(&["put", "--peer", &address]);
    assert_eq!(ana.branch(), high, "a key whose right was taken back moved a branch");
    assert!(holders(&ana).iter().all(|(held, _)| *held != key(&ben)));
    ana.refused(&["revoke", "Ben"], 3);
    ana.ok(&["grant", "Ben"]);
    ben.ok(&["put", "--peer", &address]);
    wait_until("what was held counts", || ana.run(&["show", "after.txt?main"]).code == 0);
}

#[test]
fn a_revoked_keys_later_work_is_held_and_told_where_it_arrives_by_others() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.serve();
    let (ben, mut cleo) = (stage.node("ben"), stage.node("cleo"));
    ben.join(&ana, "write");
    cleo.join(&ana, "write");
    cleo.serve();
    ana.stop();
    ana.ok(&["revoke", &key(&ben)]);
    // Cleo has not heard of it either, and passes on what Ben writes.
    ben.write("after.txt", "after\n");
    let held = ben.post("after");
    ben.ok(&["put", "--peer", cleo.address.as_deref().unwrap()]);
    ana.serve();
    ana.ok(&["put", "--peer", cleo.address.as_deref().unwrap()]);
    wait_until("ana is told", || ana.saw("held"));
    assert_eq!(ana.run(&["show", "after.txt?main"]).code, 3);
    let doctor = ana.run(&["doctor"]);
    assert!(doctor.stdout.contains(&held) && doctor.stdout.contains("E_HELD"), "{doctor:#?}");
    wait_until("cleo holds it too", || cleo.run(&["show", "after.txt?main"]).code == 3);
}

#[test]
fn a_link_is_closed_behind_those_who_came_by_it() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.serve();
    let address = ana.address.clone().unwrap();
    let invite = ana.ok(&["invite", "--uses", "9"])["invite"].as_str().unwrap().to_owned();
    let (ben, cleo) = (stage.node("ben"), stage.node("cleo"));
    ben.ok(&["join", &invite, "--peer", &address, "."]);
    let listed = ana.ok(&["grant"]);
    let link = listed["rights"].as_array().unwrap().iter().find(|right| right["link"] == true).unwrap();
    let closed = ana.ok(&["revoke", link["key"].as_str().unwrap(), "--keep"]);
    assert_eq!(
        (closed["kept"][0]["key"].clone(), closed["lost"].clone()),
        (key(&ben).into(), serde_json::json!([]))
    );
    assert!(shows_at(&ben, &ana, "b.txt"));
    assert_ne!(cleo.run(&["join", &invite, "--peer", &address, "."]).code, 0, "the link is closed");
}

#[test]
fn rights_are_not_given_by_those_who_do_not_have_them() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.serve();
    let (ben, cleo) = (stage.node("ben"), stage.node("cleo"));
    ben.join(&ana, "write");
    ben.refused(&["grant", &key(&cleo)], 4);
    ben.refused(&["revoke", &key(&ana)], 4);
    cleo.join(&ana, "write");
    ben.ok(&["put", "--peer", ana.address.as_deref().unwrap()]);
    ben.refused(&["revoke", &key(&cleo)], 4);
    ana.refused(&["grant", "nobody-of-this-name"], 3);
    for node in [&ben, &cleo] {
        node.ok(&["identity", "name", "Same"]);
        assert!(shows_at(node, &ana, &format!("{}.txt", node.name)));
    }
    assert_eq!(ana.refused(&["revoke", "Same"], 3)["code"], "E_AMBIGUOUS");
}

/// Ana's second machine: one command on the first, one on the second.
#[test]
fn a_second_device_gets_its_own_key_and_everything_of_its_owner() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.ok(&["identity", "name", "Ana", "--mail", "ana@example.org"]);
    let other = Node::new("other", ana.home.clone(), stage.path().join("other"));
    other.ok(&["init", ".", "--project", "@me/other"]);
    other.write("o.txt", "o\n");
    other.post("other");
    // In Ben's repo she may write, and hand nothing on.
    let mut ben = stage.founder("ben", &[("b.txt", b"b\n")]);
    ben.serve();
    Node::new("guest", ana.home.clone(), stage.path().join("guest")).join(&ben, "write");
    ana.serve();
    let file = stage.path().join("laptop.link");
    let told = ana.ok(&["identity", "add-device", "--out", file.to_str().unwrap()]);
    let granted =
        told["handed"].as_array().unwrap().iter().filter(|handed| handed["granted"] == true).count();
    assert_eq!((granted, told["handed"].as_array().unwrap().len()), (2, 3), "{told:#}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let laptop = stage.node("laptop");
    let joined = laptop.ok(&["join", file.to_str().unwrap(), "work"]);
    assert_eq!(joined["others"].as_array().map(Vec::len), Some(1), "{joined:#}");
    assert!(joined["missed"].is_null(), "{joined:#}");
    assert_ne!(key(&laptop), key(&ana), "each device has a key of its own");
    assert_eq!(laptop.read("work/demo/a.txt"), b"1\n");
    assert_eq!(laptop.read("work/other/o.txt"), b"o\n");
    let again = laptop.ok(&["join", file.to_str().unwrap(), "work"]);
    assert_eq!(again["files"], 0, "the same command does no harm: {again:#}");

    let laptop = Node::new("laptop", laptop.home.clone(), laptop.tree.join("work/demo"));
    assert!(shows_at(&laptop, &ana, "l.txt"));
    ana.ok(&["get"]);
    ana.write("a.txt", "2\n");
    ana.post("on the first machine");
    let log = ana.ok(&["log"]);
    let authors: Vec<_> =
        log["waypoints"].as_array().unwrap().iter().take(2).map(|one| one["author"].clone()).collect();
    assert_eq!(authors, ["Ana", "Ana"], "{log:#}");
    // The same rights: it lets others in, as many as it likes.
    for name in ["cleo", "dora"] {
        let guest = stage.node(name);
        guest.ok(&["join", &laptop.invite("write"), "--peer", ana.address.as_deref().unwrap(), "."]);
        assert!(shows_at(&guest, &ana, &format!("{name}.txt")), "{name}");
    }
    laptop.refused(&["join", "no-such-file.link", "elsewhere"], 2);
    laptop.refused(&["join", "cairn:device:00ff", "elsewhere"], 2);
}
