//! What can go wrong with documents, and whose fault it is.

use crate::id::{ContentHash, LeafId, NodeId, WaypointId};
use crate::path::RepoPath;

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a peer sent is not acceptable.
    Peer,
    /// The user, or this node's store, lacks something.
    Local,
    /// This engine broke its own rules.
    Bug,
}

/// Why the bytes of a hash are not here. A view is exact or refused, so it names what it lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Absent {
    /// Below the retention window.
    #[error("content {0} has faded")]
    Faded(ContentHash),
    /// Taken out by a signed erasure.
    #[error("content {0} was erased")]
    Erased(ContentHash),
    /// In a waypoint that no granted feed has built on.
    #[error("content {0} is held")]
    Held(ContentHash),
    /// Not in this store.
    #[error("content {0} is not here")]
    Missing(ContentHash),
}

impl Absent {
    /// The hash of the bytes that are not here.
    pub fn content(&self) -> ContentHash {
        match *self {
            Absent::Faded(hash) | Absent::Erased(hash) | Absent::Held(hash) | Absent::Missing(hash) => hash,
        }
    }
}

/// Why an operation is refused. The same operation is refused by every replica.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// More operations than one waypoint may carry.
    #[error("too many operations")]
    TooMany,
    /// A parent is named twice, or is in the past of another.
    #[error("parents are not a frontier")]
    Parents,
    /// One node's field is written twice.
    #[error("node {0} is written twice")]
    Twice(NodeId),
    /// The project's root is placed, or a node lies in itself.
    #[error("node {0} cannot be there")]
    Place(NodeId),
    /// A text body with no text codec, or above the limit of text.
    #[error("the body of node {0} cannot be text")]
    Text(NodeId),
    /// Pieces that do not cover a leaf from end to end, or nest in no order.
    #[error("leaf {0} cannot be cut in this way")]
    Cuts(LeafId),
    /// Changes that no leaf can take.
    #[error("leaf {0} cannot be edited in this way")]
    Hunks(LeafId),
    /// An epoch that does not exist.
    #[error("leaf {0} has no such epoch")]
    Epoch(LeafId),
    /// Parents in different epochs: nothing that was written below an epoch enters it by itself.
    #[error("it stands on different epochs")]
    Epochs,
}

/// What can go wrong with documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrdtError {
    /// A waypoint came before its parent.
    #[error("waypoint {waypoint} stands on {parent}, which is not here")]
    MissingParent {
        /// The waypoint.
        waypoint: WaypointId,
        /// What it stands on.
        parent: WaypointId,
    },
    /// A frontier names a waypoint that is not here.
    #[error("waypoint {0} is not here")]
    UnknownWaypoint(WaypointId),
    /// A waypoint says what no waypoint may say.
    #[error("waypoint {waypoint} is invalid: {reason}")]
    Invalid {
        /// The waypoint.
        waypoint: WaypointId,
        /// What is wrong with it.
        reason: Invalid,
    },
    /// A version reaches into what has faded, so nobody can say here what it shows.
    #[error("waypoint {0} has faded")]
    Faded(WaypointId),
    /// A waypoint lies on the disk, which does not give it back.
    #[error("waypoint {0} does not read back")]
    Unread(WaypointId),
    /// An epoch would forget the alternatives of overlaps that nobody has settled.
    #[error("{0} overlaps are not settled")]
    Unsettled(usize),
    /// A version that stands in several epochs shows nothing.
    #[error("this version stands in different epochs")]
    Epochs,
    /// Bytes that the answer needs are not here.
    #[error(transparent)]
    Absent(#[from] Absent),
    /// The view has no such file.
    #[error("no file {0} in this view")]
    NoSuchPath(RepoPath),
    /// The view has no such overlap, or the overlap no such alternative.
    #[error("no such overlap or alternative")]
    NoSuchOverlap,
    /// The edits of a draft contradict one another.
    #[error("{0} cannot be written: the edits contradict one another")]
    Contradiction(RepoPath),
    /// A path is too long once it is shown.
    #[error("{0}")]
    Path(#[from] crate::path::PathError),
    /// This engine broke its own rules.
    #[error("bug: {0}")]
    Bug(&'static str),
}

impl CrdtError {
    /// Who has to act.
    pub fn kind(&self) -> Kind {
        match self {
            CrdtError::MissingParent { .. } | CrdtError::Invalid { .. } => Kind::Peer,
            CrdtError::Bug(_) => Kind::Bug,
            _ => Kind::Local,
        }
    }
}
