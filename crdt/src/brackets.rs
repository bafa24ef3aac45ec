//! What opens and what closes, told from tokens alone: no grammar is asked.
//!
//! Two sides of a block may each win some of its tokens. If one change opened a bracket and
//! another closed it, half of the pair could go. So within a block an author's changes are joined
//! until each leaves as many brackets and quotes open as it found. And where two runs were put at
//! one gap, of which one leaves something open and the other closes something, the first comes first.

use std::ops::Range;

/// A change: old tokens that go, new tokens that come.
type Pair = (Range<usize>, Range<usize>);

/// How many neighbouring changes are joined at most; brackets in words and comments answer nothing.
const JOINED_MAX: usize = 16;

/// What a run of tokens leaves open: brackets that close what was open before, brackets that
/// it opens, and whether quotes are odd.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Open {
    closes: Vec<u8>,
    opens: Vec<u8>,
    odd: [bool; 2],
}

impl Open {
    pub(crate) fn of(tokens: &[&[u8]]) -> Self {
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

/// Which way a run of tokens leans, in the order in which runs at one gap come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leaning {
    /// It leaves nothing open and closes nothing, or does both.
    Neither,
    /// It closes what the line before it stands in: its bracket stands further out than that line.
    Ends,
    /// It leaves something open.
    Opens,
    /// It closes what another run may have opened.
    Closes,
}

impl Leaning {
    /// How tokens lean behind a line of some indent: by their brackets, else by their block comments.
    pub(crate) fn of(tokens: &[&[u8]], indent: usize) -> Self {
        let open = Open::of(tokens);
        match (open.opens.is_empty(), open.closes.is_empty()) {
            (false, true) => Self::Opens,
            (true, false) if closing_indent(tokens).is_some_and(|closing| closing < indent) => Self::Ends,
            (true, false) => Self::Closes,
            (true, true) => Self::of_comments(tokens),
            (false, false) => Self::Neither,
        }
    }

    fn of_comments(tokens: &[&[u8]]) -> Self {
        let (mut closes, mut open) = (false, false);
        let mut pairs = tokens.windows(2);
        while let Some(pair) = pairs.next() {
            match pair {
                [b"/", b"*"] if !open => {
                    open = true;
                    // The star of an opening does not close.
                    pairs.next();
                }
                [b"*", b"/"] => {
                    closes |= !open;
                    open = false;
                }
                _ => {}
            }
        }
        match (open, closes) {
            (true, false) => Self::Opens,
            (false, true) => Self::Closes,
            _ => Self::Neither,
        }
    }
}

/// How far the line is indented on which a bracket closes that the tokens did not open.
fn closing_indent(tokens: &[&[u8]]) -> Option<usize> {
    let mut depth = 0usize;
    let closing = tokens.iter().position(|token| match token {
        [b'(' | b'[' | b'{'] => {
            depth += 1;
            false
        }
        [b')' | b']' | b'}'] => {
            let answered = depth > 0;
            depth = depth.saturating_sub(1);
            !answered
        }
        _ => false,
    });
    let before = tokens.get(..closing?)?;
    let line = before.iter().rposition(|token| token.ends_with(b"\n")).map_or(0, |end| end + 1);
    tokens.get(line).map(|first| indent(first))
}

/// How far a line is indented that begins with a token.
pub(crate) fn indent(first: &[u8]) -> usize {
    if first.iter().all(|byte| matches!(byte, b' ' | b'\t')) { first.len() } else { 0 }
}

fn is_balanced(old: &[&[u8]], new: &[&[u8]], (gone, come): &Pair) -> bool {
    Open::of(&old[gone.clone()]) == Open::of(&new[come.clone()])
}

/// Whether a change only puts in lines: with its partner it stands around lines that stay, and
/// nothing of them is in its way.
fn wraps(old: &[&[u8]], new: &[&[u8]], (gone, come): &Pair) -> bool {
    let blank = |token: &&[u8]| token.iter().all(u8::is_ascii_whitespace);
    old[gone.clone()].iter().all(blank) && new[come.clone()].iter().any(|token| token.ends_with(b"\n"))
}

/// The changes, those joined that only together keep brackets and quotes as they were.
pub(crate) fn together(old: &[&[u8]], new: &[&[u8]], changes: Vec<Pair>) -> Vec<Pair> {
    let mut joined = Vec::with_capacity(changes.len());
    let mut at = 0;
    while let Some(first) = changes.get(at) {
        let whole = |last: &Pair| (first.0.start..last.0.end, first.1.start..last.1.end);
        let keeps = |last: &&Pair| is_balanced(old, new, &whole(last));
        let mut ends = changes[at..].iter().take(JOINED_MAX);
        let count = ends.position(|last| keeps(&last)).map_or(1, |more| more + 1);
        let these = &changes[at..at + count];
        match these.iter().all(|change| is_balanced(old, new, change) || wraps(old, new, change)) {
            true => joined.extend_from_slice(these),
            false => joined.push(whole(&changes[at + count - 1])),
        }
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
    fn lines_around_what_stays_are_apart() {
        let changes = [(0..0, 0..3), (1..1, 4..5), (2..2, 6..8)];
        assert_eq!(joined("a\nb", "{c\na;\n}\nb", &changes), changes);
    }

    #[test]
    fn what_only_opens_comes_first() {
        let of = |text: &str| Leaning::of(&tokenize(text.as_bytes()), 4);
        for (text, leaning) in [
            ("if a {\n    b();\n", Leaning::Opens),
            ("    b();\n    }\n", Leaning::Closes),
            ("    b();\n  }\n", Leaning::Ends),
            ("b(c {\n  }\n)\n", Leaning::Neither),
            ("b(c[d]);\n", Leaning::Neither),
            ("} else {\n", Leaning::Neither),
            ("/**\n * One\n", Leaning::Opens),
            ("/*/ one\n", Leaning::Opens),
            (" * two\n */\n", Leaning::Closes),
            ("/* one */\n", Leaning::Neither),
        ] {
            assert_eq!(of(text), leaning, "{text:?}");
        }
    }

    #[test]
    fn a_bracket_without_partner_stays_alone() {
        assert_eq!(joined("a b", "(a c", &[(0..0, 0..1), (2..3, 3..4)]), [(0..0, 0..1), (2..3, 3..4)]);
    }
}
