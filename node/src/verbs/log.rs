//! `log`: the waypoints of a version, newest first; all, or those that wrote a file or an item.

mod touched;

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::Frontier;
use cairn_crdt::id::{WaypointId, hex};
use cairn_protocol::entry::EdgeKind;
use cairn_protocol::replica::Tombstone;
use cairn_protocol::retire::Retired;
use cairn_protocol::{LogEntry, Replica};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::when;
use crate::verbs::mark::{Told, changelog};
use crate::verbs::{Here, Place, Version};

/// What `log` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The version, and what of it: `path`, `path#symbol`; what the worktree stands on when left out.
    pub uri: Option<String>,
    /// At most so many; all when left out.
    pub limit: Option<usize>,
    /// The local waypoints of this home instead.
    #[serde(default)]
    pub local: bool,
    /// Only the marks, as a changelog.
    pub changelog: bool,
    /// Whether each waypoint names those of the list that it stands on.
    #[serde(default)]
    pub graph: bool,
}

/// What `log` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The waypoints, newest first.
    pub waypoints: Vec<Logged>,
    /// The marks, newest first, where a changelog was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changelog: Option<Vec<Told>>,
}

/// Which marks name which waypoints, and which labels did.
#[derive(Default)]
pub(super) struct Marks {
    standing: BTreeMap<WaypointId, Vec<String>>,
    deleted: BTreeMap<WaypointId, Vec<Deleted>>,
}

/// One waypoint as `log` and `show` tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Its hash.
    pub waypoint: String,
    /// The feed it was written to.
    pub feed: String,
    /// Its number in that feed.
    pub seq: u64,
    /// The key that wrote it.
    pub key: String,
    /// The name that the key gave itself, if any; of what was imported, the author's there.
    pub author: Option<String>,
    /// The author's clock when it was written.
    pub stamp: Stamp,
    /// What it was in another system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// The version it was written on.
    pub parents: Vec<String>,
    /// What of the list it stands on, where that was asked for: what lies between is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_on: Option<Vec<String>>,
    /// The branch it was written to.
    pub branch: Option<String>,
    /// What it is about.
    pub message: Option<String>,
    /// Whether it never leaves this home.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// The marks that name it.
    pub marks: Vec<String>,
    /// The marks and branches that named it, and were deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<Deleted>,
}

/// A label that was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// `mark` or `branch`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Who deleted it: the name, or the key where there is no name.
    pub author: String,
    /// When, in milliseconds since 1970, as the author's clock said.
    pub wall_ms: u64,
    /// Why.
    pub message: String,
    /// The waypoint that says so.
    pub tombstone: String,
}

impl Deleted {
    /// A tombstone, as it is told.
    pub(super) fn of(tombstone: &Tombstone) -> Self {
        let Tombstone { entry, retire, .. } = tombstone;
        let kind = if retire.what == Retired::Branch { "branch" } else { "mark" };
        Self {
            kind: kind.to_owned(),
            name: retire.name.clone(),
            author: entry.author.as_ref().map_or_else(|| entry.key.short(), |author| author.name.clone()),
            wall_ms: entry.stamp.wall_ms,
            message: retire.message.clone(),
            tombstone: entry.id.to_string(),
        }
    }
}

impl std::fmt::Display for Deleted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name, author, .. } = self;
        let tombstone = self.tombstone.get(..12).unwrap_or_default();
        write!(f, "the {kind} {name} was deleted by {author} at {}", when::spell(self.wall_ms))?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        write!(f, " (tombstone {tombstone})")
    }
}

/// What a waypoint was in another system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The system: `git`.
    pub from: String,
    /// Its name there, in hexadecimal digits.
    pub name: String,
    /// Who wrote it there.
    pub author: String,
    /// The author's mail address.
    pub mail: String,
    /// When, in seconds since 1970.
    pub written_s: i64,
    /// How many minutes the author's clock was ahead of UTC.
    pub offset_minutes: i16,
    /// Who imported it: the name, or the key where there is no name.
    pub by: String,
}

impl Imported {
    fn of(entry: &LogEntry) -> Option<Self> {
        let imported = entry.imported.as_ref()?;
        Some(Self {
            from: imported.system.clone(),
            name: hex(&imported.name),
            author: imported.author.name.clone(),
            mail: imported.author.mail.clone(),
            written_s: imported.written_s,
            offset_minutes: imported.offset_minutes,
            by: entry.author.as_ref().map_or_else(|| entry.key.short(), |author| author.name.clone()),
        })
    }
}

/// A hybrid logical clock's reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970, as the author's wall clock said.
    pub wall_ms: u64,
    /// What orders waypoints of one millisecond.
    pub counter: u32,
}

/// Lists them.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let word = args.uri.as_deref().unwrap_or_default();
    let (uri, symbol) = word.split_once('#').map_or((word, None), |(uri, symbol)| (uri, Some(symbol)));
    let version = Version::find(owner, &args.here, Some(uri))?;
    let touched = match (&version.path, symbol) {
        (Some(path), symbol) => {
            Some(touched::touched(owner, version.place, &version.frontier, path, symbol)?)
        }
        (None, Some(_)) => return Err(NodeError::Usage(format!("{word}: an item is named by path#item"))),
        (None, None) => None,
    };
    if args.changelog {
        let changelog = changelog(owner, version.place, &version.frontier)?;
        let told = changelog.into_iter().take(args.limit.unwrap_or(usize::MAX)).collect();
        return Ok(Answer { changelog: Some(told), ..Answer::default() });
    }
    let replica = owner.replica(version.place.repo)?;
    let marks = marks(replica, version.place);
    let entries = match args.local {
        true => replica.locals(version.place.project, None),
        false => history(replica, version.place, &version.frontier),
    };
    let is_told = |entry: &&LogEntry| match &touched {
        Some(touched) => touched.contains(&entry.id),
        None => !entry.continued,
    };
    let mut below = args.graph.then(|| below(&entries, is_told));
    let told = entries.iter().filter(is_told).take(args.limit.unwrap_or(usize::MAX));
    let waypoints = told.map(|entry| Logged {
        stands_on: below.as_mut().and_then(|below| below.remove(&entry.id)),
        ..logged(entry, &marks)
    });
    let waypoints = waypoints.collect();
    Ok(Answer { waypoints, changelog: None })
}

/// For each waypoint that is told, the nearest told ones that it stands on.
fn below(log: &[LogEntry], is_told: impl Fn(&&LogEntry) -> bool) -> BTreeMap<WaypointId, Vec<String>> {
    let (mut nearest, mut below) = (BTreeMap::<WaypointId, Vec<WaypointId>>::new(), BTreeMap::new());
    for entry in log.iter().rev() {
        let mut found: Vec<WaypointId> = Vec::new();
        for near in entry.parents.iter().filter_map(|parent| nearest.get(parent)).flatten() {
            if !found.contains(near) {
                found.push(*near);
            }
        }
        if is_told(&entry) {
            below.insert(entry.id, found.iter().map(WaypointId::to_string).collect());
            found = vec![entry.id];
        }
        nearest.insert(entry.id, found);
    }
    below
}

/// The log of a version, with what was carried over into it from beside its epoch.
pub(super) fn history(replica: &Replica, place: Place, frontier: &Frontier) -> Vec<LogEntry> {
    let mut heads: Vec<WaypointId> = frontier.heads().to_vec();
    loop {
        let log = replica.log(place.project, &heads.iter().copied().collect());
        let known: BTreeSet<WaypointId> = log.iter().map(|entry| entry.id).collect();
        let edges = log.iter().flat_map(|entry| &entry.edges);
        let carried = edges.filter(|edge| edge.kind == EdgeKind::Translates).map(|edge| edge.target);
        let is_more = |id: &WaypointId| !known.contains(id) && replica.entry(place.project, *id).is_some();
        let before = heads.len();
        heads.extend(carried.filter(is_more));
        if heads.len() == before {
            return log;
        }
    }
}

/// The marks of a project, and the labels that were deleted, by what they name.
pub(super) fn marks(replica: &Replica, place: Place) -> Marks {
    let mut marks = Marks::default();
    for (_, mark) in replica.marks(place.project) {
        for head in &mark.frontier {
            marks.standing.entry(*head).or_default().push(mark.name.clone());
        }
    }
    for tombstone in replica.tombstones(place.project) {
        let marked = tombstone.marks.iter().flat_map(|(_, mark)| &mark.frontier);
        for head in marked.chain(tombstone.tips.heads()) {
            marks.deleted.entry(*head).or_default().push(Deleted::of(&tombstone));
        }
    }
    marks
}

/// One waypoint as it is told.
pub(super) fn logged(entry: &LogEntry, marks: &Marks) -> Logged {
    let imported =
        entry.imported.as_ref().map(|imported| &imported.author).filter(|author| !author.name.is_empty());
    Logged {
        waypoint: entry.id.to_string(),
        feed: entry.feed.to_string(),
        seq: entry.seq,
        key: entry.key.to_string(),
        author: imported.or(entry.author.as_ref()).map(|author| author.name.clone()),
        imported: Imported::of(entry),
        stamp: Stamp { wall_ms: entry.stamp.wall_ms, counter: entry.stamp.counter },
        parents: entry.parents.iter().map(WaypointId::to_string).collect(),
        stands_on: None,
        branch: entry.branch.clone(),
        message: entry.message.clone().or_else(|| entry.mark.as_ref().map(|mark| mark.message.clone())),
        local: entry.local,
        marks: marks.standing.get(&entry.id).cloned().unwrap_or_default(),
        deleted: marks.deleted.get(&entry.id).cloned().unwrap_or_default(),
    }
}
