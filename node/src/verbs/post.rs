//! `post`: worktree to repo. Writes what changed as one waypoint on the worktree's branch, or gathers
//! earlier waypoints into one.

mod gather;

use cairn_crdt::path::RepoPath;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::{Uri, check_label};
use crate::verbs::land::{self, Errand};
use crate::verbs::site::{Posted, Posting, Ready};
use crate::verbs::status::{Skipped, skipped};
use crate::verbs::{Here, Network, Site};
use crate::worktree::link::digits;

/// What `post` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Only these files and folders; all when empty.
    pub paths: Vec<String>,
    /// Another branch to post on, `?branch`.
    pub uri: Option<String>,
    /// What the waypoint is about.
    pub message: Option<String>,
    /// Whether it never leaves this home, and moves nothing.
    #[serde(default)]
    pub local: bool,
    /// Waypoints to gather instead of what changed on disk; the paths may then name items, `path#item`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
}

/// What `post` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The waypoint; `null` when there was nothing to write.
    pub waypoint: Option<String>,
    /// The feed it was written to.
    pub feed: String,
    /// Its number in that feed.
    pub seq: Option<u64>,
    /// The version that the worktree stands on now; of another branch, what was written there.
    pub frontier: Vec<String>,
    /// The root of that version.
    pub root: String,
    /// How many files it changed.
    pub files: u64,
    /// What was left out although nothing ignores it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Whether it never leaves this home.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
}

/// Writes the waypoint and moves the worktree onto it.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    if args.local && !args.from.is_empty() {
        return Err(NodeError::Usage("what is gathered is not local".to_owned()));
    }
    if !args.from.is_empty() {
        return gather::gather(owner, args, network);
    }
    match land::alone(owner, network, Errand::Post(args))? {
        super::Answer::Post(answer) => Ok(answer),
        _ => Err(NodeError::Bug("a post that answers like another verb")),
    }
}

/// What is to be written; the paths that were named must be somewhere.
pub(super) fn ready(
    owner: &mut Owner,
    network: &mut dyn Network,
    args: &Args,
    site: &mut Site,
) -> Result<Option<Ready>, NodeError> {
    let paths = paths(site, &args.paths)?;
    let branch = args.uri.as_deref().map(branch).transpose()?;
    site.finish(owner, network)?;
    if !paths.is_empty() {
        let base = site.footing(owner)?;
        let is_known = |path: &RepoPath| base.standing.contains(path) || is_on_disk(site.root(), path);
        if let Some((_, word)) = paths.iter().zip(&args.paths).find(|(path, _)| !is_known(path)) {
            return Err(NodeError::NotFound { what: "file or folder", name: word.clone() });
        }
    }
    if args.local && branch.is_some() {
        return Err(NodeError::Usage("a local waypoint moves no branch".to_owned()));
    }
    let (message, local) = (args.message.as_deref(), args.local);
    let posting = Posting { paths: &paths, branch: branch.as_deref(), message, local };
    site.ready(owner, network, &posting)
}

fn is_on_disk(root: &Path, path: &RepoPath) -> bool {
    root.join(OsStr::from_bytes(path.as_bytes())).symlink_metadata().is_ok()
}

/// Says what was written.
pub(super) fn answer(
    owner: &mut Owner,
    site: &Site,
    posted: Option<Posted>,
    local: bool,
) -> Result<Answer, NodeError> {
    let shown = site.summary(owner)?;
    site.note_posted(owner, posted.as_ref(), &shown);
    Ok(Answer {
        waypoint: posted.map(|posted| posted.written.waypoint.to_string()),
        feed: posted.map_or_else(|| site.feed(owner), |posted| posted.written.feed).to_string(),
        seq: posted.map(|posted| posted.written.seq),
        frontier: digits(site.frontier()),
        root: shown.root.to_string(),
        files: posted.map_or(0, |posted| posted.files),
        skipped: skipped(site),
        local,
    })
}

/// The paths that words mean; none at all where a word means the whole project.
pub(super) fn paths(site: &Site, words: &[String]) -> Result<Vec<RepoPath>, NodeError> {
    let mut paths = Vec::new();
    for word in words {
        match site.path(word)? {
            Some(path) => paths.push(path),
            None => return Ok(Vec::new()),
        }
    }
    Ok(paths)
}

/// The branch that a URI names; it need not be there yet.
pub(super) fn branch(text: &str) -> Result<String, NodeError> {
    let uri = Uri::parse(text)?;
    let only = || NodeError::Usage(format!("{text} must name one branch: ?name"));
    match uri.refs.as_slice() {
        [one] if uri.is_only_refs() && one.at.is_none() => {
            check_label(&one.name)?;
            Ok(one.name.clone())
        }
        _ => Err(only()),
    }
}
