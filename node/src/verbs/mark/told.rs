//! Marks as `show` and `log --changelog` tell them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use cairn_crdt::Frontier;
use cairn_crdt::id::WaypointId;
use cairn_protocol::Replica;
use cairn_protocol::mark::Mark;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::when;
use crate::verbs::Place;
use crate::verbs::log::history;

/// One mark, as it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The name.
    pub mark: String,
    /// The changelog entry.
    pub message: String,
    /// How long it is to be kept.
    pub class: Option<String>,
    /// Why it must not be deleted now.
    pub hold: Option<String>,
    /// The version it names.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// When it was set, as its author's clock said, in UTC.
    pub date: String,
    /// The same in milliseconds since 1970.
    pub wall_ms: u64,
    /// Who set it: the name, or the key where there is no name.
    pub author: String,
    /// The waypoint that set it.
    pub waypoint: String,
}

/// The mark that a waypoint set.
pub(crate) fn told(replica: &Replica, place: Place, set: WaypointId) -> Option<Told> {
    let marks = replica.marks(place.project);
    let (_, mark) = marks.into_iter().find(|(id, _)| *id == set)?;
    one(replica, place, set, mark)
}

fn one(replica: &Replica, place: Place, set: WaypointId, mark: Mark) -> Option<Told> {
    let entry = replica.entry(place.project, set)?;
    Some(Told {
        frontier: mark.frontier.iter().map(WaypointId::to_string).collect(),
        root: mark.root.to_string(),
        date: when::spell(entry.stamp.wall_ms),
        wall_ms: entry.stamp.wall_ms,
        author: entry.author.map_or_else(|| entry.key.short(), |author| author.name),
        waypoint: set.to_string(),
        mark: mark.name,
        message: mark.message,
        class: mark.class,
        hold: mark.hold,
    })
}

/// The marks of a version and its past, newest first: none before one that marks more than it does,
/// and where that leaves a choice, by when they were set. A set of signed marks has one such order, so
/// changelogs merge as sets do.
pub(crate) fn changelog(owner: &Owner, place: Place, frontier: &Frontier) -> Result<Vec<Told>, NodeError> {
    let (replica, documents) = (owner.replica(place.repo)?, place.documents(owner)?);
    let log = history(replica, place, frontier);
    let at: BTreeMap<WaypointId, usize> = log.iter().enumerate().map(|(at, entry)| (entry.id, at)).collect();
    let mut marks = Vec::new();
    for (set, mark) in replica.marks(place.project) {
        let places: Option<Vec<usize>> = mark.frontier.iter().map(|head| at.get(head).copied()).collect();
        let Some(newest) = places.and_then(|places| places.into_iter().min()) else { continue };
        // Versions with one newest waypoint differ by what else they hold.
        let more = match mark.frontier.len() {
            1 => 0,
            _ => documents.ancestors(&mark.frontier.iter().copied().collect()).count(),
        };
        let stamp = replica.entry(place.project, set).map(|entry| entry.stamp);
        marks.push(((newest, Reverse(more), Reverse(stamp), set), mark));
    }
    marks.sort_by_key(|(order, _)| *order);
    Ok(marks.into_iter().filter_map(|((.., set), mark)| one(replica, place, set, mark)).collect())
}
