//! Every thing that the world can tell the service.

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use crate::effect::Batch;
use crate::grant::GrantRecord;
use crate::hash::Topic;
use crate::key::DeviceKey;
use crate::waypoint::Waypoint;

/// Names one request that the service sent out; the answer comes back under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names one request that a peer sent in; the driver chooses it, the answer goes out under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyId(pub u64);

/// Names one reading of waypoints from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadId(pub u64);

/// Names one batch on its way to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Names one gossiped message; bytes of the driver's choosing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipId(pub Vec<u8>);

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// The driver gave up waiting.
    #[error("no answer in time")]
    Timeout,
    /// The connection ended.
    #[error("the connection ended")]
    Disconnected,
    /// The peer does not speak the sync protocol.
    #[error("the peer does not speak this protocol")]
    Unsupported,
}

/// Waypoints as they were read from the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Encoded pieces from the one with the first waypoint that was asked for, without gaps; fewer where
    /// the limit on bytes or the end came first, at least one.
    pub pieces: Vec<Vec<u8>>,
    /// The witnesses that were asked for, without operations and contents.
    pub witnesses: Vec<Waypoint>,
}

impl From<Vec<Vec<u8>>> for Loaded {
    fn from(pieces: Vec<Vec<u8>>) -> Self {
        Self { pieces, witnesses: Vec::new() }
    }
}

/// Why waypoints could not be read from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A body has faded, was erased, or is damaged.
    #[error("a body is not here any more")]
    Absent,
    /// The disk failed.
    #[error("the disk failed")]
    Failed,
}

/// A repo that is to be had from a peer: what an invitation or a link says.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The repo.
    pub repo: RepoId,
    /// The names of its projects that are known already.
    pub projects: Vec<String>,
    /// The chain of grants that ends in this device's key; empty for a public repo.
    pub grants: Vec<GrantRecord>,
}

/// One thing that happened outside.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// A connection to `peer` stands, and the transport has proven that the peer holds the key.
    PeerConnected {
        /// The peer.
        peer: DeviceKey,
    },
    /// The last connection to `peer` ended.
    PeerDisconnected {
        /// The peer.
        peer: DeviceKey,
    },
    /// A peer asks.
    Request {
        /// Who asks.
        peer: DeviceKey,
        /// Under which name the answer goes out.
        reply: ReplyId,
        /// The encoded request.
        bytes: Vec<u8>,
    },
    /// A peer answers, or does not.
    Response {
        /// Who was asked.
        peer: DeviceKey,
        /// The request that this answers.
        request: RequestId,
        /// The encoded answer.
        result: Result<Vec<u8>, Unanswered>,
    },
    /// A gossiped message came by way of `peer`.
    Gossip {
        /// The neighbour that passed it on, who is not always its author.
        peer: DeviceKey,
        /// The message's name, for the verdict.
        message: GossipId,
        /// What it is about.
        topic: Topic,
        /// The encoded announcement.
        bytes: Vec<u8>,
    },
    /// A batch is durable.
    Persisted {
        /// The batch.
        ticket: Ticket,
    },
    /// A batch could not be made durable; it is as if it had never come.
    PersistFailed {
        /// The batch.
        ticket: Ticket,
    },
    /// The waypoints that [`crate::effect::Effect::Load`] asked for.
    Loaded {
        /// The reading.
        load: LoadId,
        /// What was read.
        loaded: Result<Loaded, LoadError>,
    },
    /// A local write is durable; the service applies and announces it.
    Written {
        /// What was made durable.
        batch: Batch,
    },
    /// What came in a file is durable; the service applies it and lets others know.
    Carried {
        /// What was made durable.
        batch: Batch,
    },
    /// Local grants or revocations to be stored and handed on.
    Granted {
        /// The repo.
        repo: RepoId,
        /// The signed records.
        records: Vec<GrantRecord>,
    },
    /// Bring `peer` and this node to the same state: pull what is missing here, push what is
    /// missing there. Ends in `Event::Synced` or `Event::SyncFailed`.
    Synchronise {
        /// The peer.
        peer: DeviceKey,
        /// The repo.
        repo: RepoId,
    },
    /// Get a repo that is not here from `peer`; ends like `Synchronise`.
    Join {
        /// The peer.
        peer: DeviceKey,
        /// What to get.
        wanted: Wanted,
    },
    /// The disk lost the bytes of waypoints that are held by name: get them from any peer. They come
    /// in a batch that overlaps what is held.
    Lost {
        /// The repo.
        repo: RepoId,
        /// The project.
        project: ProjectId,
        /// The feed.
        feed: FeedId,
        /// The place of the first, from 0.
        from: u64,
        /// The place after the last.
        to: u64,
    },
    /// Bodies that have faded here are wanted back: get them from any peer that still has them.
    Recall {
        /// The repo.
        repo: RepoId,
        /// The project.
        project: ProjectId,
        /// The feed.
        feed: FeedId,
        /// The place of the first, from 0.
        from: u64,
        /// The place after the last.
        to: u64,
    },
    /// Time has passed.
    Tick,
}
