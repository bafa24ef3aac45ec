//! Places where concurrent changes met. An overlap is information: the view shows a winner
//! and goes on; nothing waits for anyone.

use crate::id::WaypointId;
use crate::path::RepoPath;

/// What met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OverlapKind {
    /// Both sides replaced the same text.
    Replace,
    /// One side deleted what the other edited.
    DeleteEdit,
    /// Both sides moved or renamed the same thing.
    Move,
    /// Moves that together made a folder lie in itself.
    Cycle,
    /// Two things want one name in one folder.
    NameCollision,
    /// Both sides gave the same file different whole contents.
    AddAdd,
    /// One side replaced a whole body, the other edited the old one.
    BodyEdit,
    /// Both sides cut the same text into different pieces, and edited them.
    Split,
    /// Both sides changed the executable bit.
    Mode,
    /// Both sides changed the same or neighbouring lines; all of it is in the text.
    Beside,
    /// Both sides changed one item in different places; all of it is in the text.
    SameItem,
    /// Both sides brought an item of one name into one place; both are in the text.
    SameName,
    /// One side renamed an item, the other wrote its old name anew.
    OldName,
}

impl OverlapKind {
    /// Whether it is so common that it is only noted: most items that both sides change come
    /// out as both meant, and a warning that is mostly wrong is read by nobody.
    pub fn is_note(self) -> bool {
        self == OverlapKind::SameItem
    }

    /// Whether nothing is hidden: worth a look, but no choice is open. Such an overlap is
    /// settled by whatever is posted on top of both sides.
    pub fn is_soft(self) -> bool {
        use OverlapKind::{Beside, OldName, SameItem, SameName};
        matches!(self, Beside | SameItem | SameName | OldName)
    }
}

/// One of the things that met.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OverlapSide {
    /// What this side says: text, a path, or a word for a deletion.
    pub bytes: Vec<u8>,
    /// The waypoints that say it, in order.
    pub waypoints: Vec<WaypointId>,
}

/// A place where concurrent changes met.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overlap {
    /// The file or folder, as the view shows it.
    pub path: RepoPath,
    /// The item inside the file.
    pub symbol: Option<String>,
    /// What met.
    pub kind: OverlapKind,
    /// The sides; the first is what the view shows.
    pub alternatives: Vec<OverlapSide>,
    /// The first byte of the place in the file as the view shows it, and the byte after the last; `None`
    /// where it is about more than a part of a shown text.
    pub range: Option<(usize, usize)>,
}
