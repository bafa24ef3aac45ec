//! Manifests: what an artifact is made of and where it comes from. Its hash is the artifact's name.

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{ArtifactId, ContentHash, WaypointId, derive};

use crate::limits::{CHUNK_BYTES_MAX, CHUNKS_COUNT_MAX, LINEAGE_COUNT_MAX, MANIFEST_TEXT_BYTES_MAX};
use crate::signed::{read_level, write_level};
use crate::text::read_text;

/// What an artifact is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its size: the sum of its chunks.
    pub bytes: u64,
    /// Its chunks in order.
    pub chunks: Vec<Chunk>,
    /// Its media type; may be empty.
    pub media: String,
    /// The name it was written under; may be empty.
    pub name: String,
    /// What it was made from.
    pub lineage: Vec<Lineage>,
}

/// One chunk of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// How many bytes; at least one.
    pub bytes: u32,
}

/// One thing that an artifact was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lineage {
    /// Another artifact.
    Artifact(ArtifactId),
    /// The code at a waypoint.
    Waypoint(WaypointId),
}

impl Manifest {
    /// The artifact's name.
    pub fn artifact(&self) -> ArtifactId {
        ArtifactId(derive("cairn 1 artifact", &[&self.to_bytes()]))
    }
}

impl Encoded for Manifest {
    fn write(&self, out: &mut Writer) {
        write_level(out);
        out.u64(self.bytes);
        out.list(&self.chunks);
        out.bytes(self.media.as_bytes());
        out.bytes(self.name.as_bytes());
        out.list(&self.lineage);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        read_level(input)?;
        let at = input.clone();
        let bytes = input.u64()?;
        let chunks: Vec<Chunk> = input.list(CHUNKS_COUNT_MAX)?;
        let sum: u64 = chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum();
        at.require(sum == bytes, "size of an artifact")?;
        let media = read_text(input, MANIFEST_TEXT_BYTES_MAX)?;
        let name = read_text(input, MANIFEST_TEXT_BYTES_MAX)?;
        Ok(Self { bytes, chunks, media, name, lineage: input.list(LINEAGE_COUNT_MAX)? })
    }
}

impl Encoded for Chunk {
    fn write(&self, out: &mut Writer) {
        self.hash.write(out);
        out.u32(self.bytes);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let chunk = Self { hash: ContentHash::read(input)?, bytes: input.u32()? };
        at.require(chunk.bytes > 0 && chunk.bytes <= CHUNK_BYTES_MAX, "size of a chunk")?;
        Ok(chunk)
    }
}

impl Encoded for Lineage {
    fn write(&self, out: &mut Writer) {
        match self {
            Lineage::Artifact(id) => {
                out.u8(1);
                id.write(out);
            }
            Lineage::Waypoint(id) => {
                out.u8(2);
                id.write(out);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            1 => Ok(Lineage::Artifact(ArtifactId::read(input)?)),
            2 => Ok(Lineage::Waypoint(WaypointId::read(input)?)),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}
