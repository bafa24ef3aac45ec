//! Takes pieces of chunks from a peer: verified while they arrive, gone on with where they were cut off.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use iroh_blobs::Hash;
use iroh_blobs::get::fsm::{
    AtBlobContent, AtBlobHeaderNextError, AtConnected, BlobContentNext, ConnectedNext, DecodeError,
    RequestCounters,
};
use iroh_blobs::protocol::{ChunkRangesSeq, GetRequest};
use iroh_blobs::util::{AsyncReadRecvStream, RecvStream};
use tokio::io::{AsyncRead, BufReader};
use tokio::time::Instant;

use crate::chunk::{CHUNK_BYTES_MAX, Chunk};
use crate::error::BlobsError;
use crate::pace::Pace;
use crate::piece::{GROUP_BYTES, HERE, Piece, ranges};
use crate::serve::broken;
use crate::store::Blobs;
use crate::streams::{Asked, Receiving, Watched};

/// What is read from the stream at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// The receiving half of a stream on which pieces were asked for.
pub struct Lane<R> {
    reader: AsyncReadRecvStream<Receiving<BufReader<Watched<R>>>>,
    patience: Duration,
    pace: Pace,
}

/// A piece that did not come, and what came of it: its first bytes, verified.
#[derive(Debug)]
pub struct Short {
    /// Why not.
    pub error: BlobsError,
    /// What came.
    pub bytes: Vec<u8>,
}

impl<R: AsyncRead + Unpin + Send + 'static> Lane<R> {
    /// A lane on which something must move within `patience`.
    pub fn new(reader: R, patience: Duration, pace: Pace) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, Watched::new(reader, patience));
        Self { reader: AsyncReadRecvStream::new(Receiving(reader)), patience, pace }
    }

    /// The answer to the oldest question that is not answered yet. Bytes are compared with the chunk's name, a group at a
    /// time, before they are kept. After an error the lane is of no use, except that a piece may be absent.
    pub async fn receive(&mut self, piece: &Piece) -> Result<Vec<u8>, Short> {
        let mut bytes = Vec::new();
        match self.take_in(piece, &mut bytes).await {
            Ok(()) => Ok(bytes),
            Err(error) => Err(Short { error, bytes }),
        }
    }

    async fn take_in(&mut self, piece: &Piece, bytes: &mut Vec<u8>) -> Result<(), BlobsError> {
        let chunk = &piece.chunk;
        refuse_large(chunk)?;
        let mut status = [0];
        self.reader.recv_exact(&mut status).await.map_err(|error| self.cut_off(chunk, error))?;
        if status[0] != HERE {
            return Err(BlobsError::Absent { hash: chunk.hash });
        }
        bytes.reserve(piece.bytes() as usize);
        let (patience, pace) = (self.patience, self.pace.clone());
        let mut content = begin(&mut self.reader, piece, patience).await?;
        loop {
            let item = match content.next().await {
                BlobContentNext::Done(_) => break,
                BlobContentNext::More((rest, item)) => {
                    content = rest;
                    item.map_err(|error| blame(error, chunk, patience))?
                }
            };
            if let bao_tree::io::BaoContentItem::Leaf(leaf) = item {
                pace.take(leaf.data.len() as u64).await;
                keep(piece, bytes, leaf.offset, &leaf.data)?;
            }
        }
        match bytes.len() as u64 == piece.bytes() {
            true => Ok(()),
            false => Err(truncated(chunk, "the provider stopped early")),
        }
    }

    fn cut_off(&self, chunk: &Chunk, error: io::Error) -> BlobsError {
        match error.kind() {
            io::ErrorKind::TimedOut => BlobsError::Stalled { seconds: self.patience.as_secs() },
            io::ErrorKind::UnexpectedEof => truncated(chunk, "the provider hung up"),
            _ => broken(error),
        }
    }
}

/// Hears how long the chunk is said to be, before anything else is read.
async fn begin<R: RecvStream>(
    reader: R,
    piece: &Piece,
    patience: Duration,
) -> Result<AtBlobContent<R>, BlobsError> {
    let chunk = &piece.chunk;
    let wanted = ranges(piece.from, piece.to, chunk.bytes);
    let request = GetRequest::new(Hash::from_bytes(chunk.hash), ChunkRangesSeq::from_ranges([wanted]));
    let asked = AtConnected::new(Instant::now(), reader, Asked, request, RequestCounters::default());
    let connected = asked.next().await.map_err(|error| BlobsError::store("fetch a chunk", error))?;
    let ConnectedNext::StartRoot(root) = connected else {
        return Err(BlobsError::store("fetch a chunk", "a question for nothing"));
    };
    let (content, length) = root.next().next().await.map_err(|error| match error {
        AtBlobHeaderNextError::Read { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
            BlobsError::Stalled { seconds: patience.as_secs() }
        }
        error => truncated(chunk, error),
    })?;
    match length == chunk.bytes {
        true => Ok(content),
        false => Err(lied(chunk, format!("it has {length} bytes, not {}", chunk.bytes))),
    }
}

/// Takes in a verified group. They come in order, without gaps.
fn keep(piece: &Piece, bytes: &mut Vec<u8>, offset: u64, data: &Bytes) -> Result<(), BlobsError> {
    if offset != piece.from + bytes.len() as u64 || (bytes.len() + data.len()) as u64 > piece.bytes() {
        return Err(lied(&piece.chunk, format!("{} bytes at {offset} that were not asked for", data.len())));
    }
    bytes.extend_from_slice(data);
    Ok(())
}

impl Blobs {
    /// What is still to be asked for of a chunk.
    pub fn rest_of(&self, chunk: Chunk) -> Result<Piece, BlobsError> {
        let held = self.part(&chunk)?.len() as u64 / GROUP_BYTES * GROUP_BYTES;
        Ok(Piece { from: held, ..Piece::whole(chunk) })
    }

    /// Stores a chunk of which the rest has come. It is durable after [`Blobs::sync`]. Gives back the whole of it.
    pub fn complete(&self, piece: &Piece, rest: Vec<u8>) -> Result<Vec<u8>, BlobsError> {
        let chunk = piece.chunk;
        let bytes = match piece.from {
            0 => rest,
            from => {
                let mut bytes = self.part(&chunk)?;
                bytes.truncate(from as usize);
                bytes.extend(rest);
                self.drop_part(&chunk)?;
                // The rest was verified when it came; the beginning has lain on a disk since.
                if Chunk::of(&bytes) != chunk {
                    return Err(BlobsError::Damaged { hash: chunk.hash });
                }
                bytes
            }
        };
        self.add(chunk, &bytes)?;
        Ok(bytes)
    }

    /// Keeps what came of a chunk, for the next time.
    pub fn keep_short(&self, piece: &Piece, came: &[u8]) -> Result<(), BlobsError> {
        let whole_groups = came.len() as u64 / GROUP_BYTES * GROUP_BYTES;
        if whole_groups == 0 {
            return Ok(());
        }
        let mut bytes = self.part(&piece.chunk)?;
        bytes.truncate(piece.from as usize);
        match bytes.len() as u64 == piece.from {
            true => {
                bytes.extend_from_slice(&came[..whole_groups as usize]);
                self.keep_part(&piece.chunk, &bytes)
            }
            false => Ok(()),
        }
    }
}

fn refuse_large(chunk: &Chunk) -> Result<(), BlobsError> {
    match chunk.bytes > CHUNK_BYTES_MAX as u64 {
        true => Err(BlobsError::TooLarge { hash: chunk.hash, bytes: chunk.bytes }),
        false => Ok(()),
    }
}

/// Tells a liar from a cut line.
fn blame(error: DecodeError, chunk: &Chunk, patience: Duration) -> BlobsError {
    match error {
        DecodeError::ParentHashMismatch { .. } | DecodeError::LeafHashMismatch { .. } => lied(chunk, error),
        DecodeError::Read { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
            BlobsError::Stalled { seconds: patience.as_secs() }
        }
        error => truncated(chunk, error),
    }
}

fn lied(chunk: &Chunk, reason: impl std::fmt::Display) -> BlobsError {
    BlobsError::Lied { hash: chunk.hash, reason: reason.to_string() }
}

fn truncated(chunk: &Chunk, reason: impl std::fmt::Display) -> BlobsError {
    BlobsError::Truncated { hash: chunk.hash, reason: reason.to_string() }
}
