//! `overlaps`: where concurrent edits met, with every alternative; and the choice of one.

mod tell;

use cairn_crdt::Frontier;
use cairn_protocol::Labels;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::site::{Posting, Target};
use crate::verbs::{Here, Network, Site, Version};
use crate::worktree::link::digits;

pub use tell::{Alternative, Overlap};
pub(crate) use tell::{Lines, told};

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
    let overlaps = tell::overlaps(owner, version.place, &view, |index, met| {
        only.is_none_or(|only| only == index)
            && version.path.as_ref().is_none_or(|path| met.path.is_within(path))
    })?;
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
