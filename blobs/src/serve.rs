//! Answers one stream with one blob, after the caller has decided that the peer may have it.

use std::time::Duration;

use iroh_blobs::Hash;
use iroh_blobs::protocol::Request;
use iroh_blobs::provider::events::EventSender;
use iroh_blobs::provider::{StreamPair, handle_get};
use iroh_blobs::util::{AsyncReadRecvStream, AsyncWriteSendStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};

use crate::error::BlobsError;
use crate::store::Blobs;
use crate::streams::{Receiving, Sending, Watched};

/// A request for one blob takes some forty bytes; ranges to resume at a few more.
const REQUEST_BYTES_MAX: u64 = 16 << 10;
/// What is gathered before it goes to the stream.
const BUFFER_BYTES: usize = 64 << 10;

impl Blobs {
    /// Serves the blob `allowed` over a pair of streams, and nothing else.
    ///
    /// The provider of iroh-blobs also answers pushes (which write to the store), observers and
    /// sequences, and it asks nobody; so the request is read here and compared first. A peer that
    /// neither reads nor writes for `patience`, or takes longer than `limit` in all, is dropped.
    pub async fn serve<R, W>(
        &self,
        reader: R,
        writer: W,
        allowed: &[u8; 32],
        patience: Duration,
        limit: Duration,
    ) -> Result<(), BlobsError>
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        let reader = Watched::new(reader, patience).take(REQUEST_BYTES_MAX);
        let writer = Watched::new(writer, patience);
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
        let answering = self.answer(reader, &mut writer, Hash::from_bytes(*allowed));
        let answered = tokio::time::timeout(limit, answering).await;
        answered.map_err(|_| BlobsError::Stalled { seconds: limit.as_secs() })??;
        close(&mut writer).await
    }

    async fn answer<R, W>(&self, reader: R, writer: W, allowed: Hash) -> Result<(), BlobsError>
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        let reader = AsyncReadRecvStream::new(Receiving::new(reader));
        let writer = AsyncWriteSendStream::new(Sending::new(writer));
        let mut pair = StreamPair::new(0, reader, writer, EventSender::DEFAULT);
        let request = pair.read_request().await;
        let request = request.map_err(|error| BlobsError::BadRequest { reason: format!("{error:#}") })?;
        match request {
            Request::Get(get) if get.hash == allowed && get.ranges.is_blob() => {
                let sent = handle_get(pair, (*self.store).clone(), get).await;
                sent.map_err(|error| BlobsError::store("send a chunk", error))
            }
            _ => Err(BlobsError::NotAllowed),
        }
    }
}

/// Says that this was all: a dropped stream of libp2p is a reset, which would lose the last bytes.
pub(crate) async fn close<W: AsyncWrite + Unpin>(writer: &mut W) -> Result<(), BlobsError> {
    writer.shutdown().await.map_err(|error| BlobsError::store("close a stream", error))
}
