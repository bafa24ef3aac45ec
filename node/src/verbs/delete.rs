//! `delete`: removes a file, or a label.
//!
//! A label goes by a signed tombstone for what its author has seen of it: whoever uses the name at the
//! same time or later keeps it. Waypoints stay where they are.

use serde::{Deserialize, Serialize};

use cairn_crdt::{Draft, Frontier, View};
use cairn_protocol::Labels;
use cairn_protocol::replica::Candidate;
use cairn_protocol::retire::{Retire, Retired};

use super::artifact::NAMES_BRANCH;
use super::mark;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::{Uri, path_text};
use crate::verbs::site::Posting;
use crate::verbs::{Here, Network, Site};

/// What `delete` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// A path, or a label `?name`.
    pub target: String,
    /// Why a label is deleted.
    pub message: Option<String>,
}

/// What `delete` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was removed.
    pub deleted: String,
    /// `file`, `branch` or `mark`.
    pub kind: String,
    /// The waypoint that says so; a file never posted leaves none.
    pub waypoint: Option<String>,
}

/// Keeps the last bytes in a waypoint, then removes.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let mut site = Site::open(owner, &args.here)?;
    if Uri::parse(&args.target).is_ok_and(|uri| uri.is_only_refs()) {
        return label(owner, &site, args);
    }
    let whole = || NodeError::Usage("delete takes a file or a folder, not the whole project".to_owned());
    let path = site.path(&args.target)?.ok_or_else(whole)?;
    site.finish(owner, network)?;
    let paths = [path.clone()];
    let posting = Posting { paths: &paths, ..Posting::default() };
    let kept = site.post(owner, network, &posting)?;
    let base = site.view(owner)?;
    if !base.files.contains_key(&path) && !base.dirs.contains(&path) {
        return Err(NodeError::NotFound { what: "file or folder", name: args.target.clone() });
    }
    let mut without = View::clone(&base);
    without.files.retain(|file, _| !file.is_within(&path));
    without.dirs.retain(|dir| !dir.is_within(&path));
    let outcome = site.check_out(owner, network, std::slice::from_ref(&base), &without, &base)?;
    if let Some(path) = outcome.surprises.first() {
        return Err(NodeError::Refused(format!("{path} is being changed; it was left as it is")));
    }
    // Whoever says so means it, also of what was left out.
    site.worktree.link.absent.retain(|file| !file.is_within(&path));
    let posted = site.post(owner, network, &posting)?.or(kept);
    let waypoint = posted.map(|posted| posted.written.waypoint.to_string());
    Ok(Answer { deleted: path_text(&path), kind: "file".to_owned(), waypoint })
}

/// Takes a branch or a mark away.
fn label(owner: &mut Owner, site: &Site, args: &Args) -> Result<Answer, NodeError> {
    let why = args.message.as_deref().unwrap_or_default();
    let name = match Uri::parse(&args.target)?.refs.as_slice() {
        [one] if one.at.is_none() => one.name.clone(),
        _ => return Err(NodeError::Usage(format!("{} must name one branch or mark", args.target))),
    };
    match site.place.reference(owner, &name)? {
        (Candidate::Mark(..), _) => {
            let deleted = mark::delete(owner, site, &name, why)?;
            Ok(Answer { deleted: name, kind: "mark".to_owned(), waypoint: deleted.waypoint })
        }
        (Candidate::Branch(_), tips) => branch(owner, site, name, &tips, why),
        (Candidate::Waypoint(_), _) => {
            Err(NodeError::Refused(format!("{} is a waypoint; `undo` takes back what it did", args.target)))
        }
    }
}

fn branch(
    owner: &mut Owner,
    site: &Site,
    name: String,
    tips: &Frontier,
    why: &str,
) -> Result<Answer, NodeError> {
    if name == site.branch() {
        return Err(NodeError::Refused(format!(
            "the worktree follows {name}; switch to another branch first"
        )));
    }
    if name == NAMES_BRANCH {
        return Err(NodeError::Refused(format!("the branch {name} holds the names of all artifacts")));
    }
    let retire = Retire { what: Retired::Branch, name: name.clone(), message: why.to_owned() };
    let labels = Labels { retire: Some(retire), ..Labels::default() };
    let written = site.write(owner, tips.clone(), Draft::default(), labels)?;
    Ok(Answer { deleted: name, kind: "branch".to_owned(), waypoint: Some(written.waypoint.to_string()) })
}
