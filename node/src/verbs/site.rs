//! A worktree together with the project that it shows: where verbs that read or write files
//! do their work.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_crdt::id::{FeedId, WaypointId};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{Draft, Frontier, View};
use cairn_protocol::entry::Profile;
use cairn_protocol::{DeviceKey, FeedName, Keypair, Labels};

use super::version::path_of;
use super::{Here, Network, Place};
use crate::error::NodeError;
use crate::identity;
use crate::owner::{Owner, Write, Written};
use crate::worktree::footing::Summary;
use crate::worktree::scan::{Change, Disk, Survey};
use crate::worktree::{Footing, Link, Stand, Step, Steps, Worktree};
use crate::worktrees;

mod carry;
mod epoch;
pub(in crate::verbs) mod load;
mod local;
mod moving;
mod portions;

pub use carry::{Brought, Files, Imports};
pub use epoch::{Gathered, Met};
pub use moving::{Moved, Target};
use portions::portions;

/// A worktree together with the project that it shows.
#[derive(Debug)]
pub struct Site {
    /// The files.
    pub worktree: Worktree,
    /// The project.
    pub place: Place,
    key: Option<Keypair>,
    dir: PathBuf,
    /// The waypoints that keep what stood in the way of a checkout, in order.
    kept: Vec<WaypointId>,
    /// What the last look at the files said of the version that they show.
    summary: Option<Summary>,
}

/// What a post says beside the changes.
#[derive(Debug, Clone, Default)]
pub struct Posting<'a> {
    /// Only these files and folders; all when empty.
    pub paths: &'a [RepoPath],
    /// The branch; the worktree's own when left out.
    pub branch: Option<&'a str>,
    /// What it is about.
    pub message: Option<&'a str>,
    /// Whether it never leaves this home.
    pub local: bool,
}

/// What a post is to write.
#[derive(Debug)]
pub struct Ready {
    /// The waypoint, not yet signed.
    pub write: Write,
    /// How many files and links it changes.
    pub files: u64,
}

/// What a post wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// The waypoint.
    pub written: Written,
    /// How many files and links it changed.
    pub files: u64,
}

impl Site {
    /// The worktree around a folder. A checkout that was cut off is not ended by this.
    pub fn open(owner: &Owner, here: &Here) -> Result<Self, NodeError> {
        let worktree = Worktree::find(&here.dir)?;
        let link = &worktree.link;
        let place = Place::find(owner, link.repo, Some(&link.project))?;
        let key = here.key.as_deref().or(link.key.as_deref()).map(identity::load_or_make).transpose()?;
        let dir = here.dir.canonicalize().map_err(|error| NodeError::io("open", &here.dir, error))?;
        worktrees::remember(owner.home(), worktree.root())?;
        Ok(Self { worktree, place, key, dir, kept: Vec::new(), summary: None })
    }

    /// Makes a folder a worktree of a project; nothing is checked out yet.
    pub fn create(owner: &Owner, here: &Here, place: Place, branch: &str) -> Result<Self, NodeError> {
        let link = Link {
            home: owner.home().dir().canonicalize().unwrap_or_else(|_| owner.home().dir().to_owned()),
            repo: place.repo,
            project: place.name(owner)?,
            branch: branch.to_owned(),
            frontier: Frontier::empty(),
            underway: None,
            unsynced: None,
            absent: std::collections::BTreeSet::new(),
            lazy: false,
            asked: std::collections::BTreeSet::new(),
            key: here.key.clone(),
            steps: Steps::default(),
            local: None,
        };
        Worktree::create(&here.dir, link)?;
        Self::open(owner, here)
    }

    /// Where the verb was asked, for what asks again.
    pub fn here(&self) -> Here {
        Here { dir: self.dir.clone(), key: None }
    }

    /// The waypoints that keep what stood in the way of a checkout since the worktree was opened, in digits.
    pub fn kept_words(&self) -> Vec<String> {
        self.kept.iter().map(WaypointId::to_string).collect()
    }

    /// The version that the worktree stands on.
    pub fn frontier(&self) -> &Frontier {
        &self.worktree.link.frontier
    }

    /// The branch that the worktree follows.
    pub fn branch(&self) -> &str {
        &self.worktree.link.branch
    }

    /// What the version that it stands on shows.
    pub fn view(&self, owner: &mut Owner) -> Result<Arc<View>, NodeError> {
        self.place.view(owner, self.frontier())
    }

    /// The same path by path. It is kept in the worktree, so a view is seldom needed for it.
    pub fn footing(&self, owner: &mut Owner) -> Result<Footing, NodeError> {
        self.footing_from(owner, Footing::load(self.root(), self.frontier()))
    }

    /// The same without the paths.
    pub fn summary(&self, owner: &mut Owner) -> Result<Summary, NodeError> {
        match self.summary.as_ref().filter(|summary| summary.frontier == *self.frontier()) {
            Some(summary) => Ok(summary.clone()),
            None => Ok(self.footing(owner)?.summary),
        }
    }

    /// The same from what is kept, if that is of use.
    fn footing_from(&self, owner: &mut Owner, kept: Option<Footing>) -> Result<Footing, NodeError> {
        if let (Some(footing), true) = (kept, self.is_here(owner)?) {
            return Ok(footing);
        }
        let footing = Footing::of(&*self.view(owner)?);
        if let Err(error) = footing.save(self.root()) {
            tracing::warn!(%error, "what the version shows could not be kept");
        }
        Ok(footing)
    }

    /// Whether the home has the version that the worktree stands on: it may have been put back from an older copy.
    fn is_here(&self, owner: &mut Owner) -> Result<bool, NodeError> {
        let documents = self.place.documents(owner)?;
        Ok(self.frontier().heads().iter().all(|head| documents.contains(head)))
    }

    /// The path that a word means here; `None` is the whole project.
    pub fn path(&self, word: &str) -> Result<Option<RepoPath>, NodeError> {
        path_of(self.worktree.root(), &self.dir, word)
    }

    /// The worktree's folder.
    pub fn root(&self) -> &Path {
        self.worktree.root()
    }

    /// The key that signs here.
    pub fn key(&self, owner: &Owner) -> DeviceKey {
        self.key.as_ref().unwrap_or(owner.key()).key()
    }

    /// The key that signs here, if it is not the home's.
    pub(crate) fn own_key(&self) -> Option<Keypair> {
        self.key.clone()
    }

    /// The feed that posts from here go to.
    pub fn feed(&self, owner: &Owner) -> FeedId {
        let key = self.key(owner);
        FeedName { repo: self.place.repo, project: self.place.project, key }.id()
    }

    /// What differs on disk from what is shown, and what is shown, unless it was certain without that that nothing differs; a
    /// checkout that was cut off is none of it.
    pub fn changes(&mut self, owner: &mut Owner) -> Result<(Vec<Change>, Option<Footing>), NodeError> {
        let is_here = self.is_here(owner)?;
        let (changes, footing) = match self.worktree.survey(owner.lookouts().filter(|_| is_here)) {
            Survey::Same(summary) => {
                self.summary = Some(summary);
                return Ok((Vec::new(), None));
            }
            Survey::But { paths, footing } => (self.worktree.compare_at(paths, &footing)?, footing),
            Survey::Found { walked, footing } => {
                let footing = self.footing_from(owner, footing)?;
                let underway = self.cut_off(owner)?;
                (self.worktree.compare(walked, &footing, underway.as_deref())?, footing)
            }
        };
        self.summary = Some(footing.summary.clone());
        self.worktree.note_same(owner.lookouts(), &footing, &changes);
        Ok((changes, Some(footing)))
    }

    /// Notes that nothing but what was posted can differ between the version stood on and that of the last look.
    pub(super) fn note_posted(&self, owner: &mut Owner, posted: Option<&Posted>, shown: &Summary) {
        let is_posted = |posted: &Posted| *self.frontier() == Frontier::from_iter([posted.written.waypoint]);
        if let (Some(before), Some(lookouts)) = (&self.summary, owner.lookouts())
            && posted.is_some_and(is_posted)
        {
            lookouts.note_posted(self.root(), &before.frontier, shown);
        }
    }

    /// Signs and stores a waypoint.
    pub fn write(
        &self,
        owner: &mut Owner,
        parents: Frontier,
        draft: Draft,
        labels: Labels,
    ) -> Result<Written, NodeError> {
        let write = self.writing(owner, parents, draft, labels)?;
        owner.write(self.place.repo, write)
    }

    /// A waypoint that the worktree's key is to sign.
    fn writing(
        &self,
        owner: &Owner,
        parents: Frontier,
        draft: Draft,
        labels: Labels,
    ) -> Result<Write, NodeError> {
        let labels = self.sharable(owner, labels)?;
        let profile = labels.profile.clone().or(self.profile(owner, labels.local)?);
        let key = if labels.local { Some(self.local_key(owner)) } else { self.key.clone() };
        let labels = Labels { profile, ..labels };
        Ok(Write { project: self.place.project, parents, draft, labels, key })
    }

    /// The author's name, if the project does not know it yet; a local waypoint gives it by itself.
    fn profile(&self, owner: &Owner, local: bool) -> Result<Option<Profile>, NodeError> {
        let Some(name) = owner.config().name.clone() else { return Ok(None) };
        let profile = Profile { name, mail: owner.config().mail.clone().unwrap_or_default() };
        let key = self.key(owner);
        let known = owner.replica(self.place.repo)?.profile(self.place.project, key);
        Ok(if !local && known.as_ref() == Some(&profile) { None } else { Some(profile) })
    }

    /// Writes what changed on disk as one waypoint, and stands on it then.
    pub fn post(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        posting: &Posting<'_>,
    ) -> Result<Option<Posted>, NodeError> {
        let posted = match self.ready(owner, network, posting)? {
            Some(Ready { write, files }) => {
                Some(Posted { written: owner.write(self.place.repo, write)?, files })
            }
            None => None,
        };
        if let Some(posted) = &posted {
            self.stand_on(posted.written.waypoint, posting);
            self.worktree.save_link()?;
        }
        self.worktree.save_index()?;
        Ok(posted)
    }

    /// What changed on disk as a waypoint that is to be written.
    pub fn ready(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        posting: &Posting<'_>,
    ) -> Result<Option<Ready>, NodeError> {
        let (mut changes, _) = self.changes(owner)?;
        if !posting.paths.is_empty() {
            changes.retain(|change| posting.paths.iter().any(|path| change.path.is_within(path)));
        }
        self.drafted(owner, network, &changes, posting)
    }

    /// Stands on what was posted from here, unless it is local. The link is still to be saved.
    pub fn stand_on(&mut self, waypoint: WaypointId, posting: &Posting<'_>) {
        if posting.local {
            self.worktree.link.local = Some(waypoint);
            return;
        }
        if posting.paths.is_empty() {
            self.worktree.link.local = None;
        }
        self.worktree.settle_left_out(posting.paths);
        let branch = posting.branch.unwrap_or(self.branch()).to_owned();
        let to = Stand { frontier: Frontier::from_iter([waypoint]), branch };
        self.note("post", to.clone(), Some(waypoint));
        (self.worktree.link.frontier, self.worktree.link.branch) = (to.frontier, to.branch);
    }

    /// Where the worktree stands.
    pub fn stand(&self) -> Stand {
        Stand { frontier: self.frontier().clone(), branch: self.branch().to_owned() }
    }

    /// Notes a step from where the worktree stands, so that it can be undone. It is written down with
    /// the link, which every step saves.
    pub fn note(&mut self, verb: &str, to: Stand, waypoint: Option<WaypointId>) {
        let from = self.stand();
        self.note_from(verb, from, to, waypoint);
    }

    /// Notes a step from what the files showed.
    pub fn note_from(&mut self, verb: &str, from: Stand, to: Stand, waypoint: Option<WaypointId>) {
        let step = Step { verb: verb.to_owned(), from, to, waypoint };
        self.worktree.link.steps.push(step);
    }

    /// Makes a waypoint that shows what the files show already the version stood on.
    pub fn settle_on(&mut self, waypoint: WaypointId) -> Result<(), NodeError> {
        self.worktree.link.frontier = Frontier::from_iter([waypoint]);
        self.worktree.save_link()
    }

    /// Writes these changes as a waypoint on the version stood on, which does not move.
    fn keep(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        changes: &[Change],
        posting: &Posting<'_>,
    ) -> Result<Option<Posted>, NodeError> {
        let Some(Ready { write, files }) = self.drafted(owner, network, changes, posting)? else {
            return Ok(None);
        };
        Ok(Some(Posted { written: owner.write(self.place.repo, write)?, files }))
    }

    /// These changes as a waypoint on the version stood on.
    fn drafted(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        changes: &[Change],
        posting: &Posting<'_>,
    ) -> Result<Option<Ready>, NodeError> {
        if changes.is_empty() {
            return Ok(None);
        }
        let files = self.count_files(owner, changes)?;
        let write = self.portioned(owner, network, changes, posting)?;
        Ok(write.map(|write| Ready { write, files }))
    }

    /// How many of these changes are of files and links.
    fn count_files(&self, owner: &mut Owner, changes: &[Change]) -> Result<u64, NodeError> {
        let is_gone = |change: &Change| change.disk.is_none();
        let view = changes.iter().any(is_gone).then(|| self.view(owner)).transpose()?;
        let was_file = |path: &RepoPath| view.as_ref().is_some_and(|view| view.files.contains_key(path));
        let is_file = |change: &&Change| match change.disk {
            None => was_file(&change.path),
            Some(Disk::Dir) => false,
            Some(_) => true,
        };
        Ok(changes.iter().filter(is_file).count() as u64)
    }

    /// Writes changes portion by portion, each durable before the bytes of the next are read; the last one, with which
    /// the labels come, is still to be written.
    fn portioned(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        changes: &[Change],
        posting: &Posting<'_>,
    ) -> Result<Option<Write>, NodeError> {
        let (mut base, mut is_begun, portions) = (self.frontier().clone(), false, portions(changes));
        let last = portions.len().saturating_sub(1);
        for (number, portion) in portions.into_iter().enumerate() {
            let mut imports = Imports { owner, network, repo: self.place.repo };
            let edits = self.worktree.edits(portion, &mut imports)?;
            let draft = self.place.draft(owner, &base, &edits)?;
            if draft.is_empty() && (number < last || !is_begun) {
                continue;
            }
            if number == last {
                return self.writing(owner, base, draft, self.labels(posting)).map(Some);
            }
            let labels = Labels { continued: true, local: posting.local, ..Labels::default() };
            base = Frontier::from_iter([self.write(owner, base, draft, labels)?.waypoint]);
            is_begun = true;
        }
        Ok(None)
    }

    fn labels(&self, posting: &Posting<'_>) -> Labels {
        Labels {
            branch: Some(posting.branch.unwrap_or(self.branch()).to_owned()),
            message: posting.message.map(str::to_owned),
            local: posting.local,
            ..Labels::default()
        }
    }
}
