//! From a file, or from what comes behind chunks that are here, to chunks: in bounded memory, storing only what is new.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::block::{Block, Blocks, Slice};
use crate::chunk::{self, Chunk, Sizes};
use crate::error::BlobsError;
use crate::store::Blobs;

/// Bytes that may wait between who cuts and those who hash.
const WAITING_BYTES: usize = 8 << 20;
/// Blocks that may wait between who reads and who cuts.
const BLOCKS_MAX: usize = 1;
/// Threads that hash and store, at most; the disk takes no more.
const HANDS_MAX: usize = 8;

/// A file that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Bytes of the file.
    pub bytes: u64,
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
    /// Bytes that this call added to the store; chunks that were there already cost nothing.
    pub stored_bytes: u64,
}

/// A piece of the file, with its place among the others.
type Piece = (usize, Slice);
/// What became of a piece: its chunk, and whether it was new.
type Done = BTreeMap<usize, (Chunk, bool)>;

impl Blobs {
    /// Takes a file in. When this returns, every chunk is durable.
    ///
    /// One thread reads, one cuts, the others hash and store. The caller holds the store until it has pinned the chunks.
    pub fn import(&self, path: &Path) -> Result<Imported, BlobsError> {
        let file = File::open(path).map_err(BlobsError::disk("open", path))?;
        let known = file.metadata().map_err(BlobsError::disk("look at", path))?;
        let mut first = Some(file);
        let open = || first.take().map_or_else(|| File::open(path), Ok);
        self.import_if_it_fits(open, Sizes::of_file(known.len()), known.is_file())?
            .map_err(BlobsError::disk("read", path))
    }

    /// Where there is a quota, a source that can be opened again is read twice: what does not fit leaves nothing behind.
    fn import_if_it_fits<R: Read + Send>(
        &self,
        mut open: impl FnMut() -> io::Result<R>,
        sizes: Sizes,
        opens_again: bool,
    ) -> Result<io::Result<Imported>, BlobsError> {
        if opens_again && self.quota().1.is_some() {
            let mut chunks = Vec::new();
            let listed = open().and_then(|source| {
                chunk::cut(Blocks::of(source, sizes.max), sizes, |piece| {
                    chunks.push(Chunk::of(&piece));
                    true
                })
            });
            if let Err(error) = listed {
                return Ok(Err(error));
            }
            self.check_room(&chunks)?;
        }
        match open() {
            Ok(source) => self.import_from(source, sizes),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Takes in what stands behind the chunks of a file that is here: all chunks of both together, as if they were one file. Only the last
    /// chunk is read and cut again, since borders depend on what stands before them back to the last one alone. `more` opens
    /// what comes behind them; `opens_again` says whether it does so more than once.
    pub fn extend<R: Read + Send>(
        &self,
        before: &[Chunk],
        mut more: impl FnMut() -> io::Result<R>,
        opens_again: bool,
    ) -> Result<Imported, BlobsError> {
        let sizes = Sizes::of_file(before.iter().map(|chunk| chunk.bytes).sum());
        let (last, kept) = match before.split_last() {
            Some((last, kept)) => (self.read_chunk(last)?, kept),
            None => (Vec::new(), before),
        };
        let open = || more().map(|more| Cursor::new(&last[..]).chain(more));
        let read = self.import_if_it_fits(open, sizes, opens_again)?;
        let fresh = read.map_err(|error| BlobsError::store("append", error.to_string()))?;
        let chunks: Vec<_> = kept.iter().copied().chain(fresh.chunks).collect();
        Ok(Imported {
            bytes: chunks.iter().map(|chunk| chunk.bytes).sum(),
            stored_bytes: fresh.stored_bytes,
            chunks,
        })
    }

    /// The same of any bytes; the inner error is that of the source.
    fn import_from(
        &self,
        source: impl Read + Send,
        sizes: Sizes,
    ) -> Result<io::Result<Imported>, BlobsError> {
        let (sender, receiver) = sync_channel(WAITING_BYTES / sizes.max);
        // The hands own it together: once all of them have failed it is gone, and the reader does not wait for them.
        let receiver = Arc::new(Mutex::new(receiver));
        let hands = thread::available_parallelism().map_or(1, usize::from).min(HANDS_MAX);
        let done = thread::scope(|scope| {
            let hand = |receiver: Arc<_>| scope.spawn(move || self.take_in(&receiver));
            let working: Vec<_> = std::iter::repeat_n(receiver, hands).map(hand).collect();
            let (block_sender, blocks) = sync_channel(BLOCKS_MAX);
            // It ends where nobody takes a block any more.
            scope.spawn(move || Blocks::of(source, sizes.max).try_for_each(|block| block_sender.send(block)));
            let read = cut_pieces(blocks, sizes, sender);
            let mut done = Done::new();
            for hand in working {
                let took = hand.join().map_err(|_| BlobsError::store("import", "a thread panicked"))?;
                done.extend(took?);
            }
            Ok::<_, BlobsError>(read.map(|()| done))
        })?;
        self.sync()?;
        Ok(done.map(imported))
    }

    /// Hashes and stores pieces until there are no more.
    fn take_in(&self, pieces: &Mutex<Receiver<Piece>>) -> Result<Done, BlobsError> {
        let mut done = Done::new();
        loop {
            let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((turn, piece)) = next else { return Ok(done) };
            let chunk = Chunk::of(&piece);
            done.insert(turn, (chunk, self.add(chunk, &piece)?));
        }
    }
}

fn cut_pieces(
    blocks: Receiver<io::Result<Block>>,
    sizes: Sizes,
    sender: SyncSender<Piece>,
) -> io::Result<()> {
    let mut turn = 0;
    chunk::cut(blocks, sizes, |piece| {
        turn += 1;
        // Nobody takes it where storing failed, which says so itself.
        sender.send((turn, piece)).is_ok()
    })
}

fn imported(done: Done) -> Imported {
    let chunks: Vec<Chunk> = done.values().map(|(chunk, _)| *chunk).collect();
    let new = done.values().filter(|(_, is_new)| *is_new);
    Imported {
        bytes: chunks.iter().map(|chunk| chunk.bytes).sum(),
        stored_bytes: new.map(|(chunk, _)| chunk.bytes).sum(),
        chunks,
    }
}
