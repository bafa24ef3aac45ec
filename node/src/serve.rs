//! `serve`: the process that owns a home, answers commands, and talks to peers until it is told to stop.
//!
//! It prints nothing: everything that happens is handed to the caller as an [`Event`].

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::home::Home;

/// What `serve` is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Where to listen, as multiaddresses: `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one.
    pub listen: Vec<String>,
    /// Peers to call beside those that are remembered, as multiaddresses.
    pub peers: Vec<String>,
}

/// One thing that happened; as JSON, one line of `serve --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Everything is open; commands are answered and peers are let in.
    Ready {
        /// This node's name on the network.
        peer: String,
        /// Where it listens; each ends in `/p2p/<peer>`.
        listen: Vec<String>,
        /// Where it answers over HTTP, when it does.
        http: Option<String>,
    },
    /// A peer came or went.
    Peer {
        /// Its name on the network.
        peer: String,
        /// Its device key.
        key: String,
        /// Whether it is there now.
        connected: bool,
    },
    /// An address could not be reached; it is tried again.
    Unreachable {
        /// The address.
        address: String,
        /// What was found.
        reason: String,
    },
    /// A repo is new here.
    Joined {
        /// The repo.
        repo: String,
    },
    /// Waypoints of another key are stored.
    Received {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The feed that grew.
        feed: String,
        /// How many waypoints of it are held now.
        waypoints: u64,
    },
    /// A branch shows another version.
    Merged {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The branch.
        branch: String,
        /// What it shows now.
        frontier: Vec<String>,
    },
    /// Concurrent edits met.
    Overlap {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The branch that shows them.
        branch: String,
        /// How many there are now.
        overlaps: u64,
    },
    /// A mark is new here.
    Marked {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The mark's name.
        mark: String,
    },
    /// Something from a peer was refused.
    Rejected {
        /// The repo, where the peer said which.
        repo: Option<String>,
        /// The peer.
        peer: String,
        /// Why.
        reason: String,
    },
    /// Waypoints are stored, but show on no branch.
    Held {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The feed.
        feed: String,
        /// The waypoints.
        waypoints: Vec<String>,
    },
    /// A key signed two histories.
    Forked {
        /// The repo.
        repo: String,
        /// The project.
        project: String,
        /// The feed.
        feed: String,
    },
    /// Rights changed.
    Granted {
        /// The repo.
        repo: String,
    },
    /// This node and a peer hold the same.
    Synced {
        /// The repo.
        repo: String,
        /// The peer.
        peer: String,
    },
    /// This node and a peer could not be brought together; it is tried again.
    SyncFailed {
        /// The repo.
        repo: String,
        /// The peer.
        peer: String,
        /// Why.
        reason: String,
    },
    /// Damaged waypoints were fetched again from a peer.
    Repaired {
        /// The repo.
        repo: String,
        /// The feed.
        feed: String,
        /// How many.
        waypoints: u64,
    },
    /// It was told to stop, and everything is closed.
    Stopped {},
}

/// Owns the home, answers commands and serves peers until SIGINT or SIGTERM.
///
/// Blocks the calling thread, which becomes the one that touches the store. Listens on the control
/// socket of the home. `events` is called on this thread.
#[expect(clippy::todo, reason = "the face first, so that the command line can be built on it")]
pub fn run(home: &Home, options: &Options, events: &mut dyn FnMut(Event)) -> Result<(), NodeError> {
    let _ = (home, options, events);
    todo!()
}
