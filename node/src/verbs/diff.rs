//! `diff`: what differs between two versions, or a version and the worktree: as text, and item by item.

use cairn_crdt::Frontier;
use cairn_crdt::path::RepoPath;
use serde::{Deserialize, Serialize};

use super::compare;
pub use super::compare::{SymbolAt, SymbolDiff};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Site, Version};

/// What `diff` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// None: the version stood on against the disk. One: it against the disk. Two: the first against the second.
    pub uris: Vec<String>,
    /// Only these files and folders; all when empty.
    pub paths: Vec<String>,
}

/// What `diff` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// One entry a file that differs.
    pub files: Vec<FileDiff>,
    /// One entry an item that differs, or a key of a configuration file.
    pub symbols: Vec<SymbolDiff>,
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// The path; where it is now, if it was renamed.
    pub path: String,
    /// The path that a renamed file had.
    pub from: Option<String>,
    /// `added`, `modified`, `removed` or `renamed`.
    pub kind: String,
    /// The difference in unified form; `null` where a side is no text.
    pub text: Option<String>,
}

/// Compares the two sides.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let (sides, paths) = sides(owner, &site, args)?;
    let within = |path: &RepoPath| paths.is_empty() || paths.iter().any(|folder| path.is_within(folder));
    match sides.as_slice() {
        [old, new] => {
            let (old, new) = (site.place.view(owner, old)?, site.place.view(owner, new)?);
            compare::versions(owner, site.place, &old, &new, &within)
        }
        [old] => {
            let old = site.place.view(owner, old)?;
            compare::with_disk(owner, site, &old, &within)
        }
        _ => Err(NodeError::Usage("diff takes two versions at most".to_owned())),
    }
}

/// The versions that are compared, and the paths that count.
fn sides(owner: &mut Owner, site: &Site, args: &Args) -> Result<(Vec<Frontier>, Vec<RepoPath>), NodeError> {
    let mut paths = super::post::paths(site, &args.paths)?;
    let mut sides = Vec::new();
    for uri in &args.uris {
        let version = Version::find(owner, &site.here(), Some(uri))?;
        if version.place != site.place {
            return Err(NodeError::Usage(format!("{uri} is another project")));
        }
        paths.extend(version.path.clone());
        if version.refs > 0 || version.path.is_none() {
            sides.push(version.frontier);
        }
    }
    if sides.is_empty() {
        sides.push(site.frontier().clone());
    }
    Ok((sides, paths))
}
