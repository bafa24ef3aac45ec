//! Where the worktrees of a home are: what they stand on never fades.
//!
//! The list may name folders that are gone; whoever reads it asks each folder itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cairn_crdt::Frontier;
use cairn_crdt::id::RepoId;

use crate::error::NodeError;
use crate::files;
use crate::home::Home;
use crate::worktree::Link;

/// The file in the home.
const NAME: &str = "worktrees.json";
/// The most bytes of it.
const BYTES_MAX: u64 = 16 << 20;

/// The folders that were worktrees of this home when they were last seen.
pub fn known(home: &Home) -> Result<BTreeSet<PathBuf>, NodeError> {
    let path = home.dir().join(NAME);
    let io = |error| NodeError::io("read", &path, error);
    if home.files().len(&path).map_err(io)?.is_none() {
        return Ok(BTreeSet::new());
    }
    let bytes = files::read(&**home.files(), &path, BYTES_MAX).map_err(io)?;
    serde_json::from_slice(&bytes).map_err(|error| NodeError::Format { path, why: error.to_string() })
}

/// Remembers a worktree.
pub fn remember(home: &Home, root: &Path) -> Result<(), NodeError> {
    let mut folders = known(home)?;
    if !folders.insert(root.to_owned()) {
        return Ok(());
    }
    folders.retain(|folder| folder == root || is_worktree(folder));
    let path = home.dir().join(NAME);
    let bytes =
        serde_json::to_vec(&folders).map_err(|_| NodeError::Bug("a list of folders without a form"))?;
    files::replace(&**home.files(), &path.with_extension("json.new"), &path, &bytes)
        .map_err(|error| NodeError::io("write", &path, error))
}

fn is_worktree(folder: &Path) -> bool {
    // A link that cannot be read may be mended; it is kept.
    !matches!(Link::load(folder), Ok(None))
}

/// The versions that the worktrees of a project stand on, or are on their way to.
///
/// A worktree whose link cannot be read may stand anywhere, so its error is the answer.
pub fn versions(home: &Home, repo: RepoId, project: &str) -> Result<Vec<Frontier>, NodeError> {
    let mut versions = Vec::new();
    for folder in known(home)? {
        let Some(link) = Link::load(&folder)? else { continue };
        if link.repo == repo && link.project == project {
            versions.push(link.frontier);
            versions.extend(link.underway.map(|underway| underway.frontier));
        }
    }
    Ok(versions)
}
