//! `artifact verify`: every byte that is here of artifacts, against their names.

use std::collections::BTreeSet;

use cairn_crdt::id::ArtifactId;
use serde::{Deserialize, Serialize};

use super::{find, names, range};
use crate::artifacts::Hashes;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::verify::Problem;
use crate::verbs::{Network, Site};

/// What `artifact verify` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// How many artifacts were read.
    pub artifacts: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// Whether all were as named.
    pub ok: bool,
    /// What was not.
    pub problems: Vec<Problem>,
    /// How many bytes came from peers in place of what was damaged or missing.
    pub repaired_bytes: u64,
}

/// Reads all, or one.
pub(super) fn verify(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    word: Option<&str>,
    repair: bool,
) -> Result<Verified, NodeError> {
    let asked = match word {
        Some(word) => BTreeSet::from([find(owner, site, word)?]),
        None => names(owner, site)?.into_values().map(|(artifact, _)| artifact).collect(),
    };
    let mut verified = Verified { ok: true, ..Verified::default() };
    // What versions share is read once.
    let mut sound = Hashes::new();
    for artifact in asked {
        // What was never here in whole is nobody's damage, unless it is asked for by name.
        let is_here = network.holds_artifact(owner, site.place.repo, artifact)?;
        if word.is_none() && !is_here && !range::is_damaged(owner, site, network, artifact)? {
            continue;
        }
        verified.artifacts += 1;
        if repair {
            verified.repaired_bytes += range::mend(owner, site, network, artifact, 0)?;
        }
        match network.verify_artifact(owner, site.place.repo, artifact, &mut sound) {
            Ok(checked) => {
                verified.bytes += checked.bytes;
                verified.problems.extend(checked.faults.iter().map(|fault| range::problem(artifact, fault)));
            }
            Err(error) => verified.problems.push(problem(artifact, &error)),
        }
    }
    verified.ok = verified.problems.is_empty();
    Ok(verified)
}

fn problem(artifact: ArtifactId, error: &NodeError) -> Problem {
    let place = format!("artifact {artifact}");
    Problem { code: error.code().to_owned(), place, detail: error.to_string() }
}
