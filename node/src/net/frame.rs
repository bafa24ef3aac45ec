//! Frames of the sync protocol: four bytes of length, then that many bytes of a message.
//!
//! The length is compared with the limit before anything is allocated, and room is made only as
//! bytes arrive: a peer that claims 16 MiB and sends nothing costs a few bytes.

use std::io;

use cairn_protocol::limits::FRAME_BYTES_MAX;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

/// The name of the sync protocol on the wire.
pub(crate) const SYNC_PROTOCOL: StreamProtocol = StreamProtocol::new("/cairn/sync/1");

/// Room that is made before the first byte of a frame arrives.
const FIRST_ROOM_BYTES: usize = 16 << 10;

/// Reads and writes frames; what is in them is not known here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameCodec;

impl Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes).await
    }
}

async fn read<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame over the limit"));
    }
    let mut bytes = Vec::with_capacity(length.min(FIRST_ROOM_BYTES));
    io.take(length as u64).read_to_end(&mut bytes).await?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

async fn write<T: AsyncWrite + Unpin>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a frame over the limit"));
    }
    io.write_all(&(bytes.len() as u32).to_le_bytes()).await?;
    io.write_all(bytes).await?;
    io.close().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::io::Cursor;

    fn framed(length: u32, body: &[u8]) -> Cursor<Vec<u8>> {
        Cursor::new([&length.to_le_bytes()[..], body].concat())
    }

    #[test]
    fn frames_round_trip() {
        for length in [0, 1, 100_000] {
            let body = vec![7; length];
            let mut out = Cursor::new(Vec::new());
            block_on(write(&mut out, &body)).unwrap();
            assert_eq!(block_on(read(&mut Cursor::new(out.into_inner()))).unwrap(), body);
        }
    }

    #[test]
    fn a10_a_length_over_the_limit_is_refused_before_allocation() {
        for length in [FRAME_BYTES_MAX as u32 + 1, u32::MAX] {
            let error = block_on(read(&mut framed(length, b"x"))).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a10_a_length_that_lies_is_an_error_and_costs_nothing() {
        for length in [1, 5, FRAME_BYTES_MAX as u32] {
            let error = block_on(read(&mut framed(length, &b"long"[..(length as usize - 1).min(4)])));
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
