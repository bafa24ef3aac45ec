//! Packs that are open: the streams are put together again as a whole and must come to the names that the index has,
//! contents are read a block at a time.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Reject;
use crate::limits::PACK_BYTES_MAX;
use crate::piece::Gone;
use crate::stone::pack::{Pack, PackIndex, add_node};
use crate::stone::streams::{Extent, Giver, Lean};
use crate::stone::{Source, StoneReader, Stored, damage};

/// The packs of a stone, and what was unpacked of them last.
#[derive(Debug, Default)]
pub(super) struct Packs {
    pub(super) index: PackIndex,
    /// The first waypoint of each pack, from 0 in the stone, and its first block.
    begins: Vec<(u64, u32)>,
    kept: Mutex<Kept>,
}

/// One pack, and the contents that were read from it lately; the oldest go first.
#[derive(Debug, Default)]
struct Kept {
    pack: Option<(u32, Arc<Opened>)>,
    blocks: VecDeque<(u32, Arc<Vec<u8>>)>,
    bytes: usize,
}

/// A pack that was put together again, but for its contents.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) items: Vec<Lean>,
    /// The first waypoint of each, from 0 in the pack.
    pub(super) starts: Vec<u64>,
    pub(super) contents: Vec<Extent>,
    /// What its streams come to, in bytes.
    bytes: usize,
}

impl Packs {
    pub(super) fn new(index: PackIndex) -> Self {
        let (mut place, mut block, mut begins) = (0, 0, Vec::new());
        for pack in &index.packs {
            begins.push((place, block));
            place += u64::from(pack.count);
            block += pack.blocks();
        }
        Self { index, begins, kept: Mutex::default() }
    }

    /// The pack that has a waypoint, from 0 in the stone.
    fn at(&self, place: u64) -> Option<u32> {
        self.begins.partition_point(|(start, _)| *start <= place).checked_sub(1).map(|at| at as u32)
    }

    pub(super) fn get(&self, number: u32) -> Option<&Pack> {
        self.index.packs.get(number as usize)
    }

    /// The first waypoint of a pack, from 0 in the stone.
    pub(super) fn start(&self, number: u32) -> u64 {
        self.begins.get(number as usize).map_or(0, |(start, _)| *start)
    }

    /// The blocks of a pack.
    pub(super) fn blocks(&self, number: u32) -> Range<u32> {
        let start = self.begins.get(number as usize).map_or(0, |(_, block)| *block);
        start..start + self.get(number).map_or(0, Pack::blocks)
    }

    // What it guards is put in or taken out in one step, so a panic elsewhere leaves it whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    pub(super) fn opened(&self, number: u32) -> Option<Arc<Opened>> {
        self.pack.as_ref().filter(|(known, _)| *known == number).map(|(_, opened)| opened.clone())
    }

    fn open(&mut self, number: u32, opened: Arc<Opened>) {
        *self = Self { bytes: opened.bytes, pack: Some((number, opened)), blocks: VecDeque::new() };
    }

    fn block(&self, number: u32) -> Option<Arc<Vec<u8>>> {
        self.blocks.iter().find(|(known, _)| *known == number).map(|(_, raw)| raw.clone())
    }

    fn keep(&mut self, number: u32, raw: Arc<Vec<u8>>) {
        self.bytes += raw.len();
        self.blocks.push_back((number, raw));
        while self.bytes > PACK_BYTES_MAX {
            let Some((_, oldest)) = self.blocks.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }
}

impl<S: Source> StoneReader<S> {
    /// How many bytes of what was unpacked are in memory.
    pub fn kept_bytes(&self) -> usize {
        self.packs.kept().bytes
    }

    /// Lets go of what was unpacked.
    pub fn forget(&self) {
        *self.packs.kept() = Kept::default();
    }

    pub(super) fn opened(&self, number: u32) -> Result<Arc<Opened>, Reject> {
        if let Some(opened) = self.packs.kept().opened(number) {
            return Ok(opened);
        }
        let opened = Arc::new(self.open_pack(number)?);
        self.packs.kept().open(number, opened.clone());
        Ok(opened)
    }

    /// Reads the streams of a pack, and proves the names of its waypoints.
    fn open_pack(&self, number: u32) -> Result<Opened, Reject> {
        let first = self.packs.blocks(number).start;
        let wrong = |what| Reject::Stone { offset: self.offset(first), what };
        let pack = self.packs.get(number).ok_or(wrong("number of a pack"))?;
        let stream = |blocks: Range<u32>| -> Result<Vec<u8>, Reject> {
            let mut stream = Vec::new();
            for block in blocks {
                stream.extend(self.block(block)?);
            }
            Ok(stream)
        };
        let alike = stream(first..first + pack.alike)?;
        let random = stream(first + pack.alike..first + pack.alike + pack.random)?;
        let start = self.packs.start(number);
        let (blocks, streams) = (self.packs.blocks(number), (first + pack.alike + pack.random) as usize);
        let contents = self.blocks().get(streams..blocks.end as usize).unwrap_or_default();
        let contents = contents.iter().map(|block| u64::from(block.raw_bytes)).sum();
        let opened = self.put_together(pack, start, [&alike, &random], contents);
        let opened = opened.map_err(|error| damage(self.offset(first), error))?;
        opened.ok_or(wrong("names or sizes of a pack"))
    }

    /// `None` where the names are not those that the index has.
    fn put_together(
        &self,
        pack: &Pack,
        start: u64,
        [alike, random]: [&[u8]; 2],
        contents_bytes: u64,
    ) -> Result<Option<Opened>, Reject> {
        let name = self.name();
        let mut giver = Giver::new(name.feed, name.span.start + start, alike, random)?;
        let (mut items, mut starts, mut nodes, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..pack.items {
            let lean = giver.give()?;
            let (level, hash) = lean.stored.node();
            starts.push(count);
            count += lean.stored.count();
            add_node(&mut nodes, Gone { level, hash }, start + count);
            items.push(lean);
        }
        let contents = giver.finish()?;
        let lying: u64 = contents.iter().map(|extent| u64::from(extent.bytes)).sum();
        let opened = Opened { items, starts, contents, bytes: 2 * (alike.len() + random.len()) };
        // No byte of a block is out of sight.
        let fits = nodes == pack.nodes && count == u64::from(pack.count) && lying == contents_bytes;
        Ok(fits.then_some(opened))
    }

    /// A content of a pack.
    fn content(&self, number: u32, extent: Extent) -> Result<Vec<u8>, Reject> {
        let (blocks, wrong) = (self.packs.blocks(number), self.offset(self.packs.blocks(number).start));
        let wrong = Reject::Stone { offset: wrong, what: "place of a content" };
        if extent.bytes == 0 {
            return Ok(Vec::new());
        }
        let streams = self.packs.get(number).map_or(0, |pack| pack.alike + pack.random);
        let mut start = extent.start;
        for block in blocks.start + streams..blocks.end {
            let raw_bytes = u64::from(self.blocks().get(block as usize).map_or(0, |block| block.raw_bytes));
            if start < raw_bytes {
                let raw = self.kept_block(block)?;
                let range = start as usize..start as usize + extent.bytes as usize;
                return raw.get(range).map(<[u8]>::to_vec).ok_or(wrong);
            }
            start -= raw_bytes;
        }
        Err(wrong)
    }

    /// The number of the pack that has a waypoint, from 0 in the stone.
    pub(super) fn pack_at(&self, place: u64) -> Option<u64> {
        self.packs.at(place).map(u64::from)
    }

    /// A content of the pack that has a waypoint, from 0 in the stone.
    pub(super) fn content_of(&self, place: u64, extent: Extent) -> Result<Vec<u8>, Reject> {
        let number = self.packs.at(place).ok_or(Reject::Misuse("a place outside of the stone"))?;
        self.content(number, extent)
    }

    fn kept_block(&self, block: u32) -> Result<Arc<Vec<u8>>, Reject> {
        let known = self.packs.kept().block(block);
        if let Some(raw) = known {
            return Ok(raw);
        }
        let raw = Arc::new(self.block(block)?);
        self.packs.kept().keep(block, raw.clone());
        Ok(raw)
    }

    fn filled(&self, number: u32, opened: &Opened, item: usize) -> Result<Stored, Reject> {
        let first = self.packs.blocks(number).start;
        let wrong = |what| Reject::Stone { offset: self.offset(first), what };
        let lean = opened.items.get(item).ok_or(wrong("number of a waypoint"))?;
        let content = |at: u32| {
            let extent = opened.contents.get(at as usize).ok_or(wrong("number of a content"))?;
            self.content(number, *extent)
        };
        lean.filled(content)?.ok_or(wrong("a content that does not belong here"))
    }

    /// The waypoint at a place, from 0 in the stone.
    pub(super) fn read_packed(&self, place: u64, lean: bool) -> Result<Stored, Reject> {
        let number = self.packs.at(place).ok_or(Reject::Misuse("a place outside of the stone"))?;
        let opened = self.opened(number)?;
        let item = opened.item(place - self.packs.start(number));
        match opened.items.get(item).filter(|_| lean) {
            Some(lean) => Ok(lean.stored.clone()),
            None => self.filled(number, &opened, item),
        }
    }

    /// The waypoints of a pack from a place on, from 0 in the stone, in order.
    pub(super) fn read_pack(
        &self,
        number: u32,
        first: u64,
        lean: bool,
    ) -> impl Iterator<Item = Result<Stored, Reject>> + '_ {
        let (opened, failed) = match self.opened(number) {
            Ok(opened) => (Some(opened), None),
            Err(reject) => (None, Some(Err(reject))),
        };
        let begun = first.saturating_sub(self.packs.start(number));
        let items = opened.as_ref().map_or(0..0, |opened| opened.item(begun)..opened.items.len());
        let read = items.filter_map(move |item| {
            let opened = opened.as_ref()?;
            Some(match lean {
                true => Ok(opened.items.get(item)?.stored.clone()),
                false => self.filled(number, opened, item),
            })
        });
        failed.into_iter().chain(read)
    }

    /// The same of all packs.
    pub(super) fn read_packs(
        &self,
        first: u64,
        lean: bool,
    ) -> impl Iterator<Item = Result<Stored, Reject>> + '_ {
        let packs = self.packs.at(first).unwrap_or(0)..self.packs.index.packs.len() as u32;
        packs.flat_map(move |number| self.read_pack(number, first, lean))
    }
}

impl Opened {
    /// The item that has a waypoint of the pack, from 0.
    fn item(&self, place: u64) -> usize {
        self.starts.partition_point(|start| *start <= place).saturating_sub(1)
    }
}
