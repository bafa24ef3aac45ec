//! What a waypoint does to documents: writes of registers, cuts of leaves, edits of tokens.
//!
//! Operations name bytes by hash; the bytes lie beside them in the waypoint and may fade.

use crate::encoding::{Decode, Encoded, Problem, Reader, Writer};
use crate::hunk::Hunk;
use crate::id::{ArtifactId, ContentHash, LeafId, NodeId};
use crate::path::NAME_BYTES_MAX;

/// The most bytes of a position among siblings.
pub const POSITION_BYTES_MAX: usize = 255;
/// The most pieces that one leaf is cut into at once.
pub const CUTS_MAX: usize = 65_536;
/// The deepest nesting of pieces.
pub const CUT_DEPTH_MAX: u8 = 64;
/// The most hunks in one edit.
pub const HUNKS_MAX: usize = 65_536;
/// The most bytes of the target of a symbolic link.
pub const LINK_BYTES_MAX: usize = 4096;

/// One operation; each is one entry of a waypoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Puts a node somewhere, or deletes it.
    Place {
        /// The node.
        node: NodeId,
        /// Where it is from now on; `None` deletes it.
        place: Option<Place>,
    },
    /// Gives a node a whole new body.
    Body {
        /// The node.
        node: NodeId,
        /// Its body.
        body: Body,
    },
    /// Sets or clears the executable bit.
    Mode {
        /// The node.
        node: NodeId,
        /// Whether the file may be executed.
        executable: bool,
    },
    /// Cuts a leaf that was never edited into pieces.
    Split(Split),
    /// Edits the tokens of a leaf.
    Edit {
        /// The leaf.
        leaf: LeafId,
        /// How often the leaf's history had restarted when the edit was made.
        epoch: u32,
        /// Changes that do not touch each other.
        hunks: Vec<Hunk>,
    },
}

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The folder, or what stands for the inside of a leaf.
    pub parent: NodeId,
    /// The order among siblings inside a file: bytes, compared as they are. Empty in folders.
    pub position: Vec<u8>,
    /// The file's name, or the symbol's.
    pub name: Vec<u8>,
    /// What the node is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// A folder.
    Dir,
    /// A file or a symbolic link.
    File,
    /// A named item inside a file, with its grammar's word for it: `fn`, `class`.
    Item(String),
    /// A piece of text without a name, between items or around members.
    Text,
}

impl NodeKind {
    /// Whether it has a path: a folder or a file.
    pub(crate) fn is_named(&self) -> bool {
        matches!(self, NodeKind::Dir | NodeKind::File)
    }
}

/// The body of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    /// Text that merges by tokens; the bytes lie beside the operation.
    Text {
        /// The hash of the bytes.
        content: ContentHash,
        /// How many bytes.
        bytes: u64,
        /// The codec that cuts it into items and tokens.
        codec: u16,
    },
    /// Bytes that merge as a whole.
    Opaque {
        /// The hash of the bytes.
        content: ContentHash,
        /// How many bytes.
        bytes: u64,
    },
    /// Bytes that lie in the artifact store.
    Artifact {
        /// The hash of the manifest.
        artifact: ArtifactId,
        /// How many bytes.
        bytes: u64,
    },
    /// A symbolic link to a path, as the author's system wrote it.
    Link {
        /// The target.
        target: Vec<u8>,
    },
}

/// A leaf cut into pieces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Split {
    /// The leaf.
    pub leaf: LeafId,
    /// The codec that made the cuts.
    pub codec: u16,
    /// The pieces in the order of the text, each before the pieces inside it.
    pub cuts: Vec<Cut>,
}

/// One piece of a split leaf. Pieces without pieces inside them carry text; together
/// they cover the leaf from end to end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// How many pieces this one lies in.
    pub depth: u8,
    /// What the piece is: an item or text.
    pub kind: NodeKind,
    /// The symbol's name; empty for text.
    pub name: Vec<u8>,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Encoded for Op {
    fn write(&self, out: &mut Writer) {
        out.u8(self.tag());
        match self {
            Op::Place { node, place } => {
                node.write(out);
                out.u8(u8::from(place.is_some()));
                if let Some(place) = place {
                    place.write(out);
                }
            }
            Op::Body { node, body } => {
                node.write(out);
                body.write(out);
            }
            Op::Mode { node, executable } => {
                node.write(out);
                out.u8(u8::from(*executable));
            }
            Op::Split(split) => split.write(out),
            Op::Edit { leaf, epoch, hunks } => {
                leaf.write(out);
                out.u32(*epoch);
                out.list(hunks);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            1 => {
                let node = NodeId::read(input)?;
                let place = if read_bool(input)? { Some(Place::read(input)?) } else { None };
                Ok(Op::Place { node, place })
            }
            2 => Ok(Op::Body { node: NodeId::read(input)?, body: Body::read(input)? }),
            3 => Ok(Op::Mode { node: NodeId::read(input)?, executable: read_bool(input)? }),
            4 => Ok(Op::Split(Split::read(input)?)),
            5 => Ok(Op::Edit {
                leaf: LeafId::read(input)?,
                epoch: input.u32()?,
                hunks: input.list(HUNKS_MAX)?,
            }),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

impl Op {
    fn tag(&self) -> u8 {
        match self {
            Op::Place { .. } => 1,
            Op::Body { .. } => 2,
            Op::Mode { .. } => 3,
            Op::Split(_) => 4,
            Op::Edit { .. } => 5,
        }
    }
}

fn read_bool(input: &mut Reader<'_>) -> Decode<bool> {
    let at = input.clone();
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(at.error(Problem::Invalid("flag"))),
    }
}

impl Encoded for Place {
    fn write(&self, out: &mut Writer) {
        self.parent.write(out);
        out.bytes(&self.position);
        out.bytes(&self.name);
        self.kind.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let parent = NodeId::read(input)?;
        let position = input.bytes(POSITION_BYTES_MAX)?.to_vec();
        let at = input.clone();
        let name = input.bytes(NAME_BYTES_MAX)?.to_vec();
        let kind = NodeKind::read(input)?;
        if matches!(kind, NodeKind::Dir | NodeKind::File) {
            at.require(crate::path::Name::new(&name).is_ok(), "file name")?;
        }
        Ok(Self { parent, position, name, kind })
    }
}

impl Encoded for NodeKind {
    fn write(&self, out: &mut Writer) {
        match self {
            NodeKind::Dir => out.u8(0),
            NodeKind::File => out.u8(1),
            NodeKind::Item(word) => {
                out.u8(2);
                out.bytes(word.as_bytes());
            }
            NodeKind::Text => out.u8(3),
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            0 => Ok(NodeKind::Dir),
            1 => Ok(NodeKind::File),
            2 => {
                let word = std::str::from_utf8(input.bytes(32)?);
                word.map(|word| NodeKind::Item(word.to_owned()))
                    .map_err(|_| at.error(Problem::Invalid("item kind")))
            }
            3 => Ok(NodeKind::Text),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

impl Encoded for Body {
    fn write(&self, out: &mut Writer) {
        match self {
            Body::Text { content, bytes, codec } => {
                out.u8(0);
                content.write(out);
                out.u64(*bytes);
                out.u16(*codec);
            }
            Body::Opaque { content, bytes } => {
                out.u8(1);
                content.write(out);
                out.u64(*bytes);
            }
            Body::Artifact { artifact, bytes } => {
                out.u8(2);
                artifact.write(out);
                out.u64(*bytes);
            }
            Body::Link { target } => {
                out.u8(3);
                out.bytes(target);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            0 => Ok(Body::Text {
                content: ContentHash::read(input)?,
                bytes: input.u64()?,
                codec: input.u16()?,
            }),
            1 => Ok(Body::Opaque { content: ContentHash::read(input)?, bytes: input.u64()? }),
            2 => Ok(Body::Artifact { artifact: ArtifactId::read(input)?, bytes: input.u64()? }),
            3 => Ok(Body::Link { target: input.bytes(LINK_BYTES_MAX)?.to_vec() }),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

impl Encoded for Split {
    fn write(&self, out: &mut Writer) {
        self.leaf.write(out);
        out.u16(self.codec);
        out.list(&self.cuts);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { leaf: LeafId::read(input)?, codec: input.u16()?, cuts: input.list(CUTS_MAX)? })
    }
}

impl Encoded for Cut {
    fn write(&self, out: &mut Writer) {
        out.u8(self.depth);
        self.kind.write(out);
        out.bytes(&self.name);
        out.u32(self.start);
        out.u32(self.end);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let depth = input.u8()?;
        at.require(depth <= CUT_DEPTH_MAX, "depth of a cut")?;
        let kind = NodeKind::read(input)?;
        let name = input.bytes(NAME_BYTES_MAX)?.to_vec();
        let (start, end) = (input.u32()?, input.u32()?);
        at.require(start <= end, "range of a cut")?;
        Ok(Self { depth, kind, name, start, end })
    }
}
