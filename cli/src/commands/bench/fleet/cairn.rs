//! A fleet in one home, or in several that gossip: in each a serving process owns the store, and each agent is a
//! worktree with its own key.

use super::code::Code;
use super::{Ground, own};
use crate::commands::bench::home::{Home, Running};
use crate::commands::bench::process;
use crate::commands::bench::stage::{Stage, bug};
use crate::error::Failure;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long nodes may take until they show the same, once nobody lands any more.
const AGREEMENT_MAX: Duration = Duration::from_secs(120);

/// Homes that are served, and their worktrees.
pub(super) struct Cairn {
    dir: PathBuf,
    homes: Vec<Home>,
    _serving: Vec<Running>,
}

impl Cairn {
    /// Founds a repo, serves it, and lets all agents in, dealt to so many homes.
    pub(super) fn begin(stage: &Stage, code: &Code, nodes: usize) -> Result<Self, Failure> {
        let dir = stage.path("fleet");
        std::fs::create_dir_all(dir.join("seed"))?;
        let founder = Home::new(&dir, "home-0");
        founder.run(&["init", "seed", "--project", "@bench/fleet"])?;
        code.write(&dir.join("seed"))?;
        founder.run(&["-C", "seed", "post", "-m", "the shared files"])?;
        let homes: Vec<Home> = (0..nodes).map(|node| Home::new(&dir, &format!("home-{node}"))).collect();
        let serving = homes.iter().map(Home::serve).collect::<Result<_, Failure>>()?;
        // Each home that joins has a key of its own beside those of its agents.
        let invite = founder.invite("seed", code.agents + nodes)?;
        let fleet = Self { dir, homes, _serving: serving };
        for agent in 0..code.agents {
            let mut join = fleet.home(agent)?.command(&["join", &invite, &format!("tree-{agent}")])?;
            process::run(join.env("CAIRN_KEY", own(&fleet.dir, "key", agent)), true)?;
        }
        Ok(fleet)
    }

    /// The home that an agent works in.
    fn home(&self, agent: usize) -> Result<&Home, Failure> {
        self.homes.get(agent % self.homes.len()).ok_or_else(|| bug("no such home"))
    }

    /// Lands what an agent's worktree holds, and takes in what the others landed; the root of both.
    fn put(&self, agent: usize) -> Result<String, Failure> {
        let (answer, _) = self.home(agent)?.ask(&["-C", &format!("tree-{agent}"), "put"])?;
        answer["root"].as_str().map(str::to_owned).ok_or_else(|| bug("an answer without a root"))
    }
}

impl Ground for Cairn {
    fn tree(&self, agent: usize) -> PathBuf {
        own(&self.dir, "tree", agent)
    }

    fn land(&self, agent: usize, _edit: &dyn Fn() -> Result<(), Failure>) -> Result<u64, Failure> {
        self.put(agent).map(|_| 0)
    }

    /// Landing has taken in what the others landed.
    fn refresh(&self, _agent: usize) -> Result<(), Failure> {
        Ok(())
    }

    /// The worktree of one agent at each node, once all show the same.
    fn end(&self) -> Result<Vec<PathBuf>, Failure> {
        let (agents, until) = (0..self.homes.len(), Instant::now() + AGREEMENT_MAX);
        loop {
            let roots =
                agents.clone().map(|agent| self.put(agent)).collect::<Result<Vec<String>, Failure>>()?;
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
