//! Whether a version is the commit that it says it is.
//!
//! Which waypoint a commit became is the word of whoever imported it, and which waypoint a commit came from is the word
//! of whoever wrote the commit. So what others say is believed only where the version shows the commit's tree.

use cairn_crdt::id::{ContentHash, WaypointId};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileBody, FileEdit, Frontier, View};

use super::Oid;
use super::commit::Commit;
use super::edits::{Want, want};
use super::entry::Kind;
use super::grow::Grow;
use crate::error::NodeError;
use crate::worktree::edits::is_large;

impl Grow<'_> {
    /// Whether a commit is here already.
    pub(crate) fn knows(&mut self, id: Oid, commit: &Commit) -> Result<bool, NodeError> {
        if self.sure.contains(&id) {
            return Ok(true);
        }
        let imported = self.known.get(&id).cloned();
        let Some(version) = imported.or_else(|| self.said(commit)) else { return Ok(false) };
        if !self.is_own(&version) && !self.shows(id, commit, &version)? {
            self.known.remove(&id);
            return Ok(false);
        }
        self.known.insert(id, version);
        self.sure.insert(id);
        Ok(true)
    }

    /// The version from which a commit says it was exported, if all of it is here.
    fn said(&self, commit: &Commit) -> Option<Frontier> {
        let heads: Vec<WaypointId> =
            commit.waypoints.iter().map(|digits| WaypointId::from_hex(digits)).collect::<Option<_>>()?;
        let documents = self.place.documents(self.owner).ok()?;
        let here = !heads.is_empty() && heads.iter().all(|head| documents.contains(head));
        here.then(|| documents.frontier_of(heads))
    }

    /// Whether this key said so itself when it imported.
    fn is_own(&self, version: &Frontier) -> bool {
        let own = self.key.as_ref().unwrap_or(self.owner.key()).key();
        let Ok(replica) = self.owner.replica(self.place.repo) else { return false };
        let entries = version.heads().iter().map(|head| replica.entry(self.place.project, *head));
        let mut entries =
            entries.map(|entry| entry.is_some_and(|entry| entry.key == own && entry.imported.is_some()));
        entries.all(|own| own)
    }

    /// Whether a version shows a commit's tree. What has faded cannot be looked at, and is taken at its word: nothing can
    /// be built on it anyway.
    fn shows(&mut self, id: Oid, commit: &Commit, version: &Frontier) -> Result<bool, NodeError> {
        let view = match self.view(version) {
            Err(NodeError::Faded(_) | NodeError::Absent(_)) => return Ok(true),
            view => view?,
        };
        let mut files = 0;
        for change in self.trees.changes(id, None, commit.tree)? {
            let entry = change.new.filter(|entry| entry.mode.kind() != Kind::Tree);
            let Some(entry) = entry else { continue };
            let Ok(path) = RepoPath::new(&change.path) else { return Ok(false) };
            let wanted = want(self.source, id, &path, Some(entry))?;
            if !self.is_shown(&view, path, wanted)? {
                return Ok(false);
            }
            files += 1;
        }
        Ok(files == view.files.len())
    }

    fn is_shown(&mut self, view: &View, path: RepoPath, wanted: Want) -> Result<bool, NodeError> {
        let Some(file) = view.files.get(&path) else { return Ok(false) };
        Ok(match (wanted, &file.body) {
            (Want::Link(to), FileBody::Link { target }) => to == *target,
            (Want::File { bytes, executable }, FileBody::Bytes { content, .. }) => {
                executable == file.executable && ContentHash::of(&bytes) == *content
            }
            (Want::File { bytes, executable }, FileBody::Artifact { artifact, .. }) if is_large(&bytes) => {
                let same =
                    |edit: &FileEdit| matches!(edit, FileEdit::Artifact { artifact: a, .. } if a == artifact);
                executable == file.executable && same(&self.large(path, &bytes, executable)?)
            }
            _ => false,
        })
    }
}
