//! `put`: merges a branch, other branches, or the state of a peer into the worktree.

use cairn_crdt::id::WaypointId;
use cairn_crdt::{Draft, Frontier};
use cairn_protocol::Labels;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::overlaps::{Spot, spots};
use crate::verbs::site::{Gathered, Met, Moved, Posting, Target};
use crate::verbs::{Here, Network, Site, Version};
use crate::worktree::Stand;
use crate::worktree::link::digits;

/// Above so many concurrent tips a waypoint joins them, long before a header is full.
const HEADS_MAX: usize = 16;

/// What `put` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to merge; the worktree's own branch when empty.
    pub uris: Vec<String>,
    /// Peers to exchange with first, as multiaddresses.
    pub peers: Vec<String>,
}

/// What `put` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The waypoint that keeps what was not yet posted.
    pub posted: Option<String>,
    /// The merge waypoint; `null` when one version held the other.
    pub waypoint: Option<String>,
    /// The version that the worktree stands on now.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// How many files were written or removed.
    pub files: u64,
    /// How many overlaps it shows.
    pub overlaps: u64,
    /// Where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Spot>,
    /// The waypoints that carry late work over into the epoch in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<String>,
    /// Files in which late work met what was there; each deserves a look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub met: Vec<Met>,
    /// How many waypoints came from peers.
    pub received: u64,
}

/// Posts what is unposted, exchanges with peers if asked, merges, and writes the files.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let mut site = Site::open(owner, &args.here)?;
    site.finish(owner, network)?;
    let mut received = 0;
    if !args.peers.is_empty() {
        received = network.sync(owner, site.place.repo, &args.peers)?.received;
    }
    let posted = site.post(owner, network, &Posting::default())?;
    let others = others(owner, &site, &args.uris)?;
    let Merge { target, waypoint, met, gathered } = target(owner, &site, &others)?;
    let before = site.frontier().clone();
    let moved = if target == before {
        Moved::default()
    } else {
        // Only a merge that someone asked for is a step; what others wrote on the branch is theirs.
        if let Some(waypoint) = waypoint.filter(|_| !others.is_empty()) {
            let branch = site.branch().to_owned();
            site.note("put", Stand { frontier: target.clone(), branch }, Some(waypoint));
        }
        site.move_to(owner, network, Target::merging(target))?
    };
    if !args.peers.is_empty() && (posted.is_some() || waypoint.is_some() || !gathered.carried.is_empty()) {
        // What was written here after the exchange is for them too.
        network.sync(owner, site.place.repo, &args.peers)?;
    }
    let view = site.view(owner)?;
    let mut places = spots(owner, site.place, &view)?;
    if waypoint.is_some() {
        // The waypoint that joins the sides has seen them both, so only before it they stand side by side.
        let before = site.place.view(owner, &met)?;
        places.extend(spots(owner, site.place, &before)?.into_iter().filter(|spot| spot.soft));
    }
    Ok(Answer {
        posted: posted.map(|posted| posted.written.waypoint.to_string()),
        waypoint: waypoint.map(|waypoint| waypoint.to_string()),
        frontier: digits(site.frontier()),
        root: view.root.to_string(),
        files: moved.written + moved.removed,
        overlaps: view.overlaps.len() as u64,
        places,
        carried: gathered.carried.iter().map(WaypointId::to_string).collect(),
        met: gathered.met,
        received,
    })
}

/// The versions that were named, beside the worktree's own branch.
fn others(owner: &mut Owner, site: &Site, uris: &[String]) -> Result<Vec<Frontier>, NodeError> {
    let mut others = Vec::new();
    for uri in uris {
        let version = Version::find(owner, &site.here(), Some(uri))?;
        if version.place != site.place || version.path.is_some() {
            return Err(NodeError::Usage(format!("{uri}: only whole versions of the same project merge")));
        }
        others.push(version.frontier);
    }
    Ok(others)
}

/// A merge as it was worked out.
struct Merge {
    /// The version to stand on.
    target: Frontier,
    /// The waypoint that was needed to say so.
    waypoint: Option<WaypointId>,
    /// The version without it.
    met: Frontier,
    /// What was carried over for it.
    gathered: Gathered,
}

/// Works out where to stand.
///
/// A frontier of several waypoints is a version like any other: a merge that needs no word from
/// anyone writes nothing, or two nodes would answer each other's merges for ever. A waypoint
/// is needed where another branch joins this one, where the tips become many, and where something stands in
/// another epoch.
fn target(owner: &mut Owner, site: &Site, others: &[Frontier]) -> Result<Merge, NodeError> {
    let tips = site.place.branch(owner, site.branch())?;
    let mut own = vec![site.frontier().clone(), tips];
    own.extend(site.own_late(owner)?);
    let own = site.gather(owner, &own)?;
    let versions: Vec<Frontier> = others.iter().chain([&own.frontier]).cloned().collect();
    let all = site.gather(owner, &versions)?;
    let gathered = Gathered {
        frontier: all.frontier.clone(),
        carried: own.carried.iter().chain(&all.carried).copied().collect(),
        met: own.met.into_iter().chain(all.met).collect(),
    };
    let all = all.frontier;
    if all == own.frontier && all.heads().len() <= HEADS_MAX {
        return Ok(Merge { target: all.clone(), waypoint: None, met: all, gathered });
    }
    let message = Some("merge".to_owned());
    let labels = Labels { branch: Some(site.branch().to_owned()), message, ..Labels::default() };
    let written = site.write(owner, all.clone(), Draft::default(), labels)?;
    let target = Frontier::from_iter([written.waypoint]);
    Ok(Merge { target, waypoint: Some(written.waypoint), met: all, gathered })
}
