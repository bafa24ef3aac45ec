//! An edit inside one item, for which nothing is parsed.
//!
//! Most posts change a few lines in the body of one function. If the first and the last line
//! of the item stay, brackets and quotes are left as they were and every new line is indented
//! deeper than the item begins, then the pieces are what they were, and only one has a new
//! text. Should that guess be wrong, the text is right all the same, and the next edit
//! that is not of this kind cuts anew.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Items, TextEdit};
use crate::diff::keeps_brackets;
use crate::draft::align::Alignment;
use crate::error::CrdtError;
use crate::id::LeafId;
use crate::languages::has_items;
use crate::op::NodeKind;
use crate::view::outline::{Entry, Outline};

impl Items<'_, '_> {
    /// Writes an edit of which every part is inside an item; says whether it was one.
    pub(super) fn touch(
        &mut self,
        edit: &TextEdit,
        outline: &Outline,
        alignment: &Alignment<'_>,
    ) -> Result<bool, CrdtError> {
        let codec = self.codec(edit.leaf)?;
        let mut touched = BTreeSet::new();
        for (gone, come) in alignment.changed() {
            let Some(leaf) = inside(codec, outline, &edit.new, (&gone, &come)) else { return Ok(false) };
            touched.insert(leaf);
        }
        let leaves = outline.entries.iter().filter_map(|entry| Some((entry.leaf?, entry.end)));
        let (leaves, ends): (Vec<LeafId>, Vec<usize>) = leaves.unzip();
        for (leaf, range) in leaves.iter().zip(alignment.spread(&ends)) {
            if touched.contains(leaf) {
                self.desk.edit(*leaf, edit.new.get(range).unwrap_or_default())?;
            }
        }
        Ok(true)
    }
}

/// The leaf of the item that a change is inside of, unless the change may have brought items into it.
fn inside(
    codec: u16,
    outline: &Outline,
    new: &[u8],
    (gone, come): (&Range<usize>, &Range<usize>),
) -> Option<LeafId> {
    let entry = around(outline, gone)?;
    let whole = !has_items(codec, &entry.place.as_ref()?.kind);
    entry.leaf.filter(|_| whole && is_inside(outline, entry, new, gone, come))
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
    let depth = indent(text.get(head).unwrap_or_default());
    let is = new.get(come.clone()).unwrap_or_default();
    let was = outline.bytes.get(gone.clone()).unwrap_or_default();
    let deeper = |line: &[u8]| line.trim_ascii().is_empty() || indent(line) > depth;
    let mut lines = was.split(|byte| *byte == b'\n').chain(is.split(|byte| *byte == b'\n'));
    within && lines.all(deeper) && keeps_brackets(was, is)
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
    fn the_edges_of_an_item_are_its_first_and_last_line() {
        assert_eq!(edges(b"\nfn a() {\n    1\n}\n"), (1..10, 16));
        assert_eq!(edges(b"fn a() {}\n"), (0..10, 0));
    }
}
