//! The handle on one store: chunks in packs, found by their hash.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use crate::chunk::{CHUNK_BYTES_MAX, Chunk};
use crate::durable::sync_folder;
use crate::error::BlobsError;
use crate::pack::{self, HEAD_BYTES, MAGIC_BYTES, Pack, Spot};
use crate::quota::Quota;

/// Packs that may be on their way to the disk while the next one is written.
const SEALING_COUNT_MAX: usize = 2;

/// A content-addressed store of chunks. Clones share one store; it has one process at a time.
#[derive(Clone, Debug)]
pub struct Blobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    packs: PathBuf,
    index: Mutex<HashMap<[u8; 32], Spot>>,
    /// Chunks that were found damaged when the store was opened, and are not here otherwise.
    damaged: BTreeSet<[u8; 32]>,
    writer: Mutex<Writer>,
    sealing: Mutex<Sealing>,
    /// Read by whoever stores what nothing keeps yet, written by who takes away what nothing keeps.
    using: RwLock<()>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) pack: Option<Pack>,
    next: u32,
    pub(crate) quota: Quota,
}

/// Packs on their way to the disk. After an fsync has failed, nobody knows what is there: so nothing is acknowledged
/// any more until the store is opened again.
#[derive(Debug, Default)]
struct Sealing {
    running: Vec<JoinHandle<Result<(), BlobsError>>>,
    failed: bool,
}

/// While it is held, nothing is taken away.
#[derive(Debug)]
pub struct Hold<'a>(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'a, ()>);

impl Blobs {
    /// Opens the store in `folder`, and creates it where there is none.
    pub fn open(folder: &Path) -> Result<Self, BlobsError> {
        let packs = folder.join("packs");
        for dir in [&packs, &folder.join("pins"), &folder.join("parts")] {
            std::fs::create_dir_all(dir).map_err(BlobsError::disk("create", dir))?;
        }
        sync_folder(folder)?;
        let (mut index, mut damaged) = (HashMap::new(), BTreeSet::new());
        let mut writer = Writer { pack: None, next: 1, quota: Quota::default() };
        for number in pack::numbers(&packs)? {
            writer.next = number + 1;
            if let Some(listed) = pack::read_list(&packs, number)? {
                index.extend(listed);
                continue;
            }
            let pack = Pack::resume(&packs, number)?;
            index.extend(pack.listed().iter().copied());
            damaged.extend(pack.damaged());
            // Only the last one is gone on with.
            if let Some(before) = writer.pack.replace(pack) {
                before.seal()?;
            }
        }
        let blobs = Self(Arc::new(Inner {
            folder: folder.to_owned(),
            packs,
            index: Mutex::new(index),
            damaged,
            writer: Mutex::new(writer),
            sealing: Mutex::default(),
            using: RwLock::new(()),
        }));
        blobs.count_used()?;
        Ok(blobs)
    }

    /// Makes all durable that was written.
    pub fn close(self) -> Result<(), BlobsError> {
        self.sync()
    }

    /// Whether a chunk is here.
    pub fn has(&self, hash: &[u8; 32]) -> bool {
        self.index().contains_key(hash)
    }

    /// The chunks of a list that are not here, each one once, in the order of the list.
    pub fn missing(&self, chunks: &[Chunk]) -> Vec<Chunk> {
        let index = self.index();
        let mut seen = BTreeSet::new();
        let lacks = |chunk: &&Chunk| !index.contains_key(&chunk.hash) && seen.insert(chunk.hash);
        chunks.iter().filter(lacks).copied().collect()
    }

    /// Nothing is taken away while this is held: between storing a chunk, or finding it here, and pinning it.
    pub fn hold(&self) -> Hold<'_> {
        Hold(self.0.using.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores bytes as one chunk, durably.
    pub fn put(&self, bytes: &[u8]) -> Result<Chunk, BlobsError> {
        self.put_all(std::iter::once(bytes))?;
        Ok(Chunk::of(bytes))
    }

    /// Stores each of these as one chunk; all are durable when it returns.
    pub fn put_all<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Chunk>, BlobsError> {
        let mut chunks = Vec::new();
        for bytes in pieces {
            let chunk = Chunk::of(bytes);
            if bytes.len() > CHUNK_BYTES_MAX {
                return Err(BlobsError::TooLarge { hash: chunk.hash, bytes: chunk.bytes });
            }
            self.add(chunk, bytes)?;
            chunks.push(chunk);
        }
        self.sync()?;
        Ok(chunks)
    }

    /// The bytes of one chunk, compared with its name.
    pub fn read(&self, hash: &[u8; 32]) -> Result<Vec<u8>, BlobsError> {
        let bytes = self.read_unchecked(hash)?;
        match blake3::hash(&bytes).as_bytes() == hash {
            true => Ok(bytes),
            false => Err(BlobsError::Damaged { hash: *hash }),
        }
    }

    /// The bytes of a chunk, if they are as many as the list says.
    pub fn read_chunk(&self, chunk: &Chunk) -> Result<Vec<u8>, BlobsError> {
        match self.spot(&chunk.hash).map(|spot| u64::from(spot.bytes)) {
            Some(bytes) if bytes != chunk.bytes => Err(BlobsError::TooLarge { hash: chunk.hash, bytes }),
            _ => self.read(&chunk.hash),
        }
    }

    /// What lies where the chunk should be; the caller compares it with the name.
    pub(crate) fn read_unchecked(&self, hash: &[u8; 32]) -> Result<Vec<u8>, BlobsError> {
        let missing = match self.0.damaged.contains(hash) {
            true => BlobsError::Damaged { hash: *hash },
            false => BlobsError::Missing { hash: *hash },
        };
        let Some(spot) = self.spot(hash) else { return Err(missing) };
        if let Some(bytes) = pack::read(&self.0.packs, spot)? {
            return Ok(bytes);
        }
        // A chunk that was moved between the look-up and the opening lies elsewhere now.
        match self.spot(hash).filter(|now| *now != spot) {
            Some(now) => pack::read(&self.0.packs, now)?.ok_or(missing),
            None => Err(missing),
        }
    }

    /// Stores a chunk whose bytes were compared with its name. It is durable after [`Blobs::sync`]. Says whether it
    /// was new.
    pub(crate) fn add(&self, chunk: Chunk, bytes: &[u8]) -> Result<bool, BlobsError> {
        let mut writer = self.writer();
        if self.has(&chunk.hash) {
            return Ok(false);
        }
        let begins = if writer.pack.is_none() { MAGIC_BYTES } else { 0 };
        writer.quota.check(begins + HEAD_BYTES as u64 + chunk.bytes)?;
        self.append(&mut writer, chunk.hash, bytes)?;
        Ok(true)
    }

    /// Takes a chunk for missing, since what lies there is damaged: the next time that its bytes come, they are stored.
    pub fn disown(&self, hash: &[u8; 32]) {
        self.index().remove(hash);
    }

    /// Stores bytes under a name that they had here before.
    pub(crate) fn add_again(&self, hash: [u8; 32], bytes: &[u8]) -> Result<(), BlobsError> {
        self.append(&mut self.writer(), hash, bytes)
    }

    fn append(&self, writer: &mut Writer, hash: [u8; 32], bytes: &[u8]) -> Result<(), BlobsError> {
        let spot = self.open_pack(writer)?.append(hash, bytes)?;
        writer.quota.used += spot.record_bytes();
        self.index().insert(hash, spot);
        if let Some(full) = writer.pack.take_if(|pack| pack.is_full()) {
            self.seal(full)?;
        }
        Ok(())
    }

    fn open_pack<'a>(&self, writer: &'a mut Writer) -> Result<&'a mut Pack, BlobsError> {
        let pack = match writer.pack.take() {
            Some(pack) => pack,
            None => {
                let number = writer.next;
                writer.next += 1;
                writer.quota.used += MAGIC_BYTES;
                Pack::create(&self.0.packs, number)?
            }
        };
        Ok(writer.pack.insert(pack))
    }

    /// Sends a full pack to the disk; waits where the disk does not keep up.
    fn seal(&self, pack: Pack) -> Result<(), BlobsError> {
        let mut sealing = self.sealing();
        while sealing.running.len() >= SEALING_COUNT_MAX {
            sealing.wait_for_oldest()?;
        }
        sealing.running.push(std::thread::spawn(move || pack.seal()));
        Ok(())
    }

    /// Returns when all that was stored before is durable.
    pub fn sync(&self) -> Result<(), BlobsError> {
        let written = self.writer().pack.as_ref().map(Pack::handle);
        let mut sealing = self.sealing();
        while !sealing.running.is_empty() {
            sealing.wait_for_oldest()?;
        }
        if sealing.failed {
            return Err(BlobsError::store("flush", "an earlier fsync failed"));
        }
        let Some((file, path)) = written else { return Ok(()) };
        let synced = file.sync_data();
        sealing.failed |= synced.is_err();
        synced.map_err(BlobsError::disk("fsync", path))
    }

    pub(crate) fn spot(&self, hash: &[u8; 32]) -> Option<Spot> {
        self.index().get(hash).copied()
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, HashMap<[u8; 32], Spot>> {
        self.0.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sealing(&self) -> MutexGuard<'_, Sealing> {
        self.0.sealing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals the pack that is being written, so that it can be looked at like the others.
    pub(crate) fn seal_open(&self) -> Result<(), BlobsError> {
        let open = self.writer().pack.take();
        if let Some(pack) = open {
            self.seal(pack)?;
        }
        self.sync()
    }

    /// Alone: nobody stores what nothing keeps yet.
    pub(crate) fn alone(&self) -> std::sync::RwLockWriteGuard<'_, ()> {
        self.0.using.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn packs(&self) -> &Path {
        &self.0.packs
    }

    /// A folder or file of the store.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.0.folder.join(name)
    }
}

impl Sealing {
    fn wait_for_oldest(&mut self) -> Result<(), BlobsError> {
        let sealed = self.running.remove(0).join();
        let sealed = sealed.unwrap_or_else(|_| Err(BlobsError::store("flush", "a writer that panicked")));
        self.failed |= sealed.is_err();
        sealed
    }
}
