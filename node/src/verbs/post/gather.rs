//! `post --from`: gathers what earlier waypoints did into one, on this branch or on another.
//!
//! Each change is done again, in the order of history, on top of the branch; a part of it where only some files
//! or items are wanted. The waypoint names its sources by `origin` edges. Where a change does not fit
//! without a choice nothing is written: nobody has met there yet, so there is no overlap to leave behind.

use std::collections::BTreeSet;

use cairn_crdt::id::WaypointId;
use cairn_crdt::{FileEdit, Frontier};
use cairn_protocol::Labels;
use cairn_protocol::entry::{Edge, EdgeKind};

use super::{Answer, Args, branch};
use crate::error::NodeError;
use crate::owner::{Owner, Written};
use crate::verbs::overlaps::Spot;
use crate::verbs::replay::{Canvas, Part, before};
use crate::verbs::site::{Posting, Target};
use crate::verbs::{Network, Site, Version};
use crate::worktree::Stand;
use crate::worktree::link::digits;

/// How many places that do not fit are named.
const PLACES_TOLD: usize = 10;

/// Writes the waypoint; the worktree moves only where it follows the branch.
pub(super) fn gather(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let mut site = Site::open(owner, &args.here)?;
    site.finish(owner, network)?;
    let named = args.uri.as_deref().map(branch).transpose()?;
    let (sources, part) = wanted(owner, &site, args)?;
    let branch = named.unwrap_or_else(|| site.branch().to_owned());
    let is_own = branch == site.branch();
    if is_own {
        site.post(owner, network, &Posting::default())?;
    }
    let onto = onto(owner, &site, &branch)?;
    let base = site.place.view(owner, &onto)?;
    let mut canvas = Canvas::new(site.place, base);
    for source in &sources {
        let from = before(owner, site.place, *source)?;
        let from = site.place.view(owner, &from)?;
        let to = site.place.view(owner, &Frontier::from_iter([*source]))?;
        canvas.apply(owner, &from, &to, &part)?;
    }
    if !canvas.met().is_empty() {
        return Err(misfit(&branch, canvas.met()));
    }
    let edits = canvas.edits();
    let draft = site.place.draft(owner, &onto, &edits)?;
    if draft.is_empty() {
        return answer(owner, &site, &onto, None, 0);
    }
    let edges = sources.iter().map(|target| Edge { kind: EdgeKind::Origin, target: *target });
    let labels = Labels {
        branch: Some(branch.clone()),
        message: args.message.clone(),
        edges: edges.collect(),
        ..Labels::default()
    };
    let written = site.write(owner, onto, draft, labels)?;
    let frontier = Frontier::from_iter([written.waypoint]);
    if is_own {
        site.note("post", Stand { frontier: frontier.clone(), branch }, Some(written.waypoint));
        site.move_to(owner, network, Target::merging(frontier.clone()))?;
    }
    let files = edits.iter().filter(|edit| !matches!(edit, FileEdit::Dir { .. })).count() as u64;
    answer(owner, &site, &frontier, Some(written), files)
}

/// What the branch shows, with where the worktree stands if it follows it.
fn onto(owner: &mut Owner, site: &Site, branch: &str) -> Result<Frontier, NodeError> {
    let tips = site.place.branch(owner, branch)?;
    if branch == site.branch() {
        return Ok(site.gather(owner, &[site.frontier().clone(), tips])?.frontier);
    }
    if tips.is_empty() {
        return Err(NodeError::NotFound {
            what: "branch (`cairn come` begins one)",
            name: branch.to_owned(),
        });
    }
    Ok(tips)
}

/// The waypoints that are named, in the order of history, and which part of them is meant.
fn wanted(owner: &mut Owner, site: &Site, args: &Args) -> Result<(Vec<WaypointId>, Part), NodeError> {
    let (mut sources, mut part) = (BTreeSet::new(), Part::default());
    for word in &args.from {
        if word.contains('#') {
            add_part(site, word, &mut part)?;
            continue;
        }
        let version = Version::in_site(owner, site, word)?;
        match (version.path, version.frontier.heads()) {
            (Some(path), _) => part.paths.push(path),
            (None, [one]) if version.place == site.place => drop(sources.insert(*one)),
            _ => return Err(NodeError::Usage(format!("{word} must name one waypoint of this project"))),
        }
    }
    for word in &args.paths {
        add_part(site, word, &mut part)?;
    }
    if sources.is_empty() {
        return Err(NodeError::Usage("--from takes at least one waypoint".to_owned()));
    }
    let all: Frontier = sources.iter().copied().collect();
    let order = site.place.documents(owner)?.between(&Frontier::empty(), &all);
    Ok((order.into_iter().filter(|id| sources.contains(id)).collect(), part))
}

/// `path` or `path#item`.
fn add_part(site: &Site, word: &str, part: &mut Part) -> Result<(), NodeError> {
    let (path, item) = word.split_once('#').map_or((word, None), |(path, item)| (path, Some(item)));
    match (site.path(path)?, item) {
        (Some(path), Some(item)) => part.items.push((path, item.to_owned())),
        (Some(path), None) => part.paths.push(path),
        (None, _) => return Err(NodeError::Usage(format!("{word} must name a file, a folder or path#item"))),
    }
    Ok(())
}

fn misfit(branch: &str, met: &[Spot]) -> NodeError {
    let place = |spot: &Spot| {
        let line = spot.line.map(|line| format!(":{line}")).unwrap_or_default();
        let symbol = spot.symbol.as_deref().map(|symbol| format!(" in {symbol}")).unwrap_or_default();
        format!("{} {}{line}{symbol}", spot.kind, spot.path)
    };
    let mut places: Vec<String> = met.iter().take(PLACES_TOLD).map(place).collect();
    if met.len() > PLACES_TOLD {
        places.push(format!("{} more", met.len() - PLACES_TOLD));
    }
    NodeError::Refused(format!(
        "this does not fit onto {branch} without a choice: {}; nothing was written",
        places.join(", ")
    ))
}

fn answer(
    owner: &mut Owner,
    site: &Site,
    frontier: &Frontier,
    written: Option<Written>,
    files: u64,
) -> Result<Answer, NodeError> {
    Ok(Answer {
        waypoint: written.map(|written| written.waypoint.to_string()),
        feed: site.feed(owner).to_string(),
        seq: written.map(|written| written.seq),
        frontier: digits(frontier),
        root: site.place.view(owner, frontier)?.root.to_string(),
        files,
        skipped: Vec::new(),
        local: false,
    })
}
