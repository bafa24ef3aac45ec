//! What nodes say to each other: bounded frames, a version byte first.

pub mod announce;
pub mod message;
pub mod segment;

pub use announce::Announce;
pub use message::{Request, Response};
pub use segment::Segment;

use cairn_crdt::id::{RepoId, derive};

use crate::hash::{RepoTag, Topic};
use crate::key::DeviceKey;

/// The version of these messages.
pub const WIRE_VERSION: u8 = 1;

/// How `requester` names a repo to `responder`: without knowing the repo, nobody learns which one.
pub fn repo_tag(repo: RepoId, requester: &DeviceKey, responder: &DeviceKey) -> RepoTag {
    RepoTag(derive("cairn 1 repo tag", &[&repo.0, requester.as_bytes(), responder.as_bytes()]))
}

/// The gossip topic of a repo: without knowing the repo, nobody learns which one.
pub fn topic(repo: RepoId) -> Topic {
    Topic(derive("cairn 1 topic", &[&repo.0]))
}
