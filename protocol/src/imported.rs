//! What a waypoint was in another system: a commit or a tag of git.
//!
//! An import is signed by whoever imports. Who wrote it there, when, and under which name is carried beside that, so
//! that every replica knows which waypoint a commit became. The other system's own record is kept as its bytes, and
//! only what exports reads it.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::path::PATH_BYTES_MAX;

use crate::entry::Profile;
use crate::limits::{IMPORTED_NAME_BYTES_MAX, IMPORTED_RECORD_BYTES_MAX, LABEL_BYTES_MAX, ODD_COUNT_MAX};
use crate::text::read_label;

/// What a waypoint was in another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The system: `git`.
    pub system: String,
    /// Its name there, in that system's bytes.
    pub name: Vec<u8>,
    /// Who wrote it there; as it is shown, so bytes that are no text are not told.
    pub author: Profile,
    /// When, in seconds since 1970.
    pub written_s: i64,
    /// How many minutes the author's clock was ahead of UTC.
    pub offset_minutes: i16,
    /// What views do not show about paths, as far as it differs from the first parent's; in order, each path once.
    pub odd: Vec<Odd>,
    /// The record as it was there; empty where it is not at hand.
    pub record: Vec<u8>,
}

/// What a view does not show about one path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Odd {
    /// The path, as the other system has it.
    pub path: Vec<u8>,
    /// The mode there; 0 where the view shows all there is again.
    pub mode: u32,
}

impl Encoded for Imported {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.system.as_bytes());
        out.bytes(&self.name);
        self.author.write(out);
        out.u64(self.written_s as u64);
        out.u16(self.offset_minutes as u16);
        out.list(&self.odd);
        out.bytes(&self.record);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let system = read_label(input, LABEL_BYTES_MAX)?;
        let name = input.bytes(IMPORTED_NAME_BYTES_MAX)?.to_vec();
        let author = Profile::read(input)?;
        let (written_s, offset_minutes) = (input.u64()? as i64, input.u16()? as i16);
        let at = input.clone();
        let odd: Vec<Odd> = input.list(ODD_COUNT_MAX)?;
        at.require(odd.is_sorted_by(|a, b| a.path < b.path), "order of paths")?;
        let record = input.bytes(IMPORTED_RECORD_BYTES_MAX)?.to_vec();
        Ok(Self { system, name, author, written_s, offset_minutes, odd, record })
    }
}

impl Encoded for Odd {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.path);
        out.u32(self.mode);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let path = input.bytes(PATH_BYTES_MAX)?.to_vec();
        Ok(Self { path, mode: input.u32()? })
    }
}
