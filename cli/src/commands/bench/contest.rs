//! cairn against git, printed.

use super::figure::{Figure, Limit};
use super::git;
use super::score::median;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output;

/// What is measured against which git.
pub(super) struct Contest {
    pub(super) bench: &'static str,
    git: String,
    json: bool,
}

impl Contest {
    /// Asks git what it is called.
    pub(super) fn begin(bench: &'static str, desk: &Desk) -> Result<Self, Failure> {
        Ok(Self { bench, git: git::name()?, json: desk.json })
    }

    /// What git calls itself.
    pub(super) fn git(&self) -> &str {
        &self.git
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
