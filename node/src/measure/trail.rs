//! A history written through a home's owner, on a real disk, as verbs write it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cairn_crdt::{FileEdit, Frontier};
use cairn_protocol::Labels;
use cairn_protocol::piece::{count_in, start_of};

use super::{Files, Packer, repo_path, write};
use crate::error::NodeError;
use crate::home::Home;
use crate::owner::{Owner, Write};
use crate::store::Faded;
use crate::verbs::{DEFAULT_BRANCH, Here, Place, Site, fade, init, mark};

/// What one waypoint does: files by their paths, and `None` for those that go.
pub type Edits = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// One branch that grows in a home of its own.
pub struct Trail {
    owner: Owner,
    here: Here,
    place: Place,
    tip: Frontier,
}

/// How much of a feed is read at once, in bytes.
const PIECE_BYTES: u64 = 8 << 20;

impl Trail {
    /// Founds a public repo with one project, `@bench/trail`, in a new home; `tree` is its worktree, whose files are not written.
    pub fn begin(home: &Path, tree: &Path) -> Result<Self, NodeError> {
        let mut owner = Owner::open(Home::open(home)?)?;
        let here = Here { dir: tree.to_owned(), key: None };
        let project = Some("@bench/trail".to_owned());
        init::run(&mut owner, &init::Args { here: here.clone(), project, public: true })?;
        let place = Site::open(&owner, &here)?.place;
        Ok(Self { owner, here, place, tip: Frontier::empty() })
    }

    /// Goes on in a home where a worktree stands on the newest version.
    pub fn go_on(home: &Path, tree: &Path) -> Result<Self, NodeError> {
        let owner = Owner::open(Home::open(home)?)?;
        let here = Here { dir: tree.to_owned(), key: None };
        let site = Site::open(&owner, &here)?;
        let (place, tip) = (site.place, site.frontier().clone());
        Ok(Self { owner, here, place, tip })
    }

    /// How many waypoints this device has written, and how large those from `start` on are: all of them together, compressed.
    pub fn written(&self, start: u64) -> Result<(u64, u64), NodeError> {
        let feed = Site::open(&self.owner, &self.here)?.feed(&self.owner);
        let store = self.owner.store(self.place.repo)?;
        let count = store.feed_length(feed);
        let mut packer = Packer::new()?;
        let mut from = start;
        while from < count {
            let pieces = store.pieces(self.place.project, feed, from, count, PIECE_BYTES)?;
            from = start_of(&pieces, from) + count_in(&pieces);
            pieces.iter().try_for_each(|piece| packer.add(piece))?;
        }
        Ok((count, packer.finish()?))
    }

    /// The repo, as words name it.
    pub fn repo(&self) -> String {
        self.place.repo.to_string()
    }

    /// The folder of the store.
    pub fn dir(&self) -> Result<PathBuf, NodeError> {
        self.owner.repo_dir(self.place.repo).map(Path::to_owned)
    }

    /// From now on it is that late, in milliseconds since 1970.
    pub fn set_clock(&mut self, now_ms: u64) {
        self.owner.set_clock(now_ms);
    }

    /// Posts one waypoint, durably.
    pub fn post(&mut self, edits: &Edits) -> Result<(), NodeError> {
        let edit = |(path, bytes): (&Vec<u8>, &Option<Vec<u8>>)| match bytes {
            Some(bytes) => write(path, bytes),
            None => Ok(FileEdit::Remove { path: repo_path(path)? }),
        };
        let edits: Vec<FileEdit> = edits.iter().map(edit).collect::<Result<_, _>>()?;
        let draft = self.place.draft(&mut self.owner, &self.tip, &edits)?;
        let labels = Labels { branch: Some(DEFAULT_BRANCH.to_owned()), ..Labels::default() };
        let write =
            Write { project: self.place.project, parents: self.tip.clone(), draft, labels, key: None };
        self.tip = Frontier::from_iter([self.owner.write(self.place.repo, write)?.waypoint]);
        Ok(())
    }

    /// Marks what was posted last; an epoch begins.
    pub fn mark(&mut self, name: &str) -> Result<(), NodeError> {
        let mut site = Site::open(&self.owner, &self.here)?;
        let tip = self.tip.heads().first().ok_or(NodeError::Bug("a mark on nothing"))?;
        site.settle_on(*tip)?;
        let (name, message) = (name.to_owned(), format!("release {name}"));
        let args = mark::Args { here: self.here.clone(), name, message, ..mark::Args::default() };
        if let Some(why) = mark::run(&mut self.owner, &args)?.pinned {
            return Err(NodeError::Refused(why));
        }
        self.tip = Site::open(&self.owner, &self.here)?.frontier().clone();
        Ok(())
    }

    /// Forgets all that no mark needs.
    pub fn fade(&mut self) -> Result<Faded, NodeError> {
        let keep = Some("0s".to_owned());
        let args = fade::Args { here: self.here.clone(), keep, ..fade::Args::default() };
        let fade::Answer { waypoints, bytes_before, bytes_after, .. } = fade::run(&mut self.owner, &args)?;
        Ok(Faded { waypoints, bytes_before, bytes_after })
    }

    /// The files that are shown.
    pub fn files(&mut self) -> Result<Files, NodeError> {
        let view = self.place.view(&mut self.owner, &self.tip)?;
        let mut files = Files::new();
        for path in view.files.keys() {
            let bytes = self.place.bytes(&mut self.owner, &view, path)?;
            files.insert(path.as_bytes().to_vec(), bytes);
        }
        Ok(files)
    }

    /// Cuts what is left into stones and lets the home go.
    pub fn close(self) -> Result<(), NodeError> {
        self.owner.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(text: Option<&str>) -> Edits {
        Edits::from([(b"src/a.rs".to_vec(), text.map(|text| text.as_bytes().to_vec()))])
    }

    #[test]
    fn what_was_posted_is_shown_and_what_is_older_than_a_mark_fades() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let mut trail = Trail::begin(&dir.path().join("home"), &tree).unwrap();
        trail.set_clock(1_000_000);
        trail.post(&edits(Some("fn f() { 1 }\n"))).unwrap();
        trail.post(&edits(Some("fn f() { 2 }\n"))).unwrap();
        trail.mark("v1").unwrap();
        assert_eq!(trail.fade().unwrap().waypoints, 2);
        trail.post(&edits(Some("fn f() { 3 }\n"))).unwrap();
        let shown = trail.files().unwrap();
        assert_eq!(shown.into_values().collect::<Vec<_>>(), [b"fn f() { 3 }\n"]);
        trail.post(&edits(None)).unwrap();
        assert!(trail.files().unwrap().is_empty());
        trail.close().unwrap();
    }
}
