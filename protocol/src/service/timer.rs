//! All timers in one table.

use std::collections::BTreeSet;

use cairn_crdt::id::RepoId;

use crate::input::RequestId;
use crate::key::DeviceKey;

/// What is due at some time. A timer that has become pointless is ignored when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A request must have been answered.
    Answer(RequestId),
    /// Two peers compare their tops again.
    Compare(DeviceKey, RepoId),
    /// Waypoints from the future may have become present.
    Release(RepoId),
}

/// The timers by time.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(u64, Timer)>);

impl Timers {
    pub(super) fn set(&mut self, at_ms: u64, timer: Timer) {
        self.0.insert((at_ms, timer));
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.0.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes out one timer that is due.
    pub(super) fn due(&mut self, now_ms: u64) -> Option<Timer> {
        let due = self.next().is_some_and(|at_ms| at_ms <= now_ms);
        due.then(|| self.0.pop_first()).flatten().map(|(_, timer)| timer)
    }
}
