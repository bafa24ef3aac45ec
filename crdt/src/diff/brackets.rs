//! Changes that open or close brackets and quotes, kept together with those that answer them.
//!
//! Two sides of a block may each win some of its tokens. If one change opened a bracket and
//! another closed it, half of the pair could go. So within a block changes are joined until
//! each leaves as many brackets and quotes open as it found. No grammar is asked.

use std::ops::Range;

/// A change: old tokens that go, new tokens that come.
type Pair = (Range<usize>, Range<usize>);

/// How many neighbouring changes are joined at most; brackets in words and comments answer nothing.
const JOINED_MAX: usize = 16;

/// What a run of tokens leaves open: brackets that close what was open before, brackets that
/// it opens, and whether quotes are odd.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Open {
    closes: Vec<u8>,
    opens: Vec<u8>,
    odd: [bool; 2],
}

impl Open {
    pub(super) fn of(tokens: &[&[u8]]) -> Self {
        let mut open = Open::default();
        for token in tokens {
            match token {
                [bracket @ (b'(' | b'[' | b'{')] => open.opens.push(*bracket),
                [bracket @ (b')' | b']' | b'}')] => open.close(*bracket),
                [b'"'] => open.odd[0] ^= true,
                [b'`'] => open.odd[1] ^= true,
                _ => {}
            }
        }
        open
    }

    fn close(&mut self, bracket: u8) {
        let answered = self.opens.pop().is_some();
        self.closes.extend((!answered).then_some(bracket));
    }
}

/// The changes, those joined that only together keep brackets and quotes as they were.
pub(super) fn together(old: &[&[u8]], new: &[&[u8]], changes: Vec<Pair>) -> Vec<Pair> {
    let mut joined = Vec::with_capacity(changes.len());
    let mut at = 0;
    while let Some(first) = changes.get(at) {
        let whole = |last: &Pair| (first.0.start..last.0.end, first.1.start..last.1.end);
        let keeps = |last: &&Pair| {
            let (gone, come) = whole(last);
            Open::of(&old[gone]) == Open::of(&new[come])
        };
        let ends = changes[at..].iter().take(JOINED_MAX);
        let count = ends.clone().position(|last| keeps(&last)).map_or(1, |more| more + 1);
        joined.push(whole(&changes[at + count - 1]));
        at += count;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tokenize;

    fn joined(old: &str, new: &str, changes: &[Pair]) -> Vec<Pair> {
        together(&tokenize(old.as_bytes()), &tokenize(new.as_bytes()), changes.to_vec())
    }

    #[test]
    fn a_bracket_waits_for_its_partner() {
        assert_eq!(joined("a b", "(a b)", &[(0..0, 0..1), (3..3, 4..5)]), [(0..3, 0..5)]);
        assert_eq!(joined("a b", "x y", &[(0..1, 0..1), (2..3, 2..3)]), [(0..1, 0..1), (2..3, 2..3)]);
        assert_eq!(joined("f(a)", "g(b)", &[(0..1, 0..1), (2..3, 2..3)]), [(0..1, 0..1), (2..3, 2..3)]);
    }

    #[test]
    fn a_bracket_without_partner_stays_alone() {
        assert_eq!(joined("a b", "(a c", &[(0..0, 0..1), (2..3, 3..4)]), [(0..0, 0..1), (2..3, 3..4)]);
    }
}
