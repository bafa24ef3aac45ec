//! `du`: what large contents take on the disk, and who needs them.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::ArtifactId;
use serde::{Deserialize, Serialize};

use super::bundle::artifacts::shown_by;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network, Site};

/// What `du` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
}

/// What `du` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// One entry an artifact that is known here: those that nothing needs first, then the larger ones first.
    pub artifacts: Vec<Item>,
    /// What the chunks of all repos take on the disk together.
    pub chunk_store_bytes: u64,
    /// What they may take; `null` for any number of bytes.
    #[serde(default)]
    pub chunk_quota_bytes: Option<u64>,
    /// What log and stones of this repo take.
    pub history_bytes: u64,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its hash.
    pub artifact: String,
    /// What it was called when it was added.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many of them are here.
    pub held_bytes: u64,
    /// How many of those no other artifact of the repo has: what would be free without it.
    pub own_bytes: u64,
    /// The branches and marks that show it, each with its project.
    pub needed_by: Vec<String>,
    /// Whether a waypoint names it that has not faded; else `artifact gc` takes it.
    pub is_needed: bool,
}

/// What an artifact takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Its hash.
    pub artifact: ArtifactId,
    /// What it was called when it was added.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many of them are here.
    pub held_bytes: u64,
    /// How many of those no other artifact has.
    pub own_bytes: u64,
}

/// Weighs the artifacts of the repo.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let repo = site.place.repo;
    let named = owner.store(repo)?.named_artifacts()?;
    let mut labels = labels(owner, &site)?;
    let (weights, chunk_store_bytes) = network.weigh_artifacts(owner, repo)?;
    let item = |weight: Weight| Item {
        artifact: weight.artifact.to_string(),
        name: weight.name,
        bytes: weight.bytes,
        held_bytes: weight.held_bytes,
        own_bytes: weight.own_bytes,
        needed_by: labels.remove(&weight.artifact).unwrap_or_default().into_iter().collect(),
        is_needed: named.contains(&weight.artifact),
    };
    let mut artifacts: Vec<Item> = weights.into_iter().map(item).collect();
    artifacts.sort_by_key(|item| (item.is_needed, std::cmp::Reverse(item.held_bytes)));
    let chunk_quota_bytes = network.quota(None)?.1;
    Ok(Answer { artifacts, chunk_store_bytes, chunk_quota_bytes, history_bytes: owner.store(repo)?.bytes() })
}

/// Who shows which artifact.
fn labels(owner: &mut Owner, site: &Site) -> Result<BTreeMap<ArtifactId, BTreeSet<String>>, NodeError> {
    let repo = site.place.repo;
    let mut versions = Vec::new();
    let replica = owner.replica(repo)?;
    for (project, name) in replica.projects() {
        let place = super::Place { repo, project };
        let branches = replica.branches(project).into_iter();
        versions.extend(branches.map(|(branch, version)| (place, format!("{name}?{branch}"), version)));
        for stated in replica.stated(project) {
            let mark = stated.mark.as_ref().map(|mark| format!("{name}?{mark}"));
            versions.extend(mark.map(|label| (place, label, stated.version.clone())));
        }
    }
    let mut labels: BTreeMap<ArtifactId, BTreeSet<String>> = BTreeMap::new();
    for (place, label, version) in versions {
        for artifact in shown_by(owner, place, &version)? {
            labels.entry(artifact).or_default().insert(label.clone());
        }
    }
    Ok(labels)
}
