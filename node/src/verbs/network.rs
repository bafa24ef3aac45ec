//! What a verb may ask of the world outside the store.
//!
//! A one-shot command answers it with a network that lives as long as the command; a
//! running `serve` answers it with its own. Verbs cannot tell the two apart.

use std::path::Path;

use cairn_crdt::id::{ArtifactId, ContentHash, RepoId};
use cairn_protocol::input::Wanted;
use cairn_protocol::manifest::{Chunk, Manifest};

use super::artifact::gc::Collected;
use super::du::Weight;
use super::recall::Holder;
use crate::artifacts::{Checked, Hashes, More};
use crate::error::{NodeError, Range};
use crate::net::{Haul, Moved};
use crate::owner::Owner;
use crate::progress::Load;

/// What came of an exchange with peers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synced {
    /// Waypoints that came in.
    pub received: u64,
    /// Waypoints that went out.
    pub sent: u64,
    /// The peers that answered, as multiaddresses ending in `/p2p/<peer>`.
    pub peers: Vec<String>,
}

/// What came of taking a file into the artifact store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// The hash of the manifest.
    pub artifact: ArtifactId,
    /// How many bytes the file has.
    pub bytes: u64,
    /// How many bytes this added to the store.
    pub stored_bytes: u64,
}

/// The world outside the store: peers, and the bytes of artifacts.
pub trait Network {
    /// Exchanges with `peers`, and with those known, until neither side lacks anything of
    /// `repo`. An error only when no peer could be reached.
    fn sync(&mut self, owner: &mut Owner, repo: RepoId, peers: &[String]) -> Result<Synced, NodeError>;

    /// Gets a repo that is not here from the first of `peers` that shows it; afterwards it is
    /// among those of `owner`, and the peers are remembered.
    fn join(&mut self, owner: &mut Owner, wanted: Wanted, peers: &[String]) -> Result<Synced, NodeError>;

    /// Asks peers for bodies that have faded here, and makes durable what comes. An error only when no peer could
    /// be reached.
    fn recall(&mut self, owner: &mut Owner, repo: RepoId, ranges: &[Range]) -> Result<(), NodeError>;

    /// The peers that have exchanged a repo with this home.
    fn holders(&self, repo: RepoId) -> Vec<Holder>;

    /// Fetches the bytes of an artifact from peers that hold it.
    fn fetch_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<(), NodeError>;

    /// Fetches the bytes of an artifact, or of a part of it, from peers that hold it; says what moved.
    fn haul_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
        haul: &Haul,
    ) -> Result<Moved, NodeError>;

    /// How many bytes of each of these artifacts are not here, after asking peers what they consist of; `None` where nobody
    /// who was reached knows. Contents do not move for that.
    fn size_up(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifacts: &[ArtifactId],
    ) -> Result<Vec<Option<u64>>, NodeError>;

    /// Refuses artifacts that would pass the quota together.
    fn check_quota(&mut self, repo: RepoId, artifacts: &[ArtifactId]) -> Result<(), NodeError>;

    /// Sets how many bytes all chunks of the home may take, if that is asked; what they take, and may take.
    fn quota(&mut self, set: Option<Option<u64>>) -> Result<(u64, Option<u64>), NodeError>;

    /// Tells who asked what is going to be fetched.
    fn announce(&mut self, load: &Load);

    /// Takes what is damaged of an artifact for missing, so that the next fetch brings it.
    fn disown_damage(&mut self, owner: &mut Owner, checked: &Checked) -> Result<(), NodeError>;

    /// Takes away the chunks that nothing needs, in all repos of the home; or says what would go.
    fn sweep_artifacts(&mut self, owner: &mut Owner, dry_run: bool) -> Result<Collected, NodeError>;

    /// What each artifact that is known to a repo takes, and what all chunks of the home take on the disk.
    fn weigh_artifacts(&mut self, owner: &mut Owner, repo: RepoId) -> Result<(Vec<Weight>, u64), NodeError>;

    /// Takes a file into the artifact store.
    fn import_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        file: &Path,
        name: &str,
    ) -> Result<Imported, NodeError>;

    /// Makes an artifact of another one that is here, or of nothing, and of what is appended to it.
    fn append_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        base: Option<ArtifactId>,
        more: &More,
        name: &str,
    ) -> Result<Imported, NodeError>;

    /// Writes an artifact that is here to a file, in place of what was there; after an error that is as it was.
    fn export_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
        out: &Path,
    ) -> Result<u64, NodeError>;

    /// Whether every byte of an artifact is here.
    fn holds_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<bool, NodeError>;

    /// Reads every byte of an artifact against its names, but for chunks that are among `sound` already; those that are sound come
    /// to them.
    fn verify_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
        sound: &mut Hashes,
    ) -> Result<Checked, NodeError>;

    /// The manifest of an artifact of which every byte is here.
    fn whole_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<Option<Manifest>, NodeError>;

    /// The bytes of a chunk, compared with its name.
    fn read_chunk(&mut self, owner: &mut Owner, chunk: &Chunk) -> Result<Vec<u8>, NodeError>;

    /// Makes an artifact known to a repo; the chunks of it that are not here.
    fn keep_artifact(
        &mut self,
        owner: &mut Owner,
        repo: RepoId,
        manifest: &Manifest,
    ) -> Result<Vec<ContentHash>, NodeError>;

    /// Keeps the bytes of a chunk, durably.
    fn keep_chunk(&mut self, owner: &mut Owner, bytes: Vec<u8>) -> Result<(), NodeError>;

    /// The addresses under which peers may find this home, each ending in `/p2p/<peer>`.
    fn addresses(&self) -> Vec<String>;

    /// The peers that this home knows.
    fn peers(&self) -> Vec<super::peers::Peer>;
}
