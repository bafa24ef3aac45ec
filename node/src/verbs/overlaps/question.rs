//! An overlap with all that a person's tool or a language model needs to decide it.

use std::collections::BTreeSet;

use cairn_crdt::id::WaypointId;
use cairn_crdt::{Frontier, Overlap as Met, View};
use serde::{Deserialize, Serialize};

use super::tell::{self, Overlap};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Place;

/// The most bytes of text around a place, on each side of it.
const AROUND_BYTES_MAX: usize = 32 << 10;
/// The most bytes of the text that the sides began with.
const BASE_BYTES_MAX: usize = 256 << 10;

/// An overlap and what is around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What met.
    #[serde(flatten)]
    pub overlap: Overlap,
    /// The file as it was when the sides parted; `null` when it is not known, not text, or too large.
    pub base: Option<String>,
    /// What stands before the place in the file, its last 32 KiB at most.
    pub before: String,
    /// What stands behind the place in the file, its first 32 KiB at most.
    pub after: String,
}

/// The overlaps of these numbers; without any, those in which a choice is open.
pub(super) fn questions(
    owner: &mut Owner,
    place: Place,
    view: &View,
    numbers: &[usize],
) -> Result<Vec<Question>, NodeError> {
    let told = tell::overlaps(owner, place, view, |index, met| match numbers {
        [] => !met.kind.is_soft(),
        numbers => numbers.contains(&index),
    })?;
    let mut questions = Vec::new();
    for overlap in told {
        let Some(met) = view.overlaps.get(overlap.index) else { continue };
        let (before, after) = around(owner, place, view, met)?;
        let base = base(owner, place, met)?;
        questions.push(Question { overlap, base, before, after });
    }
    Ok(questions)
}

fn around(owner: &mut Owner, place: Place, view: &View, met: &Met) -> Result<(String, String), NodeError> {
    let Some((start, end)) = met.range.filter(|_| view.files.contains_key(&met.path)) else {
        return Ok((String::new(), String::new()));
    };
    let bytes = place.bytes(owner, view, &met.path)?;
    let before = bytes.get(start.saturating_sub(AROUND_BYTES_MAX)..start).unwrap_or_default();
    let after = bytes.get(end..bytes.len().min(end.saturating_add(AROUND_BYTES_MAX))).unwrap_or_default();
    Ok((String::from_utf8_lossy(before).into_owned(), String::from_utf8_lossy(after).into_owned()))
}

/// The file in the last version that all sides have in common.
fn base(owner: &mut Owner, place: Place, met: &Met) -> Result<Option<String>, NodeError> {
    let documents = place.documents(owner)?;
    let mut common: Option<BTreeSet<WaypointId>> = None;
    for side in met.alternatives.iter().filter(|side| !side.waypoints.is_empty()) {
        // What a side wrote is not what it began with, so its own waypoints are left out.
        let parents = side.waypoints.iter().flat_map(|by| documents.parents(by)).copied();
        let known: BTreeSet<_> = documents.ancestors(&documents.frontier_of(parents)).collect();
        common = Some(common.map_or(known.clone(), |common| &common & &known));
    }
    let frontier = documents.frontier_of(common.unwrap_or_default());
    if frontier == Frontier::empty() {
        return Ok(None);
    }
    let view = place.view(owner, &frontier)?;
    if !view.files.contains_key(&met.path) {
        return Ok(None);
    }
    let bytes = place.bytes(owner, &view, &met.path)?;
    Ok(String::from_utf8(bytes).ok().filter(|text| text.len() <= BASE_BYTES_MAX))
}
