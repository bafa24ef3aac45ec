//! From a new text to hunks: what the author of a change runs.
//!
//! A hunk that touches an overlap, or writes right beside it, also puts to rest what is hidden
//! there: the author saw one side and went on from it. Otherwise the hidden side could come
//! back later, glued to text that was never meant to stand beside it. What a hidden hunk had itself put to rest is
//! listed with it, because the word of a void hunk no longer counts.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::diff::{Change, changes};
use crate::hunk::{Hunk, RUNS_MAX, Run, SETTLES_MAX, TOKENS_MAX};
use crate::id::HunkId;
use crate::leaf::Leaf;
use crate::leaf::resolve::{Clash, Resolution};
use crate::leaf::weave::Weave;
use crate::members::members;
use crate::token::tokenize;

/// The hunks that turn the shown text into `new`, and the leaf with them where they had to be tried out.
pub(super) fn edit(leaf: &Leaf, new: &[u8]) -> (Vec<Hunk>, Option<Leaf>) {
    leaf.resolved(|weave, resolution| {
        let author = Author { leaf, weave, resolution: &resolution };
        let old: Vec<&[u8]> = resolution.live.iter().map(|token| weave.text(*token)).collect();
        let changes = changes(&old, new);
        if let Some(hunks) = author.by_members(&changes)
            && let Some(made) = author.tried(&hunks, new)
        {
            return (hunks, Some(made));
        }
        let hunks: Vec<Hunk> = changes.into_iter().flat_map(|change| author.hunks(change, &[])).collect();
        // In a leaf that nobody has edited there is no doubt.
        if hunks.is_empty() || leaf.held.is_empty() {
            return (hunks, None);
        }
        match author.tried(&hunks, new) {
            Some(made) => (hunks, Some(made)),
            None => (author.rewrite(new), None),
        }
    })
}

/// The hunks that settle one overlap in favour of one side.
pub(super) fn take(leaf: &Leaf, overlap: usize, alternative: usize) -> Option<Vec<Hunk>> {
    leaf.resolved(|weave, resolution| {
        let author = Author { leaf, weave, resolution: &resolution };
        let mut told = resolution.clashes.iter().filter(|clash| clash.overlap.is_some());
        let clash = told.nth(overlap)?;
        let side = clash.overlap.as_ref()?.alternatives.get(alternative)?;
        let hunks = if alternative == 0 {
            author.affirm(clash)
        } else {
            let change = Change { old: clash.region.clone(), new: tokenize(&side.bytes) };
            author.hunks(change, &[clash])
        };
        let shown = |range: Range<usize>| resolution.live[range].iter().flat_map(|token| weave.text(*token));
        let (before, after) = (0..clash.region.start, clash.region.end..resolution.live.len());
        let new: Vec<u8> = shown(before).chain(&side.bytes).chain(shown(after)).copied().collect();
        Some(if author.makes(&hunks, &new) { hunks } else { author.rewrite(&new) })
    })
}

struct Author<'a> {
    leaf: &'a Leaf,
    weave: &'a Weave<'a>,
    resolution: &'a Resolution,
}

impl Author<'_> {
    /// One change as a hunk, or as several if it is beyond what one hunk may say.
    fn hunks(&self, change: Change<'_>, settled: &[&Clash]) -> Vec<Hunk> {
        let settles = self.settles(&change.old, settled);
        let runs = self.runs(change.old.clone());
        let at = self.gap(change.old.start);
        let mut hunks = vec![Hunk { inserted: inserted(change.new), ..at.clone() }];
        for (index, part) in runs.chunks(RUNS_MAX).enumerate() {
            hunks.resize(hunks.len().max(index + 1), at.clone());
            hunks[index].deleted = part.to_vec();
        }
        for (index, part) in settles.chunks(SETTLES_MAX).enumerate() {
            hunks.resize(hunks.len().max(index + 1), at.clone());
            hunks[index].settles = part.to_vec();
        }
        hunks.into_iter().map(|hunk| self.renamed(hunk)).collect()
    }

    /// The changes, with each member that is put into a set as a hunk of its own; none if nothing is.
    fn by_members(&self, changes: &[Change<'_>]) -> Option<Vec<Hunk>> {
        let lines = |change: &Change<'_>| members(&change.new).filter(|_| change.old.is_empty());
        let lines: Vec<_> = changes.iter().map(lines).collect();
        lines.iter().any(Option::is_some).then(|| {
            let each = changes.iter().zip(lines).flat_map(|(change, lines)| match lines {
                Some(lines) => lines.into_iter().map(|line| change.part(line)).collect(),
                None => vec![change.clone()],
            });
            each.flat_map(|change| self.hunks(change, &[])).collect()
        })
    }

    /// Everything anew, with all that is hidden put to rest: the last resort where putting hidden
    /// hunks to rest would bring something else to light.
    fn rewrite(&self, new: &[u8]) -> Vec<Hunk> {
        let change = Change { old: 0..self.resolution.live.len(), new: tokenize(new) };
        let all: Vec<&Clash> = self.resolution.clashes.iter().collect();
        self.hunks(change, &all)
    }

    /// Puts the hidden sides of an overlap to rest and changes nothing.
    fn affirm(&self, clash: &Clash) -> Vec<Hunk> {
        let settles = self.closure(&[clash]);
        let written = |token: &usize| self.weave.owner(*token).is_some();
        let region = self.resolution.live[clash.region.clone()].iter();
        // Anchored in the winning text, so that whoever voids that also voids this.
        let place =
            region.clone().position(written).map_or(clash.region.start, |at| clash.region.start + at + 1);
        let at = self.gap(place);
        let parts = settles.chunks(SETTLES_MAX).map(|part| Hunk { settles: part.to_vec(), ..at.clone() });
        parts.map(|hunk| self.renamed(hunk)).collect()
    }

    /// A hunk that says nothing yet, at the gap before a live token.
    fn gap(&self, index: usize) -> Hunk {
        let after = index.checked_sub(1).map(|index| self.resolution.live[index]);
        let next = after.map_or(0, |token| self.weave.places[token] + 1);
        let before = self.weave.order.get(next).copied();
        Hunk {
            after: after.map(|token| self.weave.token(token)),
            before: before.map(|token| self.weave.token(token)),
            deleted: Vec::new(),
            inserted: Vec::new(),
            settles: Vec::new(),
            nonce: 0,
        }
    }

    fn runs(&self, range: Range<usize>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for token in &self.resolution.live[range] {
            let token = self.weave.token(*token);
            match runs.last_mut() {
                Some(run) if run.origin == token.origin && run.first + run.count == token.index => {
                    run.count += 1
                }
                _ => runs.push(Run { origin: token.origin, first: token.index, count: 1 }),
            }
        }
        runs
    }

    /// What a change of these live tokens puts to rest.
    fn settles(&self, range: &Range<usize>, settled: &[&Clash]) -> Vec<HunkId> {
        let place = |index: usize| self.resolution.live.get(index).map(|token| self.weave.places[*token]);
        let first = range.start.checked_sub(1).and_then(place).unwrap_or(0);
        let last = place(range.end).unwrap_or(usize::MAX);
        let touches = |clash: &&Clash| clash.first <= last && first <= clash.last;
        let touched: Vec<&Clash> =
            self.resolution.clashes.iter().filter(touches).chain(settled.iter().copied()).collect();
        self.closure(&touched)
    }

    fn closure(&self, clashes: &[&Clash]) -> Vec<HunkId> {
        let mut found: BTreeSet<HunkId> = BTreeSet::new();
        let mut open: Vec<HunkId> =
            clashes.iter().flat_map(|clash| &clash.hidden).map(|hunk| self.weave.ids[*hunk]).collect();
        while let Some(id) = open.pop() {
            // A hidden settler may have put to rest what is in effect here.
            if !self.resolution.stands[self.weave.hunk(id)] && found.insert(id) {
                open.extend(&self.weave.hunks[self.weave.hunk(id)].settles);
            }
        }
        found.into_iter().collect()
    }

    /// The same hunk under a name that the leaf does not hold yet.
    fn renamed(&self, mut hunk: Hunk) -> Hunk {
        while self.leaf.contains(hunk.id(self.leaf.id)) {
            hunk.nonce += 1;
        }
        hunk
    }

    /// Whether the hunks do make the new text. In a leaf that nobody has edited there is no doubt.
    fn makes(&self, hunks: &[Hunk], new: &[u8]) -> bool {
        self.leaf.held.is_empty() || self.tried(hunks, new).is_some()
    }

    /// The leaf with these hunks, if they make the new text.
    fn tried(&self, hunks: &[Hunk], new: &[u8]) -> Option<Leaf> {
        let mut trial = self.leaf.clone();
        trial.apply(hunks.iter().cloned()).ok()?;
        (trial.shown().bytes == new).then_some(trial)
    }
}

/// Tokens as a hunk can carry them: coarser, if there are too many.
fn inserted(tokens: Vec<&[u8]>) -> Vec<Vec<u8>> {
    if tokens.len() <= TOKENS_MAX {
        return tokens.into_iter().map(<[u8]>::to_vec).collect();
    }
    let bytes = tokens.concat();
    bytes.chunks(bytes.len().div_ceil(TOKENS_MAX)).map(<[u8]>::to_vec).collect()
}
