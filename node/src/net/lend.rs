//! Lends artifacts to peers: the node's side of a blob stream.
//!
//! Who may read is asked of the core, once for each stream, before anything else is looked at; then
//! the artifact must be known to that repo, and the chunk must be one of its own. Whatever fails, the
//! peer hears the same "absent".

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cairn_blobs::Pace;
use cairn_crdt::id::{ArtifactId, RepoId};
use cairn_protocol::key::DeviceKey;
use futures::StreamExt;
use libp2p::{PeerId, Stream};
use libp2p_stream::IncomingStreams;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::device_key;
use super::streams::{ABSENT, Frame, HERE, MANIFEST_MAX, SILENCE_MAX};
use crate::artifacts::Artifacts;
use crate::driver::Report;
use crate::error::NodeError;

/// Streams that are answered at once, and of them how many for one peer.
///
/// Each holds up to three chunks in memory.
const STREAMS_MAX: usize = 32;
const STREAMS_PER_PEER_MAX: usize = 8;

/// What answering needs.
#[derive(Clone)]
struct Lender {
    artifacts: Artifacts,
    reports: mpsc::Sender<Report>,
    pace: Pace,
}

/// Answers blob streams until the swarm ends.
///
/// The library holds back one stream for each protocol and drops the others without a word, so this
/// loop only hands over. A stream beyond the limits is dropped, and the peer tries again later.
pub(crate) async fn lend(
    mut incoming: IncomingStreams,
    artifacts: Artifacts,
    reports: mpsc::Sender<Report>,
    pace: Pace,
) {
    let lender = Lender { artifacts, reports, pace };
    let places = Arc::new(Semaphore::new(STREAMS_MAX));
    let guests = Guests::default();
    while let Some((peer, stream)) = incoming.next().await {
        let (Ok(place), Some(seat)) = (Arc::clone(&places).try_acquire_owned(), guests.seat(peer)) else {
            continue;
        };
        let lender = lender.clone();
        tokio::spawn(async move {
            let _held = (place, seat);
            if let Err(error) = lender.answer(peer, stream).await {
                tracing::debug!(%peer, %error, "a blob stream ended early");
            }
        });
    }
}

impl Lender {
    async fn answer(&self, peer: PeerId, stream: Stream) -> Result<(), NodeError> {
        let (mut reader, mut writer) = tokio::io::split(stream.compat());
        let Some(frame) = Frame::read(&mut reader).await else { return Ok(()) };
        let Some(repo) = self.may_read(peer, &frame).await else {
            return say(&mut writer, &[ABSENT]).await;
        };
        if !frame.is_for_chunks {
            return self.answer_manifest(&mut writer, repo, frame.artifact).await;
        }
        let Some(lent) = self.artifacts.lent(repo, frame.artifact)? else {
            return say(&mut writer, &[ABSENT]).await;
        };
        writer.write_all(&[HERE]).await.map_err(broken)?;
        writer.flush().await.map_err(broken)?;
        let allowed = |hash: &[u8; 32]| lent.contains(hash);
        Ok(self.artifacts.blobs().serve(reader, writer, allowed, SILENCE_MAX, &self.pace).await?)
    }

    async fn may_read(&self, peer: PeerId, frame: &Frame) -> Option<RepoId> {
        let peer: DeviceKey = device_key(&peer)?;
        let (reply, answer) = oneshot::channel();
        self.reports.send(Report::MayRead { peer, tag: frame.tag, reply }).await.ok()?;
        answer.await.ok()?
    }

    async fn answer_manifest<W>(
        &self,
        writer: &mut W,
        repo: RepoId,
        artifact: ArtifactId,
    ) -> Result<(), NodeError>
    where
        W: AsyncWrite + Unpin,
    {
        let Some(bytes) = self.artifacts.manifest_bytes(repo, artifact)? else {
            return say(writer, &[ABSENT]).await;
        };
        let length = u32::try_from(bytes.len()).map_err(|_| NodeError::Bug("a manifest of 4 GiB"))?;
        let mut answer = vec![HERE];
        answer.extend(length.to_le_bytes());
        answer.extend(bytes);
        say(writer, &answer).await
    }
}

/// Says the last words on a stream.
async fn say<W: AsyncWrite + Unpin>(writer: &mut W, words: &[u8]) -> Result<(), NodeError> {
    let saying = async {
        writer.write_all(words).await?;
        writer.shutdown().await
    };
    match tokio::time::timeout(MANIFEST_MAX, saying).await {
        Ok(said) => said.map_err(broken),
        Err(_) => Err(NodeError::Network("a peer does not read what it asked for".to_owned())),
    }
}

fn broken(error: std::io::Error) -> NodeError {
    NodeError::Network(format!("a blob stream broke: {error}"))
}

/// How many streams each peer has open.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<BTreeMap<PeerId, usize>>>);

/// One of a peer's places; given back when dropped.
struct Seat {
    guests: Guests,
    peer: PeerId,
}

impl Guests {
    fn seat(&self, peer: PeerId) -> Option<Seat> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= STREAMS_PER_PEER_MAX {
            return None;
        }
        *count += 1;
        Some(Seat { guests: self.clone(), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d2_one_peer_has_so_many_places_and_no_more() {
        let guests = Guests::default();
        let (greedy, modest) = (PeerId::random(), PeerId::random());
        let seats: Vec<_> = (0..STREAMS_PER_PEER_MAX).map(|_| guests.seat(greedy).unwrap()).collect();
        assert!(guests.seat(greedy).is_none());
        assert!(guests.seat(modest).is_some());
        drop(seats);
        assert!(guests.seat(greedy).is_some());
    }
}
