//! `undo`: takes back the last step of a worktree; `redo` brings it back.
//!
//! History is shared and only grows, so a step is taken back by a new waypoint that does the
//! inverse of the step, on top of what the worktree shows now. What others wrote in the meantime
//! stays. Where they wrote over it, the inverse is written beside their work, on top of the step
//! itself, and the view reports the overlap as it reports any other. A step that wrote nothing, as
//! a switch to another branch, is taken back by going back.

use cairn_crdt::id::WaypointId;
use cairn_crdt::{Draft, Frontier};
use cairn_protocol::Labels;
use cairn_protocol::entry::{Edge, EdgeKind};
use serde::{Deserialize, Serialize};

use super::overlaps::{Spot, spots};
use super::replay::{Canvas, Part, before};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::site::Target;
use crate::verbs::{Here, Network, Site, Version};
use crate::worktree::{Stand, Step};

/// What `undo` and `redo` are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// A waypoint to take back, whoever wrote it; the last step when left out. Only for `undo`.
    pub uri: Option<String>,
}

/// What `undo` and `redo` answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The waypoint that was written; `null` where nothing had to be.
    pub waypoint: Option<String>,
    /// The waypoint that was taken back; `null` where the step wrote none.
    pub undone: Option<String>,
    /// The root of what the worktree shows now.
    pub root: String,
    /// How many files were written or removed.
    pub files: u64,
    /// The verb that made the step.
    pub step: String,
    /// The branch that the worktree follows now.
    pub branch: String,
    /// How many more steps can be undone.
    pub left: usize,
    /// How many overlaps the version shows.
    pub overlaps: u64,
    /// The waypoints that keep what stood in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// Where they are, if there are more than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Spot>,
}

/// Along which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Back.
    Undo,
    /// Forth.
    Redo,
}

/// Takes back the last step, or one waypoint.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let mut site = Site::open(owner, &args.here)?;
    site.finish(owner, network)?;
    match &args.uri {
        None => last(owner, &mut site, network, Way::Undo),
        Some(uri) => named(owner, &mut site, network, uri),
    }
}

/// Posts what is unposted, then takes one step.
pub(super) fn last(
    owner: &mut Owner,
    site: &mut Site,
    network: &mut dyn Network,
    way: Way,
) -> Result<Answer, NodeError> {
    let undone = site.worktree.link.steps.undone.clone();
    let saved = site.save(owner, network)?;
    let taken = match way {
        Way::Undo => site.worktree.pop_step()?.ok_or(NodeError::NothingLeft("undo"))?,
        Way::Redo => {
            // What was posted just now came after what was undone, and takes nothing away from it.
            let steps = &mut site.worktree.link.steps;
            steps.undone = undone;
            steps.undone.pop().ok_or(NodeError::NothingLeft("redo"))?
        }
    };
    let inverse = invert(owner, site, &saved.stand.frontier, &taken, way)?;
    let waypoint = inverse.waypoint.or(taken.waypoint);
    let back = Step { verb: taken.verb.clone(), from: saved.stand, to: inverse.to.clone(), waypoint };
    let steps = &mut site.worktree.link.steps;
    if way == Way::Undo {
        steps.undone(back)
    } else {
        steps.redone(back)
    }
    arrive(owner, site, network, &taken, &inverse)
}

/// Posts what is unposted, then takes back one waypoint of the version stood on, whoever wrote it.
fn named(
    owner: &mut Owner,
    site: &mut Site,
    network: &mut dyn Network,
    uri: &str,
) -> Result<Answer, NodeError> {
    let saved = site.save(owner, network)?;
    let waypoint = one_waypoint(owner, site, uri)?;
    let stand = |frontier| Stand { frontier, branch: site.branch().to_owned() };
    let from = stand(before(owner, site.place, waypoint)?);
    let to = stand(Frontier::from_iter([waypoint]));
    let taken = Step { verb: "undo".to_owned(), from, to, waypoint: Some(waypoint) };
    let inverse = invert(owner, site, &saved.stand.frontier, &taken, Way::Undo)?;
    if inverse.waypoint.is_some() {
        site.note_from("undo", saved.stand, inverse.to.clone(), inverse.waypoint);
    }
    arrive(owner, site, network, &taken, &inverse)
}

fn one_waypoint(owner: &mut Owner, site: &Site, uri: &str) -> Result<WaypointId, NodeError> {
    let version = Version::in_site(owner, site, uri)?;
    let one = version.frontier.heads();
    match one {
        [waypoint] if version.place == site.place && version.path.is_none() => Ok(*waypoint),
        _ => Err(NodeError::Usage(format!("{uri} must name one waypoint of this project"))),
    }
}

/// What was written to take back a step, and where that leads.
struct Inverse {
    waypoint: Option<WaypointId>,
    to: Stand,
    merge: bool,
}

/// Writes the inverse of a step, on what is stood on; what the files show beside that stays.
fn invert(
    owner: &mut Owner,
    site: &Site,
    shown: &Frontier,
    taken: &Step,
    way: Way,
) -> Result<Inverse, NodeError> {
    if taken.is_move() {
        return Ok(Inverse { waypoint: None, to: taken.from.clone(), merge: false });
    }
    let (place, now) = (site.place, site.frontier().clone());
    let (after, before) = (place.view(owner, &taken.to.frontier)?, place.view(owner, &taken.from.frontier)?);
    let base = place.view(owner, &now)?;
    let mut canvas = Canvas::new(place, base);
    canvas.apply(owner, &after, &before, &Part::default())?;
    let mut on = now.clone();
    if !canvas.met().is_empty() {
        // Somebody wrote over it since: the inverse stands beside that, and the view tells.
        if place.blend(owner, [&now, &taken.to.frontier])? != now {
            let why = "what is to be undone is not part of what the worktree shows";
            return Err(NodeError::Refused(why.to_owned()));
        }
        canvas = Canvas::new(place, after.clone());
        canvas.apply(owner, &after, &before, &Part::default())?;
        on = taken.to.frontier.clone();
    }
    let draft = place.draft(owner, &on, &canvas.edits())?;
    let waypoint = if draft.is_empty() { None } else { Some(write(owner, site, on, draft, taken, way)?) };
    let written: Frontier = waypoint.into_iter().collect();
    let frontier = place.blend(owner, [shown, &written])?;
    Ok(Inverse { waypoint, to: Stand { frontier, branch: site.branch().to_owned() }, merge: true })
}

fn write(
    owner: &mut Owner,
    site: &Site,
    on: Frontier,
    draft: Draft,
    taken: &Step,
    way: Way,
) -> Result<WaypointId, NodeError> {
    let about = taken.waypoint.and_then(|waypoint| {
        let replica = owner.replica(site.place.repo).ok()?;
        replica.entry(site.place.project, waypoint)?.message
    });
    let about = about.as_deref().and_then(|message| message.lines().next()).unwrap_or(&taken.verb);
    let about = about.trim_start_matches("undo: ").trim_start_matches("redo: ");
    let word = if way == Way::Undo { "undo" } else { "redo" };
    let edges = taken.waypoint.map(|target| Edge { kind: EdgeKind::Reverts, target });
    let labels = Labels {
        branch: Some(site.branch().to_owned()),
        message: Some(format!("{word}: {about}")),
        edges: edges.into_iter().collect(),
        ..Labels::default()
    };
    Ok(site.write(owner, on, draft, labels)?.waypoint)
}

/// Shows what the inverse leads to.
fn arrive(
    owner: &mut Owner,
    site: &mut Site,
    network: &mut dyn Network,
    taken: &Step,
    inverse: &Inverse,
) -> Result<Answer, NodeError> {
    let before = site.view(owner)?.overlaps.len();
    let Stand { frontier, branch } = inverse.to.clone();
    let moved =
        site.move_to(owner, network, Target { frontier, branch: Some(branch), merge: inverse.merge })?;
    let view = site.view(owner)?;
    let more = inverse.waypoint.is_some() && view.overlaps.len() > before;
    Ok(Answer {
        waypoint: inverse.waypoint.map(|waypoint| waypoint.to_string()),
        undone: taken.waypoint.map(|waypoint| waypoint.to_string()),
        root: view.root.to_string(),
        files: moved.written + moved.removed,
        step: taken.verb.clone(),
        branch: site.branch().to_owned(),
        left: site.worktree.link.steps.left(),
        overlaps: view.overlaps.len() as u64,
        kept: site.kept_words(),
        places: if more { spots(owner, site.place, &view)? } else { Vec::new() },
    })
}
