//! Damage is looked for before somebody needs the bytes: stone by stone, once in the life of a `serve`, when nobody wants
//! anything else of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cairn_crdt::id::RepoId;
use cairn_protocol::FeedName;

use crate::owner::Owner;
use crate::store::StoneRecord;

/// How long one look may take, but for the stone it began with: whoever comes meanwhile waits for it.
const LOOK: Duration = Duration::from_millis(20);

/// The stones that have not been read yet.
#[derive(Debug)]
pub(crate) struct Scrubber {
    waiting: VecDeque<(RepoId, FeedName, StoneRecord)>,
}

impl Scrubber {
    /// All that lies in the home now; what is written later was read back when it was written.
    pub(crate) fn new(owner: &Owner) -> Self {
        for (repo, error) in owner.broken() {
            tracing::warn!(%repo, %error, "a repo cannot be opened");
        }
        Self { waiting: owner.stones().into() }
    }

    /// Reads some of them. What is damaged is asked of peers.
    pub(crate) fn look(&mut self, owner: &mut Owner) {
        let begun = Instant::now();
        while let Some((repo, feed, stone)) = self.waiting.pop_front() {
            if let Err(error) = owner.scrub(repo, feed, &stone) {
                tracing::warn!(%repo, %error, "damage found");
            }
            if begun.elapsed() >= LOOK {
                break;
            }
        }
    }
}
