//! Moving a worktree to another version without losing what is in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairn_crdt::id::WaypointId;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{Frontier, View};

use super::{Files, Posting, Site};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Network;
use crate::worktree::Stand;
use crate::worktree::checkout::{Outcome, Source};
use crate::worktree::footing::shows;
use crate::worktree::scan::{Change, Difference};

/// How often files that someone changes meanwhile are saved before giving up.
const ATTEMPTS_MAX: u32 = 8;

/// Where a move goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The version.
    pub frontier: Frontier,
    /// The branch that is followed then; the same as before when left out.
    pub branch: Option<String>,
    /// Whether what had to be saved on the way is part of what is shown then.
    pub merge: bool,
}

impl Target {
    /// A version that takes in what is found on the way.
    pub fn merging(frontier: Frontier) -> Self {
        Self { frontier, branch: None, merge: true }
    }
}

/// What a move did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Files that were written.
    pub written: u64,
    /// Files that were removed.
    pub removed: u64,
    /// How many overlaps the version shows.
    pub overlaps: u64,
}

impl Site {
    /// Ends a checkout that was cut off, and mends what the machine tore when it stopped.
    pub fn finish(&mut self, owner: &mut Owner, network: &mut dyn Network) -> Result<(), NodeError> {
        self.mend(owner, network)?;
        if self.cut_off(owner)?.is_none() {
            self.worktree.link.underway = None;
        }
        match self.worktree.link.underway.clone() {
            Some(Stand { frontier, branch }) => {
                let target = Target { frontier, branch: Some(branch), merge: true };
                self.move_to(owner, network, target).map(drop)
            }
            None => Ok(()),
        }
    }

    /// What a checkout shows that was cut off; nothing where that cannot be shown here, since none of its files were written then.
    pub(crate) fn cut_off(&self, owner: &mut Owner) -> Result<Option<Arc<View>>, NodeError> {
        let Some(underway) = &self.worktree.link.underway else { return Ok(None) };
        match self.place.view(owner, &underway.frontier) {
            Ok(view) => Ok(Some(view)),
            Err(NodeError::Faded(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn mend(&mut self, owner: &mut Owner, network: &mut dyn Network) -> Result<(), NodeError> {
        self.worktree.settle()?;
        if self.worktree.link.unsynced.as_ref().is_none_or(|unsynced| !unsynced.is_past()) {
            return Ok(());
        }
        let other = self.view(owner)?;
        let local = self.worktree.link.local.map(|local| Frontier::from_iter([local]));
        let view = match (self.cut_off(owner)?, local) {
            (Some(shown), _) => shown,
            // What has faded since can only be mended from what is stood on.
            (None, Some(local)) => self.place.view(owner, &local).unwrap_or_else(|_| other.clone()),
            (None, None) => other.clone(),
        };
        let mut files = self.files(owner, network, view.clone());
        self.worktree.mend(&view, &other, &mut files)?;
        self.worktree.save()
    }

    /// The bytes of a version.
    fn files<'a>(&self, owner: &'a mut Owner, network: &'a mut dyn Network, view: Arc<View>) -> Files<'a> {
        Files { owner, network, place: self.place, view, asked: self.worktree.demand.is_asked(), pins: None }
    }

    /// Notes that the worktree goes elsewhere without anything being written, so that it can go back.
    pub fn note_move(&mut self, verb: &str, from: Stand, target: &Target) {
        let branch = target.branch.clone().unwrap_or_else(|| self.branch().to_owned());
        let to = Stand { frontier: target.frontier.clone(), branch };
        if to != from {
            self.note_from(verb, from, to, None);
        }
    }

    /// Makes the files show a version. What would be overwritten and is in no waypoint becomes one
    /// first.
    pub fn move_to(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        mut target: Target,
    ) -> Result<Moved, NodeError> {
        let mut moved = Moved::default();
        let mut known = self.known(owner)?;
        for _ in 0..ATTEMPTS_MAX {
            let to = self.place.view(owner, &target.frontier)?;
            self.set_out(&target);
            self.worktree.save_link()?;
            let mut files = self.files(owner, network, to.clone());
            let surprises = self.go(&mut files, &known, &to, &mut moved)?;
            if surprises.is_empty() {
                self.land(owner, &target.frontier)?;
                self.worktree.save()?;
                return Ok(moved);
            }
            known.push(to);
            if let Some(saved) = self.save_surprises(owner, network, &surprises)? {
                let alone = Frontier::from_iter([saved]);
                known.push(self.place.view(owner, &alone)?);
                if target.merge {
                    target.frontier = self.with_saved(owner, &target.frontier, &alone)?;
                }
            }
        }
        Err(NodeError::Refused("files keep changing while they are checked out; nothing was lost".to_owned()))
    }

    /// The versions that files may show: the one stood on, the local waypoint that keeps them, and where a checkout went that was
    /// cut off.
    pub(crate) fn known(&self, owner: &mut Owner) -> Result<Vec<Arc<View>>, NodeError> {
        let mut known = vec![self.view(owner)?];
        if let Some(local) = self.worktree.link.local {
            // One that has faded shows nothing.
            known.extend(self.place.view(owner, &Frontier::from_iter([local])));
        }
        known.extend(self.cut_off(owner)?);
        Ok(known)
    }

    /// Notes where a move goes, so that a crash half-way is no change of the user's: the link is to be saved before any
    /// file is written.
    pub(crate) fn set_out(&mut self, target: &Target) {
        let branch = target.branch.clone().unwrap_or_else(|| self.branch().to_owned());
        self.worktree.link.underway = Some(Stand { frontier: target.frontier.clone(), branch });
        self.worktree.note_unsynced();
    }

    /// Writes the files of a move, and stands where it went unless there were surprises, which it gives. The worktree is
    /// still to be saved.
    pub(crate) fn go(
        &mut self,
        source: &mut dyn Source,
        known: &[Arc<View>],
        to: &View,
        moved: &mut Moved,
    ) -> Result<BTreeSet<RepoPath>, NodeError> {
        let known: Vec<&View> = known.iter().map(|view| &**view).collect();
        let outcome = self.worktree.checkout(&known, to, source)?;
        moved.written += outcome.written;
        moved.removed += outcome.removed;
        if outcome.surprises.is_empty() {
            moved.overlaps = to.overlaps.len() as u64;
            self.arrive(to)?;
        }
        Ok(outcome.surprises)
    }

    fn arrive(&mut self, shown: &View) -> Result<(), NodeError> {
        if let Some(Stand { frontier, branch }) = self.worktree.link.underway.take() {
            self.worktree.link.frontier = frontier;
            self.worktree.link.branch = branch;
        }
        self.worktree.link.absent.retain(|path| shown.files.contains_key(path));
        self.worktree.note_written()
    }

    /// Makes the files show `to` where they show what is known. Bytes are those of `from`, which
    /// shows every file that is to be written as `to` does.
    pub fn check_out(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        known: &[Arc<View>],
        to: &View,
        from: &Arc<View>,
    ) -> Result<Outcome, NodeError> {
        let known: Vec<&View> = known.iter().map(|view| &**view).collect();
        let mut files = self.files(owner, network, from.clone());
        self.worktree.checkout(&known, to, &mut files)
    }

    /// Keeps what stands at these paths in a waypoint on the version stood on.
    pub fn save_surprises(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        paths: &BTreeSet<RepoPath>,
    ) -> Result<Option<WaypointId>, NodeError> {
        let view = self.view(owner)?;
        let mut changes = Vec::new();
        for path in paths {
            let disk = self.worktree.look(path)?;
            if shows(&view, path, disk.as_ref()) {
                continue;
            }
            let difference = match &disk {
                None => Difference::Removed,
                Some(_) if view.files.contains_key(path) => Difference::Modified,
                Some(_) => Difference::Added,
            };
            changes.push(Change { path: path.clone(), difference, disk });
        }
        let posting = Posting { message: Some("kept before a checkout"), ..self.keeping() };
        let kept = self.keep(owner, network, &changes, &posting)?.map(|posted| posted.written.waypoint);
        self.kept.extend(kept);
        Ok(kept)
    }
}
