//! How much room the packs may take.
//!
//! The writer counts what it writes, under its lock, so that no two transfers together pass the limit. What a sweep writes
//! again is let through: it makes room.

use crate::chunk::Chunk;
use crate::error::BlobsError;
use crate::pack::{HEAD_BYTES, MAGIC_BYTES, PACK_BYTES};
use crate::store::Blobs;

/// What the packs take, and may take.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    /// What they take, in bytes.
    pub(crate) used: u64,
    /// What they may take; any number where there is none.
    pub(crate) limit: Option<u64>,
}

impl Quota {
    /// Refuses what would not fit.
    pub(crate) fn check(&self, needed: u64) -> Result<(), BlobsError> {
        let Some(limit) = self.limit else { return Ok(()) };
        let free = limit.saturating_sub(self.used);
        if needed > free { Err(BlobsError::Quota { needed, free, limit }) } else { Ok(()) }
    }
}

/// What chunks take in packs, behind one of this length that is open, if one is.
fn cost(mut open: Option<u64>, chunks: &[Chunk]) -> u64 {
    let mut needed = 0;
    for chunk in chunks {
        let begins = if open.is_none() { MAGIC_BYTES } else { 0 };
        let more = begins + HEAD_BYTES as u64 + chunk.bytes;
        needed += more;
        open = Some(open.unwrap_or(0) + more).filter(|length| *length < PACK_BYTES);
    }
    needed
}

impl Blobs {
    /// Lets the packs take so many bytes from now on, or any number. What is here already stays.
    pub fn limit(&self, bytes_max: Option<u64>) {
        self.writer().quota.limit = bytes_max;
    }

    /// What the packs take, and may take.
    pub fn quota(&self) -> (u64, Option<u64>) {
        let writer = self.writer();
        (writer.quota.used, writer.quota.limit)
    }

    /// Refuses chunks that would not all fit; those that are here take nothing.
    pub fn check_room(&self, chunks: &[Chunk]) -> Result<(), BlobsError> {
        let writer = self.writer();
        if writer.quota.limit.is_none() {
            return Ok(());
        }
        let open = writer.pack.as_ref().map(|pack| pack.length());
        writer.quota.check(cost(open, &self.missing(chunks)))
    }

    /// Counts anew what is there, after packs were written again.
    pub(crate) fn count_used(&self) -> Result<(), BlobsError> {
        let mut writer = self.writer();
        writer.quota.used = self.disk_bytes()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Blobs) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        (dir, blobs)
    }

    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut out = vec![0; bytes];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
        out
    }

    #[test]
    fn what_fits_to_the_byte_is_stored_and_one_more_is_not() {
        let (_dir, blobs) = store();
        let (one, two) = (noise(1000, 1), noise(1000, 2));
        let chunks = [Chunk::of(&one), Chunk::of(&two)];
        let needed = MAGIC_BYTES + 2 * (HEAD_BYTES as u64 + 1000);
        blobs.limit(Some(needed - 1));
        let refused = blobs.check_room(&chunks);
        assert!(
            matches!(refused, Err(BlobsError::Quota { needed: n, free, .. }) if n == needed && free == needed - 1)
        );
        blobs.put(&one).unwrap();
        assert!(matches!(blobs.put(&two), Err(BlobsError::Quota { .. })));
        assert!(!blobs.has(&chunks[1].hash), "nothing of it is there");
        assert_eq!(blobs.quota().0, blobs.disk_bytes().unwrap());
        // What is here already costs nothing.
        blobs.put(&one).unwrap();
        blobs.check_room(&chunks[..1]).unwrap();
        blobs.limit(Some(needed));
        blobs.check_room(&chunks).unwrap();
        blobs.put(&two).unwrap();
        assert_eq!((blobs.disk_bytes().unwrap(), blobs.quota()), (needed, (needed, Some(needed))));
        assert!(blobs.put(&noise(1, 3)).is_err());
        blobs.limit(None);
        blobs.put(&noise(1, 3)).unwrap();
    }

    #[test]
    fn two_that_store_at_once_never_pass_it_together() {
        let (_dir, blobs) = store();
        let limit = 300_000;
        blobs.limit(Some(limit));
        let ended: Vec<_> = std::thread::scope(|scope| {
            let store = |from: u64| {
                let blobs = &blobs;
                scope.spawn(move || {
                    (from..from + 100).try_for_each(|seed| blobs.put(&noise(5000, seed)).map(drop))
                })
            };
            let working = [store(0), store(1000)];
            working.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(ended.iter().all(|ended| matches!(ended, Err(BlobsError::Quota { .. }))), "{ended:?}");
        let used = blobs.disk_bytes().unwrap();
        assert!(used <= limit && used > limit - 6000, "{used}");
    }

    #[test]
    fn a_file_that_does_not_fit_leaves_nothing_behind() {
        let (dir, blobs) = store();
        let file = dir.path().join("file");
        std::fs::write(&file, noise(3_000_000, 1)).unwrap();
        blobs.limit(Some(2_000_000));
        assert!(matches!(blobs.import(&file), Err(BlobsError::Quota { needed, .. }) if needed > 3_000_000));
        assert_eq!(blobs.disk_bytes().unwrap(), 0);
        blobs.limit(Some(3_100_000));
        blobs.import(&file).unwrap();
        // Again it is all here, and shares with what it begins like.
        blobs.import(&file).unwrap();
        let stored = blobs.quota().0;
        assert_eq!(stored, blobs.disk_bytes().unwrap());
        // A sweep makes room, also where none is left to work with.
        blobs.limit(Some(stored));
        blobs.sweep(false, || Ok::<_, BlobsError>(Vec::new())).unwrap();
        assert_eq!((blobs.quota().0, blobs.disk_bytes().unwrap()), (0, 0));
        drop(blobs);
        let again = Blobs::open(dir.path()).unwrap();
        assert_eq!(again.quota(), (0, None));
    }
}
