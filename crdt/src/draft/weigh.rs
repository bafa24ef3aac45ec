//! Whether matched items say less than the plain lines would.
//!
//! Items are found by names and likeness, and such guesses go wrong: half of one function and
//! half of the next look like a third. The lines that two texts have in common are a guess,
//! too, but the one that people expect. So where items tear apart lines that stay, both are
//! weighed by what they would have to write anew, and the lighter one is taken: the items,
//! when something really moved or was renamed, else the lines laid over the old pieces.
//!
//! A text that was whole and now is broken is in the middle of being written. What a grammar
//! makes of it tells little: a bracket that is not yet closed swallows what follows. There
//! items are believed only if they save something in the text as a whole.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::draft::align::Alignment;
use crate::draft::sheet::{Sheet, Want};
use crate::matching::longest_rising;
use crate::op::{Cut, NodeKind};

/// How many bytes lines must save: brackets and the like stay by chance.
const SAVED_BYTES_MIN: usize = 4;

/// Where a wanted piece was: sheet and piece.
type Place = (usize, usize);

/// The old and the new pieces of one container.
struct Level {
    haves: Vec<usize>,
    wants: Vec<usize>,
    /// The container among the wanted pieces; none for the whole text.
    above: Option<usize>,
}

/// Neighbouring pieces that hang together, as ranges of a level's lists.
#[derive(Debug, Clone)]
struct Knot {
    haves: Range<usize>,
    wants: Range<usize>,
    /// Whether a line that stays is torn from its piece.
    torn: bool,
}

/// Lays lines over the old pieces wherever the items of a sheet cost more.
pub(super) fn weigh(sheets: &mut [Sheet], at: usize) {
    let Some(sheet) = sheets.get(at).filter(|sheet| !sheet.fresh && !sheet.haves.is_empty()) else { return };
    let (old, new) = (sheet.old.clone(), sheet.new.clone());
    let alignment = Alignment::known(&old, &new, sheet.pairs.clone());
    let top = sheet.haves.first().map(|have| have.children.clone()).unwrap_or_default();
    let mut open = vec![Level { haves: top, wants: sheet.top.clone(), above: None }];
    while let Some(level) = open.pop() {
        let scale = Scale::of(sheets, at, &alignment, &level);
        if level.above.is_none() && sheets[at].broke && scale.is_doubtful() {
            let (haves, wants) = (0..level.haves.len(), 0..level.wants.len());
            return spread(sheets, at, &level, &Knot { haves, wants, torn: true });
        }
        let mut heavy: Vec<_> = scale.knots().into_iter().filter(|knot| scale.is_heavy(knot)).collect();
        heavy.extend(scale.appended());
        let heavy = merged(heavy);
        for knot in heavy.into_iter().rev() {
            spread(sheets, at, &level, &knot);
        }
        open.extend(inner_levels(&sheets[at], at, level.above));
    }
}

/// The containers of a level that are still taken apart.
fn inner_levels(sheet: &Sheet, at: usize, above: Option<usize>) -> Vec<Level> {
    let wants = above.and_then(|above| sheet.wants.get(above)).map_or(&sheet.top, |want| &want.children);
    let inner = wants.iter().filter_map(|number| {
        let want = sheet.wants.get(*number).filter(|want| !want.children.is_empty())?;
        let [(from, have)] = want.from[..] else { return None };
        let have = sheet.haves.get(have).filter(|have| from == at && have.leaf.is_none())?;
        Some(Level { haves: have.children.clone(), wants: want.children.clone(), above: Some(*number) })
    });
    inner.collect()
}

struct Scale<'a> {
    sheets: &'a [Sheet],
    at: usize,
    alignment: &'a Alignment<'a>,
    level: &'a Level,
    /// For each new piece, the old ones of this level that become it where they are.
    partners: Vec<Vec<usize>>,
    /// The lines of the old pieces, and of the new ones.
    lines: (Vec<Range<usize>>, Vec<Range<usize>>),
}

impl<'a> Scale<'a> {
    fn of(sheets: &'a [Sheet], at: usize, alignment: &'a Alignment<'a>, level: &'a Level) -> Self {
        let mut scale =
            Scale { sheets, at, alignment, level, partners: Vec::new(), lines: Default::default() };
        scale.partners = scale.partners();
        let old = (0..level.haves.len()).map(|index| scale.lines_of_have(index));
        let new = (0..level.wants.len()).map(|index| scale.lines_of_want(index));
        scale.lines = (old.collect(), new.collect());
        scale
    }

    /// The lines of an old piece.
    fn old_lines(&self, index: usize) -> Range<usize> {
        self.lines.0.get(index).cloned().unwrap_or_default()
    }

    /// The lines of a new piece.
    fn new_lines(&self, index: usize) -> Range<usize> {
        self.lines.1.get(index).cloned().unwrap_or_default()
    }

    fn sheet(&self) -> &Sheet {
        &self.sheets[self.at]
    }

    fn want(&self, index: usize) -> Option<&Want> {
        self.sheet().wants.get(*self.level.wants.get(index)?)
    }

    fn lines_of_have(&self, index: usize) -> Range<usize> {
        let have = self.level.haves.get(index).and_then(|have| self.sheet().haves.get(*have));
        have.map_or(0..0, |have| self.alignment.old.within(have.start..have.end))
    }

    fn lines_of_want(&self, index: usize) -> Range<usize> {
        let cut = self.want(index).map(|want| want.cut.start as usize..want.cut.end as usize);
        cut.map_or(0..0, |bytes| self.alignment.new.within(bytes))
    }

    fn partners(&self) -> Vec<Vec<usize>> {
        let spot: BTreeMap<usize, usize> =
            self.level.haves.iter().enumerate().map(|(index, have)| (*have, index)).collect();
        let here = |(sheet, have): &Place| spot.get(have).copied().filter(|_| *sheet == self.at);
        let mut partners: Vec<Vec<usize>> = (0..self.level.wants.len())
            .map(|index| {
                self.want(index).into_iter().flat_map(|want| want.from.iter().filter_map(here)).collect()
            })
            .collect();
        let firsts: Vec<_> =
            partners.iter().enumerate().filter_map(|(want, of)| Some((want, *of.first()?))).collect();
        let stays = longest_rising(&firsts.iter().map(|(_, have)| *have).collect::<Vec<_>>());
        for ((want, _), _) in firsts.into_iter().zip(stays).filter(|(_, stays)| !stays) {
            partners[want].clear();
        }
        partners
    }

    /// The knots of the level, in order: pieces that became one another, or share a line that stays.
    fn knots(&self) -> Vec<Knot> {
        let mut knots = Vec::new();
        for (want, haves) in self.partners.iter().enumerate() {
            for have in haves {
                knots.push(Knot { haves: *have..have + 1, wants: want..want + 1, torn: false });
            }
        }
        let (mut have, mut want) = (0, 0);
        for (old, new) in &self.alignment.pairs {
            while have < self.level.haves.len() && self.old_lines(have).end <= *old {
                have += 1;
            }
            while want < self.level.wants.len() && self.new_lines(want).end <= *new {
                want += 1;
            }
            let inside = self.old_lines(have).contains(old) && self.new_lines(want).contains(new);
            let torn = inside && !self.partners[want].contains(&have) && self.alignment.new.weight(*new) > 0;
            if torn
                && !knots.last().is_some_and(|last| {
                    last.torn && last.haves == (have..have + 1) && last.wants == (want..want + 1)
                })
            {
                knots.push(Knot { haves: have..have + 1, wants: want..want + 1, torn });
            }
        }
        merged(knots)
    }

    /// The last of a list's members, with those that were put behind it, where no comma had followed it and one
    /// does now. As items of their own they would leave their comma behind: two sides that both append
    /// would have one between them. As text that begins with a comma both can stand.
    fn appended(&self) -> Option<Knot> {
        let have = self.level.haves.iter().rposition(|have| self.sheet().haves[*have].is_item())?;
        let want = self.partners.iter().position(|partners| partners[..] == [have])?;
        let wants = want..1 + (want..self.level.wants.len()).rev().find(|at| self.is_item(*at))?;
        let old = self.level.haves.get(have).map(|have| self.sheet().old_text(*have))?;
        let new = |at: usize| self.level.wants.get(at).map(|want| self.sheet().new_text(*want));
        let fresh = wants.clone().skip(1).all(|at| self.want(at).is_some_and(|want| want.from.is_empty()));
        let grows =
            !ends_with_comma(old) && ends_with_comma(new(want)?) && !ends_with_comma(new(wants.end - 1)?);
        (fresh && grows).then_some(Knot { haves: have..have + 1, wants, torn: true })
    }

    fn is_item(&self, index: usize) -> bool {
        self.want(index).is_some_and(|want| want.cut.kind != NodeKind::Text)
    }

    /// Whether the items of a knot write more than its lines would.
    fn is_heavy(&self, knot: &Knot) -> bool {
        if !knot.torn {
            return false;
        }
        let items: usize = knot.wants.clone().map(|want| self.cost(want)).sum();
        let old = self.old_lines(knot.haves.start).start..self.old_lines(knot.haves.end - 1).end;
        let new = self.new_lines(knot.wants.start).start..self.new_lines(knot.wants.end - 1).end;
        items > self.written(&old, new) + SAVED_BYTES_MIN
    }

    /// Whether the items of the whole text write no less than its lines.
    fn is_doubtful(&self) -> bool {
        let items: usize = (0..self.level.wants.len()).map(|want| self.cost(want)).sum();
        let lines = self.written(&(0..self.alignment.old.len()), 0..self.alignment.new.len());
        items >= lines
    }

    /// What the lines `new` write anew if `old` stay.
    fn written(&self, old: &Range<usize>, new: Range<usize>) -> usize {
        let all: usize = new.clone().map(|line| self.alignment.new.weight(line)).sum();
        let pairs = &self.alignment.pairs;
        let from = pairs.partition_point(|(_, line)| *line < new.start);
        let to = pairs.partition_point(|(_, line)| *line < new.end);
        let kept = pairs[from..to].iter().filter(|(from, _)| old.contains(from));
        all - kept.map(|(_, line)| self.alignment.new.weight(*line)).sum::<usize>()
    }

    /// What one piece writes anew.
    fn cost(&self, index: usize) -> usize {
        let partners = &self.partners[index];
        let Some(want) = self.level.wants.get(index).copied() else { return 0 };
        match (partners.first(), partners.last()) {
            (Some(first), Some(last)) => {
                let old = self.old_lines(*first).start..self.old_lines(*last).end;
                // What lines have moved past this piece is no change of it.
                self.written(&old, self.new_lines(index)).min(self.cost_elsewhere(want))
            }
            _ => self.cost_elsewhere(want),
        }
    }

    /// What a piece that is new here writes anew, with the pieces in it.
    fn cost_elsewhere(&self, want: usize) -> usize {
        let sheet = self.sheet();
        let mut cost = 0;
        let mut open = vec![want];
        while let Some(number) = open.pop() {
            let Some(want) = sheet.wants.get(number) else { continue };
            let text = sheet.new_text(number);
            let all = text.iter().filter(|byte| !byte.is_ascii_whitespace()).count();
            let sources =
                want.from.iter().filter_map(|(from, have)| Some(self.sheets.get(*from)?.old_text(*have)));
            let kept = sources.map(|old| Alignment::of(old, text).kept()).max();
            match kept {
                Some(kept) => cost += all - kept,
                None if want.children.is_empty() => cost += all,
                None => open.extend(&want.children),
            }
        }
        cost
    }
}

fn ends_with_comma(text: &[u8]) -> bool {
    text.trim_ascii_end().ends_with(b",")
}

/// Knots that share a piece made one, until none do.
fn merged(mut knots: Vec<Knot>) -> Vec<Knot> {
    loop {
        knots.sort_by_key(|knot| (knot.haves.start, knot.wants.start));
        let count = knots.len();
        let mut joined: Vec<Knot> = Vec::with_capacity(count);
        for knot in knots {
            match joined.last_mut() {
                Some(last) if meets(last, &knot) => join(last, knot),
                _ => joined.push(knot),
            }
        }
        knots = joined;
        if knots.len() == count {
            return knots;
        }
    }
}

/// Whether two knots share a piece, or cross.
fn meets(a: &Knot, b: &Knot) -> bool {
    b.haves.start < a.haves.end || b.wants.start < a.wants.end
}

fn join(a: &mut Knot, b: Knot) {
    a.haves = a.haves.start.min(b.haves.start)..a.haves.end.max(b.haves.end);
    a.wants = a.wants.start.min(b.wants.start)..a.wants.end.max(b.wants.end);
    a.torn |= b.torn;
}

/// Makes the new pieces of a knot one, and the old ones stay under it.
fn spread(sheets: &mut [Sheet], at: usize, level: &Level, knot: &Knot) {
    let wants = level.wants.get(knot.wants.clone()).unwrap_or_default().to_vec();
    let haves = level.haves.get(knot.haves.clone()).unwrap_or_default();
    let swallowed = release(sheets, at, &wants);
    let free = |have: &&usize| sheets[at].haves.get(**have).is_some_and(|have| !have.taken);
    let kept: Vec<usize> = haves.iter().filter(free).copied().collect();
    if kept.is_empty() {
        take_again(sheets, at, swallowed);
        return;
    }
    let sheet = &mut sheets[at];
    let (Some(first), Some(last)) = (wants.first(), wants.last()) else { return };
    let (Some(first), Some(last)) = (sheet.wants.get(*first), sheet.wants.get(*last)) else { return };
    let (start, end, depth) = (first.cut.start, last.cut.end, first.cut.depth);
    let cut = Cut { depth, kind: NodeKind::Text, name: Vec::new(), start, end };
    let number = sheet.wants.len();
    let from = kept.iter().map(|have| (at, *have)).collect();
    sheet.wants.push(Want { cut, children: Vec::new(), from, put: None, spread: true });
    kept.iter().for_each(|have| sheet.mark_taken(*have));
    let list = match level.above {
        Some(above) => sheet.wants.get_mut(above).map(|want| &mut want.children),
        None => Some(&mut sheet.top),
    };
    if let Some(list) = list {
        list.splice(knot.wants.clone(), [number]);
    }
}

/// Gives back the old pieces of some new ones and of all in them; says which was whose.
fn release(sheets: &mut [Sheet], at: usize, wants: &[usize]) -> Vec<(usize, Vec<Place>)> {
    let (mut released, mut open) = (Vec::new(), wants.to_vec());
    while let Some(number) = open.pop() {
        let Some(want) = sheets[at].wants.get_mut(number) else { continue };
        let from = std::mem::take(&mut want.from);
        open.extend(&want.children);
        set_taken(sheets, &from, false);
        released.push((number, from));
    }
    released
}

fn take_again(sheets: &mut [Sheet], at: usize, released: Vec<(usize, Vec<Place>)>) {
    for (number, from) in released {
        set_taken(sheets, &from, true);
        if let Some(want) = sheets[at].wants.get_mut(number) {
            want.from = from;
        }
    }
}

fn set_taken(sheets: &mut [Sheet], places: &[Place], taken: bool) {
    for (sheet, have) in places {
        if let Some(have) = sheets.get_mut(*sheet).and_then(|sheet| sheet.haves.get_mut(*have)) {
            have.taken = taken;
        }
    }
}
