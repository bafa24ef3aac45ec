//! What other peers hold, over restarts: beside each store stands how much of each feed somebody else has.
//!
//! Derived, and only ever too little: what was learned since it was last written is learned again, and until then more
//! is kept than has to be. So a file that cannot be read is begun anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cairn_crdt::id::{FeedId, RepoId};

use super::Owner;
use crate::error::NodeError;
use crate::files::{self, Files};

/// The file in the folder of a repo.
const NAME: &str = "elsewhere.json";
/// The most bytes of it.
const BYTES_MAX: u64 = 64 << 20;

/// How much of each feed some other peer holds.
type Held = BTreeMap<FeedId, u64>;

impl Owner {
    /// How much of each feed of a repo some other peer is known to hold; `None` as long as nobody else has ever asked
    /// for any of it or sent some.
    pub fn elsewhere(&self, repo: RepoId) -> Option<Held> {
        Some(self.service.elsewhere(repo)).filter(|held| !held.is_empty())
    }

    /// Tells the service what was known when the home was closed.
    pub(super) fn recall(&mut self, repo: RepoId) {
        if self.recalled.contains_key(&repo) {
            return;
        }
        let path = path(&self.home.repo_dir(repo));
        let held = read(&**self.home.files(), &path).unwrap_or_else(|error| {
            tracing::warn!(%repo, %error, "what other peers hold is not readable; learning it anew");
            Held::new()
        });
        held.iter().for_each(|(feed, n)| self.service.note_elsewhere(repo, *feed, *n));
        self.recalled.insert(repo, held);
    }

    /// Writes down what is known now, if it is more than what was written.
    pub(super) fn remember(&mut self, repo: RepoId) -> Result<(), NodeError> {
        let held = self.service.elsewhere(repo);
        if self.recalled.get(&repo) == Some(&held) || !self.stores.contains_key(&repo) {
            return Ok(());
        }
        let path = path(&self.home.repo_dir(repo));
        let words: BTreeMap<String, u64> = held.iter().map(|(feed, n)| (feed.to_string(), *n)).collect();
        let bytes = serde_json::to_vec(&words).map_err(|_| NodeError::Bug("numbers without a form"))?;
        files::replace(&**self.home.files(), &path.with_extension("json.new"), &path, &bytes)
            .map_err(|error| NodeError::io("write", &path, error))?;
        self.recalled.insert(repo, held);
        Ok(())
    }
}

fn path(repo_dir: &Path) -> PathBuf {
    repo_dir.join(NAME)
}

fn read(files: &dyn Files, path: &Path) -> Result<Held, NodeError> {
    let io = |error| NodeError::io("read", path, error);
    if files.len(path).map_err(io)?.is_none() {
        return Ok(Held::new());
    }
    let bytes = files::read(files, path, BYTES_MAX).map_err(io)?;
    let bad = |why: String| NodeError::Format { path: path.to_owned(), why };
    let words: BTreeMap<String, u64> =
        serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    let feed = |(feed, n): (String, u64)| Some((FeedId::from_hex(&feed)?, n));
    words.into_iter().map(feed).collect::<Option<Held>>().ok_or_else(|| bad("not a feed".to_owned()))
}
