//! What differs between two texts, line by line or word by word, and how some of it is applied.

use imara_diff::{Algorithm, Diff, InternedInput};
use std::ops::Range;

/// Old pieces that go, and the new ones that come in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit<'a> {
    /// Which pieces go.
    pub(super) old: Range<usize>,
    /// What comes.
    pub(super) new: Vec<&'a [u8]>,
}

/// The lines of a text, with their ends.
pub(super) fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The words, numbers, signs and blanks of a line.
pub(super) fn words(line: &[u8]) -> Vec<&[u8]> {
    let class = |byte: u8| match byte {
        b'_' => 1,
        byte if byte.is_ascii_alphanumeric() || byte >= 0x80 => 1,
        byte if byte.is_ascii_whitespace() => 2,
        _ => 3,
    };
    line.chunk_by(|left, right| class(*left) == class(*right) && class(*left) != 3).collect()
}

/// What turns one list of lines into the other.
pub(super) fn line_edits<'a>(old: &[&[u8]], new: &[&'a [u8]]) -> Vec<Edit<'a>> {
    let input = interned(old, new);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    edits(&diff, new)
}

/// What turns one list of words into the other.
pub(super) fn word_edits<'a>(old: &[&[u8]], new: &[&'a [u8]]) -> Vec<Edit<'a>> {
    edits(&Diff::compute(Algorithm::Myers, &interned(old, new)), new)
}

fn interned<'a>(old: &[&'a [u8]], new: &[&'a [u8]]) -> InternedInput<&'a [u8]> {
    let mut input = InternedInput::default();
    input.update_before(old.iter().copied());
    input.update_after(new.iter().copied());
    input
}

fn edits<'a>(diff: &Diff, new: &[&'a [u8]]) -> Vec<Edit<'a>> {
    let come = |range: Range<u32>| new.get(range.start as usize..range.end as usize).unwrap_or_default();
    diff.hunks()
        .map(|hunk| Edit {
            old: hunk.before.start as usize..hunk.before.end as usize,
            new: come(hunk.after).to_vec(),
        })
        .collect()
}

/// The pieces after some edits, which do not cross one another; those at one place come in their order.
pub(super) fn applied<'a>(old: &[&'a [u8]], edits: &[Edit<'a>]) -> Vec<&'a [u8]> {
    let mut ordered: Vec<&Edit> = edits.iter().collect();
    ordered.sort_by_key(|edit| (edit.old.start, edit.old.end));
    let (mut out, mut at) = (Vec::new(), 0);
    for edit in ordered {
        out.extend(old.get(at..edit.old.start).unwrap_or_default());
        out.extend(&edit.new);
        at = edit.old.end;
    }
    out.extend(old.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_edits_make_the_new_text_of_the_old() {
        let (old, new) = (lines(b"a\nb\nc\nd\n"), lines(b"a\nB\nc\nd\ne"));
        let edits = line_edits(&old, &new);
        assert_eq!(edits.len(), 2);
        assert_eq!(applied(&old, &edits), new);
        assert_eq!(applied(&old, &edits[1..]).concat(), b"a\nb\nc\nd\ne");
        let (old, new) = (words(b"let x_1 = f(a, b);"), words(b"let y = f(a, c);"));
        assert_eq!(applied(&old, &word_edits(&old, &new)), new);
        assert_eq!(word_edits(&old, &new).len(), 2);
    }
}
