//! Retention: how long history stays in full, and how it thins out with age.
//!
//! After a window in which everything stays comes a time in which one version an hour does, then one a day, then
//! one a week: of each the newest of every branch. Hours lie in days and days in weeks, so what stays at one age has stayed
//! at every younger one, and thinning early never takes what thinning late would keep.
//!
//! A project's admins may set a [`Floor`]: how long every node that is honest keeps everything. What a node keeps
//! beyond that is its own business.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::WaypointId;

use crate::limits::FLOORS_COUNT_MAX;
use crate::stamp::Stamp;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const WEEK_MS: u64 = 7 * DAY_MS;

/// How long history stays, in milliseconds; each time begins where the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thinning {
    /// Everything stays.
    pub all_ms: u64,
    /// Of each hour the newest version of each branch stays.
    pub hourly_ms: u64,
    /// Of each day.
    pub daily_ms: u64,
    /// Of each week.
    pub weekly_ms: u64,
}

impl Default for Thinning {
    fn default() -> Self {
        Self {
            all_ms: 30 * DAY_MS,
            hourly_ms: 7 * DAY_MS,
            daily_ms: 90 * DAY_MS,
            weekly_ms: 2 * 365 * DAY_MS,
        }
    }
}

/// One version that a branch showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The branch.
    pub branch: &'a str,
    /// When it was written.
    pub stamp: Stamp,
    /// The waypoint.
    pub id: WaypointId,
}

impl Thinning {
    /// Everything stays for a while, and nothing after it.
    pub fn all(all_ms: u64) -> Self {
        Self { all_ms, hourly_ms: 0, daily_ms: 0, weekly_ms: 0 }
    }

    /// The same, but in full for at least `floor_ms`.
    pub fn at_least(self, floor_ms: u64) -> Self {
        Self { all_ms: self.all_ms.max(floor_ms), ..self }
    }

    /// Whether what was written at `wall_ms` lies in the window in which everything stays.
    pub fn is_young(&self, wall_ms: u64, now_ms: u64) -> bool {
        wall_ms > now_ms.saturating_sub(self.all_ms)
    }

    /// Those of `shown` that stay because of their age.
    pub fn picks(&self, shown: &[Shown<'_>], now_ms: u64) -> BTreeSet<WaypointId> {
        let mut newest: BTreeMap<(&str, u64, u64), (Stamp, WaypointId)> = BTreeMap::new();
        for one in shown {
            for span_ms in [HOUR_MS, DAY_MS, WEEK_MS] {
                let known = newest.entry(one.place(span_ms)).or_insert((one.stamp, one.id));
                *known = (one.stamp, one.id).max(*known);
            }
        }
        let stays = |one: &&Shown<'_>| match self.span_ms(one.stamp.wall_ms, now_ms) {
            Some(0) => true,
            Some(span_ms) => newest.get(&one.place(span_ms)) == Some(&(one.stamp, one.id)),
            None => false,
        };
        shown.iter().filter(stays).map(|one| one.id).collect()
    }

    /// Of which span only one version stays that was written at `wall_ms`: 0 if all do, `None` if none does.
    fn span_ms(&self, wall_ms: u64, now_ms: u64) -> Option<u64> {
        let steps = [(self.all_ms, 0), (self.hourly_ms, HOUR_MS), (self.daily_ms, DAY_MS)];
        let mut end_ms = 0u64;
        let mut spans = steps.into_iter().chain([(self.weekly_ms, WEEK_MS)]).map(|(for_ms, span_ms)| {
            end_ms = end_ms.saturating_add(for_ms);
            (end_ms, span_ms)
        });
        spans.find(|(end_ms, _)| wall_ms > now_ms.saturating_sub(*end_ms)).map(|(_, span_ms)| span_ms)
    }
}

impl<'a> Shown<'a> {
    /// The branch and the span of time in which it was shown.
    fn place(&self, span_ms: u64) -> (&'a str, u64, u64) {
        (self.branch, span_ms, self.stamp.wall_ms / span_ms)
    }
}

/// How long every node keeps everything at least. Only an admin's counts, and of several that do not know of each
/// other the longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// In milliseconds; 0 sets none.
    pub all_ms: u64,
    /// The waypoints whose floors it takes the place of; in order, each once.
    pub seen: Vec<WaypointId>,
}

impl Encoded for Floor {
    fn write(&self, out: &mut Writer) {
        out.u64(self.all_ms);
        out.list(&self.seen);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let all_ms = input.u64()?;
        let at = input.clone();
        let seen: Vec<WaypointId> = input.list(FLOORS_COUNT_MAX)?;
        at.require(seen.is_sorted_by(|a, b| a < b), "order of the floors that a floor has seen")?;
        Ok(Self { all_ms, seen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where weeks, days and hours begin together, long after 1970.
    const MONDAY_MS: u64 = 2_000 * WEEK_MS;

    fn shown(branch: &str, wall_ms: u64) -> Shown<'_> {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&wall_ms.to_be_bytes());
        id[8] = branch.as_bytes()[0];
        Shown { branch, stamp: Stamp { wall_ms, counter: 0 }, id: WaypointId(id) }
    }

    fn times(thinning: Thinning, all: &[Shown<'_>], now_ms: u64) -> Vec<(String, u64)> {
        let picks = thinning.picks(all, now_ms);
        let kept = all.iter().filter(|one| picks.contains(&one.id));
        kept.map(|one| (one.branch.to_owned(), one.stamp.wall_ms - MONDAY_MS)).collect()
    }

    #[test]
    fn of_each_hour_day_and_week_the_newest_of_each_branch_stays() {
        let at =
            |day: u64, hour: u64, minute: u64| MONDAY_MS + day * DAY_MS + hour * HOUR_MS + minute * 60_000;
        let all = [
            shown("a", at(0, 1, 0)),
            shown("a", at(3, 2, 0)),
            shown("b", at(3, 1, 0)),
            shown("a", at(8, 1, 0)),
            shown("a", at(8, 2, 0)),
            shown("a", at(9, 5, 0)),
            shown("a", at(9, 9, 10)),
            shown("a", at(9, 9, 20)),
            shown("a", at(9, 11, 30)),
            shown("a", at(9, 11, 40)),
        ];
        let thinning = Thinning {
            all_ms: HOUR_MS,
            hourly_ms: 6 * HOUR_MS,
            daily_ms: 2 * DAY_MS,
            weekly_ms: 2 * WEEK_MS,
        };
        let kept = times(thinning, &all, at(9, 12, 0));
        let want = [
            ("a", at(3, 2, 0)),
            ("b", at(3, 1, 0)),
            ("a", at(8, 2, 0)),
            ("a", at(9, 9, 20)),
            ("a", at(9, 11, 30)),
            ("a", at(9, 11, 40)),
        ];
        assert_eq!(kept, want.map(|(branch, wall_ms)| (branch.to_owned(), wall_ms - MONDAY_MS)));
        assert!(times(Thinning::all(0), &all, at(9, 12, 0)).is_empty());
        assert_eq!(times(Thinning::all(u64::MAX), &all, at(9, 12, 0)).len(), all.len());
        assert_eq!(times(Thinning { all_ms: 0, ..thinning }.at_least(DAY_MS), &all, at(9, 12, 0)).len(), 8);
    }

    #[test]
    fn a_floor_lengthens_the_window_and_never_shortens_it() {
        assert_eq!(Thinning::all(5).at_least(7), Thinning::all(7));
        assert_eq!(Thinning::all(9).at_least(7), Thinning::all(9));
        assert!(Thinning::all(u64::MAX).is_young(1, 9) && !Thinning::all(0).is_young(9, 9));
    }

    proptest! {
        /// Thinning now and again later keeps what thinning only later would have kept.
        #[test]
        fn thinning_early_takes_nothing_that_thinning_late_would_keep(
            minutes in proptest::collection::btree_set(0u64..40 * 24 * 60, 1..60),
            early in 0u64..60 * 24 * 60,
            later in 0u64..60 * 24 * 60,
            (all, hourly, daily, weekly) in (0u64..50, 0u64..100, 0u64..400, 0u64..1_000),
        ) {
            let branch = |minute: u64| if minute.is_multiple_of(3) { "a" } else { "b" };
            let shown: Vec<_> =
                minutes.iter().map(|minute| shown(branch(*minute), MONDAY_MS + minute * 60_000)).collect();
            let thinning = Thinning {
                all_ms: all * HOUR_MS,
                hourly_ms: hourly * HOUR_MS,
                daily_ms: daily * HOUR_MS,
                weekly_ms: weekly * HOUR_MS,
            };
            let (early_ms, late_ms) = (MONDAY_MS + early * 60_000, MONDAY_MS + (early + later) * 60_000);
            let first = thinning.picks(&shown, early_ms);
            let left: Vec<_> = shown.iter().filter(|one| first.contains(&one.id)).copied().collect();
            prop_assert_eq!(thinning.picks(&left, late_ms), thinning.picks(&shown, late_ms));
        }
    }
}
