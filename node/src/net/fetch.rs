//! Fetches artifacts from peers: the other side of a blob stream.
//!
//! First the manifest, compared with the artifact's name; then the chunks that are missing, several at
//! a time and from all peers that answer. A peer that lies, stalls or lacks something is passed over
//! for the rest of this fetch. What has arrived stays, so a later fetch asks for the rest only.

use std::time::Duration;

use cairn_blobs::Chunk;
use cairn_crdt::id::{ArtifactId, RepoId};
use cairn_protocol::key::DeviceKey;
use cairn_protocol::limits::MANIFEST_BYTES_MAX;
use cairn_protocol::manifest::Manifest;
use cairn_protocol::wire::repo_tag;
use futures::{StreamExt, TryStreamExt};
use libp2p::Stream;
use libp2p_stream::Control;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use super::peer_id;
use super::streams::{BLOB_PROTOCOL, CHUNK_MAX, FIRST_WORD_MAX, Frame, HERE, SILENCE_MAX};
use crate::artifacts::{Artifacts, decode};
use crate::error::NodeError;

/// Chunks under way at once.
const CHUNKS_AT_ONCE: usize = 4;
/// A stream may be dropped by a busy peer without a word; so many tries for each chunk and peer.
const TRIES: u32 = 5;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

type Reader = ReadHalf<Compat<Stream>>;
type Writer = WriteHalf<Compat<Stream>>;

/// What fetching needs.
#[derive(Clone)]
pub(crate) struct Fetcher {
    pub(crate) me: DeviceKey,
    pub(crate) control: Control,
    pub(crate) artifacts: Artifacts,
    pub(crate) repo: RepoId,
    pub(crate) artifact: ArtifactId,
    pub(crate) peers: Vec<DeviceKey>,
}

impl Fetcher {
    /// Fetches what is missing of the artifact and keeps it for the repo.
    pub(crate) async fn fetch(self) -> Result<(), NodeError> {
        let manifest = self.manifest().await?;
        let missing = self.artifacts.missing(&manifest).await?;
        let fetches = missing.into_iter().enumerate().map(|(turn, chunk)| self.chunk(turn, chunk));
        futures::stream::iter(fetches).buffer_unordered(CHUNKS_AT_ONCE).try_collect::<()>().await?;
        self.artifacts.keep_chunks(self.repo, &manifest).await
    }

    /// The manifest: the one that is here, or the first that a peer has.
    async fn manifest(&self) -> Result<Manifest, NodeError> {
        if let Some(manifest) = self.artifacts.manifest(self.repo, self.artifact).await? {
            return Ok(manifest);
        }
        let mut last = None;
        for peer in &self.peers {
            match self.manifest_from(*peer).await {
                Ok(manifest) => {
                    self.artifacts.keep_manifest(self.repo, &manifest).await?;
                    return Ok(manifest);
                }
                Err(error) => last = Some(graver(last, error)),
            }
        }
        Err(last.unwrap_or_else(|| NodeError::Network("no peer is connected".to_owned())))
    }

    async fn manifest_from(&self, peer: DeviceKey) -> Result<Manifest, NodeError> {
        let (mut reader, mut writer) = self.open(peer, None).await?;
        writer.shutdown().await.map_err(broken)?;
        let reading = async {
            let length = reader.read_u32_le().await.map_err(broken)? as usize;
            if length > MANIFEST_BYTES_MAX {
                return Err(NodeError::Peer(format!("a manifest of {length} bytes")));
            }
            let mut bytes = Vec::new();
            reader.take(length as u64).read_to_end(&mut bytes).await.map_err(broken)?;
            decode(self.artifact, &bytes)
        };
        tokio::time::timeout(CHUNK_MAX, reading).await.map_err(|_| silent())?
    }

    /// One chunk, from the peer whose turn it is, else from the others.
    async fn chunk(&self, turn: usize, chunk: Chunk) -> Result<(), NodeError> {
        let mut last = None;
        for step in 0..self.peers.len() {
            let peer = self.peers[(turn + step) % self.peers.len()];
            match self.chunk_from(peer, &chunk).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::debug!(%peer, %error, "a chunk did not come from this peer");
                    last = Some(graver(last, error));
                }
            }
        }
        Err(last.unwrap_or_else(|| NodeError::Network("no peer is connected".to_owned())))
    }

    async fn chunk_from(&self, peer: DeviceKey, chunk: &Chunk) -> Result<(), NodeError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.chunk_once(peer, chunk).await {
                Err(NodeError::Network(_)) if tries < TRIES => tokio::time::sleep(PAUSE * tries).await,
                other => return other,
            }
        }
    }

    async fn chunk_once(&self, peer: DeviceKey, chunk: &Chunk) -> Result<(), NodeError> {
        let (reader, writer) = self.open(peer, Some(chunk.hash)).await?;
        let fetched = self.artifacts.blobs().fetch(reader, writer, chunk, SILENCE_MAX, CHUNK_MAX).await;
        match fetched {
            Ok(_) => Ok(()),
            Err(error @ cairn_blobs::BlobsError::Truncated { .. }) => {
                Err(NodeError::Network(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a stream and hears that what it is for is there.
    async fn open(&self, peer: DeviceKey, chunk: Option<[u8; 32]>) -> Result<(Reader, Writer), NodeError> {
        let frame = Frame { tag: repo_tag(self.repo, &self.me, &peer), artifact: self.artifact, chunk };
        let network = peer_id(peer)?;
        let opening = async {
            let stream = self.control.clone().open_stream(network, BLOB_PROTOCOL).await;
            let stream = stream.map_err(|error| NodeError::Network(error.to_string()))?;
            let (mut reader, mut writer) = tokio::io::split(stream.compat());
            writer.write_all(&frame.to_bytes()).await.map_err(broken)?;
            writer.flush().await.map_err(broken)?;
            let status = reader.read_u8().await.map_err(broken)?;
            Ok::<_, NodeError>((status, reader, writer))
        };
        match tokio::time::timeout(FIRST_WORD_MAX, opening).await.map_err(|_| silent())?? {
            (HERE, reader, writer) => Ok((reader, writer)),
            _ => Err(NodeError::NotFound { what: "artifact at any peer", name: self.artifact.to_string() }),
        }
    }
}

/// Of two failures, the one that is worth telling: a lie before a broken line before mere absence.
fn graver(last: Option<NodeError>, error: NodeError) -> NodeError {
    let weight = |error: &NodeError| match error {
        NodeError::NotFound { .. } => 0,
        NodeError::Network(_) => 1,
        NodeError::Peer(_) => 2,
        _ => 3,
    };
    match last {
        Some(last) if weight(&last) >= weight(&error) => last,
        _ => error,
    }
}

fn broken(error: std::io::Error) -> NodeError {
    NodeError::Network(format!("a blob stream broke: {error}"))
}

fn silent() -> NodeError {
    NodeError::Network("a peer is silent".to_owned())
}
