//! An edit inside one item, for which nothing is parsed.
//!
//! Most posts change a few lines in the body of one function. If the first and the last line
//! of the item stay, brackets and quotes are left as they were and every new line is indented
//! deeper than the item begins, then the pieces are what they were, and only one has a new
//! text. Should that guess be wrong, the text is right all the same, and the next edit
//! that is not of this kind cuts anew.

use std::ops::Range;

use super::{Items, TextEdit};
use crate::diff::keeps_brackets;
use crate::error::CrdtError;
use crate::op::NodeKind;
use crate::view::outline::{Entry, Outline};

impl Items<'_, '_> {
    /// Writes an edit that is inside one item; says whether it was one.
    pub(super) fn touch(&mut self, edit: &TextEdit) -> Result<bool, CrdtError> {
        if edit.fresh || self.desk.is_untouched(&edit.leaf) {
            return Ok(false);
        }
        let outline = self.desk.outline(edit.node, edit.leaf)?;
        let Some((gone, come)) = changed(&outline.bytes, &edit.new) else { return Ok(true) };
        let Some(entry) = around(&outline, &gone) else { return Ok(false) };
        let Some(leaf) = entry.leaf.filter(|_| is_inside(&outline, entry, &edit.new, &gone, &come)) else {
            return Ok(false);
        };
        let behind = outline.bytes.len() - entry.end;
        let text = edit.new.get(entry.start..edit.new.len() - behind).unwrap_or_default();
        self.desk.edit(leaf, text)?;
        Ok(true)
    }
}

/// The bytes that go and those that come; none if the texts are equal.
fn changed(old: &[u8], new: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (old.get(start..)?, new.get(start..)?);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (gone, come) = (start..old.len() - end, start..new.len() - end);
    (!gone.is_empty() || !come.is_empty()).then_some((gone, come))
}

/// The innermost item that a change lies in, if it holds no pieces.
fn around<'a>(outline: &'a Outline, gone: &Range<usize>) -> Option<&'a Entry> {
    let holds = |entry: &&Entry| entry.start < gone.start && gone.end < entry.end;
    let entry = outline.entries.iter().skip(1).rev().find(holds)?;
    let is_item = matches!(entry.place.as_ref()?.kind, NodeKind::Item(_));
    is_item.then_some(entry)
}

/// Whether a change leaves the outside of an item as it was.
fn is_inside(outline: &Outline, entry: &Entry, new: &[u8], gone: &Range<usize>, come: &Range<usize>) -> bool {
    let text = outline.text(entry);
    let (head, tail) = edges(text);
    let within = entry.start + head.end <= gone.start && gone.end <= entry.start + tail;
    let line_start = |bytes: &[u8], at: usize| {
        bytes.get(..at).and_then(|head| head.iter().rposition(|byte| *byte == b'\n')).map_or(0, |at| at + 1)
    };
    let from = line_start(new, come.start);
    let to = new.get(come.end..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'));
    let to = to.map_or(new.len(), |more| come.end + more);
    let depth = indent(text.get(head).unwrap_or_default());
    let lines = new.get(from..to).unwrap_or_default().split(|byte| *byte == b'\n');
    let deeper = |line: &[u8]| line.trim_ascii().is_empty() || indent(line) > depth;
    let was = outline.bytes.get(line_start(&outline.bytes, gone.start)..gone.end).unwrap_or_default();
    let is = new.get(from..come.end).unwrap_or_default();
    within && lines.into_iter().all(deeper) && keeps_brackets(was, is)
}

/// The first line of an item that says something, and where its last one begins.
fn edges(text: &[u8]) -> (Range<usize>, usize) {
    let mut at = 0;
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
        at += line.len();
        (at - line.len()..at, line)
    });
    let says = |(_, line): &(Range<usize>, &[u8])| !line.trim_ascii().is_empty();
    let head = lines.find(says).map_or(0..0, |(range, _)| range);
    let tail = lines.filter(says).last().map_or(0, |(range, _)| range.start);
    (head, tail)
}

fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_between_what_both_have() {
        assert_eq!(changed(b"abcd", b"axd"), Some((1..3, 1..2)));
        assert_eq!(changed(b"aa", b"aaa"), Some((2..2, 2..3)));
        assert_eq!(changed(b"same", b"same"), None);
    }

    #[test]
    fn the_edges_of_an_item_are_its_first_and_last_line() {
        assert_eq!(edges(b"\nfn a() {\n    1\n}\n"), (1..10, 16));
        assert_eq!(edges(b"fn a() {}\n"), (0..10, 0));
    }
}
