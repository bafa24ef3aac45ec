//! Real nodes for tests: the real binary, homes in temporary folders, ports that the system picks.
//!
//! Whatever a test starts ends with it, also when it fails.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen; generous, since machines are slow and shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The folder of one test.
pub(crate) struct Stage {
    dir: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("cairn-e2e-").tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A node with a home of its own; nothing is made yet.
    pub(crate) fn node(&self, name: &str) -> Node {
        Node::new(name, self.path().join(format!("{name}.home")), self.path().join(name))
    }

    /// A node that founded a repo and posted these files.
    pub(crate) fn founder(&self, name: &str, files: &[(&str, &[u8])]) -> Node {
        let node = self.node(name);
        node.ok(&["init", ".", "--project", "@me/demo"]);
        files.iter().for_each(|(path, bytes)| node.write(path, bytes));
        node.post("first");
        node
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) stdout: String,
    #[allow(dead_code, reason = "printed when a test fails")]
    pub(crate) stderr: String,
}

/// One node: a home, a worktree, and now and then a `serve` process.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) home: PathBuf,
    pub(crate) tree: PathBuf,
    /// Where others reach it, once it has served.
    pub(crate) address: Option<String>,
    serve: Option<Child>,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Node {
    pub(crate) fn new(name: &str, home: PathBuf, tree: PathBuf) -> Self {
        fs::create_dir_all(&tree).unwrap();
        Self { name: name.to_owned(), home, tree, address: None, serve: None, events: Arc::default() }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = self.command_in_words();
        command.arg("--json");
        command
    }

    /// The same, with answers as people read them.
    pub(crate) fn command_in_words(&self) -> Command {
        let mut command = Command::new(binary());
        command.env_remove("CAIRN_HOME").env_remove("CAIRN_KEY");
        command.arg("--home").arg(&self.home).arg("-C").arg(&self.tree);
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Out {
        told(self.command().args(words).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs a verb that must do its work.
    pub(crate) fn ok(&self, words: &[&str]) -> Value {
        let out = self.run(words);
        assert!(matches!(out.code, 0 | 1), "{}: cairn {words:?}: {out:#?}{}", self.name, self.log());
        assert!(!out.json.is_null(), "{}: cairn {words:?} printed no JSON: {out:#?}", self.name);
        out.json
    }

    /// Runs a verb that must be refused with this exit code; what it said.
    pub(crate) fn refused(&self, words: &[&str], code: i32) -> Value {
        let out = self.run(words);
        assert_eq!(out.code, code, "{}: cairn {words:?}: {out:#?}", self.name);
        for field in ["code", "message", "hint"] {
            assert!(out.json[field].is_string(), "{}: cairn {words:?}: no {field}: {out:#?}", self.name);
        }
        out.json
    }

    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.tree.join(path)).unwrap_or_else(|error| panic!("{}: {path}: {error}", self.name))
    }

    /// Replaces words that must be there.
    pub(crate) fn edit(&self, path: &str, old: &str, new: &str) {
        let text = String::from_utf8(self.read(path)).unwrap();
        assert!(text.contains(old), "{}: {path} lacks {old:?}:\n{text}", self.name);
        self.write(path, text.replacen(old, new, 1));
    }

    /// Posts what changed; the waypoint, which must be one.
    pub(crate) fn post(&self, message: &str) -> String {
        let post = self.ok(&["post", "-m", message]);
        post["waypoint"]
            .as_str()
            .unwrap_or_else(|| panic!("{}: nothing posted: {post}", self.name))
            .to_owned()
    }

    /// The root that the worktree stands on.
    pub(crate) fn root(&self) -> String {
        self.ok(&["root"])["root"].as_str().unwrap().to_owned()
    }

    /// What the store holds of the branch: root and frontier.
    pub(crate) fn branch(&self) -> (String, Value) {
        let answer = self.ok(&["root", "?main"]);
        (answer["root"].as_str().unwrap().to_owned(), answer["frontier"].clone())
    }

    /// Starts `serve`, and waits until it is ready; on the port it had before, if it had one.
    pub(crate) fn serve(&mut self) -> String {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&mut self, words: &[&str]) -> String {
        let listen = self.address.as_deref().and_then(|address| address.split("/p2p/").next());
        let listen = listen.unwrap_or("/ip4/127.0.0.1/tcp/0").to_owned();
        let log = fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = self.command();
        command.args(["serve", "--listen", &listen]).args(words);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        self.serve = Some(child);
        let events = Arc::clone(&self.events);
        let from = events.lock().unwrap().len();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                events.lock().unwrap().push(event);
            }
        });
        wait_until(&format!("{} is ready: {}", self.name, self.log()), || self.events().len() > from);
        let ready = self.events().get(from).cloned().unwrap();
        assert_eq!(ready["event"], "ready", "{}: {ready}{}", self.name, self.log());
        let address = ready["listen"][0].as_str().unwrap().to_owned();
        self.address = Some(address.clone());
        address
    }

    /// Every event that `serve` printed so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn saw(&self, event: &str) -> bool {
        self.events().iter().any(|told| told["event"] == event)
    }

    pub(crate) fn is_serving(&mut self) -> bool {
        self.serve.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.serve.as_ref().expect("serving").id()
    }

    /// Ends `serve` in the ordinary way; it must end well.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.serve.take() else { return };
        let done = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(done.success());
        let patience = Instant::now() + PATIENCE;
        loop {
            match child.try_wait().unwrap() {
                Some(status) => {
                    assert!(status.success(), "{}: serve ended with {status}: {}", self.name, self.log());
                    return;
                }
                None if Instant::now() > patience => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("{}: serve did not stop: {}", self.name, self.log());
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Ends `serve` as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.serve.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// An invitation to what this node's worktree shows.
    pub(crate) fn invite(&self, role: &str) -> String {
        self.ok(&["invite", "--role", role])["invite"].as_str().unwrap().to_owned()
    }

    /// Joins the repo of a node that serves.
    pub(crate) fn join(&self, host: &Node, role: &str) -> Value {
        let invite = host.invite(role);
        let peer = host.address.clone().expect("the host serves");
        self.ok(&["join", &invite, "--peer", &peer, "."])
    }

    /// Leaves nothing in logs from now on: what is written lies in stones at once.
    pub(crate) fn cut_at_once(&self) {
        let path = self.home.join("config.json");
        let mut config: Value =
            fs::read(&path).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
        config["log_bytes_max"] = 0.into();
        fs::write(path, config.to_string()).unwrap();
    }

    /// The stones of this home.
    pub(crate) fn stones(&self) -> Vec<PathBuf> {
        let mut found = files_below(&self.home);
        found.retain(|path| path.extension().is_some_and(|end| end == "sst"));
        found
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.home.with_extension("log")
    }

    /// What `serve` wrote to stderr.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary under test: the one that was built with the tests, or that `CAIRN_BIN` names.
fn binary() -> PathBuf {
    std::env::var_os("CAIRN_BIN").map_or(PathBuf::from(env!("CARGO_BIN_EXE_cairn")), PathBuf::from)
}

pub(crate) fn told(output: Output) -> Out {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let json = serde_json::from_str(stdout.trim()).unwrap_or(Value::Null);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Out { code: output.status.code().unwrap_or(-1), json, stdout, stderr }
}

/// Waits for what must happen.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the stores of all nodes hold the same branch.
pub(crate) fn wait_for_agreement(nodes: &[&Node]) {
    let patience = Instant::now() + PATIENCE;
    loop {
        let states: Vec<_> = nodes.iter().map(|node| node.branch()).collect();
        if states.windows(2).all(|pair| pair[0] == pair[1]) {
            return;
        }
        let logs: String =
            nodes.iter().map(|node| format!("\n{}:\n{}{:?}", node.name, node.log(), node.events())).collect();
        assert!(Instant::now() < patience, "the stores still differ: {states:#?}{logs}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Every file below a folder, in order.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

/// `diff -r` of two worktrees says nothing.
pub(crate) fn assert_same_trees(one: &Path, two: &Path) {
    let output = Command::new("diff")
        .args(["-r", "--no-dereference", "-x", ".cairn"])
        .arg(one)
        .arg(two)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).chars().take(4000).collect::<String>();
    assert!(output.status.success() && told.is_empty(), "the trees differ:\n{told}");
}

/// Copies a folder as it is.
pub(crate) fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success(), "cp -a {} {}", from.display(), to.display());
}

/// Numbers that are the same in every run of a seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below.max(1)
    }
}
