//! The same fleet with git: a bare repository in the middle and a clone for each agent.

use super::code::Code;
use super::{Ground, own};
use crate::commands::bench::repository;
use crate::commands::bench::stage::{Stage, bug};
use crate::error::Failure;
use std::path::{Path, PathBuf};

/// A bare repository and its clones.
pub(super) struct Git {
    dir: PathBuf,
}

impl Git {
    /// Makes the repository and clones it for each agent.
    pub(super) fn begin(stage: &Stage, code: &Code) -> Result<Self, Failure> {
        let dir = stage.path("git");
        std::fs::create_dir_all(&dir)?;
        let git = Self { dir };
        git.must(&git.dir, &["init", "-q", "--bare", "-b", "main", "hub.git"])?;
        git.must(&git.dir, &["clone", "-q", "hub.git", "seed"])?;
        let seed = git.dir.join("seed");
        code.write(&seed)?;
        git.must(&seed, &["add", "-A"])?;
        git.must(&seed, &["commit", "-q", "-m", "the shared files"])?;
        git.must(&seed, &["push", "-q", "origin", "HEAD:main"])?;
        for agent in 0..code.agents {
            git.must(&git.dir, &["clone", "-q", "hub.git", &format!("tree-{agent}")])?;
        }
        Ok(git)
    }

    fn git(&self, dir: &Path, words: &[&str]) -> Result<bool, Failure> {
        Ok(repository::command(dir, words).output()?.status.success())
    }

    fn must(&self, dir: &Path, words: &[&str]) -> Result<(), Failure> {
        match self.git(dir, words)? {
            true => Ok(()),
            false => Err(bug(&format!("git {words:?} failed"))),
        }
    }

    /// Puts the agent's commit on top of what the others pushed; where that conflicts, begins anew from there.
    fn rebase(&self, tree: &Path, edit: &dyn Fn() -> Result<(), Failure>) -> Result<(), Failure> {
        if self.git(tree, &["pull", "-q", "--rebase", "origin", "main"])? {
            return Ok(());
        }
        // Nothing is being rebased if only the fetch failed: two agents may fetch at once.
        self.git(tree, &["rebase", "--abort"])?;
        self.must(tree, &["reset", "-q", "--hard", "FETCH_HEAD"])?;
        edit()?;
        self.must(tree, &["commit", "-q", "-a", "-m", "step"])
    }
}

impl Ground for Git {
    fn tree(&self, agent: usize) -> PathBuf {
        own(&self.dir, "tree", agent)
    }

    fn land(&self, agent: usize, edit: &dyn Fn() -> Result<(), Failure>) -> Result<u64, Failure> {
        let tree = self.tree(agent);
        self.must(&tree, &["commit", "-q", "-a", "-m", "step"])?;
        let mut rejected = 0;
        while !self.git(&tree, &["push", "-q", "origin", "HEAD:main"])? {
            rejected += 1;
            self.rebase(&tree, edit)?;
        }
        Ok(rejected)
    }

    fn refresh(&self, agent: usize) -> Result<(), Failure> {
        self.must(&self.tree(agent), &["pull", "-q", "--rebase", "origin", "main"])
    }

    fn end(&self) -> Result<Vec<PathBuf>, Failure> {
        self.refresh(0)?;
        Ok(vec![self.tree(0)])
    }
}
