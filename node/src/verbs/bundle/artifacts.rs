//! The artifacts that travel in a bundle: those that branches and marks show, as far as all of their bytes are here.

use std::collections::BTreeSet;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ArtifactId, ContentHash, ProjectId, RepoId};
use cairn_crdt::{File, FileBody, Frontier};
use cairn_protocol::bundle::{ManifestPart, Part};
use cairn_protocol::limits::{BUNDLE_ARTIFACTS_COUNT_MAX, BUNDLE_CHUNKS_COUNT_MAX};
use cairn_protocol::manifest::Manifest;

use super::Answer;
use crate::bundles::BundleSink;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Network, Place};

/// Artifacts that versions show.
pub(crate) type Shown = BTreeSet<ArtifactId>;

/// The artifacts that branches and marks of a repo show.
pub(crate) fn shown(owner: &mut Owner, repo: RepoId) -> Result<Shown, NodeError> {
    let mut shown = Shown::new();
    for (project, version) in versions(owner, repo)? {
        shown.extend(shown_by(owner, Place { repo, project }, &version)?);
    }
    Ok(shown)
}

fn versions(owner: &Owner, repo: RepoId) -> Result<BTreeSet<(ProjectId, Frontier)>, NodeError> {
    let replica = owner.replica(repo)?;
    let mut versions = BTreeSet::new();
    for (project, _) in replica.projects() {
        versions.extend(replica.branches(project).into_iter().map(|(_, version)| (project, version)));
        let marks = replica.stated(project).into_iter().filter(|stated| stated.mark.is_some());
        versions.extend(marks.map(|stated| (project, stated.version)));
    }
    Ok(versions)
}

/// The artifacts that one version shows; none, where it needs what is not here.
pub(crate) fn shown_by(owner: &mut Owner, place: Place, version: &Frontier) -> Result<Shown, NodeError> {
    let view = match place.view(owner, version) {
        Ok(view) => view,
        Err(NodeError::Faded(_) | NodeError::Absent(_) | NodeError::NotFound { .. }) => {
            return Ok(Shown::new());
        }
        Err(error) => return Err(error),
    };
    let artifact = |file: &File| match file.body {
        FileBody::Artifact { artifact, .. } => Some(artifact),
        _ => None,
    };
    Ok(view.files.values().filter_map(artifact).collect())
}

/// Writes the manifests of those that are here, then their chunks, each once; memory holds one of either.
pub(super) fn write(
    owner: &mut Owner,
    network: &mut dyn Network,
    repo: RepoId,
    wanted: &Shown,
    sink: &mut BundleSink<'_>,
    answer: &mut Answer,
) -> Result<(), NodeError> {
    let (mut held, mut chunks) = (Vec::new(), 0);
    for artifact in wanted {
        let whole = network.whole_artifact(owner, repo, *artifact)?;
        let fits = |manifest: &Manifest| chunks + manifest.chunks.len() <= BUNDLE_CHUNKS_COUNT_MAX;
        let Some(manifest) = whole.filter(|known| held.len() < BUNDLE_ARTIFACTS_COUNT_MAX && fits(known))
        else {
            answer.left_out.push(artifact.to_string());
            continue;
        };
        chunks += manifest.chunks.len();
        for part in ManifestPart::all(*artifact, &manifest.to_bytes()) {
            sink.push(&Part::Manifest(part))?;
        }
        held.push(*artifact);
    }
    let mut written: BTreeSet<ContentHash> = BTreeSet::new();
    for artifact in &held {
        let gone = NodeError::Bug("an artifact that is gone at once");
        let manifest = network.whole_artifact(owner, repo, *artifact)?.ok_or(gone)?;
        for chunk in manifest.chunks.iter().filter(|chunk| written.insert(chunk.hash)) {
            sink.push(&Part::Chunk(network.read_chunk(owner, chunk)?))?;
            answer.artifact_bytes += u64::from(chunk.bytes);
        }
    }
    answer.artifacts = held.len() as u64;
    Ok(())
}
