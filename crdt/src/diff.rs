//! From an old text to a new one: lines first, then tokens inside the lines that changed.
//!
//! Only the author of a change ever runs this; what travels are the hunks that come of it. So
//! the cut may get better from version to version without any view changing. What it must do
//! well is keep apart what belongs apart: lines are matched by histogram, because they are
//! mostly unique; tokens are matched only inside changed lines, and only if enough of them stay. A
//! block that was rewritten becomes one change, so that two rewrites of it meet as two whole
//! sides and never as a soup of tokens.
//!
//! All limits are sizes, never times: the same two texts give the same changes on every machine.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput};

use crate::brackets;
use crate::numbers;
use crate::token::tokenize;

/// Above so many lines in both texts together, the difference is one block.
const LINES_MAX: usize = 1 << 20;
/// Above so many tokens in both sides of a block together, the block is one change.
const BLOCK_TOKENS_MAX: usize = 2_000;

/// Neighbouring old tokens that go, and the new ones that come in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// Which of the old tokens go.
    pub old: Range<usize>,
    /// What comes.
    pub new: Vec<&'a [u8]>,
}

impl<'a> Change<'a> {
    /// The same, with only a part of what comes.
    pub(crate) fn part(&self, new: Range<usize>) -> Self {
        Self { old: self.old.clone(), new: self.new.get(new).unwrap_or_default().to_vec() }
    }
}

/// The changes that turn `old` into `new`, in order, with at least one kept token between two.
pub fn changes<'a>(old: &[&[u8]], new: &'a [u8]) -> Vec<Change<'a>> {
    if old.iter().copied().flatten().eq(new) {
        return Vec::new();
    }
    let new = tokenize(new);
    let (old_lines, new_lines) = (lines(old), lines(&new));
    let mut changes = Vec::new();
    for (before, after) in line_blocks(old, &new, &old_lines, &new_lines) {
        block(old, &new, before, after, &mut changes);
    }
    changes
}

/// Whether a text leaves as many brackets and quotes open as another.
pub(crate) fn keeps_brackets(old: &[u8], new: &[u8]) -> bool {
    brackets::Open::of(&tokenize(old)) == brackets::Open::of(&tokenize(new))
}

/// The ranges of tokens that make the lines.
fn lines(tokens: &[&[u8]]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (index, token) in tokens.iter().enumerate() {
        if token.ends_with(b"\n") {
            lines.push(start..index + 1);
            start = index + 1;
        }
    }
    if start < tokens.len() {
        lines.push(start..tokens.len());
    }
    lines
}

/// The blocks of changed lines, as ranges of tokens.
fn line_blocks(
    old: &[&[u8]],
    new: &[&[u8]],
    old_lines: &[Range<usize>],
    new_lines: &[Range<usize>],
) -> Vec<(Range<usize>, Range<usize>)> {
    if old_lines.len() + new_lines.len() > LINES_MAX {
        return vec![(0..old.len(), 0..new.len())];
    }
    let mut input: InternedInput<Vec<u8>> = InternedInput::default();
    input.update_before(old_lines.iter().map(|line| old[line.clone()].concat()));
    input.update_after(new_lines.iter().map(|line| new[line.clone()].concat()));
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    diff.hunks()
        .map(|hunk| {
            (tokens_of(old_lines, hunk.before, old.len()), tokens_of(new_lines, hunk.after, new.len()))
        })
        .collect()
}

fn tokens_of(lines: &[Range<usize>], range: Range<u32>, end: usize) -> Range<usize> {
    let start_of = |line: u32| lines.get(line as usize).map_or(end, |line| line.start);
    start_of(range.start)..start_of(range.end)
}

/// One block of changed lines: token by token if enough stays, else as a whole.
fn block<'a>(
    old: &[&[u8]],
    new: &[&'a [u8]],
    before: Range<usize>,
    after: Range<usize>,
    changes: &mut Vec<Change<'a>>,
) {
    let (before, after) = trim_but_numbers(old, new, before, after);
    let (gone, come) = (&old[before.clone()], &new[after.clone()]);
    let found = if gone.len() + come.len() > BLOCK_TOKENS_MAX || gone.is_empty() || come.is_empty() {
        None
    } else {
        token_changes(gone, come)
    };
    match found {
        Some(found) => changes.extend(found.into_iter().map(|(gone, put)| Change {
            old: before.start + gone.start..before.start + gone.end,
            new: come[put].to_vec(),
        })),
        None if gone.is_empty() && come.is_empty() => (),
        None => changes.push(Change { old: before, new: come.to_vec() }),
    }
}

/// Leaves out what both ranges begin and end with, but no part of a number that goes on.
fn trim_but_numbers(
    old: &[&[u8]],
    new: &[&[u8]],
    before: Range<usize>,
    after: Range<usize>,
) -> (Range<usize>, Range<usize>) {
    let (gone, come) = trim(old, new, before.clone(), after.clone());
    let (first, second) = (before.start, after.start);
    let inner = (gone.start - first..gone.end - first, come.start - second..come.end - second);
    match &numbers::whole(&old[before], &new[after], vec![inner])[..] {
        [(gone, come)] => (gone.start + first..gone.end + first, come.start + second..come.end + second),
        _ => (gone, come),
    }
}

/// Leaves out what both ranges begin and end with.
fn trim(
    old: &[&[u8]],
    new: &[&[u8]],
    mut before: Range<usize>,
    mut after: Range<usize>,
) -> (Range<usize>, Range<usize>) {
    while !before.is_empty() && !after.is_empty() && old[before.start] == new[after.start] {
        (before.start, after.start) = (before.start + 1, after.start + 1);
    }
    while !before.is_empty() && !after.is_empty() && old[before.end - 1] == new[after.end - 1] {
        (before.end, after.end) = (before.end - 1, after.end - 1);
    }
    (before, after)
}

/// The changes token by token; `None` if less than half of the text stays.
fn token_changes(old: &[&[u8]], new: &[&[u8]]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let mut input: InternedInput<&[u8]> = InternedInput::default();
    input.update_before(old.iter().copied());
    input.update_after(new.iter().copied());
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_no_heuristic(&input);
    let kept = old.iter().enumerate().filter(|(index, _)| !diff.is_removed(*index as u32));
    let kept = weight(kept.map(|(_, token)| *token));
    let all = weight(old.iter().copied()) + weight(new.iter().copied());
    if 4 * kept < all {
        return None;
    }
    let wide = |range: Range<u32>| range.start as usize..range.end as usize;
    let found: Vec<_> = diff.hunks().map(|hunk| (wide(hunk.before), wide(hunk.after))).collect();
    Some(brackets::together(old, new, numbers::whole(old, new, found)))
}

/// Bytes of the tokens that carry meaning: blanks are kept by any rewrite.
fn weight<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> usize {
    tokens.filter(|token| !token[0].is_ascii_whitespace()).map(<[u8]>::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(old: &[u8], new: &[u8]) -> usize {
        let tokens = tokenize(old);
        let changes = changes(&tokens, new);
        let (mut text, mut at) = (Vec::new(), 0);
        for (index, change) in changes.iter().enumerate() {
            assert!(index == 0 || change.old.start > at, "a kept token between two changes");
            text.extend(tokens[at..change.old.start].concat());
            text.extend(change.new.concat());
            at = change.old.end;
        }
        text.extend(tokens[at..].concat());
        assert_eq!(text, new);
        changes.len()
    }

    #[test]
    fn small_edits_are_small_and_rewrites_are_whole() {
        assert_eq!(check(b"let timeout = 100;\n", b"let timeout = 150;\n"), 1);
        assert_eq!(check(b"let aaaa = f(b, c);\n", b"let dddd = f(b, e);\n"), 2);
        assert_eq!(check(b"one two three four\n", b"five two six seven\n"), 1);
        assert_eq!(check(b"same\n", b"same\n"), 0);
    }

    proptest! {
        #[test]
        fn changes_make_the_new_text(
            old in "[ab1.(\n]{0,40}", new in "[ab1.(\n]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..60)
        ) {
            check(old.as_bytes(), new.as_bytes());
            check(old.as_bytes(), &bytes);
            check(&bytes, new.as_bytes());
        }
    }
}
