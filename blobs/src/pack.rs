//! Packs: files of many chunks, so that one fsync makes many of them durable.
//!
//! ```text
//! 00000007.pack:  "cairnpk1" | records: hash 32 | length u32 | the chunk's bytes
//! 00000007.list:  "cairnls1" | hash 32 | length u32, for each record in order | BLAKE3 of all before
//! ```
//!
//! Numbers are little endian. A pack is written at its end only. When it is full it is fsynced and gets its list; a pack
//! without a list is being written, or was when the process ended, and is read again and compared before it counts. So
//! nothing is lost by a kill, and a power cut costs what was not acknowledged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::chunk::{CHUNK_BYTES_MAX, Chunk};
use crate::durable;
use crate::error::BlobsError;

/// A pack is full at this length.
pub(crate) const PACK_BYTES: u64 = 64 << 20;

const PACK_MAGIC: &[u8; 8] = b"cairnpk1";
const LIST_MAGIC: &[u8; 8] = b"cairnls1";
/// Hash and length.
pub(crate) const HEAD_BYTES: usize = 36;
/// What a pack begins with.
pub(crate) const MAGIC_BYTES: u64 = PACK_MAGIC.len() as u64;

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The number of the pack.
    pub(crate) pack: u32,
    /// Where in it the chunk's bytes begin.
    pub(crate) offset: u32,
    /// How many there are.
    pub(crate) bytes: u32,
}

impl Spot {
    /// What the chunk takes with its head.
    pub(crate) fn record_bytes(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.bytes)
    }
}

/// The chunks of a pack, in order.
pub(crate) type Listed = Vec<([u8; 32], Spot)>;

/// A pack that is being written.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) number: u32,
    path: PathBuf,
    file: std::sync::Arc<File>,
    length: u64,
    listed: Listed,
    /// What was found damaged when it was read again.
    damaged: Vec<[u8; 32]>,
}

/// What a pack without a list turned out to hold.
struct Through {
    listed: Listed,
    damaged: Vec<[u8; 32]>,
    /// Where the last record ends.
    length: u64,
}

impl Pack {
    /// A new one; its name is durable.
    pub(crate) fn create(folder: &Path, number: u32) -> Result<Self, BlobsError> {
        let path = pack_path(folder, number);
        let opened = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = opened.map_err(BlobsError::disk("create", &path))?;
        file.write_all_at(PACK_MAGIC, 0).map_err(BlobsError::disk("write", &path))?;
        durable::sync_folder(folder)?;
        let length = PACK_MAGIC.len() as u64;
        Ok(Self { number, path, file: file.into(), length, listed: Vec::new(), damaged: Vec::new() })
    }

    /// Goes on where a process left off: what is whole stays, what was cut off goes.
    pub(crate) fn resume(folder: &Path, number: u32) -> Result<Self, BlobsError> {
        let path = pack_path(folder, number);
        let Through { listed, damaged, length } = read_through(&path, number)?;
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(BlobsError::disk("open", &path))?;
        file.write_all_at(PACK_MAGIC, 0).map_err(BlobsError::disk("write", &path))?;
        file.set_len(length).map_err(BlobsError::disk("cut", &path))?;
        file.sync_all().map_err(BlobsError::disk("fsync", &path))?;
        Ok(Self { number, path, file: file.into(), length, listed, damaged })
    }

    /// Writes a chunk at the end. It is durable after the next fsync.
    pub(crate) fn append(&mut self, hash: [u8; 32], bytes: &[u8]) -> Result<Spot, BlobsError> {
        let (offset, length) = (self.length + HEAD_BYTES as u64, bytes.len() as u32);
        let mut head = [0; HEAD_BYTES];
        head[..32].copy_from_slice(&hash);
        head[32..].copy_from_slice(&length.to_le_bytes());
        let written = self.file.write_all_at(&head, self.length);
        let written = written.and_then(|()| self.file.write_all_at(bytes, offset));
        written.map_err(BlobsError::disk("write", &self.path))?;
        let spot = Spot { pack: self.number, offset: offset as u32, bytes: length };
        self.length = offset + bytes.len() as u64;
        self.listed.push((hash, spot));
        Ok(spot)
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn is_full(&self) -> bool {
        self.length >= PACK_BYTES
    }

    pub(crate) fn listed(&self) -> &Listed {
        &self.listed
    }

    pub(crate) fn damaged(&self) -> &[[u8; 32]] {
        &self.damaged
    }

    /// What an fsync is asked of, so that nobody waits for it meanwhile.
    pub(crate) fn handle(&self) -> (std::sync::Arc<File>, PathBuf) {
        (self.file.clone(), self.path.clone())
    }

    /// Makes it durable and writes its list: nothing is added to it any more.
    pub(crate) fn seal(self) -> Result<(), BlobsError> {
        self.file.sync_data().map_err(BlobsError::disk("fsync", &self.path))?;
        let mut list = LIST_MAGIC.to_vec();
        for (hash, spot) in &self.listed {
            list.extend(hash);
            list.extend(spot.bytes.to_le_bytes());
        }
        let sum = blake3::hash(&list);
        durable::write_whole(&self.path.with_extension("list"), &[&list, sum.as_bytes()])
    }
}

pub(crate) fn pack_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08x}.pack"))
}

/// The numbers of the packs in a folder, in order.
pub(crate) fn numbers(folder: &Path) -> Result<Vec<u32>, BlobsError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(BlobsError::disk("list", folder))? {
        let path = entry.map_err(BlobsError::disk("list", folder))?.path();
        if path.extension().is_some_and(|ending| ending == "pack") {
            let number = path.file_stem().and_then(|stem| u32::from_str_radix(stem.to_str()?, 16).ok());
            numbers.extend(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What the list of a pack says; `None` where it has none, or one that is damaged.
pub(crate) fn read_list(folder: &Path, number: u32) -> Result<Option<Listed>, BlobsError> {
    let path = pack_path(folder, number).with_extension("list");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BlobsError::disk("read", &path)(error)),
    };
    let Some((list, sum)) = bytes.split_last_chunk::<32>() else { return Ok(None) };
    if blake3::hash(list).as_bytes() != sum {
        return Ok(None);
    }
    let Some(heads) = list.strip_prefix(LIST_MAGIC) else { return Ok(None) };
    let mut end = PACK_MAGIC.len() as u64;
    let mut listed = Vec::with_capacity(heads.len() / HEAD_BYTES);
    for head in heads.as_chunks::<HEAD_BYTES>().0 {
        let (hash, bytes) = split(head);
        let offset = end + HEAD_BYTES as u64;
        listed.push((hash, Spot { pack: number, offset: offset as u32, bytes }));
        end = offset + u64::from(bytes);
    }
    Ok(Some(listed))
}

/// Removes a pack; what was open of it can still be read.
pub(crate) fn remove(folder: &Path, number: u32) -> Result<(), BlobsError> {
    let path = pack_path(folder, number);
    // The list first: alone, it would speak for whichever pack gets the number next.
    durable::remove(&path.with_extension("list"))?;
    durable::sync_folder(folder)?;
    durable::remove(&path).map(drop)
}

/// Reads a chunk's bytes as they lie there; `None` where the pack is gone.
pub(crate) fn read(folder: &Path, spot: Spot) -> Result<Option<Vec<u8>>, BlobsError> {
    let path = pack_path(folder, spot.pack);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BlobsError::disk("open", &path)(error)),
    };
    let mut bytes = vec![0; spot.bytes as usize];
    match file.read_exact_at(&mut bytes, u64::from(spot.offset)) {
        Ok(()) => Ok(Some(bytes)),
        // A pack that was cut short: what is there is not what was written.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(Vec::new())),
        Err(error) => Err(BlobsError::disk("read", &path)(error)),
    }
}

/// Reads every record that is whole and compares it with its name.
fn read_through(path: &Path, number: u32) -> Result<Through, BlobsError> {
    let file = File::open(path).map_err(BlobsError::disk("open", path))?;
    let mut source = BufReader::with_capacity(1 << 20, file);
    let mut magic = [0; PACK_MAGIC.len()];
    let mut through = Through { listed: Vec::new(), damaged: Vec::new(), length: PACK_MAGIC.len() as u64 };
    if !read_full(&mut source, &mut magic).map_err(BlobsError::disk("read", path))? {
        return Ok(through);
    }
    let mut head = [0; HEAD_BYTES];
    let mut bytes = Vec::new();
    while read_full(&mut source, &mut head).map_err(BlobsError::disk("read", path))? {
        let (hash, length) = split(&head);
        if length as usize > CHUNK_BYTES_MAX {
            break;
        }
        bytes.resize(length as usize, 0);
        if !read_full(&mut source, &mut bytes).map_err(BlobsError::disk("read", path))? {
            break;
        }
        let offset = through.length + HEAD_BYTES as u64;
        through.length = offset + u64::from(length);
        // One that is damaged is passed over: those behind it were acknowledged.
        match Chunk::of(&bytes).hash == hash {
            true => through.listed.push((hash, Spot { pack: number, offset: offset as u32, bytes: length })),
            false => through.damaged.push(hash),
        }
    }
    Ok(through)
}

/// Fills the buffer; `false` where the source ends before that.
fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn split(head: &[u8; HEAD_BYTES]) -> ([u8; 32], u32) {
    let (hash, length) =
        head.split_first_chunk::<32>().map_or(([0; 32], &[][..]), |(hash, rest)| (*hash, rest));
    let length = length.first_chunk::<4>().copied().map_or(u32::MAX, u32::from_le_bytes);
    (hash, length)
}
