//! The first words on a blob stream, and the answer to them.
//!
//! ```text
//! asked:    kind u8 (0 manifest, 1 chunks) | repo tag 32 | artifact 32
//! answered: status u8 (0 here, 1 absent)
//!           then, for a manifest, length u32 and its bytes; for chunks, one answer for each question that comes, as
//!           drawn in `blobs/src/piece.rs`
//! ```
//!
//! "Absent" is also the answer to who may not read: the two cannot be told apart.

use std::time::Duration;

use cairn_crdt::id::{ArtifactId, ID_BYTES};
use cairn_protocol::hash::RepoTag;
use libp2p::StreamProtocol;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The name of the blob protocol on the wire.
pub(crate) const BLOB_PROTOCOL: StreamProtocol = StreamProtocol::new("/cairn/blob/2");

/// How long the other side may be silent at the start of a stream.
pub(crate) const FIRST_WORD_MAX: Duration = Duration::from_secs(10);
/// How long nothing may move later on, before another source is asked.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);
/// From the first byte of a manifest to the last: 64 MiB at 220 kB/s.
pub(crate) const MANIFEST_MAX: Duration = Duration::from_secs(300);

/// The bytes that follow are the answer.
pub(crate) const HERE: u8 = 0;
/// There is no answer.
pub(crate) const ABSENT: u8 = 1;

/// Bytes of a frame.
const FRAME_BYTES: usize = 1 + 2 * ID_BYTES;

/// What a blob stream is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The repo, as the two sides name it to each other.
    pub(crate) tag: RepoTag,
    /// The artifact.
    pub(crate) artifact: ArtifactId,
    /// Whether its chunks are asked for, not its manifest.
    pub(crate) is_for_chunks: bool,
}

impl Frame {
    /// The bytes that open a stream.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_for_chunks)];
        bytes.extend(self.tag.0);
        bytes.extend(self.artifact.0);
        bytes
    }

    /// Reads what a stream is opened for; `None` for what no cairn sends.
    pub(crate) async fn read<R: AsyncRead + Unpin>(stream: &mut R) -> Option<Self> {
        let mut bytes = [0; FRAME_BYTES];
        let reading = stream.read_exact(&mut bytes);
        tokio::time::timeout(FIRST_WORD_MAX, reading).await.ok()?.ok()?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8; FRAME_BYTES]) -> Option<Self> {
        let part = |index: usize| {
            let start = 1 + index * ID_BYTES;
            bytes[start..start + ID_BYTES].first_chunk::<ID_BYTES>().copied()
        };
        let is_for_chunks = match bytes[0] {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self { tag: RepoTag(part(0)?), artifact: ArtifactId(part(1)?), is_for_chunks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_round_trip_and_garbage_is_none() {
        for is_for_chunks in [false, true] {
            let frame = Frame { tag: RepoTag([1; 32]), artifact: ArtifactId([2; 32]), is_for_chunks };
            let bytes = frame.to_bytes();
            assert_eq!(Frame::read(&mut &bytes[..]).await, Some(frame));
            assert_eq!(Frame::read(&mut &bytes[..bytes.len() - 1]).await, None);
        }
        assert_eq!(Frame::read(&mut &[9u8; FRAME_BYTES][..]).await, None);
    }
}
