//! The same large tree twice: in one folder cairn works, in the other git.

use super::figure::{Figure, Limit};
use super::git;
use super::home::Home;
use super::process::weighed;
use super::releases::folders;
use super::repository::Repository;
use super::score::median;
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
    bench: &'static str,
    git: String,
    json: bool,
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
        let (stage, git) = (Stage::new()?, git::name()?);
        let (ours, theirs) = (stage.path(OURS), stage.path(THEIRS));
        let tree = Tree::gather(&folders(&source.dirs, desk), &ours, source.files)?;
        tree.copy(&ours, &theirs)?;
        let home = Home::new(stage.dir(), "home");
        let pair = Self { stage, tree, home, bench, git, json: desk.json };
        let (files, mb) = (pair.tree.len(), pair.tree.bytes as f64 / 1e6);
        if files < source.files {
            output::note(&format!("only {files} files were found, not {}: name more folders", source.files));
        }
        pair.tell(&format!("{files} files, {mb:.0} MB, each content once"));
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
        self.home.run(&["init", OURS, "--project", &format!("@bench/{}", self.bench)])?;
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

    /// Prints how many times as long as git cairn takes, from times in turn.
    pub(super) fn compare(&self, name: &str, times: &[(f64, f64)], limit: Limit) {
        if let Some((ours, theirs)) = medians(times) {
            self.tell(&format!("{name}: {ours:.0} ms, {}: {theirs:.0} ms", self.git));
            self.ratio(name, ours / theirs, limit, times.len());
        }
    }

    /// Compares what is done by itself with what is done through a running `serve`: the limit is for the better one,
    /// since everybody may have that.
    pub(super) fn compare_both(&self, name: &str, alone: &[(f64, f64)], served: &[(f64, f64)], limit: f64) {
        let ratio = |times| medians(times).map_or(f64::MAX, |(ours, theirs)| ours / theirs);
        let limits = match ratio(served) <= ratio(alone) {
            true => (Limit::Nothing, Limit::AtMost(limit)),
            false => (Limit::AtMost(limit), Limit::Nothing),
        };
        self.compare(&format!("{name}, alone"), alone, limits.0);
        self.compare(&format!("{name}, served"), served, limits.1);
    }

    /// Prints a ratio.
    pub(super) fn ratio(&self, name: &str, ratio: f64, limit: Limit, runs: usize) {
        let rival = Some((self.git.clone(), 1.0));
        let (bench, figure) = (self.bench, name.to_owned());
        Figure { bench, figure, unit: "x", cairn: ratio, rival, limit, runs }.print(self.json);
    }

    /// Prints the most memory of several runs.
    pub(super) fn memory(&self, name: &str, mb: &[f64], limit_mb: f64) {
        let (bench, figure, limit) = (self.bench, name.to_owned(), Limit::AtMost(limit_mb));
        let cairn = mb.iter().copied().fold(0.0, f64::max);
        Figure { bench, figure, unit: "MB", cairn, rival: None, limit, runs: mb.len() }.print(self.json);
    }

    /// What people read beside the figures.
    pub(super) fn tell(&self, words: &str) {
        if !self.json {
            output::line(words);
        }
    }
}

/// The median of each side.
fn medians(times: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (ours, theirs) = times.iter().copied().unzip();
    median(ours).zip(median(theirs))
}
