//! A node of a demo or a benchmark: a home, a worktree, and now and then a `serve` process.

use crate::error::{BUG, Failure, NETWORK};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// No command may take longer.
const COMMAND_MAX: Duration = Duration::from_secs(120);
/// A `serve` is ready, or gone, within this time.
const SERVE_MAX: Duration = Duration::from_secs(30);

/// One node.
pub(crate) struct Node {
    /// Its name in the story.
    pub(crate) name: &'static str,
    /// Its worktree.
    pub(crate) tree: PathBuf,
    /// Where others reach it, once it has served.
    pub(crate) address: Option<String>,
    /// Its home.
    pub(crate) home: PathBuf,
    serve: Option<Child>,
}

impl Node {
    /// A node with its own home in `place`; nothing is made yet.
    pub(crate) fn new(name: &'static str, place: &Path) -> Self {
        let (home, tree) = (place.join(format!("{name}-home")), place.join(name));
        Self { name, tree, address: None, home, serve: None }
    }

    /// A command on this node, in its worktree when there is one.
    fn command(&self) -> Result<Command, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env_remove("CAIRN_HOME").env_remove("CAIRN_KEY").arg("--json").arg("--home").arg(&self.home);
        if self.tree.is_dir() {
            command.arg("-C").arg(&self.tree);
        }
        Ok(command)
    }

    /// Runs a verb; its answer, or the failure it told of.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<Value, Failure> {
        let mut command = self.command()?;
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = finish(command.spawn()?, self.name, words)?;
        let told = String::from_utf8_lossy(&output.stdout);
        let answer = serde_json::from_str(told.trim()).unwrap_or(Value::Null);
        match output.status.code() {
            Some(0 | 1) if !answer.is_null() => Ok(answer),
            code => Err(self.failure(words, code, &answer, &output)),
        }
    }

    fn failure(&self, words: &[&str], code: Option<i32>, answer: &Value, output: &Output) -> Failure {
        let told = answer.get("message").and_then(Value::as_str).map(str::to_owned);
        let told = told.unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
        let exit = code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code > 1).unwrap_or(BUG);
        let message = format!("{}: cairn {}: {told} (exit {code:?})", self.name, words.join(" "));
        Failure::new(exit, text(answer, "code").as_str(), message, "run with --keep and look at the homes")
    }

    /// Starts a `serve` process and waits until it says that it is ready.
    pub(crate) fn serve(&mut self) -> Result<(), Failure> {
        // The first time any free port will do; later the same one again, since others remember it.
        let listen = self.address.as_deref().and_then(|address| address.split("/p2p/").next());
        let listen = listen.unwrap_or("/ip4/127.0.0.1/tcp/0").to_owned();
        let log = File::options().create(true).append(true).open(self.tree.with_extension("serve.log"))?;
        let mut command = self.command()?;
        command.args(["serve", "--listen", &listen]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let ready = ready_line(&mut child);
        self.serve = Some(child);
        let ready = ready.ok_or_else(|| self.silent("serve did not say that it is ready"))?;
        let address = ready.get("listen").and_then(|list| list.get(0)).and_then(Value::as_str);
        self.address = Some(address.ok_or_else(|| self.silent("serve listens nowhere"))?.to_owned());
        Ok(())
    }

    fn silent(&self, what: &str) -> Failure {
        let log = std::fs::read_to_string(self.tree.with_extension("serve.log")).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(3).collect();
        Failure::new(
            NETWORK,
            "E_DEMO",
            format!("{}: {what}: {}", self.name, last.join("; ")),
            "look at its serve.log",
        )
    }

    /// Ends `serve` in the ordinary way; it must end well.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.serve.take() else { return Ok(()) };
        signal(&child, Signal::TERM);
        let patience = Instant::now() + SERVE_MAX;
        while Instant::now() < patience {
            match child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.silent(&format!("serve ended with {status}"))),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
        let _ = child.kill().and_then(|()| child.wait());
        Err(self.silent("serve did not stop"))
    }

    /// Ends `serve` as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        if let Some(mut child) = self.serve.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, signal));
}

/// Waits for a command, but not for ever.
fn finish(child: Child, name: &str, words: &[&str]) -> Result<Output, Failure> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    if let Ok(output) = wait.recv_timeout(COMMAND_MAX) {
        return Ok(output?);
    }
    let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
    let message = format!("{name}: cairn {} did not end within {COMMAND_MAX:?}", words.join(" "));
    Err(Failure::new(BUG, "E_DEMO", message, "please report it"))
}

/// The first line that `serve` prints. Its later lines are read and dropped, so that it never blocks on a full pipe.
fn ready_line(child: &mut Child) -> Option<Value> {
    let out = BufReader::new(child.stdout.take()?);
    let (first, wait) = mpsc::channel();
    thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let _ = first.send(line);
        }
    });
    let line = wait.recv_timeout(SERVE_MAX).ok()?;
    serde_json::from_str::<Value>(&line).ok().filter(|line| text(line, "event") == "ready")
}

/// A text field of an answer.
pub(crate) fn text(answer: &Value, field: &str) -> String {
    answer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A number field of an answer.
pub(crate) fn number(answer: &Value, field: &str) -> u64 {
    answer.get(field).and_then(Value::as_u64).unwrap_or_default()
}
