//! Who wrote the hunks of a leaf, and who had seen whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{HunkId, WaypointId};

/// How many writers are told apart; a leaf that more have written in is merged without asking.
const WRITERS_MAX: usize = 256;

/// The writers of a leaf by number, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    writers: BTreeMap<HunkId, Vec<usize>>,
    /// By writer, those it had seen, itself among them.
    seen: Vec<BTreeSet<usize>>,
}

impl Sight {
    /// Of hunks with their writers; `is_past(a, b)` tells whether `b` had seen `a`. `None` if they are too many.
    pub(crate) fn of<'a>(
        hunks: impl Iterator<Item = (HunkId, &'a [WaypointId])> + Clone,
        is_past: impl Fn(&WaypointId, &WaypointId) -> bool,
    ) -> Option<Self> {
        let all: BTreeSet<_> = hunks.clone().flat_map(|(_, by)| by).collect();
        if all.len() > WRITERS_MAX {
            return None;
        }
        let numbers: BTreeMap<_, _> = all.iter().enumerate().map(|(number, by)| (*by, number)).collect();
        let number = |by: &WaypointId| numbers.get(by).copied();
        let writers = hunks.map(|(hunk, by)| (hunk, by.iter().filter_map(number).collect()));
        let has_seen = |by: &WaypointId, other: &WaypointId| other == by || is_past(other, by);
        let past = |by: &&WaypointId| {
            let seen = all.iter().filter(|other| has_seen(by, other));
            seen.filter_map(|other| number(other)).collect()
        };
        Some(Self { writers: writers.collect(), seen: all.iter().map(past).collect() })
    }

    /// The writers of a hunk; none for one that nobody has posted yet.
    pub(super) fn writers(&self, hunk: HunkId) -> &[usize] {
        self.writers.get(&hunk).map_or(&[], Vec::as_slice)
    }

    /// Whether a writer had seen another one, or is the same.
    pub(super) fn has_seen(&self, by: usize, other: usize) -> bool {
        self.seen.get(by).is_some_and(|seen| seen.contains(&other))
    }

    /// The sides among some writers: the last ones of each line of work in which all had seen those before
    /// them. Who has seen two lines is on no side.
    pub(super) fn sides(&self, among: &BTreeSet<usize>) -> Vec<usize> {
        let past = |by: usize| among.iter().copied().filter(move |other| self.has_seen(by, *other));
        let in_line = |a: usize, b: usize| self.has_seen(a, b) || self.has_seen(b, a);
        let is_line = |by: &usize| past(*by).all(|a| past(*by).all(|b| in_line(a, b)));
        let lines: Vec<usize> = among.iter().copied().filter(is_line).collect();
        let is_last = |by: &usize| !lines.iter().any(|other| other != by && self.has_seen(*other, *by));
        lines.iter().copied().filter(is_last).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four writers: one and two beside each other, three on top of one, four on top of all.
    fn sight() -> Sight {
        let hunks: Vec<_> = (0..4u8).map(|n| (HunkId([n; 32]), [WaypointId([n; 32])])).collect();
        let past = [(0, 2), (0, 3), (1, 3), (2, 3)];
        let is_past = |a: &WaypointId, b: &WaypointId| past.contains(&(a.0[0], b.0[0]));
        Sight::of(hunks.iter().map(|(hunk, by)| (*hunk, &by[..])), is_past).unwrap()
    }

    #[test]
    fn a_side_is_the_last_of_a_line_and_who_merged_is_on_none() {
        let sight = sight();
        assert_eq!(sight.sides(&BTreeSet::from([0, 1])), [0, 1]);
        assert_eq!(sight.sides(&BTreeSet::from([0, 1, 2])), [1, 2]);
        assert_eq!(sight.sides(&BTreeSet::from([0, 1, 2, 3])), [1, 2]);
        assert_eq!(sight.sides(&BTreeSet::from([0, 2, 3])), [3]);
        assert_eq!(sight.writers(HunkId([9; 32])), &[] as &[usize]);
    }
}
