//! Stones on disk: immutable files in a folder of their own, under names that say what they hold.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use cairn_crdt::id::hex;
use cairn_protocol::hash::LogHash;
use cairn_protocol::stone::{Lying, Source, StoneName, StoneReader, StoneWriter, Stored};
use cairn_protocol::tower::Span;
use cairn_protocol::{FeedName, Reject};

use super::manifest::StoneRecord;
use super::summaries;
use crate::error::{Damage, NodeError, Range};
use crate::files::{Files, OpenFile};

/// The folder of the stones.
pub(crate) const DIR: &str = "stones";
/// The names of files that are not stones yet, by turns: one may be proven while the next is written. What a failure leaves
/// there is written over.
const NEW: [&str; 2] = ["stone-1.new", "stone-2.new"];
/// How many stones are kept open.
const OPEN_COUNT_MAX: usize = 64;
/// How many waypoints those may have together, beside the one opened last: of a listed stone each takes 36 bytes in memory.
const OPEN_WAYPOINTS_MAX: u64 = 1 << 18;
/// How many bytes may be in memory of what was unpacked of them, beside that of the one read last.
const KEPT_BYTES_MAX: usize = 32 << 20;
/// What of a stone that is being written is written at once.
const WAITING_BYTES: usize = 1 << 20;
/// From so many bytes on it takes longer to prove a stone than to begin a thread that does.
const BESIDE_BYTES_MIN: u64 = 1 << 20;
const UNWRITABLE: NodeError = NodeError::Bug("a stone cannot be written");

/// The stones of one store.
#[derive(Debug)]
pub(crate) struct Stones {
    pub(super) files: Arc<dyn Files>,
    dir: PathBuf,
    /// Which of the names the next one is written under.
    is_second: AtomicBool,
    open: Mutex<BTreeMap<String, Arc<StoneReader<StoneFile>>>>,
    /// Where the contents lie of stones that were asked for some.
    pub(super) lying: Mutex<BTreeMap<String, Arc<[Lying]>>>,
}

/// A stone's bytes on disk.
#[derive(Debug)]
pub(crate) struct StoneFile {
    file: Box<dyn OpenFile>,
    len: u64,
}

impl Source for StoneFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, Reject> {
        // A length from a damaged file must not decide how much is allocated.
        if offset.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(Reject::Stone { offset, what: "the file is too short" });
        }
        let mut bytes = vec![0; length];
        let read = self.file.read_at(offset, &mut bytes);
        read.map(|()| bytes).map_err(|_| Reject::Stone { offset, what: "the disk does not give it back" })
    }
}

/// A stone that is being written: memory holds its index, a pack, and what waits to be written.
pub(crate) struct Chisel<'a> {
    stones: &'a Stones,
    name: StoneName,
    writer: StoneWriter,
    sheet: Sheet,
}

/// A stone that is written and not yet proven.
pub(crate) struct Carved<'a> {
    stones: &'a Stones,
    name: StoneName,
    sheet: Sheet,
    subtree: LogHash,
}

/// A stone that is being proven.
pub(crate) enum Proof<'scope> {
    Done(Result<StoneRecord, NodeError>),
    Beside(ScopedJoinHandle<'scope, Result<StoneRecord, NodeError>>),
}

/// A file that grows, and the hash over it.
struct Sheet {
    path: PathBuf,
    file: Box<dyn OpenFile>,
    waiting: Vec<u8>,
    hash: blake3::Hasher,
    len: u64,
}

impl Sheet {
    fn write(&mut self, bytes: &[u8]) -> Result<(), NodeError> {
        if self.waiting.len() + bytes.len() < WAITING_BYTES {
            self.waiting.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        self.append(bytes)
    }

    fn flush(&mut self) -> Result<(), NodeError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.append(&waiting)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), NodeError> {
        let written = self.file.write_at(self.len, bytes);
        written.map_err(|error| NodeError::io("write", &self.path, error))?;
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }
}

impl<'a> Chisel<'a> {
    /// Adds the next waypoint.
    pub(crate) fn push(&mut self, stored: &Stored) -> Result<(), NodeError> {
        let bytes = self.writer.push(stored).map_err(|_| UNWRITABLE)?;
        self.sheet.write(&bytes)
    }

    /// The stone will lie for long as it is: it is packed tightly.
    pub(crate) fn last(&mut self) {
        self.writer.last();
    }

    /// Takes over a whole stone that holds the next waypoints. One that does not hold what it should is damage.
    pub(crate) fn take(&mut self, record: &StoneRecord) -> Result<(), NodeError> {
        if let Some(gone) = record.gone() {
            return self.push(&Stored::Gone(gone));
        }
        let feed = self.name.feed;
        let reader = self.stones.open(feed, record)?;
        for part in 0..reader.parts() {
            let bytes = self.writer.take(&reader, part).map_err(|reject| damage(feed, record, &reject))?;
            self.sheet.write(&bytes)?;
        }
        // It is on its way out.
        self.stones.close(record);
        Ok(())
    }

    /// Much more is written with it, so it is packed swiftly.
    pub(crate) fn hurry(&mut self) {
        self.writer.hurry();
    }

    /// Ends the stone, and puts it under its name as [`Carved::prove`] does.
    pub(crate) fn finish(self, subtree: LogHash) -> Result<StoneRecord, NodeError> {
        self.carved(subtree)?.prove()
    }

    /// Ends the stone; nobody has read it yet.
    pub(crate) fn carved(mut self, subtree: LogHash) -> Result<Carved<'a>, NodeError> {
        let (ending, _) = self.writer.finish().map_err(|_| UNWRITABLE)?;
        self.sheet.write(&ending)?;
        self.sheet.flush()?;
        Ok(Carved { stones: self.stones, name: self.name, sheet: self.sheet, subtree })
    }
}

impl<'a> Carved<'a> {
    /// Proves what the file holds, and puts it under its name. Its bytes are durable then; its name is after
    /// [`Stones::sync_names`]. A stone of which only the hash is left gets no file.
    pub(crate) fn prove(self) -> Result<StoneRecord, NodeError> {
        let Self { stones, name, sheet: Sheet { path: temp, file, hash, len, .. }, subtree } = self;
        let source = StoneFile { file, len };
        let reader = StoneReader::open(source);
        let proven = reader.and_then(|reader| reader.verify(&subtree).map(|()| reader));
        let reader = proven.map_err(|_| NodeError::Bug("a stone is not what was written"))?;
        if is_hollow(&reader) {
            let removed = stones.files.remove(&temp);
            removed.map_err(|error| NodeError::io("remove", &temp, error))?;
            return Ok(StoneRecord::hollow(name.span, subtree));
        }
        let record = record(name, subtree, len, &hash.finalize());
        let path = stones.path(&record);
        let named = reader.source().file.sync().and_then(|()| stones.files.rename(&temp, &path));
        named.map_err(|error| NodeError::io("write", &path, error))?;
        stones.close(&record);
        Ok(record)
    }

    /// The same beside what goes on meanwhile, where it takes long.
    pub(crate) fn prove_beside<'scope>(self, scope: &'scope Scope<'scope, 'a>) -> Proof<'scope>
    where
        'a: 'scope,
    {
        if self.sheet.len < BESIDE_BYTES_MIN {
            return Proof::Done(self.prove());
        }
        let path = self.sheet.path.clone();
        match thread::Builder::new().spawn_scoped(scope, || self.prove()) {
            Ok(thread) => Proof::Beside(thread),
            Err(error) => Proof::Done(Err(NodeError::io("prove", &path, error))),
        }
    }
}

impl Proof<'_> {
    /// What came of it.
    pub(crate) fn end(self) -> Result<StoneRecord, NodeError> {
        match self {
            Self::Done(proven) => proven,
            Self::Beside(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        }
    }
}

impl Stones {
    /// The stones in the folder of a repo.
    pub(crate) fn new(files: Arc<dyn Files>, repo_dir: &Path) -> Self {
        Self {
            files,
            dir: repo_dir.join(DIR),
            is_second: AtomicBool::new(false),
            open: Mutex::default(),
            lying: Mutex::default(),
        }
    }

    /// A stone's file.
    pub(crate) fn path(&self, record: &StoneRecord) -> PathBuf {
        self.dir.join(&record.file)
    }

    /// Makes the names of all stones durable, before anything says that they are there.
    pub(crate) fn sync_names(&self) -> Result<(), NodeError> {
        self.files.sync_dir(&self.dir).map_err(|error| NodeError::io("sync", &self.dir, error))
    }

    /// Begins to write a stone, under a name that nobody reads.
    pub(crate) fn begin(&self, name: StoneName) -> Result<Chisel<'_>, NodeError> {
        let (writer, head) = StoneWriter::new(name).map_err(|_| UNWRITABLE)?;
        let is_second = self.is_second.fetch_xor(true, Ordering::Relaxed);
        let path = self.dir.with_file_name(NEW[usize::from(is_second)]);
        let file = self.files.create(&path).map_err(|error| NodeError::io("create", &path, error))?;
        let sheet = Sheet { path, file, waiting: head, hash: blake3::Hasher::new(), len: 0 };
        Ok(Chisel { stones: self, name, writer, sheet })
    }

    /// Opens a stone: its head and index are read and checked.
    pub(crate) fn open(
        &self,
        feed: FeedName,
        record: &StoneRecord,
    ) -> Result<Arc<StoneReader<StoneFile>>, NodeError> {
        let open = self.lock();
        if let Some(reader) = open.get(&record.file).cloned() {
            // What was unpacked of stones is kept while the same one is read, and a few others.
            let kept: usize = open.values().map(|reader| reader.kept_bytes()).sum();
            if kept > KEPT_BYTES_MAX {
                open.iter().filter(|(file, _)| **file != record.file).for_each(|(_, other)| other.forget());
            }
            return Ok(reader);
        }
        drop(open);
        if let Some(damage) = self.check(feed, record)? {
            return Err(damage.into());
        }
        let reader =
            StoneReader::open(self.source(record)?).map_err(|reject| damage(feed, record, &reject))?;
        let name = StoneName { feed, span: record.span };
        if *reader.name() != name || reader.hash() != record.subtree {
            let what = "it holds other waypoints than it should";
            return Err(damage(feed, record, &Reject::Stone { offset: 0, what }).into());
        }
        let reader = Arc::new(reader);
        let mut open = self.lock();
        let waypoints: u64 = open.values().map(|reader| reader.name().span.count()).sum();
        let kept: usize = open.values().map(|reader| reader.kept_bytes()).sum();
        if open.len() >= OPEN_COUNT_MAX || waypoints > OPEN_WAYPOINTS_MAX || kept > KEPT_BYTES_MAX {
            open.clear();
        }
        open.insert(record.file.clone(), reader.clone());
        Ok(reader)
    }

    /// A stone's bytes.
    pub(crate) fn source(&self, record: &StoneRecord) -> Result<StoneFile, NodeError> {
        let (path, len) = (self.path(record), record.bytes);
        let file = self.files.open(&path).map_err(|error| NodeError::io("open", &path, error))?;
        Ok(StoneFile { file, len })
    }

    /// What is wrong with a stone's file as far as its name and length tell.
    pub(crate) fn check(&self, feed: FeedName, record: &StoneRecord) -> Result<Option<Damage>, NodeError> {
        if record.gone().is_some() {
            return Ok(None);
        }
        let path = self.path(record);
        let (offset, what) =
            match self.files.len(&path).map_err(|error| NodeError::io("open", &path, error))? {
                Some(len) if len == record.bytes => return Ok(None),
                Some(len) => (len.min(record.bytes), "its length changed"),
                None => (0, "the file is gone"),
            };
        Ok(Some(damage(feed, record, &Reject::Stone { offset, what })))
    }

    /// Removes a stone that is no longer part of the store; what cannot be removed goes at the next start.
    pub(crate) fn remove(&self, record: &StoneRecord) {
        if record.gone().is_some() {
            return;
        }
        self.close(record);
        let _ = self.files.remove(&self.path(record));
        self.remove_summary(record);
    }

    /// Reads one waypoint.
    pub(crate) fn read(&self, feed: FeedName, record: &StoneRecord, place: u64) -> Result<Stored, NodeError> {
        self.one(feed, record, |reader| reader.read(place))
    }

    /// The same without the bytes of its contents.
    pub(crate) fn read_lean_at(
        &self,
        feed: FeedName,
        record: &StoneRecord,
        place: u64,
    ) -> Result<Stored, NodeError> {
        self.one(feed, record, |reader| reader.read_lean_at(place))
    }

    /// Reads something of a stone; the hash, where that is all there is.
    fn one(
        &self,
        feed: FeedName,
        record: &StoneRecord,
        read: impl FnOnce(&StoneReader<StoneFile>) -> Result<Stored, Reject>,
    ) -> Result<Stored, NodeError> {
        match record.gone() {
            Some(gone) => Ok(Stored::Gone(gone)),
            None => Ok(read(&*self.open(feed, record)?).map_err(|reject| damage(feed, record, &reject))?),
        }
    }

    /// Reads waypoints of a stone from a place on, in order, each block once.
    pub(crate) fn read_from(
        &self,
        feed: FeedName,
        record: &StoneRecord,
        place: u64,
        each: &mut dyn FnMut(Stored) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        match record.gone() {
            Some(gone) => each(Stored::Gone(gone)),
            None => show(feed, record, &mut self.open(feed, record)?.read_from(place), each),
        }
    }

    /// Reads all waypoints of a stone, in order.
    pub(crate) fn read_all(
        &self,
        feed: FeedName,
        record: &StoneRecord,
        each: &mut dyn FnMut(Stored) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        self.read_from(feed, record, record.span.start, each)
    }

    /// The same without the bytes of their contents.
    pub(crate) fn read_lean(
        &self,
        feed: FeedName,
        record: &StoneRecord,
        each: &mut dyn FnMut(Stored) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        match record.gone() {
            Some(gone) => each(Stored::Gone(gone)),
            None => show(feed, record, &mut self.open(feed, record)?.read_lean(), each),
        }
    }

    /// Reads every byte of a stone and derives all that it says.
    pub(crate) fn verify(&self, feed: FeedName, record: &StoneRecord) -> Result<(), NodeError> {
        if record.gone().is_some() {
            return Ok(());
        }
        self.close(record);
        let reader = self.open(feed, record)?;
        let verified = reader.verify(&record.subtree);
        // Nobody else has asked for what was unpacked for it.
        reader.forget();
        Ok(verified.map_err(|reject| damage(feed, record, &reject))?)
    }

    /// Forgets what was read of a stone, because its file changed or went.
    pub(crate) fn close(&self, record: &StoneRecord) {
        self.lock().remove(&record.file);
        self.lying.lock().unwrap_or_else(PoisonError::into_inner).remove(&record.file);
    }

    /// Removes the files that `keep` does not name.
    pub(crate) fn sweep(&self, keep: &dyn Fn(&str) -> bool) -> Result<(), NodeError> {
        let paths = self.files.list(&self.dir).map_err(|error| NodeError::io("list", &self.dir, error))?;
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !keep(name.strip_suffix(summaries::SUFFIX).unwrap_or(&name)) {
                self.lock().remove(&*name);
                self.files.remove(&path).map_err(|error| NodeError::io("remove", &path, error))?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<StoneReader<StoneFile>>>> {
        // The map is only a cache: what a panicking thread left in it is still true.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a stone holds nothing but the hash that its record has too.
fn is_hollow(reader: &StoneReader<StoneFile>) -> bool {
    let span = reader.name().span;
    let is_whole = |stored| matches!(stored, Ok(Stored::Gone(gone)) if gone.level == span.level);
    reader.has_gone() && is_whole(reader.read(span.start))
}

/// Shows what is read of a stone, up to the first that is damaged.
fn show(
    feed: FeedName,
    record: &StoneRecord,
    read: &mut dyn Iterator<Item = Result<Stored, Reject>>,
    each: &mut dyn FnMut(Stored) -> Result<(), NodeError>,
) -> Result<(), NodeError> {
    for stored in read {
        each(stored.map_err(|reject| damage(feed, record, &reject))?)?;
    }
    Ok(())
}

/// Where the waypoints of a stone are, for people and for a fetch from a peer.
pub(crate) fn range(feed: FeedName, record: &StoneRecord) -> Range {
    let (first, count) = (record.span.start + 1, record.span.count());
    Range { project: feed.project, feed: feed.id(), first, count }
}

/// What a stone that does not hold what it should is reported as.
pub(crate) fn damage(feed: FeedName, record: &StoneRecord, reject: &Reject) -> Damage {
    let offset = match reject {
        Reject::Stone { offset, .. } => *offset,
        _ => 0,
    };
    let file = format!("{DIR}/{}", record.file);
    Damage { file, offset, detail: reject.to_string(), range: Some(range(feed, record)) }
}

fn record(name: StoneName, subtree: LogHash, bytes: u64, hash: &blake3::Hash) -> StoneRecord {
    let mut ending = Ending::default();
    ending.copy_from_slice(&hash.as_bytes()[..8]);
    StoneRecord { span: name.span, subtree, bytes, file: file_name(name.feed, name.span, ending) }
}

/// What a file's name ends in: the first bytes of the hash of its bytes.
pub(super) type Ending = [u8; 8];

/// The name says feed, place and count, for people, and ends in a hash of the bytes, so that two
/// states of one place never share a file.
pub(super) fn file_name(feed: FeedName, span: Span, ending: Ending) -> String {
    let feed = hex(&feed.id().0[..8]);
    format!("{feed}-{:012}-{}-{}.sst", span.start, span.count(), hex(&ending))
}

/// What a name ends in, if it may be a stone's.
pub(super) fn ending_of(file: &str) -> Option<Ending> {
    let digits = file.strip_suffix(".sst")?.rsplit('-').next()?;
    u64::from_str_radix(digits, 16).ok().map(u64::to_be_bytes)
}
