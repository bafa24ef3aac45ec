//! Where concurrent changes met, said in words that a reader can act on.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::error::CrdtError;
use crate::id::{LeafId, NodeId, WaypointId, hex};
use crate::languages::{codec_of, joint};
use crate::leaf::{LeafOverlap, LeafOverlapKind};
use crate::op::{Body, NodeKind, Op, Place};
use crate::overlap::{Overlap, OverlapKind, OverlapSide};
use crate::path::RepoPath;
use crate::split::Pieces;
use crate::state::Node;
use crate::text::genesis;
use crate::view::beside::beside;
use crate::view::outline::{Outline, Reading};
use crate::view::paths::Paths;
use crate::view::revive::{unseen_in_leaf, unseen_in_node};

/// How each alternative of an overlap is chosen.
#[derive(Debug, Clone)]
pub(crate) enum Settle {
    /// By the leaf: its overlap of this number.
    Leaf(LeafId, usize),
    /// By writing these operations, a list for each alternative.
    Ops(Vec<Vec<Op>>),
    /// By giving the node, with this codec, the text of the alternative as a whole.
    Text(NodeId, u16, Vec<Vec<u8>>),
}

/// An overlap, what it is about, and how it is settled.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) overlap: Overlap,
    /// Whatever changes one of these has to settle it.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) settle: Settle,
}

/// One alternative and the operations that choose it.
type Choice = (OverlapSide, Vec<Op>);

/// Collects the overlaps of a view.
pub(crate) struct Report<'a, 'b> {
    pub(crate) reading: &'b mut Reading<'a>,
    pub(crate) paths: &'a Paths,
    /// The waypoints whose sides are compared.
    pub(crate) heads: &'a [WaypointId],
    pub(crate) found: Vec<Found>,
    /// Texts that are alternatives only; what met inside them is still to be told.
    pub(crate) hidden: Vec<Hidden>,
}

/// A text that an overlap hides.
pub(crate) struct Hidden {
    path: RepoPath,
    symbol: Option<String>,
    text: Outline,
}

/// Where an overlap is.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a RepoPath,
    symbol: Option<&'a str>,
    node: NodeId,
}

impl<'a> Report<'a, '_> {
    /// What met at a folder.
    pub(crate) fn dir(&mut self, path: &RepoPath, node: NodeId) {
        let at = At { path, symbol: None, node };
        self.name(at);
        if let Some(written) = self.written(node) {
            self.place(at, written, path.as_bytes());
        }
    }

    /// What met at a file, its text left out.
    pub(crate) fn file(
        &mut self,
        path: &RepoPath,
        node: NodeId,
        text: Option<&Outline>,
    ) -> Result<(), CrdtError> {
        let at = At { path, symbol: None, node };
        self.name(at);
        if let Some(written) = self.written(node) {
            self.place(at, written, path.as_bytes());
            self.mode(at, written);
            self.bodies(at, written)?;
            self.hidden_edits(at, written, text.map(|text| &text.bytes[..]))?;
        }
        self.inside_hidden()
    }

    /// What met inside a text, and inside what that hides.
    pub(crate) fn text(&mut self, path: &RepoPath, text: &Outline) -> Result<(), CrdtError> {
        self.inside(path, None, text)?;
        self.inside_hidden()
    }

    /// What met inside texts that are themselves alternatives: whoever takes such a text takes it with
    /// all that it hides, so that is told too.
    fn inside_hidden(&mut self) -> Result<(), CrdtError> {
        while let Some(Hidden { path, symbol, text }) = self.hidden.pop() {
            let before = self.found.len();
            self.inside(&path, symbol.as_deref(), &text)?;
            self.locate(before, None);
        }
        Ok(())
    }

    fn inside(&mut self, path: &RepoPath, above: Option<&str>, text: &Outline) -> Result<(), CrdtError> {
        let joint = joint(codec_of(path.name().as_bytes()));
        let symbol = |index| match (above, text.symbol(index, joint)) {
            (Some(above), Some(symbol)) => Some(format!("{above}{joint}{symbol}")),
            (above, symbol) => symbol.or_else(|| above.map(str::to_owned)),
        };
        for (index, entry) in text.entries.iter().enumerate().skip(1) {
            let Some(written) = self.written(entry.node) else { continue };
            let symbol = symbol(index);
            let at = At { path, symbol: symbol.as_deref(), node: entry.node };
            let before = self.found.len();
            self.place(at, written, text.text(entry));
            self.bodies(at, written)?;
            self.hidden_edits(at, written, Some(text.text(entry)))?;
            self.locate(before, Some((entry.start, entry.end)));
        }
        for (index, number, overlap) in &text.overlaps {
            let Some(entry) = text.entries.get(*index) else { continue };
            let symbol = symbol(*index);
            let at = At { path, symbol: symbol.as_deref(), node: entry.node };
            if let Some(leaf) = entry.leaf {
                let before = self.found.len();
                self.tokens(at, leaf, *number, overlap);
                self.locate(before, Some((entry.start + overlap.start, entry.start + overlap.end)));
            }
        }
        for (index, leaf) in &text.uncut {
            let Some(entry) = text.entries.get(*index) else { continue };
            let symbol = symbol(*index);
            let before = self.found.len();
            self.uncut(At { path, symbol: symbol.as_deref(), node: entry.node }, *leaf, text.text(entry))?;
            self.locate(before, Some((entry.start, entry.end)));
        }
        Ok(())
    }

    /// What stands side by side in a text although nobody has seen both.
    pub(crate) fn beside(&mut self, path: &RepoPath, text: &Outline) {
        for soft in beside(self.reading.ground, self.heads, text) {
            let Some(entry) = text.entries.get(soft.entry) else { continue };
            let symbol = text.symbol(soft.entry, joint(codec_of(path.name().as_bytes())));
            let before = self.found.len();
            let choice = |(range, by): (Range<usize>, Vec<WaypointId>)| {
                (side(text.bytes.get(range).unwrap_or_default().to_vec(), by), Vec::new())
            };
            let at = At { path, symbol: symbol.as_deref(), node: entry.node };
            self.add(at, soft.kind, soft.sides.into_iter().map(choice).collect());
            self.locate(before, Some((soft.range.start, soft.range.end)));
        }
    }

    /// Says where in the shown text the overlaps lie that were found since.
    fn locate(&mut self, since: usize, range: Option<(usize, usize)>) {
        for found in self.found.iter_mut().skip(since) {
            found.overlap.range = range;
        }
    }

    fn written(&self, node: NodeId) -> Option<&'a Node> {
        self.reading.ground.state.nodes.get(&node).map(|node| &**node)
    }

    fn add(&mut self, at: At<'_>, kind: OverlapKind, choices: Vec<Choice>) {
        let (alternatives, ops) = choices.into_iter().unzip();
        let symbol = at.symbol.map(str::to_owned);
        let overlap = Overlap { path: at.path.clone(), symbol, kind, alternatives, range: None };
        self.found.push(Found { overlap, nodes: vec![at.node], settle: Settle::Ops(ops) });
    }

    /// Moves, renames and deletions that met, and moves that had to be undone.
    fn place(&mut self, at: At<'_>, written: &Node, shown: &[u8]) {
        let Some(spot) = self.reading.tree.spots.get(&at.node) else { return };
        let here = put(at.node, Some(spot.place.clone()));
        if let Some(wanted) = self.reading.tree.broken.get(&at.node) {
            let writers: Vec<_> = written.place.writers().copied().collect();
            let sides = [&spot.place, wanted].map(|place| {
                (side(self.spell(place), writers.clone()), vec![put(at.node, Some(place.clone()))])
            });
            self.add(at, OverlapKind::Cycle, sides.into());
        }
        if written.place.only().is_some_and(Option::is_some) {
            return;
        }
        let values = written.place.values();
        let deleted = values.get(&None).cloned().unwrap_or_default();
        let mut places: Vec<_> =
            values.into_iter().filter_map(|(place, by)| Some((place.as_ref()?, by))).collect();
        places.sort_by_cached_key(|(place, _)| crate::register::Ranked::rank(*place));
        if places.len() > 1 {
            let choice = |(place, by): &(&Place, Vec<WaypointId>)| {
                (side(self.spell(place), by.clone()), vec![put(at.node, Some((*place).clone()))])
            };
            let choices = places.iter().map(choice).collect();
            self.add(at, OverlapKind::Move, choices);
        }
        // An item that one side emptied and the other deleted: both want nothing there.
        let is_emptied = shown.is_empty() && matches!(spot.place.kind, NodeKind::Item(_) | NodeKind::Text);
        if !deleted.is_empty() && !is_emptied {
            let seen = |by: &WaypointId| self.reading.ground.graph.is_within(by, &deleted);
            let mut by: BTreeSet<_> = places.into_iter().flat_map(|(_, by)| by).collect();
            by.extend(unseen_in_node(self.reading.ground, self.reading.tree, at.node));
            by.extend(self.children_of(at.node).into_iter().filter(|by| !seen(by)));
            let kept = (side(shown.to_vec(), by.into_iter().collect()), vec![here]);
            let gone = (side(Vec::new(), deleted), vec![put(at.node, None)]);
            self.add(at, OverlapKind::DeleteEdit, vec![kept, gone]);
        }
    }

    /// The waypoints that put things into a folder.
    fn children_of(&self, node: NodeId) -> Vec<WaypointId> {
        let children = self.reading.tree.children(&node).iter();
        let children = children.filter(|child| self.paths.of.contains_key(child));
        let written = children.filter_map(|child| self.written(*child));
        written.flat_map(|written| written.at.writers().copied()).collect()
    }

    /// A place in words: a path, and for an item the file it is in.
    fn spell(&self, place: &Place) -> Vec<u8> {
        let ground = self.reading.ground;
        let parent = ground.lineage.inside(&place.parent).and_then(|leaf| ground.lineage.owner(&leaf));
        let path = self.paths.of.get(&parent.unwrap_or(place.parent));
        let joint: &[u8] = match place.kind {
            NodeKind::Dir | NodeKind::File => b"/",
            NodeKind::Item(_) | NodeKind::Text => b"#",
        };
        match path {
            Some(path) => [path.as_bytes(), joint, &place.name].concat(),
            None => place.name.clone(),
        }
    }

    fn name(&mut self, at: At<'_>) {
        let Some(keeper) = self.paths.aside.get(&at.node).copied() else { return };
        let tree = self.reading.tree;
        let (Some(own), Some(other)) = (tree.spots.get(&at.node), tree.spots.get(&keeper)) else { return };
        let renamed = |place: &Place| Place { name: at.path.name().as_bytes().to_vec(), ..place.clone() };
        let writers =
            |node| self.written(node).into_iter().flat_map(|node| node.at.writers().copied()).collect();
        let path = self.paths.of.get(&keeper).map(|path| path.as_bytes().to_vec()).unwrap_or_default();
        let keep = vec![put(at.node, Some(renamed(&own.place)))];
        let swap = vec![put(at.node, Some(own.place.clone())), put(keeper, Some(renamed(&other.place)))];
        let sides = [side(at.path.as_bytes().to_vec(), writers(at.node)), side(path, writers(keeper))];
        let choices = sides.into_iter().zip([keep, swap]).collect();
        self.add(at, OverlapKind::NameCollision, choices);
        if let Some(found) = self.found.last_mut() {
            found.nodes.push(keeper);
        }
    }

    fn mode(&mut self, at: At<'_>, written: &Node) {
        if written.mode.only().is_some() {
            return;
        }
        let values = written.mode.ranked();
        if values.len() < 2 {
            return;
        }
        let word = |executable| if executable { &b"executable"[..] } else { b"not executable" };
        let choice = |(value, by): (&bool, Vec<WaypointId>)| {
            (side(word(*value).to_vec(), by), vec![Op::Mode { node: at.node, executable: *value }])
        };
        let choices = values.into_iter().map(choice).collect();
        self.add(at, OverlapKind::Mode, choices);
    }

    /// Whole bodies that met.
    fn bodies(&mut self, at: At<'_>, written: &Node) -> Result<(), CrdtError> {
        if written.body.only().is_some() {
            return Ok(());
        }
        let values = written.body.ranked();
        if values.len() < 2 {
            return Ok(());
        }
        let text = values.iter().all(|(body, _)| matches!(body, Body::Text { .. }));
        let mut choices = Vec::new();
        for (index, (body, by)) in values.into_iter().enumerate() {
            let ops = vec![Op::Body { node: at.node, body: body.clone() }];
            let bytes = if index == 0 { self.body_bytes(at.node, body)? } else { self.hide(at, body)? };
            choices.push((side(bytes, by), ops));
        }
        self.add(at, if text { OverlapKind::AddAdd } else { OverlapKind::Replace }, choices);
        Ok(())
    }

    /// The bytes of a body that is an alternative only.
    fn hide(&mut self, at: At<'_>, body: &Body) -> Result<Vec<u8>, CrdtError> {
        let Body::Text { content, .. } = body else { return self.body_bytes(at.node, body) };
        let text = self.reading.outline(at.node, LeafId::of(at.node, *content))?;
        let bytes = text.bytes.clone();
        self.hidden.push(Hidden { path: at.path.clone(), symbol: at.symbol.map(str::to_owned), text });
        Ok(bytes)
    }

    fn body_bytes(&mut self, node: NodeId, body: &Body) -> Result<Vec<u8>, CrdtError> {
        Ok(match body {
            Body::Text { content, .. } => self.reading.outline(node, LeafId::of(node, *content))?.bytes,
            Body::Opaque { content, .. } => self.reading.contents.get(*content)?.to_vec(),
            Body::Artifact { artifact, .. } => hex(&artifact.0).into_bytes(),
            Body::Link { target } => target.clone(),
        })
    }

    /// Edits of a body that someone replaced without having seen them.
    fn hidden_edits(&mut self, at: At<'_>, written: &Node, shown: Option<&[u8]>) -> Result<(), CrdtError> {
        if written.texts.len() < 2
            && written.body.only().is_some_and(|body| written.texts.iter().all(|(_, text)| text == body))
        {
            return Ok(());
        }
        let values = written.body.ranked();
        let Some((winner, _)) = values.first() else { return Ok(()) };
        let live = values.iter().map(|(body, _)| *body).collect::<BTreeSet<_>>();
        let writers: Vec<_> = written.body.writers().copied().collect();
        for (leaf, body) in written.texts.iter().filter(|(_, body)| !live.contains(body)) {
            let unseen = unseen_in_leaf(self.reading.ground, self.reading.tree, *leaf, writers.clone());
            if unseen.is_empty() {
                continue;
            }
            let shown = match shown {
                Some(bytes) => bytes.to_vec(),
                None => self.body_bytes(at.node, winner)?,
            };
            let hidden = self.hide(at, body)?;
            let choice = |body: &Body| vec![Op::Body { node: at.node, body: body.clone() }];
            let kept = (side(shown, writers.clone()), choice(winner));
            let other = (side(hidden, unseen.into_iter().collect()), choice(body));
            self.add(at, OverlapKind::BodyEdit, vec![kept, other]);
        }
        Ok(())
    }

    fn tokens(&mut self, at: At<'_>, leaf: LeafId, number: usize, overlap: &LeafOverlap) {
        let log = self.reading.ground.state.leaves.get(&leaf);
        let writers = |hunk| log.and_then(|log| log.hunks.get(hunk)).map_or(&[][..], |(_, by)| by);
        let alternatives = overlap.alternatives.iter().map(|alternative| {
            let by: BTreeSet<_> = alternative.hunks.iter().flat_map(writers).copied().collect();
            side(alternative.bytes.clone(), by.into_iter().collect())
        });
        let kind = match overlap.kind {
            LeafOverlapKind::Replace => OverlapKind::Replace,
            LeafOverlapKind::DeleteEdit => OverlapKind::DeleteEdit,
        };
        let symbol = at.symbol.map(str::to_owned);
        let alternatives = alternatives.collect();
        let overlap = Overlap { path: at.path.clone(), symbol, kind, alternatives, range: None };
        self.found.push(Found { overlap, nodes: vec![at.node], settle: Settle::Leaf(leaf, number) });
    }

    /// What a cut hides: edits that could not be brought to the pieces, and moves of other pieces.
    fn uncut(&mut self, at: At<'_>, leaf: LeafId, shown: &[u8]) -> Result<(), CrdtError> {
        let ground = self.reading.ground;
        let Some(log) = ground.state.leaves.get(&leaf) else { return Ok(()) };
        let bytes = genesis(leaf, ground.lineage, self.reading.contents)?;
        let Some(winner) = log.split(bytes.len() as u64) else { return Ok(()) };
        if !log.hunks.is_empty() {
            let text = self.reading.texts.edited(leaf, log, &bytes, ground.graph)?;
            let by = log.hunks.values().flat_map(|(_, by)| by).copied().collect::<BTreeSet<_>>();
            self.hidden_text(at, winner.codec, shown, text.shown.bytes.clone(), by);
        }
        let others = log.splits.values().filter(|(pieces, _)| pieces.rank != winner.rank);
        for (pieces, _) in others.filter(|(pieces, _)| pieces.end == winner.end) {
            let by = self.written_in(pieces, winner);
            if !by.is_empty() {
                let text = self.reading.outline_cut(at.node, leaf, Some(pieces.clone()))?;
                self.hidden_text(at, winner.codec, shown, text.bytes.clone(), by);
                let (path, symbol) = (at.path.clone(), at.symbol.map(str::to_owned));
                self.hidden.push(Hidden { path, symbol, text: Outline { uncut: Vec::new(), ..text } });
            }
        }
        Ok(())
    }

    /// Who wrote in or moved pieces that `winner` does not have.
    fn written_in(&self, pieces: &Pieces, winner: &Pieces) -> BTreeSet<WaypointId> {
        let (state, tree) = (self.reading.ground.state, self.reading.tree);
        let mut by = BTreeSet::new();
        for piece in pieces.list.iter().filter(|piece| winner.get(&piece.node).is_none()) {
            let log = piece.leaf.and_then(|leaf| state.leaves.get(&leaf));
            by.extend(log.into_iter().flat_map(|log| log.hunks.values()).flat_map(|(_, by)| by).copied());
            let put = tree.children(&piece.node).iter().chain([&piece.node]);
            let put = put.filter_map(|node| self.written(*node));
            by.extend(put.flat_map(|node| node.place.writers().copied()));
        }
        by
    }

    fn hidden_text(
        &mut self,
        at: At<'_>,
        codec: u16,
        shown: &[u8],
        hidden: Vec<u8>,
        by: BTreeSet<WaypointId>,
    ) {
        if hidden == shown {
            return;
        }
        let texts = vec![shown.to_vec(), hidden.clone()];
        let sides = [side(shown.to_vec(), Vec::new()), side(hidden, by.into_iter().collect())];
        self.add(at, OverlapKind::Split, sides.map(|side| (side, Vec::new())).into());
        if let Some(found) = self.found.last_mut() {
            found.settle = Settle::Text(at.node, codec, texts);
        }
    }
}

fn put(node: NodeId, place: Option<Place>) -> Op {
    Op::Place { node, place }
}

fn side(bytes: Vec<u8>, waypoints: Vec<WaypointId>) -> OverlapSide {
    OverlapSide { bytes, waypoints }
}
