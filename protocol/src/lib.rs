//! Who may say what to whom: signed feeds, the tower, grants and the sync service.
//!
//! Pure: no clock, no files, no network, no randomness, no threads. Time, keys and random bytes are
//! arguments, so that the node and the simulations run the same code.

pub mod config;
pub mod effect;
pub mod entry;
pub mod error;
pub mod feed;
pub mod founding;
pub mod grant;
pub mod hash;
pub mod input;
pub mod key;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod mark;
pub mod merkle;
mod packing;
pub mod proof;
pub mod replica;
#[cfg(test)]
mod samples;
pub mod service;
pub mod signed;
pub mod stamp;
pub mod stone;
pub mod text;
pub mod top;
pub mod tower;
pub mod waypoint;
pub mod wire;

pub use config::Config;
pub use effect::{Accepted, Batch, Effect, Event, SyncFailure, Verdict};
pub use error::{ErrorKind, GrantError, Reject};
pub use feed::{FeedName, project_id};
pub use input::{Input, Wanted};
pub use key::{DeviceKey, Keypair};
pub use replica::{Applied, Labels, LogEntry, Post, Replica, WriteError};
pub use service::Service;
pub use signed::{Signed, Verified};
pub use stamp::Stamp;
