//! Requests and responses between two peers that have authenticated each other.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{FeedId, ProjectId};

use crate::error::Reject;
use crate::founding::FoundingRecord;
use crate::grant::GrantRecord;
use crate::hash::RepoTag;
use crate::signed::Signed;
use crate::top::Top;
use crate::wire::Segment;

/// What a peer asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// To be shown a repo.
    Open {
        /// Which one.
        tag: RepoTag,
        /// The chain of grants that lets the asker in.
        grants: Vec<GrantRecord>,
    },
    /// For waypoints.
    Fetch {
        /// Which repo.
        tag: RepoTag,
        /// Which project.
        project: ProjectId,
        /// Which feed.
        feed: FeedId,
        /// The place of the first waypoint, from 0: what the asker holds.
        from: u64,
        /// As many bytes as the asker takes.
        bytes_max: u32,
    },
    /// To take waypoints.
    Push {
        /// Which repo.
        tag: RepoTag,
        /// The waypoints.
        segment: Segment,
    },
}

/// What a peer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The repo: its founding, rights, projects and tops.
    Opened {
        /// The founding record.
        founding: Signed<FoundingRecord>,
        /// All grants and revocations.
        grants: Vec<GrantRecord>,
        /// The projects by name.
        projects: Vec<(String, ProjectId)>,
        /// How far each feed goes here.
        tops: Vec<Signed<Top>>,
    },
    /// Nothing here, or nothing for you: the same answer.
    Absent,
    /// Waypoints.
    Segment(Segment),
    /// The push is durable; the feed is this long now.
    Pushed {
        /// How many waypoints.
        n: u64,
    },
    /// The push was refused: see [`Reject::code`].
    Rejected {
        /// Why.
        code: u16,
    },
}

impl Request {
    /// One frame, with its version; refuses what is too large for one.
    pub fn to_frame(&self) -> Result<Vec<u8>, Reject> {
        todo!()
    }

    /// Reads one frame.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, Reject> {
        let _ = bytes;
        todo!()
    }
}

impl Response {
    /// One frame, with its version; refuses what is too large for one.
    pub fn to_frame(&self) -> Result<Vec<u8>, Reject> {
        todo!()
    }

    /// Reads one frame.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, Reject> {
        let _ = bytes;
        todo!()
    }
}

impl Encoded for Request {
    fn write(&self, out: &mut Writer) {
        let _ = out;
        todo!()
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let _ = input;
        todo!()
    }
}

impl Encoded for Response {
    fn write(&self, out: &mut Writer) {
        let _ = out;
        todo!()
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let _ = input;
        todo!()
    }
}
