//! Repositories of git: histories are read from them and written to them.
//!
//! Only this module names `gix`, which reads objects and refs; no git binary is run. What a repository says is from
//! outside: every object is read against its name and a limit, and every path and mode is checked before anything is
//! made of it.
//!
//! An imported commit becomes a waypoint that shows the commit's tree to the byte, and that carries the commit's own
//! bytes ([`cairn_protocol::Imported`]). So a copy of the repo knows what was imported, whoever asks, and an export
//! writes the same commit under the same name.

pub(crate) mod ahead;
pub(crate) mod commit;
pub(crate) mod edits;
pub(crate) mod entry;
pub(crate) mod grow;
pub(crate) mod history;
pub(crate) mod known;
pub(crate) mod labels;
pub(crate) mod problem;
pub(crate) mod shape;
pub(crate) mod source;
pub(crate) mod target;
pub(crate) mod tree;
pub(crate) mod units;
pub(crate) mod write;

pub use problem::Problem;

/// The name of the system in what waypoints say of where they come from.
pub(crate) const SYSTEM: &str = "git";
/// A name of an object.
pub(crate) type Oid = gix::ObjectId;
