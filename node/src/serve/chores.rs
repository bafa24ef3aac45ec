//! What a serving node does when nobody wants anything of it: read its stones for damage, and let old waypoints fade.

use std::time::{Duration, Instant};

use super::Event;
use super::keeper::Keeper;
use super::scrubber::Scrubber;
use crate::owner::Owner;

/// Whoever sent something will send more: a peer that takes in much is silent in between.
const QUIET: Duration = Duration::from_secs(2);
/// A node that is never left in peace does its chores all the same.
const PATIENCE: Duration = Duration::from_secs(300);

/// The chores, and when there is time for them.
#[derive(Debug)]
pub(crate) struct Chores {
    scrubber: Scrubber,
    keeper: Keeper,
    last_word: Instant,
    last_look: Instant,
}

impl Chores {
    pub(crate) fn new(owner: &Owner) -> Self {
        let now = Instant::now();
        Self { scrubber: Scrubber::new(owner), keeper: Keeper::new(), last_word: now, last_look: now }
    }

    /// Somebody wanted something: the chores wait.
    pub(crate) fn wait(&mut self) {
        self.last_word = Instant::now();
    }

    /// Does a little, if it is quiet.
    pub(crate) fn look(&mut self, owner: &mut Owner, events: &mut dyn FnMut(Event)) {
        if self.last_word.elapsed() < QUIET && self.last_look.elapsed() < PATIENCE {
            return;
        }
        self.last_look = Instant::now();
        self.scrubber.look(owner);
        self.keeper.look(owner, events);
    }
}
