//! Which hunks were put to rest by name.
//!
//! A hunk that was made in sight of an overlap lists the hidden sides of it; they are void from
//! then on. Two authors who saw different winners may void each other's side. Then the settlers are
//! ranked like the sides of an overlap, and a settler counts only if it takes nothing away from under one
//! that counts already. So some side always remains. A settler that knows of another one goes first,
//! whatever the ranks: what came later in full sight has the last word.

use std::collections::BTreeSet;

use crate::leaf::rank::{Rank, rank};
use crate::leaf::weave::Weave;

/// For each hunk, whether it is void.
pub(super) fn void(weave: &Weave<'_>) -> Vec<bool> {
    let mut settling = Settling {
        weave,
        void: vec![false; weave.len()],
        needed: vec![false; weave.len()],
        knowers: vec![0; weave.len()],
        ready: BTreeSet::new(),
        free: Vec::new(),
    };
    if weave.hunks.iter().any(|hunk| !hunk.settles.is_empty()) {
        settling.run();
    }
    settling.void
}

struct Settling<'w, 'a> {
    weave: &'w Weave<'a>,
    void: Vec<bool>,
    /// What the settlers that count stand on.
    needed: Vec<bool>,
    /// How many of those who know a hunk still wait for their turn.
    knowers: Vec<usize>,
    ready: BTreeSet<(Rank, usize)>,
    free: Vec<usize>,
}

impl Settling<'_, '_> {
    fn run(&mut self) {
        for known in self.weave.knows.iter().flatten() {
            self.knowers[*known] += 1;
        }
        for hunk in 0..self.weave.len() {
            self.offer(hunk);
        }
        while let Some(hunk) = self.next() {
            self.judge(hunk);
            for known in &self.weave.knows[hunk] {
                self.knowers[*known] -= 1;
                self.offer(*known);
            }
        }
    }

    fn offer(&mut self, hunk: usize) {
        if self.knowers[hunk] > 0 {
        } else if self.weave.hunks[hunk].settles.is_empty() {
            self.free.push(hunk);
        } else {
            self.ready.insert((rank(self.weave, hunk, |_| true), hunk));
        }
    }

    /// First those that settle nothing, because others may wait for them; then the best settler.
    fn next(&mut self) -> Option<usize> {
        self.free.pop().or_else(|| self.ready.pop_first().map(|(_, hunk)| hunk))
    }

    fn judge(&mut self, hunk: usize) {
        let weave = self.weave;
        let settled: Vec<usize> = weave.hunks[hunk].settles.iter().map(|id| weave.hunk(*id)).collect();
        if settled.is_empty() || settled.iter().any(|settled| self.needed[*settled]) {
            return;
        }
        let support = weave.reach(hunk, &weave.stands, |below| !self.needed[below]);
        if support.iter().any(|below| self.void[*below] || settled.contains(below)) {
            return;
        }
        support.into_iter().for_each(|below| self.needed[below] = true);
        settled.into_iter().for_each(|settled| self.void[settled] = true);
    }
}
