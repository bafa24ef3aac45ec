//! A fleet in one home: a serving process owns the store, each agent is a worktree with its own key.

use super::code::Code;
use super::{Ground, own};
use crate::commands::bench::stage::{Stage, bug};
use crate::error::Failure;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A home that is served, and its worktrees.
pub(super) struct Cairn {
    dir: PathBuf,
    serve: Child,
}

impl Cairn {
    /// Founds a repo, serves it, and lets all agents in.
    pub(super) fn begin(stage: &Stage, code: &Code) -> Result<Self, Failure> {
        let dir = stage.path("fleet");
        std::fs::create_dir_all(dir.join("seed"))?;
        let words = |words: &[&str]| run(Command::new(std::env::current_exe()?), &dir, words);
        words(&["init", "seed", "--project", "@bench/fleet"])?;
        code.write(&dir.join("seed"))?;
        words(&["-C", "seed", "post", "-m", "the shared files"])?;
        let fleet = Self { serve: serve(&dir)?, dir: dir.clone() };
        let uses = code.agents.to_string();
        let invite = words(&["-C", "seed", "invite", "--role", "write", "--uses", &uses, "--json"])?;
        let invite: serde_json::Value =
            serde_json::from_str(&invite).map_err(|_| bug("an invitation in no JSON"))?;
        let invite = invite["invite"].as_str().ok_or_else(|| bug("no invitation"))?;
        for agent in 0..code.agents {
            let mut command = Command::new(std::env::current_exe()?);
            command.env("CAIRN_KEY", own(&dir, "key", agent));
            run(command, &dir, &["join", invite, &format!("tree-{agent}")])?;
        }
        Ok(fleet)
    }

    fn agent(&self, agent: usize, verb: &str) -> Result<(), Failure> {
        let tree = format!("tree-{agent}");
        run(Command::new(std::env::current_exe()?), &self.dir, &["-C", &tree, verb, "--json"]).map(|_| ())
    }
}

impl Ground for Cairn {
    fn tree(&self, agent: usize) -> PathBuf {
        own(&self.dir, "tree", agent)
    }

    fn land(&self, agent: usize, _edit: &dyn Fn() -> Result<(), Failure>) -> Result<u64, Failure> {
        self.agent(agent, "post").map(|()| 0)
    }

    fn refresh(&self, agent: usize) -> Result<(), Failure> {
        self.agent(agent, "put")
    }

    fn end(&self) -> Result<PathBuf, Failure> {
        self.refresh(0)?;
        Ok(self.tree(0))
    }
}

impl Drop for Cairn {
    fn drop(&mut self) {
        let _ = self.serve.kill();
        let _ = self.serve.wait();
    }
}

/// Starts a server, and waits until it is ready.
fn serve(dir: &std::path::Path) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--home").arg(dir.join("home")).args(["serve", "--listen", "/ip4/127.0.0.1/tcp/0", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let output = child.stdout.take().ok_or_else(|| bug("a server without output"))?;
    let mut line = String::new();
    let mut output = BufReader::new(output);
    output.read_line(&mut line)?;
    // What it goes on to say is read, so that it never waits for a reader.
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    match line.contains("\"ready\"") {
        true => Ok(child),
        false => Err(bug("the server did not come up")),
    }
}

/// Runs a command; 1 says that edits met, which is no failure.
fn run(mut command: Command, dir: &std::path::Path, words: &[&str]) -> Result<String, Failure> {
    let output = command.arg("--home").arg(dir.join("home")).args(words).current_dir(dir).output()?;
    match output.status.code() {
        Some(0 | 1) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => Err(bug(&format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}
