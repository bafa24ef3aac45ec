//! Hybrid logical clocks: wall time that never runs backwards along a history.
//!
//! Stamps order waypoints for people and date them for grants. No view depends on them.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::error::Reject;
use crate::limits::STAMP_AHEAD_MS_MAX;

/// When something was written, as its author's clock and what it had seen say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// Milliseconds since 1970, UTC.
    pub wall_ms: u64,
    /// Tells apart what was written in one millisecond.
    pub counter: u32,
}

impl Stamp {
    /// The stamp of a record written at `now_ms` after this one.
    pub fn next(self, now_ms: u64) -> Self {
        if now_ms > self.wall_ms {
            return Self { wall_ms: now_ms, counter: 0 };
        }
        match self.counter.checked_add(1) {
            Some(counter) => Self { counter, ..self },
            None => Self { wall_ms: self.wall_ms.saturating_add(1), counter: 0 },
        }
    }

    /// Refuses a stamp that lies too far ahead of `now_ms`.
    pub fn check(self, now_ms: u64) -> Result<(), Reject> {
        let ahead = self.wall_ms.saturating_sub(now_ms);
        if ahead > STAMP_AHEAD_MS_MAX { Err(Reject::Stamp(ahead)) } else { Ok(()) }
    }
}

impl Encoded for Stamp {
    fn write(&self, out: &mut Writer) {
        out.u64(self.wall_ms);
        out.u32(self.counter);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { wall_ms: input.u64()?, counter: input.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_whatever_the_clock_does() {
        let mut last = Stamp { wall_ms: 100, counter: u32::MAX - 1 };
        for now_ms in [50, 100, 0, 100, 101, 101, 500, 2] {
            let next = last.next(now_ms);
            assert!(next > last, "{next:?}");
            last = next;
        }
        assert_eq!(last.wall_ms, 500);
        let end = Stamp { wall_ms: u64::MAX, counter: 0 };
        assert!(end.next(1) > end);
    }

    #[test]
    fn a_stamp_from_the_future_is_refused() {
        let at = |wall_ms| Stamp { wall_ms, counter: 0 };
        assert_eq!(at(STAMP_AHEAD_MS_MAX + 5).check(5), Ok(()));
        assert_eq!(at(STAMP_AHEAD_MS_MAX + 6).check(5), Err(Reject::Stamp(STAMP_AHEAD_MS_MAX + 1)));
        assert_eq!(at(0).check(u64::MAX), Ok(()));
    }
}
