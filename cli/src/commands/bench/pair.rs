//! The same large tree twice: in one folder cairn works, in the other git.

use super::contest::Contest;
use super::home::Home;
use super::process::weighed;
use super::releases::folders;
use super::repository::Repository;
use super::stage::{Stage, bug};
use super::tree::Tree;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// cairn's folder in the stage.
pub(super) const OURS: &str = "ours";
/// git's.
pub(super) const THEIRS: &str = "theirs";

/// Where the files come from.
#[derive(clap::Args)]
pub(super) struct Source {
    /// Folders whose files are taken, each content once; by default, what cargo has unpacked
    #[arg(value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// How many files the tree has
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    files: usize,
}

/// The folders, the home, and what git calls itself.
pub(super) struct Pair {
    pub(super) stage: Stage,
    pub(super) tree: Tree,
    pub(super) home: Home,
    pub(super) contest: Contest,
}

/// What the first `post` and the first commit came to.
pub(super) struct First {
    /// How long `post` took, in milliseconds.
    pub(super) ours_ms: f64,
    /// How long git took to add and commit.
    pub(super) theirs_ms: f64,
    /// The most memory that `post` held, in MB.
    pub(super) peak_mb: f64,
}

impl Pair {
    /// Makes both folders.
    pub(super) fn begin(bench: &'static str, source: &Source, desk: &Desk) -> Result<Self, Failure> {
        let (stage, contest) = (Stage::new()?, Contest::begin(bench, desk)?);
        let (ours, theirs) = (stage.path(OURS), stage.path(THEIRS));
        let tree = Tree::gather(&folders(&source.dirs, desk), &ours, source.files)?;
        tree.copy(&ours, &theirs)?;
        let home = Home::new(stage.dir(), "home");
        let pair = Self { stage, tree, home, contest };
        let (files, mb) = (pair.tree.len(), pair.tree.bytes as f64 / 1e6);
        if files < source.files {
            output::note(&format!("only {files} files were found, not {}: name more folders", source.files));
        }
        pair.contest.tell(&format!("{files} files, {mb:.0} MB, each content once"));
        Ok(pair)
    }

    /// Posts and commits everything, from nothing. Neither pays for what was written to the disk before.
    pub(super) fn first(&self) -> Result<(First, Repository), Failure> {
        let (ours, theirs) = (self.stage.path(OURS), self.stage.path(THEIRS));
        for old in [self.home.path(), &ours.join(".cairn"), &theirs.join(".git")] {
            if old.exists() {
                fs::remove_dir_all(old)?;
            }
        }
        let repository = Repository::begin(&theirs)?;
        rustix::fs::sync();
        let added = repository.run(&["add", "-A"])?;
        let committed = repository.run(&["commit", "-q", "-m", "first"])?;
        let listed = repository.run(&["ls-files", "-z"])?.text.matches('\0').count();
        self.home.run(&["init", OURS, "--project", &format!("@bench/{}", self.contest.bench)])?;
        rustix::fs::sync();
        let mut post = self.home.command(&["-C", OURS, "post", "-m", "first", "--json"])?;
        let (posted, peak_mb) = weighed(&mut post)?;
        let answer: serde_json::Value = serde_json::from_str(&posted.text).unwrap_or_default();
        if listed != self.tree.len() || answer["files"] != self.tree.len() {
            return Err(bug(&format!("git has {listed} files, cairn {}", answer["files"])));
        }
        rustix::fs::sync();
        let theirs_ms = added.ms + committed.ms;
        Ok((First { ours_ms: posted.ms, theirs_ms, peak_mb }, repository))
    }

    /// Writes a line at the end of one file, in both folders.
    pub(super) fn edit(&self, number: usize) -> Result<(), Failure> {
        let file = self.tree.pick(number).ok_or_else(|| bug("no file to edit"))?;
        for folder in [OURS, THEIRS] {
            let mut file = fs::OpenOptions::new().append(true).open(self.stage.path(folder).join(file))?;
            write!(file, "\n// edit {number}\n")?;
        }
        Ok(())
    }
}
