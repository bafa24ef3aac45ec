//! Waypoints taken apart: what is alike lies in one stream, what no compressor can shorten in another, contents in a third place.
//!
//! Names that follow from what is there are left out: the feed and the number, the name of the waypoint before as a
//! parent, the root over the entries. The hashes of contents' entries stay, so names need no content.

use std::collections::BTreeMap;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{ContentHash, WaypointId};

use crate::entry::Entry;
use crate::feed::FeedName;
use crate::hash::{EntryHash, GrantId, LogHash};
use crate::limits::{
    ENTRIES_COUNT_MAX, ENTRY_BYTES_MAX, GRANT_HEADS_COUNT_MAX, PACK_CONTENTS_COUNT_MAX, PACK_ITEMS_MAX,
    PARENTS_COUNT_MAX, STONE_LEVEL_MAX,
};
use crate::piece::Gone;
use crate::stamp::Stamp;
use crate::stone::Stored;
use crate::stone::ops::{ColumnReaders, Columns};
use crate::waypoint::{Header, Slot, Waypoint};

/// How a waypoint begins of which only the name is here.
const FADED: u8 = 0;
/// Whether there is a body.
const BODY: u8 = 1;
/// Whether the parents are others than the waypoint before.
const PARENTS: u8 = 2;
/// How a subtree begins that is gone.
const GONE: u8 = 4;
/// How a slot begins whose content lies elsewhere; other slots begin as they do in a waypoint.
const CONTENT: u8 = 3;
/// How a slot begins whose operation was taken apart.
const OP: u8 = 4;

/// Waypoints that were taken apart.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// What repeats: headers, kinds, payloads.
    pub(super) alike: Vec<u8>,
    /// What does not: salts and hashes.
    pub(super) random: Vec<u8>,
    /// Contents, each once, those of one node side by side.
    pub(super) contents: Vec<Vec<u8>>,
}

/// A content, and what it should lie beside: the contents of the same node.
#[derive(Debug)]
struct Held {
    group: usize,
    bytes: Vec<u8>,
}

/// Takes waypoints apart, one after the other.
#[derive(Debug, Default)]
pub(super) struct Taker {
    columns: Columns,
    random: Writer,
    bytes: usize,
    items: u32,
    grants: Vec<Vec<GrantId>>,
    before: Option<WaypointId>,
    stamp: Stamp,
    contents: Vec<Held>,
    /// Which content has which hash.
    known: BTreeMap<ContentHash, usize>,
    /// Which group the contents of a node are in.
    nodes: BTreeMap<[u8; 32], usize>,
}

impl Taker {
    /// How many waypoints and subtrees that are gone were taken in.
    pub(super) fn items(&self) -> u32 {
        self.items
    }

    /// About how many bytes they come to.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in the next waypoint, or a subtree that is gone.
    pub(super) fn push(&mut self, stored: &Stored) {
        match stored {
            Stored::Faded(id) => {
                self.columns.heads.u8(FADED);
                id.write(&mut self.random);
                self.bytes += 33;
            }
            Stored::Gone(gone) => {
                self.columns.heads.u8(GONE);
                self.columns.heads.u8(gone.level);
                gone.hash.write(&mut self.random);
                self.bytes += 34;
            }
            Stored::Body(waypoint) => self.body(waypoint),
        }
        self.items += 1;
        self.before = stored.id();
    }

    fn body(&mut self, waypoint: &Waypoint) {
        let header = waypoint.header();
        let follows = self.before.is_some_and(|before| header.parents == [before]);
        self.columns.heads.u8(BODY | if follows { 0 } else { PARENTS });
        // Time goes on; where it does not, the difference wraps around.
        self.columns.heads.u64(header.stamp.wall_ms.wrapping_sub(self.stamp.wall_ms));
        self.columns.heads.u32(header.stamp.counter);
        self.stamp = header.stamp;
        self.columns.heads.u32(header.key_epoch);
        self.columns.heads.u8(header.flags);
        let grants = self.grants_number(&header.grants);
        self.columns.heads.count(grants);
        if !follows {
            self.columns.heads.count(header.parents.len() as u64);
            header.parents.iter().for_each(|parent| parent.write(&mut self.random));
        }
        self.columns.heads.count(waypoint.slots().len() as u64);
        self.bytes += 32 + 32 * header.parents.len();
        let mut open = Vec::new();
        for (slot, hash) in waypoint.hashed_slots() {
            open.extend(self.slot(slot, hash));
            if let Slot::Entry(entry) = slot
                && let Some(node) = entry.named_node()
            {
                // The content stands before the operation that names it.
                self.name(node, open.drain(..));
            }
        }
    }

    fn name(&mut self, node: [u8; 32], contents: impl Iterator<Item = usize>) {
        for at in contents {
            let group = *self.nodes.entry(node).or_insert(at);
            if let Some(held) = self.contents.get_mut(at) {
                held.group = group;
            }
        }
    }

    /// Takes in a slot; the number of its content if that is new.
    fn slot(&mut self, slot: &Slot, hash: EntryHash) -> Option<usize> {
        self.bytes += 33;
        match slot {
            Slot::Erased(_) => {
                self.columns.heads.u8(0);
                hash.write(&mut self.random);
            }
            Slot::Faded(_) => {
                self.columns.heads.u8(2);
                hash.write(&mut self.random);
            }
            Slot::Entry(entry) => {
                if let Some(content) = entry.content() {
                    return self.content(entry.salt, hash, content);
                }
                self.random.raw(&entry.salt);
                self.bytes += entry.payload.len();
                if !entry.is_op() || !self.columns.put(OP, &entry.payload) {
                    self.columns.heads.u8(1);
                    self.columns.heads.u16(entry.kind);
                    self.columns.heads.bytes(&entry.payload);
                }
            }
        }
        None
    }

    fn content(
        &mut self,
        salt: [u8; 16],
        hash: EntryHash,
        (content, bytes): (ContentHash, &[u8]),
    ) -> Option<usize> {
        self.columns.heads.u8(CONTENT);
        self.random.raw(&salt);
        hash.write(&mut self.random);
        let next = self.contents.len();
        let number = *self.known.entry(content).or_insert(next);
        // Most are new: so the distance to the next number is 0.
        self.columns.heads.count((next - number) as u64);
        (number == next).then(|| {
            self.bytes += bytes.len() + 16;
            self.contents.push(Held { group: number, bytes: bytes.to_vec() });
            number
        })
    }

    fn grants_number(&mut self, grants: &[GrantId]) -> u64 {
        let known = self.grants.iter().position(|known| known == grants);
        let number = known.unwrap_or_else(|| {
            self.grants.push(grants.to_vec());
            self.grants.len() - 1
        });
        number as u64
    }

    /// The streams; in front of what is alike, the heads of grants that headers name by number, and the contents as they lie.
    pub(super) fn finish(self) -> Streams {
        let Columns { heads, cuts, texts } = self.columns;
        let (mut alike, cuts, texts) = (Writer::default(), cuts.into_bytes(), texts.into_bytes());
        alike.u32(cuts.len() as u32);
        alike.u32(texts.len() as u32);
        alike.count(self.grants.len() as u64);
        self.grants.iter().for_each(|grants| alike.list(grants));
        let mut contents: Vec<(usize, Held)> = self.contents.into_iter().enumerate().collect();
        contents.sort_by_key(|(_, held)| held.group);
        alike.count(contents.len() as u64);
        for (number, held) in &contents {
            alike.u32(*number as u32);
            alike.u32(held.bytes.len() as u32);
        }
        [heads.into_bytes(), cuts, texts].iter().for_each(|column| alike.raw(column));
        let contents = contents.into_iter().map(|(_, held)| held.bytes).collect();
        Streams { alike: alike.into_bytes(), random: self.random.into_bytes(), contents }
    }
}

/// One waypoint put together again, but for its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lean {
    /// The waypoint; in the place of each content, its hash as if it were erased.
    pub(super) stored: Stored,
    /// The contents, in order.
    pub(super) contents: Vec<Missing>,
}

/// A content that lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    /// Which slot it belongs in.
    slot: usize,
    salt: [u8; 16],
    /// Which content.
    pub(super) number: u32,
}

impl Lean {
    /// The waypoint with its contents; `None` where they are not its own.
    pub(super) fn filled<E>(
        &self,
        mut content: impl FnMut(u32) -> Result<Vec<u8>, E>,
    ) -> Result<Option<Stored>, E> {
        let waypoint = match &self.stored {
            Stored::Body(waypoint) if !self.contents.is_empty() => waypoint,
            whole => return Ok(Some(whole.clone())),
        };
        let mut slots = waypoint.slots().to_vec();
        for Missing { slot, salt, number } in &self.contents {
            let payload = content(*number)?;
            let Some(slot) = slots.get_mut(*slot) else { return Ok(None) };
            let entry = Entry { kind: Entry::CONTENT, salt: *salt, payload };
            if slot.hash() != entry.hash() {
                return Ok(None);
            }
            *slot = Slot::Entry(entry);
        }
        Ok(Some(Stored::Body(waypoint.with_slots(slots))))
    }
}

/// Where a content lies among the contents of its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) bytes: u32,
}

/// Puts waypoints together again, one after the other.
#[derive(Debug)]
pub(super) struct Giver<'a> {
    columns: ColumnReaders<'a>,
    random: Reader<'a>,
    feed: FeedName,
    /// How many waypoints of the feed lie before the next one.
    next: u64,
    before: Option<WaypointId>,
    stamp: Stamp,
    grants: Vec<Vec<GrantId>>,
    /// Where each content lies.
    pub(super) contents: Vec<Extent>,
    /// How many contents were named.
    named: u32,
}

impl<'a> Giver<'a> {
    /// Begins at the place `start` of a feed.
    pub(super) fn new(feed: FeedName, start: u64, alike: &'a [u8], random: &'a [u8]) -> Decode<Self> {
        let mut columns = read_columns(alike)?;
        let (alike, random) = (&mut columns.heads, Reader::new(random));
        let count = alike.count(u64::from(PACK_ITEMS_MAX))?;
        let grants = (0..count).map(|_| alike.list(GRANT_HEADS_COUNT_MAX)).collect::<Decode<_>>()?;
        let contents = read_contents(alike)?;
        let (before, stamp) = (None, Stamp::default());
        Ok(Self { columns, random, feed, next: start, before, stamp, grants, contents, named: 0 })
    }

    /// The next waypoint.
    pub(super) fn give(&mut self) -> Decode<Lean> {
        let at = self.columns.heads.clone();
        let lean = match self.columns.heads.u8()? {
            FADED => {
                Lean { stored: Stored::Faded(WaypointId::read(&mut self.random)?), contents: Vec::new() }
            }
            GONE => {
                let level = self.columns.heads.u8()?;
                at.require(level <= STONE_LEVEL_MAX, "level of a subtree that is gone")?;
                let gone = Gone { level, hash: LogHash::read(&mut self.random)? };
                Lean { stored: Stored::Gone(gone), contents: Vec::new() }
            }
            tag if tag & !PARENTS == BODY => self.body(tag & PARENTS != 0)?,
            tag => return Err(at.error(Problem::UnknownTag(tag.into()))),
        };
        self.before = lean.stored.id();
        self.next = self.next.saturating_add(lean.stored.count());
        Ok(lean)
    }

    fn body(&mut self, has_parents: bool) -> Decode<Lean> {
        let wall_ms = self.columns.heads.u64()?.wrapping_add(self.stamp.wall_ms);
        self.stamp = Stamp { wall_ms, counter: self.columns.heads.u32()? };
        let (key_epoch, flags) = (self.columns.heads.u32()?, self.columns.heads.u8()?);
        let at = self.columns.heads.clone();
        let grants = self.grants.get(self.columns.heads.count(u64::from(PACK_ITEMS_MAX))? as usize).cloned();
        let grants = grants.ok_or_else(|| at.error(Problem::Invalid("number of grants")))?;
        let parents = match has_parents {
            true => {
                let count = self.columns.heads.count(PARENTS_COUNT_MAX as u64)?;
                (0..count).map(|_| WaypointId::read(&mut self.random)).collect::<Decode<_>>()?
            }
            false => self.before.into_iter().collect(),
        };
        let entry_count = self.columns.heads.count(ENTRIES_COUNT_MAX as u64)? as u32;
        let (mut slots, mut contents) = (Vec::new(), Vec::new());
        for _ in 0..entry_count {
            let (slot, missing) = self.slot(slots.len())?;
            slots.push(slot);
            contents.extend(missing);
        }
        let (feed, seq, stamp) = (self.feed, self.next + 1, self.stamp);
        let waypoint = Waypoint::from_parts(slots, |entries| Header {
            feed,
            seq,
            stamp,
            key_epoch,
            flags,
            parents,
            grants,
            entries,
            entry_count,
        });
        let waypoint = waypoint.map_err(|error| self.columns.heads.error(error.problem))?;
        Ok(Lean { stored: Stored::Body(waypoint), contents })
    }

    fn slot(&mut self, slot: usize) -> Decode<(Slot, Option<Missing>)> {
        let at = self.columns.heads.clone();
        let slot = match self.columns.heads.u8()? {
            0 => Slot::Erased(EntryHash::read(&mut self.random)?),
            1 => {
                let (kind, payload) =
                    (self.columns.heads.u16()?, self.columns.heads.bytes(ENTRY_BYTES_MAX)?.to_vec());
                at.require(kind != Entry::CONTENT, "content among what is alike")?;
                Slot::Entry(Entry { kind, salt: self.random.array()?, payload })
            }
            2 => Slot::Faded(EntryHash::read(&mut self.random)?),
            OP => {
                let payload = self.columns.give()?;
                at.require(payload.len() <= ENTRY_BYTES_MAX, "size of an operation")?;
                Slot::Entry(Entry { kind: Entry::OP, salt: self.random.array()?, payload })
            }
            CONTENT => {
                let (salt, hash) = (self.random.array()?, EntryHash::read(&mut self.random)?);
                let missing = Missing { slot, salt, number: self.number()? };
                return Ok((Slot::Erased(hash), Some(missing)));
            }
            tag => return Err(at.error(Problem::UnknownTag(tag.into()))),
        };
        Ok((slot, None))
    }

    /// The number of a content: the next one, or one that was named before.
    fn number(&mut self) -> Decode<u32> {
        let at = self.columns.heads.clone();
        let back = self.columns.heads.count(u64::from(self.named))? as u32;
        let number = self.named - back;
        self.named += u32::from(back == 0);
        at.require((number as usize) < self.contents.len(), "number of a content")?;
        Ok(number)
    }

    /// Both streams, and the contents, must be used up.
    pub(super) fn finish(self) -> Decode<Vec<Extent>> {
        self.columns.heads.require(self.named as usize == self.contents.len(), "count of contents")?;
        self.columns.finish()?;
        self.random.finish()?;
        Ok(self.contents)
    }
}

/// What is alike as columns: the sizes of the last two stand in front.
fn read_columns(alike: &[u8]) -> Decode<ColumnReaders<'_>> {
    let mut heads = Reader::new(alike);
    let (cuts, texts) = (heads.u32()? as usize, heads.u32()? as usize);
    let at = heads.clone();
    let bytes = heads.remaining().checked_sub(cuts).and_then(|bytes| bytes.checked_sub(texts));
    let bytes = bytes.ok_or_else(|| at.error(Problem::Truncated))?;
    let (first, second, third) = (heads.raw(bytes)?, heads.raw(cuts)?, heads.raw(texts)?);
    Ok(ColumnReaders { heads: Reader::new(first), cuts: Reader::new(second), texts: Reader::new(third) })
}

/// Where each content lies, by its number.
fn read_contents(alike: &mut Reader<'_>) -> Decode<Vec<Extent>> {
    let at = alike.clone();
    let count = alike.count(u64::from(PACK_CONTENTS_COUNT_MAX))? as usize;
    at.require(count <= at.remaining() / 8, "count of contents")?;
    let mut extents: Vec<Option<Extent>> = vec![None; count];
    let mut start = 0;
    for _ in 0..count {
        let (number, bytes) = (alike.u32()?, alike.u32()?);
        at.require(bytes as usize <= ENTRY_BYTES_MAX, "size of a content")?;
        let extent = extents.get_mut(number as usize).filter(|extent| extent.is_none());
        let extent = extent.ok_or_else(|| at.error(Problem::Invalid("number of a content")))?;
        *extent = Some(Extent { start, bytes });
        start += u64::from(bytes);
    }
    // There are as many numbers as places, and none came twice.
    Ok(extents.into_iter().flatten().collect())
}
