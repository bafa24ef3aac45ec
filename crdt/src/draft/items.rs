//! Texts written item by item.
//!
//! A text is cut when it is first edited, never when it is first written. Then its old
//! pieces and the pieces of the new text are matched, inside their containers and across
//! all texts of the draft, and each piece is edited, moved, renamed, added or deleted on its
//! own. A text in no known language, or beyond the limits of its grammar, keeps its pieces
//! and each is edited by lines.

mod across;
mod read;
mod touch;

use std::sync::Arc;

use crate::draft::align::Alignment;
use crate::draft::desk::Desk;
use crate::draft::sheet::{Have, Sheet};
use crate::draft::weigh::weigh;
use crate::error::CrdtError;
use crate::id::{ContentHash, LeafId, NodeId, derive};
use crate::languages::{LINES, has_grammar, has_items};
use crate::matching::longest_rising;
use crate::op::{Cut, NodeKind, Op, Place, Split};
use crate::position;
use crate::split::Pieces;
use crate::syntax::{Before, Made, read};

/// A text file and what it is to say.
#[derive(Debug)]
pub(super) struct TextEdit {
    pub(super) node: NodeId,
    pub(super) leaf: LeafId,
    pub(super) codec: u16,
    pub(super) new: Arc<[u8]>,
    /// Whether the file's body is the new text already.
    pub(super) fresh: bool,
}

/// All texts of a draft.
struct Items<'d, 'a> {
    desk: &'d mut Desk<'a>,
    sheets: Vec<Sheet>,
}

/// Writes all texts of a draft; `matched` says whether items may move.
pub(super) fn write(desk: &mut Desk<'_>, edits: Vec<TextEdit>, matched: bool) -> Result<(), CrdtError> {
    let mut items = Items { desk, sheets: Vec::new() };
    let (fresh, edited): (Vec<_>, Vec<_>) = edits.into_iter().partition(|edit| edit.fresh);
    for edit in &fresh {
        items.desk.know_expected(edit.leaf, edit.codec, &edit.new);
    }
    for edit in edited {
        let outline = items.outline(&edit)?;
        let alignment = Alignment::of(&outline.bytes, &edit.new);
        if items.touch(&edit, &outline, &alignment)? {
            items.desk.know_expected(edit.leaf, edit.codec, &edit.new);
            continue;
        }
        let (changed, pairs) = (alignment.changed(), alignment.pairs);
        let (sheet, by_items) = items.sheet(edit, outline, &changed, pairs)?;
        if by_items && matched { items.sheets.push(sheet) } else { items.write_plain(&sheet)? }
    }
    for sheet in 0..items.sheets.len() {
        items.match_sheet(sheet)?;
    }
    // A new text is parsed only if something that left another text may have come to it.
    if items.sheets.iter().any(|sheet| !sheet.loose_haves(false).is_empty()) {
        for edit in fresh.into_iter().filter(|edit| has_grammar(edit.codec)) {
            let sheet = items.fresh_sheet(edit);
            items.sheets.push(sheet);
        }
    }
    items.match_across(true)?;
    items.match_across(false)?;
    for sheet in 0..items.sheets.len() {
        weigh(&mut items.sheets, sheet);
    }
    for sheet in 0..items.sheets.len() {
        items.write_sheet(sheet)?;
    }
    Ok(())
}

impl Items<'_, '_> {
    /// Lays a text over the pieces that it has.
    fn write_plain(&mut self, sheet: &Sheet) -> Result<(), CrdtError> {
        let leaves = sheet.leaves_of(0, true).into_iter().map(|(leaf, range)| (leaf, range.end));
        let leaves: Vec<_> = leaves.collect();
        if leaves.is_empty() && !sheet.new.is_empty() {
            let parent = sheet.haves.first().map_or(sheet.file, |have| have.inner);
            let place = self.slot(parent, None, None, &sheet.new)?;
            return self.add(&sheet.new, NodeKind::Text, Vec::new(), place, LINES).map(|_| ());
        }
        self.write_leaves(&leaves, &sheet.old, &sheet.new)
    }

    /// Lays a text over leaves that show `old`, each up to its end.
    fn write_leaves(&mut self, leaves: &[(LeafId, usize)], old: &[u8], new: &[u8]) -> Result<(), CrdtError> {
        let ends: Vec<_> = leaves.iter().map(|(_, end)| *end).collect();
        for ((leaf, _), range) in leaves.iter().zip(Alignment::of(old, new).spread(&ends)) {
            self.desk.edit(*leaf, new.get(range).unwrap_or_default())?;
        }
        Ok(())
    }

    fn match_sheet(&mut self, at: usize) -> Result<(), CrdtError> {
        let Some(sheet) = self.sheets.get_mut(at) else { return Ok(()) };
        if sheet.haves.is_empty() {
            return Ok(());
        }
        let (haves, wants) = (sheet.haves.first().map(|have| have.children.clone()), sheet.top.clone());
        self.match_levels(at, haves.unwrap_or_default(), wants)
    }

    /// Matches the pieces of a container, and those of each pair of containers in it.
    fn match_levels(&mut self, at: usize, haves: Vec<usize>, wants: Vec<usize>) -> Result<(), CrdtError> {
        let mut open = vec![(haves, wants)];
        while let Some((haves, wants)) = open.pop() {
            let Some(sheet) = self.sheets.get_mut(at) else { return Ok(()) };
            sheet.match_level(at, &haves, &wants);
            for want in wants {
                open.extend(self.inside_pair(at, want)?);
            }
        }
        Ok(())
    }

    /// What lies in a pair of containers; an old item that nobody has cut yet is cut now.
    fn inside_pair(&mut self, at: usize, want: usize) -> Result<Option<Level>, CrdtError> {
        let Some(sheet) = self.sheets.get(at) else { return Ok(None) };
        let Some(new) = sheet.wants.get(want).filter(|want| !want.children.is_empty()) else {
            return Ok(None);
        };
        let [(from, have)] = new.from[..] else { return Ok(None) };
        let wants = new.children.clone();
        if from == at {
            self.cut_item(at, have)?;
        }
        let haves = self.sheets.get(from).and_then(|sheet| sheet.haves.get(have));
        let inside = haves.filter(|have| from == at && have.leaf.is_none());
        Ok(inside.map(|have| (have.children.clone(), wants)))
    }

    /// Cuts an old item that holds items, if its text is as it was first written.
    fn cut_item(&mut self, at: usize, have: usize) -> Result<(), CrdtError> {
        let Some(sheet) = self.sheets.get_mut(at) else { return Ok(()) };
        let Some(Have { leaf: Some(leaf), start, end, place: Some(place), .. }) = sheet.haves.get(have)
        else {
            return Ok(());
        };
        let (leaf, start, end, kind, name) = (*leaf, *start, *end, place.kind.clone(), place.name.clone());
        if !self.desk.is_untouched(&leaf) || !has_items(sheet.codec, &kind) {
            return Ok(());
        }
        let before = sheet.tree.clone().map(|tree| Before { tree, text: &sheet.old, changed: &[] });
        let Made { cuts, tree, .. } = read(sheet.codec, &sheet.old, before);
        sheet.tree = tree;
        let is_it = |cut: &Cut| {
            cut.start as usize == start && cut.end as usize == end && cut.kind == kind && cut.name == name
        };
        let Some(found) = cuts.iter().position(is_it) else { return Ok(()) };
        let depth = cuts.get(found).map_or(0, |cut| cut.depth) + 1;
        let inside = cuts.into_iter().skip(found + 1).take_while(|cut| cut.depth >= depth);
        let (shift, shallower) = (start as u32, depth);
        let cuts: Vec<_> = inside
            .map(|cut| Cut {
                depth: cut.depth - shallower,
                start: cut.start - shift,
                end: cut.end - shift,
                ..cut
            })
            .collect();
        if cuts.is_empty() {
            return Ok(());
        }
        let split = Split { leaf, codec: sheet.codec, cuts };
        let pieces = Pieces::of(&split).ok_or(CrdtError::Bug("an item was cut badly"))?;
        self.desk.put(Op::Split(split))?;
        sheet.open_have(have, &pieces, start);
        Ok(())
    }

    fn write_sheet(&mut self, at: usize) -> Result<(), CrdtError> {
        let Some(sheet) = self.sheets.get(at) else { return Ok(()) };
        let top = sheet.top.clone();
        if sheet.fresh {
            let (file, codec) = (sheet.file, sheet.codec);
            return self.write_fresh(at, file, &top, codec).map(|_| ());
        }
        let Some(whole) = sheet.haves.first() else { return Ok(()) };
        if whole.leaf.is_some() {
            let (leaf, new) = (sheet.body, sheet.new.clone());
            return self.desk.edit(leaf, &new);
        }
        let inner = whole.inner;
        self.arrange(at, inner, &top)?;
        self.drop_left(at)
    }

    /// Puts the pieces of a container in order, and writes each of them.
    fn arrange(&mut self, at: usize, parent: NodeId, wants: &[usize]) -> Result<(), CrdtError> {
        let mut open = vec![(parent, wants.to_vec())];
        while let Some((parent, wants)) = open.pop() {
            let slots = self.slots(at, &wants);
            let places = self.positions(at, parent, &slots);
            for (slot, position) in slots.iter().zip(places) {
                open.extend(self.write_piece(at, parent, slot, position)?);
            }
        }
        Ok(())
    }

    /// The pieces of a container as nodes in order, with where each was.
    fn slots(&self, at: usize, wants: &[usize]) -> Vec<Slot> {
        let Some(sheet) = self.sheets.get(at) else { return Vec::new() };
        let mut slots = Vec::new();
        for want in wants {
            let Some(piece) = sheet.wants.get(*want) else { continue };
            let put = piece.put.iter().cloned().map(|(node, place)| (node, Some(place), None));
            let from = piece.from.iter().filter_map(|(from, have)| {
                let old = self.sheets.get(*from)?.haves.get(*have)?;
                Some((old.node, old.place.clone(), Some((*from, *have))))
            });
            let known: Vec<_> = put.chain(from).collect();
            let count = known.len();
            slots.extend(known.into_iter().map(|(node, place, have)| Slot {
                want: *want,
                node: Some(node),
                place,
                have,
                whole: count == 1 && !piece.spread,
                spread: piece.spread,
            }));
            if count == 0 {
                slots.push(Slot {
                    want: *want,
                    node: None,
                    place: None,
                    have: None,
                    whole: true,
                    spread: false,
                });
            }
        }
        slots
    }

    /// Where each piece of a container stands: as few as possible are moved.
    fn positions(&self, at: usize, parent: NodeId, slots: &[Slot]) -> Vec<Vec<u8>> {
        let rank = |slot: &Slot| {
            let place = slot.place.as_ref().filter(|place| place.parent == parent)?;
            Some((place.position.clone(), slot.node?))
        };
        let here: Vec<_> = slots.iter().enumerate().filter_map(|(n, slot)| Some((n, rank(slot)?))).collect();
        let stays = longest_rising(&here.iter().map(|(_, rank)| rank.clone()).collect::<Vec<_>>());
        let mut positions: Vec<Option<Vec<u8>>> = vec![None; slots.len()];
        for ((n, (position, _)), stays) in here.into_iter().zip(stays) {
            if let Some(slot) = positions.get_mut(n).filter(|_| stays) {
                *slot = Some(position);
            }
        }
        let filled = self.fill(at, slots, &positions);
        filled.unwrap_or_else(|| position::even(slots.len()))
    }

    /// Gives positions to the runs between the pieces that stay; `None` if there is no room.
    fn fill(&self, at: usize, slots: &[Slot], fixed: &[Option<Vec<u8>>]) -> Option<Vec<Vec<u8>>> {
        let sheet = self.sheets.get(at)?;
        let mut filled: Vec<Vec<u8>> = Vec::with_capacity(slots.len());
        while filled.len() < slots.len() {
            let from = filled.len();
            if let Some(position) = fixed.get(from)? {
                filled.push(position.clone());
                continue;
            }
            let count = fixed.get(from..)?.iter().take_while(|position| position.is_none()).count();
            let lo = filled.last().map(|position| &position[..]);
            let hi = fixed.get(from + count).and_then(|position| position.as_deref());
            let text = sheet.new_text(slots.get(from)?.want);
            filled.extend(position::run(lo, hi, text, count)?);
        }
        Some(filled)
    }

    /// Writes one piece; what lies in it comes back if it holds pieces.
    fn write_piece(
        &mut self,
        at: usize,
        parent: NodeId,
        slot: &Slot,
        position: Vec<u8>,
    ) -> Result<Option<(NodeId, Vec<usize>)>, CrdtError> {
        let Some(sheet) = self.sheets.get(at) else { return Ok(None) };
        let Some(want) = sheet.wants.get(slot.want) else { return Ok(None) };
        let children = want.children.clone();
        let place = match slot.place.clone().filter(|_| want.spread) {
            Some(place) => Place { parent, position, ..place },
            None => Place { parent, position, name: want.cut.name.clone(), kind: want.cut.kind.clone() },
        };
        let Some(node) = slot.node else {
            return self.add_piece(at, slot.want, place).map(|()| None);
        };
        if slot.place.as_ref() != Some(&place) {
            self.desk.put(Op::Place { node, place: Some(place) })?;
        }
        let Some((from, have)) = slot.have else { return Ok(Some((node, children))) };
        let Some(old) = self.sheets.get(from).and_then(|sheet| sheet.haves.get(have)) else {
            return Ok(None);
        };
        if !children.is_empty() && old.leaf.is_none() && from == at && slot.whole {
            return Ok(Some((old.inner, children)));
        }
        self.write_text(at, slot, from, have).map(|()| None)
    }

    /// Writes the text of a piece that is not taken apart.
    fn write_text(&mut self, at: usize, slot: &Slot, from: usize, have: usize) -> Result<(), CrdtError> {
        let (Some(sheet), Some(source)) = (self.sheets.get(at), self.sheets.get(from)) else { return Ok(()) };
        let pieces: Vec<_> = match slot.whole {
            true => vec![have],
            false => sheet
                .wants
                .get(slot.want)
                .into_iter()
                .flat_map(|want| want.from.iter().map(|(_, have)| *have))
                .collect(),
        };
        if pieces.first() != Some(&have) {
            return Ok(());
        }
        let items = slot.spread || !(from == at && sheet.is_flat(at, have));
        let (mut old, mut leaves) = (Vec::new(), Vec::new());
        for (leaf, range) in pieces.into_iter().flat_map(|piece| source.leaves_of(piece, items)) {
            old.extend_from_slice(source.old.get(range).unwrap_or_default());
            leaves.push((leaf, old.len()));
        }
        let new = sheet.new_text(slot.want).to_vec();
        if leaves.is_empty() && !new.is_empty() {
            return Err(CrdtError::Bug("a piece has no leaf for its text"));
        }
        self.write_leaves(&leaves, &old, &new)
    }

    /// Adds a piece that the text did not have.
    fn add_piece(&mut self, at: usize, want: usize, place: Place) -> Result<(), CrdtError> {
        let Some(sheet) = self.sheets.get(at) else { return Ok(()) };
        let (text, codec) = (sheet.new_text(want).to_vec(), sheet.codec);
        if !sheet.holds_matched(want) {
            return self.add(&text, place.kind.clone(), place.name.clone(), place, codec).map(|_| ());
        }
        let children = sheet.wants.get(want).map(|want| want.children.clone()).unwrap_or_default();
        let node = self.fresh(&place, &text);
        self.desk.put(Op::Place { node, place: Some(place) })?;
        self.write_fresh(at, node, &children, codec)
    }

    /// Gives a node a whole text, but for the pieces in it that came from elsewhere; those are placed between.
    fn write_fresh(&mut self, at: usize, node: NodeId, wants: &[usize], codec: u16) -> Result<(), CrdtError> {
        let Some(sheet) = self.sheets.get_mut(at) else { return Ok(()) };
        if !wants.iter().any(|want| sheet.is_matched(*want) || sheet.holds_matched(*want)) {
            return Ok(());
        }
        let (rest, cuts, numbers) = sheet.rest(wants);
        let leaf = self.desk.write_text(node, &rest, codec)?;
        let split = Split { leaf, codec, cuts };
        let pieces = Pieces::of(&split).ok_or(CrdtError::Bug("what is left of a text was cut badly"))?;
        self.desk.put(Op::Split(split))?;
        for (number, piece) in numbers.into_iter().zip(&pieces.list) {
            if let Some(want) = self.sheets.get_mut(at).and_then(|sheet| sheet.wants.get_mut(number)) {
                want.put = Some((piece.node, piece.place.clone()));
            }
        }
        self.arrange(at, NodeId::inside(leaf), wants)
    }

    /// Deletes the items and empties the texts that are not in the new text.
    fn drop_left(&mut self, at: usize) -> Result<(), CrdtError> {
        let Some(sheet) = self.sheets.get(at) else { return Ok(()) };
        let (gone, emptied) = sheet.left(at);
        for node in gone {
            self.desk.put(Op::Place { node, place: None })?;
        }
        for leaf in emptied {
            self.desk.edit(leaf, b"")?;
        }
        Ok(())
    }

    fn slot(
        &self,
        parent: NodeId,
        lo: Option<&[u8]>,
        hi: Option<&[u8]>,
        text: &[u8],
    ) -> Result<Place, CrdtError> {
        let position = position::run(lo, hi, text, 1).and_then(|mut run| run.pop());
        let position = position.ok_or(CrdtError::Bug("no room in an empty text"))?;
        Ok(Place { parent, position, name: Vec::new(), kind: NodeKind::Text })
    }

    /// Adds a node with a text.
    fn add(
        &mut self,
        text: &[u8],
        kind: NodeKind,
        name: Vec<u8>,
        place: Place,
        codec: u16,
    ) -> Result<NodeId, CrdtError> {
        let place = Place { kind, name, ..place };
        let node = self.fresh(&place, text);
        self.desk.put(Op::Place { node, place: Some(place) })?;
        self.desk.write_text(node, text, codec)?;
        Ok(node)
    }

    /// A node for a new piece: the same for everyone who adds the same piece in the same place.
    fn fresh(&self, place: &Place, text: &[u8]) -> NodeId {
        let word = match &place.kind {
            NodeKind::Item(word) => word.as_bytes(),
            _ => b"",
        };
        let content = ContentHash::of(text);
        let of = |nonce: u32| {
            let parts: [&[u8]; 5] = [&place.parent.0, word, &place.name, &content.0, &nonce.to_le_bytes()];
            NodeId(derive("cairn 1 item", &parts))
        };
        (0..).map(of).find(|node| !self.desk.state.nodes.contains_key(node)).unwrap_or(place.parent)
    }
}

/// The numbers of the old pieces in a container, and of the new ones.
type Level = (Vec<usize>, Vec<usize>);

/// One node of a container as it is to be.
struct Slot {
    want: usize,
    /// The node, unless it is new.
    node: Option<NodeId>,
    /// Where it was.
    place: Option<Place>,
    /// The old piece it is.
    have: Option<(usize, usize)>,
    /// Whether it is all of the wanted piece.
    whole: bool,
    /// Whether lines are laid over it, whatever it holds.
    spread: bool,
}
