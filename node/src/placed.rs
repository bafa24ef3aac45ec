//! Where a home lies: whether it is still the one that this device wrote in, or a copy of it.
//!
//! A copy may lack what its key has signed since, and to sign those places again would fork its feeds.
//! So the home remembers which file its key is. In another place (restored, cloned, moved between
//! disks) it is another file, and each repo waits until a peer has been asked, or until the device
//! has a new key.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use cairn_crdt::id::RepoId;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::files::{self, DiskFiles};
use crate::home::Home;

/// The most bytes of the file.
const BYTES_MAX: u64 = 1 << 20;

/// What is remembered of the place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Words {
    /// The key's file, as the file system names it.
    key: String,
    /// The repos that wait for a peer.
    waiting: BTreeSet<String>,
}

/// Where a home lies.
#[derive(Debug)]
pub(crate) struct Placed {
    path: PathBuf,
    words: Words,
}

impl Placed {
    /// Looks where a home lies, the key of which is there. The first time, wherever it is is right.
    pub(crate) fn look(home: &Home) -> Result<Self, NodeError> {
        let path = home.dir().join("place.json");
        let key = name(home)?;
        let words = match files::read(&DiskFiles, &path, BYTES_MAX) {
            Ok(bytes) => Some(serde_json::from_slice::<Words>(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(NodeError::io("read", &path, error)),
        };
        let waiting = match &words {
            Some(words) if words.key == key => return Ok(Self { path, words: words_again(words) }),
            Some(_) => home.repos()?.iter().map(RepoId::to_string).collect(),
            None => BTreeSet::new(),
        };
        let placed = Self { path, words: Words { key, waiting } };
        placed.save()?;
        Ok(placed)
    }

    /// Whether nothing may be written in a repo before a peer was asked.
    pub(crate) fn waits(&self, repo: RepoId) -> bool {
        self.words.waiting.contains(&repo.to_string())
    }

    /// A peer was asked, and what it had of the repo is here.
    pub(crate) fn synced(&mut self, repo: RepoId) -> Result<(), NodeError> {
        if self.words.waiting.remove(&repo.to_string()) { self.save() } else { Ok(()) }
    }

    /// The device has a new key, with which nothing was signed yet.
    pub(crate) fn renewed(&mut self, home: &Home) -> Result<(), NodeError> {
        self.words = Words { key: name(home)?, waiting: BTreeSet::new() };
        self.save()
    }

    fn save(&self) -> Result<(), NodeError> {
        let io = |error| NodeError::io("write", &self.path, error);
        let bytes = serde_json::to_vec(&self.words).map_err(|error| io(error.into()))?;
        files::replace(&DiskFiles, &self.path.with_extension("new"), &self.path, &bytes).map_err(io)
    }
}

fn words_again(words: &Words) -> Words {
    Words { key: words.key.clone(), waiting: words.waiting.clone() }
}

/// The key's file: disk, number and, where the system knows it, when it was made, since numbers are
/// used again.
fn name(home: &Home) -> Result<String, NodeError> {
    let path = home.key_path();
    let known = fs::metadata(&path).map_err(|error| NodeError::io("read", &path, error))?;
    let made = known.created().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let made = made.map_or(0, |since| since.as_nanos());
    Ok(format!("{} {} {made}", known.dev(), known.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity;

    #[test]
    fn a5_a_home_whose_key_is_another_file_waits_for_a_peer_in_every_repo() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        identity::device(&home).unwrap();
        let (one, other) = (RepoId([1; 32]), RepoId([2; 32]));
        for repo in [one, other] {
            home.files().create_dir(&home.repo_dir(repo)).unwrap();
        }
        assert!(!Placed::look(&home).unwrap().waits(one));
        assert!(!Placed::look(&home).unwrap().waits(one), "the same file as before");
        fs::copy(home.key_path(), dir.path().join("copy")).unwrap();
        fs::rename(dir.path().join("copy"), home.key_path()).unwrap();
        let mut placed = Placed::look(&home).unwrap();
        assert!(placed.waits(one) && placed.waits(other));
        placed.synced(one).unwrap();
        let mut placed = Placed::look(&home).unwrap();
        assert!(!placed.waits(one) && placed.waits(other), "over restarts");
        placed.renewed(&home).unwrap();
        assert!(!Placed::look(&home).unwrap().waits(other));
    }
}
