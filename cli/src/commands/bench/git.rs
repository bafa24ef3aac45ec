//! The same history in git: each waypoint a commit, each release a tag.

use super::stage::bug;
use super::steps::Step;
use crate::error::{Failure, NOT_FOUND};
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// What commits are dated from, in seconds since 1970.
const BEGUN_S: u64 = 1_700_000_000;
/// Who commits.
const AUTHOR: &str = "bench <bench@example.org>";

/// A git repository that is being filled.
pub(super) struct Git {
    import: Child,
    /// Closed before the import is waited for.
    input: Option<BufWriter<ChildStdin>>,
    dir: PathBuf,
    commits: u64,
}

impl Git {
    /// Makes an empty repository.
    pub(super) fn begin(dir: &Path) -> Result<Self, Failure> {
        run(Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(dir))?;
        let mut import = in_repo(dir)
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|_| missing())?;
        let input = import.stdin.take().map(BufWriter::new);
        Ok(Self { import, input, dir: dir.to_owned(), commits: 0 })
    }

    /// Commits one step.
    pub(super) fn commit(&mut self, steps: &[Step]) -> Result<(), Failure> {
        self.commits += 1;
        let when = BEGUN_S + self.commits;
        let out = self.input.as_mut().ok_or_else(closed)?;
        write!(out, "commit refs/heads/main\ncommitter {AUTHOR} {when} +0000\ndata 0\n")?;
        for Step { path, bytes } in steps {
            match bytes {
                Some(bytes) => {
                    out.write_all(b"M 100644 inline ")?;
                    out.write_all(path)?;
                    write!(out, "\ndata {}\n", bytes.len())?;
                    out.write_all(bytes)?;
                }
                None => {
                    out.write_all(b"D ")?;
                    out.write_all(path)?;
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(out.write_all(b"\n")?)
    }

    /// Tags what was committed last.
    pub(super) fn tag(&mut self, name: &str) -> Result<(), Failure> {
        let message = format!("release {name}");
        let when = BEGUN_S + self.commits;
        let out = self.input.as_mut().ok_or_else(closed)?;
        let (length, head) = (message.len(), format!("tag {name}\nfrom refs/heads/main\n"));
        Ok(write!(out, "{head}tagger {AUTHOR} {when} +0000\ndata {length}\n{message}\n")?)
    }

    /// Ends the import and packs as tightly as git can; how many bytes its objects and names then have.
    pub(super) fn finish(mut self) -> Result<u64, Failure> {
        if let Some(mut input) = self.input.take() {
            input.flush()?;
        }
        if !self.import.wait()?.success() {
            return Err(bug("git fast-import"));
        }
        run(in_repo(&self.dir).args(["gc", "--aggressive", "--prune=now", "--quiet"]))?;
        let parts = ["objects", "refs", "packed-refs"].map(|part| super::stage::bytes(&self.dir.join(part)));
        parts.into_iter().sum()
    }
}

/// Checks a tag out; the index is a file of its own, so that a new one begins from nothing.
pub(super) fn checkout(dir: &Path, tree: &Path, index: &Path, tag: &str) -> Result<(), Failure> {
    let mut command = in_repo(dir);
    command.arg("--work-tree").arg(tree).env("GIT_INDEX_FILE", index);
    run(command.args(["checkout", "-q", "-f", "--detach", tag]).current_dir(tree))
}

/// Clones over a transport and reads every object of the clone; how long both took, in milliseconds.
pub(super) fn clone_and_check(from: &Path, to: &Path) -> Result<f64, Failure> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    let begun = std::time::Instant::now();
    run(Command::new("git").args(["clone", "-q", "--no-local"]).arg(from).arg(to))?;
    run(Command::new("git").arg("-C").arg(to).args(["fsck", "--full", "--no-progress"]))?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

/// The commits of all branches and tags, each with its tree.
pub(super) fn trees(dir: &Path) -> Result<BTreeSet<String>, Failure> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(["log", "--branches", "--tags", "--format=%H %T"]);
    let output = command.output().map_err(|_| missing())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()),
        false => Err(bug(String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// What git calls itself.
pub(super) fn name() -> Result<String, Failure> {
    let output = Command::new("git").arg("--version").output().map_err(|_| missing())?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(format!("git {}", words.split_whitespace().nth(2).unwrap_or_default()))
}

fn in_repo(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(dir).env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE");
    command
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let output = command.output().map_err(|_| missing())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(bug(String::from_utf8_lossy(&output.stderr).trim())),
    }
}

pub(super) fn missing() -> Failure {
    Failure::new(NOT_FOUND, "E_NOT_FOUND", "git is not here", "install git, which this is measured against")
}

fn closed() -> Failure {
    bug("git was written to after its end")
}
