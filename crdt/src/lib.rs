//! What a state is, and how two become one.
//!
//! ```text
//!   Change ──► graph      who has seen whom           edits ──► draft ──► ops
//!     │                                                          │  plan   which paths
//!     └──────► state      what a set of waypoints                │  places which nodes
//!                │        has written: registers, leaves         │  items  which items
//!                ▼                                               │  weigh  or which lines
//!              view       tree   where everything stands         ▼
//!                         paths  under which names             leaf::edit  which tokens
//!                         outline the text, piece by piece
//!                         report  where changes met
//!                         beside  where they came near
//! ```
//!
//! Folders, files and named items are *nodes*: one register says where a node is, so a move
//! is one write and edits follow it. Texts are *leaves*: lists of tokens that merge. A leaf
//! is its bytes until someone edits it; a file is cut into items when it is first edited,
//! by its author, and the cuts travel with the change ([`op::Split`]). So taking in what
//! others wrote never parses, and depends on no parser's version.
//!
//! Three things are kept apart. [`state`](Documents) holds what was written and decides
//! nothing. The view decides, by values and ids alone: never by clock, author or arrival.
//! The draft guesses what an author meant, and reads its guess back before anyone signs it.
//!
//! History can be forgotten. An [`epoch`] begins with a waypoint that writes down all that is shown, and views above
//! it need nothing below; what was written beside its beginning is brought in by a waypoint of its own ([`carry`]).
//!
//! Everything here is a pure function: no clock, no disk, no randomness, no threads.

mod brackets;
pub mod carry;
pub mod compare;
pub mod conservation;
pub mod diff;
pub mod documents;
pub mod draft;
pub mod encoding;
pub mod epoch;
pub mod error;
pub mod frontier;
mod graph;
pub mod hunk;
pub mod id;
pub mod languages;
pub mod leaf;
mod lineage;
pub mod lines;
mod matching;
mod members;
pub mod merge;
pub mod names;
mod numbers;
pub mod op;
pub mod overlap;
mod paged;
pub mod path;
pub mod pieces;
mod position;
mod register;
mod routing;
pub mod shelf;
mod split;
mod state;
pub mod syntax;
mod text;
pub mod token;
pub mod view;

pub use carry::Carried;
pub use conservation::Lost;
pub use documents::{Change, Contents, Documents, Kept};
pub use draft::{Ahead, Draft, FileEdit};
pub use error::{Absent, CrdtError};
pub use frontier::Frontier;
pub use merge::{Merged, merge};
pub use overlap::{Overlap, OverlapKind, OverlapSide};
pub use shelf::Spot;
pub use view::{File, FileBody, View};
