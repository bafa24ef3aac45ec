//! Summaries: what is asked of a packed stone most often, so that it need not be unpacked for that.
//!
//! The skeletons, from which a replica is restored without a look at any operation, and where each content lies. A
//! summary is derived from its stone, bound to that one file by its checksum, and may be thrown away.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{WaypointId, derive};

use crate::error::Reject;
use crate::hash::LogHash;
use crate::limits::{
    ENTRIES_COUNT_MAX, ENTRY_BYTES_MAX, PARENTS_COUNT_MAX, STONE_LEVEL_MAX, SUMMARY_BYTES_MAX,
};
use crate::packing::{read_packed, write_packed};
use crate::piece::Gone;
use crate::signed::{read_level, write_level};
use crate::skeleton::{Bones, Skeleton};
use crate::stamp::Stamp;
use crate::stone::opened::Opened;
use crate::stone::streams::Extent;
use crate::stone::{Source, StoneName, StoneReader};

/// The first bytes of every summary.
const MAGIC: [u8; 8] = *b"cairnsum";
/// The bytes of the checksum at the end.
const SUM_BYTES: usize = 32;
/// More than the contents of a pack come to, as a power of two.
const PACK_SHIFT: u32 = 32;
/// What a skeleton is: see `FORMAT.md`.
const GONE: u8 = 1;
const PARENTS: u8 = 2;
const CONTINUED: u8 = 4;
const FADED: u8 = 8;
const SHELVED: u8 = 16;
const KNOWN: u8 = GONE | PARENTS | CONTINUED | FADED | SHELVED;

/// What is asked of a stone most often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// All its pieces, in order; none where the stone gives them as fast.
    pub skeletons: Vec<Skeleton>,
    /// Where its contents lie, in the order of the waypoints that carry them.
    pub contents: Vec<Lying>,
}

/// Where a content lies that a waypoint carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lying {
    /// The waypoint, from 0 in the stone.
    item: u32,
    extent: Extent,
}

impl Summary {
    /// As the bytes of a file, bound to the stone's own file; nothing where they would be too many.
    pub fn to_file(&self, stone: &str) -> Option<Vec<u8>> {
        let (mut contents, mut skeletons, mut names) =
            (Writer::default(), Writer::default(), Writer::default());
        write_contents(&self.contents, &mut contents);
        write_skeletons(&self.skeletons, &mut skeletons, &mut names);
        let mut out = Writer::default();
        out.raw(&MAGIC);
        write_level(&mut out);
        let parts = [contents.into_bytes(), skeletons.into_bytes(), names.into_bytes()];
        for part in &parts {
            write_packed(&mut out, part);
        }
        let mut bytes = out.into_bytes();
        let sum = checksum(stone, &bytes);
        bytes.extend(sum);
        parts.iter().all(|part| part.len() <= SUMMARY_BYTES_MAX).then_some(bytes)
    }

    /// Reads the summary of a stone from the bytes of its file.
    pub fn read(name: &StoneName, stone: &str, file: &[u8]) -> Decode<Self> {
        let mut input = opened(stone, file)?;
        let mut part = || read_packed(&mut input, SUMMARY_BYTES_MAX);
        let (contents, skeletons, names) = (part()?, part()?, part()?);
        input.finish()?;
        let contents = read_contents(name, &mut Reader::new(&contents))?;
        let skeletons = read_skeletons(name, &mut Reader::new(&skeletons), &mut Reader::new(&names))?;
        Ok(Self { skeletons, contents })
    }

    /// Reads only where the contents lie.
    pub fn read_lying(name: &StoneName, stone: &str, file: &[u8]) -> Decode<Vec<Lying>> {
        let contents = read_packed(&mut opened(stone, file)?, SUMMARY_BYTES_MAX)?;
        read_contents(name, &mut Reader::new(&contents))
    }
}

fn checksum(stone: &str, bytes: &[u8]) -> [u8; SUM_BYTES] {
    derive("cairn 1 summary", &[stone.as_bytes(), bytes])
}

/// A summary's bytes behind its head, if they are those that were written for this stone.
fn opened<'a>(stone: &str, file: &'a [u8]) -> Decode<Reader<'a>> {
    let (bytes, sum) = file.split_at(file.len().saturating_sub(SUM_BYTES));
    Reader::new(file).require(checksum(stone, bytes) == sum, "checksum of a summary")?;
    let mut input = Reader::new(bytes);
    let at = input.clone();
    at.require(input.array()? == MAGIC, "magic of a summary")?;
    read_level(&mut input)?;
    Ok(input)
}

fn write_contents(contents: &[Lying], out: &mut Writer) {
    out.u32(contents.len() as u32);
    let mut before = 0;
    for lying in contents {
        out.count(u64::from(lying.item - before));
        out.count(lying.extent.start);
        out.u32(lying.extent.bytes);
        before = lying.item;
    }
}

fn read_contents(name: &StoneName, input: &mut Reader<'_>) -> Decode<Vec<Lying>> {
    let at = input.clone();
    let count = input.u32()? as usize;
    // Each takes six bytes at least.
    at.require(count <= at.remaining() / 6, "count of contents")?;
    let (mut contents, mut item) = (Vec::with_capacity(count), 0);
    for _ in 0..count {
        item += input.count(name.span.count())?;
        let start = input.count(u64::MAX)?;
        let at = input.clone();
        let bytes = input.u32()?;
        at.require(item < name.span.count() && bytes as usize <= ENTRY_BYTES_MAX, "place of a content")?;
        contents.push(Lying { item: item as u32, extent: Extent { start, bytes } });
    }
    input.finish()?;
    Ok(contents)
}

fn write_skeletons(skeletons: &[Skeleton], out: &mut Writer, names: &mut Writer) {
    out.u32(skeletons.len() as u32);
    let (mut before, mut stamp) = (None, Stamp::default());
    for skeleton in skeletons {
        match skeleton {
            Skeleton::Gone(gone) => {
                out.u8(GONE);
                out.u8(gone.level);
                gone.hash.write(names);
                before = None;
            }
            Skeleton::Waypoint(bones) => {
                write_bones(bones, before, stamp, out, names);
                (before, stamp) = (Some(bones.id), bones.stamp);
            }
        }
    }
}

fn write_bones(
    bones: &Bones,
    before: Option<WaypointId>,
    stamp: Stamp,
    out: &mut Writer,
    names: &mut Writer,
) {
    let follows = before.is_some_and(|before| bones.parents == [before]);
    let flag = |is: bool, flag| if is { flag } else { 0 };
    out.u8(flag(!follows, PARENTS)
        | flag(bones.continued, CONTINUED)
        | flag(bones.faded, FADED)
        | flag(bones.shelved, SHELVED));
    bones.id.write(names);
    out.u64(bones.stamp.wall_ms.wrapping_sub(stamp.wall_ms));
    out.u32(bones.stamp.counter);
    if !follows {
        out.count(bones.parents.len() as u64);
        bones.parents.iter().for_each(|parent| parent.write(names));
    }
    out.count(bones.payloads.len() as u64);
    for (kind, payload) in &bones.payloads {
        out.u16(*kind);
        out.bytes(payload);
    }
}

fn read_skeletons(name: &StoneName, input: &mut Reader<'_>, names: &mut Reader<'_>) -> Decode<Vec<Skeleton>> {
    let at = input.clone();
    let count = input.u32()? as usize;
    at.require(count <= at.remaining() / 2, "count of pieces")?;
    let (mut skeletons, mut place, mut before, mut stamp) =
        (Vec::with_capacity(count), 0, None, Stamp::default());
    for _ in 0..count {
        let skeleton = read_skeleton(name.span.start + place + 1, before, stamp, input, names)?;
        before = skeleton.waypoint().map(|bones| bones.id);
        stamp = skeleton.waypoint().map_or(stamp, |bones| bones.stamp);
        place += skeleton.count();
        at.require(place <= name.span.count(), "count of waypoints")?;
        skeletons.push(skeleton);
    }
    at.require(count == 0 || place == name.span.count(), "count of waypoints")?;
    names.finish()?;
    input.finish()?;
    Ok(skeletons)
}

/// The next skeleton; a waypoint would have the number `seq`.
fn read_skeleton(
    seq: u64,
    before: Option<WaypointId>,
    stamp: Stamp,
    input: &mut Reader<'_>,
    names: &mut Reader<'_>,
) -> Decode<Skeleton> {
    let at = input.clone();
    let flags = input.u8()?;
    at.require(flags & !KNOWN == 0, "flags of a skeleton")?;
    if flags & GONE != 0 {
        let level = input.u8()?;
        at.require(level <= STONE_LEVEL_MAX, "level of a subtree that is gone")?;
        return Ok(Skeleton::Gone(Gone { level, hash: LogHash::read(names)? }));
    }
    let id = WaypointId::read(names)?;
    let wall_ms = input.u64()?.wrapping_add(stamp.wall_ms);
    let stamp = Stamp { wall_ms, counter: input.u32()? };
    let parents = match flags & PARENTS {
        0 => before.into_iter().collect(),
        _ => {
            let count = input.count(PARENTS_COUNT_MAX as u64)?;
            (0..count).map(|_| WaypointId::read(names)).collect::<Decode<_>>()?
        }
    };
    let count = input.count(ENTRIES_COUNT_MAX as u64)?;
    let payload = |_| Ok((input.u16()?, input.bytes(ENTRY_BYTES_MAX)?.to_vec()));
    let payloads = (0..count).map(payload).collect::<Decode<_>>()?;
    let is = |flag| flags & flag != 0;
    let (continued, faded, shelved) = (is(CONTINUED), is(FADED), is(SHELVED));
    Ok(Skeleton::Waypoint(Bones { id, seq, stamp, continued, parents, faded, shelved, payloads }))
}

impl<S: Source> StoneReader<S> {
    /// Makes the summary of a packed stone; other stones have none, nor has one with waypoints of which only the name
    /// is left.
    pub fn summarize(&self) -> Result<Option<Summary>, Reject> {
        if !self.is_packed() {
            return Ok(None);
        }
        let mut summary = Summary::default();
        for part in 0..self.parts() {
            let start = self.part_start(part) - self.name().span.start;
            if !summary.add(start, &*self.opened(part)?) {
                return Ok(None);
            }
        }
        summary.weigh();
        Ok(Some(summary))
    }

    /// The contents that the waypoint at a place carries (from 0, in the feed), as `contents` of this stone's summary has
    /// them. Whoever asks knows them by their hashes.
    pub fn lying(&self, contents: &[Lying], place: u64) -> Result<Vec<Vec<u8>>, Reject> {
        let place = place.saturating_sub(self.name().span.start);
        of_item(contents, place).map(|lying| self.content_of(place, lying.extent)).collect()
    }

    /// Where the first of these begins in the file, so to speak: the contents of a stone in the order of this are read
    /// from the beginning to the end.
    pub fn begins(&self, contents: &[Lying], place: u64) -> Option<u64> {
        let place = place.saturating_sub(self.name().span.start);
        let lying = of_item(contents, place).next()?;
        Some((self.pack_at(place)? << PACK_SHIFT) + lying.extent.start)
    }
}

/// The contents of one waypoint, from 0 in the stone.
fn of_item(contents: &[Lying], place: u64) -> impl Iterator<Item = &Lying> {
    let first = contents.partition_point(|lying| u64::from(lying.item) < place);
    contents.iter().skip(first).take_while(move |lying| u64::from(lying.item) == place)
}

impl Summary {
    /// Adds a pack whose first waypoint is `start`, from 0 in the stone.
    fn add(&mut self, start: u64, opened: &Opened) -> bool {
        for (item, begins) in opened.items.iter().zip(&opened.starts) {
            let Some(piece) = item.stored.clone().into_piece() else { return false };
            self.skeletons.push(Skeleton::of(&piece));
            let extents =
                item.contents.iter().filter_map(|missing| opened.contents.get(missing.number as usize));
            let item = (start + begins) as u32;
            self.contents.extend(extents.map(|extent| Lying { item, extent: *extent }));
        }
        true
    }

    /// Leaves the skeletons out where little else is in the stone.
    fn weigh(&mut self) {
        let bones = self.skeletons.iter().filter_map(Skeleton::waypoint);
        if 2 * bones.filter(|bones| bones.shelved).count() < self.skeletons.len() {
            self.skeletons = Vec::new();
        }
    }
}
