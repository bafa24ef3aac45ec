//! Bundles: what a peer would be sent, as one file that travels on a stick.
//!
//! A file is a head, frames and an end. It is written and read a frame at a time, so its size does not matter, and
//! every frame's checksum covers the frames before it: a changed byte is found in its frame, and a file without
//! its end was cut short. The checksums are no signatures. What the frames hold is believed as little as what
//! a peer sends, and goes through the same checks.

mod artifacts;
mod intake;

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{RepoId, derive};

use crate::error::Reject;
use crate::founding::FoundingRecord;
use crate::grant::GrantRecord;
use crate::limits::{
    BUNDLE_ARTIFACTS_COUNT_MAX, BUNDLE_LIST_COUNT_MAX, CHUNK_BYTES_MAX, FRAME_BYTES_MAX, GRANTS_COUNT_MAX,
    LABEL_BYTES_MAX, PROJECTS_COUNT_MAX, TOPS_COUNT_MAX,
};
use crate::proof::ForkProof;
use crate::signed::{Signed, read_level, write_level};
use crate::stone::Source;
use crate::text::{read_flag, read_label};
use crate::top::Top;
use crate::wire::Segment;

pub use artifacts::{Artifacts, ManifestPart};
pub use intake::{Intake, Lack, Preface, Refused};

/// The first bytes of every bundle.
pub const MAGIC: [u8; 8] = *b"cairnbdl";
/// The bytes before the first frame.
pub const HEAD_BYTES: usize = 8 + 2 + 32 + 1;
/// The bytes before a frame's payload: its section and the payload's length.
const FRAME_HEAD_BYTES: usize = 1 + 4;
/// The checksum after it.
const SUM_BYTES: usize = 32;
/// The section of the last frame.
const END: u8 = 7;
/// The highest section. Those above the end's came later, and stand before it.
const SECTION_MAX: u8 = 9;
/// The whole last frame.
const END_BYTES: usize = FRAME_HEAD_BYTES + 8 + SUM_BYTES;

/// What a bundle begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The repo.
    pub repo: RepoId,
    /// Whether it brings back what has faded where it is read.
    pub archive: bool,
}

/// How much of one history of a feed a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The top up to which it goes.
    pub top: Signed<Top>,
    /// How many waypoints are left out at the beginning.
    pub start: u64,
}

/// What one frame holds. Sections come in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The founding record; first, and once.
    Founding(Signed<FoundingRecord>),
    /// Names of projects.
    Projects(Vec<String>),
    /// Grants and revocations.
    Rights(Vec<GrantRecord>),
    /// Proofs of forks.
    Forks(Vec<ForkProof>),
    /// Which feeds follow, and how much of them.
    Feeds(Vec<Stretch>),
    /// A run of waypoints of one feed.
    Run(Segment),
    /// A part of the manifest of an artifact.
    Manifest(ManifestPart),
    /// The bytes of a chunk that a manifest names.
    Chunk(Vec<u8>),
}

/// What stands next in a bundle.
#[expect(clippy::large_enum_variant, reason = "most are parts, and they are handled one at a time")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A part.
    Part(Part),
    /// The end: nothing is missing.
    End,
    /// The file ends before the bundle does.
    Cut,
}

impl Part {
    fn section(&self) -> u8 {
        match self {
            Part::Founding(_) => 1,
            Part::Projects(_) => 2,
            Part::Rights(_) => 3,
            Part::Forks(_) => 4,
            Part::Feeds(_) => 5,
            Part::Run(_) => 6,
            Part::Manifest(_) => 8,
            Part::Chunk(_) => 9,
        }
    }

    /// How many entries of its section it holds, and how many a bundle may hold of them.
    fn count(&self) -> (usize, usize) {
        match self {
            Part::Founding(_) => (1, 1),
            Part::Projects(names) => (names.len(), PROJECTS_COUNT_MAX),
            Part::Rights(records) => (records.len(), GRANTS_COUNT_MAX),
            Part::Forks(proofs) => (proofs.len(), TOPS_COUNT_MAX),
            Part::Feeds(stretches) => (stretches.len(), TOPS_COUNT_MAX),
            Part::Manifest(part) => (usize::from(part.start == 0), BUNDLE_ARTIFACTS_COUNT_MAX),
            Part::Run(_) | Part::Chunk(_) => (0, 0),
        }
    }

    fn payload(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Part::Founding(founding) => founding.write(&mut out),
            Part::Projects(names) => {
                out.count(names.len() as u64);
                names.iter().for_each(|name| out.bytes(name.as_bytes()));
            }
            Part::Rights(records) => out.list(records),
            Part::Forks(proofs) => out.list(proofs),
            Part::Feeds(stretches) => out.list(stretches),
            Part::Run(segment) => segment.write(&mut out),
            Part::Manifest(part) => part.write(&mut out),
            Part::Chunk(bytes) => out.raw(bytes),
        }
        out.into_bytes()
    }

    fn read(section: u8, input: &mut Reader<'_>) -> Decode<Self> {
        match section {
            1 => Ok(Part::Founding(Signed::read(input)?)),
            2 => Ok(Part::Projects(read_names(input)?)),
            3 => Ok(Part::Rights(input.list(BUNDLE_LIST_COUNT_MAX)?)),
            4 => Ok(Part::Forks(input.list(BUNDLE_LIST_COUNT_MAX)?)),
            5 => Ok(Part::Feeds(input.list(BUNDLE_LIST_COUNT_MAX)?)),
            8 => Ok(Part::Manifest(ManifestPart::read(input)?)),
            9 => read_chunk(input),
            _ => Ok(Part::Run(Segment::read(input)?)),
        }
    }
}

fn read_chunk(input: &mut Reader<'_>) -> Decode<Part> {
    let at = input.clone();
    let size = input.remaining();
    at.require(size > 0 && size <= CHUNK_BYTES_MAX as usize, "size of a chunk")?;
    Ok(Part::Chunk(input.raw(size)?.to_vec()))
}

fn read_names(input: &mut Reader<'_>) -> Decode<Vec<String>> {
    let mut names = Vec::new();
    for _ in 0..input.count(BUNDLE_LIST_COUNT_MAX as u64)? {
        names.push(read_label(input, LABEL_BYTES_MAX)?);
    }
    Ok(names)
}

impl Encoded for Head {
    fn write(&self, out: &mut Writer) {
        out.raw(&MAGIC);
        write_level(out);
        self.repo.write(out);
        out.u8(u8::from(self.archive));
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        at.require(input.array()? == MAGIC, "magic of a bundle")?;
        read_level(input)?;
        Ok(Self { repo: RepoId::read(input)?, archive: read_flag(input)? })
    }
}

impl Encoded for Stretch {
    fn write(&self, out: &mut Writer) {
        self.top.write(out);
        out.u64(self.start);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self { top: Signed::read(input)?, start: input.u64()? })
    }
}

/// The checksum of a frame, and of all before it.
fn sum(before: &[u8; 32], section: u8, payload: &[u8]) -> [u8; 32] {
    derive("cairn 1 bundle frame", &[before, &[section], payload])
}

/// A bundle that is being written. What each call returns is appended to the file.
#[derive(Debug)]
pub struct BundleWriter {
    sum: [u8; 32],
    runs: u64,
}

impl BundleWriter {
    /// A writer, and the first bytes of the file.
    pub fn new(head: &Head) -> (Self, Vec<u8>) {
        let bytes = head.to_bytes();
        (Self { sum: derive("cairn 1 bundle head", &[&bytes]), runs: 0 }, bytes)
    }

    /// The frame of one part; the caller keeps to the order of the sections.
    pub fn push(&mut self, part: &Part) -> Result<Vec<u8>, Reject> {
        if let Part::Run(segment) = part {
            segment.check_limits()?;
            self.runs += 1;
        }
        let payload = part.payload();
        if payload.len() > FRAME_BYTES_MAX {
            let (found, limit) = (payload.len() as u64, FRAME_BYTES_MAX as u64);
            return Err(Reject::TooLarge { what: "bytes of a frame", found, limit });
        }
        Ok(self.frame(part.section(), &payload))
    }

    /// The last frame; nothing follows it.
    pub fn end(&mut self) -> Vec<u8> {
        let runs = self.runs.to_le_bytes();
        self.frame(END, &runs)
    }

    fn frame(&mut self, section: u8, payload: &[u8]) -> Vec<u8> {
        self.sum = sum(&self.sum, section, payload);
        let mut out = Writer::default();
        out.u8(section);
        out.u32(payload.len() as u32);
        out.raw(payload);
        out.raw(&self.sum);
        out.into_bytes()
    }
}

/// A bundle that is being read, a frame at a time.
#[derive(Debug)]
pub struct BundleReader<S> {
    source: S,
    head: Head,
    offset: u64,
    sum: [u8; 32],
    section: u8,
    /// How many entries of the present section came.
    count: usize,
    runs: u64,
}

impl<S: Source> BundleReader<S> {
    /// Reads the head.
    pub fn open(source: S) -> Result<Self, Reject> {
        let what = "this is no bundle";
        if source.len() < HEAD_BYTES as u64 {
            return Err(Reject::Bundle { offset: 0, what });
        }
        let bytes = source.read_at(0, HEAD_BYTES)?;
        let head = Head::from_bytes(&bytes).map_err(|error| match error.into() {
            Reject::Format(_) => Reject::Bundle { offset: 0, what },
            reject => reject,
        })?;
        let sum = derive("cairn 1 bundle head", &[&bytes]);
        Ok(Self { source, head, offset: HEAD_BYTES as u64, sum, section: 0, count: 0, runs: 0 })
    }

    /// What the bundle begins with.
    pub fn head(&self) -> Head {
        self.head
    }

    /// How many bytes were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next frame. Its declared length is compared with the limit and with the file before anything is
    /// allocated, and its checksum before anything is decoded.
    pub fn read(&mut self) -> Result<Next, Reject> {
        let Some((section, payload)) = self.frame()? else { return Ok(Next::Cut) };
        if section == END {
            return self.end(&payload);
        }
        let mut input = Reader::new(&payload);
        let part = Part::read(section, &mut input).and_then(|part| input.finish().map(|()| part));
        let part = part.map_err(|error| match error.into() {
            Reject::Format(_) => self.damage("malformed"),
            reject => reject,
        })?;
        self.check_order(&part)?;
        self.offset += (FRAME_HEAD_BYTES + payload.len() + SUM_BYTES) as u64;
        Ok(Next::Part(part))
    }

    /// The section and payload of the next frame, if all of it is there.
    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, Reject> {
        let left = self.source.len() - self.offset;
        if left < FRAME_HEAD_BYTES as u64 {
            return Ok(None);
        }
        let head = self.source.read_at(self.offset, FRAME_HEAD_BYTES)?;
        let mut input = Reader::new(&head);
        let (section, size) = (input.u8()?, input.u32()? as usize);
        if section == 0 || section > SECTION_MAX || size > FRAME_BYTES_MAX {
            return Err(self.damage("no frame begins here"));
        }
        if left < (FRAME_HEAD_BYTES + size + SUM_BYTES) as u64 {
            return match self.has_end()? {
                true => Err(self.damage("a frame leads beyond the end")),
                false => Ok(None),
            };
        }
        let mut payload = self.source.read_at(self.offset + FRAME_HEAD_BYTES as u64, size + SUM_BYTES)?;
        let found = payload.split_off(size);
        let expected = sum(&self.sum, section, &payload);
        if expected[..] != found[..] {
            return Err(self.damage("a frame's checksum does not hold"));
        }
        self.sum = expected;
        Ok(Some((section, payload)))
    }

    /// Whether the file ends as a whole bundle does: then it was not cut, and a length in it is wrong.
    fn has_end(&self) -> Result<bool, Reject> {
        let Some(at) = self.source.len().checked_sub(END_BYTES as u64) else { return Ok(false) };
        let last = self.source.read_at(at, FRAME_HEAD_BYTES)?;
        Ok(at > self.offset && last == [END, 8, 0, 0, 0])
    }

    fn end(&self, payload: &[u8]) -> Result<Next, Reject> {
        if payload != self.runs.to_le_bytes() {
            return Err(self.damage("the end counts other runs"));
        }
        if self.section == 0 || self.offset + (END_BYTES as u64) < self.source.len() {
            return Err(self.damage("bytes follow the end, or nothing came before it"));
        }
        Ok(Next::End)
    }

    /// Refuses sections that are not in order, or that hold more than they may.
    fn check_order(&mut self, part: &Part) -> Result<(), Reject> {
        let (section, (count, limit)) = (part.section(), part.count());
        let first = self.section == 0;
        if section < self.section || first != (section == 1) {
            return Err(self.damage("a section out of order"));
        }
        self.count = if section == self.section { self.count + count } else { count };
        self.section = section;
        if self.count > limit {
            return Err(self.damage("more than a section may hold"));
        }
        match part {
            Part::Founding(founding) if founding.repo() != self.head.repo => Err(Reject::Graft("repo")),
            Part::Run(_) => {
                self.runs += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn damage(&self, what: &'static str) -> Reject {
        Reject::Bundle { offset: self.offset, what }
    }
}

#[cfg(test)]
mod tests;
