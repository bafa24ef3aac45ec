//! A git repository with a worktree, and the daemon that serves it.

use super::git::missing;
use super::home::Running;
use super::process::{self, Ran};
use super::stage::bug;
use crate::error::Failure;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A repository and its worktree, as git sets them up where nobody has configured anything.
pub(super) struct Repository {
    tree: PathBuf,
}

impl Repository {
    /// Begins one in a folder with files. It does not tidy itself up behind what is measured: git does that in the
    /// background.
    pub(super) fn begin(tree: &Path) -> Result<Self, Failure> {
        let repository = Self { tree: tree.to_owned() };
        repository.run(&["init", "-q", "-b", "main", "."])?;
        repository.run(&["config", "gc.auto", "0"])?;
        Ok(repository)
    }

    /// git, in the worktree.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        command(&self.tree, words)
    }

    /// Runs git there.
    pub(super) fn run(&self, words: &[&str]) -> Result<Ran, Failure> {
        process::run(&mut self.command(words), false)
    }

    /// Serves it on loopback; under which address it is cloned.
    pub(super) fn serve(&self) -> Result<(Running, String), Failure> {
        // The port is free once more, and nobody else is given it that soon.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let programs = self.run(&["--exec-path"])?.text;
        let mut daemon = Command::new(Path::new(programs.trim()).join("git-daemon"));
        daemon.args(["--export-all", "--listen=127.0.0.1", &format!("--port={port}")]);
        let base = self.tree.parent().unwrap_or(&self.tree);
        daemon.arg(format!("--base-path={}", base.display()));
        let child = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let running = Running::of(child.map_err(|_| missing())?);
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(bug("the git daemon did not come up"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let name = self.tree.file_name().unwrap_or_default().to_string_lossy();
        Ok((running, format!("git://127.0.0.1:{port}/{name}")))
    }
}

/// git in a folder, without what this machine or this user has configured.
pub(super) fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    for (name, value) in [("NAME", "bench"), ("EMAIL", "bench@example.org")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE").env("GIT_EDITOR", "true");
    command.args(words).current_dir(dir);
    command
}
