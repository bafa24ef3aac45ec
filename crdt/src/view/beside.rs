//! What stands side by side in a text although nobody has seen both.
//!
//! Two sides that change neighbouring lines, or one item in two places, are both kept and
//! nothing is hidden; but whether they mean the same thing no rule can tell. So it is
//! reported, in a softer kind than where one side hides another, until somebody posts on
//! top of both. Only the heads of the frontier are sides here: what one of them has, its
//! author has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::id::{NodeId, WaypointId};
use crate::languages::is_unordered;
use crate::lines::Lines;
use crate::op::NodeKind;
use crate::overlap::OverlapKind;
use crate::token::tokenize;
use crate::view::outline::{Entry, Outline};
use crate::view::tree::Ground;

/// Changes that stand side by side.
#[derive(Debug)]
pub(crate) struct Soft {
    pub(crate) kind: OverlapKind,
    /// The entry that it is about.
    pub(crate) entry: usize,
    /// The bytes of the text that it is about.
    pub(crate) range: Range<usize>,
    /// What each side has there, and who wrote it.
    pub(crate) sides: Vec<(Range<usize>, Vec<WaypointId>)>,
}

/// A change that is seen in a text.
#[derive(Debug, Clone)]
struct Touch {
    entry: usize,
    bytes: Range<usize>,
    lines: Range<usize>,
    by: Vec<WaypointId>,
    /// Which heads have it.
    heads: Vec<bool>,
}

/// All that is found in one text.
pub(crate) fn beside(ground: Ground<'_>, heads: &[WaypointId], text: &Outline) -> Vec<Soft> {
    if heads.len() < 2 {
        return Vec::new();
    }
    let touches = touches(ground, heads, text);
    if !is_apart(&touches) {
        return Vec::new();
    }
    let mut found = neighbours(text, &touches);
    let told: BTreeSet<usize> = found.iter().map(|soft| soft.entry).collect();
    found.extend(same_items(text, &touches).into_iter().filter(|soft| !told.contains(&soft.entry)));
    found.extend(same_names(ground, heads, text));
    found.extend(old_names(ground, heads, text, &touches));
    found
}

/// Who wrote what is seen in a text.
pub(crate) fn writers(ground: Ground<'_>, text: &Outline) -> BTreeSet<WaypointId> {
    let marks = text.marks.iter().flat_map(|(_, leaf, mark)| {
        let log = ground.state.leaves.get(leaf).and_then(|log| log.hunks.get(&mark.hunk));
        log.into_iter().flat_map(|(_, by)| by.iter().copied())
    });
    let nodes = text.entries.iter().skip(1).filter_map(|entry| ground.state.nodes.get(&entry.node));
    let nodes = nodes.flat_map(|node| node.body.writers().chain(node.place.writers()).copied());
    marks.chain(nodes).collect()
}

fn touches(ground: Ground<'_>, heads: &[WaypointId], text: &Outline) -> Vec<Touch> {
    let starts = Lines::of(&text.bytes);
    let touch = |entry: usize, bytes: Range<usize>, by: Vec<WaypointId>| {
        let lines = lines(&starts, &bytes);
        let heads = seen_by(ground, heads, &by);
        Touch { entry, bytes, lines, by, heads }
    };
    let hunks = text.marks.iter().filter_map(|(entry, leaf, mark)| {
        let (_, by) = ground.state.leaves.get(leaf)?.hunks.get(&mark.hunk)?;
        Some(touch(*entry, mark.start..mark.end, by.clone()))
    });
    let bodies = text.entries.iter().enumerate().skip(1).filter_map(|(index, entry)| {
        let by: Vec<_> = ground.state.nodes.get(&entry.node)?.body.writers().copied().collect();
        (!by.is_empty()).then(|| touch(index, entry.start..entry.end, by))
    });
    let mut touches: Vec<_> = hunks.chain(bodies).filter(|touch| touch.heads.contains(&false)).collect();
    touches.sort_by_key(|touch| (touch.lines.start, touch.lines.end, touch.entry));
    touches
}

/// The lines that a range of bytes touches; none for a border between two lines.
fn lines(starts: &Lines, bytes: &Range<usize>) -> Range<usize> {
    let line = |at: usize| starts.number(at) - 1;
    let first = line(bytes.start);
    match bytes.is_empty() {
        true => first..first + usize::from(!starts.begins(bytes.start)),
        false => first..line(bytes.end - 1) + 1,
    }
}

/// Which heads have what any of `by` wrote.
fn seen_by(ground: Ground<'_>, heads: &[WaypointId], by: &[WaypointId]) -> Vec<bool> {
    heads.iter().map(|head| by.iter().any(|by| ground.graph.is_ancestor(by, head))).collect()
}

/// Whether no head has both.
fn apart(a: &[bool], b: &[bool]) -> bool {
    !a.iter().zip(b).any(|(a, b)| *a && *b)
}

/// Whether any two of some changes are in no head together.
fn is_apart(touches: &[Touch]) -> bool {
    let kinds: BTreeSet<_> = touches.iter().map(|touch| &touch.heads).collect();
    kinds.iter().any(|a| kinds.iter().any(|b| apart(a, b)))
}

/// Runs of changes of which each touches the lines of the one before, if no head has all.
///
/// Members of a set that came side by side are no neighbours: their order has no meaning.
fn neighbours(text: &Outline, touches: &[Touch]) -> Vec<Soft> {
    let is_member = |touch: &&Touch| {
        let entry = text.entries.get(touch.entry);
        let whole = entry.is_some_and(|entry| touch.bytes == (entry.start..entry.end));
        let place = entry.and_then(|entry| entry.place.as_ref());
        whole && place.is_some_and(|place| is_unordered(&place.kind))
    };
    let mut runs: Vec<(usize, Vec<Touch>)> = Vec::new();
    for touch in touches.iter().filter(|touch| !is_member(touch)) {
        match runs.last_mut() {
            Some((end, run)) if touch.lines.start <= *end => {
                *end = touch.lines.end.max(*end);
                run.push(touch.clone());
            }
            _ => runs.push((touch.lines.end, vec![touch.clone()])),
        }
    }
    let runs = runs.into_iter().map(|(_, run)| run).filter(|run| is_apart(run));
    runs.filter_map(|run| soft(OverlapKind::Beside, run.first()?.entry, &run)).collect()
}

/// Changes of one item, if no head has all.
fn same_items(text: &Outline, touches: &[Touch]) -> Vec<Soft> {
    let mut items: BTreeMap<usize, Vec<Touch>> = BTreeMap::new();
    for touch in touches {
        if let Some(item) = item_around(text, touch.entry) {
            items.entry(item).or_default().push(touch.clone());
        }
    }
    let items = items.into_iter().filter(|(_, touches)| is_apart(touches));
    items.filter_map(|(item, touches)| soft(OverlapKind::SameItem, item, &touches)).collect()
}

/// The innermost named item at an entry.
fn item_around(text: &Outline, entry: usize) -> Option<usize> {
    let mut next = Some(entry);
    while let Some(index) = next {
        let entry = text.entries.get(index)?;
        if is_item(entry) {
            return Some(index);
        }
        next = entry.above;
    }
    None
}

fn is_item(entry: &Entry) -> bool {
    matches!(&entry.place, Some(place) if matches!(place.kind, NodeKind::Item(_)) && !place.name.is_empty())
}

/// One soft overlap of some changes: a side for each set of heads.
fn soft(kind: OverlapKind, entry: usize, touches: &[Touch]) -> Option<Soft> {
    let mut sides: BTreeMap<&Vec<bool>, (Range<usize>, BTreeSet<WaypointId>)> = BTreeMap::new();
    for touch in touches {
        let side = sides.entry(&touch.heads).or_insert_with(|| (touch.bytes.clone(), BTreeSet::new()));
        side.0 = side.0.start.min(touch.bytes.start)..side.0.end.max(touch.bytes.end);
        side.1.extend(&touch.by);
    }
    let start = touches.iter().map(|touch| touch.bytes.start).min()?;
    let end = touches.iter().map(|touch| touch.bytes.end).max()?;
    let mut sides: Vec<_> =
        sides.into_values().map(|(range, by)| (range, by.into_iter().collect::<Vec<_>>())).collect();
    sides.sort_by(|a, b| (a.0.start, a.0.end, &a.1).cmp(&(b.0.start, b.0.end, &b.1)));
    Some(Soft { kind, entry, range: start..end, sides })
}

/// The heads that have an item where it is; none if it was there before them all.
fn came_with(
    ground: Ground<'_>,
    heads: &[WaypointId],
    node: &NodeId,
) -> Option<(Vec<bool>, Vec<WaypointId>)> {
    let written = ground.state.nodes.get(node)?;
    let by: Vec<_> = written.place.writers().copied().collect();
    let seen = seen_by(ground, heads, &by);
    (!by.is_empty() && seen.contains(&false)).then_some((seen, by))
}

/// Items of one kind and name in one place that came from different sides.
fn same_names(ground: Ground<'_>, heads: &[WaypointId], text: &Outline) -> Vec<Soft> {
    let mut names: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, entry) in text.entries.iter().enumerate().filter(|(_, entry)| is_item(entry)) {
        let name = entry.place.as_ref().map(|place| (&place.kind, &place.name));
        names.entry((entry.above, name)).or_default().push(index);
    }
    let mut found = Vec::new();
    for entries in names.into_values().filter(|entries| entries.len() > 1) {
        let came: Vec<_> = entries
            .iter()
            .filter_map(|index| {
                let entry = text.entries.get(*index)?;
                let (heads, by) = came_with(ground, heads, &entry.node)?;
                Some(Touch { entry: *index, bytes: entry.start..entry.end, lines: 0..0, by, heads })
            })
            .collect();
        if let Some(first) = came.first().filter(|_| is_apart(&came)) {
            found.extend(soft(OverlapKind::SameName, first.entry, &came));
        }
    }
    found
}

/// Items that one side renamed while another wrote the old name.
fn old_names(ground: Ground<'_>, heads: &[WaypointId], text: &Outline, touches: &[Touch]) -> Vec<Soft> {
    let mut found = Vec::new();
    for (index, entry) in text.entries.iter().enumerate().filter(|(_, entry)| is_item(entry)) {
        let Some((seen, by)) = came_with(ground, heads, &entry.node) else { continue };
        let names = former_names(ground, entry);
        let uses = |touch: &&Touch| {
            let bytes = text.bytes.get(touch.bytes.clone()).unwrap_or_default();
            apart(&touch.heads, &seen) && tokenize(bytes).iter().any(|token| names.contains(token))
        };
        let mut sides: Vec<_> = touches.iter().filter(uses).cloned().collect();
        if !names.is_empty() && !sides.is_empty() {
            let bytes = entry.start..entry.end;
            sides.push(Touch { entry: index, bytes, lines: 0..0, by, heads: seen });
            found.extend(soft(OverlapKind::OldName, index, &sides));
        }
    }
    found
}

/// The names that an item had before.
fn former_names<'a>(ground: Ground<'a>, entry: &'a Entry) -> BTreeSet<&'a [u8]> {
    let now = entry.place.as_ref().map(|place| &place.name[..]).unwrap_or_default();
    let written = ground.state.nodes.get(&entry.node).into_iter().flat_map(|node| &node.places);
    let written = written.map(|write| &write.value.name[..]);
    let cut = ground.piece(&entry.node).map(|piece| &piece.place.name[..]);
    written.chain(cut).filter(|name| *name != now && !name.is_empty()).collect()
}
