//! The items of texts, read from their bytes.

use crate::compare::Text;
use crate::id::NodeId;
use crate::languages::{codec_of, joint};
use crate::lines::Lines;
use crate::op::NodeKind;
use crate::path::RepoPath;
use crate::pieces::Piece;
use crate::syntax::cut;

/// A file of more pieces is told by lines.
const CUTS_TOLD_MAX: usize = 20_000;

/// An item of one text, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemAt {
    /// The grammar's word for it: `fn`, `class`.
    pub word: String,
    /// Its own name.
    pub name: Vec<u8>,
    /// Its name with those of the items around it: `Point::norm`.
    pub full: String,
    /// Its first byte; comments and blank lines that lead to it are part of it.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// The item around it, as its number in the list.
    pub above: Option<usize>,
}

impl ItemAt {
    /// `fn(Point::norm)`.
    pub fn spell(&self) -> String {
        format!("{}({})", self.word, self.full)
    }

    /// The piece that is this item, if it is known as a node.
    pub fn piece<'a>(&self, pieces: &'a [Piece]) -> Option<&'a Piece> {
        let same = |piece: &&Piece| {
            let overlaps = piece.start < self.end && piece.end > self.start;
            let named = matches!(&piece.kind, NodeKind::Item(word) if *word == self.word);
            overlaps && named && piece.name == self.name
        };
        pieces.iter().find(same)
    }
}

/// The items of a file by its name and bytes, each before those inside it; none of a file that has too many to be told.
pub fn items_of(path: &RepoPath, bytes: &[u8]) -> Vec<ItemAt> {
    let (codec, cuts) = cut(codec_of(path.name().as_bytes()), bytes);
    if cuts.len() > CUTS_TOLD_MAX {
        return Vec::new();
    }
    let mut items: Vec<ItemAt> = Vec::new();
    let mut open: Vec<(u8, usize)> = Vec::new();
    for cut in cuts {
        let NodeKind::Item(word) = cut.kind else { continue };
        while open.last().is_some_and(|(depth, _)| *depth >= cut.depth) {
            open.pop();
        }
        let above = open.last().map(|(_, index)| *index);
        let own = String::from_utf8_lossy(&cut.name).into_owned();
        let full = match above.and_then(|above| items.get(above)) {
            Some(around) => [&around.full, joint(codec), &own].concat(),
            None => own,
        };
        open.push((cut.depth, items.len()));
        let (start, end) = (cut.start as usize, cut.end as usize);
        items.push(ItemAt { word, name: cut.name, full, start, end, above });
    }
    items
}

/// An item of one of several files.
#[derive(Debug)]
pub(super) struct Item {
    /// Which file.
    pub(super) file: usize,
    pub(super) at: ItemAt,
    /// The item around it, as its number among those of all files.
    pub(super) above: Option<usize>,
    pub(super) node: Option<NodeId>,
    /// The line of the first thing in it that is not blank.
    pub(super) line: usize,
    /// The text, without that of the items in it.
    pub(super) own: Vec<u8>,
}

/// The items of all files of one side.
#[derive(Debug, Default)]
pub(super) struct Items(pub(super) Vec<Item>);

impl Items {
    pub(super) fn of<'a>(files: impl Iterator<Item = Option<Text<'a>>>) -> Self {
        let mut all = Vec::new();
        for (file, text) in files.enumerate() {
            let Some(text) = text else { continue };
            let first = all.len();
            let items = items_of(text.path, text.bytes);
            let own = own_texts(&items, text.bytes);
            let lines = Lines::of(text.bytes);
            all.extend(items.into_iter().zip(own).map(|(at, own)| {
                let node = at.piece(text.pieces).map(|piece| piece.node);
                let rest = text.bytes.get(at.start..at.end).unwrap_or_default().iter();
                let blank = rest.take_while(|byte| byte.is_ascii_whitespace()).count();
                let line = lines.number(at.start + blank);
                Item { file, line, above: at.above.map(|above| first + above), at, node, own }
            }));
        }
        Self(all)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Item> {
        self.0.get(index)
    }
}

/// The text of each item without that of the items directly in it, blanks at its ends left out.
fn own_texts(items: &[ItemAt], bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut own: Vec<(Vec<u8>, usize)> = items.iter().map(|item| (Vec::new(), item.start)).collect();
    for item in items {
        let Some((text, from)) = item.above.and_then(|above| own.get_mut(above)) else { continue };
        text.extend_from_slice(bytes.get(*from..item.start).unwrap_or_default());
        *from = item.end;
    }
    let each = own.into_iter().zip(items).map(|((mut text, from), item)| {
        text.extend_from_slice(bytes.get(from..item.end).unwrap_or_default());
        text.trim_ascii().to_vec()
    });
    each.collect()
}
