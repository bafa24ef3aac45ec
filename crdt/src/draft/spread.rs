//! A new text laid over the pieces of the old one, without knowing what either says.
//!
//! The lines that both texts have in common tell where a border between two old pieces
//! lies in the new text. So the pieces stay, each is edited on its own, and together they
//! show the new text exactly.

use crate::matching::common_lines;

/// The part of `new` that belongs to each piece of `old`, by the ends of the pieces.
pub(crate) fn spread(old: &[u8], ends: &[usize], new: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (old_lines, new_lines) = (lines(old), lines(new));
    let pairs = common_lines(&old_lines, &new_lines);
    let (old_starts, new_starts) = (starts(&old_lines), starts(&new_lines));
    let border = |at: usize| border(at, &old_starts, &new_starts, &pairs);
    let mut ranges = Vec::with_capacity(ends.len());
    let mut from = 0;
    for (index, end) in ends.iter().enumerate() {
        let last = index + 1 == ends.len();
        let to = if last { new.len() } else { border(*end).clamp(from, new.len()) };
        ranges.push(from..to);
        from = to;
    }
    ranges
}

/// Where the border at byte `at` of the old text lies in the new one.
fn border(at: usize, old: &[usize], new: &[usize], pairs: &[(usize, usize)]) -> usize {
    let line = old.partition_point(|start| *start <= at).saturating_sub(1);
    let within = at - old.get(line).copied().unwrap_or_default();
    let start = |line: usize| new.get(line).or(new.last()).copied().unwrap_or_default();
    let next = pairs.partition_point(|pair| pair.0 < line);
    let last = (old.len() - 1, new.len() - 1);
    let (old_next, new_next) = pairs.get(next).copied().unwrap_or(last);
    if old_next == line {
        return start(new_next) + within;
    }
    let before = next.checked_sub(1).and_then(|before| pairs.get(before));
    let (old_from, new_from) = before.map_or((0, 0), |pair| (pair.0 + 1, pair.1 + 1));
    let into = line - old_from + usize::from(within > 0);
    start((new_from + into).min(new_next))
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The first byte of each line, and the end of the text.
fn starts(lines: &[&[u8]]) -> Vec<usize> {
    let ends = lines.iter().scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts<'a>(old: &str, ends: &[usize], new: &'a str) -> Vec<&'a str> {
        spread(old.as_bytes(), ends, new.as_bytes()).into_iter().map(|range| &new[range]).collect()
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

    proptest! {
        #[test]
        fn the_parts_are_the_whole(old in "[ab\n]{0,30}", new in "[ab\n]{0,30}", cut in 0usize..30) {
            let cut = cut.min(old.len());
            prop_assert_eq!(parts(&old, &[cut, old.len()], &new).concat(), new);
        }
    }
}
