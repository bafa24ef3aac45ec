//! The door to the world: network, disk, worktree and local control.
//!
//! This crate performs what the pure core decides. It is the only one that opens files and
//! sockets, reads the wall clock and asks for randomness.

pub mod artifacts;
mod bundles;
pub mod clock;
pub mod config;
pub mod control;
mod driver;
pub mod entropy;
pub mod error;
pub mod files;
pub mod git;
pub mod headers;
pub mod home;
pub mod identity;
pub mod measure;
pub mod net;
pub mod owner;
pub mod peers;
mod placed;
pub mod progress;
pub mod runs;
pub mod serve;
pub mod store;
pub mod telemetry;
pub mod unit;
pub mod uri;
pub mod verbs;
pub mod worktree;
pub mod worktrees;

pub use error::{Kind, NodeError};
pub use home::Home;
pub use owner::Owner;
pub use store::Store;
