//! Lines that are members of a set, told from tokens alone: imports, fields, variants, entries of a list.
//!
//! What both sides add to a set is wanted once, and what either adds is wanted. As one run, two
//! blocks of lines that have some in common would both be kept, and those would be there twice. So an
//! author who adds members in the order that the view gives them anyway, that of their text, adds each by itself.

use std::ops::Range;

use crate::brackets::Open;

/// The most lines that are added one by one.
const MEMBERS_MAX: usize = 64;
/// How a line begins that brings in a name.
const IMPORTS: [&[u8]; 6] = [b"use", b"import", b"from", b"mod", b"using", b"require"];
/// Words that may stand before.
const BEFORE: [&[u8]; 2] = [b"pub", b"export"];

/// The lines of an insertion, if each is a member of a set and they are in the order of their text.
pub(crate) fn members(tokens: &[&[u8]]) -> Option<Vec<Range<usize>>> {
    let mut start = 0;
    let ends = tokens.iter().enumerate().filter(|(_, token)| token.ends_with(b"\n"));
    let lines: Vec<_> = ends.map(|(at, _)| std::mem::replace(&mut start, at + 1)..at + 1).collect();
    let fits = start == tokens.len() && (2..=MEMBERS_MAX).contains(&lines.len());
    let line = |range: &Range<usize>| &tokens[range.clone()];
    let rising = |pair: &[Range<usize>]| line(&pair[0]).concat() < line(&pair[1]).concat();
    let apart = |at: usize| {
        let others = lines.iter().enumerate().filter(|(other, _)| *other != at);
        others.into_iter().all(|(_, other)| !line(other).ends_with(line(&lines[at])))
    };
    let is_set = fits
        && lines.iter().all(|range| is_member(line(range)))
        && lines.windows(2).all(rising)
        && (0..lines.len()).all(apart);
    is_set.then_some(lines)
}

/// Whether a line stands for itself: a whole member, with the comma behind it or the word before it.
fn is_member(line: &[&[u8]]) -> bool {
    let blank = |token: &&&[u8]| token.iter().all(u8::is_ascii_whitespace);
    let says: Vec<&[u8]> = line.iter().filter(|token| !blank(token)).copied().collect();
    let mut words = says.iter().skip_while(|word| BEFORE.contains(word));
    let imports = match words.next() {
        Some([b'#']) => words.next().is_some_and(|word| *word == b"include"),
        Some([b'-']) => true,
        Some(first) => IMPORTS.contains(first),
        None => false,
    };
    let listed = says.len() > 1 && says.last().is_some_and(|last| *last == b",");
    (imports || listed) && Open::of(line) == Open::default()
}

/// Whether a run is a part of a set's members that a longer run begins or ends with.
pub(crate) fn is_part(part: &[Vec<u8>], longer: &[Vec<u8>]) -> bool {
    let (Some(first), Some(last)) = (part.first(), part.last()) else { return false };
    let is_blank = |token: &Vec<u8>| token.iter().all(u8::is_ascii_whitespace);
    let lines = last.ends_with(b"\n");
    let leads = first == b",";
    let trails = part.iter().rfind(|token| !is_blank(token)).is_some_and(|token| token == b",");
    let Some(more) = longer.len().checked_sub(part.len()).filter(|more| *more > 0) else { return false };
    let border = |before: &Vec<u8>, behind: &Vec<u8>| match lines {
        true => before.ends_with(b"\n"),
        false => (leads && behind == b",") || (trails && (is_blank(before) || before == b",")),
    };
    let border = |at: usize| border(&longer[at - 1], &longer[at]);
    (lines || leads || trails)
        && ((longer.starts_with(part) && border(part.len())) || (longer.ends_with(part) && border(more)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tokenize;

    fn count(text: &str) -> Option<usize> {
        members(&tokenize(text.as_bytes())).map(|lines| lines.len())
    }

    #[test]
    fn a_part_ends_where_a_member_does() {
        let own = |text: &str| tokenize(text.as_bytes()).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        let is = |part: &str, longer: &str| is_part(&own(part), &own(longer));
        assert!(is("a\n", "a\nb\n") && is("b\n", "a\nb\n") && is(", a", ", a, b") && is(", b", ", a, b"));
        assert!(is("a, ", "a, b, ") && is("b, ", "a, b, ") && is(",\n  a", ",\n  a,\n  b"));
        assert!(!is("b\n", "a b\n") && !is(", a", ", a.b") && !is("b, ", "a.b, ") && !is("a", "a b"));
        assert!(!is("a\n", "a\n") && !is("", "a"));
    }

    #[test]
    fn members_are_whole_lines_in_order() {
        assert_eq!(count("use a::b;\nuse c;\n"), Some(2));
        assert_eq!(count("    a: u8,\n    b: Vec<u8>,\n    c(u8),\n"), Some(3));
        assert_eq!(count("#include <a>\n#include <b>\n"), Some(2));
        assert_eq!(count("  - a\n  - b: 1\n"), Some(2));
        let others =
            ["use c;\nuse a;\n", "use a;\n", "f(a,\nf(b,\n", "a();\nb();\n", "use a;\nuse b;", "a b,\nb,\n"];
        assert_eq!(others.map(count), [None; 6]);
    }
}
