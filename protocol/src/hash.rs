//! The names of records that only this crate makes: 32-byte hashes, each a type of its own.

use std::fmt;

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{ID_BYTES, from_hex, hex};

macro_rules! hashes {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; ID_BYTES]);

        impl $name {
            /// The hash as bytes.
            pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }

            /// Reads 64 hexadecimal digits.
            pub fn from_hex(text: &str) -> Option<Self> {
                from_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex(&self.0[..4]))
            }
        }

        impl Encoded for $name {
            fn write(&self, out: &mut Writer) {
                out.raw(&self.0);
            }

            fn read(input: &mut Reader<'_>) -> Decode<Self> {
                Ok(Self(input.array()?))
            }
        }
    )*};
}

hashes! {
    /// A grant or a revocation, by the hash of what it says.
    GrantId
    /// A node of a Merkle log: a leaf, a subtree or a root.
    LogHash
    /// One entry of a waypoint, salted.
    EntryHash
    /// A repo as two peers name it to each other; says nothing to those who do not know the repo.
    RepoTag
    /// A repo as gossip names it.
    Topic
}
