//! Local waypoints in a worktree: checkpoints of what its files show, which never leave this home.
//!
//! The version stood on is always one that others may have, so that what is posted next stands on that and on nothing
//! that a peer would lack. A worktree may *show* a local waypoint: then it stands on what that one stands on, and what the local
//! one did is unposted. Whoever has made one since the last post does not want the rest shared in passing, either: what a verb saves
//! before it goes elsewhere becomes a local waypoint then, and only `post` and `put` share it.

use cairn_crdt::Frontier;
use cairn_crdt::id::WaypointId;
use cairn_crdt::path::RepoPath;
use cairn_protocol::entry::Edge;
use cairn_protocol::{Keypair, Labels};

use super::{Posting, Site};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Network;
use crate::worktree::{Footing, Stand};

/// What a verb kept before it went elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// What the files show: a local waypoint, where that keeps it, else the version stood on.
    pub stand: Stand,
    /// The waypoint that had to be written.
    pub waypoint: Option<WaypointId>,
}

impl Site {
    /// The key under which local waypoints are kept here.
    pub(crate) fn local_key(&self, owner: &Owner) -> Keypair {
        self.key.as_ref().unwrap_or(owner.key()).local()
    }

    /// What files are kept as before a verb goes elsewhere.
    pub fn keeping<'a>(&self) -> Posting<'a> {
        Posting { local: self.worktree.link.local.is_some(), ..Posting::default() }
    }

    /// Keeps what is unposted before a verb goes elsewhere: as a post, or as a local waypoint where one was made since the last.
    pub fn save(&mut self, owner: &mut Owner, network: &mut dyn Network) -> Result<Saved, NodeError> {
        if let Some(stand) = self.kept(owner)? {
            return Ok(Saved { stand, waypoint: None });
        }
        let posted = self.post(owner, network, &self.keeping())?;
        let waypoint = posted.map(|posted| posted.written.waypoint);
        let mut stand = self.stand();
        if let (Some(local), true) = (self.worktree.link.local, waypoint.is_some()) {
            stand.frontier = Frontier::from_iter([local]);
        }
        Ok(Saved { stand, waypoint })
    }

    /// Makes a version of what the files show, but for the paths that `leave` names: as a post, or as a local waypoint. The version is
    /// local where it shows what nobody else has.
    pub fn pin(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        posting: &Posting<'_>,
        leave: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<(Frontier, bool), NodeError> {
        if posting.local
            && let Some(stand) = self.kept(owner)?
        {
            return Ok((stand.frontier, true));
        }
        let (mut changes, _) = self.changes(owner)?;
        changes.retain(|change| !leave(&change.path));
        let posted = self.keep(owner, network, &changes, posting)?;
        if let Some(posted) = &posted {
            self.stand_on(posted.written.waypoint, posting);
            self.worktree.save_link()?;
        }
        self.worktree.save_index()?;
        Ok(match posted.filter(|_| posting.local) {
            Some(posted) => (Frontier::from_iter([posted.written.waypoint]), true),
            None => (self.frontier().clone(), false),
        })
    }

    /// What the files show, if the last local waypoint keeps all of it.
    fn kept(&mut self, owner: &mut Owner) -> Result<Option<Stand>, NodeError> {
        let Some(local) = self.worktree.link.local else { return Ok(None) };
        let frontier = Frontier::from_iter([local]);
        // What has faded is kept anew.
        let Ok(view) = self.place.view(owner, &frontier) else { return Ok(None) };
        let changes = self.worktree.changes(&Footing::of(&view), None)?;
        Ok(changes.is_empty().then(|| Stand { frontier, branch: self.branch().to_owned() }))
    }

    /// Stands on what others may have of a version that the files were made to show.
    pub(super) fn land(&mut self, owner: &Owner, shown: &Frontier) -> Result<(), NodeError> {
        let replica = owner.replica(self.place.repo)?;
        let mut locals = shown.heads().iter().filter(|head| replica.is_local(self.place.project, head));
        self.worktree.link.local = locals.next().copied();
        self.worktree.link.frontier = replica.shared(self.place.project, shown);
        Ok(())
    }

    /// Refuses a version that others cannot have, where something shared would stand on it.
    pub(crate) fn check_shared(&self, owner: &Owner, version: &Frontier) -> Result<(), NodeError> {
        let replica = owner.replica(self.place.repo)?;
        let mut heads = version.heads().iter();
        match heads.find(|head| replica.is_local(self.place.project, head)) {
            Some(local) => Err(NodeError::Usage(format!(
                "{} is local, and what is shared cannot stand on it: `cairn get ?{0}`, then `cairn post`",
                local.short()
            ))),
            None => Ok(()),
        }
    }

    /// What is shared names no local waypoint, though it may have come about by one.
    pub(super) fn sharable(&self, owner: &Owner, labels: Labels) -> Result<Labels, NodeError> {
        let replica = owner.replica(self.place.repo)?;
        let mut edges = labels.edges;
        edges.retain(|Edge { target, .. }| labels.local || !replica.is_local(self.place.project, target));
        Ok(Labels { edges, ..labels })
    }
}
