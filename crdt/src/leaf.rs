//! The text of one node: a list of tokens that many hands edit at once.

use crate::hunk::Hunk;
use crate::id::{HunkId, LeafId};

/// Why hunks cannot be applied. The leaf is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// A hunk stands on another one that is neither held nor in the same batch.
    #[error("hunk {hunk} stands on {missing}, which is not here")]
    MissingDependency {
        /// The hunk.
        hunk: HunkId,
        /// What it stands on.
        missing: HunkId,
    },
    /// A hunk names a token that its origin does not have.
    #[error("hunk {hunk} names a token that its origin does not have")]
    NoSuchToken {
        /// The hunk.
        hunk: HunkId,
    },
    /// A hunk deletes one token twice.
    #[error("hunk {hunk} deletes a token twice")]
    DeletedTwice {
        /// The hunk.
        hunk: HunkId,
    },
    /// A hunk is beyond a limit on counts or sizes, or says nothing.
    #[error("hunk {hunk} is out of bounds")]
    OutOfBounds {
        /// The hunk.
        hunk: HunkId,
    },
    /// The list engine did not do what it must; a bug, not a bad input.
    #[error("the list engine failed")]
    Engine,
}

/// The text of one node.
#[derive(Debug, Clone)]
pub struct Leaf {
    id: LeafId,
    genesis: Vec<u8>,
}

/// What a set of hunks shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// The text.
    pub bytes: Vec<u8>,
    /// Where concurrent edits met, in the order of the text.
    pub overlaps: Vec<LeafOverlap>,
}

/// A place where concurrent edits met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafOverlap {
    /// The first byte of the place in the shown text.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// How they met.
    pub kind: LeafOverlapKind,
    /// What each side would have there; the first is shown.
    pub alternatives: Vec<Alternative>,
}

/// How concurrent edits met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeafOverlapKind {
    /// Both replaced the same tokens.
    Replace,
    /// One deleted what the other edited.
    DeleteEdit,
}

/// One side of an overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The hunks that make this side.
    pub hunks: Vec<HunkId>,
    /// The bytes of the place as this side would have it.
    pub bytes: Vec<u8>,
}

impl Leaf {
    /// A leaf that nobody has edited.
    pub fn genesis(id: LeafId, bytes: &[u8]) -> Self {
        Self { id, genesis: bytes.to_vec() }
    }

    /// The leaf's name.
    pub fn id(&self) -> LeafId {
        self.id
    }

    /// Adds hunks in any order; those that are already held are passed over.
    pub fn apply(&mut self, hunks: impl IntoIterator<Item = Hunk>) -> Result<(), LeafError> {
        let _ = (hunks.into_iter().count(), &self.genesis);
        Err(LeafError::Engine)
    }

    /// Whether a hunk is held.
    pub fn contains(&self, _hunk: HunkId) -> bool {
        false
    }

    /// The hunks that are held, in the order of their names.
    pub fn hunks(&self) -> impl Iterator<Item = HunkId> + '_ {
        std::iter::empty()
    }

    /// The text and its overlaps: a pure function of the leaf and the set of hunks.
    pub fn shown(&self) -> Shown {
        Shown::default()
    }

    /// The hunks that turn the shown text into `new`; none if it is that already.
    pub fn edit(&self, _new: &[u8]) -> Vec<Hunk> {
        Vec::new()
    }

    /// The hunks that settle one overlap in favour of one alternative; `None` if there is no such.
    pub fn take(&self, _overlap: usize, _alternative: usize) -> Option<Vec<Hunk>> {
        None
    }
}
