//! What a state is, and how two become one.

pub mod diff;
pub mod documents;
pub mod draft;
pub mod encoding;
pub mod error;
pub mod frontier;
mod graph;
pub mod hunk;
pub mod id;
pub mod languages;
pub mod leaf;
mod lineage;
mod matching;
pub mod op;
pub mod overlap;
pub mod path;
mod position;
mod register;
mod split;
mod state;
pub mod syntax;
mod text;
pub mod token;
pub mod view;

pub use documents::{Change, Contents, Documents};
pub use draft::{Draft, FileEdit};
pub use error::{Absent, CrdtError};
pub use frontier::Frontier;
pub use overlap::{Overlap, OverlapKind, OverlapSide};
pub use view::{File, FileBody, View};
