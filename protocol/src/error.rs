//! Why something is refused.
//!
//! One list for every input from outside, so that each refusal has a kind (whose fault) and a
//! code (what the other side is told). No refusal ever takes the process down.

use cairn_crdt::encoding::{DecodeError, Problem};

use crate::limits::FORMAT_LEVEL;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Bytes from outside are wrong.
    Peer,
    /// This machine could not do it: a disk, a setting.
    Local,
    /// The program asked for something that cannot be.
    Bug,
}

/// Why bytes or a record are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// A signature that its key did not make, or not over these bytes.
    #[error("the signature does not hold")]
    Signature,
    /// A key under which signatures prove nothing.
    #[error("a weak or malformed key")]
    WeakKey,
    /// The record was made for another repo, project, feed or place.
    #[error("made for another {0}")]
    Graft(&'static str),
    /// The record needs a newer program.
    #[error("format level {found}, this program reads up to {known}")]
    Level {
        /// What the bytes declare.
        found: u16,
        /// The highest level that this program reads.
        known: u16,
    },
    /// An entry that must be understood, and is not.
    #[error("entry kind {0} is required and unknown to this program")]
    UnknownRequired(u16),
    /// Bytes that are not what they should be.
    #[error("malformed: {0}")]
    Format(DecodeError),
    /// A size or count above its limit.
    #[error("{what}: {found} is above the limit {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// Compressed bytes that are not what they declare.
    #[error("compressed bytes do not hold what they declare")]
    Compression,
    /// A hash, root or proof that does not fit.
    #[error("{0} does not fit its hash")]
    Proof(&'static str),
    /// A stone whose bytes changed.
    #[error("the stone is damaged at byte {offset}: {what}")]
    Stone {
        /// Where in the file.
        offset: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// A bundle whose bytes changed, or that never was one.
    #[error("the bundle is damaged at byte {offset}: {what}")]
    Bundle {
        /// Where in the file.
        offset: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// A feed's record that does not follow what is held.
    #[error("expected waypoint {expected}, found {found}")]
    Gap {
        /// The next number.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// An older top than one already seen.
    #[error("an older top ({found}) of a feed seen at {known}")]
    Rollback {
        /// The length already seen.
        known: u64,
        /// What the replay claims.
        found: u64,
    },
    /// One key signed two histories.
    #[error("the feed is forked")]
    Fork,
    /// A stamp too far in the future.
    #[error("a stamp {0} ms ahead of this clock")]
    Stamp(u64),
    /// A parent or other record that must come first.
    #[error("what it stands on is not here")]
    Missing,
    /// The key has no right to do this.
    #[error("no grant allows it")]
    Ungranted,
    /// A grant that is not valid.
    #[error("grant: {0}")]
    Grant(#[from] GrantError),
    /// Operations that documents refuse.
    #[error("operations that no document can take: {0}")]
    Document(cairn_crdt::error::Invalid),
    /// The same feed is being taken in already; to be tried again.
    #[error("busy with the same feed")]
    Busy,
    /// Waypoints were forgotten of which no epoch is known here to have them in its past.
    #[error("forgotten waypoints that no known epoch has in its past")]
    Unabsorbed,
    /// A waypoint that its author keeps at home: no honest peer has it from anybody.
    #[error("a local waypoint of somebody else")]
    Local,
    /// Content is not there in full.
    #[error("a body has faded or was erased")]
    Faded,
    /// The caller gave what can never be valid.
    #[error("misuse: {0}")]
    Misuse(&'static str),
}

/// Why a grant or a revocation is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// It gives more than its issuer has.
    #[error("wider than what it derives from: {0}")]
    Wider(&'static str),
    /// Too many links, or a link with the wrong number.
    #[error("chain longer than allowed, or numbered wrongly")]
    Chain,
    /// The issuer is not the subject of the parent, nor a founder.
    #[error("signed by a key that was not given it")]
    Issuer,
    /// The parent may not be handed on.
    #[error("what it derives from may not be handed on")]
    NotDelegable,
    /// A revocation by a key that may not revoke this.
    #[error("signed by a key that may not revoke it")]
    Revoker,
}

impl Reject {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Reject::Misuse(_) => ErrorKind::Bug,
            Reject::Stone { .. } | Reject::Bundle { .. } | Reject::Faded | Reject::Busy => ErrorKind::Local,
            _ => ErrorKind::Peer,
        }
    }

    /// What the other side is told: stable numbers, never reused.
    pub fn code(&self) -> u16 {
        match self {
            Reject::Signature => 1,
            Reject::WeakKey => 2,
            Reject::Graft(_) => 3,
            Reject::Level { .. } => 4,
            Reject::UnknownRequired(_) => 5,
            Reject::Format(_) => 6,
            Reject::TooLarge { .. } => 7,
            Reject::Compression => 8,
            Reject::Proof(_) => 9,
            Reject::Stone { .. } => 10,
            Reject::Gap { .. } => 11,
            Reject::Rollback { .. } => 12,
            Reject::Fork => 13,
            Reject::Stamp(_) => 14,
            Reject::Missing => 15,
            Reject::Ungranted => 16,
            Reject::Grant(_) => 17,
            Reject::Faded => 18,
            Reject::Misuse(_) => 19,
            Reject::Document(_) => 20,
            Reject::Busy => 21,
            Reject::Bundle { .. } => 22,
            Reject::Unabsorbed => 23,
            Reject::Local => 24,
        }
    }
}

impl From<DecodeError> for Reject {
    fn from(error: DecodeError) -> Self {
        match error.problem {
            Problem::Level(found) => Reject::Level { found, known: FORMAT_LEVEL },
            Problem::WeakKey => Reject::WeakKey,
            _ => Reject::Format(error),
        }
    }
}
