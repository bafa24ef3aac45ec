//! Frames: a length, then that many bytes. The length is checked before anything is allocated, and
//! memory grows with the bytes that arrive, never with what a length claims.

use std::io::{self, ErrorKind, Read, Write};

/// Bytes of the longest frame: room for a long diff, far from what would hurt a small machine.
pub const FRAME_BYTES_MAX: u32 = 64 << 20;

/// What may be wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is above the limit, which is also what most garbage looks like.
    #[error("a frame of {0} bytes was announced, the limit is {FRAME_BYTES_MAX}")]
    TooLong(u64),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Cut,
    /// The other side was silent for too long.
    #[error("the other side was silent for too long")]
    Silent,
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(io::Error),
}

impl FrameError {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Silent,
            ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::Socket(error),
        }
    }
}

/// Reads one frame; `None` where the stream ends between two frames.
pub(super) fn read(from: &mut impl Read) -> Result<Option<Vec<u8>>, FrameError> {
    let Some(length) = read_length(from)? else { return Ok(None) };
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(length.into()));
    }
    let mut body = Vec::new();
    from.take(length.into()).read_to_end(&mut body).map_err(FrameError::of)?;
    if body.len() as u64 == u64::from(length) { Ok(Some(body)) } else { Err(FrameError::Cut) }
}

fn read_length(from: &mut impl Read) -> Result<Option<u32>, FrameError> {
    let mut length = [0; 4];
    let mut have = 0;
    while let Some(rest) = length.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(FrameError::Cut),
            Ok(n) => have += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::of(error)),
        }
    }
    Ok(Some(u32::from_le_bytes(length)))
}

/// Writes one frame.
pub(super) fn write(to: &mut impl Write, body: &[u8]) -> Result<(), FrameError> {
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= FRAME_BYTES_MAX);
    let length = length.ok_or(FrameError::TooLong(body.len() as u64))?;
    to.write_all(&length.to_le_bytes()).map_err(FrameError::of)?;
    to.write_all(body).map_err(FrameError::of)?;
    to.flush().map_err(FrameError::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_at_the_border() {
        for (length, refused) in [(FRAME_BYTES_MAX, false), (FRAME_BYTES_MAX + 1, true), (u32::MAX, true)] {
            let bytes = length.to_le_bytes();
            let got = read(&mut &bytes[..]).unwrap_err();
            assert_eq!(matches!(got, FrameError::TooLong(_)), refused, "{length}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"").unwrap();
        write(&mut bytes, b"abc").unwrap();
        let mut from = &bytes[..];
        assert_eq!(read(&mut from).unwrap().unwrap(), b"");
        assert_eq!(read(&mut from).unwrap().unwrap(), b"abc");
        assert!(read(&mut from).unwrap().is_none());
    }
}
