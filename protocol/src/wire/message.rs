//! Requests and responses between two peers that have authenticated each other.

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{FeedId, ProjectId};

use crate::error::Reject;
use crate::founding::FoundingRecord;
use crate::grant::GrantRecord;
use crate::hash::{LogHash, RepoTag};
use crate::limits::{
    FORKS_COUNT_MAX, FRAME_BYTES_MAX, GRANTS_COUNT_MAX, KNOWN_COUNT_MAX, LABEL_BYTES_MAX, PROJECTS_COUNT_MAX,
    SHOWN_GRANTS_COUNT_MAX, TOPS_COUNT_MAX,
};
use crate::proof::ForkProof;
use crate::signed::Signed;
use crate::text::read_label;
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
    /// To take note of forked feeds.
    Forks {
        /// Which repo.
        tag: RepoTag,
        /// The proofs.
        proofs: Vec<ForkProof>,
    },
    /// For waypoints of one of the histories of a feed.
    Side {
        /// Which repo.
        tag: RepoTag,
        /// Which project.
        project: ProjectId,
        /// Which feed.
        feed: FeedId,
        /// The history: the one whose first `n` have this root.
        top: Tip,
        /// What the asker holds of the feed's histories; the answer begins at the longest that
        /// the wanted one continues, else at the first waypoint.
        known: Vec<Tip>,
        /// As many bytes as the asker takes.
        bytes_max: u32,
    },
}

/// How far a history goes, and the root of its log there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tip {
    /// How many waypoints.
    pub n: u64,
    /// The root of the log over them.
    pub root: LogHash,
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
        if let Request::Push { segment, .. } = self {
            segment.check_limits()?;
        }
        super::to_frame(self, FRAME_BYTES_MAX)
    }

    /// Reads one frame.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, Reject> {
        super::from_frame(bytes, FRAME_BYTES_MAX)
    }
}

impl Response {
    /// One frame, with its version; refuses what is too large for one.
    pub fn to_frame(&self) -> Result<Vec<u8>, Reject> {
        if let Response::Segment(segment) = self {
            segment.check_limits()?;
        }
        super::to_frame(self, FRAME_BYTES_MAX)
    }

    /// Reads one frame.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, Reject> {
        super::from_frame(bytes, FRAME_BYTES_MAX)
    }
}

impl Encoded for Request {
    fn write(&self, out: &mut Writer) {
        match self {
            Request::Open { tag, grants } => {
                out.u8(1);
                tag.write(out);
                out.list(grants);
            }
            Request::Fetch { tag, project, feed, from, bytes_max } => {
                out.u8(2);
                tag.write(out);
                project.write(out);
                feed.write(out);
                out.u64(*from);
                out.u32(*bytes_max);
            }
            Request::Push { tag, segment } => {
                out.u8(3);
                tag.write(out);
                segment.write(out);
            }
            Request::Forks { tag, proofs } => {
                out.u8(4);
                tag.write(out);
                out.list(proofs);
            }
            Request::Side { tag, project, feed, top, known, bytes_max } => {
                out.u8(5);
                tag.write(out);
                project.write(out);
                feed.write(out);
                top.write(out);
                out.list(known);
                out.u32(*bytes_max);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            1 => {
                Ok(Request::Open { tag: RepoTag::read(input)?, grants: input.list(SHOWN_GRANTS_COUNT_MAX)? })
            }
            2 => Ok(Request::Fetch {
                tag: RepoTag::read(input)?,
                project: ProjectId::read(input)?,
                feed: FeedId::read(input)?,
                from: input.u64()?,
                bytes_max: input.u32()?,
            }),
            3 => Ok(Request::Push { tag: RepoTag::read(input)?, segment: Segment::read(input)? }),
            4 => Ok(Request::Forks { tag: RepoTag::read(input)?, proofs: input.list(FORKS_COUNT_MAX)? }),
            5 => Ok(Request::Side {
                tag: RepoTag::read(input)?,
                project: ProjectId::read(input)?,
                feed: FeedId::read(input)?,
                top: Tip::read(input)?,
                known: input.list(KNOWN_COUNT_MAX)?,
                bytes_max: input.u32()?,
            }),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

impl Encoded for Tip {
    fn write(&self, out: &mut Writer) {
        out.u64(self.n);
        self.root.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { n: input.u64()?, root: LogHash::read(input)? })
    }
}

impl Encoded for Response {
    fn write(&self, out: &mut Writer) {
        match self {
            Response::Opened { founding, grants, projects, tops } => {
                out.u8(1);
                founding.write(out);
                out.list(grants);
                out.count(projects.len() as u64);
                for (name, id) in projects {
                    out.bytes(name.as_bytes());
                    id.write(out);
                }
                out.list(tops);
            }
            Response::Absent => out.u8(2),
            Response::Segment(segment) => {
                out.u8(3);
                segment.write(out);
            }
            Response::Pushed { n } => {
                out.u8(4);
                out.u64(*n);
            }
            Response::Rejected { code } => {
                out.u8(5);
                out.u16(*code);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            1 => Ok(Response::Opened {
                founding: Signed::read(input)?,
                grants: input.list(GRANTS_COUNT_MAX)?,
                projects: read_projects(input)?,
                tops: input.list(TOPS_COUNT_MAX)?,
            }),
            2 => Ok(Response::Absent),
            3 => Ok(Response::Segment(Segment::read(input)?)),
            4 => Ok(Response::Pushed { n: input.u64()? }),
            5 => Ok(Response::Rejected { code: input.u16()? }),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

fn read_projects(input: &mut Reader<'_>) -> Decode<Vec<(String, ProjectId)>> {
    let mut projects = Vec::new();
    for _ in 0..input.count(PROJECTS_COUNT_MAX as u64)? {
        projects.push((read_label(input, LABEL_BYTES_MAX)?, ProjectId::read(input)?));
    }
    Ok(projects)
}
