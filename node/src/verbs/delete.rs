//! `delete`: removes a file, or a label.

use serde::{Deserialize, Serialize};

use cairn_crdt::View;

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::{Uri, path_text};
use crate::verbs::site::Posting;
use crate::verbs::{Here, Network, Site, Version};

/// What `delete` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// A path, or a label `?name`.
    pub target: String,
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
        return Err(label(owner, &site, &args.target));
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
    let posted = site.post(owner, network, &posting)?.or(kept);
    let waypoint = posted.map(|posted| posted.written.waypoint.to_string());
    Ok(Answer { deleted: path_text(&path), kind: "file".to_owned(), waypoint })
}

/// Why a label stays.
fn label(owner: &mut Owner, site: &Site, target: &str) -> NodeError {
    match Version::in_site(owner, site, target) {
        Err(error) => error,
        Ok(version) if version.branch.is_some() => NodeError::Refused(format!(
            "{target} is written into signed waypoints that other nodes hold; a branch is left, not deleted"
        )),
        Ok(_) => NodeError::Refused(format!("{target} is a mark or a waypoint, and those are kept for ever")),
    }
}
