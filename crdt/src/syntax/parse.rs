//! A text as a tree, within limits that no clock has a say in.
//!
//! Some grammars look far ahead at every token, or try many readings of what is broken;
//! then a parse takes the square of the text's size. So the bytes that a parser reads and
//! the steps that it takes are counted, and a text that asks for too many is not parsed.
//! A grammar's own scanner keeps its state in a small buffer, and some overrun it where
//! a text nests too deep: such texts are told before anything is parsed.

use std::cell::Cell;
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Point, Tree};

/// The most bytes that are parsed; what is larger is cut at line borders.
pub const PARSED_BYTES_MAX: usize = 1 << 20;
/// How many brackets may be open at once in what is parsed.
const BRACKETS_MAX: usize = 1000;
/// How many levels of indentation may lie in one another.
const INDENTS_MAX: usize = 200;
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
/// A parser says where it is once in this many steps.
const STEPS_AT_ONCE: usize = 100;

/// The tree of a text; `None` if the text is beyond what a grammar is asked to follow.
pub(super) fn parse(grammar: &tree_sitter::Language, bytes: &[u8]) -> Option<Tree> {
    if bytes.len() > PARSED_BYTES_MAX || nests_too_deep(bytes) {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(grammar).ok()?;
    let size = bytes.len().max(SHORT_BYTES);
    let reads = Cell::new(size * READS_PER_BYTE / CHUNK_BYTES);
    let mut steps = (size * STEPS_PER_BYTE).min(STEPS_MAX) / STEPS_AT_ONCE;
    let mut read = |at: usize, _: Point| {
        reads.set(reads.get().saturating_sub(1));
        bytes.get(at..bytes.len().min(at + CHUNK_BYTES)).unwrap_or_default()
    };
    let mut step = |_: &ParseState| {
        steps = steps.saturating_sub(1);
        if steps == 0 || reads.get() == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut step);
    let tree = parser.parse_with_options(&mut read, None, Some(options))?;
    (!is_mostly_broken(tree.root_node(), bytes.len())).then_some(tree)
}

/// Whether more is open at once than any grammar should be asked to follow.
fn nests_too_deep(bytes: &[u8]) -> bool {
    let mut depth = 0usize;
    let brackets = bytes.iter().any(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > BRACKETS_MAX
    });
    brackets || indents_too_deep(bytes)
}

/// Whether lines are indented under one another too often; marks of lists and quotes indent what follows them.
fn indents_too_deep(bytes: &[u8]) -> bool {
    let mut columns: Vec<usize> = Vec::new();
    bytes.split(|byte| *byte == b'\n').any(|line| {
        let mut at = 0;
        for (number, word) in line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).enumerate() {
            let column = at;
            at += word.len() + 1;
            let first = line.get(..column).is_none_or(|before| before.trim_ascii().is_empty());
            if !word.is_empty() && (first || (number > 0 && is_list_mark(word))) {
                columns.truncate(columns.partition_point(|other| *other < column));
                columns.push(column);
            }
        }
        columns.len() > INDENTS_MAX
    })
}

fn is_list_mark(word: &[u8]) -> bool {
    match word {
        [b'-' | b'?' | b':' | b'>' | b'*' | b'+'] => true,
        [number @ .., b'.' | b')'] => !number.is_empty() && number.iter().all(u8::is_ascii_digit),
        _ => false,
    }
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
