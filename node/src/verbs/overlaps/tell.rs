//! How an overlap is told: in plain words and numbers, the same by every verb.

use std::collections::BTreeMap;

use cairn_crdt::id::WaypointId;
use cairn_crdt::lines::Lines;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{Overlap as Met, OverlapKind, OverlapSide, View};
use cairn_protocol::Replica;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::path_text;
use crate::verbs::Place;

/// One place where concurrent edits met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Its place in the list.
    pub index: usize,
    /// What met: `replace`, `delete_edit`, `name_collision`, …
    pub kind: String,
    /// The file.
    pub path: String,
    /// The line of the file, as shown, where it begins; `null` where it is about the whole file.
    pub line: Option<usize>,
    /// The item inside the file.
    pub symbol: Option<String>,
    /// Whether nothing is hidden: worth a look, but no choice is open.
    #[serde(default)]
    pub soft: bool,
    /// What each side wrote; the first is shown.
    pub alternatives: Vec<Alternative>,
}

/// One side of an overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Its text, invalid UTF-8 replaced.
    pub text: String,
    /// The waypoints that wrote it.
    pub waypoints: Vec<String>,
    /// Who wrote it: names, or keys where there is no name.
    pub authors: Vec<String>,
}

/// Where an overlap is, and what met: what a summary says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// What met.
    pub kind: String,
    /// The file.
    pub path: String,
    /// The line of the file, as shown, where it begins.
    pub line: Option<usize>,
    /// The item inside the file.
    pub symbol: Option<String>,
    /// Whether nothing is hidden: worth a look, but no choice is open.
    #[serde(default)]
    pub soft: bool,
}

/// The overlaps of a view that `wanted` lets through, with their authors and lines.
pub(crate) fn overlaps(
    owner: &mut Owner,
    place: Place,
    view: &View,
    wanted: impl Fn(usize, &Met) -> bool,
) -> Result<Vec<Overlap>, NodeError> {
    let asked = view.overlaps.iter().enumerate().filter(|(index, met)| wanted(*index, met));
    all(owner, place, view, &asked.collect::<Vec<_>>())
}

/// What of a view is only noted: both sides are shown, and came near to each other.
pub(crate) fn notes(
    owner: &mut Owner,
    place: Place,
    view: &View,
    wanted: impl Fn(&Met) -> bool,
) -> Result<Vec<Overlap>, NodeError> {
    let asked = view.notes.iter().enumerate().filter(|(_, met)| wanted(met));
    all(owner, place, view, &asked.collect::<Vec<_>>())
}

fn all(
    owner: &mut Owner,
    place: Place,
    view: &View,
    asked: &[(usize, &Met)],
) -> Result<Vec<Overlap>, NodeError> {
    let mut lines = BTreeMap::<&RepoPath, Lines>::new();
    for (_, met) in asked.iter().filter(|(_, met)| met.range.is_some()) {
        if !lines.contains_key(&met.path) && view.files.contains_key(&met.path) {
            lines.insert(&met.path, Lines::of(&place.bytes(owner, view, &met.path)?));
        }
    }
    let replica = owner.replica(place.repo)?;
    let told = asked.iter().map(|(index, met)| {
        let line = lines.get(&met.path).zip(met.range).map(|(lines, (start, _))| lines.number(start));
        told(*index, met, line, |side| alternative(replica, place, side))
    });
    Ok(told.collect())
}

/// Where the overlaps of a view are, and what is noted.
pub(crate) fn spots(owner: &mut Owner, place: Place, view: &View) -> Result<Vec<Spot>, NodeError> {
    let mut found = overlaps(owner, place, view, |_, _| true)?;
    found.extend(notes(owner, place, view, |_| true)?);
    let spot = |Overlap { kind, path, line, symbol, soft, .. }| Spot { kind, path, line, symbol, soft };
    Ok(found.into_iter().map(spot).collect())
}

/// One overlap, its sides told by `alternative`.
pub(crate) fn told(
    index: usize,
    met: &Met,
    line: Option<usize>,
    alternative: impl Fn(&OverlapSide) -> Alternative,
) -> Overlap {
    Overlap {
        index,
        kind: kind(met.kind).to_owned(),
        path: path_text(&met.path),
        line,
        symbol: met.symbol.clone(),
        soft: met.kind.is_soft(),
        alternatives: met.alternatives.iter().map(alternative).collect(),
    }
}

fn alternative(replica: &Replica, place: Place, side: &OverlapSide) -> Alternative {
    let mut authors: Vec<String> =
        side.waypoints.iter().filter_map(|waypoint| author(replica, place, *waypoint)).collect();
    authors.sort();
    authors.dedup();
    Alternative {
        text: String::from_utf8_lossy(&side.bytes).into_owned(),
        waypoints: side.waypoints.iter().map(WaypointId::to_string).collect(),
        authors,
    }
}

fn author(replica: &Replica, place: Place, waypoint: WaypointId) -> Option<String> {
    let entry = replica.entry(place.project, waypoint)?;
    Some(entry.author.map_or_else(|| entry.key.short(), |author| author.name))
}

/// The word for what met.
pub(crate) fn kind(kind: OverlapKind) -> &'static str {
    match kind {
        OverlapKind::Replace => "replace",
        OverlapKind::DeleteEdit => "delete_edit",
        OverlapKind::Move => "move",
        OverlapKind::Cycle => "cycle",
        OverlapKind::NameCollision => "name_collision",
        OverlapKind::AddAdd => "add_add",
        OverlapKind::BodyEdit => "body_edit",
        OverlapKind::Split => "split",
        OverlapKind::Mode => "mode",
        OverlapKind::Beside => "beside",
        OverlapKind::SameItem => "same_item",
        OverlapKind::SameName => "same_name",
        OverlapKind::OldName => "old_name",
        _ => "other",
    }
}
