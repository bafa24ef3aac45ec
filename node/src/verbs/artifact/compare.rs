//! Two artifacts side by side: the chunks that both have, what they say of themselves, and the runs that made them.

use std::collections::BTreeSet;

use cairn_crdt::id::ArtifactId;
use cairn_protocol::manifest::Manifest;
use serde::{Deserialize, Serialize};

use super::{about, find, inside};
use crate::error::NodeError;
use crate::headers::compare::Inside;
use crate::owner::Owner;
use crate::runs::book::Run;
use crate::runs::descent::Descent;
use crate::verbs::{Network, Site, run};

/// What `artifact diff` answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The one.
    pub then: String,
    /// The other.
    pub now: String,
    /// How many bytes the one has.
    pub bytes_then: u64,
    /// How many the other has.
    pub bytes_now: u64,
    /// How many bytes of the other lie in chunks that the one has too.
    pub bytes_shared: u64,
    /// The same as a share of its bytes: 0 to 1.
    pub shared: f64,
    /// Whether they are the same bytes.
    pub same: bool,
    /// How what they say of themselves differs, where both are of one form that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// How the runs that made them differ, where each was made by a run of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Box<run::Compared>>,
}

/// How much of the later one the earlier one has, and what led to the rest.
pub(super) fn diff(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    (then, now): (&str, &str),
) -> Result<Compared, NodeError> {
    let (then, now) = (find(owner, site, then)?, find(owner, site, now)?);
    let missing =
        |artifact: ArtifactId| NodeError::NotFound { what: "artifact here", name: artifact.to_string() };
    let (before, after) = whole(owner, site, network, then, now)?.ok_or_else(|| missing(now))?;
    let Shared { bytes_then, bytes_now, bytes } = Shared::of(&before, &after);
    let same = bytes_then == bytes_now && bytes == bytes_now;
    let inside = if same { None } else { inside::diff(owner, network, &before, &after)? };
    let share = if bytes_now > 0 { bytes as f64 / bytes_now as f64 } else { 1.0 };
    Ok(Compared {
        then: then.to_string(),
        now: now.to_string(),
        bytes_then,
        bytes_now,
        bytes_shared: bytes,
        shared: share,
        same,
        inside,
        runs: runs(owner, site, network, then, now)?,
    })
}

/// How the runs that made them differ.
fn runs(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    then: ArtifactId,
    now: ArtifactId,
) -> Result<Option<Box<run::Compared>>, NodeError> {
    if then == now {
        return Ok(None);
    }
    let descent = Descent::of_site(owner, site)?;
    let (one, other) =
        (maker(owner, site, network, &descent, then)?, maker(owner, site, network, &descent, now)?);
    let of_two = one.zip(other).filter(|(one, other)| one.id != other.id);
    of_two.map(|(one, other)| run::between(owner, network, site, &one, &other).map(Box::new)).transpose()
}

/// The run that wrote what an artifact holds; the last one, where several did.
fn maker(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    descent: &Descent,
    artifact: ArtifactId,
) -> Result<Option<Run>, NodeError> {
    let mut makers = Vec::new();
    for content in about::contents_of(owner, site, network, descent, artifact)? {
        makers.extend(descent.makers(&content.id, usize::MAX)?);
    }
    let store = owner.store(site.place.repo)?;
    makers.last().map_or(Ok(None), |id| descent.run(store, id))
}

/// Bytes of two artifacts.
pub(in crate::verbs) struct Shared {
    bytes_then: u64,
    pub(in crate::verbs) bytes_now: u64,
    pub(in crate::verbs) bytes: u64,
}

impl Shared {
    fn of(then: &Manifest, now: &Manifest) -> Self {
        let known: BTreeSet<_> = then.chunks.iter().map(|chunk| chunk.hash).collect();
        let both = now.chunks.iter().filter(|chunk| known.contains(&chunk.hash));
        let bytes = both.map(|chunk| u64::from(chunk.bytes)).sum();
        Self { bytes_then: then.bytes, bytes_now: now.bytes, bytes }
    }
}

/// The manifests of two artifacts; `None` where not all of both is here.
fn whole(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    then: ArtifactId,
    now: ArtifactId,
) -> Result<Option<(Manifest, Manifest)>, NodeError> {
    let repo = site.place.repo;
    let (then, now) = (network.whole_artifact(owner, repo, then)?, network.whole_artifact(owner, repo, now)?);
    Ok(then.zip(now))
}

/// How many bytes of the later one lie in chunks that the earlier one has too; `None` where not all of both is here.
pub(in crate::verbs) fn shared(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    then: ArtifactId,
    now: ArtifactId,
) -> Result<Option<Shared>, NodeError> {
    Ok(whole(owner, site, network, then, now)?.map(|(then, now)| Shared::of(&then, &now)))
}
