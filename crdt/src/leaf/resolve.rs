//! From a set of hunks to what is shown, and what is not.
//!
//! A token is live if it was there from the beginning or a hunk in effect put it in, and no
//! hunk in effect took it out. Hunks that are neither in effect nor put to rest are hidden sides of
//! overlaps: each overlap gathers the hunks that collided, directly or in a chain, and all that
//! stands on them, so that whoever settles it has seen all of it. What a hidden side would
//! look like is found by deciding once more with that side first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::leaf::balance::camps;
use crate::leaf::contest::Contest;
use crate::leaf::sight::Sight;
use crate::leaf::weave::Weave;
use crate::leaf::{Alternative, LeafOverlap, LeafOverlapKind, Mark};

/// What a set of hunks comes to.
#[derive(Debug)]
pub(super) struct Resolution {
    /// For each hunk, whether it takes effect.
    pub(super) stands: Vec<bool>,
    /// The live tokens in order.
    pub(super) live: Vec<usize>,
    /// All places where hunks are hidden.
    pub(super) clashes: Vec<Clash>,
}

/// Hunks that met, in numbers of the weave.
#[derive(Debug)]
pub(super) struct Clash {
    /// The places, in the order of all tokens, that they touch: first and last.
    pub(super) first: usize,
    pub(super) last: usize,
    /// Those that are hidden here.
    pub(super) hidden: Vec<usize>,
    /// The live tokens of the region, as a range of `Resolution::live`.
    pub(super) region: Range<usize>,
    /// What a reader is told; none if all sides say the same.
    pub(super) overlap: Option<LeafOverlap>,
}

pub(super) fn resolve(weave: &Weave<'_>, sight: Option<&Sight>) -> Resolution {
    let mut contest = Contest::new(weave);
    let mut stands = contest.decide(None);
    if let Some(sight) = sight {
        contest.camps = camps(&contest, &stands, sight);
        stands = contest.decide(None);
    }
    let live = live(weave, &stands, 0..weave.order.len());
    let mut clashes = Vec::new();
    for members in gather(&contest, &stands) {
        clashes.push(clash(&contest, &stands, &live, &members));
    }
    clashes.sort_by_key(|clash| (clash.first, clash.last, clash.hidden.first().copied()));
    Resolution { stands, live, clashes }
}

/// Where the hunks in effect are seen in the shown text, by hunk.
pub(super) fn marks(weave: &Weave<'_>, resolution: &Resolution) -> Vec<Mark> {
    let mut live = vec![false; weave.order.len()];
    resolution.live.iter().for_each(|token| live[*token] = true);
    // For each place in the order of all tokens, how many bytes are shown before it.
    let mut offsets = Vec::with_capacity(weave.order.len() + 1);
    let mut bytes = 0;
    offsets.push(0);
    for token in &weave.order {
        bytes += if live[*token] { weave.text(*token).len() } else { 0 };
        offsets.push(bytes);
    }
    let span = |run: Range<usize>| {
        let (first, last) = (weave.places[run.start], weave.places[run.end - 1]);
        (offsets[first.min(last)], offsets[first.max(last) + 1])
    };
    let mark = |hunk: usize| {
        let runs = weave.deleted[hunk].iter().cloned().chain([weave.inserted(hunk)]);
        let spans: Vec<_> = runs.filter(|run| !run.is_empty()).map(span).collect();
        let start = spans.iter().map(|span| span.0).min()?;
        let end = spans.iter().map(|span| span.1).max()?;
        Some(Mark { hunk: weave.ids[hunk], start, end })
    };
    (0..weave.len()).filter(|hunk| resolution.stands[*hunk]).filter_map(mark).collect()
}

/// The tokens at `places` that are live if the hunks in `stands` take effect.
fn live(weave: &Weave<'_>, stands: &[bool], places: Range<usize>) -> Vec<usize> {
    let mut live = vec![false; weave.order.len()];
    for token in &weave.order[places.clone()] {
        live[*token] = weave.owner(*token).is_none_or(|owner| stands[owner]);
    }
    for hunk in (0..weave.len()).filter(|hunk| stands[*hunk]) {
        for run in &weave.deleted[hunk] {
            live[run.clone()].fill(false);
        }
    }
    weave.order[places].iter().copied().filter(|token| live[*token]).collect()
}

/// The groups of hunks that met, if anything in them is hidden.
fn gather(contest: &Contest<'_, '_>, stands: &[bool]) -> Vec<Vec<usize>> {
    let weave = contest.weave;
    let mut groups = Groups { parents: (0..weave.len()).collect() };
    let (mut takers, mut gaps, mut regions) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut met = vec![false; weave.len()];
    for hunk in &contest.ranked {
        met[*hunk] = true;
        for token in contest.contested_tokens(*hunk) {
            groups.join(*hunk, *takers.entry(token).or_insert(*hunk));
        }
        for gap in &contest.gaps[*hunk] {
            groups.join(*hunk, *gaps.entry(*gap).or_insert(*hunk));
        }
        for rival in &contest.rivals[*hunk] {
            groups.join(*hunk, *rival);
        }
    }
    for (hunk, (region, _)) in &contest.camps.of {
        met[*hunk] = true;
        groups.join(*hunk, *regions.entry(*region).or_insert(*hunk));
    }
    for hunk in 0..weave.len() {
        let hidden = !stands[hunk] && !contest.void[hunk];
        for below in &weave.stands[hunk] {
            if contest.relevant[hunk] && (met[*below] || (hidden && !stands[*below])) {
                met[hunk] = true;
                met[*below] = true;
                groups.join(hunk, *below);
            }
        }
        met[hunk] |= hidden;
    }
    let mut gathered: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for hunk in (0..weave.len()).filter(|hunk| met[*hunk]) {
        gathered.entry(groups.root(hunk)).or_default().push(hunk);
    }
    let hides = |members: &Vec<usize>| members.iter().any(|hunk| !stands[*hunk] && !contest.void[*hunk]);
    gathered.into_values().filter(hides).collect()
}

struct Groups {
    parents: Vec<usize>,
}

impl Groups {
    fn root(&mut self, mut hunk: usize) -> usize {
        while self.parents[hunk] != hunk {
            self.parents[hunk] = self.parents[self.parents[hunk]];
            hunk = self.parents[hunk];
        }
        hunk
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }
}

fn clash(contest: &Contest<'_, '_>, stands: &[bool], shown: &[usize], members: &[usize]) -> Clash {
    let weave = contest.weave;
    let mut places = BTreeSet::new();
    for member in members {
        let edges = weave.deleted[*member].iter().cloned().chain([weave.inserted(*member)]);
        places.extend(edges.flatten().map(|token| weave.places[token]));
    }
    let first = places.first().copied().unwrap_or(0);
    let last = places.last().copied().unwrap_or(first);
    let start = shown.partition_point(|token| weave.places[*token] < first);
    let end = shown.partition_point(|token| weave.places[*token] <= last);
    let hidden: Vec<usize> =
        members.iter().copied().filter(|hunk| !stands[*hunk] && !contest.void[*hunk]).collect();
    let mut sides = Sides { contest, members, first, last, found: BTreeMap::new() };
    let overlap = sides.overlap(stands, &hidden, shown, start..end);
    Clash { first, last, hidden, region: start..end, overlap }
}

struct Sides<'c, 'w, 'a> {
    contest: &'c Contest<'w, 'a>,
    members: &'c [usize],
    first: usize,
    last: usize,
    /// The hunks behind each text of the region, by length and text.
    found: BTreeMap<(usize, Vec<u8>), BTreeSet<usize>>,
}

impl Sides<'_, '_, '_> {
    fn overlap(
        &mut self,
        stands: &[bool],
        hidden: &[usize],
        shown: &[usize],
        region: Range<usize>,
    ) -> Option<LeafOverlap> {
        let (text, writes) = self.text(stands);
        let winners: Vec<usize> = self.members.iter().copied().filter(|hunk| stands[*hunk]).collect();
        let edits = self.find(stands, hidden);
        let agreed = self.found.remove(&(text.len(), text.clone())).unwrap_or_default();
        if self.found.is_empty() {
            return None;
        }
        let weave = self.contest.weave;
        let start = shown[..region.start].iter().map(|token| weave.text(*token).len()).sum();
        let end = start + text.len();
        let kind = if !writes && edits { LeafOverlapKind::DeleteEdit } else { LeafOverlapKind::Replace };
        let shown = winners.into_iter().chain(agreed).collect();
        let mut alternatives = vec![self.alternative(shown, text)];
        for ((_, text), hunks) in std::mem::take(&mut self.found) {
            alternatives.push(self.alternative(hunks, text));
        }
        Some(LeafOverlap { start, end, kind, alternatives })
    }

    /// Finds the hidden sides; whether any of them writes something.
    fn find(&mut self, stands: &[bool], hidden: &[usize]) -> bool {
        let mut covered: BTreeSet<usize> = BTreeSet::new();
        let mut edits = false;
        let said = |hunk: &usize| {
            self.contest.twin[*hunk] || self.contest.part_of[*hunk].is_some_and(|kept| stands[kept])
        };
        for hunk in hidden.iter().copied().filter(|hunk| !said(hunk)) {
            if covered.contains(&hunk) {
                continue;
            }
            let side = self.contest.decide(Some(hunk));
            let (text, writes) = self.text(&side);
            edits |= writes;
            let hunks = self.members.iter().copied().filter(|member| side[*member] && !stands[*member]);
            let hunks: BTreeSet<usize> = hunks.collect();
            covered.extend(&hunks);
            self.found.entry((text.len(), text)).or_default().extend(hunks);
        }
        edits
    }

    /// The region as it would be, and whether any member writes something there.
    fn text(&self, stands: &[bool]) -> (Vec<u8>, bool) {
        let weave = self.contest.weave;
        if weave.order.is_empty() {
            return (Vec::new(), false);
        }
        let tokens = live(weave, stands, self.first..self.last + 1);
        let member =
            |token: &usize| weave.owner(*token).is_some_and(|hunk| self.members.binary_search(&hunk).is_ok());
        let writes = tokens.iter().any(member);
        (tokens.into_iter().flat_map(|token| weave.text(token)).copied().collect(), writes)
    }

    fn alternative(&self, hunks: BTreeSet<usize>, bytes: Vec<u8>) -> Alternative {
        let mut hunks: Vec<_> = hunks.into_iter().map(|hunk| self.contest.weave.ids[hunk]).collect();
        hunks.sort_unstable();
        Alternative { hunks, bytes }
    }
}
