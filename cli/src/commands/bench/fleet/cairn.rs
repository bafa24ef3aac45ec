//! A fleet in one home, or in several that gossip: in each a serving process owns the store, and each agent is a
//! worktree with its own key.

use super::code::Code;
use super::{Ground, own};
use crate::commands::bench::stage::{Stage, bug};
use crate::error::Failure;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long nodes may take until they show the same, once nobody lands any more.
const AGREEMENT_MAX: Duration = Duration::from_secs(120);

/// Homes that are served, and their worktrees.
pub(super) struct Cairn {
    dir: PathBuf,
    serving: Vec<Child>,
}

impl Cairn {
    /// Founds a repo, serves it, and lets all agents in, dealt to so many homes.
    pub(super) fn begin(stage: &Stage, code: &Code, nodes: usize) -> Result<Self, Failure> {
        let mut fleet = Self { dir: stage.path("fleet"), serving: Vec::new() };
        let seed = fleet.dir.join("seed");
        std::fs::create_dir_all(&seed)?;
        fleet.run(0, None, &["init", "seed", "--project", "@bench/fleet"])?;
        code.write(&seed)?;
        fleet.run(0, None, &["-C", "seed", "post", "-m", "the shared files"])?;
        for node in 0..nodes {
            fleet.serving.push(serve(&own(&fleet.dir, "home", node))?);
        }
        // Each home that joins has a key of its own beside those of its agents.
        let uses = (code.agents + nodes).to_string();
        let words = ["-C", "seed", "invite", "--role", "write", "--uses", &uses, "--json"];
        let invite = text(&fleet.run(0, None, &words)?, "invite")?;
        for agent in 0..code.agents {
            let words = ["join", invite.as_str(), &format!("tree-{agent}")];
            fleet.run(fleet.node(agent), Some(agent), &words)?;
        }
        Ok(fleet)
    }

    /// The node that an agent works at.
    fn node(&self, agent: usize) -> usize {
        agent % self.serving.len()
    }

    /// What a verb says as JSON in an agent's worktree.
    fn agent(&self, agent: usize, verb: &str) -> Result<String, Failure> {
        self.run(self.node(agent), None, &["-C", &format!("tree-{agent}"), verb, "--json"])
    }

    /// Runs a command; 1 says that edits met, which is no failure.
    fn run(&self, node: usize, key: Option<usize>, words: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        if let Some(agent) = key {
            command.env("CAIRN_KEY", own(&self.dir, "key", agent));
        }
        command.arg("--home").arg(own(&self.dir, "home", node)).args(words).current_dir(&self.dir);
        let output = command.output()?;
        match output.status.code() {
            Some(0 | 1) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            _ => {
                let told = [output.stdout, output.stderr].concat();
                Err(bug(&format!("{words:?}: {}", String::from_utf8_lossy(&told).trim())))
            }
        }
    }
}

impl Ground for Cairn {
    fn tree(&self, agent: usize) -> PathBuf {
        own(&self.dir, "tree", agent)
    }

    fn land(&self, agent: usize, _edit: &dyn Fn() -> Result<(), Failure>) -> Result<u64, Failure> {
        self.agent(agent, "put").map(|_| 0)
    }

    /// Landing has taken in what the others landed.
    fn refresh(&self, _agent: usize) -> Result<(), Failure> {
        Ok(())
    }

    /// The worktree of one agent at each node, once all show the same.
    fn end(&self) -> Result<Vec<PathBuf>, Failure> {
        let (agents, until) = (0..self.serving.len(), Instant::now() + AGREEMENT_MAX);
        loop {
            let roots = agents.clone().map(|agent| text(&self.agent(agent, "put")?, "root"));
            let roots = roots.collect::<Result<Vec<String>, Failure>>()?;
            if roots.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(agents.map(|agent| self.tree(agent)).collect());
            }
            if Instant::now() > until {
                return Err(bug("the nodes do not come to show the same"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Cairn {
    fn drop(&mut self) {
        for serve in &mut self.serving {
            let _ = serve.kill();
            let _ = serve.wait();
        }
    }
}

/// Starts a server, and waits until it is ready.
fn serve(home: &Path) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--home").arg(home).args(["serve", "--listen", "/ip4/127.0.0.1/tcp/0", "--json"]);
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

/// One text of an answer in JSON.
fn text(answer: &str, name: &str) -> Result<String, Failure> {
    let answer: serde_json::Value = serde_json::from_str(answer).map_err(|_| bug("an answer in no JSON"))?;
    answer[name].as_str().map(str::to_owned).ok_or_else(|| bug("an answer that lacks something"))
}
