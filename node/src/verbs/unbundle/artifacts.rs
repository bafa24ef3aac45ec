//! The artifacts of a bundle: those that a branch or a mark here shows are kept, each chunk verified before.
//!
//! They stand behind all waypoints, so by then it is known what is shown. What nothing here shows is passed over: a
//! file fills no disk with what nobody asked for.

use cairn_crdt::id::{ArtifactId, RepoId};
use cairn_protocol::bundle::{Artifacts, ManifestPart, Part};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Network;
use crate::verbs::bundle::artifacts::{Shown, shown};
use crate::verbs::verify::Problem;

/// The artifacts of a bundle that is being taken in.
pub(super) struct Unpacking {
    repo: RepoId,
    shown: Shown,
    artifacts: Artifacts,
    /// Those of which something was not here.
    lacking: Vec<ArtifactId>,
    /// How many bytes came and were not here.
    pub(super) bytes: u64,
    problem: Option<Problem>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Unpacked {
    /// How many artifacts are whole now and were not.
    pub(super) artifacts: u64,
    /// How many bytes of them came.
    pub(super) bytes: u64,
    /// Those that the file names and that are not whole here.
    pub(super) missing: Vec<String>,
    /// What was refused first.
    pub(super) problem: Option<Problem>,
}

impl Unpacking {
    pub(super) fn begin(owner: &mut Owner, repo: RepoId) -> Result<Self, NodeError> {
        let (shown, artifacts) = (shown(owner, repo)?, Artifacts::default());
        Ok(Self { repo, shown, artifacts, lacking: Vec::new(), bytes: 0, problem: None })
    }

    /// Takes one part of the file; what is refused is noted, and the next part looked at.
    pub(super) fn take(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        part: Part,
        offset: u64,
    ) -> Result<(), NodeError> {
        match part {
            Part::Manifest(part) => self.manifest(owner, network, part),
            Part::Chunk(bytes) => match self.artifacts.takes(&bytes) {
                Ok(true) => {
                    self.bytes += bytes.len() as u64;
                    network.keep_chunk(owner, bytes)
                }
                Ok(false) => Ok(()),
                Err(reject) => {
                    self.refuse(format!("the part that ends at byte {offset}"), &reject.into());
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    fn manifest(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        part: ManifestPart,
    ) -> Result<(), NodeError> {
        let artifact = part.artifact;
        let kept = match self.artifacts.manifest(part).map_err(NodeError::from) {
            Ok(Some(manifest)) if self.shown.contains(&artifact) => {
                network.keep_artifact(owner, self.repo, &manifest)
            }
            Ok(_) => return Ok(()),
            Err(error) => Err(error),
        };
        match kept {
            Ok(missing) => {
                if !missing.is_empty() {
                    self.lacking.push(artifact);
                }
                missing.into_iter().for_each(|chunk| self.artifacts.want(chunk));
            }
            Err(error @ (NodeError::Rejected(_) | NodeError::Peer(_))) => {
                self.refuse(format!("artifact {artifact}"), &error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn refuse(&mut self, place: String, error: &NodeError) {
        let detail = error.to_string();
        let problem = Problem { code: "E_REJECTED".to_owned(), place, detail };
        self.problem.get_or_insert(problem);
    }

    /// What came of it.
    pub(super) fn end(self, owner: &mut Owner, network: &mut dyn Network) -> Result<Unpacked, NodeError> {
        let mut unpacked = Unpacked { bytes: self.bytes, problem: self.problem, ..Unpacked::default() };
        for artifact in self.lacking {
            match network.holds_artifact(owner, self.repo, artifact)? {
                true => unpacked.artifacts += 1,
                false => unpacked.missing.push(artifact.to_string()),
            }
        }
        Ok(unpacked)
    }
}

#[cfg(test)]
mod tests {
    use cairn_crdt::encoding::Encoded;
    use cairn_crdt::id::ContentHash;
    use cairn_crdt::path::RepoPath;
    use cairn_crdt::{FileEdit, Frontier};
    use cairn_protocol::Labels;
    use cairn_protocol::manifest::{Chunk, Manifest};

    use super::*;
    use crate::Home;
    use crate::owner::Write;
    use crate::verbs::Place;
    use crate::verbs::tests::Alone;

    fn manifest(chunks: &[&[u8]], name: &str) -> Manifest {
        let chunk = |bytes: &&[u8]| Chunk { hash: ContentHash::of(bytes), bytes: bytes.len() as u32 };
        let chunks: Vec<Chunk> = chunks.iter().map(chunk).collect();
        let bytes = chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum();
        Manifest { bytes, chunks, media: String::new(), name: name.to_owned(), lineage: Vec::new() }
    }

    /// A home whose branch shows one artifact.
    fn showing(dir: &std::path::Path, manifest: &Manifest) -> (Owner, RepoId) {
        let mut owner = Owner::open(Home::open(dir.join("home")).unwrap()).unwrap();
        let repo = owner.create("engine", true).unwrap();
        let project = owner.add_project(repo, "@me/engine").unwrap();
        let path = RepoPath::new(b"model.bin").unwrap();
        let (artifact, bytes) = (manifest.artifact(), manifest.bytes);
        let edit = FileEdit::Artifact { path, artifact, bytes, executable: false };
        let draft = Place { repo, project }.draft(&mut owner, &Frontier::empty(), &[edit]).unwrap();
        let labels = Labels { branch: Some("main".to_owned()), ..Labels::default() };
        owner.write(repo, Write { project, parents: Frontier::empty(), draft, labels, key: None }).unwrap();
        (owner, repo)
    }

    fn parts(manifest: &Manifest) -> Vec<Part> {
        let bytes = manifest.to_bytes();
        ManifestPart::all(manifest.artifact(), &bytes).map(Part::Manifest).collect()
    }

    #[test]
    fn what_nothing_here_shows_is_passed_over_and_a_chunk_that_nothing_names_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (shown, other) = (manifest(&[b"one", b"two"], "shown"), manifest(&[b"three"], "other"));
        let (mut owner, repo) = showing(dir.path(), &shown);
        let mut network = Alone::default();
        let mut unpacking = Unpacking::begin(&mut owner, repo).unwrap();
        let chunks = [&b"one"[..], b"twO", b"three", b"two"].map(|bytes| Part::Chunk(bytes.to_vec()));
        for part in [parts(&shown), parts(&other), chunks.to_vec()].concat() {
            unpacking.take(&mut owner, &mut network, part, 7).unwrap();
        }
        assert_eq!(network.kept, [shown.artifact()]);
        let kept = [&b"one"[..], b"two"].map(ContentHash::of);
        assert_eq!(network.chunks, kept.into(), "the good ones, also after a bad one");
        let unpacked = unpacking.end(&mut owner, &mut network).unwrap();
        assert_eq!(unpacked.bytes, 6);
        let problem = unpacked.problem.unwrap();
        assert_eq!(problem.code, "E_REJECTED");
        assert!(problem.place.contains("byte 7"), "{problem:?}");
    }

    #[test]
    fn a_manifest_under_another_name_is_named_and_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (shown, other) = (manifest(&[b"one"], "shown"), manifest(&[b"two"], "other"));
        let (mut owner, repo) = showing(dir.path(), &shown);
        let mut network = Alone::default();
        let mut unpacking = Unpacking::begin(&mut owner, repo).unwrap();
        for part in parts(&other) {
            let Part::Manifest(part) = part else { continue };
            let part = Part::Manifest(ManifestPart { artifact: shown.artifact(), ..part });
            unpacking.take(&mut owner, &mut network, part, 7).unwrap();
        }
        unpacking.take(&mut owner, &mut network, Part::Chunk(b"two".to_vec()), 9).unwrap();
        assert!(network.kept.is_empty() && network.chunks.is_empty());
        let problem = unpacking.end(&mut owner, &mut network).unwrap().problem.unwrap();
        assert!(problem.place.contains(&shown.artifact().to_string()), "{problem:?}");
    }
}
