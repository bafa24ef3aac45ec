//! Rest: a node that nobody on this machine has asked for a while lets go of the versions that it keeps ready.
//!
//! The next question brings them back from the disk, which takes as long as it takes a verb without a node.

use std::time::{Duration, Instant};

use crate::owner::Owner;

/// How long nobody has asked before that.
const AFTER: Duration = Duration::from_secs(60);

/// When somebody asked last, and whether the node rests since.
#[derive(Debug)]
pub(crate) struct Rest {
    asked: Instant,
    rests: bool,
}

impl Rest {
    pub(crate) fn new() -> Self {
        Self { asked: Instant::now(), rests: false }
    }

    /// Somebody asks.
    pub(crate) fn wake(&mut self) {
        *self = Self::new();
    }

    /// Lets the owner rest, if it is time and it does not already.
    pub(crate) fn look(&mut self, owner: &mut Owner) {
        if !self.rests && self.asked.elapsed() >= AFTER {
            owner.rest();
            self.rests = true;
        }
    }
}
