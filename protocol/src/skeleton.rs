//! Skeletons: what a replica is restored from. A piece of a feed without what the disk gives once it is asked for, the
//! bytes of contents and operations; who wrote it, when, on what and why is there.
//!
//! Skeletons are derived and never leave the disk that they were made on.

use std::sync::Arc;

use cairn_crdt::Documents;
use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};

use crate::piece::Piece;
use crate::waypoint::Waypoint;

/// A piece of a feed without contents, and perhaps without operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skeleton {
    /// The piece; what is left out stands as its hash.
    pub piece: Piece,
    /// Whether operations are left out. Those are sound: what documents refuse is never left out.
    pub shelved: bool,
}

impl Skeleton {
    /// The skeleton of a piece.
    pub fn of(piece: &Piece) -> Self {
        match piece {
            Piece::Waypoint(waypoint) => Self::of_waypoint(waypoint),
            Piece::Gone(_) => piece.clone().into(),
        }
    }

    /// The skeleton of a waypoint.
    pub fn of_waypoint(waypoint: &Waypoint) -> Self {
        let shelved = has_sound_ops(waypoint);
        let less = waypoint.without(|_, entry| entry.is_content() || (shelved && entry.is_op()));
        Self { piece: Piece::Waypoint(Arc::new(less)), shelved }
    }
}

/// Whether a waypoint has operations, all of which documents take.
fn has_sound_ops(waypoint: &Waypoint) -> bool {
    let documents = Documents::new(waypoint.header().feed.project);
    let ops = waypoint.ops().is_ok_and(|ops| !ops.is_empty() && documents.check(&ops).is_ok());
    ops && !waypoint.is_faded()
}

/// A piece of which no operation is left out.
impl From<Piece> for Skeleton {
    fn from(piece: Piece) -> Self {
        Self { piece, shelved: false }
    }
}

impl Encoded for Skeleton {
    fn write(&self, out: &mut Writer) {
        out.u8(u8::from(self.shelved));
        out.raw(&self.piece.to_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let shelved = input.u8()?;
        at.require(shelved < 2, "shelved")?;
        let piece = Piece::from_bytes(input.raw(input.remaining())?)?;
        Ok(Self { piece, shelved: shelved == 1 })
    }
}

#[cfg(test)]
mod tests {
    use cairn_crdt::id::NodeId;
    use cairn_crdt::op::Op;

    use super::*;
    use crate::entry::{Entry, Payload};
    use crate::samples::{feed, labels};
    use crate::waypoint::Waypoint;

    fn waypoint(node: NodeId) -> Waypoint {
        let payloads = [
            Payload::Op(Op::Mode { node, executable: true }),
            Payload::Content(b"bytes".to_vec()),
            Payload::Message("why".to_owned()),
        ];
        let entries = payloads.iter().map(|payload| Entry::new([1; 16], payload)).collect();
        Waypoint::new(labels(feed(1, "p", 1), 1), entries).unwrap()
    }

    #[test]
    fn operations_and_bytes_are_left_out_and_the_name_stays() {
        let whole = waypoint(NodeId([3; 32]));
        let skeleton = Skeleton::of_waypoint(&whole);
        assert!(skeleton.shelved);
        let less = skeleton.piece.waypoint().unwrap();
        assert_eq!(less.id(), whole.id());
        assert_eq!(less.entries().map(|entry| entry.kind).collect::<Vec<_>>(), [4]);
        assert_eq!(Skeleton::from_bytes(&skeleton.to_bytes()).unwrap(), skeleton);
    }

    #[test]
    fn operations_that_no_document_takes_stay_so_that_they_are_refused_again() {
        let project = feed(1, "p", 1).project;
        let root = NodeId::project_root(project);
        let op = Op::Place { node: root, place: None };
        let entries = vec![Entry::new([1; 16], &Payload::Op(op))];
        let whole = Waypoint::new(labels(feed(1, "p", 1), 1), entries).unwrap();
        let skeleton = Skeleton::of_waypoint(&whole);
        assert!(!skeleton.shelved);
        assert_eq!(**skeleton.piece.waypoint().unwrap(), whole);
    }

    #[test]
    fn a_faded_waypoint_has_nothing_that_could_be_read() {
        let faded = waypoint(NodeId([3; 32])).faded(&Default::default());
        let skeleton = Skeleton::of_waypoint(&faded);
        assert!(!skeleton.shelved && skeleton.piece.waypoint().unwrap().is_faded());
    }
}
