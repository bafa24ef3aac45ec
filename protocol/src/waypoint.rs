//! Waypoints: one write transaction each, a header that is hashed and entries that the header commits to.
//!
//! The header names entries only by the root over their salted hashes. So an entry can be erased, its
//! hash staying in its place, and everything above it still verifies. Names, mail addresses and messages
//! are entries, never part of the header.

use std::collections::BTreeSet;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{ContentHash, WaypointId, derive};
use cairn_crdt::op::Op;

use crate::entry::{Entry, Payload};
use crate::error::Reject;
use crate::feed::FeedName;
use crate::hash::{EntryHash, GrantId, LogHash};
use crate::limits::{ENTRIES_COUNT_MAX, FEED_LEVEL_MAX, PARENTS_COUNT_MAX, WAYPOINT_BYTES_MAX};
use crate::merkle::tree_root;
use crate::signed::{read_level, write_level};
use crate::stamp::Stamp;
use crate::top::read_heads;

/// The flag of a waypoint whose write goes on in the next one: not a head.
pub const CONTINUED: u8 = 1;

/// What a waypoint's id is the hash of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The feed.
    pub feed: FeedName,
    /// The number in the feed, from 1.
    pub seq: u64,
    /// When it was written.
    pub stamp: Stamp,
    /// The key under which payloads are sealed; 0 is plain.
    pub key_epoch: u32,
    /// See [`CONTINUED`].
    pub flags: u8,
    /// The version it stands on; in order, each once.
    pub parents: Vec<WaypointId>,
    /// The heads of the grants that the author had seen; in order.
    pub grants: Vec<GrantId>,
    /// The root over the hashes of the entries.
    pub entries: LogHash,
    /// How many entries.
    pub entry_count: u32,
}

/// What the author of a waypoint chooses, beside its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The feed.
    pub feed: FeedName,
    /// The number in the feed, from 1.
    pub seq: u64,
    /// When it was written.
    pub stamp: Stamp,
    /// Whether the write goes on in the next waypoint.
    pub continued: bool,
    /// The version it stands on; in any order.
    pub parents: Vec<WaypointId>,
    /// The heads of the grants that the author had seen; in any order.
    pub grants: Vec<GrantId>,
}

/// One entry of a waypoint, or the place where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The entry.
    Entry(Entry),
    /// Its hash; payload and salt are gone.
    Erased(EntryHash),
    /// Its hash; payload and salt were forgotten below an epoch, and some archive may have them.
    Faded(EntryHash),
}

/// One write transaction; always agrees with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waypoint {
    id: WaypointId,
    header: Header,
    slots: Vec<Slot>,
    /// The hash of each slot: contents are large, and are hashed no more often than need be.
    hashes: Vec<EntryHash>,
}

impl Header {
    /// The waypoint's name.
    pub fn id(&self) -> WaypointId {
        WaypointId(derive("cairn 1 waypoint", &[&self.to_bytes()]))
    }

    /// Whether the write goes on in the next waypoint.
    pub fn is_continued(&self) -> bool {
        self.flags & CONTINUED != 0
    }
}

impl Slot {
    /// The entry's hash, which stays when the entry goes.
    pub fn hash(&self) -> EntryHash {
        match self {
            Slot::Entry(entry) => entry.hash(),
            Slot::Erased(hash) | Slot::Faded(hash) => *hash,
        }
    }
}

impl Waypoint {
    /// Writes a waypoint.
    pub fn new(labels: Labels, entries: Vec<Entry>) -> Result<Self, Reject> {
        let slots: Vec<Slot> = entries.into_iter().map(Slot::Entry).collect();
        let (mut parents, mut grants) = (labels.parents, labels.grants);
        parents.sort();
        parents.dedup();
        grants.sort();
        grants.dedup();
        let hashes = hashes_of(&slots);
        let header = Header {
            feed: labels.feed,
            seq: labels.seq,
            stamp: labels.stamp,
            key_epoch: 0,
            flags: if labels.continued { CONTINUED } else { 0 },
            parents,
            grants,
            entries: root_over(&hashes),
            entry_count: slots.len() as u32,
        };
        let waypoint = Self { id: header.id(), header, slots, hashes };
        waypoint.check_limits()?;
        Ok(waypoint)
    }

    /// The waypoint's name.
    pub fn id(&self) -> WaypointId {
        self.id
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The entries, or where they were.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Each entry with its hash, where it is here.
    pub(crate) fn hashed_slots(&self) -> impl Iterator<Item = (&Slot, EntryHash)> {
        self.slots.iter().zip(self.hashes.iter().copied())
    }

    /// The entries that are here.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Entry(entry) => Some(entry),
            Slot::Erased(_) | Slot::Faded(_) => None,
        })
    }

    /// Whether no entry was erased.
    pub fn is_whole(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot, Slot::Entry(_)))
    }

    /// Whether entries have faded.
    pub fn is_faded(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Faded(_)))
    }

    /// Whether entries were erased, or left out.
    pub fn is_erased(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Erased(_)))
    }

    /// The same waypoint without its operations, and without the contents that are not among `kept`. Who wrote it, when,
    /// on what and why stays.
    pub fn faded(&self, kept: &BTreeSet<ContentHash>) -> Self {
        let fades = |entry: &Entry| match entry.content() {
            Some((content, _)) => !kept.contains(&content),
            None => entry.is_op(),
        };
        let slots = self.hashed_slots().map(|(slot, hash)| match slot {
            Slot::Entry(entry) if fades(entry) => Slot::Faded(hash),
            slot => slot.clone(),
        });
        self.with_slots(slots.collect())
    }

    /// What the entries say that are here; refuses a required kind that this program does not know.
    pub fn payloads(&self) -> Result<Vec<Payload>, Reject> {
        self.entries().map(Entry::payload).collect()
    }

    /// The operations that are here, in order.
    pub fn ops(&self) -> Result<Vec<Op>, Reject> {
        let ops = self.entries().filter(|entry| entry.is_op());
        Ok(ops.map(|entry| Op::from_bytes(&entry.payload)).collect::<Decode<Vec<Op>>>()?)
    }

    /// Refuses entries that this program must understand and does not. Sealed entries are not looked into.
    pub fn check_payloads(&self) -> Result<(), Reject> {
        if self.header.key_epoch != 0 {
            return Ok(());
        }
        self.entries().try_for_each(Entry::check)
    }

    /// The same waypoint without the entries that `erase` picks.
    pub fn without(&self, mut erase: impl FnMut(usize, &Entry) -> bool) -> Self {
        let slots = self.hashed_slots().enumerate().map(|(index, (slot, hash))| match slot {
            Slot::Entry(entry) if erase(index, entry) => Slot::Erased(hash),
            slot => slot.clone(),
        });
        self.with_slots(slots.collect())
    }

    /// A waypoint whose parts were kept apart; `header` makes the header of the root over the slots. Refuses what no header
    /// says.
    pub(crate) fn from_parts(slots: Vec<Slot>, header: impl FnOnce(LogHash) -> Header) -> Decode<Self> {
        let hashes = hashes_of(&slots);
        let header = header(root_over(&hashes));
        let bytes = header.to_bytes();
        Header::from_bytes(&bytes)?;
        Ok(Self { id: WaypointId(derive("cairn 1 waypoint", &[&bytes])), header, slots, hashes })
    }

    /// The same waypoint with other slots, of the same hashes.
    pub(crate) fn with_slots(&self, slots: Vec<Slot>) -> Self {
        Self { id: self.id, header: self.header.clone(), slots, hashes: self.hashes.clone() }
    }

    /// What the author must not exceed, because every reader refuses it.
    fn check_limits(&self) -> Result<(), Reject> {
        let bytes = self.to_bytes();
        check("bytes of a waypoint", bytes.len(), WAYPOINT_BYTES_MAX)?;
        let mut input = Reader::new(&bytes);
        read_parts(&mut input)?;
        Ok(input.finish()?)
    }
}

fn check(what: &'static str, found: usize, limit: usize) -> Result<(), Reject> {
    if found <= limit {
        return Ok(());
    }
    Err(Reject::TooLarge { what, found: found as u64, limit: limit as u64 })
}

fn hashes_of(slots: &[Slot]) -> Vec<EntryHash> {
    slots.iter().map(Slot::hash).collect()
}

/// The root over the hashes of the entries.
fn root_over(hashes: &[EntryHash]) -> LogHash {
    tree_root(hashes.iter().map(|hash| LogHash(hash.0)))
}

/// A header and its slots, which nobody has compared yet.
fn read_parts(input: &mut Reader<'_>) -> Decode<(Header, Vec<Slot>)> {
    let at = input.clone();
    let header = Header::read(input)?;
    let mut slots = Vec::new();
    for _ in 0..header.entry_count {
        slots.push(Slot::read(input)?);
    }
    let bytes = at.remaining() - input.remaining();
    at.require(bytes <= WAYPOINT_BYTES_MAX, "size of a waypoint")?;
    Ok((header, slots))
}

impl Encoded for Header {
    fn write(&self, out: &mut Writer) {
        write_level(out);
        self.feed.write(out);
        out.u64(self.seq);
        self.stamp.write(out);
        out.u32(self.key_epoch);
        out.u8(self.flags);
        out.list(&self.parents);
        out.list(&self.grants);
        self.entries.write(out);
        out.u32(self.entry_count);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        read_level(input)?;
        let feed = FeedName::read(input)?;
        let at = input.clone();
        let seq = input.u64()?;
        at.require(seq > 0 && seq <= 1 << FEED_LEVEL_MAX, "number in a feed")?;
        let (stamp, key_epoch) = (Stamp::read(input)?, input.u32()?);
        let at = input.clone();
        let flags = input.u8()?;
        at.require(flags & !CONTINUED == 0, "flags")?;
        let at = input.clone();
        let parents: Vec<WaypointId> = input.list(PARENTS_COUNT_MAX)?;
        at.require(parents.is_sorted_by(|a, b| a < b), "order of parents")?;
        let (grants, entries) = (read_heads(input)?, LogHash::read(input)?);
        let at = input.clone();
        let entry_count = input.u32()?;
        at.require(entry_count as usize <= ENTRIES_COUNT_MAX, "count of entries")?;
        Ok(Self { feed, seq, stamp, key_epoch, flags, parents, grants, entries, entry_count })
    }
}

impl Encoded for Slot {
    fn write(&self, out: &mut Writer) {
        match self {
            Slot::Entry(entry) => {
                out.u8(1);
                entry.write(out);
            }
            Slot::Erased(hash) => {
                out.u8(0);
                hash.write(out);
            }
            Slot::Faded(hash) => {
                out.u8(2);
                hash.write(out);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        match input.u8()? {
            0 => Ok(Slot::Erased(EntryHash::read(input)?)),
            1 => Ok(Slot::Entry(Entry::read(input)?)),
            2 => Ok(Slot::Faded(EntryHash::read(input)?)),
            tag => Err(at.error(Problem::UnknownTag(tag.into()))),
        }
    }
}

impl Encoded for Waypoint {
    fn write(&self, out: &mut Writer) {
        self.header.write(out);
        for slot in &self.slots {
            slot.write(out);
        }
    }

    /// Reads a waypoint and checks its entries against the header.
    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let (header, slots) = read_parts(input)?;
        let hashes = hashes_of(&slots);
        at.require(root_over(&hashes) == header.entries, "entries under a header")?;
        Ok(Self { id: header.id(), header, slots, hashes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{feed, labels, waypoint};

    #[test]
    fn what_no_reader_would_take_is_not_written() {
        let entry = |bytes: usize| Entry { kind: 2, salt: [0; 16], payload: vec![0; bytes] };
        let labels = |seq| labels(feed(1, "p", 1), seq);
        assert!(Waypoint::new(labels(1), vec![entry(crate::limits::ENTRY_BYTES_MAX)]).is_ok());
        assert!(Waypoint::new(labels(1), vec![entry(crate::limits::ENTRY_BYTES_MAX + 1)]).is_err());
        assert!(Waypoint::new(labels(1), vec![entry(WAYPOINT_BYTES_MAX / 2); 2]).is_err());
        assert!(Waypoint::new(labels(0), Vec::new()).is_err());
        let parents: Vec<_> = (0..=PARENTS_COUNT_MAX).map(|n| WaypointId([n as u8; 32])).collect();
        let many = |count: usize| Labels { parents: parents[..count].to_vec(), ..labels(1) };
        assert!(Waypoint::new(many(PARENTS_COUNT_MAX), Vec::new()).is_ok());
        assert!(Waypoint::new(many(PARENTS_COUNT_MAX + 1), Vec::new()).is_err());
    }

    #[test]
    fn entries_that_the_header_does_not_commit_to_are_refused() {
        let feed = feed(1, "p", 1);
        let (one, two) = (waypoint(feed, 1, b"one"), waypoint(feed, 1, b"two"));
        let mut out = Writer::default();
        one.header().write(&mut out);
        two.slots().iter().for_each(|slot| slot.write(&mut out));
        let problem = Waypoint::from_bytes(&out.into_bytes()).unwrap_err().problem;
        assert_eq!(problem, Problem::Invalid("entries under a header"));
    }

    #[test]
    fn equal_payloads_under_different_salts_have_different_hashes() {
        let entry = |salt| Entry::new([salt; 16], &Payload::Message("guess me".into()));
        assert_ne!(entry(1).hash(), entry(2).hash());
    }
}
