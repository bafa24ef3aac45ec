//! `put`: merges a branch, other branches, or the state of a peer into the worktree.

use std::sync::Arc;

use cairn_crdt::id::WaypointId;
use cairn_crdt::{Draft, Frontier, View};
use cairn_protocol::Labels;
use cairn_protocol::limits::PARENTS_COUNT_MAX;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::artifact::Supplied;
use crate::verbs::artifact::policy::supply;
use crate::verbs::land::{self, Errand};
use crate::verbs::overlaps::{Spot, spots};
use crate::verbs::site::{Brought, Gathered, Met, Moved, Posted, Posting, Ready, Target};
use crate::verbs::{Here, Network, Site, Version, recall};
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
    /// Whether to exchange first with all peers that are known.
    #[serde(default)]
    pub known: bool,
}

impl Args {
    /// Whether peers are exchanged with: before, and after where something was written.
    fn asks_peers(&self) -> bool {
        self.known || !self.peers.is_empty()
    }
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
    /// How many files are left out, since nobody asked for them or their bytes were not to be had.
    #[serde(default)]
    pub absent: u64,
    /// Large contents that the policy of the project has come by themselves.
    #[serde(default, skip_serializing_if = "Supplied::is_empty")]
    pub supplied: Supplied,
}

/// Posts what is unposted, exchanges with peers if asked, merges, and writes the files.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    match land::alone(owner, network, Errand::Put(args))? {
        super::Answer::Put(answer) => Ok(answer),
        _ => Err(NodeError::Bug("a put that answers like another verb")),
    }
}

/// How far a merge has come.
#[derive(Debug, Default)]
pub(super) struct Putting {
    /// How many waypoints came from peers.
    received: u64,
    /// Where to stand; set once that is worked out.
    merge: Merge,
    /// From which version to which the files go, once what they will hold is brought.
    way: Option<(Arc<View>, Arc<View>)>,
    moved: Moved,
}

/// Exchanges with peers if asked; what is unposted is to be written.
pub(super) fn ready(
    owner: &mut Owner,
    network: &mut dyn Network,
    args: &Args,
    site: &mut Site,
) -> Result<(Putting, Option<Ready>), NodeError> {
    site.finish(owner, network)?;
    let mut putting = Putting::default();
    if args.known || !args.peers.is_empty() {
        putting.received = network.sync(owner, site.place.repo, &args.peers)?.received;
    }
    // What cannot be merged is refused before anything is posted for it.
    for other in others(owner, site, &args.uris)? {
        recall::ensure(owner, network, site.place, &other, site.frontier())?;
    }
    Ok((putting, site.ready(owner, network, &Posting::default())?))
}

impl Putting {
    /// Works out where to stand, and sets out for it; whether there is a way to go. The link is to be saved then.
    pub(super) fn set_out(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        args: &Args,
        site: &mut Site,
    ) -> Result<bool, NodeError> {
        let others = others(owner, site, &args.uris)?;
        self.merge = target(owner, network, site, &others)?;
        let target = &self.merge.target;
        if target == site.frontier() {
            return Ok(false);
        }
        // Only a merge that someone asked for is a step; what others wrote on the branch is theirs.
        if let Some(waypoint) = self.merge.waypoint.filter(|_| !others.is_empty()) {
            let branch = site.branch().to_owned();
            site.note("put", Stand { frontier: target.clone(), branch }, Some(waypoint));
        }
        site.set_out(&Target::merging(target.clone()));
        Ok(true)
    }

    /// Brings what the files will hold, if it is little; whether it did.
    pub(super) fn bring(
        &mut self,
        owner: &mut Owner,
        site: &Site,
        brought: &mut Brought,
    ) -> Result<bool, NodeError> {
        let (known, to) = (site.view(owner)?, site.place.view(owner, &self.merge.target)?);
        let is_brought = brought.bring(owner, site.place, &known, &to)?;
        self.way = is_brought.then_some((known, to));
        Ok(is_brought)
    }

    /// Writes the files from what was brought; whether all are written.
    pub(super) fn go(&mut self, site: &mut Site, brought: &Brought) -> Result<bool, NodeError> {
        let Some((known, to)) = self.way.take() else { return Ok(false) };
        let surprises = site.go(&mut brought.files(&to), &[known], &to, &mut self.moved)?;
        Ok(surprises.is_empty())
    }

    /// Writes the files one by one. Where somebody changes them meanwhile, what he wrote is kept first.
    pub(super) fn go_alone(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        site: &mut Site,
    ) -> Result<(), NodeError> {
        let rest = site.move_to(owner, network, Target::merging(self.merge.target.clone()))?;
        self.moved.written += rest.written;
        self.moved.removed += rest.removed;
        Ok(())
    }

    /// Tells peers what was written here after the exchange, and says what was done.
    pub(super) fn answer(
        self,
        owner: &mut Owner,
        network: &mut dyn Network,
        args: &Args,
        site: &Site,
        posted: Option<Posted>,
    ) -> Result<Answer, NodeError> {
        let Self { received, merge: Merge { waypoint, met, gathered, .. }, moved, .. } = self;
        let has_written = posted.is_some() || waypoint.is_some() || !gathered.carried.is_empty();
        if args.asks_peers() && has_written {
            network.sync(owner, site.place.repo, &args.peers)?;
        }
        let supplied = match args.asks_peers() {
            true => supply(owner, network, site.place)?,
            false => Supplied::default(),
        };
        let shown = site.summary(owner)?;
        site.note_posted(owner, posted.as_ref(), &shown);
        let (mut overlaps, mut places) = (0, Vec::new());
        // Where nothing met, what the worktree keeps of its version says so, and nobody works it out.
        if !shown.is_quiet {
            let view = site.view(owner)?;
            (overlaps, places) = (view.overlaps.len() as u64, spots(owner, site.place, &view)?);
        }
        if waypoint.is_some() {
            // The waypoint that joins the sides has seen them both, so only before it they stand side by side.
            let before = site.place.view(owner, &met)?;
            places.extend(spots(owner, site.place, &before)?.into_iter().filter(|spot| spot.soft));
        }
        Ok(Answer {
            posted: posted.map(|posted| posted.written.waypoint.to_string()),
            waypoint: waypoint.map(|waypoint| waypoint.to_string()),
            frontier: digits(site.frontier()),
            root: shown.root.to_string(),
            files: moved.written + moved.removed,
            overlaps,
            places,
            carried: gathered.carried.iter().map(WaypointId::to_string).collect(),
            met: gathered.met,
            received,
            absent: site.worktree.link.absent.len() as u64,
            supplied,
        })
    }
}

/// The versions that were named, beside the worktree's own branch.
fn others(owner: &mut Owner, site: &Site, uris: &[String]) -> Result<Vec<Frontier>, NodeError> {
    let mut others = Vec::new();
    for uri in uris {
        let version = Version::find(owner, &site.here(), Some(uri))?;
        if version.place != site.place || version.path.is_some() {
            return Err(NodeError::Usage(format!("{uri}: only whole versions of the same project merge")));
        }
        site.check_shared(owner, &version.frontier)?;
        others.push(version.frontier);
    }
    Ok(others)
}

/// A merge as it was worked out.
#[derive(Debug, Default)]
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
fn target(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &Site,
    others: &[Frontier],
) -> Result<Merge, NodeError> {
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
    if all != *site.frontier() {
        // Somebody may have written on what has faded here.
        recall::ensure(owner, network, site.place, &all, site.frontier())?;
    }
    if all == own.frontier && all.heads().len() <= HEADS_MAX {
        return Ok(Merge { target: all.clone(), waypoint: None, met: all, gathered });
    }
    let waypoint = join(owner, site, all.clone())?;
    let target = Frontier::from_iter([waypoint]);
    Ok(Merge { target, waypoint: Some(waypoint), met: all, gathered })
}

/// Writes a waypoint that stands on all heads; on so many that no waypoint can stand on them, several that do.
fn join(owner: &mut Owner, site: &Site, all: Frontier) -> Result<WaypointId, NodeError> {
    let mut heads = all.heads().to_vec();
    loop {
        let rest = heads.split_off(heads.len().min(PARENTS_COUNT_MAX));
        let message = Some("merge".to_owned());
        let labels = Labels { branch: Some(site.branch().to_owned()), message, ..Labels::default() };
        let on = std::mem::replace(&mut heads, rest).into_iter().collect();
        let written = site.write(owner, on, Draft::default(), labels)?;
        if heads.is_empty() {
            return Ok(written.waypoint);
        }
        heads.push(written.waypoint);
    }
}
