//! A leaf cut into pieces: which nodes the pieces are, and where they stand.
//!
//! The nodes are named by what was cut, so two authors who cut the same text in the same
//! way mean the same nodes. The place that a cut gives its node is weaker than any written
//! one: whoever moves a piece in the waypoint that cuts it must not meet a phantom of
//! where it was.

use std::collections::BTreeMap;

use crate::encoding::{Encoded, Writer};
use crate::id::{LeafId, NodeId, derive};
use crate::op::{Cut, NodeKind, Place, Split};

/// A split and the nodes that it makes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// The leaf that is cut.
    pub(crate) leaf: LeafId,
    /// The codec that made the cuts.
    pub(crate) codec: u16,
    /// The byte after the last piece: the length that the leaf must have.
    pub(crate) end: u32,
    /// The split as bytes; the smallest wins where two meet.
    pub(crate) rank: Vec<u8>,
    /// The pieces in the order of the text, each before those inside it.
    pub(crate) list: Vec<Piece>,
    by_node: BTreeMap<NodeId, u32>,
    children: BTreeMap<NodeId, Vec<u32>>,
}

/// One piece of a leaf.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The node.
    pub(crate) node: NodeId,
    /// The leaf that holds its text, unless it holds pieces.
    pub(crate) leaf: Option<LeafId>,
    /// Where it stands until someone moves it.
    pub(crate) place: Place,
    /// Its first byte in the leaf that was cut.
    pub(crate) start: u32,
    /// The byte after its last.
    pub(crate) end: u32,
}

impl Pieces {
    /// Checks a split and names its nodes; `None` if it is not a way to cut anything.
    pub(crate) fn of(split: &Split) -> Option<Self> {
        let end = covered(&split.cuts)?;
        let rank = split.to_bytes();
        let mut pieces = Self {
            leaf: split.leaf,
            codec: split.codec,
            end,
            rank,
            list: Vec::with_capacity(split.cuts.len()),
            by_node: BTreeMap::new(),
            children: BTreeMap::new(),
        };
        let mut above = vec![NodeId::inside(split.leaf)];
        for (index, cut) in split.cuts.iter().enumerate() {
            above.truncate(usize::from(cut.depth) + 1);
            let holds = split.cuts.get(index + 1).is_some_and(|next| next.depth > cut.depth);
            let node = pieces.add(cut, *above.last()?, holds)?;
            above.push(node);
        }
        Some(pieces)
    }

    fn add(&mut self, cut: &Cut, parent: NodeId, holds: bool) -> Option<NodeId> {
        let node = cut_node(self.leaf, cut);
        let index = self.list.len() as u32;
        let siblings = self.children.entry(parent).or_default();
        siblings.push(index);
        let position = (siblings.len() as u32).to_be_bytes().to_vec();
        let place = Place { parent, position, name: cut.name.clone(), kind: cut.kind.clone() };
        let leaf = (!holds).then(|| LeafId::of_cut(node));
        self.list.push(Piece { node, leaf, place, start: cut.start, end: cut.end });
        self.by_node.insert(node, index).is_none().then_some(node)
    }

    /// The piece that is `node`.
    pub(crate) fn get(&self, node: &NodeId) -> Option<&Piece> {
        self.list.get(*self.by_node.get(node)? as usize)
    }

    /// The pieces that the split puts under `parent`, in order.
    pub(crate) fn under(&self, parent: &NodeId) -> impl Iterator<Item = &Piece> {
        let indices = self.children.get(parent).map_or(&[][..], |indices| indices);
        indices.iter().filter_map(|index| self.list.get(*index as usize))
    }
}

/// The end of the text that `cuts` cover without a gap; `None` if they nest in no order.
fn covered(cuts: &[Cut]) -> Option<u32> {
    let mut end = 0;
    let mut open: Vec<&Cut> = Vec::new();
    for (index, cut) in cuts.iter().enumerate() {
        let depth = usize::from(cut.depth);
        close(&mut open, depth, end)?;
        let holds = cuts.get(index + 1).is_some_and(|next| next.depth > cut.depth);
        let fits = open.len() == depth && cut.start == end && is_piece(cut, holds);
        if !fits {
            return None;
        }
        match holds {
            true => open.push(cut),
            false => end = cut.end,
        }
    }
    close(&mut open, 0, end)?;
    Some(end)
}

/// Leaves pieces until `depth` are open; each must end where the text has come to.
fn close(open: &mut Vec<&Cut>, depth: usize, end: u32) -> Option<()> {
    while open.len() > depth {
        let ends = open.pop().is_some_and(|cut| cut.end == end);
        ends.then_some(())?;
    }
    Some(())
}

/// Only items hold pieces; files and folders are never inside a text; nothing is empty.
fn is_piece(cut: &Cut, holds: bool) -> bool {
    let kind = match cut.kind {
        NodeKind::Item(_) => true,
        NodeKind::Text => !holds && cut.name.is_empty(),
        NodeKind::Dir | NodeKind::File => false,
    };
    kind && cut.start < cut.end
}

/// The node that is cut out of a leaf.
fn cut_node(leaf: LeafId, cut: &Cut) -> NodeId {
    let mut kind = Writer::default();
    cut.kind.write(&mut kind);
    let (start, end) = (cut.start.to_le_bytes(), cut.end.to_le_bytes());
    let parts: [&[u8]; 6] = [&leaf.0, &start, &end, &[cut.depth], &kind.into_bytes(), &cut.name];
    NodeId(derive("cairn 1 cut", &parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(depth: u8, word: &str, start: u32, end: u32) -> Cut {
        let kind = if word.is_empty() { NodeKind::Text } else { NodeKind::Item(word.into()) };
        Cut { depth, kind, name: word.as_bytes().to_vec(), start, end }
    }

    fn pieces(cuts: Vec<Cut>) -> Option<Pieces> {
        Pieces::of(&Split { leaf: LeafId([7; 32]), codec: 2, cuts })
    }

    #[test]
    fn pieces_cover_the_text_and_know_their_parents() {
        let cuts = vec![cut(0, "", 0, 5), cut(0, "impl", 5, 20), cut(1, "", 5, 8), cut(1, "fn", 8, 20)];
        let pieces = pieces(cuts).unwrap();
        assert_eq!(pieces.end, 20);
        let inside = NodeId::inside(LeafId([7; 32]));
        let top: Vec<_> = pieces.under(&inside).map(|piece| piece.start).collect();
        assert_eq!(top, [0, 5]);
        let holder = pieces.list[1].node;
        assert_eq!(pieces.under(&holder).count(), 2);
        assert!(pieces.get(&holder).unwrap().leaf.is_none());
    }

    #[test]
    fn an_empty_leaf_is_cut_into_nothing() {
        assert_eq!(pieces(Vec::new()).unwrap().end, 0);
    }

    #[test]
    fn hostile_cuts_are_refused() {
        for cuts in [
            vec![cut(0, "fn", 1, 5)],
            vec![cut(1, "fn", 0, 5)],
            vec![cut(0, "fn", 0, 5), cut(0, "fn", 6, 9)],
            vec![cut(0, "fn", 0, 5), cut(0, "fn", 4, 9)],
            vec![cut(0, "impl", 0, 9), cut(1, "fn", 0, 5)],
            vec![cut(0, "impl", 0, 9), cut(2, "fn", 0, 9)],
            vec![cut(0, "", 0, 9), cut(1, "fn", 0, 9)],
            vec![cut(0, "fn", 0, 0)],
            vec![Cut { kind: NodeKind::File, ..cut(0, "x", 0, 4) }],
        ] {
            assert_eq!(pieces(cuts), None);
        }
    }
}
