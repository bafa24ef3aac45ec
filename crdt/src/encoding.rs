//! The one way in which cairn writes values as bytes: little-endian integers, counts
//! and lengths as shortest-form LEB128, no padding, no alternatives.
//!
//! Every value has exactly one encoding, so a hash over the bytes is a hash over the
//! value. A reader checks each declared length against its limit and against the bytes
//! that are really there before it allocates anything.

/// Why bytes could not be read as a value, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct DecodeError {
    /// Offset of the first byte that was not as it must be.
    pub offset: usize,
    /// What was wrong there.
    pub problem: Problem,
}

/// The ways in which bytes can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes end before the value does.
    #[error("input ends too early")]
    Truncated,
    /// A declared length or count is above its limit.
    #[error("declared size {declared} is above the limit {limit}")]
    TooLarge {
        /// What the bytes declare.
        declared: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// A number is not in its shortest form, or a list is not in order.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// A tag that this version does not know.
    #[error("unknown tag {0}")]
    UnknownTag(u32),
    /// A value that its type cannot hold.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// The bytes were written by a newer program.
    #[error("unknown format level {0}")]
    Level(u16),
    /// A public key under which signatures prove nothing.
    #[error("weak or malformed key")]
    WeakKey,
    /// Bytes follow where the value should have ended.
    #[error("trailing bytes")]
    Trailing,
}

/// The result of reading a value.
pub type Decode<T> = Result<T, DecodeError>;

/// A value with exactly one encoding.
pub trait Encoded: Sized {
    /// Appends the encoding of `self`.
    fn write(&self, out: &mut Writer);
    /// Reads one value; leaves what follows unread.
    fn read(input: &mut Reader<'_>) -> Decode<Self>;

    /// The encoding of `self` alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write(&mut out);
        out.into_bytes()
    }

    /// Reads a value that must fill `bytes` exactly.
    fn from_bytes(bytes: &[u8]) -> Decode<Self> {
        let mut input = Reader::new(bytes);
        let value = Self::read(&mut input)?;
        input.finish()?;
        Ok(value)
    }
}

/// Collects the bytes of values.
#[derive(Debug, Default, Clone)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The bytes written so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Makes room for exactly so many bytes more, where a long value would else take twice its size.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A count or a length: LEB128 in its shortest form.
    pub fn count(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Bytes of a length that the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A length and that many bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len() as u64);
        self.raw(bytes);
    }

    /// A count and that many values.
    pub fn list<T: Encoded>(&mut self, values: &[T]) {
        self.count(values.len() as u64);
        for value in values {
            value.write(self);
        }
    }
}

/// Takes values from bytes that may come from anywhere.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// How far the reader has come.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// An error at the present place.
    pub fn error(&self, problem: Problem) -> DecodeError {
        DecodeError { offset: self.offset, problem }
    }

    /// Refuses a value that its type cannot hold.
    pub fn require(&self, holds: bool, what: &'static str) -> Decode<()> {
        if holds { Ok(()) } else { Err(self.error(Problem::Invalid(what))) }
    }

    /// Refuses bytes after the last value.
    pub fn finish(&self) -> Decode<()> {
        if self.remaining() == 0 { Ok(()) } else { Err(self.error(Problem::Trailing)) }
    }

    /// Exactly `length` bytes.
    pub fn raw(&mut self, length: usize) -> Decode<&'a [u8]> {
        let end = self.offset.checked_add(length);
        match end.and_then(|end| self.bytes.get(self.offset..end)) {
            Some(bytes) => {
                self.offset += length;
                Ok(bytes)
            }
            None => Err(self.error(Problem::Truncated)),
        }
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Decode<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self) -> Decode<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Decode<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Decode<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Decode<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A count of at most `limit`.
    pub fn count(&mut self, limit: u64) -> Decode<u64> {
        let start = self.offset;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError { offset: start, problem: Problem::NotCanonical });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return self.checked_count(start, value, limit, byte == 0 && shift > 0);
            }
        }
        Err(DecodeError { offset: start, problem: Problem::NotCanonical })
    }

    fn checked_count(&self, offset: usize, value: u64, limit: u64, padded: bool) -> Decode<u64> {
        if padded {
            return Err(DecodeError { offset, problem: Problem::NotCanonical });
        }
        if value > limit {
            let problem = Problem::TooLarge { declared: value, limit };
            return Err(DecodeError { offset, problem });
        }
        Ok(value)
    }

    /// A length of at most `limit` and that many bytes.
    pub fn bytes(&mut self, limit: usize) -> Decode<&'a [u8]> {
        let length = self.count(limit as u64)? as usize;
        self.raw(length)
    }

    /// At most `limit` values.
    ///
    /// Memory grows with the values that are really there, not with the declared count.
    pub fn list<T: Encoded>(&mut self, limit: usize) -> Decode<Vec<T>> {
        let count = self.count(limit as u64)?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(T::read(self)?);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_round_trip(value: u64) {
            let mut out = Writer::default();
            out.count(value);
            let bytes = out.into_bytes();
            let mut input = Reader::new(&bytes);
            prop_assert_eq!(input.count(u64::MAX), Ok(value));
            prop_assert!(input.finish().is_ok());
        }

        #[test]
        fn a_count_has_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut input = Reader::new(&bytes);
            if let Ok(value) = input.count(u64::MAX) {
                let mut out = Writer::default();
                out.count(value);
                prop_assert_eq!(&out.into_bytes()[..], &bytes[..input.offset()]);
            }
        }
    }

    #[test]
    fn a_lying_length_is_refused_before_it_is_believed() {
        for declared in [5, u64::from(u32::MAX), u64::MAX] {
            let mut out = Writer::default();
            out.count(declared);
            let bytes = out.into_bytes();
            let problem = Reader::new(&bytes).bytes(4).unwrap_err().problem;
            assert_eq!(problem, Problem::TooLarge { declared, limit: 4 });
        }
        assert_eq!(Reader::new(&[4]).bytes(4).unwrap_err().problem, Problem::Truncated);
    }
}
