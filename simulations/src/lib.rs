//! Many peers in one thread, reproduced by a seed: a second driver of the same core that the node
//! runs, with a virtual clock, a bad network, disks that lose what was not synced, and a liar.
//!
//! | file | what is in it |
//! |---|---|
//! | `world.rs` | clock, event queue, and the driver of every peer |
//! | `peer.rs` | one peer: service, disk, connections |
//! | `network.rs`, `disk.rs` | the two things that fail |
//! | `shelf.rs` | one feed on a disk: stones that are cut, merged and faded |
//! | `author.rs` | what people do to files |
//! | `mischief.rs` | what a liar sends |
//! | `checks.rs` | what must hold whatever happens |
//! | `scenarios.rs` | the stories |
//! | `rng.rs`, `trace.rs` | chance, and the record of a run |

pub mod author;
pub mod checks;
pub mod disk;
pub mod mischief;
pub mod network;
pub mod peer;
pub mod rng;
pub mod scenarios;
pub mod shelf;
pub mod trace;
pub mod world;

pub use scenarios::{Outcome, Scenario, run};
