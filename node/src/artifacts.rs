//! Artifacts of a home: what the chunk store holds, and for which repo it holds it.
//!
//! The chunk store knows bytes; here is the meaning. For each repo and artifact two pins keep what
//! belongs to it: one on the manifest, one on the chunks. An artifact is *known* to a repo of this
//! home when its manifest is pinned for that repo, which happens when it is added there or fetched for
//! it; only what is known to a repo is served to that repo's readers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cairn_blobs::{Blobs, BlobsError, CHUNK_BYTES_MAX, Chunk, Imported};
use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ArtifactId, ContentHash, RepoId};
use cairn_protocol::manifest::{self, Manifest};

use crate::error::NodeError;
use crate::verbs::artifact::gc::{Collected, Needed};
use crate::verbs::du::Weight;

mod append;

pub use append::More;

/// Manifests are kept in pieces. The chunks of a file that was appended to stand in the same pieces again, but for the first and the last
/// one, so these cost nothing.
const PIECE_BYTES: usize = 32 << 10;
/// Artifacts whose list of chunks is kept in memory, so that serving one does not read it each time.
const REMEMBERED_COUNT_MAX: usize = 32;

/// What came of taking a file in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The hash of the manifest.
    pub artifact: ArtifactId,
    /// How many bytes the file has.
    pub bytes: u64,
    /// How many bytes this added to the store.
    pub stored_bytes: u64,
}

/// What a look at every byte of an artifact found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many bytes were read and are as named.
    pub bytes: u64,
    /// Those that are not, in order.
    pub faults: Vec<Fault>,
}

/// Bytes of an artifact that are damaged, or not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Where they begin, in bytes of the file.
    pub from: u64,
    /// Where they end.
    pub to: u64,
    /// The chunk that they are.
    pub hash: [u8; 32],
    /// Whether other bytes lie there; else nothing does.
    pub is_damage: bool,
}

impl Checked {
    fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }
}

/// One repo's artifact: the name under which things are kept for it.
type Name = (RepoId, ArtifactId);

/// The hashes of an artifact's chunks.
pub(crate) type Hashes = BTreeSet<[u8; 32]>;

/// The artifacts of one home. Clones share one store.
#[derive(Debug, Clone)]
pub struct Artifacts {
    blobs: Blobs,
    remembered: Arc<Mutex<BTreeMap<Name, Arc<Hashes>>>>,
    busy: Underway,
}

/// How many fetches of an artifact are under way.
type Underway = Arc<Mutex<BTreeMap<Name, usize>>>;

/// A fetch that is under way.
pub(crate) struct Busy {
    busy: Underway,
    name: Name,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(&self.name).filter(|count| **count > 1) {
            *count -= 1;
        } else {
            busy.remove(&self.name);
        }
    }
}

impl Artifacts {
    /// Opens the store in `folder`.
    pub fn open(folder: &Path) -> Result<Self, NodeError> {
        Ok(Self { blobs: Blobs::open(folder)?, remembered: Arc::default(), busy: Arc::default() })
    }

    /// Closes the store for all clones.
    pub fn close(self) -> Result<(), NodeError> {
        Ok(self.blobs.close()?)
    }

    /// The chunks.
    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Takes a file in as an artifact of `repo`.
    pub fn add(&self, repo: RepoId, file: &Path, name: &str) -> Result<Added, NodeError> {
        let _hold = self.blobs.hold();
        self.keep_imported(repo, self.blobs.import(file)?, name)
    }

    fn keep_imported(&self, repo: RepoId, imported: Imported, name: &str) -> Result<Added, NodeError> {
        let chunks: Vec<_> = imported.chunks.iter().map(entry).collect::<Result<_, _>>()?;
        let manifest = Manifest {
            bytes: imported.bytes,
            chunks,
            media: String::new(),
            name: name.to_owned(),
            lineage: Vec::new(),
        };
        let artifact = manifest.artifact();
        self.keep_manifest(repo, &manifest)?;
        self.keep_chunks(repo, &manifest)?;
        Ok(Added { artifact, bytes: imported.bytes, stored_bytes: imported.stored_bytes })
    }

    /// The manifest of an artifact that is known to `repo`, encoded.
    pub(crate) fn manifest_bytes(
        &self,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<Option<Vec<u8>>, NodeError> {
        let Some(pieces) = self.blobs.pinned(&manifest_pin((repo, artifact)))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend(self.blobs.read(&piece)?);
        }
        Ok(Some(bytes))
    }

    /// The manifest of an artifact that is known to `repo`.
    pub fn manifest(&self, repo: RepoId, artifact: ArtifactId) -> Result<Option<Manifest>, NodeError> {
        match self.manifest_bytes(repo, artifact)? {
            Some(bytes) => decode(artifact, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Makes an artifact known to `repo`.
    pub(crate) fn keep_manifest(&self, repo: RepoId, manifest: &Manifest) -> Result<(), NodeError> {
        let bytes = manifest.to_bytes();
        let pieces = self.blobs.put_all(bytes.chunks(PIECE_BYTES))?;
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.hash).collect();
        Ok(self.blobs.pin(&manifest_pin((repo, manifest.artifact())), &pieces)?)
    }

    /// Keeps the bytes of an artifact for `repo`.
    pub(crate) fn keep_chunks(&self, repo: RepoId, manifest: &Manifest) -> Result<(), NodeError> {
        let hashes: Vec<_> = manifest.chunks.iter().map(|chunk| chunk.hash.0).collect();
        Ok(self.blobs.pin(&chunks_pin((repo, manifest.artifact())), &hashes)?)
    }

    /// The chunks of a manifest that are not here.
    pub(crate) fn missing(&self, manifest: &Manifest) -> Vec<Chunk> {
        self.blobs.missing(&chunks(manifest))
    }

    /// Refuses artifacts that would pass the quota together, as far as it is known what they consist of.
    pub(crate) fn check_room(&self, repo: RepoId, wanted: &[ArtifactId]) -> Result<(), NodeError> {
        let mut all = Vec::new();
        for artifact in wanted {
            all.extend(self.manifest(repo, *artifact)?.iter().flat_map(chunks));
        }
        Ok(self.blobs.check_room(&all)?)
    }

    /// While it is held, an artifact that is on its way here is kept, whoever shows it.
    pub(crate) fn busy(&self, repo: RepoId, artifact: ArtifactId) -> Busy {
        let name = (repo, artifact);
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        Busy { busy: Arc::clone(&self.busy), name }
    }

    /// Whether every byte of an artifact is here.
    pub fn holds(&self, repo: RepoId, artifact: ArtifactId) -> Result<bool, NodeError> {
        Ok(self.whole(repo, artifact)?.is_some())
    }

    /// The manifest of an artifact of which every byte is here.
    pub fn whole(&self, repo: RepoId, artifact: ArtifactId) -> Result<Option<Manifest>, NodeError> {
        match self.manifest(repo, artifact)? {
            Some(manifest) if self.missing(&manifest).is_empty() => Ok(Some(manifest)),
            _ => Ok(None),
        }
    }

    /// Makes an artifact known to `repo` and keeps what is and will be here of it; the chunks that are not.
    pub fn keep(&self, repo: RepoId, manifest: &Manifest) -> Result<Vec<ContentHash>, NodeError> {
        if let Some(chunk) = manifest.chunks.iter().find(|chunk| chunk.bytes as usize > CHUNK_BYTES_MAX) {
            let artifact = manifest.artifact();
            return Err(NodeError::Peer(format!("artifact {artifact} has a chunk of {} bytes", chunk.bytes)));
        }
        self.keep_manifest(repo, manifest)?;
        self.keep_chunks(repo, manifest)?;
        Ok(self.missing(manifest).iter().map(|chunk| ContentHash(chunk.hash)).collect())
    }

    /// Keeps the bytes of a chunk, durably.
    pub fn keep_chunk(&self, bytes: Vec<u8>) -> Result<(), NodeError> {
        Ok(self.blobs.put(&bytes).map(drop)?)
    }

    /// The bytes of a chunk, compared with its name.
    pub fn read_chunk(&self, chunk: &manifest::Chunk) -> Result<Vec<u8>, NodeError> {
        let chunk = Chunk { hash: chunk.hash.0, bytes: u64::from(chunk.bytes) };
        Ok(self.blobs.read_chunk(&chunk)?)
    }

    /// Writes an artifact to a file, verified; says how many bytes.
    pub fn export(&self, repo: RepoId, artifact: ArtifactId, out: &Path) -> Result<u64, NodeError> {
        let manifest = self.manifest(repo, artifact)?;
        let manifest = manifest.ok_or_else(|| not_here(artifact))?;
        Ok(self.blobs.export(&chunks(&manifest), out)?)
    }

    /// Reads every byte of an artifact against its names, but for chunks that are among `sound` already; those that are sound come to them.
    pub(crate) fn verify(
        &self,
        repo: RepoId,
        artifact: ArtifactId,
        sound: &mut Hashes,
    ) -> Result<Checked, NodeError> {
        let manifest = self.manifest(repo, artifact)?;
        let manifest = manifest.ok_or_else(|| not_here(artifact))?;
        let mut checked = Checked::default();
        let mut from = 0;
        for chunk in chunks(&manifest) {
            let to = from + chunk.bytes;
            let is_known = sound.contains(&chunk.hash);
            match if is_known { Ok(Vec::new()) } else { self.blobs.read_chunk(&chunk) } {
                Ok(bytes) => {
                    checked.bytes += bytes.len() as u64;
                    sound.insert(chunk.hash);
                }
                Err(BlobsError::Damaged { .. } | BlobsError::TooLarge { .. }) => {
                    checked.add(Fault { from, to, hash: chunk.hash, is_damage: true });
                }
                Err(BlobsError::Missing { .. }) => {
                    checked.add(Fault { from, to, hash: chunk.hash, is_damage: false });
                }
                Err(error) => return Err(error.into()),
            }
            from = to;
        }
        Ok(checked)
    }

    /// Forgets what is damaged of an artifact, so that it is fetched again; the chunks that were.
    pub(crate) fn disown(&self, checked: &Checked) {
        checked
            .faults
            .iter()
            .filter(|fault| fault.is_damage)
            .for_each(|fault| self.blobs.disown(&fault.hash));
    }

    /// The artifacts that are known to `repo`.
    pub fn list(&self, repo: RepoId) -> Result<Vec<ArtifactId>, NodeError> {
        let folder = format!("manifest/{repo}");
        let prefix = format!("{folder}/");
        let names = self.blobs.pins(&folder)?;
        Ok(names.iter().filter_map(|name| ArtifactId::from_hex(name.strip_prefix(&prefix)?)).collect())
    }

    /// The chunks of an artifact that is known to `repo`: what its readers may be given.
    pub(crate) fn lent(&self, repo: RepoId, artifact: ArtifactId) -> Result<Option<Arc<Hashes>>, NodeError> {
        if let Some(known) = self.recall((repo, artifact)) {
            return Ok(Some(known));
        }
        let Some(manifest) = self.manifest(repo, artifact)? else { return Ok(None) };
        let known: Arc<Hashes> = Arc::new(manifest.chunks.iter().map(|chunk| chunk.hash.0).collect());
        self.remember((repo, artifact), Arc::clone(&known));
        Ok(Some(known))
    }

    /// Takes away the chunks of artifacts that nothing needs and that are not on their way here.
    ///
    /// `needed` is asked while nothing is taken in. A repo that it does not speak of is no repo of this home any more.
    pub fn sweep(
        &self,
        dry_run: bool,
        needed: impl FnOnce() -> Result<Needed, NodeError>,
    ) -> Result<Collected, NodeError> {
        let mut unneeded = BTreeSet::new();
        let swept = self.blobs.sweep(dry_run, || {
            let needed = needed()?;
            let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            let mut going = Vec::new();
            for pin in self.blobs.pins("")? {
                let Some(name) = name_of(&pin) else { continue };
                if !needed.contains(&name) && !busy.contains_key(&name) {
                    unneeded.insert(name.1.to_string());
                    going.push(pin);
                }
            }
            Ok::<_, NodeError>(going)
        })?;
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(Collected {
            unneeded: unneeded.into_iter().collect(),
            chunks: swept.chunks,
            chunk_bytes: swept.bytes,
            bytes_before: swept.bytes_before,
            bytes_after: swept.bytes_after,
        })
    }

    /// What each artifact that is known to `repo` takes, and what all chunks of the home take on the disk.
    pub fn weigh(&self, repo: RepoId) -> Result<(Vec<Weight>, u64), NodeError> {
        let mut users: BTreeMap<[u8; 32], u32> = BTreeMap::new();
        let mut known = Vec::new();
        for artifact in self.list(repo)? {
            let Some(manifest) = self.manifest(repo, artifact)? else { continue };
            let held: BTreeSet<Chunk> =
                chunks(&manifest).into_iter().filter(|chunk| self.blobs.has(&chunk.hash)).collect();
            held.iter().for_each(|chunk| *users.entry(chunk.hash).or_default() += 1);
            known.push((artifact, manifest.name, manifest.bytes, held));
        }
        let sum = |held: &BTreeSet<Chunk>, counts: &dyn Fn(&&Chunk) -> bool| {
            held.iter().filter(counts).map(|chunk| chunk.bytes).sum()
        };
        let weights = known.into_iter().map(|(artifact, name, bytes, held)| {
            let held_bytes = sum(&held, &|_| true);
            let own_bytes = sum(&held, &|chunk| users.get(&chunk.hash) == Some(&1));
            Weight { artifact, name, bytes, held_bytes, own_bytes }
        });
        Ok((weights.collect(), self.blobs.disk_bytes()?))
    }

    fn recall(&self, name: Name) -> Option<Arc<Hashes>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(&name).cloned()
    }

    fn remember(&self, name: Name, known: Arc<Hashes>) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_COUNT_MAX {
            remembered.pop_first();
        }
        remembered.insert(name, known);
    }
}

/// Reads a manifest and compares it with its name.
pub(crate) fn decode(artifact: ArtifactId, bytes: &[u8]) -> Result<Manifest, NodeError> {
    let manifest = Manifest::from_bytes(bytes)
        .map_err(|error| NodeError::Peer(format!("the manifest of artifact {artifact}: {error}")))?;
    match manifest.artifact() == artifact {
        true => Ok(manifest),
        false => Err(NodeError::Peer(format!("a manifest that is not the one of artifact {artifact}"))),
    }
}

pub(crate) fn chunks(manifest: &Manifest) -> Vec<Chunk> {
    let chunk = |chunk: &manifest::Chunk| Chunk { hash: chunk.hash.0, bytes: u64::from(chunk.bytes) };
    manifest.chunks.iter().map(chunk).collect()
}

fn entry(chunk: &Chunk) -> Result<manifest::Chunk, NodeError> {
    let bytes = u32::try_from(chunk.bytes).map_err(|_| NodeError::Bug("a chunk of 4 GiB"))?;
    Ok(manifest::Chunk { hash: ContentHash(chunk.hash), bytes })
}

fn not_here(artifact: ArtifactId) -> NodeError {
    NodeError::NotFound { what: "artifact here", name: artifact.to_string() }
}

/// The repo and artifact that a pin is for.
fn name_of(pin: &str) -> Option<Name> {
    let mut words = pin.split('/').skip(1);
    let (repo, artifact) = (words.next()?, words.next()?);
    Some((RepoId::from_hex(repo)?, ArtifactId::from_hex(artifact)?))
}

fn manifest_pin((repo, artifact): Name) -> String {
    format!("manifest/{repo}/{artifact}")
}

fn chunks_pin((repo, artifact): Name) -> String {
    format!("chunks/{repo}/{artifact}")
}

impl From<BlobsError> for NodeError {
    fn from(error: BlobsError) -> Self {
        match error {
            BlobsError::Disk { doing, path, source } => Self::Io { doing, path, source },
            // iroh-blobs passes on what the system answered as words only.
            BlobsError::Store { doing, reason } if reason.contains("os error 28") => {
                Self::Io { doing, path: "blobs".into(), source: std::io::ErrorKind::StorageFull.into() }
            }
            BlobsError::Missing { hash } => cairn_crdt::Absent::Missing(ContentHash(hash)).into(),
            BlobsError::Damaged { .. } => Self::Damaged(crate::error::Damage {
                file: "blobs".to_owned(),
                offset: 0,
                detail: error.to_string(),
                range: None,
            }),
            BlobsError::Quota { needed, free, limit } => Self::Quota {
                needed_bytes: needed,
                free_bytes: free,
                quota_bytes: limit,
                collectable_bytes: None,
            },
            BlobsError::Stalled { .. } => Self::Network(error.to_string()),
            error if error.fault() == cairn_blobs::Fault::Peer => Self::Peer(error.to_string()),
            error => Self::Refused(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPO: RepoId = RepoId([1; 32]);
    const OTHER: RepoId = RepoId([2; 32]);

    fn home_with(bytes: &[u8]) -> (tempfile::TempDir, Artifacts, Added) {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&dir.path().join("blobs")).unwrap();
        let file = dir.path().join("model.bin");
        std::fs::write(&file, bytes).unwrap();
        let added = artifacts.add(REPO, &file, "model.bin").unwrap();
        (dir, artifacts, added)
    }

    #[test]
    fn an_artifact_is_known_to_the_repo_it_was_added_to() {
        let bytes: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
        let (dir, artifacts, added) = home_with(&bytes);
        assert_eq!(added.bytes, bytes.len() as u64);
        assert!(artifacts.holds(REPO, added.artifact).unwrap());
        assert!(!artifacts.holds(OTHER, added.artifact).unwrap());
        assert_eq!(artifacts.list(REPO).unwrap(), [added.artifact]);
        assert!(artifacts.list(OTHER).unwrap().is_empty());
        let out = dir.path().join("out.bin");
        assert_eq!(artifacts.export(REPO, added.artifact, &out).unwrap(), added.bytes);
        assert_eq!(std::fs::read(out).unwrap(), bytes);
        let checked = artifacts.verify(REPO, added.artifact, &mut Hashes::new()).unwrap();
        assert_eq!(checked, Checked { bytes: added.bytes, faults: vec![] });
    }

    #[test]
    fn only_chunks_of_a_known_artifact_are_lent() {
        let (_dir, artifacts, added) = home_with(&[7; 100_000]);
        let manifest = artifacts.manifest(REPO, added.artifact).unwrap().unwrap();
        let hash = manifest.chunks[0].hash.0;
        for _ in 0..2 {
            let lent = artifacts.lent(REPO, added.artifact).unwrap().unwrap();
            assert!(lent.contains(&hash) && !lent.contains(&[0; 32]));
            assert!(artifacts.lent(OTHER, added.artifact).unwrap().is_none());
        }
    }

    #[test]
    fn a_manifest_under_another_name_is_refused() {
        let manifest =
            Manifest { bytes: 0, chunks: vec![], media: String::new(), name: "a".into(), lineage: vec![] };
        let bytes = manifest.to_bytes();
        assert!(decode(manifest.artifact(), &bytes).is_ok());
        assert!(decode(ArtifactId([3; 32]), &bytes).is_err());
        assert!(decode(manifest.artifact(), &bytes[1..]).is_err());
    }
}
