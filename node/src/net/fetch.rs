//! Fetches artifacts from peers: the other side of a blob stream.
//!
//! First the manifest, compared with the artifact's name; then the chunks that are missing, from all peers that answer, each
//! on one stream on which several are asked for ahead. A peer that lies or stalls is passed over for the rest of this fetch;
//! one that is cut off is asked again as long as something comes. What has arrived stays, so a later fetch asks for the rest
//! only.

mod deliver;
mod queue;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn_blobs::{BlobsError, Lane, Pace, Piece, Short};
use cairn_crdt::id::{ArtifactId, RepoId};
use cairn_protocol::key::DeviceKey;
use cairn_protocol::limits::MANIFEST_BYTES_MAX;
use cairn_protocol::manifest::Manifest;
use cairn_protocol::wire::repo_tag;
use libp2p::Stream;
use libp2p_stream::Control;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use super::peer_id;
use super::streams::{BLOB_PROTOCOL, FIRST_WORD_MAX, Frame, HERE, MANIFEST_MAX, SILENCE_MAX};
use crate::artifacts::{Artifacts, chunks, decode};
use crate::error::NodeError;
use deliver::Delivery;
pub(crate) use deliver::Part;
use queue::{Next, Queue, Seat, Turn};

/// What is asked for ahead on one stream: enough to fill a line of 40 MB/s with 100 ms from end to end.
const AHEAD_BYTES: u64 = 4 << 20;
/// A stream may break, or be dropped by a busy peer without a word; so many times in a row without a byte.
const TRIES: u32 = 5;
/// A peer on whose stream nothing moves loses so many of its tries: the wait was long enough.
const STALL_TRIES: u32 = 3;
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
    pub(crate) pace: Pace,
    pub(crate) progress: Arc<Progress>,
    /// The part of the file that is wanted; the bytes go there, and not into the store.
    pub(crate) part: Option<Part>,
    /// Whether only what it consists of is wanted, and none of it.
    pub(crate) only_manifest: bool,
}

/// How far a fetch has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes that are wanted and were not here.
    pub(crate) wanted: AtomicU64,
    /// Of those, how many have come.
    pub(crate) came: AtomicU64,
    /// Bytes of content that moved, also those that came twice.
    pub(crate) moved: AtomicU64,
}

impl Fetcher {
    /// Fetches what is missing, and makes it durable.
    pub(crate) async fn fetch(self) -> Result<(), NodeError> {
        let manifest = self.manifest().await?;
        if self.only_manifest {
            return Ok(());
        }
        let delivery = match &self.part {
            Some(part) => Delivery::part(&self.artifacts, &manifest, part)?,
            None => {
                self.artifacts.blobs().check_room(&chunks(&manifest))?;
                // Before anything comes, so that nothing takes away what has.
                self.artifacts.keep_chunks(self.repo, &manifest)?;
                Delivery::whole(&self.artifacts, &manifest)?
            }
        };
        let (delivery, pieces) = delivery;
        let wanted = pieces.iter().map(Piece::bytes).sum::<u64>();
        self.progress.wanted.fetch_add(wanted, Ordering::Relaxed);
        let (delivery, queue) = (Arc::new(delivery), Queue::new(pieces));
        if queue.left() > 0 {
            self.haul(&queue, &delivery).await?;
        }
        blocking(move || delivery.finish()).await
    }

    /// Asks all peers, until everything is here or nobody is left to ask.
    async fn haul(&self, queue: &Queue, delivery: &Arc<Delivery>) -> Result<(), NodeError> {
        let works = self.peers.iter().enumerate().map(|(seat, peer)| {
            let work = Work { fetcher: self, queue, delivery, seat, peer: *peer };
            work.run()
        });
        let works = futures::future::join_all(works);
        let ended = tokio::select! {
            // Who is still asked for what has come from another one is not waited for.
            () = queue.finished() => return Ok(()),
            ended = works => ended,
        };
        if queue.left() == 0 {
            return Ok(());
        }
        let failures = ended.into_iter().filter_map(Result::err);
        let gravest = failures.fold(None, |last, error| Some(graver(last, error)));
        Err(gravest.unwrap_or_else(|| self.nowhere()))
    }

    /// The manifest: the one that is here, or the first that a peer has.
    async fn manifest(&self) -> Result<Manifest, NodeError> {
        if let Some(manifest) = self.artifacts.manifest(self.repo, self.artifact)? {
            return Ok(manifest);
        }
        let mut last = None;
        for peer in &self.peers {
            match self.manifest_from(*peer).await {
                Ok(manifest) => {
                    self.artifacts.keep_manifest(self.repo, &manifest)?;
                    return Ok(manifest);
                }
                Err(error) => last = Some(graver(last, error)),
            }
        }
        Err(last.unwrap_or_else(|| NodeError::Network("no peer is connected".to_owned())))
    }

    async fn manifest_from(&self, peer: DeviceKey) -> Result<Manifest, NodeError> {
        let (mut reader, mut writer) = self.open_patiently(peer, false).await?;
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
        tokio::time::timeout(MANIFEST_MAX, reading).await.map_err(|_| silent())?
    }

    async fn open_patiently(
        &self,
        peer: DeviceKey,
        is_for_chunks: bool,
    ) -> Result<(Reader, Writer), NodeError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.open(peer, is_for_chunks).await {
                Err(NodeError::Network(_)) if tries < TRIES => tokio::time::sleep(PAUSE * tries).await,
                other => return other,
            }
        }
    }

    /// Opens a stream and hears that what it is for is there.
    async fn open(&self, peer: DeviceKey, is_for_chunks: bool) -> Result<(Reader, Writer), NodeError> {
        let tag = repo_tag(self.repo, &self.me, &peer);
        let frame = Frame { tag, artifact: self.artifact, is_for_chunks };
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
            _ => Err(self.nowhere()),
        }
    }

    fn nowhere(&self) -> NodeError {
        NodeError::NotFound { what: "artifact at any peer", name: self.artifact.to_string() }
    }
}

/// Writes a part of an artifact from what is here; `false` where that is not all of it.
pub(crate) fn write_part(artifacts: &Artifacts, manifest: &Manifest, part: &Part) -> Result<bool, NodeError> {
    let (delivery, lacking) = Delivery::part(artifacts, manifest, part)?;
    delivery.finish()?;
    Ok(lacking.is_empty())
}

/// What one peer is asked for.
struct Work<'a> {
    fetcher: &'a Fetcher,
    queue: &'a Queue,
    delivery: &'a Arc<Delivery>,
    seat: Seat,
    peer: DeviceKey,
}

/// A piece on its way to where it belongs.
type Delivering = (Turn, Piece, JoinHandle<Result<(), NodeError>>);

/// A stream and what was asked for on it.
struct Asking {
    lane: Lane<Reader>,
    writer: Writer,
    asked: VecDeque<(Turn, Piece)>,
    ahead_bytes: u64,
    /// The piece before, on its way to where it belongs.
    delivering: Option<Delivering>,
}

impl Work<'_> {
    /// Until nothing is left, or nothing that this peer gives.
    async fn run(self) -> Result<(), NodeError> {
        let mut tries = 0;
        loop {
            let moved = self.moved();
            let Err(error) = self.converse().await else { return Ok(()) };
            tracing::debug!(peer = %self.peer, %error, "a lane ended");
            if self.moved() > moved {
                tries = 0;
            }
            tries += match &error {
                Failed::Broken(_) => 1,
                Failed::Stalled(_) => STALL_TRIES,
                Failed::Final(_) => TRIES,
            };
            if tries >= TRIES {
                return Err(error.into());
            }
            tokio::time::sleep(PAUSE * tries).await;
        }
    }

    fn moved(&self) -> u64 {
        self.fetcher.progress.moved.load(Ordering::Relaxed)
    }

    /// One stream, from its first word to its last; what it leaves open goes back.
    async fn converse(&self) -> Result<(), Failed> {
        let (reader, writer) = self.fetcher.open(self.peer, true).await?;
        let lane = Lane::new(reader, SILENCE_MAX, self.fetcher.pace.clone());
        let mut asking = Asking { lane, writer, asked: VecDeque::new(), ahead_bytes: 0, delivering: None };
        let ended = self.ask(&mut asking).await;
        let settled = self.settle(&mut asking).await;
        for (turn, piece) in asking.asked {
            self.queue.give_back(turn, self.seat, piece);
        }
        ended.and(settled.map(drop))
    }

    async fn ask(&self, asking: &mut Asking) -> Result<(), Failed> {
        loop {
            // Taken first, so that nothing that happens meanwhile is missed.
            let changed = self.queue.changed();
            let next = self.ask_ahead(asking).await?;
            if let Some((turn, piece)) = asking.asked.pop_front() {
                asking.ahead_bytes -= piece.bytes();
                self.take(asking, turn, piece).await?;
                continue;
            }
            if !self.settle(asking).await? {
                continue;
            }
            match next {
                Next::End => {
                    asking.writer.shutdown().await.map_err(broken)?;
                    return Ok(());
                }
                Next::Wait => changed.await,
                Next::Ask(..) => {}
            }
        }
    }

    /// Asks for as much as may be under way; says why it stopped.
    async fn ask_ahead(&self, asking: &mut Asking) -> Result<Next, Failed> {
        let mut questions = Vec::new();
        let mut last = Next::Wait;
        while asking.ahead_bytes < AHEAD_BYTES {
            last = self.queue.next(self.seat);
            let Next::Ask(turn, piece) = last else { break };
            questions.extend(piece.question());
            asking.ahead_bytes += piece.bytes();
            asking.asked.push_back((turn, piece));
        }
        if !questions.is_empty() {
            asking.writer.write_all(&questions).await.map_err(broken)?;
            asking.writer.flush().await.map_err(broken)?;
        }
        Ok(last)
    }

    /// Takes in the next answer, while the one before goes where it belongs.
    async fn take(&self, asking: &mut Asking, turn: Turn, piece: Piece) -> Result<(), Failed> {
        let progress = &self.fetcher.progress;
        match asking.lane.receive(&piece).await {
            Ok(bytes) => {
                progress.moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                self.settle(asking).await?;
                if self.queue.is_done(turn) {
                    return Ok(());
                }
                let delivery = Arc::clone(self.delivery);
                let task = tokio::task::spawn_blocking(move || delivery.deliver(turn, &piece, bytes));
                asking.delivering = Some((turn, piece, task));
                Ok(())
            }
            Err(Short { error: BlobsError::Absent { .. }, .. }) => {
                self.queue.refuse(turn, self.seat, piece);
                Ok(())
            }
            Err(Short { error, bytes }) => {
                progress.moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                let rest = self.delivery.keep_short(&piece, &bytes)?;
                self.queue.give_back(turn, self.seat, rest);
                Err(error.into())
            }
        }
    }

    /// Waits until the last piece is where it belongs; `false` where it must be asked for again.
    async fn settle(&self, asking: &mut Asking) -> Result<bool, Failed> {
        let Some((turn, piece, task)) = asking.delivering.take() else { return Ok(true) };
        match task.await.map_err(|_| NodeError::Bug("a piece whose delivery panicked"))? {
            Ok(()) => {
                self.fetcher.progress.came.fetch_add(piece.bytes(), Ordering::Relaxed);
                self.queue.done(turn);
                Ok(true)
            }
            // The beginning of a chunk that had lain here was damaged: it is asked for from its start.
            Err(NodeError::Damaged(_)) if piece.from > 0 => {
                self.queue.give_back(turn, self.seat, Piece::whole(piece.chunk));
                Ok(false)
            }
            Err(error) => {
                self.queue.give_back(turn, self.seat, piece);
                Err(Failed::Final(error))
            }
        }
    }
}

/// How a lane ended, and so whether its peer is asked again.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Broken(NodeError),
    #[error("{0}")]
    Stalled(NodeError),
    #[error("{0}")]
    Final(NodeError),
}

impl From<NodeError> for Failed {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Network(_) => Self::Broken(error),
            error => Self::Final(error),
        }
    }
}

impl From<BlobsError> for Failed {
    fn from(error: BlobsError) -> Self {
        match error {
            BlobsError::Truncated { .. } | BlobsError::Broken { .. } => {
                Self::Broken(NodeError::Network(error.to_string()))
            }
            BlobsError::Stalled { .. } => Self::Stalled(error.into()),
            error => Self::Final(error.into()),
        }
    }
}

impl From<Failed> for NodeError {
    fn from(failed: Failed) -> Self {
        let (Failed::Broken(error) | Failed::Stalled(error) | Failed::Final(error)) = failed;
        error
    }
}

/// Waits for the disk without holding up the network.
async fn blocking(work: impl FnOnce() -> Result<(), NodeError> + Send + 'static) -> Result<(), NodeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| NodeError::Bug("a write that panicked"))?
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
