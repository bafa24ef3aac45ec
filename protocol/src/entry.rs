//! Entries: the parts of a waypoint, each salted so that one can be erased and its hash says nothing.
//!
//! An entry is kept as the bytes that its author wrote. A kind with the optional bit that this
//! program does not know is kept, forwarded and verified untouched; any other unknown kind is refused.

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{ContentHash, WaypointId, derive};
use cairn_crdt::op::Op;

use crate::epoch::Epoch;
use crate::error::Reject;
use crate::hash::EntryHash;
use crate::imported::Imported;
use crate::limits::{ENTRY_BYTES_MAX, LABEL_BYTES_MAX, MESSAGE_BYTES_MAX, PROFILE_BYTES_MAX};
use crate::mark::Mark;
use crate::retention::Floor;
use crate::retire::Retire;
use crate::text::{read_label, read_text};

/// The bit of a kind that says: whoever does not know it may pass over it.
pub const OPTIONAL: u16 = 0x8000;
/// The kind of a floor. Optional: whoever does not know of floors keeps what it likes, and reads the rest.
const FLOOR: u16 = OPTIONAL | 1;
/// The kind of what says where a waypoint was imported from. Optional: what it shows does not depend on it.
const IMPORTED: u16 = OPTIONAL | 2;

/// One part of a waypoint, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the payload is.
    pub kind: u16,
    /// Random bytes, so that nobody can guess an erased payload from its hash.
    pub salt: [u8; 16],
    /// The payload's bytes.
    pub payload: Vec<u8>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// An operation on documents.
    Op(Op),
    /// Bytes that operations name by hash.
    Content(Vec<u8>),
    /// The branch that this waypoint moves.
    Branch(String),
    /// What the author says about it.
    Message(String),
    /// Who the author is, for people.
    Profile(Profile),
    /// A signed tag.
    Mark(Mark),
    /// An edge of the change graph.
    Edge(Edge),
    /// A label is taken away.
    Retire(Retire),
    /// The operations of this waypoint, and of those that it goes on in, are all there is: an epoch begins.
    Epoch(Epoch),
    /// How long everything is kept at least.
    Floor(Floor),
    /// What it was in another system.
    Imported(Box<Imported>),
    /// The waypoint never leaves the home that it was written in.
    Local,
    /// Something optional that this program does not know.
    Unknown {
        /// Its kind.
        kind: u16,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// Who an author is, for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Profile {
    /// The name.
    pub name: String,
    /// The mail address; may be empty.
    pub mail: String,
}

/// An edge of the change graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// How this waypoint relates to the target.
    pub kind: EdgeKind,
    /// The other waypoint.
    pub target: WaypointId,
}

/// How one waypoint relates to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum EdgeKind {
    /// It follows the target, without standing on it in the log.
    Parent = 1,
    /// It takes the target's place.
    Replaces = 2,
    /// It was picked from the target.
    Origin = 3,
    /// It undoes the target.
    Reverts = 4,
    /// It carries the target over into a new epoch.
    Translates = 5,
}

impl Entry {
    /// The kind of an entry that is an operation.
    pub(crate) const OP: u16 = 1;
    /// The kind of an entry that is content.
    pub(crate) const CONTENT: u16 = 2;

    /// Whether the entry says what the waypoint was in another system.
    pub(crate) fn is_imported(&self) -> bool {
        self.kind == IMPORTED
    }

    /// The node that an operation gives a new body.
    pub(crate) fn named_node(&self) -> Option<[u8; 32]> {
        match self.is_op().then(|| Op::from_bytes(&self.payload)) {
            Some(Ok(Op::Body { node, .. })) => Some(node.0),
            _ => None,
        }
    }

    /// Writes a payload down.
    pub fn new(salt: [u8; 16], payload: &Payload) -> Self {
        Self { kind: payload.kind(), salt, payload: payload.bytes() }
    }

    /// The entry's name in its waypoint.
    pub fn hash(&self) -> EntryHash {
        EntryHash(derive("cairn 1 entry", &[&self.salt, &self.kind.to_le_bytes(), &self.payload]))
    }

    /// Reads what the entry says.
    pub fn payload(&self) -> Result<Payload, Reject> {
        Payload::read(self.kind, &self.payload)
    }

    /// Refuses a required kind that this program does not know, and a payload that is not what its kind says.
    pub fn check(&self) -> Result<(), Reject> {
        if self.is_content() { Ok(()) } else { self.payload().map(|_| ()) }
    }

    /// Whether the entry is an operation on documents.
    pub fn is_op(&self) -> bool {
        self.kind == Self::OP
    }

    /// Whether the entry is content.
    pub fn is_content(&self) -> bool {
        self.kind == Self::CONTENT
    }

    /// The hash of the bytes, if the entry is content; without copying them.
    pub fn content(&self) -> Option<(ContentHash, &[u8])> {
        self.is_content().then(|| (ContentHash::of(&self.payload), &self.payload[..]))
    }
}

/// Reads a value that must fill `bytes`.
fn whole<T>(bytes: &[u8], read: impl FnOnce(&mut Reader<'_>) -> Decode<T>) -> Decode<T> {
    let mut input = Reader::new(bytes);
    let value = read(&mut input)?;
    input.finish()?;
    Ok(value)
}

impl Payload {
    /// Reads a payload of a kind; refuses a required kind that this program does not know.
    pub(crate) fn read(kind: u16, bytes: &[u8]) -> Result<Self, Reject> {
        match kind {
            1 => Ok(Payload::Op(Op::from_bytes(bytes)?)),
            2 => Ok(Payload::Content(bytes.to_vec())),
            3 => Ok(Payload::Branch(whole(bytes, |input| read_label(input, LABEL_BYTES_MAX))?)),
            4 => Ok(Payload::Message(whole(bytes, |input| read_text(input, MESSAGE_BYTES_MAX))?)),
            5 => Ok(Payload::Profile(Profile::from_bytes(bytes)?)),
            6 => Ok(Payload::Mark(Mark::from_bytes(bytes)?)),
            7 => Ok(Payload::Edge(Edge::from_bytes(bytes)?)),
            9 => Ok(Payload::Retire(Retire::from_bytes(bytes)?)),
            8 => Ok(Payload::Epoch(Epoch::from_bytes(bytes)?)),
            10 => Ok(whole(bytes, |_| Ok(Payload::Local))?),
            // What an older program keeps is kept: one of these that says nothing is no reason to refuse a feed.
            kind if kind & OPTIONAL != 0 => {
                let known = match kind {
                    FLOOR => Floor::from_bytes(bytes).ok().map(Payload::Floor),
                    IMPORTED => Imported::from_bytes(bytes).ok().map(Box::new).map(Payload::Imported),
                    _ => None,
                };
                Ok(known.unwrap_or_else(|| Payload::Unknown { kind, bytes: bytes.to_vec() }))
            }
            kind => Err(Reject::UnknownRequired(kind)),
        }
    }

    /// The number of its kind.
    pub fn kind(&self) -> u16 {
        match self {
            Payload::Op(_) => 1,
            Payload::Content(_) => 2,
            Payload::Branch(_) => 3,
            Payload::Message(_) => 4,
            Payload::Profile(_) => 5,
            Payload::Mark(_) => 6,
            Payload::Edge(_) => 7,
            Payload::Retire(_) => 9,
            Payload::Epoch(_) => 8,
            Payload::Local => 10,
            Payload::Floor(_) => FLOOR,
            Payload::Imported(_) => IMPORTED,
            Payload::Unknown { kind, .. } => *kind,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Payload::Op(op) => op.write(&mut out),
            Payload::Content(bytes) | Payload::Unknown { bytes, .. } => out.raw(bytes),
            Payload::Branch(text) | Payload::Message(text) => out.bytes(text.as_bytes()),
            Payload::Profile(profile) => profile.write(&mut out),
            Payload::Mark(mark) => mark.write(&mut out),
            Payload::Edge(edge) => edge.write(&mut out),
            Payload::Retire(retire) => retire.write(&mut out),
            Payload::Epoch(epoch) => epoch.write(&mut out),
            Payload::Floor(floor) => floor.write(&mut out),
            Payload::Imported(imported) => imported.write(&mut out),
            Payload::Local => {}
        }
        out.into_bytes()
    }
}

impl Encoded for Entry {
    fn write(&self, out: &mut Writer) {
        out.u16(self.kind);
        out.raw(&self.salt);
        out.bytes(&self.payload);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let (kind, salt) = (input.u16()?, input.array()?);
        Ok(Self { kind, salt, payload: input.bytes(ENTRY_BYTES_MAX)?.to_vec() })
    }
}

impl Encoded for Profile {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.name.as_bytes());
        out.bytes(self.mail.as_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let name = read_text(input, PROFILE_BYTES_MAX)?;
        Ok(Self { name, mail: read_text(input, PROFILE_BYTES_MAX)? })
    }
}

impl Encoded for Edge {
    fn write(&self, out: &mut Writer) {
        out.u8(self.kind as u8);
        self.target.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let kind = match input.u8()? {
            1 => EdgeKind::Parent,
            2 => EdgeKind::Replaces,
            3 => EdgeKind::Origin,
            4 => EdgeKind::Reverts,
            5 => EdgeKind::Translates,
            tag => return Err(at.error(Problem::UnknownTag(tag.into()))),
        };
        Ok(Self { kind, target: WaypointId::read(input)? })
    }
}
