//! `artifact policy` and `artifact pin`: which bytes come by themselves, and the fetching of those.
//!
//! What names an artifact travels with the waypoint. Its bytes come when a worktree shows the file or somebody asks; under
//! `eager` also what branches show, under `pinned` only what marks show and what was pinned.

use std::collections::BTreeSet;

use cairn_crdt::id::ArtifactId;
use serde::{Deserialize, Serialize};

use super::find;
use super::quota::explained;
use crate::config::Fetching;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::bundle::artifacts::shown_by;
use crate::verbs::{Network, Place, Site};

/// What a policy is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// To this.
    Of(Fetching),
    /// To nothing: what is above it counts.
    Default,
}

/// What `artifact policy` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What counts for the project.
    pub policy: Fetching,
    /// What was set for it; `null` where the home's counts.
    pub project: Option<Fetching>,
    /// What counts in the home for projects that have none of their own.
    pub home: Fetching,
    /// The artifacts that were pinned.
    pub pinned: Vec<String>,
}

/// What `artifact pin` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Its hash.
    pub artifact: String,
    /// Whether it is pinned now.
    pub pinned: bool,
}

/// Says what counts, after setting it if that was asked.
pub(super) fn policy(
    owner: &mut Owner,
    site: &Site,
    set: Option<Setting>,
    home: bool,
) -> Result<Policy, NodeError> {
    let id = site.place.project.to_string();
    match (set, home) {
        (None, _) => {}
        (Some(Setting::Of(fetching)), true) => owner.configure(|config| config.fetching = fetching)?,
        (Some(Setting::Default), true) => owner.configure(|config| config.fetching = Fetching::default())?,
        (Some(Setting::Of(fetching)), false) => owner.configure(|config| {
            config.projects_fetching.insert(id.clone(), fetching);
        })?,
        (Some(Setting::Default), false) => owner.configure(|config| {
            config.projects_fetching.remove(&id);
        })?,
    }
    let config = owner.config();
    Ok(Policy {
        policy: config.fetching(site.place.project),
        project: config.projects_fetching.get(&id).copied(),
        home: config.fetching,
        pinned: config.pinned(site.place.project).iter().map(ArtifactId::to_string).collect(),
    })
}

/// Pins an artifact, or lets go of it.
pub(super) fn pin(owner: &mut Owner, site: &Site, word: &str, remove: bool) -> Result<Pinned, NodeError> {
    let artifact = find(owner, site, word)?.to_string();
    owner.configure(|config| {
        let pins = config.pinned.entry(site.place.project.to_string()).or_default();
        match remove {
            true => pins.remove(&artifact),
            false => pins.insert(artifact.clone()),
        };
        config.pinned.retain(|_, pins| !pins.is_empty());
    })?;
    Ok(Pinned { artifact, pinned: !remove })
}

/// The artifacts of a project that are to come by themselves, whether they are here or not.
pub(crate) fn wanted(owner: &mut Owner, place: Place) -> Result<BTreeSet<ArtifactId>, NodeError> {
    let fetching = owner.config().fetching(place.project);
    let replica = owner.replica(place.repo)?;
    let versions: BTreeSet<_> = match fetching {
        Fetching::Lazy => return Ok(BTreeSet::new()),
        Fetching::Eager => replica.branches(place.project).into_iter().map(|(_, version)| version).collect(),
        Fetching::Pinned => {
            let marks = replica.stated(place.project).into_iter().filter(|stated| stated.mark.is_some());
            marks.map(|stated| stated.version).collect()
        }
    };
    let mut wanted = owner.config().pinned(place.project);
    for version in versions {
        wanted.extend(shown_by(owner, place, &version)?);
    }
    Ok(wanted)
}

/// What came by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplied {
    /// How many artifacts came.
    pub artifacts: u64,
    /// How many bytes that moved.
    pub bytes: u64,
    /// Those that did not come.
    pub missing: Vec<Missing>,
}

/// An artifact that should have come by itself, and did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its hash.
    pub artifact: String,
    /// A stable word for why.
    pub code: String,
    /// Why.
    pub message: String,
}

impl Supplied {
    /// Whether nothing was to be done.
    pub fn is_empty(&self) -> bool {
        self.artifacts == 0 && self.missing.is_empty()
    }
}

/// Fetches what is to come by itself and is not here. One that does not come keeps none of the others from coming.
pub(crate) fn supply(
    owner: &mut Owner,
    network: &mut dyn Network,
    place: Place,
) -> Result<Supplied, NodeError> {
    let mut supplied = Supplied::default();
    for artifact in wanted(owner, place)? {
        if network.holds_artifact(owner, place.repo, artifact)? {
            continue;
        }
        match network.haul_artifact(owner, place.repo, artifact, &crate::net::Haul::default()) {
            Ok(moved) => {
                supplied.artifacts += 1;
                supplied.bytes += moved.bytes;
            }
            Err(error) => {
                // How much nothing needs is the same for all.
                let is_first = supplied.missing.iter().all(|missing| missing.code != error.code());
                let error = if is_first { explained(owner, network, error) } else { error };
                let (code, message) = (error.code().to_owned(), error.to_string());
                supplied.missing.push(Missing { artifact: artifact.to_string(), code, message });
            }
        }
    }
    Ok(supplied)
}
