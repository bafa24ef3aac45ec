//! Regions in which a merge would open what nobody closes.
//!
//! Hunks that do not collide may still make no sense together: one side turns a `match` into an `if`, another
//! one rewrites the arms, and each loses a bracket to the other. No grammar is asked. In each region the base and
//! every side leave some brackets and quotes open; where one side changed that, so must the merge, and where none
//! did, the merge must not. Where it is otherwise, one side has the whole region, by the order that decides
//! between the sides of an overlap, among those that leave open what is due; the others are its alternatives.
//!
//! A region is as small as can be: hunks between which no whole line stays, and as many behind them as it takes
//! until it is known what is due. What somebody wrote who had seen both sides belongs to no side.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::brackets::Open;
use crate::leaf::contest::Contest;
use crate::leaf::sight::Sight;

/// How many neighbouring places a region takes in at most.
const GROWN_MAX: usize = 16;
/// How many writers a region has at most: what is asked of them grows with the cube of their number, and it may be anybody
/// who makes that number large. A side is a bit.
const WRITERS_MAX: usize = 16;
/// Every side.
const ALL: u64 = u64::MAX;

/// Regions that one side has to itself.
#[derive(Debug, Default)]
pub(super) struct Camps {
    /// By hunk, its region and the sides that it is of, a bit each.
    pub(super) of: BTreeMap<usize, (usize, u64)>,
    /// By region, the side that has it.
    winners: Vec<u64>,
}

impl Camps {
    /// The sides that may fill each region: its winner, or any where `first` goes before all others.
    pub(super) fn rooms(&self, first: Option<usize>) -> Vec<u64> {
        let mut rooms = self.winners.clone();
        if let Some((region, _)) = first.and_then(|first| self.of.get(&first)) {
            rooms[*region] = ALL;
        }
        rooms
    }
}

/// The regions that are out of balance if the hunks in `stands` take effect, and who has them.
pub(super) fn camps(contest: &Contest<'_, '_>, stands: &[bool], sight: &Sight) -> Camps {
    let scale = Scale::new(contest, stands, sight);
    let clusters = scale.clusters();
    let (mut camps, mut rest) = (Camps::default(), &clusters[..]);
    while !rest.is_empty() {
        let found = scale.find(rest);
        let (here, behind) = rest.split_at(found.as_ref().map_or(1, |(count, _)| *count));
        if let Some((_, region)) = found.filter(|(_, region)| scale.is_tilted(region)) {
            scale.settle(here, &region, &mut camps);
        }
        rest = behind;
    }
    camps
}

/// Hunks between whose tokens there is no whole line that stays.
#[derive(Debug)]
struct Cluster {
    /// The places of their tokens in the order of all tokens.
    places: Range<usize>,
    hunks: Vec<usize>,
}

/// Some clusters, and whoever wrote in them.
#[derive(Debug)]
struct Region {
    places: Range<usize>,
    /// What the merge has to leave open.
    due: Open,
    /// The sides that do so: the number among all sides, the text.
    able: Vec<(usize, Vec<u8>)>,
    /// The last writer of each side.
    sides: Vec<usize>,
}

struct Scale<'c, 'w, 'a> {
    contest: &'c Contest<'w, 'a>,
    stands: &'c [bool],
    sight: &'c Sight,
    /// By token, the hunks that take it out.
    takers: BTreeMap<usize, Vec<usize>>,
}

impl<'c, 'w, 'a> Scale<'c, 'w, 'a> {
    fn new(contest: &'c Contest<'w, 'a>, stands: &'c [bool], sight: &'c Sight) -> Self {
        let mut takers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for hunk in 0..contest.weave.len() {
            contest.weave.takes(hunk).for_each(|token| takers.entry(token).or_default().push(hunk));
        }
        Self { contest, stands, sight, takers }
    }

    fn clusters(&self) -> Vec<Cluster> {
        let weave = self.contest.weave;
        let mut spans: Vec<(Range<usize>, usize)> = Vec::new();
        for hunk in (0..weave.len()).filter(|hunk| !self.contest.void[*hunk]) {
            let places = || weave.takes(hunk).chain(weave.inserted(hunk)).map(|token| weave.places[token]);
            if let (Some(first), Some(last)) = (places().min(), places().max()) {
                spans.push((first..last + 1, hunk));
            }
        }
        spans.sort_unstable_by_key(|(span, hunk)| (span.start, span.end, *hunk));
        let mut clusters: Vec<Cluster> = Vec::new();
        for (span, hunk) in spans {
            match clusters.last_mut().filter(|last| !self.is_line_between(last.places.end, span.start)) {
                Some(last) => {
                    last.places.end = last.places.end.max(span.end);
                    last.hunks.push(hunk);
                }
                None => clusters.push(Cluster { places: span, hunks: vec![hunk] }),
            }
        }
        clusters
    }

    /// Whether a whole line lies between two places.
    fn is_line_between(&self, end: usize, start: usize) -> bool {
        let between = self.contest.weave.order.get(end..start).unwrap_or_default();
        let ends_line = |token: &&usize| self.contest.weave.text(**token).contains(&b'\n');
        between.iter().filter(ends_line).count() > 1
    }

    /// How many of the first clusters it takes until it is known what the merge has to leave open.
    fn find(&self, clusters: &[Cluster]) -> Option<(usize, Region)> {
        (1..=clusters.len().min(GROWN_MAX)).find_map(|count| Some((count, self.region(&clusters[..count])?)))
    }

    /// `None` if two sides changed what is open, each in another way, or if too many wrote there.
    fn region(&self, clusters: &[Cluster]) -> Option<Region> {
        let places = clusters.first()?.places.start..clusters.last()?.places.end;
        let hunks = clusters.iter().flat_map(|cluster| &cluster.hunks);
        let writers: BTreeSet<usize> =
            hunks.flat_map(|hunk| self.sight.writers(self.contest.weave.ids[*hunk])).copied().collect();
        if writers.len() > WRITERS_MAX {
            return None;
        }
        let sides = self.sight.sides(&writers);
        let texts: Vec<_> =
            sides.iter().map(|side| self.live(&places, |hunk| self.is_of(hunk, *side))).collect();
        let open: Vec<Open> = texts.iter().map(|text| Open::of(text)).collect();
        let base = Open::of(&self.live(&places, |_| false));
        let changed: Vec<&Open> = open.iter().filter(|open| **open != base).collect();
        let due = changed.first().copied().unwrap_or(&base).clone();
        if changed.iter().any(|open| **open != due) {
            return None;
        }
        let able = texts.iter().enumerate().filter(|(bit, _)| open.get(*bit) == Some(&due));
        let able = able.map(|(bit, text)| (bit, text.concat())).collect();
        Some(Region { places, due, able, sides })
    }

    /// Whether the merge leaves open what is not due.
    fn is_tilted(&self, region: &Region) -> bool {
        region.sides.len() > 1 && Open::of(&self.live(&region.places, |hunk| self.stands[hunk])) != region.due
    }

    /// Whether a hunk is in what the last writer of a side had written or seen.
    fn is_of(&self, hunk: usize, side: usize) -> bool {
        let writers = self.sight.writers(self.contest.weave.ids[hunk]);
        !self.contest.void[hunk] && writers.iter().any(|by| self.sight.has_seen(side, *by))
    }

    /// The tokens in some places that live if just these hunks take effect.
    fn live(&self, places: &Range<usize>, counts: impl Fn(usize) -> bool) -> Vec<&'a [u8]> {
        let weave = self.contest.weave;
        let is_live = |token: &usize| {
            let taken = self.takers.get(token).is_some_and(|takers| takers.iter().any(|hunk| counts(*hunk)));
            weave.owner(*token).is_none_or(&counts) && !taken
        };
        let tokens = weave.order[places.clone()].iter().copied();
        tokens.filter(is_live).map(|token| weave.text(token)).collect()
    }

    /// Gives a region to the side of the shortest text, then of the lowest bytes.
    fn settle(&self, clusters: &[Cluster], region: &Region, camps: &mut Camps) {
        let Some((winner, _)) = region.able.iter().min_by_key(|(_, text)| (text.len(), text)) else { return };
        let number = camps.winners.len();
        camps.winners.push(1 << winner);
        for hunk in clusters.iter().flat_map(|cluster| &cluster.hunks) {
            camps.of.insert(*hunk, (number, self.mask(*hunk, region)));
        }
    }

    /// The sides that a hunk is of, or that say the same; all for what no side wrote.
    fn mask(&self, hunk: usize, region: &Region) -> u64 {
        let weave = self.contest.weave;
        let says = |other: usize| (&weave.hunks[other].deleted, &weave.hunks[other].inserted);
        let twins = self.contest.rivals[hunk].iter().copied();
        let twins = twins.filter(|twin| self.contest.twin[*twin] && says(*twin) == says(hunk));
        let alike: Vec<usize> = twins.chain([hunk]).collect();
        let is_of = |side: usize| alike.iter().any(|hunk| self.is_of(*hunk, side));
        let sides = region.sides.iter().enumerate().filter(|(_, side)| is_of(**side));
        match sides.map(|(bit, _)| 1u64 << bit).fold(0, |all, bit| all | bit) {
            0 => ALL,
            sides => sides,
        }
    }
}
