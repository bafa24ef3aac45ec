//! `artifact fetch` and `artifact get --range`, and what is damaged: what is fetched without a file, in part, or again.

use std::ops::Range;
use std::path::{Path, PathBuf};

use cairn_crdt::id::ArtifactId;
use serde::{Deserialize, Serialize};

use super::{Got, find};
use crate::artifacts::{Fault, Hashes};
use crate::error::NodeError;
use crate::net::Haul;
use crate::owner::Owner;
use crate::verbs::verify::Problem;
use crate::verbs::{Network, Site};

/// Writes a part of an artifact to a file. Of what is not here only the groups of 16 KiB that the part touches are
/// fetched, and they are not kept.
pub(super) fn get(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    word: &str,
    (range, out): (Range<u64>, &Path),
    bytes_per_s: u64,
) -> Result<Got, NodeError> {
    if range.start >= range.end {
        return Err(NodeError::Usage(format!("{}..{} is an empty range", range.start, range.end)));
    }
    let artifact = find(owner, site, word)?;
    let part = part_beside(out);
    let haul = Haul { part: Some((range, part.clone())), bytes_per_s };
    let moved = network.haul_artifact(owner, site.place.repo, artifact, &haul)?;
    let bytes = std::fs::metadata(&part).map_err(|error| NodeError::io("look at", &part, error))?.len();
    std::fs::rename(&part, out).map_err(|error| NodeError::io("write", out, error))?;
    let (path, moved_bytes) = (out.display().to_string(), moved.bytes);
    Ok(Got { artifact: artifact.to_string(), bytes, path, fetched: moved_bytes > 0, moved_bytes })
}

/// What `artifact fetch` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetched {
    /// Its hash.
    pub artifact: String,
    /// How many bytes of content came over the network; none where all were here.
    pub moved_bytes: u64,
}

/// Fetches what is missing of an artifact, and keeps it.
pub(super) fn fetch(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    word: &str,
    bytes_per_s: u64,
) -> Result<Fetched, NodeError> {
    let artifact = find(owner, site, word)?;
    let haul = Haul { part: None, bytes_per_s };
    let moved = network.haul_artifact(owner, site.place.repo, artifact, &haul)?;
    Ok(Fetched { artifact: artifact.to_string(), moved_bytes: moved.bytes })
}

/// Where a file lies until it is whole.
fn part_beside(out: &Path) -> PathBuf {
    let mut part = out.as_os_str().to_owned();
    part.push(".cairn-part");
    PathBuf::from(part)
}

/// Fetches again what is damaged or missing of an artifact that was looked at; says how many bytes came.
pub(super) fn mend(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    artifact: ArtifactId,
    bytes_per_s: u64,
) -> Result<u64, NodeError> {
    let checked = network.verify_artifact(owner, site.place.repo, artifact, &mut Hashes::new())?;
    network.disown_damage(owner, &checked)?;
    let haul = Haul { part: None, bytes_per_s };
    Ok(network.haul_artifact(owner, site.place.repo, artifact, &haul)?.bytes)
}

/// Whether an artifact that is not here in whole is so because of damage.
pub(super) fn is_damaged(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    artifact: ArtifactId,
) -> Result<bool, NodeError> {
    match network.verify_artifact(owner, site.place.repo, artifact, &mut Hashes::new()) {
        Ok(checked) => Ok(checked.faults.iter().any(|fault| fault.is_damage)),
        Err(NodeError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is wrong, for people and programs.
pub(super) fn problem(artifact: ArtifactId, fault: &Fault) -> Problem {
    let (code, what) = match fault.is_damage {
        true => ("E_DAMAGED", "is damaged"),
        false => ("E_MISSING", "is not here"),
    };
    let Fault { from, to, .. } = fault;
    let place = format!("artifact {artifact}, bytes {from}..{to}");
    let chunk = cairn_crdt::id::ContentHash(fault.hash);
    Problem { code: code.to_owned(), place, detail: format!("chunk {chunk} {what}") }
}
