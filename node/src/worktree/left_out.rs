//! Large files that the version shows and that are not on disk: nobody asked for them, or nobody had their bytes.
//!
//! The link names them. Until they are written they are no change of the user's, so no post takes them away.

use std::collections::BTreeSet;

use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileBody, View};

use super::checkout::Outcome;
use super::scan::Disk;
use super::{Demand, Worktree};
use crate::error::NodeError;

impl Worktree {
    /// From now on large files are left out until somebody asks for them. Those that are here go on being written.
    pub fn be_lazy(&mut self, shown: &View) {
        self.link.lazy = true;
        let here = large(shown).filter(|path| !self.link.absent.contains(*path));
        self.link.asked.extend(here.cloned().collect::<Vec<_>>());
    }

    /// From now on all files are written.
    pub fn be_whole(&mut self) {
        (self.link.lazy, self.demand) = (false, Demand::All);
        self.link.asked.clear();
    }

    /// Large files at or below a path are written from now on.
    pub fn ask_for(&mut self, shown: &View, path: &RepoPath) {
        self.demand = Demand::Below(path.clone());
        if self.link.lazy {
            self.link.asked.extend(large(shown).filter(|file| file.is_within(path)).cloned());
        }
    }

    /// Whether a file is left out. One that stands there, in whichever version, goes along.
    pub(super) fn leaves_out(&self, body: &FileBody, path: &RepoPath, disk: Option<&Disk>) -> bool {
        let is_large = matches!(body, FileBody::Artifact { .. });
        is_large && self.link.lazy && disk.is_none() && !self.link.asked.contains(path)
    }

    /// The same of what stands there now.
    pub(crate) fn leaves_out_now(&mut self, body: &FileBody, path: &RepoPath) -> Result<bool, NodeError> {
        if !self.link.lazy {
            return Ok(false);
        }
        let disk = self.look(path)?;
        Ok(self.leaves_out(body, path, disk.as_ref()))
    }

    /// The files that were left out and that a checkout of `to` tries again.
    pub(crate) fn tried_again<'a>(&'a self, to: &'a View) -> impl Iterator<Item = &'a RepoPath> {
        let is_tried = |path: &RepoPath| match &self.demand {
            Demand::Nothing => false,
            Demand::Again | Demand::All => true,
            Demand::Below(within) => path.is_within(within),
        };
        self.link.absent.iter().filter(move |path| is_tried(path) && to.files.contains_key(*path))
    }

    /// Leaves out a file whose bytes are not to be had. What another version shows there goes, or it would look like a
    /// change of the user's, and be posted.
    pub(super) fn leave_out(
        &mut self,
        path: &RepoPath,
        expected: Option<&Disk>,
        outcome: &mut Outcome,
    ) -> Result<(), NodeError> {
        self.link.absent.insert(path.clone());
        if expected.is_none() {
            return Ok(());
        }
        // Written down first: whoever stops here finds a file that is left out, and not one that somebody removed.
        self.save_link()?;
        if !self.remove(path, expected)? {
            outcome.surprises.insert(path.clone());
            return Ok(());
        }
        self.index.forget(path);
        outcome.removed += 1;
        Ok(())
    }

    /// What was put there by hand and posted is left out no more.
    pub fn settle_left_out(&mut self, posted: &[RepoPath]) {
        let is_posted =
            |path: &RepoPath| posted.is_empty() || posted.iter().any(|within| path.is_within(within));
        let index = &self.index;
        let here = |path: &RepoPath| is_posted(path) && index.get(path).is_some();
        let came: BTreeSet<_> = self.link.absent.extract_if(.., |path| here(path)).collect();
        if self.link.lazy {
            self.link.asked.extend(came);
        }
    }
}

/// The large files of a version.
fn large(view: &View) -> impl Iterator<Item = &RepoPath> {
    let files = view.files.iter().filter(|(_, file)| matches!(file.body, FileBody::Artifact { .. }));
    files.map(|(path, _)| path)
}
