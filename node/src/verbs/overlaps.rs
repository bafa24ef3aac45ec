//! `overlaps`: where concurrent edits met, with every alternative; and the choice of one.

use cairn_crdt::id::WaypointId;
use cairn_crdt::{Frontier, OverlapKind, OverlapSide};
use cairn_protocol::{Labels, Replica};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::path_text;
use crate::verbs::site::{Posting, Target};
use crate::verbs::{Here, Network, Place, Site, Version};
use crate::worktree::link::digits;

/// What `overlaps` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The version; what the worktree stands on when left out.
    pub uri: Option<String>,
    /// What to do.
    pub action: Action,
}

/// What `overlaps` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The overlaps of the version: all, or the one asked for.
    pub overlaps: Vec<Overlap>,
    /// The waypoint that took an alternative.
    pub waypoint: Option<String>,
    /// The version that is told of: after `take`, the one with the choice in it.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
}

/// What to do about overlaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Lists all.
    #[default]
    List,
    /// Shows one.
    Show {
        /// Which one, as listed.
        index: usize,
    },
    /// Settles one in favour of an alternative.
    Take {
        /// Which one, as listed.
        index: usize,
        /// Which alternative, as listed; 0 is the one shown now.
        alternative: usize,
    },
}

/// One place where concurrent edits met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Its place in the list.
    pub index: usize,
    /// What met: `replace`, `delete_edit`, `name`, …
    pub kind: String,
    /// The file.
    pub path: String,
    /// The item inside the file.
    pub symbol: Option<String>,
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

/// Lists, shows, or takes.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    match args.action {
        Action::Take { index, alternative } => take(owner, args, index, alternative, network),
        Action::List => list(owner, args, None),
        Action::Show { index } => list(owner, args, Some(index)),
    }
}

fn list(owner: &mut Owner, args: &Args, only: Option<usize>) -> Result<Answer, NodeError> {
    let version = Version::find(owner, &args.here, args.uri.as_deref())?;
    let view = version.place.view(owner, &version.frontier)?;
    if let Some(index) = only.filter(|index| *index >= view.overlaps.len()) {
        return Err(NodeError::NotFound { what: "overlap", name: index.to_string() });
    }
    let replica = owner.replica(version.place.repo)?;
    let asked = view.overlaps.iter().enumerate().filter(|(index, overlap)| {
        only.is_none_or(|only| only == *index)
            && version.path.as_ref().is_none_or(|path| overlap.path.is_within(path))
    });
    let overlaps = asked.map(|(index, overlap)| told(replica, version.place, index, overlap)).collect();
    let (frontier, root) = (digits(&version.frontier), view.root.to_string());
    Ok(Answer { overlaps, waypoint: None, frontier, root })
}

/// Settles one overlap of the version that the worktree stands on.
fn take(
    owner: &mut Owner,
    args: &Args,
    index: usize,
    alternative: usize,
    network: &mut dyn Network,
) -> Result<Answer, NodeError> {
    let mut site = Site::open(owner, &args.here)?;
    site.finish(owner, network)?;
    let base = site.frontier().clone();
    let (replica, store) = owner.with(site.place.repo)?;
    let documents =
        replica.documents_mut(site.place.project).ok_or(NodeError::Bug("a site without documents"))?;
    let draft = documents.take(&base, index, alternative, store)?;
    let labels = Labels { branch: Some(site.branch().to_owned()), ..Labels::default() };
    let written = site.write(owner, base, draft, labels)?;
    site.post(owner, network, &Posting::default())?;
    let taken = Frontier::from_iter([written.waypoint]);
    let target = site.place.blend(owner, [site.frontier(), &taken])?;
    site.move_to(owner, network, Target::merging(target))?;
    let frontier = digits(site.frontier());
    let rest = list(owner, &Args { here: args.here.clone(), ..Args::default() }, None)?;
    Ok(Answer { waypoint: Some(written.waypoint.to_string()), frontier, ..rest })
}

fn told(replica: &Replica, place: Place, index: usize, overlap: &cairn_crdt::Overlap) -> Overlap {
    Overlap {
        index,
        kind: kind(overlap.kind).to_owned(),
        path: path_text(&overlap.path),
        symbol: overlap.symbol.clone(),
        alternatives: overlap.alternatives.iter().map(|side| alternative(replica, place, side)).collect(),
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

fn kind(kind: OverlapKind) -> &'static str {
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
        _ => "other",
    }
}
