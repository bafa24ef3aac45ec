//! A text as its pieces: which node stands where, and the bytes of them all.
//!
//! Pieces nest as deep as peers like to make them, so the walk keeps its own stack.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::documents::Contents;
use crate::error::CrdtError;
use crate::id::{LeafId, NodeId};
use crate::leaf::{LeafOverlap, Mark};
use crate::op::{Body, NodeKind, Place};
use crate::split::Pieces;
use crate::text::{Texts, genesis};
use crate::view::revive::is_alive;
use crate::view::tree::{Ground, Tree};

/// One piece of a text.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The node; the file itself for a file that is not cut.
    pub(crate) node: NodeId,
    /// Where it stands; `None` for the file itself.
    pub(crate) place: Option<Place>,
    /// The entry that this one lies in.
    pub(crate) above: Option<usize>,
    /// The leaf whose text is here, unless the piece holds pieces.
    pub(crate) leaf: Option<LeafId>,
    /// The leaf whose pieces are here, if it was cut.
    pub(crate) cut: Option<LeafId>,
    /// The first byte in the whole text.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

/// A text as its pieces.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// The whole text.
    pub(crate) bytes: Vec<u8>,
    /// The pieces in order, each before those inside it.
    pub(crate) entries: Vec<Entry>,
    /// Overlaps inside leaves: the entry, the number in its leaf, what met.
    pub(crate) overlaps: Vec<(usize, usize, LeafOverlap)>,
    /// Where hunks in effect are seen: the entry, the leaf, the mark in bytes of the whole text.
    pub(crate) marks: Vec<(usize, LeafId, Mark)>,
    /// Leaves of which a second way to cut them, or edits from before they were cut, are not shown.
    pub(crate) uncut: Vec<(usize, LeafId)>,
}

impl Outline {
    /// The names of the items around and at an entry, from the outside in.
    pub(crate) fn symbol(&self, entry: usize, joint: &str) -> Option<String> {
        let mut names = Vec::new();
        let mut next = Some(entry);
        while let Some(entry) = next.and_then(|index| self.entries.get(index)) {
            if let Some(Place { kind: NodeKind::Item(_), name, .. }) = &entry.place {
                names.push(String::from_utf8_lossy(name).into_owned());
            }
            next = entry.above;
        }
        names.reverse();
        (!names.is_empty()).then(|| names.join(joint))
    }

    /// The text of an entry.
    pub(crate) fn text(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.start..entry.end).unwrap_or_default()
    }
}

/// What is needed to read texts.
pub(crate) struct Reading<'a> {
    pub(crate) ground: Ground<'a>,
    pub(crate) tree: &'a Tree,
    pub(crate) texts: &'a mut Texts,
    pub(crate) contents: &'a dyn Contents,
}

enum Step {
    Leaf(LeafId, usize),
    Node(NodeId, Place, usize),
    Close(usize),
}

/// One walk through a text.
struct Walk {
    outline: Outline,
    open: Vec<Step>,
    met: BTreeSet<NodeId>,
    /// A leaf, and a way to cut it other than the one that is shown.
    other: Option<(LeafId, Arc<Pieces>)>,
}

impl Reading<'_> {
    /// The text of a file with this leaf as its body.
    pub(crate) fn outline(&mut self, file: NodeId, leaf: LeafId) -> Result<Outline, CrdtError> {
        self.outline_cut(file, leaf, None)
    }

    /// The same, with the leaf cut in another way than the one that is shown.
    pub(crate) fn outline_cut(
        &mut self,
        file: NodeId,
        leaf: LeafId,
        other: Option<Arc<Pieces>>,
    ) -> Result<Outline, CrdtError> {
        let other = other.map(|pieces| (leaf, pieces));
        let root = Entry { node: file, place: None, above: None, leaf: None, cut: None, start: 0, end: 0 };
        let mut walk =
            Walk { outline: Outline::default(), open: Vec::new(), met: BTreeSet::from([file]), other };
        walk.outline.entries.push(root);
        walk.open.extend([Step::Close(0), Step::Leaf(leaf, 0)]);
        while let Some(step) = walk.open.pop() {
            match step {
                Step::Leaf(leaf, entry) => self.leaf(&mut walk, leaf, entry)?,
                Step::Node(node, place, above) => self.node(&mut walk, node, place, above),
                Step::Close(entry) => {
                    let end = walk.outline.bytes.len();
                    if let Some(entry) = walk.outline.entries.get_mut(entry) {
                        entry.end = end;
                    }
                }
            }
        }
        Ok(walk.outline)
    }

    fn node(&mut self, walk: &mut Walk, node: NodeId, place: Place, above: usize) {
        if !walk.met.insert(node) {
            return;
        }
        let start = walk.outline.bytes.len();
        let entry = walk.outline.entries.len();
        let (place, above) = (Some(place), Some(above));
        walk.outline.entries.push(Entry { node, place, above, leaf: None, cut: None, start, end: start });
        walk.open.push(Step::Close(entry));
        let pieces = self.ground.lineage.slice(&node).and_then(|(leaf, ..)| self.pieces_of(leaf, &node));
        self.push_children(walk, node, pieces, entry);
        if let Some(leaf) = leaf_of(self.ground, &node) {
            walk.open.push(Step::Leaf(leaf, entry));
        }
    }

    /// The first split of a leaf that knows a node.
    fn pieces_of(&self, leaf: LeafId, node: &NodeId) -> Option<&Pieces> {
        let splits = &self.ground.state.leaves.get(&leaf)?.splits;
        splits.values().map(|(pieces, _)| &**pieces).find(|pieces| pieces.get(node).is_some())
    }

    fn leaf(&mut self, walk: &mut Walk, leaf: LeafId, entry: usize) -> Result<(), CrdtError> {
        let bytes = genesis(leaf, self.ground.lineage, self.contents)?;
        let log = self.ground.state.leaves.get(&leaf);
        let other = walk.other.as_ref().filter(|(other, _)| *other == leaf).map(|(_, pieces)| pieces.clone());
        let pieces = other.or_else(|| log.and_then(|log| log.split(bytes.len() as u64)).cloned());
        let pieces = pieces.as_ref();
        self.push_children(walk, NodeId::inside(leaf), pieces.map(|pieces| &**pieces), entry);
        if let Some(at) = walk.outline.entries.get_mut(entry) {
            (at.leaf, at.cut) = if pieces.is_some() { (None, Some(leaf)) } else { (Some(leaf), None) };
        }
        let Some(log) = log else {
            walk.outline.bytes.extend_from_slice(&bytes);
            return Ok(());
        };
        if log.splits.len() > 1 || (pieces.is_some() && !log.hunks.is_empty()) {
            walk.outline.uncut.push((entry, leaf));
        }
        if pieces.is_none() && log.hunks.is_empty() {
            walk.outline.bytes.extend_from_slice(&bytes);
        } else if pieces.is_none() {
            let text = self.texts.edited(leaf, log, &bytes, self.ground.graph)?;
            let base = walk.outline.bytes.len();
            let moved = |mark: &Mark| Mark { start: base + mark.start, end: base + mark.end, ..*mark };
            walk.outline.marks.extend(text.shown.marks.iter().map(|mark| (entry, leaf, moved(mark))));
            walk.outline.bytes.extend_from_slice(&text.shown.bytes);
            let overlaps = text.shown.overlaps.iter().cloned().enumerate();
            walk.outline.overlaps.extend(overlaps.map(|(number, overlap)| (entry, number, overlap)));
        }
        Ok(())
    }

    /// Puts what lies under a parent on the stack: what someone put there, and the pieces nobody moved.
    fn push_children(&self, walk: &mut Walk, parent: NodeId, pieces: Option<&Pieces>, entry: usize) {
        let tree = self.tree;
        let put = tree.children(&parent).iter();
        let put = put.filter_map(|node| Some((*node, &tree.spots.get(node)?.place)));
        let put = put.filter(|(node, place)| is_text(place) && is_alive(self.ground, tree, *node));
        let cut = pieces.into_iter().flat_map(|pieces| pieces.under(&parent));
        let cut = cut.filter(|piece| !tree.spots.contains_key(&piece.node));
        let cut = cut.map(|piece| (piece.node, &piece.place));
        let mut children: Vec<_> = put.chain(cut).collect();
        children.sort_by(|(a, x), (b, y)| x.position.cmp(&y.position).then(a.cmp(b)));
        let steps = children.into_iter().rev().map(|(node, place)| Step::Node(node, place.clone(), entry));
        walk.open.extend(steps);
    }
}

/// The leaf whose text a node shows: of its body, else of the cut that made it.
pub(crate) fn leaf_of(ground: Ground<'_>, node: &NodeId) -> Option<LeafId> {
    match ground.state.nodes.get(node).and_then(|written| written.body.winner()) {
        Some(Body::Text { content, .. }) => Some(LeafId::of(*node, *content)),
        _ => ground.piece(node)?.leaf,
    }
}

fn is_text(place: &Place) -> bool {
    matches!(place.kind, NodeKind::Item(_) | NodeKind::Text)
}
