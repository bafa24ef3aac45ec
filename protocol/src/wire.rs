//! What nodes say to each other: bounded frames, a version byte first.

pub mod announce;
pub mod message;
pub mod segment;
pub mod witness;

pub use announce::Announce;
pub use message::{Request, Response, Tip};
pub use segment::Segment;
pub use witness::Witness;

use cairn_crdt::encoding::{Encoded, Reader, Writer};
use cairn_crdt::id::{RepoId, derive};

use crate::error::Reject;
use crate::hash::{RepoTag, Topic};
use crate::key::DeviceKey;

/// The version of these messages.
pub const WIRE_VERSION: u8 = 1;

/// One frame: the version, then the message; refuses what is above `limit`.
fn to_frame<T: Encoded>(message: &T, limit: usize) -> Result<Vec<u8>, Reject> {
    let mut out = Writer::default();
    out.u8(WIRE_VERSION);
    message.write(&mut out);
    let frame = out.into_bytes();
    check_size(frame.len(), limit)?;
    Ok(frame)
}

/// Reads one frame: its size first, then its version.
fn from_frame<T: Encoded>(bytes: &[u8], limit: usize) -> Result<T, Reject> {
    check_size(bytes.len(), limit)?;
    let mut input = Reader::new(bytes);
    let version = input.u8()?;
    if version != WIRE_VERSION {
        return Err(Reject::Level { found: version.into(), known: WIRE_VERSION.into() });
    }
    let message = T::read(&mut input)?;
    input.finish()?;
    Ok(message)
}

fn check_size(found: usize, limit: usize) -> Result<(), Reject> {
    if found <= limit {
        return Ok(());
    }
    Err(Reject::TooLarge { what: "bytes of a frame", found: found as u64, limit: limit as u64 })
}

/// How `requester` names a repo to `responder`: without knowing the repo, nobody learns which one.
pub fn repo_tag(repo: RepoId, requester: &DeviceKey, responder: &DeviceKey) -> RepoTag {
    RepoTag(derive("cairn 1 repo tag", &[&repo.0, requester.as_bytes(), responder.as_bytes()]))
}

/// The gossip topic of a repo: without knowing the repo, nobody learns which one.
pub fn topic(repo: RepoId) -> Topic {
    Topic(derive("cairn 1 topic", &[&repo.0]))
}
