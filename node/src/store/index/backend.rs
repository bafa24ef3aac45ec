//! redb on top of the door to the file system.
//!
//! redb writes to a file that is only read, and syncs it several times: it notes that it is open, and that it is closed. So
//! what it writes stays in memory until something is added to the index. Where nothing is, the file is left as it was.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::files::OpenFile;

/// A file for redb.
#[derive(Debug, Clone)]
pub(crate) struct Backend(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Box<dyn OpenFile>,
    /// What is written in memory only; `None` once the file itself is written to.
    above: Mutex<Option<Above>>,
}

/// What lies above a file that is not written to.
#[derive(Debug)]
struct Above {
    /// How many bytes of the file count.
    below: u64,
    /// How many bytes there are.
    len: u64,
    /// Bytes by their offsets, in the order in which they were written.
    written: Vec<(u64, Vec<u8>)>,
}

impl Above {
    fn set_len(&mut self, len: u64) {
        self.len = len;
        self.below = self.below.min(len);
        for (offset, bytes) in &mut self.written {
            bytes.truncate(usize::try_from(len.saturating_sub(*offset)).unwrap_or(usize::MAX));
        }
    }

    fn read(&self, file: &dyn OpenFile, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let own = usize::try_from(self.below.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (known, rest) = out.split_at_mut(own);
        rest.fill(0);
        if !known.is_empty() {
            file.read_at(offset, known)?;
        }
        for (start, bytes) in &self.written {
            let (from, to) =
                (offset.max(*start), (offset + out.len() as u64).min(start + bytes.len() as u64));
            if from < to {
                let (here, there) = ((from - offset) as usize, (from - start) as usize);
                let count = (to - from) as usize;
                out[here..here + count].copy_from_slice(&bytes[there..there + count]);
            }
        }
        Ok(())
    }
}

impl Backend {
    /// A file that is written to from the beginning.
    pub(crate) fn new(file: Box<dyn OpenFile>) -> Self {
        Self(Arc::new(Inner { file, above: Mutex::new(None) }))
    }

    /// A file that is left as it is until [`Backend::wake`].
    pub(crate) fn asleep(file: Box<dyn OpenFile>) -> io::Result<Self> {
        let len = file.len()?;
        let above = Above { below: len, len, written: Vec::new() };
        Ok(Self(Arc::new(Inner { file, above: Mutex::new(Some(above)) })))
    }

    /// From now on the file is written to; it gets what was written in memory.
    ///
    /// A crash half-way leaves a file that redb refuses, or pages that nobody believes: then the index is derived again.
    pub(crate) fn wake(&self) -> io::Result<()> {
        let mut above = self.above();
        let Some(Above { below, len, written }) = &*above else { return Ok(()) };
        self.0.file.set_len(*below)?;
        self.0.file.set_len(*len)?;
        written.iter().try_for_each(|(offset, bytes)| self.0.file.write_at(*offset, bytes))?;
        *above = None;
        Ok(())
    }

    /// Whether the file itself is written to.
    pub(super) fn is_awake(&self) -> bool {
        self.above().is_none()
    }

    // What is in it is replaced in single steps, so a panic elsewhere leaves it whole.
    fn above(&self) -> MutexGuard<'_, Option<Above>> {
        self.0.above.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        let above = self.above().as_ref().map(|above| above.len);
        above.map_or_else(|| self.0.file.len(), Ok)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match &*self.above() {
            Some(above) => above.read(&*self.0.file, offset, out),
            None => self.0.file.read_at(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match &mut *self.above() {
            Some(above) => above.set_len(len),
            None => self.0.file.set_len(len)?,
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match &*self.above() {
            Some(_) => Ok(()),
            None => self.0.file.sync(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match &mut *self.above() {
            Some(above) => {
                above.written.push((offset, data.to_vec()));
                above.len = above.len.max(offset + data.len() as u64);
                Ok(())
            }
            None => self.0.file.write_at(offset, data),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::files::Files;
    use crate::files::fault::FaultFiles;

    fn file(bytes: &[u8]) -> (FaultFiles, Box<dyn OpenFile>) {
        let files = FaultFiles::default();
        let file = files.create(Path::new("/f")).unwrap();
        file.write_at(0, bytes).unwrap();
        (files, file)
    }

    fn all(backend: &Backend) -> Vec<u8> {
        let mut bytes = vec![9; backend.len().unwrap() as usize];
        backend.read(0, &mut bytes).unwrap();
        bytes
    }

    /// What redb may do to a file, with every step seen.
    fn story(backend: &Backend) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        backend.write(1, b"xy").unwrap();
        seen.push(all(backend));
        backend.write(2, b"z").unwrap();
        backend.set_len(3).unwrap();
        seen.push(all(backend));
        backend.set_len(6).unwrap();
        backend.sync_data().unwrap();
        seen.push(all(backend));
        backend.write(4, b"end").unwrap();
        seen.push(all(backend));
        seen
    }

    #[test]
    fn a_file_that_is_only_read_is_left_as_it_was_and_looks_as_if_it_were_written() {
        let (_files, open) = file(b"abcd");
        let awake = story(&Backend::new(open));
        let (files, open) = file(b"abcd");
        let backend = Backend::asleep(open).unwrap();
        assert_eq!(story(&backend), awake);
        let on_disk = || {
            let open = files.open(Path::new("/f")).unwrap();
            let mut bytes = vec![0; open.len().unwrap() as usize];
            open.read_at(0, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(on_disk(), b"abcd");
        backend.wake().unwrap();
        assert_eq!(on_disk(), awake[3]);
        backend.write(0, b"A").unwrap();
        assert_eq!(on_disk()[0], b'A');
    }
}
