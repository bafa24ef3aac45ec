//! One owner a home; a disk that is full.

use crate::harness::{Node, Stage, told};
use std::fs;
use std::process::{Command, Stdio};
use std::thread;

#[test]
fn e9_second_owner_is_refused_with_the_first_ones_pid() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    ana.serve();
    let told = ana.refused(&["serve", "--listen", "/ip4/127.0.0.1/tcp/0"], 4);
    assert_eq!(told["code"], "E_OWNED");
    assert!(told["message"].as_str().unwrap().contains(&ana.pid().to_string()), "{told}");
    assert!(ana.is_serving());
    // Clients share the owner meanwhile.
    ana.write("a.txt", "b\n");
    ana.post("through the owner");
}

#[test]
fn e9_a_dead_owners_lock_and_socket_are_taken_over() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    ana.serve();
    ana.kill();
    ana.write("a.txt", "b\n");
    ana.post("after the owner died");
    ana.serve();
    ana.write("a.txt", "c\n");
    ana.post("through the new one");
    ana.stop();
}

#[test]
fn e9_many_commands_at_once_lose_nothing() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    for serving in [false, true] {
        if serving {
            ana.serve();
        }
        thread::scope(|scope| {
            for agent in 0..6 {
                let ana = &ana;
                scope.spawn(move || {
                    for number in 0..4 {
                        let path = format!("agent-{serving}-{agent}-{number}.txt");
                        ana.write(&path, format!("{agent} {number}\n"));
                        ana.ok(&["post", &path, "-m", "one of many"]);
                    }
                });
            }
        });
        let status = ana.ok(&["status"]);
        assert_eq!(status["changed"].as_array().map(Vec::len), Some(0), "{status}");
    }
    let shown = stage.path().join("shown");
    fs::create_dir_all(&shown).unwrap();
    for agent in 0..6 {
        let file = ana.ok(&["show", &format!("agent-true-{agent}-3.txt")]);
        assert_eq!(file["file"]["text"], format!("{agent} 3\n"));
    }
    ana.stop();
    assert_eq!(ana.ok(&["verify", "--deep"])["ok"], true);
}

/// A home on a file system of 4 MiB, in a mount namespace of its own; skipped where the system allows none.
#[test]
fn a_full_disk_is_a_typed_error_and_nothing_is_lost() {
    let stage = Stage::new();
    let small = stage.path().join("small");
    fs::create_dir_all(&small).unwrap();
    let probe = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "-o", "size=4m", "none"])
        .arg(&small)
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no mount namespace for a small disk here (unshare -rm)");
        return;
    }
    let script = r#"
        mount -t tmpfs -o size=4m none "$1" || exit 99
        small=$1 bin=$2 tree=$3
        run() { "$bin" --home "$small/home" -C "$tree" --json "$@"; }
        run init . --project @me/demo || exit 98
        echo kept > "$tree/kept.txt"
        run post -m kept || exit 97
        head -c 8000000 /dev/urandom | od -x > "$tree/large.txt"
        head -c 2000000 /dev/urandom | base64 > "$tree/a.txt"
        head -c 2000000 /dev/urandom | base64 > "$tree/b.txt"
        head -c 2000000 /dev/urandom | base64 > "$tree/c.txt"
        run post -m "too much"
        echo "exit $?"
        rm "$tree/large.txt" "$tree/a.txt" "$tree/b.txt" "$tree/c.txt"
        run verify --deep
        echo "exit $?"
        run log
    "#;
    let tree = stage.path().join("tree");
    fs::create_dir_all(&tree).unwrap();
    let words = ["-rm", "sh", "-c", script, "sh"];
    let mut command = Command::new("unshare");
    command.args(words).arg(&small).arg(env!("CARGO_BIN_EXE_cairn")).arg(&tree);
    let out = told(command.env_remove("CAIRN_HOME").stdin(Stdio::null()).output().unwrap());
    let lines: Vec<&str> = out.stdout.lines().collect();
    let full = lines.iter().position(|line| line.starts_with("exit ")).unwrap_or_else(|| panic!("{out:#?}"));
    assert_eq!(lines[full], "exit 4", "{out:#?}");
    assert!(lines[full - 1].contains("\"code\":\"E_FULL\""), "{out:#?}");
    assert_eq!(lines.get(full + 2), Some(&"exit 0"), "the store is whole: {out:#?}");
    assert!(lines.last().unwrap().contains("kept"), "{out:#?}");
}

/// Agents on one machine: a home, and a worktree and a key for each.
#[test]
fn agents_with_keys_of_their_own_share_a_home() {
    let stage = Stage::new();
    let mut ana = stage.founder("ana", &[("a.txt", b"a\n")]);
    ana.serve();
    let invite = ana.ok(&["invite", "--role", "write", "--uses", "2"]);
    let mut feeds = Vec::new();
    for name in ["one", "two"] {
        let agent = Node::new(name, ana.home.clone(), stage.path().join(name));
        let mut join = agent.command();
        join.env("CAIRN_KEY", stage.path().join(format!("{name}.key")));
        let joined = told(join.args(["join", invite["invite"].as_str().unwrap(), "."]).output().unwrap());
        assert_eq!(joined.code, 0, "{joined:#?}");
        agent.write(&format!("{name}.txt"), "mine\n");
        // The worktree knows its key from now on.
        assert_eq!(agent.ok(&["post"])["feed"], joined.json["feed"]);
        feeds.push(joined.json["feed"].clone());
    }
    assert_ne!(feeds[0], feeds[1]);
    ana.ok(&["put"]);
    assert_eq!((ana.read("one.txt"), ana.read("two.txt")), (b"mine\n".to_vec(), b"mine\n".to_vec()));
    ana.stop();
}
