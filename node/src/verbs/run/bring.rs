//! Artifacts that a run reads: put where the command looks for them, and known by their hashes.

use std::collections::BTreeMap;

use cairn_crdt::id::ArtifactId;
use cairn_crdt::path::RepoPath;

use crate::error::NodeError;
use crate::net::Haul;
use crate::owner::Owner;
use crate::runs::found;
use crate::runs::record::Item;
use crate::verbs::{Network, Site, artifact};

/// Writes each artifact to its path; a file that is there already must hold the same bytes, and stays.
pub(super) fn bring(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    words: &[String],
) -> Result<BTreeMap<RepoPath, Item>, NodeError> {
    let mut brought = BTreeMap::new();
    for word in words {
        let wrong = || NodeError::Usage(format!("{word:?} is not path=artifact"));
        let (path, name) = word.split_once('=').ok_or_else(wrong)?;
        let path = site.path(path)?.ok_or_else(wrong)?;
        let artifact = artifact::find(owner, site, name)?;
        let item = put(owner, network, site, &path, artifact)?;
        if brought.insert(path, item).is_some() {
            return Err(NodeError::Usage(format!("{word:?}: two artifacts for one path")));
        }
    }
    Ok(brought)
}

fn put(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    path: &RepoPath,
    artifact: ArtifactId,
) -> Result<Item, NodeError> {
    let (repo, file) = (site.place.repo, site.worktree.on_disk(path));
    network.haul_artifact(owner, repo, artifact, &Haul::default())?;
    if found::look(site, path)?.is_none() {
        let folder = file.parent().ok_or(NodeError::Bug("a file of a worktree in no folder"))?;
        std::fs::create_dir_all(folder).map_err(|error| NodeError::io("create", folder, error))?;
        network.export_artifact(owner, repo, artifact, &file)?;
    }
    let item =
        found::look(site, path)?.ok_or_else(|| NodeError::Refused(format!("{path} is no plain file")))?;
    if item.content != content(owner, network, site, artifact)? {
        return Err(NodeError::Refused(format!(
            "{path} holds other bytes than artifact {artifact}; move it away"
        )));
    }
    Ok(Item { artifact: Some(artifact.to_string()), declared: true, ..item })
}

/// The hash of all bytes of an artifact that is here.
fn content(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &Site,
    artifact: ArtifactId,
) -> Result<String, NodeError> {
    let absent = || NodeError::NotFound { what: "artifact here", name: artifact.to_string() };
    let manifest = network.whole_artifact(owner, site.place.repo, artifact)?.ok_or_else(absent)?;
    let mut hasher = blake3::Hasher::new();
    for chunk in &manifest.chunks {
        hasher.update(&network.read_chunk(owner, chunk)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
