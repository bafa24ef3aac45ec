//! A text as a tree, within limits that no clock has a say in.
//!
//! Some grammars look far ahead at every token, or try many readings of what is broken;
//! then a parse takes the square of the text's size. So the bytes that a parser reads and
//! the steps that it takes are counted, and a text that asks for too many is not parsed.
//! What no grammar should even be asked about is told before ([`guard`](super::guard)).

use std::cell::Cell;
use std::ops::{ControlFlow, Range};

use crate::languages::Language;
use crate::syntax::guard::is_beyond;
use tree_sitter::{InputEdit, Node, ParseOptions, ParseState, Parser, Point, Tree};

/// The most bytes that are parsed; what is larger is cut at line borders.
pub const PARSED_BYTES_MAX: usize = 1 << 20;
/// How many bytes a parser is handed at once; what it reads again is counted in these.
const CHUNK_BYTES: usize = 256;
/// How many bytes a parser may read for each byte of the text; of 9,000 real files the worst took 12.
const READS_PER_BYTE: usize = 32;
/// How many steps a parser may take for each byte of the text; of 9,000 real files the worst took 4.
const STEPS_PER_BYTE: usize = 8;
/// How many bytes a short text counts as.
const SHORT_BYTES: usize = 4 << 10;
/// How many steps a parser may take however long the text is.
const STEPS_MAX: usize = 1 << 20;
/// How often a parser may be found with no reading left that makes sense; of 7,000 real files the worst came to 131.
const LOST_MAX: usize = 256;
/// A parser says where it is once in this many steps.
const STEPS_AT_ONCE: usize = 100;

/// A text of which the tree is known, and where a new one differs from it.
pub(crate) struct Before<'a> {
    /// The tree of the old text.
    pub(crate) tree: Tree,
    /// The old text.
    pub(crate) text: &'a [u8],
    /// What goes from the old text and what of the new one comes in its place, rising.
    pub(crate) changed: &'a [(Range<usize>, Range<usize>)],
}

/// The tree of a text; `None` if the text is beyond what a grammar is asked to follow.
///
/// Of a text that is mostly an old one only what changed is read. What has a mistake in it is read as a
/// whole: how a grammar makes sense of that depends on where it began.
pub(super) fn parse(language: &Language, bytes: &[u8], before: Option<Before<'_>>) -> Option<Tree> {
    if let Some(Before { tree, .. }) = before.as_ref().filter(|before| before.text == bytes) {
        return Some(tree.clone());
    }
    let again = before.filter(|before| !before.tree.root_node().has_error());
    let again = again.and_then(|before| parse_on(language, bytes, Some(&before.edited(bytes))));
    again.filter(|tree| !tree.root_node().has_error()).or_else(|| parse_on(language, bytes, None))
}

impl Before<'_> {
    /// The tree with what changed left open.
    fn edited(self, new: &[u8]) -> Tree {
        let mut tree = self.tree;
        // From the end, so that what lies before stays where it was.
        let lines = Points::of(self.text);
        for (gone, come) in self.changed.iter().rev() {
            let start_position = lines.point(gone.start);
            tree.edit(&InputEdit {
                start_byte: gone.start,
                old_end_byte: gone.end,
                new_end_byte: gone.start + come.len(),
                start_position,
                old_end_position: lines.point(gone.end),
                new_end_position: behind(start_position, new.get(come.clone()).unwrap_or_default()),
            });
        }
        tree
    }
}

/// The lines of a text.
struct Points {
    starts: Vec<usize>,
}

impl Points {
    fn of(text: &[u8]) -> Self {
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(ends).collect() }
    }

    fn point(&self, at: usize) -> Point {
        let row = self.starts.partition_point(|start| *start <= at).saturating_sub(1);
        Point::new(row, at - self.starts.get(row).copied().unwrap_or_default())
    }
}

/// Where one stands behind a text that begins at `from`.
fn behind(from: Point, text: &[u8]) -> Point {
    match text.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => {
            let rows = text.iter().filter(|byte| **byte == b'\n').count();
            Point::new(from.row + rows, text.len() - last - 1)
        }
        None => Point::new(from.row, from.column + text.len()),
    }
}

fn parse_on(language: &Language, bytes: &[u8], before: Option<&Tree>) -> Option<Tree> {
    if bytes.len() > PARSED_BYTES_MAX || is_beyond(bytes) || (language.beyond)(bytes) {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(&(language.grammar)()).ok()?;
    let size = bytes.len().max(SHORT_BYTES);
    let reads = Cell::new(size * READS_PER_BYTE / CHUNK_BYTES);
    let mut steps = (size * STEPS_PER_BYTE).min(STEPS_MAX) / STEPS_AT_ONCE;
    let mut read = |at: usize, _: Point| {
        reads.set(reads.get().saturating_sub(1));
        bytes.get(at..bytes.len().min(at + CHUNK_BYTES)).unwrap_or_default()
    };
    let mut lost = 0;
    let mut step = |state: &ParseState| {
        steps = steps.saturating_sub(1);
        lost += usize::from(state.has_error());
        if steps == 0 || lost > LOST_MAX || reads.get() == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let options = ParseOptions::new().progress_callback(&mut step);
    let tree = parser.parse_with_options(&mut read, before, Some(options))?;
    (!is_mostly_broken(tree.root_node(), bytes.len())).then_some(tree)
}

/// Whether a grammar understands less than half of a text.
fn is_mostly_broken(root: Node<'_>, bytes: usize) -> bool {
    let mut broken = 0;
    let mut cursor = root.walk();
    loop {
        let node = cursor.node();
        if node.is_error() {
            broken += node.byte_range().len();
        }
        let inside = node.has_error() && !node.is_error() && cursor.goto_first_child();
        while !inside && !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return broken * 2 > bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_by_row_and_column() {
        let lines = Points::of(b"ab\ncd\n");
        let at = [0, 2, 3, 5, 6].map(|at| lines.point(at));
        assert_eq!(at, [(0, 0), (0, 2), (1, 0), (1, 2), (2, 0)].map(|(row, column)| Point { row, column }));
        assert_eq!(behind(Point::new(1, 2), b"x"), Point::new(1, 3));
        assert_eq!(behind(Point::new(1, 2), b"x\nyz"), Point::new(2, 2));
    }
}
