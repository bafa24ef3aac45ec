//! The first words on a blob stream, and the answer to them.
//!
//! ```text
//! asked:    kind u8 (0 manifest, 1 chunk) | repo tag 32 | artifact 32 | chunk hash 32 (zero for a manifest)
//! answered: status u8 (0 here, 1 absent)
//!           then, for a manifest, length u32 and its bytes; for a chunk, the blob protocol
//! ```
//!
//! "Absent" is also the answer to who may not read: the two cannot be told apart.

use std::time::Duration;

use cairn_crdt::id::{ArtifactId, ID_BYTES};
use cairn_protocol::hash::RepoTag;
use libp2p::StreamProtocol;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The name of the blob protocol on the wire.
pub(crate) const BLOB_PROTOCOL: StreamProtocol = StreamProtocol::new("/cairn/blob/1");

/// How long the other side may be silent at the start of a stream.
pub(crate) const FIRST_WORD_MAX: Duration = Duration::from_secs(10);
/// How long nothing may move later on.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(20);
/// From the first byte of a chunk to the last: 4 MiB at 14 kB/s.
pub(crate) const CHUNK_MAX: Duration = Duration::from_secs(300);

/// The bytes that follow are the answer.
pub(crate) const HERE: u8 = 0;
/// There is no answer.
pub(crate) const ABSENT: u8 = 1;

/// Bytes of a frame.
const FRAME_BYTES: usize = 1 + 3 * ID_BYTES;

/// What a blob stream is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The repo, as the two sides name it to each other.
    pub(crate) tag: RepoTag,
    /// The artifact.
    pub(crate) artifact: ArtifactId,
    /// The chunk; the manifest where `None`.
    pub(crate) chunk: Option<[u8; 32]>,
}

impl Frame {
    /// The bytes that open a stream.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.chunk.is_some())];
        bytes.extend(self.tag.0);
        bytes.extend(self.artifact.0);
        bytes.extend(self.chunk.unwrap_or_default());
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
        let chunk = match bytes[0] {
            0 => None,
            1 => Some(part(2)?),
            _ => return None,
        };
        Some(Self { tag: RepoTag(part(0)?), artifact: ArtifactId(part(1)?), chunk })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_round_trip_and_garbage_is_none() {
        for chunk in [None, Some([7; 32])] {
            let frame = Frame { tag: RepoTag([1; 32]), artifact: ArtifactId([2; 32]), chunk };
            let bytes = frame.to_bytes();
            assert_eq!(Frame::read(&mut &bytes[..]).await, Some(frame));
            assert_eq!(Frame::read(&mut &bytes[..bytes.len() - 1]).await, None);
        }
        assert_eq!(Frame::read(&mut &[9u8; FRAME_BYTES][..]).await, None);
    }
}
