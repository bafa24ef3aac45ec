//! One real edit, dealt to several sides, so that what its merge should be is known: the new file.

use super::dice::Dice;
use super::items;
use super::lines::{Edit, applied, line_edits, lines, word_edits, words};

/// The most hunks of an edit; what is more was written anew.
const HUNKS_MAX: usize = 60;
/// The longest line of a text that a person writes.
const LINE_BYTES_MAX: usize = 2000;
/// The most words of a line that is dealt word by word.
const WORDS_MAX: usize = 400;

/// How an edit is dealt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Each hunk to one of two sides.
    Far,
    /// The first lines of one changed block to a side, the others to the other.
    Adjacent,
    /// The first lines of one inserted block to a side, the others to the other.
    Insert,
    /// The words that changed in one line.
    Words,
    /// One side moves an item, the other edits.
    Moved,
    /// One side renames an item wherever its name stands, the other edits.
    Renamed,
    /// Some hunks, or the first lines of one, to both sides.
    Same,
    /// Each hunk to one of three sides.
    Three,
}

impl Kind {
    /// All kinds.
    pub(super) const ALL: [Self; 8] = [
        Self::Far,
        Self::Adjacent,
        Self::Insert,
        Self::Words,
        Self::Moved,
        Self::Renamed,
        Self::Same,
        Self::Three,
    ];

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Far => "far",
            Self::Adjacent => "adjacent",
            Self::Insert => "insert",
            Self::Words => "words",
            Self::Moved => "moved",
            Self::Renamed => "renamed",
            Self::Same => "same",
            Self::Three => "three",
        }
    }
}

/// What the sides made of a base, and what they should become together.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// How it was dealt.
    pub(super) kind: Kind,
    /// What the sides began with.
    pub(super) base: Vec<u8>,
    /// What each side made of it.
    pub(super) sides: Vec<Vec<u8>>,
    /// All that they did, in one text.
    pub(super) truth: Vec<u8>,
}

/// A real edit, in lines.
pub(super) struct Change<'a> {
    /// The old text's lines.
    pub(super) old: Vec<&'a [u8]>,
    /// The new one's.
    pub(super) new: Vec<&'a [u8]>,
    /// What turns the one into the other.
    pub(super) hunks: Vec<Edit<'a>>,
}

impl<'a> Change<'a> {
    /// The edit between two texts; `None` if it is not one that a person makes.
    pub(super) fn between(old: &'a [u8], new: &'a [u8]) -> Option<Self> {
        if old == new || old.contains(&0) || new.contains(&0) {
            return None;
        }
        let (old, new) = (lines(old), lines(new));
        let hunks = line_edits(&old, &new);
        let gone: usize = hunks.iter().map(|hunk| hunk.old.len()).sum();
        let long = old.iter().chain(&new).any(|line| line.len() > LINE_BYTES_MAX);
        let fits = !long && gone * 2 <= old.len() && (1..=HUNKS_MAX).contains(&hunks.len());
        fits.then_some(Self { old, new, hunks })
    }

    /// Deals the edit; `None` if it cannot be dealt so.
    pub(super) fn deal(&self, kind: Kind, dice: &mut Dice) -> Option<Case> {
        let (sides, truth) = match kind {
            Kind::Far => self.far(2, dice)?,
            Kind::Three => self.far(3, dice)?,
            Kind::Adjacent => self.halves(false, dice)?,
            Kind::Insert => self.halves(true, dice)?,
            Kind::Words => self.words(dice)?,
            Kind::Same if dice.below(3) == 0 => self.same_lines(dice)?,
            Kind::Same => self.same(dice)?,
            Kind::Moved => items::moved(self, dice)?,
            Kind::Renamed => items::renamed(self, dice)?,
        };
        let base = self.old.concat();
        let twice = sides.iter().enumerate().any(|(at, side)| sides.iter().skip(at + 1).any(|it| it == side));
        let idle = sides.contains(&base);
        (!twice && !idle).then_some(Case { kind, base, sides, truth })
    }

    fn far(&self, sides: usize, dice: &mut Dice) -> Option<Dealt> {
        if self.hunks.len() < sides {
            return None;
        }
        let dealt = dice.deal(self.hunks.len(), sides);
        let of = |side| self.with(|at| dealt.get(at) == Some(&side));
        Some(((0..sides).map(of).collect(), self.new.concat()))
    }

    /// The old text with some of the hunks.
    fn with(&self, takes: impl Fn(usize) -> bool) -> Vec<u8> {
        let taken = self.hunks.iter().enumerate().filter(|(at, _)| takes(*at));
        applied(&self.old, &taken.map(|(_, hunk)| hunk.clone()).collect::<Vec<_>>()).concat()
    }

    /// Two sides that get these parts of one hunk, and each some of the other hunks.
    fn around(&self, hunk: usize, parts: [Edit<'a>; 2], dice: &mut Dice) -> Vec<Vec<u8>> {
        let mut sides = parts.map(|part| vec![part]);
        for (at, other) in self.hunks.iter().enumerate() {
            if at != hunk
                && let Some(side) = sides.get_mut(dice.below(2))
            {
                side.push(other.clone());
            }
        }
        sides.iter().map(|edits| applied(&self.old, edits).concat()).collect()
    }

    /// One hunk of those that fit, with its number.
    fn one(&self, fits: impl Fn(&Edit) -> bool, dice: &mut Dice) -> Option<(usize, &Edit<'a>)> {
        let fitting: Vec<_> = self.hunks.iter().enumerate().filter(|(_, hunk)| fits(hunk)).collect();
        dice.one(&fitting).copied()
    }

    fn halves(&self, inserted: bool, dice: &mut Dice) -> Option<Dealt> {
        let fits = |hunk: &Edit| match inserted {
            true => hunk.old.is_empty() && hunk.new.len() > 1,
            false => hunk.old.len() > 1 && !hunk.new.is_empty(),
        };
        let (at, hunk) = self.one(fits, dice)?;
        let (old, new) = match inserted {
            true => (0, border(&hunk.new, dice)),
            false => {
                let cut = dice.within(1, hunk.old.len());
                (cut, cut * hunk.new.len() / hunk.old.len())
            }
        };
        let middle = hunk.old.start + old;
        let (first, last) = hunk.new.split_at_checked(new)?;
        let parts = [
            Edit { old: hunk.old.start..middle, new: first.to_vec() },
            Edit { old: middle..hunk.old.end, new: last.to_vec() },
        ];
        Some((self.around(at, parts, dice), self.new.concat()))
    }

    fn same(&self, dice: &mut Dice) -> Option<Dealt> {
        let mut dealt: Vec<usize> = self.hunks.iter().map(|_| dice.below(3)).collect();
        let shared = dice.below(dealt.len());
        *dealt.get_mut(shared)? = 2;
        let of = |side| self.with(|at| dealt.get(at).is_some_and(|to| *to == side || *to == 2));
        Some((vec![of(0), of(1)], self.new.concat()))
    }

    /// Both sides insert the same lines; one goes on behind them.
    fn same_lines(&self, dice: &mut Dice) -> Option<Dealt> {
        let (at, hunk) = self.one(|hunk| hunk.old.is_empty() && hunk.new.len() > 1, dice)?;
        let first = hunk.new.get(..dice.within(1, hunk.new.len()))?.to_vec();
        let parts = [hunk.clone(), Edit { old: hunk.old.clone(), new: first }];
        Some((self.around(at, parts, dice), self.new.concat()))
    }

    fn words(&self, dice: &mut Dice) -> Option<Dealt> {
        let mut lines: Vec<(usize, usize)> = Vec::new();
        for (at, hunk) in self.hunks.iter().enumerate().filter(|(_, hunk)| hunk.old.len() == hunk.new.len()) {
            lines.extend(
                (0..hunk.new.len())
                    .filter(|line| self.reworded(hunk, *line).is_some())
                    .map(|line| (at, line)),
            );
        }
        let (at, line) = *dice.one(&lines)?;
        let hunk = self.hunks.get(at)?;
        let (before, edits) = self.reworded(hunk, line)?;
        let dealt = dice.deal(edits.len(), 2);
        let said = [0, 1].map(|side| {
            let taken = edits.iter().zip(&dealt).filter(|(_, to)| **to == side);
            applied(&before, &taken.map(|(edit, _)| edit.clone()).collect::<Vec<_>>()).concat()
        });
        let sides = [0, 1].map(|side| self.reworded_side(at, hunk, line, side, &said).concat());
        Some((sides.to_vec(), self.new.concat()))
    }

    /// The old words of a hunk's line, and what changed in them, if that is more than one place and
    /// most of the line stays.
    fn reworded(&self, hunk: &Edit<'a>, line: usize) -> Option<(Vec<&'a [u8]>, Vec<Edit<'a>>)> {
        let before = words(self.old.get(hunk.old.start + line)?);
        let after = words(hunk.new.get(line)?);
        let edits = word_edits(&before, &after);
        let gone: usize = edits.iter().map(|edit| edit.old.len()).sum();
        (edits.len() > 1 && gone * 2 <= before.len() && before.len() <= WORDS_MAX).then_some((before, edits))
    }

    /// The hunks before a line and its first words to one side, those behind to the other.
    fn reworded_side<'b>(
        &'b self,
        at: usize,
        hunk: &Edit<'a>,
        line: usize,
        side: usize,
        said: &'b [Vec<u8>; 2],
    ) -> Vec<&'b [u8]> {
        let old = self.old.get(hunk.old.clone()).unwrap_or_default();
        let body = old.iter().zip(&hunk.new).enumerate().map(|(number, (old, new))| match number {
            number if number == line => said.get(side).map_or(*old, Vec::as_slice),
            number if (number < line) == (side == 0) => *new,
            _ => *old,
        });
        let mut edits = vec![Edit { old: hunk.old.clone(), new: body.collect() }];
        let others = self.hunks.iter().enumerate().filter(|(other, _)| *other != at && other % 2 == side);
        edits.extend(others.map(|(_, hunk)| hunk.clone()));
        applied(&self.old, &edits)
    }
}

/// What the sides made of the old text, and what should become of it.
pub(super) type Dealt = (Vec<Vec<u8>>, Vec<u8>);

/// Where a block of new lines may be parted: at an empty line if there is one.
fn border(new: &[&[u8]], dice: &mut Dice) -> usize {
    let empty = |line: Option<&&[u8]>| line.is_some_and(|line| line.trim_ascii().is_empty());
    let at_empty: Vec<usize> =
        (1..new.len()).filter(|at| empty(new.get(*at)) || empty(new.get(at - 1))).collect();
    dice.one(&at_empty).copied().unwrap_or_else(|| dice.within(1, new.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"use a;\n\nfn one() {\n    let x = f(a, b);\n    g();\n}\n\nfn two() {\n    h();\n    i();\n    j();\n}\n\nfn three() {\n    k();\n    k();\n}\n";
    const NEW: &[u8] = b"use a;\nuse b;\nuse c;\n\nfn one() {\n    let y = f(a, c);\n    g();\n}\n\nfn two() {\n    hh();\n    ii();\n    j();\n}\n\nfn three() {\n    k();\n    k();\n    l();\n}\n";

    /// Every side's edits are among those of the truth.
    #[test]
    fn what_is_dealt_adds_up() {
        let change = Change::between(OLD, NEW).unwrap();
        for kind in Kind::ALL {
            let mut dealt = 0;
            for seed in 0..40 {
                let Some(case) = change.deal(kind, &mut Dice::new(seed)) else { continue };
                dealt += 1;
                assert_eq!(case.sides.len(), if kind == Kind::Three { 3 } else { 2 });
                assert!(case.sides.iter().all(|side| *side != case.base));
                if !matches!(kind, Kind::Moved | Kind::Renamed) {
                    assert_eq!(case.truth, NEW);
                    let said: Vec<_> = case.sides.iter().flat_map(|side| words(side)).collect();
                    assert!(words(NEW).iter().all(|word| said.contains(word)), "{kind:?}");
                }
            }
            assert!(dealt > 0, "{kind:?} was never dealt");
        }
    }

    #[test]
    fn what_no_person_writes_is_left_out() {
        assert!(Change::between(OLD, OLD).is_none());
        assert!(Change::between(OLD, b"other\n").is_none());
        assert!(Change::between(b"a\n\0\n", b"a\nb\n").is_none());
        assert!(Change::between(&[b'a'; 3000], &[b'b'; 3000]).is_none());
    }
}
