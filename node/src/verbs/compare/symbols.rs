//! Differences as people speak of them: which item changed, moved or got another name.

use cairn_crdt::compare::{FilePair, SymbolChange, SymbolChangeKind, Text, symbols as compare};
use serde::{Deserialize, Serialize};

use super::{Differing, Half, Side};
use crate::uri::path_text;

/// One item or key that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolDiff {
    /// `added`, `removed`, `changed`, `moved` or `renamed`.
    pub change: String,
    /// Where it is; where it was, if it was removed.
    #[serde(flatten)]
    pub at: SymbolAt,
    /// Where it was, if that is somewhere else or under another name.
    pub from: Option<SymbolAt>,
    /// Whether a moved or renamed item says something else too.
    pub edited: bool,
    /// The value that a key had.
    pub old: Option<String>,
    /// The value that a key has.
    pub new: Option<String>,
}

/// Where an item or a key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolAt {
    /// The file.
    pub path: String,
    /// `fn(Point::norm)` for an item, `optimizer.lr` for a key.
    pub symbol: String,
    /// The line where it begins.
    pub line: usize,
}

/// The items and keys that differ in files that differ.
pub(super) fn symbols(files: &[Differing]) -> Vec<SymbolDiff> {
    let pairs: Vec<_> = files
        .iter()
        .map(|file| FilePair { old: file.old.as_ref().and_then(text), new: file.new.as_ref().and_then(text) })
        .collect();
    compare(&pairs).into_iter().filter_map(told).collect()
}

fn text(half: &Half) -> Option<Text<'_>> {
    let Side::Text(text) = &half.side else { return None };
    Some(Text { path: &half.path, bytes: text.as_bytes(), pieces: &half.pieces })
}

fn told(change: SymbolChange) -> Option<SymbolDiff> {
    let SymbolChange { kind, old, new, edited } = change;
    let at = |symbol: &cairn_crdt::compare::Symbol| SymbolAt {
        path: path_text(&symbol.path),
        symbol: symbol.name.clone(),
        line: symbol.line,
    };
    let elsewhere = matches!(kind, SymbolChangeKind::Moved | SymbolChangeKind::Renamed);
    Some(SymbolDiff {
        change: word(kind).to_owned(),
        at: at(new.as_ref().or(old.as_ref())?),
        from: old.as_ref().filter(|_| elsewhere).map(at),
        edited,
        old: old.and_then(|symbol| symbol.value),
        new: new.and_then(|symbol| symbol.value),
    })
}

fn word(kind: SymbolChangeKind) -> &'static str {
    match kind {
        SymbolChangeKind::Added => "added",
        SymbolChangeKind::Removed => "removed",
        SymbolChangeKind::Changed => "changed",
        SymbolChangeKind::Moved => "moved",
        SymbolChangeKind::Renamed => "renamed",
    }
}
