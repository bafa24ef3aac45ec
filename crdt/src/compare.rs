//! What differs between two versions, item by item: for people who read, not for what merges.
//!
//! Items are read from the bytes of both sides, so a file that nobody has cut yet is told like any
//! other. Where a version knows its items as nodes, a node is the same item whatever it is called and
//! wherever it stands; the others are matched by their names, then by what they hold.
//! Configuration is told by key and value.

mod items;
mod pairing;
mod verdict;

use std::collections::BTreeMap;

use crate::languages::codec_of;
use crate::lines::Lines;
use crate::matching::{Candidate, pairs};
use crate::path::RepoPath;
use crate::pieces::Piece;
use crate::syntax::settings;
pub use items::{ItemAt, items_of};

use items::Items;
use pairing::Pairing;

/// One side of a file.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Its path.
    pub path: &'a RepoPath,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its items as nodes, as far as they are known.
    pub pieces: &'a [Piece],
}

/// A file on both sides; it may have another path on each.
#[derive(Debug, Clone, Copy)]
pub struct FilePair<'a> {
    /// As it was.
    pub old: Option<Text<'a>>,
    /// As it is.
    pub new: Option<Text<'a>>,
}

/// What became of an item or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolChangeKind {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It says something else.
    Changed,
    /// It stands somewhere else: in another file, in another item, or in another order.
    Moved,
    /// It has another name.
    Renamed,
}

/// An item or a key on one side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    /// The file.
    pub path: RepoPath,
    /// `fn(Point::norm)` for an item, `optimizer.lr` for a key.
    pub name: String,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The value of a key.
    pub value: Option<String>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolChange {
    /// What became of it.
    pub kind: SymbolChangeKind,
    /// As it was; `None` for what was added.
    pub old: Option<Symbol>,
    /// As it is; `None` for what was removed.
    pub new: Option<Symbol>,
    /// Whether a moved or renamed item also says something else.
    pub edited: bool,
}

impl SymbolChange {
    /// By file and line, as it is where it is.
    fn order(&self) -> Option<(&RepoPath, usize, &str, SymbolChangeKind)> {
        let symbol = self.new.as_ref().or(self.old.as_ref())?;
        Some((&symbol.path, symbol.line, &symbol.name, self.kind))
    }
}

/// What differs in these files, item by item, in the order of files and lines.
///
/// Of a file that came or went as a whole only those items are told that are also on the other side.
pub fn symbols(files: &[FilePair<'_>]) -> Vec<SymbolChange> {
    let mut changes = Vec::new();
    let mut code = Vec::new();
    for file in files {
        match keys(file) {
            Some(keys) => changes.extend(keys),
            None => code.push(*file),
        }
    }
    let old = Items::of(code.iter().map(|file| file.old));
    let new = Items::of(code.iter().map(|file| file.new));
    let pairing = Pairing::of(&old, &new);
    changes.extend(verdict::changes(&code, &old, &new, &pairing));
    changes.sort_by(|a, b| a.order().cmp(&b.order()));
    changes
}

/// Which texts that came are texts that went, as pairs of numbers: equal ones, else the most alike.
pub fn renames(gone: &[(&RepoPath, &[u8])], come: &[(&RepoPath, &[u8])]) -> Vec<(usize, usize)> {
    let says = |(_, (_, text)): &(usize, &(&RepoPath, &[u8]))| !text.trim_ascii().is_empty();
    let old: Vec<_> = gone.iter().enumerate().filter(says).collect();
    let new: Vec<_> = come.iter().enumerate().filter(says).collect();
    let left: Vec<_> = old.iter().map(|(_, side)| whole(side)).collect();
    let right: Vec<_> = new.iter().map(|(_, side)| whole(side)).collect();
    let found = pairs(&left, &right).into_iter();
    found.filter_map(|(o, n)| Some((old.get(o)?.0, new.get(n)?.0))).collect()
}

/// A whole file as what is matched.
fn whole<'a>((path, text): &(&'a RepoPath, &'a [u8])) -> Candidate<'a, ()> {
    let name = path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Candidate { kind: (), name, text }
}

/// The differences of a configuration file; `None` where a side is none.
fn keys(file: &FilePair<'_>) -> Option<Vec<SymbolChange>> {
    let (old, new) = (file.old?, file.new?);
    let read = |text: &Text<'_>| {
        let settings = settings(codec_of(text.path.name().as_bytes()), text.bytes)?;
        let lines = Lines::of(text.bytes);
        let symbol = |path, value, start| {
            let line = lines.number(start);
            Symbol { path: text.path.clone(), name: path, line, value: Some(value) }
        };
        let each = settings.into_iter().map(|one| (one.path.clone(), symbol(one.path, one.value, one.start)));
        Some(each.collect::<BTreeMap<_, _>>())
    };
    let (mut before, after) = (read(&old)?, read(&new)?);
    let mut changes = Vec::new();
    for (path, new) in after {
        let old = before.remove(&path);
        let kind = match &old {
            None => SymbolChangeKind::Added,
            Some(old) if old.value != new.value => SymbolChangeKind::Changed,
            Some(_) => continue,
        };
        changes.push(SymbolChange { kind, old, new: Some(new), edited: false });
    }
    let gone = before.into_values();
    let gone = gone.map(|old| SymbolChange {
        kind: SymbolChangeKind::Removed,
        old: Some(old),
        new: None,
        edited: false,
    });
    changes.extend(gone);
    Some(changes)
}

#[cfg(test)]
mod tests;
