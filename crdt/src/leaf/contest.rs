//! Which hunks take effect where several cannot stand together.
//!
//! Two hunks collide when both take out a token and at least one puts something in its place, when
//! one puts text strictly inside what the other takes out, or when their runs at one gap would glue
//! two lines into one. An author cannot take out a token that the author's view did not show, nor leave text
//! standing inside of what goes: so a hunk never collides with one that its author had
//! seen take effect, and whatever collides was made concurrently.
//!
//! Of colliding hunks the best-ranked takes effect, with all that it stands on; then the next that
//! still can, and so on. Whatever stands on a hunk without effect has none either.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::leaf::balance::Camps;
use crate::leaf::rank::{Rank, rank};
use crate::leaf::settle;
use crate::leaf::weave::Weave;
use crate::members::is_part;

const FREE: usize = usize::MAX;
/// Taken out by hunks that put nothing in: those do not exclude each other.
const SHARED: usize = usize::MAX - 1;

/// All that bears on who takes effect.
#[derive(Debug)]
pub(super) struct Contest<'w, 'a> {
    pub(super) weave: &'w Weave<'a>,
    /// Put to rest by name.
    pub(super) void: Vec<bool>,
    /// Neither void nor standing on anything void.
    able: Vec<bool>,
    /// Says the same as a hunk that stays, and nothing stands on it.
    pub(super) twin: Vec<bool>,
    /// Its lines begin or end a longer run at the same gap, which goes before it.
    pub(super) part_of: Vec<Option<usize>>,
    /// Not void, or needed by one that is not.
    pub(super) relevant: Vec<bool>,
    /// Tokens over which hunks collide, then gaps over which they do.
    contested: Vec<bool>,
    /// The gaps that each hunk collides over.
    pub(super) gaps: Vec<Vec<usize>>,
    /// Pairs of which one puts text inside what the other takes out.
    pub(super) rivals: Vec<Vec<usize>>,
    /// The colliding hunks, best first.
    pub(super) ranked: Vec<usize>,
    /// Regions that one side has to itself.
    pub(super) camps: Camps,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Stands,
    Falls,
}

struct Round {
    allowed: Vec<bool>,
    fates: Vec<Fate>,
    holders: Vec<usize>,
    /// The sides that may still fill each region.
    rooms: Vec<u64>,
}

impl<'w, 'a> Contest<'w, 'a> {
    pub(super) fn new(weave: &'w Weave<'a>) -> Self {
        let void = settle::void(weave);
        let hunks = weave.len();
        let mut able: Vec<bool> = Vec::with_capacity(hunks);
        for (hunk, void) in void.iter().enumerate() {
            able.push(!void && weave.stands[hunk].iter().all(|below| able[*below]));
        }
        let mut relevant: Vec<bool> = void.iter().map(|void| !void).collect();
        for hunk in (0..hunks).rev().filter(|hunk| !void[*hunk]) {
            for below in weave.reach(hunk, &weave.stands, |below| !relevant[below]) {
                relevant[below] = true;
            }
        }
        let (twin, part_of, gaps) = (vec![false; hunks], vec![None; hunks], vec![Vec::new(); hunks]);
        let (contested, rivals) = (vec![false; weave.order.len()], vec![Vec::new(); hunks]);
        let (ranked, camps) = (Vec::new(), Camps::default());
        let mut contest =
            Self { weave, void, able, twin, part_of, relevant, contested, gaps, rivals, ranked, camps };
        contest.find_collisions();
        contest
    }

    fn find_collisions(&mut self) {
        self.find_contested();
        self.find_rivals();
        for gap in 0..self.weave.gaps.len() {
            self.find_gluing(gap);
        }
        self.find_twins();
        let collides = |hunk: &usize| self.relevant[*hunk] && self.collides(*hunk);
        // A part is asked for only once it is known whether what holds it stands.
        let turn = |hunk: usize| self.part_of[hunk].map(|_| Reverse(self.weave.inserted(hunk).len()));
        let mut ranked: Vec<(Option<Reverse<usize>>, Rank, usize)> = (0..self.weave.len())
            .filter(collides)
            .map(|hunk| (turn(hunk), rank(self.weave, hunk, |above| self.able[above]), hunk))
            .collect();
        ranked.sort_unstable();
        self.ranked = ranked.into_iter().map(|(.., hunk)| hunk).collect();
    }

    fn collides(&self, hunk: usize) -> bool {
        !self.gaps[hunk].is_empty()
            || !self.rivals[hunk].is_empty()
            || self.contested_tokens(hunk).next().is_some()
    }

    /// The tokens over which a hunk collides.
    pub(super) fn contested_tokens(&self, hunk: usize) -> impl Iterator<Item = usize> + '_ {
        self.weave.takes(hunk).filter(|token| self.contested[*token])
    }

    fn only_takes(&self, hunk: usize) -> bool {
        self.weave.inserted(hunk).is_empty()
    }

    fn relevant_hunks(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.weave.len()).filter(|hunk| self.relevant[*hunk])
    }

    fn find_contested(&mut self) {
        let mut takers = vec![(0u32, false); self.contested.len()];
        for hunk in self.relevant_hunks() {
            for token in self.weave.takes(hunk) {
                takers[token].0 += 1;
                takers[token].1 |= !self.only_takes(hunk);
            }
        }
        self.contested = takers.into_iter().map(|(count, replaced)| count > 1 && replaced).collect();
    }

    /// Finds text that stands alone inside what another hunk takes out.
    fn find_rivals(&mut self) {
        let mut dead = vec![false; self.weave.order.len()];
        for hunk in (0..self.weave.len()).filter(|hunk| !self.void[*hunk]) {
            self.weave.takes(hunk).for_each(|token| dead[token] = true);
        }
        let mut pairs = BTreeSet::new();
        for taker in self.relevant_hunks() {
            self.inside(taker, &dead, &mut pairs);
        }
        for (taker, writer) in pairs {
            self.rivals[taker].push(writer);
            self.rivals[writer].push(taker);
        }
    }

    fn inside(&self, taker: usize, dead: &[bool], pairs: &mut BTreeSet<(usize, usize)>) {
        let weave = self.weave;
        let runs = &weave.deleted[taker];
        let (mut first, mut last, mut count) = (usize::MAX, 0, 0);
        for token in weave.takes(taker) {
            first = first.min(weave.places[token]);
            last = last.max(weave.places[token]);
            count += 1;
        }
        if count == 0 || last - first + 1 == count {
            return;
        }
        let mut within = false;
        for token in weave.order[first..=last].iter().copied() {
            if runs.iter().any(|run| run.contains(&token)) {
                within = true;
            } else if !dead[token] {
                let writer = weave.owner(token).filter(|writer| {
                    within && self.relevant[*writer] && *writer != taker && self.apart(*writer, taker)
                });
                within = writer.is_some();
                pairs.extend(writer.map(|writer| (taker, writer)));
            }
        }
    }

    /// Whether neither hunk knows of the other.
    fn apart(&self, a: usize, b: usize) -> bool {
        let (earlier, later) = (a.min(b), a.max(b));
        let known = self.weave.reach(later, &self.weave.knows, |below| below >= earlier);
        !known.contains(&earlier)
    }

    /// Finds runs at one gap that would make one line of two.
    fn find_gluing(&mut self, gap: usize) {
        let runs: Vec<usize> = self.weave.gaps[gap]
            .iter()
            .copied()
            .filter(|hunk| self.relevant[*hunk] && self.weave.hunks[*hunk].deleted.is_empty())
            .collect();
        let edges: Vec<Edges> = runs.iter().map(|run| Edges::of(self.weave, *run)).collect();
        for (index, run) in runs.iter().enumerate() {
            let before = edges[..index].iter().any(|other| other.glues(edges[index]));
            let after = edges[index + 1..].iter().any(|other| edges[index].glues(*other));
            if before || after {
                self.gaps[*run].push(gap);
            }
        }
    }

    /// Finds hunks that say what another one says, and on which nothing stands: one of each kind is enough.
    fn find_twins(&mut self) {
        let able = |hunk: &usize| self.able[*hunk];
        let mut kinds: std::collections::BTreeMap<_, Vec<usize>> = std::collections::BTreeMap::new();
        for hunk in (0..self.weave.len()).filter(able).filter(|hunk| !self.only_takes(*hunk)) {
            let said = self.weave.hunks[hunk];
            if !said.deleted.is_empty() {
                kinds.entry((&said.deleted, &said.inserted, usize::MAX)).or_default().push(hunk);
            }
        }
        for (gap, hunks) in self.weave.gaps.iter().enumerate() {
            for hunk in hunks.iter().copied().filter(able) {
                let said = self.weave.hunks[hunk];
                if said.deleted.is_empty() {
                    kinds.entry((&said.deleted, &said.inserted, gap)).or_default().push(hunk);
                }
            }
        }
        for hunks in kinds.into_values().filter(|hunks| hunks.len() > 1) {
            let carrying = |hunk: &usize| !self.weave.carries[*hunk].is_empty();
            let kept = hunks.iter().copied().find(carrying).unwrap_or(hunks[0]);
            for hunk in hunks.iter().copied().filter(|hunk| *hunk != kept && !carrying(hunk)) {
                self.make_twin(hunk, kept);
            }
        }
        for gap in 0..self.weave.gaps.len() {
            self.find_parts(gap);
        }
    }

    fn make_twin(&mut self, hunk: usize, kept: usize) {
        self.twin[hunk] = true;
        self.join_rivals(hunk, kept);
    }

    fn join_rivals(&mut self, a: usize, b: usize) {
        self.rivals[a].push(b);
        self.rivals[b].push(a);
    }

    /// Finds runs of lines, or of members of a list, with which a longer run at the same gap begins or ends: who
    /// added more added them too. Once somebody has worked on the longer run it says something else.
    fn find_parts(&mut self, gap: usize) {
        let weave = self.weave;
        let inserts = |hunk: &usize| self.able[*hunk] && weave.hunks[*hunk].deleted.is_empty();
        let mut runs: Vec<usize> = weave.gaps[gap].iter().copied().filter(inserts).collect();
        runs.sort_by_key(|run| Reverse(weave.inserted(*run).len()));
        for (index, part) in runs.iter().enumerate().skip(1) {
            let lines = &weave.hunks[*part].inserted;
            let holds = |run: &&usize| {
                !self.twin[**run]
                    && weave.carries[**run].is_empty()
                    && is_part(lines, &weave.hunks[**run].inserted)
            };
            let kept = runs[..index].iter().find(holds).copied();
            if let Some(kept) = kept.filter(|_| weave.carries[*part].is_empty()) {
                self.part_of[*part] = Some(kept);
                self.join_rivals(*part, kept);
            }
        }
    }

    /// Which hunks take effect; `first` and what it stands on go before all others, void or not.
    pub(super) fn decide(&self, first: Option<usize>) -> Vec<bool> {
        let weave = self.weave;
        let mut round = Round {
            allowed: self.allowed(first),
            fates: vec![Fate::Open; weave.len()],
            holders: vec![FREE; self.contested.len() + weave.gaps.len()],
            rooms: self.camps.rooms(first),
        };
        // What `first` stands on was in effect together when `first` was made: no need to ask.
        for hunk in first.into_iter().flat_map(|first| weave.reach(first, &weave.stands, |_| true)) {
            self.stand(hunk, &mut round);
        }
        for hunk in self.ranked.iter().copied() {
            self.judge(hunk, &mut round);
        }
        for hunk in 0..weave.len() {
            if round.fates[hunk] == Fate::Open {
                self.settle(hunk, &mut round);
            }
        }
        round.fates.into_iter().map(|fate| fate == Fate::Stands).collect()
    }

    /// Who may take effect at all: nothing void, unless `first` stands on it, and nothing on top of that.
    fn allowed(&self, first: Option<usize>) -> Vec<bool> {
        let weave = self.weave;
        let mut allowed: Vec<bool> =
            self.void.iter().zip(&self.twin).map(|(void, twin)| !void && !twin).collect();
        for hunk in first.into_iter().flat_map(|first| weave.reach(first, &weave.stands, |_| true)) {
            allowed[hunk] = true;
        }
        for hunk in 0..weave.len() {
            allowed[hunk] &= weave.stands[hunk].iter().all(|below| allowed[*below]);
        }
        allowed
    }

    /// Decides a colliding hunk together with what it stands on.
    fn judge(&self, hunk: usize, round: &mut Round) {
        if round.fates[hunk] != Fate::Open {
            return;
        }
        let support = self.weave.reach(hunk, &self.weave.stands, |below| round.fates[below] != Fate::Stands);
        for below in &support {
            if round.fates[*below] == Fate::Falls || !self.can_stand(*below, round) {
                round.fates[*below] = Fate::Falls;
                round.fates[hunk] = Fate::Falls;
                return;
            }
        }
        support.into_iter().for_each(|below| self.settle(below, round));
    }

    fn settle(&self, hunk: usize, round: &mut Round) {
        let carried = self.weave.stands[hunk].iter().all(|below| round.fates[*below] == Fate::Stands);
        if carried && self.can_stand(hunk, round) {
            self.stand(hunk, round);
        } else {
            round.fates[hunk] = Fate::Falls;
        }
    }

    fn stand(&self, hunk: usize, round: &mut Round) {
        round.fates[hunk] = Fate::Stands;
        let holder = if self.only_takes(hunk) { SHARED } else { hunk };
        for slot in self.slots(hunk) {
            round.holders[slot] = holder;
        }
        if let Some((region, sides)) = self.camps.of.get(&hunk) {
            round.rooms[*region] &= sides;
        }
    }

    fn can_stand(&self, hunk: usize, round: &Round) -> bool {
        let shares = self.only_takes(hunk);
        let fits = |holder: usize| holder == FREE || (holder == SHARED && shares);
        let room = self.camps.of.get(&hunk).is_none_or(|(region, sides)| round.rooms[*region] & sides != 0);
        round.allowed[hunk]
            && room
            && self.slots(hunk).all(|slot| fits(round.holders[slot]))
            && self.rivals[hunk].iter().all(|rival| round.fates[*rival] != Fate::Stands)
    }

    /// What only one hunk can have.
    fn slots(&self, hunk: usize) -> impl Iterator<Item = usize> + '_ {
        let gaps = self.gaps[hunk].iter().map(|gap| self.contested.len() + gap);
        self.contested_tokens(hunk).chain(gaps)
    }
}

fn opens_with_line_end(token: &[u8]) -> bool {
    token.starts_with(b"\n") || token.starts_with(b"\r\n")
}

/// How a run begins and ends, as far as lines are concerned.
#[derive(Clone, Copy)]
struct Edges {
    starts_line: bool,
    /// It begins with a comma: whatever ends before it was a member of the same list.
    goes_on: bool,
    ends_line: bool,
    has_line_end: bool,
    fills_line: bool,
}

impl Edges {
    fn of(weave: &Weave<'_>, run: usize) -> Self {
        let (hunk, tokens) = (weave.hunks[run], &weave.hunks[run].inserted);
        let text = |token| weave.text(weave.number(token));
        let at_start = hunk.after.is_none_or(|token| text(token).ends_with(b"\n"));
        let at_end = hunk.before.is_none_or(|token| opens_with_line_end(text(token)));
        Self {
            starts_line: tokens.first().is_some_and(|token| opens_with_line_end(token)),
            goes_on: tokens.first().is_some_and(|token| token == b","),
            ends_line: tokens.last().is_some_and(|token| token.ends_with(b"\n")),
            has_line_end: tokens.iter().flatten().any(|byte| *byte == b'\n'),
            fills_line: at_start && at_end,
        }
    }

    fn glues(self, next: Self) -> bool {
        let in_lines = self.has_line_end || next.has_line_end || self.fills_line || next.fills_line;
        !self.ends_line && !next.starts_line && !next.goes_on && in_lines
    }
}
