//! Every thing that the service can ask of the world.

use std::sync::Arc;

use cairn_crdt::Frontier;
use cairn_crdt::id::{FeedId, ProjectId, RepoId, WaypointId};

use crate::error::Reject;
use crate::founding::FoundingRecord;
use crate::grant::GrantRecord;
use crate::hash::Topic;
use crate::input::{GossipId, LoadId, ReplyId, RequestId, Ticket};
use crate::key::DeviceKey;
use crate::piece::Piece;
use crate::proof::ForkProof;
use crate::signed::{Signed, Verified};
use crate::top::Top;
use crate::waypoint::Waypoint;

/// What becomes durable together or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The repo.
    pub repo: RepoId,
    /// The founding record, when the repo is new here: the store is to be created.
    pub founding: Option<Signed<FoundingRecord>>,
    /// Names of projects that are new here.
    pub projects: Vec<String>,
    /// Grants and revocations that are new here.
    pub grants: Vec<GrantRecord>,
    /// Proofs of forks that are new here.
    pub forks: Vec<ForkProof>,
    /// Runs of waypoints, each with the top that vouches for it.
    pub feeds: Vec<Accepted>,
    /// Waypoints that are held by name and whose bodies had faded.
    pub recalled: Vec<Recalled>,
}

impl Batch {
    /// A batch with nothing in it.
    pub fn new(repo: RepoId) -> Self {
        Self {
            repo,
            founding: None,
            projects: Vec::new(),
            grants: Vec::new(),
            forks: Vec::new(),
            feeds: Vec::new(),
            recalled: Vec::new(),
        }
    }

    /// Whether there is nothing to make durable.
    pub fn is_empty(&self) -> bool {
        let records = self.projects.is_empty() && self.grants.is_empty() && self.forks.is_empty();
        self.founding.is_none() && records && self.feeds.is_empty() && self.recalled.is_empty()
    }
}

/// A waypoint that is held by name, whose body had faded here and is back.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// The project.
    pub project: ProjectId,
    /// The feed, or the local name of a side of one.
    pub feed: FeedId,
    /// The place in the feed, from 0.
    pub place: u64,
    /// The waypoint, with everything that it ever said.
    pub waypoint: Arc<Waypoint>,
}

/// A run of waypoints of one feed that was verified, or written here.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The project.
    pub project: ProjectId,
    /// The feed; of a forked one, every history but the first that came has a local name of its own.
    pub feed: FeedId,
    /// Whose feed it is.
    pub key: DeviceKey,
    /// How many waypoints of the feed come before these. A forgotten subtree may begin below what is held.
    pub start: u64,
    /// The waypoints, and those that were forgotten by whoever sent them.
    pub pieces: Vec<Piece>,
    /// The signed top. It may lie above the last waypoint; then more of the feed is to come.
    pub top: Verified<Top>,
}

impl Accepted {
    /// How many waypoints of the feed are held once these are durable.
    pub fn end(&self) -> u64 {
        self.start + self.pieces.iter().map(Piece::count).sum::<u64>()
    }

    /// The waypoints that are in it.
    pub fn waypoints(&self) -> impl Iterator<Item = &Arc<Waypoint>> {
        self.pieces.iter().filter_map(Piece::waypoint)
    }
}

/// The verdict on a gossiped message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Good: pass it on.
    Accept,
    /// Wrong whoever sent it: do not pass it on, hold it against the sender.
    Reject,
    /// Neither: do not pass it on.
    Ignore,
}

/// Something that people or the worktree may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A peer came or went.
    Peer {
        /// The peer.
        peer: DeviceKey,
        /// Whether it is there now.
        connected: bool,
    },
    /// A repo that was wanted is here now.
    Joined {
        /// The repo.
        repo: RepoId,
    },
    /// Waypoints of another key are durable and applied.
    Received {
        /// The repo.
        repo: RepoId,
        /// The project.
        project: ProjectId,
        /// The feed that grew.
        feed: FeedId,
        /// How many waypoints of it are held now.
        n: u64,
    },
    /// A branch shows another version.
    Merged {
        /// The repo.
        repo: RepoId,
        /// The project.
        project: ProjectId,
        /// The branch.
        branch: String,
        /// What it shows now.
        frontier: Frontier,
    },
    /// A mark is new here.
    Marked {
        /// The repo.
        repo: RepoId,
        /// The project.
        project: ProjectId,
        /// The mark's name.
        name: String,
    },
    /// Something from a peer was refused.
    Rejected {
        /// The repo, where the peer said which.
        repo: Option<RepoId>,
        /// The peer.
        peer: DeviceKey,
        /// Why.
        reason: Reject,
    },
    /// Waypoints are stored but show on no branch: their author may not write, or not any more,
    /// or their stamps lie in the future.
    Held {
        /// The repo.
        repo: RepoId,
        /// The project.
        project: ProjectId,
        /// The feed.
        feed: FeedId,
        /// The waypoints.
        waypoints: Vec<WaypointId>,
    },
    /// A key signed two histories; what lies past the fork counts only where others have built on it.
    Forked {
        /// The repo.
        repo: RepoId,
        /// The project.
        project: ProjectId,
        /// The feed.
        feed: FeedId,
    },
    /// Grants came in.
    Granted {
        /// The repo.
        repo: RepoId,
    },
    /// Waypoints that the disk had lost, or whose bodies had faded, are durable again.
    Regained {
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
    /// This node and the peer hold the same.
    Synced {
        /// The repo.
        repo: RepoId,
        /// The peer.
        peer: DeviceKey,
    },
    /// The two could not be brought together.
    SyncFailed {
        /// The repo.
        repo: RepoId,
        /// The peer.
        peer: DeviceKey,
        /// Why.
        reason: SyncFailure,
    },
}

/// Why this node and a peer could not be brought to the same state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncFailure {
    /// The peer does not have the repo, or does not show it to this key.
    #[error("the peer has no such repo, or this key may not read it")]
    Absent,
    /// The connection ended, or no answer came.
    #[error("the connection ended")]
    Disconnected,
    /// What the peer sent does not hold.
    #[error("the peer sent what does not hold: {0}")]
    Rejected(Reject),
    /// The peer does not take what this node has; see `Reject::code`.
    #[error("the peer refused, code {0}")]
    Refused(u16),
    /// This node's disk failed.
    #[error("the disk failed")]
    Disk,
}

/// One thing to do outside, in the order in which they come.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Ask a peer; the answer comes back as `Input::Response`.
    Request {
        /// Whom.
        peer: DeviceKey,
        /// The request's name.
        request: RequestId,
        /// The encoded request.
        bytes: Vec<u8>,
    },
    /// Answer a peer.
    Respond {
        /// The request that this answers.
        reply: ReplyId,
        /// The encoded answer.
        bytes: Vec<u8>,
    },
    /// Read waypoints from the disk; they come back as `Input::Loaded`.
    Load {
        /// The reading.
        load: LoadId,
        /// The repo.
        repo: RepoId,
        /// The project.
        project: ProjectId,
        /// The feed.
        feed: FeedId,
        /// How many waypoints of the feed come before the first that is wanted.
        from: u64,
        /// How many waypoints of the feed come before the first that is not wanted any more.
        to: u64,
        /// Stop before this many bytes, but not before the first waypoint.
        bytes_max: u64,
        /// The places of waypoints that are shown with them; see [`crate::wire::Witness`].
        witnesses: Vec<u64>,
    },
    /// Take part in the gossip about a topic.
    Subscribe {
        /// The topic.
        topic: Topic,
    },
    /// Gossip.
    Publish {
        /// The topic.
        topic: Topic,
        /// The encoded announcement.
        bytes: Vec<u8>,
    },
    /// Judge a gossiped message.
    Judge {
        /// The message.
        message: GossipId,
        /// The verdict.
        verdict: Verdict,
    },
    /// Make a batch durable; then, and only then, `Input::Persisted`.
    Persist {
        /// The batch's name.
        ticket: Ticket,
        /// The batch.
        batch: Box<Batch>,
    },
    /// Hold it against a peer that it sent something invalid.
    Penalise {
        /// The peer.
        peer: DeviceKey,
        /// What was wrong.
        reason: Reject,
    },
    /// Keep bytes that were refused, for people to look at.
    Quarantine {
        /// The repo, where it is known.
        repo: Option<RepoId>,
        /// Who sent them.
        peer: DeviceKey,
        /// What was wrong.
        reason: Reject,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// End the connection to a peer.
    Disconnect {
        /// The peer.
        peer: DeviceKey,
    },
    /// Tell people.
    Notify(Event),
}
