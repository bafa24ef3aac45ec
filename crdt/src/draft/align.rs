//! Which lines of an old text stay in a new one, and where its borders come to lie.
//!
//! Lines that both texts have in common tell where a border between two old pieces lies in
//! the new text. So the pieces stay, each is edited on its own, and together they show the
//! new text exactly.

use std::ops::Range;

use crate::matching::common_lines;

/// An old and a new text, laid side by side.
#[derive(Debug)]
pub(super) struct Alignment<'a> {
    pub(super) old: Lines<'a>,
    pub(super) new: Lines<'a>,
    /// Old and new numbers of the lines that stay, rising.
    pub(super) pairs: Vec<(usize, usize)>,
}

/// A text by its lines.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    lines: Vec<&'a [u8]>,
    /// The first byte of each line, and the end of the text.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let ends = lines.iter().scan(0, |end, line| {
            *end += line.len();
            Some(*end)
        });
        let starts = std::iter::once(0).chain(ends).collect();
        Self { lines, starts }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The first byte of a line; the end of the text for all lines behind it.
    pub(super) fn start(&self, line: usize) -> usize {
        self.starts.get(line).or(self.starts.last()).copied().unwrap_or_default()
    }

    /// The bytes of a line that are no blanks.
    pub(super) fn weight(&self, line: usize) -> usize {
        let line = self.lines.get(line).copied().unwrap_or_default();
        line.iter().filter(|byte| !byte.is_ascii_whitespace()).count()
    }

    /// The lines that begin within a range of bytes.
    pub(super) fn within(&self, bytes: Range<usize>) -> Range<usize> {
        let first = |at: usize| self.starts.partition_point(|start| *start < at).min(self.len());
        first(bytes.start)..first(bytes.end)
    }
}

impl<'a> Alignment<'a> {
    /// Lays two texts side by side.
    pub(super) fn of(old: &'a [u8], new: &'a [u8]) -> Self {
        let (old, new) = (Lines::of(old), Lines::of(new));
        let pairs = common_lines(&old.lines, &new.lines);
        Self { old, new, pairs }
    }

    /// The same, where it is known which lines stay.
    pub(super) fn known(old: &'a [u8], new: &'a [u8], pairs: Vec<(usize, usize)>) -> Self {
        Self { old: Lines::of(old), new: Lines::of(new), pairs }
    }

    /// The bytes, blanks left out, of the lines that stay.
    pub(super) fn kept(&self) -> usize {
        self.pairs.iter().map(|(_, line)| self.new.weight(*line)).sum()
    }

    /// The lines that do not stay, as ranges of bytes: what goes, and what comes in its place.
    pub(super) fn changed(&self) -> Vec<(Range<usize>, Range<usize>)> {
        let end = (self.old.len(), self.new.len());
        let (mut changed, mut from) = (Vec::new(), (0, 0));
        for (old, new) in self.pairs.iter().copied().chain([end]) {
            if (old, new) != from {
                let gone = self.old.start(from.0)..self.old.start(old);
                changed.push((gone, self.new.start(from.1)..self.new.start(new)));
            }
            from = (old + 1, new + 1);
        }
        changed
    }

    /// The part of the new text that belongs to each piece of the old one, by the ends of the pieces.
    pub(super) fn spread(&self, ends: &[usize]) -> Vec<Range<usize>> {
        let all = self.new.start(self.new.len());
        let mut ranges = Vec::with_capacity(ends.len());
        let mut from = 0;
        for (index, end) in ends.iter().enumerate() {
            let last = index + 1 == ends.len();
            let to = if last { all } else { self.border(*end).clamp(from, all) };
            ranges.push(from..to);
            from = to;
        }
        ranges
    }

    /// Where the border at byte `at` of the old text lies in the new one.
    fn border(&self, at: usize) -> usize {
        let line = self.old.starts.partition_point(|start| *start <= at).saturating_sub(1);
        let within = at - self.old.start(line);
        let next = self.pairs.partition_point(|pair| pair.0 < line);
        let (old_next, new_next) = self.pairs.get(next).copied().unwrap_or((self.old.len(), self.new.len()));
        if old_next == line {
            return self.new.start(new_next) + within;
        }
        let before = next.checked_sub(1).and_then(|before| self.pairs.get(before));
        let (old_from, new_from) = before.map_or((0, 0), |pair| (pair.0 + 1, pair.1 + 1));
        let into = line - old_from + usize::from(within > 0);
        self.new.start((new_from + into).min(new_next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts<'a>(old: &str, ends: &[usize], new: &'a str) -> Vec<&'a str> {
        let ranges = Alignment::of(old.as_bytes(), new.as_bytes()).spread(ends);
        ranges.into_iter().map(|range| &new[range]).collect()
    }

    #[test]
    fn each_piece_keeps_its_lines() {
        let old = "a\nb\nc\nd\n";
        assert_eq!(parts(old, &[4, 8], "a\nB\nc\nd\ne\n"), ["a\nB\n", "c\nd\ne\n"]);
        assert_eq!(parts(old, &[4, 8], "c\nd\n"), ["", "c\nd\n"]);
        assert_eq!(parts(old, &[4, 8], ""), ["", ""]);
        assert_eq!(parts("ab\ncd\n", &[1, 6], "ab\nCD\n"), ["a", "b\nCD\n"]);
        assert_eq!(parts("", &[0], "x"), ["x"]);
    }

    #[test]
    fn weights_leave_blanks_out() {
        let alignment = Alignment::of(b"a b\nx\n", b"  a\na b\n");
        assert_eq!(alignment.kept(), 2);
        assert_eq!(alignment.new.within(4..8), 1..2);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(old in "[ab\n]{0,30}", new in "[ab\n]{0,30}", cut in 0usize..30) {
            let cut = cut.min(old.len());
            prop_assert_eq!(parts(&old, &[cut, old.len()], &new).concat(), new);
        }
    }
}
