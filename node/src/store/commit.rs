//! One commit as a record of the log: rights, tops and waypoints that become durable together.
//!
//! ```text
//! record = projects  rights  forks  feeds
//! feed   = feed id  top  start (u64)  pieces, each with its length
//! ```

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::FeedId;
use cairn_protocol::Signed;
use cairn_protocol::effect::Batch;
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::limits::{GRANTS_COUNT_MAX, PROJECTS_COUNT_MAX, TOPS_COUNT_MAX, WAYPOINT_BYTES_MAX};
use cairn_protocol::piece::Piece;
use cairn_protocol::proof::ForkProof;
use cairn_protocol::top::Top;

use super::manifest::read_texts;

/// The most pieces of one feed in one commit.
const RUN_COUNT_MAX: u64 = 1 << 32;

/// One commit.
#[derive(Debug)]
pub(crate) struct Commit {
    /// Names of projects that are new.
    pub(crate) projects: Vec<String>,
    /// Grants and revocations that are new.
    pub(crate) rights: Vec<GrantRecord>,
    /// Proofs of forks that are new.
    pub(crate) forks: Vec<ForkProof>,
    /// Runs of waypoints.
    pub(crate) runs: Vec<Run>,
}

/// Neighbouring waypoints of one feed in a commit.
#[derive(Debug)]
pub(crate) struct Run {
    /// The feed, or the local name of a side of one.
    pub(crate) feed: FeedId,
    /// The top that vouches for them.
    pub(crate) top: Signed<Top>,
    /// The place of the first, from 0.
    pub(crate) start: u64,
    /// The pieces, and where in the record each one's bytes are.
    pub(crate) pieces: Vec<(Piece, Extent)>,
}

/// Neighbouring bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where they begin.
    pub(crate) offset: u64,
    /// How many.
    pub(crate) len: usize,
}

/// Writes batches of one repo as one record, and says where each waypoint's bytes are in it.
pub(crate) fn encode(batches: &[&Batch]) -> (Vec<u8>, Vec<Extent>) {
    let projects: Vec<&str> = batches.iter().flat_map(|batch| &batch.projects).map(String::as_str).collect();
    let rights: Vec<GrantRecord> = batches.iter().flat_map(|batch| batch.grants.iter().cloned()).collect();
    let forks: Vec<ForkProof> = batches.iter().flat_map(|batch| batch.forks.iter().cloned()).collect();
    let runs: Vec<_> = batches.iter().flat_map(|batch| &batch.feeds).collect();
    let (mut bytes, mut extents) = (encode_head(&projects, &rights, &forks, runs.len()), Vec::new());
    for run in runs {
        encode_run(run.feed, run.top.signed(), run.start, run.pieces.len(), &mut bytes);
        extents.extend(run.pieces.iter().map(|piece| encode_piece(piece, &mut bytes)));
    }
    (bytes, extents)
}

/// Writes a commit that was read back.
pub(crate) fn encode_again(commit: &Commit) -> Vec<u8> {
    let projects: Vec<&str> = commit.projects.iter().map(String::as_str).collect();
    let mut bytes = encode_head(&projects, &commit.rights, &commit.forks, commit.runs.len());
    for run in &commit.runs {
        encode_run(run.feed, &run.top, run.start, run.pieces.len(), &mut bytes);
        for (piece, _) in &run.pieces {
            encode_piece(piece, &mut bytes);
        }
    }
    bytes
}

fn encode_head(projects: &[&str], rights: &[GrantRecord], forks: &[ForkProof], runs: usize) -> Vec<u8> {
    let mut out = Writer::default();
    out.count(projects.len() as u64);
    projects.iter().for_each(|project| out.bytes(project.as_bytes()));
    out.list(rights);
    out.list(forks);
    out.count(runs as u64);
    out.into_bytes()
}

fn encode_run(feed: FeedId, top: &Signed<Top>, start: u64, pieces: usize, bytes: &mut Vec<u8>) {
    let mut head = Writer::default();
    feed.write(&mut head);
    top.write(&mut head);
    head.u64(start);
    head.count(pieces as u64);
    bytes.append(&mut head.into_bytes());
}

fn encode_piece(piece: &Piece, bytes: &mut Vec<u8>) -> Extent {
    let body = piece.to_bytes();
    let mut len = Writer::default();
    len.count(body.len() as u64);
    bytes.append(&mut len.into_bytes());
    let extent = Extent { offset: bytes.len() as u64, len: body.len() };
    bytes.extend_from_slice(&body);
    extent
}

/// Reads a record back.
pub(crate) fn decode(record: &[u8]) -> Decode<Commit> {
    let mut input = Reader::new(record);
    let projects = read_texts(&mut input, PROJECTS_COUNT_MAX)?;
    let rights = input.list(GRANTS_COUNT_MAX)?;
    let forks = input.list(TOPS_COUNT_MAX)?;
    let mut runs = Vec::new();
    for _ in 0..input.count(TOPS_COUNT_MAX as u64)? {
        runs.push(decode_run(&mut input)?);
    }
    input.finish()?;
    Ok(Commit { projects, rights, forks, runs })
}

fn decode_run(input: &mut Reader<'_>) -> Decode<Run> {
    let (feed, top, start) = (FeedId::read(input)?, Signed::read(input)?, input.u64()?);
    let mut pieces = Vec::new();
    for _ in 0..input.count(RUN_COUNT_MAX)? {
        let body = input.bytes(WAYPOINT_BYTES_MAX)?;
        let extent = Extent { offset: (input.offset() - body.len()) as u64, len: body.len() };
        pieces.push((Piece::from_bytes(body)?, extent));
    }
    Ok(Run { feed, top, start, pieces })
}
