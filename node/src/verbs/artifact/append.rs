//! `artifact append`: more bytes at the end of a name, as a new version that shares the chunks of the one before.
//!
//! The first version of such a name is the empty artifact, so that two who begin one at once begin the same. What two append to one
//! version at once are two versions, side by side; the next who appends takes up first what the newest one lacks, in the order
//! of the versions, each time as a version of its own. So a stream keeps every byte of each writer, in the same order everywhere.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::version;
use super::versions::{self, Named, Versions};
use crate::artifacts::More;
use crate::error::NodeError;
use crate::net::Haul;
use crate::owner::Owner;
use crate::verbs::{Network, Site};

/// What `artifact append` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appended {
    /// The name.
    pub name: String,
    /// The number of the new version, as far as is known here.
    pub version: u64,
    /// Its hash.
    pub artifact: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many bytes this call added to the store.
    pub stored_bytes: u64,
}

/// Appends a file. Where a version is named, it must be the newest one, and nothing may stand beside it.
pub(super) fn append(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    (name, on): (&str, Option<&str>),
    file: &Path,
) -> Result<Appended, NodeError> {
    let path = versions::check_name(name.as_bytes())?;
    let (repo, called) = (site.place.repo, path.name().to_string());
    let known = |owner: &mut Owner| -> Result<Versions, NodeError> {
        Ok(Named::of(owner, site)?.0.get(&path).cloned().unwrap_or_default())
    };
    check_newest(name, on, &known(owner)?)?;
    let mut stored_bytes = 0;
    loop {
        let versions = known(owner)?;
        let Some(latest) = versions.latest() else {
            let empty = network.append_artifact(owner, repo, None, &More::Nothing, &called)?;
            version(owner, site, &path, empty, (None, None))?;
            continue;
        };
        let base = latest.artifact;
        network.haul_artifact(owner, repo, base, &Haul::default())?;
        let (more, joined) = match versions.beside() {
            Some((beside, common)) => (More::Rest(beside.artifact, common), Some(beside.artifact)),
            None => (More::File(file.to_owned()), None),
        };
        if let Some(beside) = joined {
            network.haul_artifact(owner, repo, beside, &Haul::default())?;
        }
        let made = network.append_artifact(owner, repo, Some(base), &more, &called)?;
        stored_bytes += made.stored_bytes;
        let number = version(owner, site, &path, made, (Some(base), joined))?;
        if joined.is_none() {
            let (name, artifact) = (name.to_owned(), made.artifact.to_string());
            return Ok(Appended { name, version: number, artifact, bytes: made.bytes, stored_bytes });
        }
    }
}

/// Refuses where the newest version is not the one that was meant.
fn check_newest(name: &str, on: Option<&str>, versions: &Versions) -> Result<(), NodeError> {
    let Some(word) = on else { return Ok(()) };
    let absent = || NodeError::NotFound { what: "version", name: format!("{name}@{word}") };
    let (meant, latest) = (versions.find(word).ok_or_else(absent)?, versions.latest());
    let newest = versions.list.len();
    if latest.is_none_or(|latest| latest.artifact != meant.artifact) {
        return Err(NodeError::Refused(format!(
            "{name}@{word} is not the newest version any more: that is v{newest}; look at it, and append to that one"
        )));
    }
    match versions.beside().and_then(|(beside, _)| versions.number(beside.artifact)) {
        Some(beside) => Err(NodeError::Refused(format!(
            "v{beside} was appended at the same time as {name}@{word}; without --on both are put together first"
        ))),
        None => Ok(()),
    }
}
