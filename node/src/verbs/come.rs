//! `come`: forks a branch where the worktree stands, and switches to it.

use cairn_crdt::{Draft, Frontier};
use cairn_protocol::Labels;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::check_label;
use crate::verbs::site::{Posting, Target};
use crate::verbs::{Here, Network, Site, Version};
use crate::worktree::link::digits;

/// What `come` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The branch.
    pub branch: String,
    /// Where to fork; what the worktree stands on when left out.
    pub from: Option<String>,
}

/// What `come` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The branch that the worktree follows now.
    pub branch: String,
    /// The waypoint that began it; `null` when the branch was there already.
    pub waypoint: Option<String>,
    /// The version that the worktree stands on now.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// The waypoint that keeps what was unposted.
    pub saved: Option<String>,
    /// The waypoints that keep what stood in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
}

/// Posts what is unposted, begins the branch, and switches.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let branch = branch(args)?;
    let mut site = Site::open(owner, &args.here)?;
    site.finish(owner, network)?;
    if let Some(from) = &args.from {
        let from = Version::in_site(owner, &site, from)?;
        site.check_shared(owner, &from.frontier)?;
    }
    let posted = site.post(owner, network, &Posting::default())?;
    let there = site.place.branch(owner, &branch)?;
    let (frontier, waypoint) = if there.is_empty() {
        let from = match &args.from {
            Some(from) => Version::in_site(owner, &site, from)?.frontier,
            None => site.frontier().clone(),
        };
        let labels = Labels { branch: Some(branch.clone()), ..Labels::default() };
        let written = site.write(owner, from, Draft::default(), labels)?;
        (Frontier::from_iter([written.waypoint]), Some(written.waypoint.to_string()))
    } else if args.from.is_some() {
        return Err(NodeError::Refused(format!(
            "the branch {branch} is there already; `get ?{branch}` switches to it"
        )));
    } else {
        (there, None)
    };
    let target = Target { frontier, branch: Some(branch.clone()), merge: false };
    site.note_move("come", site.stand(), &target);
    site.move_to(owner, network, target)?;
    let root = site.view(owner)?.root.to_string();
    let saved = posted.map(|posted| posted.written.waypoint.to_string());
    Ok(Answer { branch, waypoint, frontier: digits(site.frontier()), root, saved, kept: site.kept_words() })
}

fn branch(args: &Args) -> Result<String, NodeError> {
    let branch = args.branch.strip_prefix('?').unwrap_or(&args.branch);
    check_label(branch)?;
    Ok(branch.to_owned())
}
