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

/// Who hands on more than allowed would shut out somebody who is in already: it is refused before.
#[test]
fn an_admin_with_a_bound_lets_in_no_more_than_that() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.serve();
    let address = ana.address.clone().unwrap();
    let ben = stage.node("ben");
    let invite = ana.ok(&["invite", "--role", "admin", "--uses", "1"])["invite"].as_str().unwrap().to_owned();
    ben.ok(&["join", &invite, "--peer", &address, "."]);
    let cleo = stage.node("cleo");
    cleo.ok(&["join", &ben.invite("write"), "--peer", &address, "."]);
    ben.refused(&["invite"], 4);
    assert!(shows_at(&cleo, &ana, "c.txt"));
    ana.ok(&["grant", &key(&ben), "--role", "admin"]);
    ben.ok(&["put", "--peer", &address]);
    assert!(ben.invite("write").starts_with("cairn:"), "a grant without a bound lifts it");
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
    assert!(shows_at(&ben, &ana, "before.txt"));
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
    assert_eq!(ana.run(&["show", "before.txt?main"]).code, 0, "what was written until then counts");
    let doctor = ana.run(&["doctor"]);
    assert!(doctor.stdout.contains(&held) && doctor.stdout.contains("E_HELD"), "{doctor:#?}");
    let kept = ana.ok(&["held"]);
    assert_eq!(
        (&kept["held"][0]["waypoint"], &kept["held"][0]["reason"]),
        (&held.into(), &"rights".into()),
        "{kept:#}"
    );
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
    // Lost: it is shut out of every repo by one command.
    let lost = ana.ok(&["revoke", &key(&laptop), "--all-repos"]);
    assert_eq!(lost["others"].as_array().map(Vec::len), Some(1), "{lost:#}");
    for tree in [&ana, &other] {
        assert!(!holders(tree).iter().any(|(held, _)| *held == key(&laptop)), "{:?}", holders(tree));
    }
    laptop.refused(&["join", "no-such-file.link", "elsewhere"], 2);
    laptop.refused(&["join", "cairn:device:00ff", "elsewhere"], 2);
}

#[test]
fn a_unit_is_written_removed_and_never_put_over_a_foreign_one() {
    let stage = Stage::new();
    let node = stage.node("my home");
    let config = stage.path().join("config");
    let run =
        |words: &[&str]| told(node.command().args(words).env("XDG_CONFIG_HOME", &config).output().unwrap());
    let written = run(&["serve", "--install"]);
    assert_eq!(written.code, 0, "{written:#?}");
    let path = config.join("systemd/user/cairn.service");
    assert_eq!(written.json["unit"], path.to_str().unwrap());
    let unit = fs::read_to_string(&path).unwrap();
    let listen = written.json["listen"][0].as_str().unwrap();
    assert!(!listen.ends_with("/tcp/0") && unit.contains(&format!(" serve --listen {listen}\n")), "{unit}");
    assert!(unit.contains(&format!("--home \"{}\" ", node.home.canonicalize().unwrap().display())), "{unit}");
    // Where systemd is there it says whether it can read it. It looks for what the unit names, so that must be there.
    match Command::new("systemd-analyze").args(["verify", "--user", "--man=no"]).arg(&path).output() {
        Ok(read) => {
            let told = String::from_utf8_lossy(&read.stderr);
            assert!(!told.contains("cairn.service:"), "{told}");
        }
        Err(error) => eprintln!("no systemd here: {error}"),
    }
    let again = run(&["serve", "--install", "--listen", "/ip4/127.0.0.1/tcp/4000"]);
    assert_eq!(again.json["listen"][0], "/ip4/127.0.0.1/tcp/4000", "its own is replaced: {again:#?}");
    let wants = config.join("systemd/user/default.target.wants");
    fs::create_dir_all(&wants).unwrap();
    std::os::unix::fs::symlink(&path, wants.join("cairn.service")).unwrap();
    assert_eq!(run(&["serve", "--uninstall"]).code, 0);
    assert!(!path.exists() && fs::symlink_metadata(wants.join("cairn.service")).is_err());
    assert_eq!(run(&["serve", "--uninstall"]).code, 3);
    fs::write(&path, "[Service]\nExecStart=/bin/true\n").unwrap();
    for words in [["serve", "--install"], ["serve", "--uninstall"]] {
        let refused = run(&words);
        assert_eq!((refused.code, &refused.json["code"]), (4, &"E_NOT_OURS".into()), "{refused:#?}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "[Service]\nExecStart=/bin/true\n");
}

/// What `peers` says of the only peer.
fn peer(node: &Node) -> serde_json::Value {
    let told = node.ok(&["peers"]);
    assert_eq!(told["peers"].as_array().map(Vec::len), Some(1), "{told:#}");
    told["peers"][0].clone()
}

#[test]
fn peers_say_why_somebody_is_not_connected() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.ok(&["identity", "name", "Ana"]);
    ana.write("a.txt", "2\n");
    ana.post("by name");
    let port = ana.serve().split('/').nth(4).unwrap().to_owned();
    let mut ben = stage.node("ben");
    ben.join(&ana, "write");
    let alone = ben.ok(&["peers"]);
    assert_eq!((&alone["serving"], &alone["peers"][0]["name"]), (&false.into(), &"Ana".into()), "{alone:#}");
    ben.serve();
    wait_until("ben reaches ana", || peer(&ben)["connected"] == true);
    ana.stop();
    let says = |words: &str| peer(&ben)["failed"]["reason"].as_str().is_some_and(|why| why.contains(words));
    wait_until("ben is refused", || says("connection refused"));
    let told = peer(&ben);
    assert!(told["connected"] == false && told["seen_ms"].as_u64().is_some(), "{told:#}");
    // Somebody else listens there now.
    let foreign = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    foreign.set_nonblocking(true).unwrap();
    wait_until("ben finds no cairn there", || {
        if let Ok((mut talk, _)) = foreign.accept() {
            let _ = std::io::Write::write_all(&mut talk, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
        says("protocol mismatch")
    });
    drop(foreign);
    ana.serve();
    wait_until("ben reaches ana again", || peer(&ben)["connected"] == true);
    assert!(peer(&ben)["failed"].is_null());
    ana.ok(&["revoke", &key(&ben)]);
    assert_ne!(ben.run(&["put", "--peer", ana.address.as_deref().unwrap()]).code, 0);
    wait_until("ben is told that ana shows it nothing", || {
        !peer(&ben)["apart"].as_array().unwrap().is_empty()
    });
}

/// The codes that `doctor` gives, each with something to do.
fn found(node: &Node, config: &std::path::Path) -> Vec<String> {
    let told = told(node.command().arg("doctor").env("XDG_CONFIG_HOME", config).output().unwrap());
    let problems = told.json["problems"].as_array().unwrap_or_else(|| panic!("{told:#?}")).clone();
    assert!(problems.iter().all(|problem| !problem["next"].as_str().unwrap().is_empty()), "{told:#?}");
    problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn doctor_looks_at_clock_port_and_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new();
    let config = stage.path().join("config");
    let mut ana = stage.founder("ana", &[("a.txt", b"1\n")]);
    ana.ok(&["identity", "name", "Ana"]);
    assert_eq!(found(&ana, &config), [""; 0]);
    let mode =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&ana.home, 0o755);
    assert_eq!(found(&ana, &config), ["E_PERMISSIONS"]);
    mode(&ana.home, 0o700);
    mode(&ana.home.join("key"), 0o644);
    let exposed = ana.refused(&["doctor"], 4);
    assert!(
        exposed["code"] == "E_PERMISSIONS" && exposed["hint"].as_str().unwrap().contains("chmod 600"),
        "{exposed}"
    );
    mode(&ana.home.join("key"), 0o600);

    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("/ip4/127.0.0.1/tcp/{}", held.local_addr().unwrap().port());
    let mut install = ana.command();
    install.args(["serve", "--install", "--listen", &listen]).env("XDG_CONFIG_HOME", &config);
    assert!(install.output().unwrap().status.success());
    assert_eq!(found(&ana, &config), ["E_PORT"]);
    drop(held);
    assert_eq!(found(&ana, &config), [""; 0]);
    ana.serve();
    assert_eq!(found(&ana, &config), [""; 0], "a node that serves reaches itself");
    ana.stop();

    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let settings = fs::File::options().write(true).open(ana.home.join("config.json")).unwrap();
    settings.set_modified(later).unwrap();
    assert_eq!(found(&ana, &config), ["E_CLOCK"]);
}

#[test]
fn a_log_is_drawn_and_dated_for_people_and_stays_plain_for_programs() {
    let stage = Stage::new();
    let ana = stage.founder("ana", &[("a.txt", b"1\n"), ("b.txt", b"1\n")]);
    ana.ok(&["come", "side"]);
    ana.write("a.txt", "2\n");
    ana.post("on the side");
    ana.ok(&["get", "?main"]);
    ana.write("b.txt", "2\n");
    ana.post("on main");
    ana.ok(&["put", "?side"]);
    ana.write("b.txt", "3\n");
    ana.post("on both");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command.arg("--home").arg(&ana.home).arg("-C").arg(&ana.tree).args(words);
        told(command.output().unwrap()).stdout
    };
    let graph = run(&["log", "--graph"]);
    let drawn: Vec<&str> = graph
        .lines()
        .map(|line| line.split_once(|c: char| c.is_ascii_hexdigit()).map_or(line, |(lanes, _)| lanes))
        .collect();
    assert!(drawn.contains(&"|\\") && drawn.contains(&"|/") && drawn.contains(&"| * "), "{graph}");
    let plain = run(&["log"]);
    assert!(!plain.contains('\x1b') && plain.lines().all(|line| line.contains("Z ")), "{plain}");
    let relative = run(&["log", "--relative"]);
    assert!(relative.lines().all(|line| line.contains(" ago ") || line.contains(" just now ")), "{relative}");
    // On a terminal: `script` gives one.
    let words = format!(
        "{} --home {} -C {} log",
        env!("CARGO_BIN_EXE_cairn"),
        ana.home.display(),
        ana.tree.display()
    );
    let shown = |colour: Option<&str>| {
        let mut script = Command::new("script");
        script.args(["-qec", &words, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
        colour.iter().for_each(|value| {
            script.env("NO_COLOR", value);
        });
        let out = script.stdin(std::process::Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let (coloured, plain) = (shown(None), shown(Some("1")));
    assert!(coloured.contains("\x1b[33m") && coloured.contains("just now"), "{coloured}");
    assert!(!plain.contains('\x1b') && plain.contains("just now"), "{plain}");
}
