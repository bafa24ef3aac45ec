//! A text as a tree, within limits that no clock has a say in.
//!
//! Some grammars look far ahead at every token, or try many readings of what is broken;
//! then a parse takes the square of the text's size. So the bytes that a parser reads and
//! the steps that it takes are counted, and a text that asks for too many is not parsed.
//! What no grammar should even be asked about is told before ([`guard`](super::guard)).

use std::cell::Cell;
use std::ops::ControlFlow;

use crate::languages::Language;
use crate::syntax::guard::is_beyond;
use tree_sitter::{Node, ParseOptions, ParseState, Parser, Point, Tree};

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

/// The tree of a text; `None` if the text is beyond what a grammar is asked to follow.
pub(super) fn parse(language: &Language, bytes: &[u8]) -> Option<Tree> {
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
    let tree = parser.parse_with_options(&mut read, None, Some(options))?;
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
