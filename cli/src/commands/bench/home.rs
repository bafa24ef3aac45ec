//! A home for as long as something is measured, and whoever serves it.

use super::process::{self, Ran};
use super::stage::bug;
use crate::error::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A home, and the folder in which its commands are run.
pub(super) struct Home {
    dir: PathBuf,
    home: PathBuf,
}

/// Somebody who runs until this is dropped.
pub(super) struct Running {
    child: Child,
    /// What it said first.
    pub(super) ready: Value,
}

impl Home {
    /// A home of this name in a folder; nothing is made yet.
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        Self { dir: dir.to_owned(), home: dir.join(name) }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.home
    }

    /// This program, with this home.
    pub(super) fn command(&self, words: &[&str]) -> Result<Command, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env_remove("CAIRN_KEY").arg("--home").arg(&self.home).args(words).current_dir(&self.dir);
        Ok(command)
    }

    /// Runs a verb.
    pub(super) fn run(&self, words: &[&str]) -> Result<Ran, Failure> {
        process::run(&mut self.command(words)?, true)
    }

    /// Runs a verb that answers in JSON.
    pub(super) fn ask(&self, words: &[&str]) -> Result<(Value, f64), Failure> {
        let ran = self.run(&[words, &["--json"]].concat())?;
        Ok((json(&ran.text)?, ran.ms))
    }

    /// A link by which so many devices may join the repo of a worktree.
    pub(super) fn invite(&self, tree: &str, uses: usize) -> Result<String, Failure> {
        let uses = uses.to_string();
        let (answer, _) = self.ask(&["-C", tree, "invite", "--role", "write", "--uses", &uses])?;
        answer["invite"].as_str().map(str::to_owned).ok_or_else(|| bug("no invitation"))
    }

    /// Serves it on loopback, at a port that the system picks.
    pub(super) fn serve(&self) -> Result<Running, Failure> {
        self.start(&["serve", "--listen", "/ip4/127.0.0.1/tcp/0"])
    }

    /// Starts a verb that goes on until it is told to stop, and waits until it is ready.
    pub(super) fn start(&self, words: &[&str]) -> Result<Running, Failure> {
        let mut command = self.command(&[words, &["--json"]].concat())?;
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| bug("a process without output"))?;
        let mut running = Running { child, ready: Value::Null };
        let (mut line, mut output) = (String::new(), BufReader::new(output));
        output.read_line(&mut line)?;
        running.ready = json(&line)?;
        // What it goes on to say is read, so that it never waits for a reader.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        match running.ready["event"] == "ready" {
            true => Ok(running),
            false => Err(bug(&format!("{words:?} did not come up"))),
        }
    }
}

impl Running {
    /// Takes over a process that is up.
    pub(super) fn of(child: Child) -> Self {
        Self { child, ready: Value::Null }
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|_| bug(&format!("no JSON: {text}")))
}
