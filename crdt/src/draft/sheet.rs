//! One edited text: the pieces that it had, the pieces that it is to have, and which is which.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::draft::items::TextEdit;
use crate::id::{LeafId, NodeId};
use crate::matching::{Candidate, longest_rising, pairs};
use crate::op::{Cut, NodeKind, Place};
use crate::split::Pieces;
use crate::syntax::{Parsed, cut_tree};
use crate::view::outline::Outline;

/// A piece that the text had.
#[derive(Debug)]
pub(super) struct Have {
    pub(super) node: NodeId,
    /// Where it stands; `None` for the file itself.
    pub(super) place: Option<Place>,
    /// The leaf that shows its text, unless it holds pieces.
    pub(super) leaf: Option<LeafId>,
    /// What the pieces in it have as their parent.
    pub(super) inner: NodeId,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) children: Vec<usize>,
    /// Whether it is in the new text.
    pub(super) taken: bool,
}

/// A piece that the text is to have.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) cut: Cut,
    pub(super) children: Vec<usize>,
    /// The old pieces that become it: sheet and number. More than one only for text without a name.
    pub(super) from: Vec<(usize, usize)>,
    /// Where a new piece was put by a split of its own.
    pub(super) put: Option<(NodeId, Place)>,
    /// Whether the new text is laid over the old pieces line by line, whatever they hold.
    pub(super) spread: bool,
}

/// One edited text.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) file: NodeId,
    /// The leaf of the whole text.
    pub(super) body: LeafId,
    pub(super) codec: u16,
    /// Whether the text is new as a whole.
    pub(super) fresh: bool,
    /// Whether a grammar read all of the old text, and does not of the new one.
    pub(super) broke: bool,
    pub(super) old: Vec<u8>,
    /// The tree of the old text, if it is known.
    pub(super) tree: Option<Parsed>,
    pub(super) new: Arc<[u8]>,
    /// The lines of the old text that stay: old and new numbers, rising.
    pub(super) pairs: Vec<(usize, usize)>,
    /// The file itself comes first.
    pub(super) haves: Vec<Have>,
    pub(super) wants: Vec<Want>,
    /// The outermost of the new pieces.
    pub(super) top: Vec<usize>,
}

impl Have {
    pub(super) fn is_item(&self) -> bool {
        matches!(&self.place, Some(place) if place.kind != NodeKind::Text)
    }
}

impl Want {
    /// Whether it came from a text other than `sheet`.
    pub(super) fn is_carried(&self, sheet: usize) -> bool {
        self.from.iter().any(|(from, _)| *from != sheet)
    }
}

impl Sheet {
    /// A text of which nothing is known yet but what it is to say.
    pub(super) fn of(edit: TextEdit) -> Self {
        let TextEdit { node: file, leaf: body, codec, new, fresh } = edit;
        let (old, pairs) = (Vec::new(), Vec::new());
        let (haves, wants, top) = (Vec::new(), Vec::new(), Vec::new());
        let (broke, tree) = (false, None);
        Self { file, body, codec, fresh, broke, old, tree, new, pairs, haves, wants, top }
    }

    /// The pieces of the old text.
    pub(super) fn haves(outline: &Outline) -> Vec<Have> {
        let mut haves: Vec<Have> = Vec::with_capacity(outline.entries.len());
        for (index, entry) in outline.entries.iter().enumerate() {
            let inner = entry.cut.map_or(entry.node, NodeId::inside);
            let (start, end) = (entry.start, entry.end);
            let (node, place, leaf) = (entry.node, entry.place.clone(), entry.leaf);
            haves.push(Have { node, place, leaf, inner, start, end, children: Vec::new(), taken: false });
            if let Some(above) = entry.above.and_then(|above| haves.get_mut(above)) {
                above.children.push(index);
            }
        }
        haves
    }

    /// The pieces of the new text.
    pub(super) fn read_wants(&mut self, cuts: Vec<Cut>) {
        let (tops, below) = cut_tree(&cuts);
        let pieces = cuts.into_iter().zip(below);
        self.wants = pieces
            .map(|(cut, children)| Want { cut, children, from: Vec::new(), put: None, spread: false })
            .collect();
        self.top = tops;
    }

    pub(super) fn old_text(&self, have: usize) -> &[u8] {
        self.haves.get(have).and_then(|have| self.old.get(have.start..have.end)).unwrap_or_default()
    }

    pub(super) fn new_text(&self, want: usize) -> &[u8] {
        let range = self.wants.get(want).map(|want| want.cut.start as usize..want.cut.end as usize);
        range.and_then(|range| self.new.get(range)).unwrap_or_default()
    }

    pub(super) fn mark_taken(&mut self, have: usize) {
        if let Some(have) = self.haves.get_mut(have) {
            have.taken = true;
        }
    }

    pub(super) fn take(&mut self, sheet: usize, have: usize, want: usize) {
        if let (Some(have), Some(_)) = (self.haves.get_mut(have), self.wants.get(want)) {
            have.taken = true;
        }
        if let Some(want) = self.wants.get_mut(want) {
            want.from.push((sheet, have));
        }
    }

    pub(super) fn old_candidate(&self, have: usize) -> Option<Candidate<'_, &NodeKind>> {
        let place = self.haves.get(have)?.place.as_ref()?;
        Some(Candidate { kind: &place.kind, name: &place.name, text: self.old_text(have) })
    }

    pub(super) fn new_candidate(&self, want: usize) -> Option<Candidate<'_, &NodeKind>> {
        let cut = &self.wants.get(want)?.cut;
        Some(Candidate { kind: &cut.kind, name: &cut.name, text: self.new_text(want) })
    }

    fn is_free_item(&self, have: usize) -> bool {
        self.haves.get(have).is_some_and(|have| have.is_item() && !have.taken)
    }

    fn is_open_item(&self, want: usize) -> bool {
        self.wants.get(want).is_some_and(|want| want.from.is_empty() && want.cut.kind != NodeKind::Text)
    }

    /// Matches the pieces of one container: items by name, the rest by content, then the texts between them.
    pub(super) fn match_level(&mut self, sheet: usize, haves: &[usize], wants: &[usize]) {
        for named in [true, false] {
            let old: Vec<_> = haves.iter().copied().filter(|have| self.is_free_item(*have)).collect();
            let new: Vec<_> = wants.iter().copied().filter(|want| self.is_open_item(*want)).collect();
            let found = if named { self.named_pairs(&old, &new) } else { self.similar_pairs(&old, &new) };
            for (have, want) in found {
                self.take(sheet, have, want);
            }
        }
        self.match_texts(sheet, haves, wants);
    }

    /// Items with one kind and name; among several with one name the equal ones, then in order.
    fn named_pairs(&self, old: &[usize], new: &[usize]) -> Vec<(usize, usize)> {
        let key = |candidate: Candidate<'_, &NodeKind>| (candidate.kind.clone(), candidate.name.to_vec());
        let mut places = std::collections::BTreeMap::<_, (Vec<usize>, Vec<usize>)>::new();
        for have in old {
            self.old_candidate(*have)
                .map(key)
                .into_iter()
                .for_each(|key| places.entry(key).or_default().0.push(*have));
        }
        for want in new {
            self.new_candidate(*want)
                .map(key)
                .into_iter()
                .for_each(|key| places.entry(key).or_default().1.push(*want));
        }
        let mut found = Vec::new();
        for (mut old, mut new) in places.into_values() {
            old.retain(|have| {
                let same = new.iter().position(|want| self.new_text(*want) == self.old_text(*have));
                same.map(|at| found.push((*have, new.remove(at)))).is_none()
            });
            found.extend(old.into_iter().zip(new));
        }
        found
    }

    fn similar_pairs(&self, old: &[usize], new: &[usize]) -> Vec<(usize, usize)> {
        let one: Vec<_> = old.iter().filter_map(|have| self.old_candidate(*have)).collect();
        let two: Vec<_> = new.iter().filter_map(|want| self.new_candidate(*want)).collect();
        let found = pairs(&one, &two).into_iter();
        found.filter_map(|(o, n)| Some((*old.get(o)?, *new.get(n)?))).collect()
    }

    /// Texts without a name are told by the items that they stand between.
    fn match_texts(&mut self, sheet: usize, haves: &[usize], wants: &[usize]) {
        let spot = |have: &usize| haves.iter().position(|other| other == have);
        let items = wants.iter().enumerate().filter_map(|(at, want)| {
            let (_, have) = self.wants.get(*want)?.from.iter().find(|(other, _)| *other == sheet)?;
            Some((at, spot(have)?))
        });
        let items: Vec<_> = items.collect();
        let stays = longest_rising(&items.iter().map(|(_, have)| *have).collect::<Vec<_>>());
        let anchors = items.into_iter().zip(stays).filter(|(_, stays)| *stays).map(|(pair, _)| pair);
        let (mut want_from, mut have_from) = (0, 0);
        for (want, have) in anchors.chain([(wants.len(), haves.len())]).collect::<Vec<_>>() {
            let (old, new) = (haves.get(have_from..have), wants.get(want_from..want));
            self.match_gap(sheet, old.unwrap_or_default(), new.unwrap_or_default());
            (want_from, have_from) = (want + 1, have + 1);
        }
    }

    /// The texts between the same two items, before and after.
    fn match_gap(&mut self, sheet: usize, haves: &[usize], wants: &[usize]) {
        let is_text =
            |have: &&usize| self.haves.get(**have).is_some_and(|have| !have.is_item() && !have.taken);
        let old: Vec<_> = haves.iter().filter(is_text).copied().collect();
        let open = |want: &&usize| self.wants.get(**want).is_some_and(|want| want.cut.kind == NodeKind::Text);
        let new: Vec<_> = wants.iter().filter(open).copied().collect();
        if let [want] = new[..] {
            old.iter().for_each(|have| self.take(sheet, *have, want));
            return;
        }
        for (have, want) in self.similar_pairs(&old, &new) {
            self.take(sheet, have, want);
        }
    }

    /// The leaves that show a piece's text, in order, with the part of the old text that each shows.
    ///
    /// What went elsewhere is left out; so are the items in the piece, unless `items` are wanted.
    pub(super) fn leaves_of(&self, have: usize, items: bool) -> Vec<(LeafId, Range<usize>)> {
        let mut found = Vec::new();
        let mut open = vec![have];
        while let Some(number) = open.pop() {
            let Some(piece) = self.haves.get(number) else { continue };
            if number != have && (piece.taken || (piece.is_item() && !items)) {
                continue;
            }
            found.extend(piece.leaf.map(|leaf| (leaf, piece.start..piece.end)));
            open.extend(piece.children.iter().rev());
        }
        found
    }
}

impl Sheet {
    /// Gives an old piece the pieces that it was cut into.
    pub(super) fn open_have(&mut self, have: usize, pieces: &Pieces, start: usize) {
        let inner = NodeId::inside(pieces.leaf);
        let mut numbers = BTreeMap::from([(inner, have)]);
        for piece in &pieces.list {
            let number = self.haves.len();
            numbers.insert(piece.node, number);
            let above = numbers.get(&piece.place.parent).copied();
            let (from, to) = (start + piece.start as usize, start + piece.end as usize);
            let (node, leaf) = (piece.node, piece.leaf);
            let place = Some(piece.place.clone());
            let children = Vec::new();
            self.haves.push(Have {
                node,
                place,
                leaf,
                inner: node,
                start: from,
                end: to,
                children,
                taken: false,
            });
            if let Some(above) = above.and_then(|above| self.haves.get_mut(above)) {
                above.children.push(number);
            }
        }
        if let Some(have) = self.haves.get_mut(have) {
            (have.leaf, have.inner) = (None, inner);
        }
    }

    /// The items that are not in the new text; only those whose container is, or all.
    pub(super) fn loose_haves(&self, outermost: bool) -> Vec<usize> {
        let (mut found, mut open) = (Vec::new(), vec![0]);
        while let Some(have) = open.pop() {
            for child in self.haves.get(have).into_iter().flat_map(|have| &have.children) {
                let loose = self.is_free_item(*child);
                found.extend(loose.then_some(*child));
                if !loose || !outermost {
                    open.push(*child);
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// The items that nothing became; only those whose container is matched, or all.
    pub(super) fn loose_wants(&self, outermost: bool) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open = self.top.clone();
        while let Some(want) = open.pop() {
            let loose = self.is_open_item(want);
            found.extend(loose.then_some(want));
            if !loose || !outermost {
                open.extend(self.wants.get(want).into_iter().flat_map(|want| &want.children));
            }
        }
        found.sort_unstable();
        found
    }

    pub(super) fn is_matched(&self, want: usize) -> bool {
        self.wants.get(want).is_some_and(|want| !want.from.is_empty())
    }

    /// The old pieces that an old piece lies in, from the inside out.
    pub(super) fn around_have(&self, have: usize) -> impl Iterator<Item = usize> + '_ {
        let above = |have: &usize| self.haves.iter().position(|piece| piece.children.contains(have));
        std::iter::successors(above(&have), above)
    }

    /// The new pieces that a new piece lies in, from the inside out.
    pub(super) fn around_want(&self, want: usize) -> impl Iterator<Item = usize> + '_ {
        let above = |want: &usize| self.wants.iter().position(|piece| piece.children.contains(want));
        std::iter::successors(above(&want), above)
    }

    /// Whether anything in an old piece became something on its own.
    pub(super) fn holds_taken(&self, have: usize) -> bool {
        let mut open = vec![have];
        while let Some(have) = open.pop() {
            let children = self.haves.get(have).map_or(&[][..], |have| &have.children);
            if children.iter().any(|child| self.haves.get(*child).is_some_and(|child| child.taken)) {
                return true;
            }
            open.extend(children);
        }
        false
    }

    /// Whether anything in a piece came from elsewhere.
    pub(super) fn holds_matched(&self, want: usize) -> bool {
        let mut open = vec![want];
        while let Some(want) = open.pop() {
            let children = self.wants.get(want).map_or(&[][..], |want| &want.children);
            if children.iter().any(|child| self.is_matched(*child)) {
                return true;
            }
            open.extend(children);
        }
        false
    }

    /// The text of `wants` without the pieces that came from elsewhere, its cuts, and the piece that each cut is.
    pub(super) fn rest(&self, wants: &[usize]) -> (Vec<u8>, Vec<Cut>, Vec<usize>) {
        let (mut text, mut cuts, mut numbers) = (Vec::new(), Vec::<Cut>::new(), Vec::new());
        let mut open: Vec<_> = wants.iter().rev().map(|want| (*want, 0, false)).collect();
        while let Some((number, depth, done)) = open.pop() {
            let Some(want) = self.wants.get(number).filter(|want| want.from.is_empty()) else { continue };
            if done {
                if let Some(cut) = cuts.get_mut(depth) {
                    cut.end = text.len() as u32;
                }
                continue;
            }
            let start = text.len() as u32;
            let level = depth as u8;
            let index = cuts.len();
            cuts.push(Cut { depth: level, start, end: start, ..want.cut.clone() });
            numbers.push(number);
            open.push((number, index, true));
            if want.children.is_empty() {
                text.extend_from_slice(self.new_text(number));
            }
            open.extend(want.children.iter().rev().map(|child| (*child, depth + 1, false)));
        }
        (text, cuts, numbers)
    }

    /// What is not in the new text: the items that go, and the leaves that are emptied.
    pub(super) fn left(&self, at: usize) -> (Vec<NodeId>, Vec<LeafId>) {
        let (mut gone, mut emptied) = (Vec::new(), Vec::new());
        let mut open = vec![0];
        while let Some(number) = open.pop() {
            let Some(have) = self.haves.get(number) else { continue };
            let kept = have.taken || number == 0;
            match kept {
                false if have.is_item() => gone.push(have.node),
                false => emptied.extend(self.leaves_of(number, true).into_iter().map(|(leaf, _)| leaf)),
                true if number == 0 || self.is_open(at, number) => open.extend(&have.children),
                true if self.is_flat(at, number) => open.extend(self.items_in(number)),
                true => {}
            }
        }
        (gone, emptied)
    }

    /// Whether a piece that held pieces became one that holds none.
    pub(super) fn is_flat(&self, at: usize, have: usize) -> bool {
        let flat = |want: &Want| want.children.is_empty() && !want.spread && want.from == [(at, have)];
        self.haves.get(have).is_some_and(|have| have.leaf.is_none()) && self.wants.iter().any(flat)
    }

    fn items_in(&self, have: usize) -> impl Iterator<Item = usize> + '_ {
        let children = self.haves.get(have).into_iter().flat_map(|have| &have.children).copied();
        children.filter(|child| self.haves.get(*child).is_some_and(Have::is_item))
    }

    /// Whether a kept piece was taken apart, so that what lies in it is kept or dropped on its own.
    fn is_open(&self, at: usize, have: usize) -> bool {
        let apart = |want: &Want| !want.children.is_empty() && want.from == [(at, have)];
        self.haves.get(have).is_some_and(|have| have.leaf.is_none()) && self.wants.iter().any(apart)
    }
}
