//! What other peers hold: how much of each feed somebody else has made durable, as far as is known here.
//!
//! Whoever sends waypoints has them, whoever shows a top that is held here too has what lies below it, whoever asks for
//! a feed from a place has what comes before, and whoever took a push says how much is on its disk. What is only
//! announced is not counted. It never shrinks: that somebody else had it once is what counts.

use std::collections::BTreeMap;

use cairn_crdt::id::{FeedId, RepoId};

use super::Service;

impl Service {
    /// How much of each feed of a repo some other peer is known to hold; empty as long as nobody has asked for
    /// any of it or sent some.
    pub fn elsewhere(&self, repo: RepoId) -> BTreeMap<FeedId, u64> {
        self.elsewhere.get(&repo).cloned().unwrap_or_default()
    }

    /// Notes that somebody else holds the first `n` waypoints of a feed. A driver says so of what was known when it
    /// ended last.
    pub fn note_elsewhere(&mut self, repo: RepoId, feed: FeedId, n: u64) {
        let known = self.elsewhere.entry(repo).or_default().entry(feed).or_insert(0);
        *known = n.max(*known);
    }
}
