//! `artifact get --follow`: what comes to a name, part by part.
//!
//! Each version that was appended has bytes of its own, behind those of the version before. A follower gets the newest version as it
//! is, and then each part once, in the order of the versions as they become known to it. So where two append at once it has the bytes of
//! both, though perhaps not in the order in which a later version puts them together.

use std::path::Path;

use cairn_crdt::id::ArtifactId;
use serde::{Deserialize, Serialize};

use super::versions::{Named, Version, Versions};
use super::{NAMES_BRANCH, range};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Network, Site};
use crate::worktree::link::digits;

/// What a follower gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tailed {
    /// The part that was written; `null` where there is nothing new.
    pub part: Option<Part>,
    /// What the follower has now.
    pub seen: Vec<String>,
    /// The version of the branch of names that was looked at.
    pub frontier: Vec<String>,
}

/// A part of an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The number of the version that it came with, as far as is known here.
    pub version: u64,
    /// The same by its hash.
    pub artifact: String,
    /// Where it begins, in bytes of that version.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// Whether the version continues none that the follower has: all of it is the part.
    pub anew: bool,
}

/// Writes the next part to a file, if there is one.
pub(super) fn tail(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    (name, seen): (&str, &[String]),
    out: &Path,
    bytes_per_s: u64,
) -> Result<Tailed, NodeError> {
    let frontier = site.place.branch(owner, NAMES_BRANCH)?;
    let named = Named::of(owner, site)?;
    let (_, versions) = named.versions(name)?;
    let wrong = || NodeError::Usage("what was seen is named by hashes".to_owned());
    let seen = seen.iter().map(|hash| ArtifactId::from_hex(hash).ok_or_else(wrong));
    let mut seen = seen.collect::<Result<Vec<_>, _>>()?;
    let mut part = None;
    while let Some((version, from)) = next(versions, &seen) {
        see(&mut seen, versions, version);
        let (start, to) = (from.unwrap_or(0), version.bytes);
        let number = versions.number(version.artifact).unwrap_or_default();
        let artifact = version.artifact.to_string();
        if start < to {
            range::get(owner, site, network, &artifact, (start..to, out), bytes_per_s)?;
        }
        // A new beginning is told even where it is empty.
        if start < to || from.is_none() {
            part = Some(Part { version: number, artifact, from: start, to, anew: from.is_none() });
            break;
        }
    }
    let seen = seen.iter().map(ToString::to_string).collect();
    Ok(Tailed { part, seen, frontier: digits(&frontier) })
}

/// The first version that the follower lacks, and where its own bytes begin; `None` for one that continues nothing.
fn next<'a>(versions: &'a Versions, seen: &[ArtifactId]) -> Option<(&'a Version, Option<u64>)> {
    if seen.is_empty() {
        return versions.latest().map(|latest| (latest, None));
    }
    let has = versions.within(seen);
    let version = versions.list.iter().find(|version| !has.contains(&version.artifact))?;
    // What only puts together others that came before it brings nothing.
    let from = match version.joined {
        Some(_) => Some(version.bytes),
        None => version.base.and_then(|base| versions.version(base)).map(|base| base.bytes),
    };
    Some((version, from))
}

/// Notes a version. At first, all go with it that were not appended beside it.
fn see(seen: &mut Vec<ArtifactId>, versions: &Versions, version: &Version) {
    if seen.is_empty() {
        let has = versions.within(&[version.artifact]);
        let is_older =
            |other: &&Version| !has.contains(&other.artifact) && versions.common(other, &has).is_none();
        seen.extend(versions.list.iter().filter(is_older).map(|other| other.artifact));
    }
    seen.retain(|known| Some(*known) != version.base && Some(*known) != version.joined);
    seen.push(version.artifact);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(order: u64, artifact: u8, base: Option<u8>) -> Version {
        let id = |byte| ArtifactId([byte; 32]);
        Version {
            order,
            artifact: id(artifact),
            base: base.map(id),
            joined: None,
            bytes: u64::from(artifact),
        }
    }

    #[test]
    fn each_part_comes_once_also_of_two_who_append_at_once() {
        let mut list = vec![version(1, 90, None), version(2, 10, None), version(3, 20, Some(10))];
        let (mut seen, mut told) = (Vec::new(), Vec::new());
        let follow = |list: &[Version], seen: &mut Vec<ArtifactId>, told: &mut Vec<(u8, Option<u64>)>| {
            let versions = Versions { list: list.to_vec(), ..Versions::default() };
            while let Some((version, from)) = next(&versions, seen) {
                told.push((version.artifact.0[0], from));
                see(seen, &versions, version);
            }
        };
        follow(&list, &mut seen, &mut told);
        assert_eq!(told, [(20, None)], "what is older, and not continued, is not told");
        list.extend([version(4, 30, Some(20)), version(4, 33, Some(20))]);
        follow(&list, &mut seen, &mut told);
        let joined = Version { joined: Some(ArtifactId([30; 32])), ..version(5, 43, Some(33)) };
        list.extend([joined, version(6, 50, Some(43)), version(7, 5, None)]);
        follow(&list, &mut seen, &mut told);
        assert_eq!(told[1..], [(30, Some(20)), (33, Some(20)), (43, Some(43)), (50, Some(43)), (5, None)]);
        assert!(seen.len() <= 4, "{seen:?}");
    }
}
