//! Numbers of several parts, told from tokens alone: versions, decimals, dates.
//!
//! To a tokenizer `1.2.0` is five tokens, and two sides that make `1.3.0` and `1.2.1` of it could come to
//! `1.3.1`, which nobody wrote. So an author's change of a part is a change of the whole number, and
//! of two versions the higher one wins.

use std::ops::Range;

/// A change: old tokens that go, new tokens that come.
type Pair = (Range<usize>, Range<usize>);

/// The fewest parts of a version; what has two is a decimal.
const VERSION_PARTS_MIN: usize = 3;

/// The changes, each widened to the numbers that it touches, those joined that touch one number.
pub(crate) fn whole(old: &[&[u8]], new: &[&[u8]], changes: Vec<Pair>) -> Vec<Pair> {
    let numbers = (numbers(old), numbers(new));
    if numbers.0.is_empty() && numbers.1.is_empty() {
        return changes;
    }
    let mut whole: Vec<Pair> = Vec::with_capacity(changes.len());
    let mut reach = 0;
    for (index, (gone, come)) in changes.iter().enumerate() {
        let before = index.checked_sub(1).map_or(0, |before| changes[before].0.end);
        let after = changes.get(index + 1).map_or(old.len(), |next| next.0.start);
        let (one, two) = (around(&numbers.0, gone), around(&numbers.1, come));
        let (left, right) = (one.0.max(two.0), one.1.max(two.1));
        let kept = gone.start - before;
        match whole.last_mut().filter(|_| left + reach >= kept) {
            Some(last) => (last.0.end, last.1.end) = (gone.end, come.end),
            None => {
                let left = left.min(kept);
                whole.push((gone.start - left..gone.end, come.start - left..come.end));
            }
        }
        // Only as far as the next change: that one is joined if the number goes on behind it.
        reach = right.min(after - gone.end);
        if let Some(last) = whole.last_mut() {
            (last.0.end, last.1.end) = (gone.end + reach, come.end + reach);
        }
    }
    whole
}

/// How far the numbers that a change touches reach out of it, to the left and to the right.
fn around(numbers: &[Range<usize>], change: &Range<usize>) -> (usize, usize) {
    let touched = numbers.iter().filter(|number| number.start < change.end && change.start < number.end);
    touched.fold((0, 0), |(left, right), number| {
        let (to_left, to_right) =
            (change.start.saturating_sub(number.start), number.end.saturating_sub(change.end));
        (left.max(to_left), right.max(to_right))
    })
}

/// The runs of tokens that make one number of several parts.
fn numbers(tokens: &[&[u8]]) -> Vec<Range<usize>> {
    let mut numbers: Vec<Range<usize>> = Vec::new();
    for (dot, pair) in tokens.windows(3).enumerate() {
        let [before, joint, after] = pair else { continue };
        let joins = is_part(before) && is_part(after) && matches!(joint, [b'.' | b'-']);
        match numbers.last_mut().filter(|last| last.end == dot + 1) {
            Some(last) if joins => last.end = dot + 3,
            None if joins => numbers.push(dot..dot + 3),
            _ => {}
        }
    }
    numbers
}

/// Whether a token is a part of a number: it begins with a digit, or with a digit behind a `v`.
fn is_part(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"v").unwrap_or(token);
    digits.first().is_some_and(u8::is_ascii_digit)
}

/// The parts of a text that is a version and nothing else.
pub(crate) fn version(text: &[u8]) -> Option<Vec<u64>> {
    let text = std::str::from_utf8(text).ok()?;
    let parts = text.strip_prefix('v').unwrap_or(text).split('.').map(|part| part.parse().ok());
    parts.collect::<Option<Vec<u64>>>().filter(|parts| parts.len() >= VERSION_PARTS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tokenize;

    fn widened(old: &str, new: &str, changes: &[Pair]) -> Vec<Pair> {
        whole(&tokenize(old.as_bytes()), &tokenize(new.as_bytes()), changes.to_vec())
    }

    #[test]
    fn a_part_stands_for_the_whole() {
        assert_eq!(widened("a 1.2.0 b", "a 1.3.0 b", &[(4..5, 4..5)]), [(2..7, 2..7)]);
        assert_eq!(widened("1.2.3", "4.2.5", &[(0..1, 0..1), (4..5, 4..5)]), [(0..5, 0..5)]);
        assert_eq!(widened("1, 2.5", "3, 2.7", &[(0..1, 0..1), (5..6, 5..6)]), [(0..1, 0..1), (3..6, 3..6)]);
        assert_eq!(widened("x 1;", "x 1.5;", &[(3..3, 3..5)]), [(2..3, 2..5)]);
        assert_eq!(widened("a.b", "a.c", &[(2..3, 2..3)]), [(2..3, 2..3)]);
        assert_eq!(widened("1..2", "1..3", &[(3..4, 3..4)]), [(3..4, 3..4)]);
    }

    #[test]
    fn versions_have_three_parts() {
        assert_eq!(version(b"1.20.3"), Some(vec![1, 20, 3]));
        assert_eq!(version(b"v1.2.3"), Some(vec![1, 2, 3]));
        assert_eq!([version(b"1.2"), version(b"1.2.x"), version(b"1..2")], [None, None, None]);
    }
}
