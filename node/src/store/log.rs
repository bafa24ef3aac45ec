//! The write-ahead log: what was committed and does not lie in stones yet.
//!
//! ```text
//! file    = head record*
//! head    = "cairn log 1\n" 0 0 0 0  log id (16)
//! record  = mark (16)  length (u64)  checksum (16)  payload  padding to 8 bytes
//! ```
//!
//! The mark is a keyed hash over (offset, length); the checksum one over (offset, length,
//! payload). The key is the log's id, fresh randomness for each file, so that neither a
//! record of another place or file nor bytes that a peer chose are ever taken for a record.
//!
//! One commit is one write and one fsync, and nothing is written after a failed one. So only
//! the last record can be torn, and a bad record with a good one behind it means that the
//! disk lost what it had promised: that is reported, never skipped.

use std::path::{Path, PathBuf};

use crate::entropy;
use crate::error::{Damage, NodeError};
use crate::files::{Files, OpenFile};

const MAGIC: [u8; 16] = *b"cairn log 1\n\0\0\0\0";
/// Bytes before the first record.
const HEAD_BYTES: u64 = 32;
/// Bytes before a record's payload.
const FRAME_BYTES: u64 = 40;
/// Up to this length a payload is copied behind its frame, so that one write is enough.
const COPIED_BYTES_MAX: u64 = 64 << 10;
/// Records begin at multiples of this.
const ALIGN_BYTES: u64 = 8;
/// The most bytes of one record: an import of many gigabytes is many commits.
pub(crate) const RECORD_BYTES_MAX: u64 = 4 << 30;
/// How much is read at once when a damaged log is searched for later records.
const SEARCH_BYTES: usize = 1 << 20;

/// A log that is open for appending.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: Box<dyn OpenFile>,
    id: [u8; 16],
    end: u64,
    poisoned: bool,
}

/// One record that was read back.
#[derive(Debug)]
pub(crate) struct Record {
    /// Where its payload begins in the file.
    pub(crate) offset: u64,
    /// What was committed.
    pub(crate) payload: Vec<u8>,
}

/// What a log held when it was opened.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The whole records in order.
    pub(crate) records: Vec<Record>,
    /// Bytes of a commit that was never acknowledged, cut off now.
    pub(crate) torn: Vec<u8>,
}

impl Log {
    /// Makes an empty log, with its name, durable: a manifest may name it from then on.
    pub(crate) fn create(files: &dyn Files, path: &Path) -> Result<Self, NodeError> {
        let io = |error| NodeError::io("create", path, error);
        let id = entropy::random()?;
        let file = files.create(path).map_err(io)?;
        file.write_at(0, &[MAGIC, id].concat()).map_err(io)?;
        file.sync().map_err(io)?;
        files.sync_dir(path.parent().unwrap_or(Path::new("."))).map_err(io)?;
        Ok(Self { path: path.to_owned(), file, id, end: HEAD_BYTES, poisoned: false })
    }

    /// Opens a log, reads it whole and cuts off a torn end.
    ///
    /// A bad record in front of a good one is [`NodeError::Damaged`]; nothing is changed then.
    pub(crate) fn open(files: &dyn Files, path: &Path) -> Result<(Self, Replayed), NodeError> {
        let mut log = Self::open_head(files, path)?;
        let len = log.file.len().map_err(|error| NodeError::io("read", path, error))?;
        let records = log.read_records(len)?;
        if let Some(offset) = log.search(log.end + ALIGN_BYTES, len)? {
            let detail = format!("a record is bad and another follows at {offset}");
            return Err(log.damage(log.end, detail));
        }
        let torn = log.cut_off(len)?;
        Ok((log, Replayed { records, torn }))
    }

    /// Reads every whole record of a damaged log, also those behind the damage.
    pub(crate) fn salvage(files: &dyn Files, path: &Path) -> Result<Vec<Record>, NodeError> {
        let mut log = Self::open_head(files, path)?;
        let len = log.file.len().map_err(|error| NodeError::io("read", path, error))?;
        let mut records = log.read_records(len)?;
        while let Some(offset) = log.search(log.end + ALIGN_BYTES, len)? {
            log.end = offset;
            records.append(&mut log.read_records(len)?);
        }
        Ok(records)
    }

    fn open_head(files: &dyn Files, path: &Path) -> Result<Self, NodeError> {
        let file = files.open(path).map_err(|error| NodeError::io("open", path, error))?;
        let mut log = Self { path: path.to_owned(), file, id: [0; 16], end: HEAD_BYTES, poisoned: false };
        let mut head = [0; HEAD_BYTES as usize];
        match log.file.read_at(0, &mut head) {
            Ok(()) if head.starts_with(&MAGIC) => log.id.copy_from_slice(&head[16..]),
            Ok(()) => return Err(log.damage(0, "not a log".to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(log.damage(0, "the head is missing".to_owned()));
            }
            Err(error) => return Err(NodeError::io("read", path, error)),
        }
        Ok(log)
    }

    /// How many bytes the log has.
    pub(crate) fn len(&self) -> u64 {
        self.end
    }

    /// Whether nothing was committed since the log was made.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == HEAD_BYTES
    }

    /// Makes `payload` durable and says where in the file it lies.
    ///
    /// A write that finds no room is taken back and may be tried again. After a failed sync
    /// nobody knows what is on the disk, so the log takes nothing more until it is reopened.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<u64, NodeError> {
        if self.poisoned {
            return Err(NodeError::Poisoned);
        }
        let end = match self.write(payload) {
            Ok(end) => end,
            Err(error) => {
                self.poisoned = self.file.set_len(self.end).is_err();
                return Err(error);
            }
        };
        if let Err(error) = self.file.sync() {
            self.poisoned = true;
            return Err(NodeError::io("sync", &self.path, error));
        }
        let offset = self.end + FRAME_BYTES;
        self.end = end;
        Ok(offset)
    }

    /// Whether nothing more can be written before the log is reopened.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Takes nothing more before the log is reopened.
    pub(crate) fn poison(&mut self) {
        self.poisoned = true;
    }

    /// Reads `len` bytes of a payload.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, NodeError> {
        let mut bytes = vec![0; len];
        let read = self.file.read_at(offset, &mut bytes);
        read.map_err(|error| NodeError::io("read", &self.path, error)).map(|()| bytes)
    }

    /// Writes a record behind the others, the payload as it lies; where the next one begins.
    fn write(&self, payload: &[u8]) -> Result<u64, NodeError> {
        let len = payload.len() as u64;
        if len > RECORD_BYTES_MAX {
            return Err(NodeError::Bug("a commit larger than a record may be"));
        }
        let mut frame = self.mark(self.end, len).to_vec();
        frame.extend_from_slice(&len.to_le_bytes());
        frame.extend_from_slice(&self.checksum(self.end, payload));
        let begin = self.end + FRAME_BYTES;
        let end = (begin + len).next_multiple_of(ALIGN_BYTES);
        let padding = vec![0; (end - begin - len) as usize];
        let write = |offset, bytes: &[u8]| {
            self.file.write_at(offset, bytes).map_err(|error| NodeError::io("write", &self.path, error))
        };
        if len <= COPIED_BYTES_MAX {
            return write(self.end, &[&frame, payload, &padding].concat()).map(|()| end);
        }
        write(begin, payload)?;
        write(begin + len, &padding)?;
        write(self.end, &frame).map(|()| end)
    }

    /// Reads records from `self.end` until one is not whole, and leaves `self.end` there.
    fn read_records(&mut self, len: u64) -> Result<Vec<Record>, NodeError> {
        let mut records = Vec::new();
        while let Some(record) = self.read_record(len)? {
            self.end = (record.offset + record.payload.len() as u64).next_multiple_of(ALIGN_BYTES);
            records.push(record);
        }
        Ok(records)
    }

    fn read_record(&self, len: u64) -> Result<Option<Record>, NodeError> {
        if self.end + FRAME_BYTES > len {
            return Ok(None);
        }
        let frame = self.read(self.end, FRAME_BYTES as usize)?;
        let Some(payload_len) = self.marked(self.end, &frame) else { return Ok(None) };
        let offset = self.end + FRAME_BYTES;
        if payload_len > RECORD_BYTES_MAX || offset + payload_len > len {
            return Ok(None);
        }
        let payload = self.read(offset, payload_len as usize)?;
        let whole = self.checksum(self.end, &payload)[..] == frame[24..];
        Ok(whole.then_some(Record { offset, payload }))
    }

    /// Finds the next place from `from` on at which a record begins.
    fn search(&self, from: u64, len: u64) -> Result<Option<u64>, NodeError> {
        let mut start = from;
        while start + FRAME_BYTES <= len {
            let size = (len - start).min(SEARCH_BYTES as u64) as usize;
            let bytes = self.read(start, size)?;
            let frames = bytes.windows(FRAME_BYTES as usize).enumerate().step_by(ALIGN_BYTES as usize);
            for (index, frame) in frames {
                let offset = start + index as u64;
                if self.marked(offset, frame).is_some() {
                    return Ok(Some(offset));
                }
            }
            let searched = (size as u64).saturating_sub(FRAME_BYTES) / ALIGN_BYTES + 1;
            start += searched * ALIGN_BYTES;
        }
        Ok(None)
    }

    /// Cuts the file at the last whole record and gives what lay behind it.
    fn cut_off(&mut self, len: u64) -> Result<Vec<u8>, NodeError> {
        let torn = self.read(self.end, len.saturating_sub(self.end) as usize)?;
        if !torn.is_empty() {
            let cut = self.file.set_len(self.end).and_then(|()| self.file.sync());
            cut.map_err(|error| NodeError::io("cut", &self.path, error))?;
        }
        Ok(torn)
    }

    /// The length that a frame declares, if it is the frame of a record at this offset.
    fn marked(&self, offset: u64, frame: &[u8]) -> Option<u64> {
        let (mark, rest) = frame.split_first_chunk::<16>()?;
        let len = u64::from_le_bytes(*rest.first_chunk::<8>()?);
        (*mark == self.mark(offset, len)).then_some(len)
    }

    fn mark(&self, offset: u64, len: u64) -> [u8; 16] {
        self.keyed(b"mark", offset, &len.to_le_bytes())
    }

    fn checksum(&self, offset: u64, payload: &[u8]) -> [u8; 16] {
        self.keyed(b"body", offset, payload)
    }

    fn keyed(&self, purpose: &[u8; 4], offset: u64, bytes: &[u8]) -> [u8; 16] {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&self.id);
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(purpose).update(&offset.to_le_bytes()).update(bytes);
        let mut hash = [0; 16];
        hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        hash
    }

    fn damage(&self, offset: u64, detail: String) -> NodeError {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        NodeError::Damaged(Damage { file, offset, detail, range: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::DiskFiles;

    fn filled(dir: &Path, payloads: &[&[u8]]) -> PathBuf {
        let path = dir.join("log");
        let mut log = Log::create(&DiskFiles, &path).unwrap();
        for payload in payloads {
            log.append(payload).unwrap();
        }
        path
    }

    fn payloads(replayed: &Replayed) -> Vec<&[u8]> {
        replayed.records.iter().map(|record| &record.payload[..]).collect()
    }

    #[test]
    fn what_was_committed_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = filled(dir.path(), &[b"one", b"", b"three and more"]);
        let (log, replayed) = Log::open(&DiskFiles, &path).unwrap();
        assert_eq!(payloads(&replayed), [&b"one"[..], b"", b"three and more"]);
        assert!(replayed.torn.is_empty());
        let last = &replayed.records[2];
        assert_eq!(log.read(last.offset + 6, 3).unwrap(), b"and");
    }

    #[test]
    fn a_torn_end_is_cut_off_wherever_it_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = filled(dir.path(), &[b"one", b"the second record"]);
        let whole = std::fs::read(&path).unwrap();
        let (log, replayed) = Log::open(&DiskFiles, &path).unwrap();
        let second = replayed.records[1].offset - FRAME_BYTES;
        drop(log);
        for len in second..whole.len() as u64 - 7 {
            std::fs::write(&path, &whole[..len as usize]).unwrap();
            let (mut log, replayed) = Log::open(&DiskFiles, &path).unwrap();
            assert_eq!(payloads(&replayed), [b"one"], "{len}");
            log.append(b"again").unwrap();
            let (_, replayed) = Log::open(&DiskFiles, &path).unwrap();
            assert_eq!(payloads(&replayed), [&b"one"[..], b"again"]);
        }
    }

    #[test]
    fn a_bad_record_in_the_middle_is_damage_and_is_not_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = filled(dir.path(), &[b"one", b"two", b"three"]);
        let whole = std::fs::read(&path).unwrap();
        let (_, replayed) = Log::open(&DiskFiles, &path).unwrap();
        let second = replayed.records[1].offset;
        for offset in second - FRAME_BYTES..second + 3 {
            let mut bytes = whole.clone();
            bytes[offset as usize] ^= 4;
            std::fs::write(&path, &bytes).unwrap();
            let error = Log::open(&DiskFiles, &path).unwrap_err();
            assert!(matches!(error, NodeError::Damaged(_)), "{offset}: {error:?}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
            let records = Log::salvage(&DiskFiles, &path).unwrap();
            assert_eq!(records.len(), 2, "{offset}");
            assert_eq!(records[1].payload, b"three");
        }
    }

    #[test]
    fn e4_a_record_of_another_place_or_file_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = filled(dir.path(), &[b"one", b"two"]);
        let whole = std::fs::read(&path).unwrap();
        let record = (whole.len() - HEAD_BYTES as usize) / 2;
        let mut bytes = whole.clone();
        bytes.copy_within(HEAD_BYTES as usize..HEAD_BYTES as usize + record, HEAD_BYTES as usize + record);
        std::fs::write(&path, &bytes).unwrap();
        let (_, replayed) = Log::open(&DiskFiles, &path).unwrap();
        assert_eq!(payloads(&replayed), [b"one"]);
    }
}
