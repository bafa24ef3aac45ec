//! Takes one blob from a peer: resumed where it stopped, verified while it arrives.

use std::io;
use std::time::Duration;

use iroh_blobs::get::{GetError, StreamPair};
use iroh_blobs::util::{AsyncReadRecvStream, AsyncWriteSendStream};
use iroh_blobs::{Hash, get::fsm::DecodeError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, BufReader, DuplexStream};

use crate::chunk::{CHUNK_BYTES_MAX, Chunk};
use crate::error::BlobsError;
use crate::serve::close;
use crate::store::Blobs;
use crate::streams::{Receiving, Sending, Watched};

/// What is read from the stream at a time.
const BUFFER_BYTES: usize = 64 << 10;
/// Room for one request on its way out.
const REQUEST_BYTES: usize = 16 << 10;

/// What one fetch moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes of content that came over the stream; less than the chunk when it was resumed.
    pub payload_bytes: u64,
}

impl Blobs {
    /// Fetches what is missing of `chunk` from the provider at the other end of the streams.
    ///
    /// When this returns `Ok`, the chunk is whole and durable. After an error, what arrived and was
    /// verified is kept, and the next call asks for the rest only.
    pub async fn fetch<R, W>(
        &self,
        reader: R,
        writer: W,
        chunk: &Chunk,
        patience: Duration,
        limit: Duration,
    ) -> Result<Fetched, BlobsError>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        refuse_large(chunk)?;
        let writer = Watched::new(writer, patience);
        // Hashes and sizes cost about a sixteenth on top; a provider that sends more is cut off.
        let reader = Watched::new(reader, patience).take(chunk.bytes + chunk.bytes / 8 + 4096);
        // Dropping the sending half is how the getter says "that was my request", but a stream
        // that is dropped is not closed. So it writes into a pipe, whose end is passed on.
        let (request, pipe) = tokio::io::duplex(REQUEST_BYTES);
        let getting = self.get(BufReader::with_capacity(BUFFER_BYTES, reader), request, chunk);
        let both = async { tokio::join!(getting, pass_on(pipe, writer)).0 };
        let got = tokio::time::timeout(limit, both).await;
        let payload_bytes = got
            .map_err(|_| BlobsError::Stalled { seconds: limit.as_secs() })?
            .map_err(|error| blame(&error, chunk, patience))?;
        self.finish(chunk).await?;
        Ok(Fetched { payload_bytes })
    }

    async fn get<R>(&self, reader: R, writer: DuplexStream, chunk: &Chunk) -> Result<u64, GetError>
    where
        R: AsyncRead + Unpin + Send + 'static,
    {
        let reader = AsyncReadRecvStream::new(Receiving::new(reader));
        let writer = AsyncWriteSendStream::new(Sending::new(writer));
        let pair = StreamPair::new(0, reader, writer);
        let stats = self.store.remote().fetch(pair, Hash::from_bytes(chunk.hash)).await?;
        Ok(stats.counters.payload_bytes_read)
    }

    /// A provider may say less than the chunk and close in good order.
    async fn finish(&self, chunk: &Chunk) -> Result<(), BlobsError> {
        match self.held_bytes(&chunk.hash).await? {
            Some(bytes) if bytes == chunk.bytes => self.make_durable(&[*chunk]).await,
            Some(bytes) => Err(lied(chunk, format!("it has {bytes} bytes, not {}", chunk.bytes))),
            None => Err(truncated(chunk, "the provider stopped early")),
        }
    }
}

fn refuse_large(chunk: &Chunk) -> Result<(), BlobsError> {
    match chunk.bytes > CHUNK_BYTES_MAX as u64 {
        true => Err(BlobsError::TooLarge { hash: chunk.hash, bytes: chunk.bytes }),
        false => Ok(()),
    }
}

async fn pass_on<W: AsyncWrite + Unpin>(mut pipe: DuplexStream, mut writer: W) {
    // A failure here shows at the reading side, as an answer that does not come.
    if let Err(error) = tokio::io::copy(&mut pipe, &mut writer).await {
        tracing::debug!(%error, "a blob request was not sent");
    }
    close(&mut writer).await.ok();
}

/// Tells a liar from a cut line from a fault of our own.
fn blame(error: &GetError, chunk: &Chunk, patience: Duration) -> BlobsError {
    if let Some(read) = error.remote_read() {
        return match read.kind() {
            io::ErrorKind::TimedOut => BlobsError::Stalled { seconds: patience.as_secs() },
            _ => truncated(chunk, read),
        };
    }
    match error {
        GetError::Decode { source, .. } => blame_decoding(source, chunk),
        GetError::AtBlobHeaderNext { .. } | GetError::AtClosingNext { .. } => truncated(chunk, error),
        GetError::ConnectedNext { .. } | GetError::InitialNext { .. } => truncated(chunk, error),
        GetError::BadRequest { .. } => lied(chunk, error),
        _ => BlobsError::store("fetch a chunk", error),
    }
}

fn blame_decoding(error: &DecodeError, chunk: &Chunk) -> BlobsError {
    match error {
        DecodeError::ParentHashMismatch { .. } | DecodeError::LeafHashMismatch { .. } => lied(chunk, error),
        DecodeError::Write { .. } => BlobsError::store("store a chunk", error),
        _ => truncated(chunk, error),
    }
}

fn lied(chunk: &Chunk, reason: impl std::fmt::Display) -> BlobsError {
    BlobsError::Lied { hash: chunk.hash, reason: reason.to_string() }
}

fn truncated(chunk: &Chunk, reason: impl std::fmt::Display) -> BlobsError {
    BlobsError::Truncated { hash: chunk.hash, reason: reason.to_string() }
}
