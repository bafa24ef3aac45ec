//! Where fetched pieces go: into the store, or, where only a part of the file is wanted, into the part's file.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use cairn_blobs::{Blobs, Chunk, Piece, touched};
use cairn_protocol::manifest::Manifest;

use super::queue::Turn;
use crate::artifacts::{Artifacts, chunks};
use crate::error::NodeError;

/// A part of an artifact's file, and the file that is to hold it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) range: Range<u64>,
    pub(crate) out: PathBuf,
}

/// What is done with a piece that has come.
pub(super) enum Delivery {
    Whole(Blobs),
    Part(Slots),
}

/// Where the pieces of a part belong.
pub(super) struct Slots {
    file: File,
    out: PathBuf,
    /// For each piece: what of its chunk is meant, and where that goes.
    slots: Vec<Vec<(Range<u64>, u64)>>,
}

impl Delivery {
    /// The chunks that are missing, into the store.
    pub(super) fn whole(artifacts: &Artifacts, manifest: &Manifest) -> Result<(Self, Vec<Piece>), NodeError> {
        let blobs = artifacts.blobs().clone();
        let missing = artifacts.missing(manifest).into_iter();
        let pieces = missing.map(|chunk| blobs.rest_of(chunk)).collect::<Result<_, _>>()?;
        Ok((Self::Whole(blobs), pieces))
    }

    /// The groups that a part of the file touches and that are not here, into the part's file. What is here goes there at
    /// once.
    pub(super) fn part(
        artifacts: &Artifacts,
        manifest: &Manifest,
        part: &Part,
    ) -> Result<(Self, Vec<Piece>), NodeError> {
        let io = |error| NodeError::io("write", &part.out, error);
        let file = File::create(&part.out).map_err(io)?;
        let mut lacking: BTreeMap<Chunk, Vec<(Range<u64>, u64)>> = BTreeMap::new();
        let mut at = 0;
        for (chunk, range) in touched(&chunks(manifest), &part.range) {
            let length = range.end - range.start;
            match artifacts.blobs().read_chunk(&chunk) {
                Ok(bytes) => {
                    file.write_all_at(&bytes[range.start as usize..range.end as usize], at).map_err(io)?;
                }
                Err(cairn_blobs::BlobsError::Missing { .. } | cairn_blobs::BlobsError::Damaged { .. }) => {
                    lacking.entry(chunk).or_default().push((range, at));
                }
                Err(error) => return Err(error.into()),
            }
            at += length;
        }
        let piece = |(chunk, slots): (&Chunk, &Vec<(Range<u64>, u64)>)| {
            let from = slots.iter().map(|(range, _)| range.start).min().unwrap_or(0);
            let to = slots.iter().map(|(range, _)| range.end).max().unwrap_or(0);
            Piece::part(*chunk, &(from..to))
        };
        let pieces = lacking.iter().map(piece).collect();
        let slots = lacking.into_values().collect();
        Ok((Self::Part(Slots { file, out: part.out.clone(), slots }), pieces))
    }

    /// Takes a piece that has come.
    pub(super) fn deliver(&self, turn: Turn, piece: &Piece, bytes: Vec<u8>) -> Result<(), NodeError> {
        match self {
            Self::Whole(blobs) => blobs.complete(piece, bytes).map(drop).map_err(NodeError::from),
            Self::Part(slots) => slots.put(turn, piece, &bytes),
        }
    }

    /// Keeps what came of a piece that was cut off; what is still to be asked for.
    pub(super) fn keep_short(&self, piece: &Piece, bytes: &[u8]) -> Result<Piece, NodeError> {
        match self {
            Self::Whole(blobs) => {
                blobs.keep_short(piece, bytes)?;
                Ok(blobs.rest_of(piece.chunk)?)
            }
            Self::Part(_) => Ok(*piece),
        }
    }

    /// Makes durable what came.
    pub(super) fn finish(&self) -> Result<(), NodeError> {
        match self {
            Self::Whole(blobs) => Ok(blobs.sync()?),
            Self::Part(slots) => {
                slots.file.sync_all().map_err(|error| NodeError::io("fsync", &slots.out, error))
            }
        }
    }
}

impl Slots {
    fn put(&self, turn: Turn, piece: &Piece, bytes: &[u8]) -> Result<(), NodeError> {
        for (range, at) in self.slots.get(turn).into_iter().flatten() {
            let part = (range.start - piece.from) as usize..(range.end - piece.from) as usize;
            let part = bytes.get(part).ok_or(NodeError::Bug("a piece without what it was asked for"))?;
            self.file.write_all_at(part, *at).map_err(|error| NodeError::io("write", &self.out, error))?;
        }
        Ok(())
    }
}
