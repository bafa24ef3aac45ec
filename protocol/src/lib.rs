//! Who may say what to whom: signed feeds, the tower, grants and the sync service.
//!
//! Pure: no clock, no files, no network, no randomness, no threads. Time, keys and random bytes are
//! arguments, so that the node and the simulations run the same code.
//!
//! # The contract of the driver
//!
//! A [`Service`] holds every repo of a home and talks to every peer. It does nothing by itself; a
//! driver (`node/driver.rs`, `simulations/world.rs`) stands between it and the world:
//!
//! 1. Bring one [`Input`] with the present time to [`Service::handle`].
//! 2. Take [`Effect`]s from [`Service::poll`] until there are none.
//! 3. Perform them in the order in which they came.
//! 4. A `Persist` is answered by `Persisted` once the batch has been synced to the disk, or by `PersistFailed`
//!    when it is certain that nothing of it is there; never sooner. A `Load` is answered by `Loaded`, a `Request` by
//!    `Response`, each once.
//! 5. What rests on a batch (answers, announcements, changed branches) comes out only after its `Persisted`. So the
//!    driver never has to hold anything back.
//! 6. Come again with `Tick` at [`Service::next_wake`], if nothing else happens before.
//!
//! A local write goes the same way, in the driver's own hands: [`Replica::write`] signs and changes nothing; the
//! driver makes the [`Batch`] durable and brings it back as `Written`; then it is applied and announced. Until
//! then the key writes nothing else, because two signatures for one place would fork its feed for ever. What came in a
//! file ([`bundle`]) is verified by [`bundle::Intake`], made durable by the driver, and brought back as `Carried`.
//!
//! A start is a [`Replica::open`] with the founding record, [`Replica::add_project`], [`Replica::admit_grants`],
//! [`Replica::restore`] for each feed in any order, and [`Service::add`].

pub mod bundle;
pub mod config;
pub mod effect;
pub mod entry;
pub mod epoch;
pub mod error;
pub mod feed;
pub mod founding;
pub mod grant;
pub mod hash;
pub mod imported;
pub mod input;
pub mod key;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod mark;
pub mod merkle;
mod packing;
pub mod piece;
pub mod proof;
pub mod provenance;
pub mod replica;
pub mod retention;
pub mod retire;
#[cfg(test)]
mod samples;
pub mod service;
pub mod signed;
pub mod skeleton;
pub mod stamp;
pub mod stone;
pub mod text;
pub mod top;
pub mod tower;
pub mod waypoint;
pub mod wire;

pub use config::Config;
pub use effect::{Accepted, Batch, Effect, Event, SyncFailure, Verdict};
pub use epoch::Epoch;
pub use error::{ErrorKind, GrantError, Reject};
pub use feed::{FeedName, project_id};
pub use imported::Imported;
pub use input::{Input, Wanted};
pub use key::{DeviceKey, Keypair};
pub use replica::{Applied, Labels, LogEntry, Post, Replica, WriteError};
pub use service::Service;
pub use signed::{Signed, Verified};
pub use skeleton::Skeleton;
pub use stamp::Stamp;
