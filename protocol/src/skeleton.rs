//! Skeletons: what a replica is restored from. A piece of a feed without what the disk gives once it is asked for, the
//! bytes of contents and operations; who wrote it, when, on what and why is there.
//!
//! Skeletons are derived and never leave the disk that they were made on.

use cairn_crdt::Documents;
use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::WaypointId;

use crate::entry::{Entry, Payload};
use crate::imported::Imported;
use crate::piece::{Gone, Piece};
use crate::stamp::Stamp;
use crate::waypoint::Waypoint;

/// A piece of a feed as a replica needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skeleton {
    /// A waypoint.
    Waypoint(Bones),
    /// Waypoints that were forgotten.
    Gone(Gone),
}

/// What a replica needs of one waypoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bones {
    /// Its name.
    pub id: WaypointId,
    /// The number in the feed, from 1.
    pub seq: u64,
    /// When it was written.
    pub stamp: Stamp,
    /// Whether the write goes on in the next waypoint.
    pub continued: bool,
    /// The version it stands on.
    pub parents: Vec<WaypointId>,
    /// Whether entries have faded.
    pub faded: bool,
    /// Whether operations are left out. Those are sound: what documents refuse is never left out.
    pub shelved: bool,
    /// What its entries say: the kind, and the payload's bytes. Contents are left out.
    pub payloads: Vec<(u16, Vec<u8>)>,
}

impl Skeleton {
    /// The skeleton of a piece.
    pub fn of(piece: &Piece) -> Self {
        match piece {
            Piece::Waypoint(waypoint) => Self::Waypoint(Bones::of(waypoint)),
            Piece::Gone(gone) => Self::Gone(*gone),
        }
    }

    /// How many waypoints.
    pub fn count(&self) -> u64 {
        match self {
            Self::Waypoint(_) => 1,
            Self::Gone(gone) => gone.count(),
        }
    }

    /// The waypoint, if it is one.
    pub fn waypoint(&self) -> Option<&Bones> {
        match self {
            Self::Waypoint(bones) => Some(bones),
            Self::Gone(_) => None,
        }
    }
}

/// A piece of which no operation is left out.
impl From<&Piece> for Skeleton {
    fn from(piece: &Piece) -> Self {
        match piece {
            Piece::Waypoint(waypoint) => Self::Waypoint(Bones::whole(waypoint)),
            Piece::Gone(gone) => Self::Gone(*gone),
        }
    }
}

impl From<Piece> for Skeleton {
    fn from(piece: Piece) -> Self {
        Self::from(&piece)
    }
}

impl Bones {
    /// What is needed of a waypoint that lies on the disk.
    pub fn of(waypoint: &Waypoint) -> Self {
        match has_sound_ops(waypoint) {
            true => Self { shelved: true, ..Self::with(waypoint, |entry| !entry.is_op()) },
            false => Self::whole(waypoint),
        }
    }

    /// The same with the operations.
    pub fn whole(waypoint: &Waypoint) -> Self {
        Self::with(waypoint, |_| true)
    }

    fn with(waypoint: &Waypoint, keeps: impl Fn(&Entry) -> bool) -> Self {
        let header = waypoint.header();
        let kept = waypoint.entries().filter(|entry| !entry.is_content() && keeps(entry));
        Self {
            id: waypoint.id(),
            seq: header.seq,
            stamp: header.stamp,
            continued: header.is_continued(),
            parents: header.parents.clone(),
            faded: waypoint.is_faded(),
            shelved: false,
            payloads: kept.map(|entry| (entry.kind, lean(entry))).collect(),
        }
    }
}

/// The payload without another system's own record, which stays on the disk.
fn lean(entry: &Entry) -> Vec<u8> {
    // Only such a record is looked into: this is done for every entry of every waypoint.
    match entry.is_imported().then(|| entry.payload()) {
        Some(Ok(Payload::Imported(imported))) => Imported { record: Vec::new(), ..*imported }.to_bytes(),
        _ => entry.payload.clone(),
    }
}

/// Whether a waypoint has operations, all of which documents take.
fn has_sound_ops(waypoint: &Waypoint) -> bool {
    let documents = Documents::new(waypoint.header().feed.project);
    let ops = waypoint.ops().is_ok_and(|ops| !ops.is_empty() && documents.check(&ops).is_ok());
    ops && !waypoint.is_faded()
}

#[cfg(test)]
mod tests {
    use cairn_crdt::id::NodeId;
    use cairn_crdt::op::Op;

    use super::*;
    use crate::entry::Profile;
    use crate::samples::{feed, labels};

    fn waypoint(payloads: &[Payload]) -> Waypoint {
        let entries = payloads.iter().map(|payload| Entry::new([1; 16], payload)).collect();
        Waypoint::new(labels(feed(1, "p", 1), 1), entries).unwrap()
    }

    fn usual() -> Waypoint {
        let mode = Op::Mode { node: NodeId([3; 32]), executable: true };
        waypoint(&[
            Payload::Op(mode),
            Payload::Content(b"bytes".to_vec()),
            Payload::Message("why".to_owned()),
        ])
    }

    fn kinds(bones: &Bones) -> Vec<u16> {
        bones.payloads.iter().map(|(kind, _)| *kind).collect()
    }

    #[test]
    fn operations_and_bytes_are_left_out_and_the_name_stays() {
        let whole = usual();
        let bones = Bones::of(&whole);
        assert!(bones.shelved);
        assert_eq!((bones.id, kinds(&bones)), (whole.id(), vec![4]));
        assert_eq!(kinds(&Bones::whole(&whole)), [1, 4]);
    }

    #[test]
    fn operations_that_no_document_takes_stay_so_that_they_are_refused_again() {
        let root = NodeId::project_root(feed(1, "p", 1).project);
        let bones = Bones::of(&waypoint(&[Payload::Op(Op::Place { node: root, place: None })]));
        assert!(!bones.shelved);
        assert_eq!(kinds(&bones), [1]);
    }

    #[test]
    fn a_faded_waypoint_has_nothing_that_could_be_read() {
        let bones = Bones::of(&usual().faded(&Default::default()));
        assert!(!bones.shelved && bones.faded);
    }

    #[test]
    fn the_record_of_another_system_stays_on_the_disk() {
        let imported = Imported {
            system: "git".to_owned(),
            name: vec![1; 20],
            author: Profile { name: "Ada".to_owned(), mail: String::new() },
            written_s: 7,
            offset_minutes: 60,
            odd: Vec::new(),
            record: b"tree".to_vec(),
        };
        let bones = Bones::of(&waypoint(&[Payload::Imported(Box::new(imported.clone()))]));
        let lean = Imported { record: Vec::new(), ..imported };
        assert_eq!(bones.payloads[0].1, lean.to_bytes());
    }
}
