//! Taking a label away, in the open: a signed record says who did it, when and why.
//!
//! It holds for what its author had seen, and for nothing else: a mark that somebody set at the same time,
//! or later, under the same name, stands. So all nodes agree, whatever came first.

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};

use crate::limits::{LABEL_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::text::{read_label, read_text};

/// What is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Retired {
    /// The marks of that name that the author had seen; not those that were held then.
    Mark = 1,
    /// The branch, as far as the author had seen it.
    Branch = 2,
    /// The holds on the marks of that name that the author had seen. Only an admin's counts.
    Hold = 3,
}

/// Takes a label away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retire {
    /// What.
    pub what: Retired,
    /// Its name.
    pub name: String,
    /// Why; may be empty.
    pub message: String,
}

impl Encoded for Retire {
    fn write(&self, out: &mut Writer) {
        out.u8(self.what as u8);
        out.bytes(self.name.as_bytes());
        out.bytes(self.message.as_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let what = match input.u8()? {
            1 => Retired::Mark,
            2 => Retired::Branch,
            3 => Retired::Hold,
            tag => return Err(at.error(Problem::UnknownTag(tag.into()))),
        };
        let name = read_label(input, LABEL_BYTES_MAX)?;
        Ok(Self { what, name, message: read_text(input, MESSAGE_BYTES_MAX)? })
    }
}
