//! The names of things: 32-byte identifiers, each a type of its own so that one
//! can never be passed for another.

/// Bytes of every identifier.
pub const ID_BYTES: usize = 32;

/// Makes 32-byte names, each a type of its own, with their digits and their encoding.
#[macro_export]
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $crate::id::ID_BYTES]);

        impl $name {
            /// The name as bytes.
            pub const fn as_bytes(&self) -> &[u8; $crate::id::ID_BYTES] {
                &self.0
            }

            /// The first eight hexadecimal digits, for people.
            pub fn short(&self) -> String {
                $crate::id::hex(&self.0[..4])
            }

            /// Reads 64 hexadecimal digits.
            pub fn from_hex(text: &str) -> Option<Self> {
                $crate::id::from_hex(text).map(Self)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&$crate::id::hex(&self.0))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl $crate::encoding::Encoded for $name {
            fn write(&self, out: &mut $crate::encoding::Writer) {
                out.raw(&self.0);
            }

            fn read(input: &mut $crate::encoding::Reader<'_>) -> $crate::encoding::Decode<Self> {
                Ok(Self(input.array()?))
            }
        }
    )*};
}

ids! {
    /// A repo: the hash of its signed founding record.
    RepoId
    /// A project inside a repo.
    ProjectId
    /// What one key has written in one project.
    FeedId
    /// One write transaction: the hash of its header.
    WaypointId
    /// A directory, a file, or a named item inside a file.
    NodeId
    /// A list of tokens: the text of one node.
    LeafId
    /// One change of one leaf, named by what it says.
    HunkId
    /// BLAKE3 of bytes that were written as a whole.
    ContentHash
    /// A large or binary content, by the hash of its manifest.
    ArtifactId
    /// The Merkle root of the files that a frontier shows.
    Root
}

/// Hashes `parts` under a domain, each part preceded by its length, so that no two lists collide.
pub fn derive(domain: &'static str, parts: &[&[u8]]) -> [u8; ID_BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

impl ContentHash {
    /// Hashes bytes that were written as a whole.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl NodeId {
    /// The node above all others of a project.
    pub fn project_root(project: ProjectId) -> Self {
        Self(derive("cairn 1 node root", &[&project.0]))
    }

    /// The parent of the items that a leaf was split into.
    ///
    /// It belongs to the leaf and not to the file, so that a file which gets a new body
    /// does not show the items of the old one.
    pub fn inside(leaf: LeafId) -> Self {
        Self(derive("cairn 1 node inside", &[&leaf.0]))
    }
}

impl LeafId {
    /// The leaf of a node whose body was written as a whole.
    pub fn of(node: NodeId, content: ContentHash) -> Self {
        Self(derive("cairn 1 leaf", &[&node.0, &content.0]))
    }

    /// The leaf of a node that was cut out of another leaf.
    pub fn of_cut(node: NodeId) -> Self {
        Self(derive("cairn 1 leaf cut", &[&node.0]))
    }
}

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16);
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(digit).collect()
}

/// Reads exactly 64 hexadecimal digits.
pub fn from_hex(text: &str) -> Option<[u8; ID_BYTES]> {
    if text.len() != 2 * ID_BYTES || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; ID_BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips() {
        let id = NodeId(derive("test", &[b"a"]));
        assert_eq!(NodeId::from_hex(&id.to_string()), Some(id));
        assert_eq!(NodeId::from_hex("zz"), None);
        assert_eq!(id.short().len(), 8);
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(derive("t", &[b"ab", b"c"]), derive("t", &[b"a", b"bc"]));
    }
}
