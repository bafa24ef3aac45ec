//! Compressed bytes from outside: declared sizes first, then a decoder that counts.
//!
//! The declared length is checked against its limit before anything is allocated; the decoder writes into room of that
//! length, which is also its window, so a bomb costs no more than an honest input.

use cairn_crdt::encoding::{Decode, Problem, Reader, Writer};

use crate::error::Reject;

/// How far back the compressor looks, as a power of two: 8 MiB.
const WINDOW_LOG: u32 = 23;
/// The effort of the compressor: the library's default.
const COMPRESSION_EFFORT: i32 = 3;
/// The effort for what somebody waits for, where it is not much.
const QUICK_EFFORT: i32 = 7;
/// The effort for what nobody waits for and is kept for long.
const TIGHT_EFFORT: i32 = 19;
/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Method {
    /// As they are.
    Stored = 0,
    /// One zstd frame.
    Zstd = 1,
}

impl Method {
    /// Reads one byte.
    pub(crate) fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            0 => Ok(Method::Stored),
            1 => Ok(Method::Zstd),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

/// Packs bytes in the way that is shorter.
pub(crate) fn pack(bytes: &[u8]) -> (Method, Vec<u8>) {
    match zstd::bulk::compress(bytes, COMPRESSION_EFFORT) {
        Ok(packed) if packed.len() < bytes.len() => (Method::Zstd, packed),
        _ => (Method::Stored, bytes.to_vec()),
    }
}

/// How much work packing is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// The bytes are random.
    None,
    /// They are many, and somebody waits.
    Swift,
    /// Somebody waits.
    Quick,
    /// They will lie for long.
    Tight,
}

/// Packs bytes in the way that is shorter, and matches far back in them.
pub(crate) fn pack_with(effort: Effort, bytes: &[u8]) -> (Method, Vec<u8>) {
    let level = match effort {
        Effort::None => return (Method::Stored, bytes.to_vec()),
        Effort::Swift => COMPRESSION_EFFORT,
        Effort::Quick => QUICK_EFFORT,
        Effort::Tight => TIGHT_EFFORT,
    };
    let packed = zstd::bulk::Compressor::new(level).and_then(|mut packer| {
        packer.set_parameter(zstd::zstd_safe::CParameter::WindowLog(WINDOW_LOG))?;
        packer.compress(bytes)
    });
    match packed {
        Ok(packed) if packed.len() < bytes.len() => (Method::Zstd, packed),
        _ => (Method::Stored, bytes.to_vec()),
    }
}

/// Unpacks bytes that must come to exactly `declared`, which the caller has checked against its limit.
pub(crate) fn unpack(method: Method, packed: &[u8], declared: usize) -> Result<Vec<u8>, Reject> {
    match method {
        Method::Stored if packed.len() == declared => Ok(packed.to_vec()),
        Method::Stored => Err(Reject::Compression),
        Method::Zstd => decompress(packed, declared).ok_or(Reject::Compression),
    }
}

/// One frame that comes to exactly `declared` bytes. The room for them is only reserved until they are really there, and
/// nothing is written beyond it.
fn decompress(packed: &[u8], declared: usize) -> Option<Vec<u8>> {
    // Behind the first frame nothing would be read, or another one.
    if zstd::zstd_safe::find_frame_compressed_size(packed) != Ok(packed.len()) {
        return None;
    }
    let mut unpacker = zstd::bulk::Decompressor::new().ok()?;
    let mut bytes = Vec::with_capacity(declared);
    let counted = unpacker.decompress_to_buffer(packed, &mut bytes).ok()?;
    (counted == declared).then_some(bytes)
}

/// Writes how bytes are packed, both lengths, and the packed bytes.
pub(crate) fn write_packed(out: &mut Writer, bytes: &[u8]) {
    let (method, packed) = pack(bytes);
    out.u8(method as u8);
    out.count(bytes.len() as u64);
    out.bytes(&packed);
}

/// Reads packed bytes of at most `limit`, packed and unpacked.
pub(crate) fn read_packed(input: &mut Reader<'_>, limit: usize) -> Decode<Vec<u8>> {
    let at = input.clone();
    let method = Method::read(input)?;
    let declared = input.count(limit as u64)? as usize;
    let packed = input.bytes(limit)?;
    unpack(method, packed, declared).map_err(|_| at.error(Problem::Invalid("compressed bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_round_trips(bytes in proptest::collection::vec(0u8..3, 0..5000)) {
            let (method, packed) = pack(&bytes);
            prop_assert_eq!(unpack(method, &packed, bytes.len()), Ok(bytes.clone()));
            prop_assert!(unpack(method, &packed, bytes.len() + 1).is_err());
            prop_assert!(bytes.is_empty() || unpack(method, &packed, bytes.len() - 1).is_err());
        }
    }

    #[test]
    fn a9_bombs_are_refused_at_the_cap() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert!(bomb.len() < 64 << 10);
        for declared in [0, 1, 1000, 1 << 20, (64 << 20) - 1] {
            assert_eq!(unpack(Method::Zstd, &bomb, declared.min(1 << 20)), Err(Reject::Compression));
        }
        let mut out = Writer::default();
        out.u8(1);
        out.count(64 << 20);
        out.bytes(&bomb);
        let problem = read_packed(&mut Reader::new(&out.into_bytes()), 1 << 20).unwrap_err().problem;
        assert_eq!(problem, Problem::TooLarge { declared: 64 << 20, limit: 1 << 20 });
    }

    #[test]
    fn bytes_after_a_frame_are_refused() {
        let bytes = vec![5; 1000];
        let (method, mut packed) = pack(&bytes);
        packed.push(0);
        assert_eq!(unpack(method, &packed, 1000), Err(Reject::Compression));
        packed.pop();
        packed.extend(zstd::bulk::compress(&[], 3).unwrap());
        assert_eq!(unpack(method, &packed, 1000), Err(Reject::Compression));
    }
}
