//! Takes away what nothing keeps.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::BlobsError;
use crate::pack::{self, Spot};
use crate::store::Blobs;

/// A pack is written again when this share of it is no longer needed: one of so many.
const DEAD_SHARE: u64 = 10;

/// What a sweep did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Chunks that are needed.
    pub kept_chunks: u64,
    /// Bytes of those.
    pub kept_bytes: u64,
    /// Chunks that went.
    pub chunks: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// What the files of the store came to before.
    pub bytes_before: u64,
    /// What they come to after.
    pub bytes_after: u64,
}

impl Blobs {
    /// Takes away every chunk that no pin keeps once `names` pins are gone.
    ///
    /// `names` is asked while nobody stores anything: so what it decides upon still holds when the chunks go. Pins go
    /// first, durably; a sweep that is cut off leaves chunks that the next one takes. With `dry_run` nothing changes.
    pub fn sweep<E: From<BlobsError>>(
        &self,
        dry_run: bool,
        names: impl FnOnce() -> Result<Vec<String>, E>,
    ) -> Result<Swept, E> {
        let _alone = self.alone();
        let going: HashSet<String> = names()?.into_iter().collect();
        let mut kept = HashSet::new();
        for name in self.pins("")? {
            if !going.contains(&name) {
                kept.extend(self.pinned(&name)?.into_iter().flatten());
            }
        }
        let mut swept = self.weigh(&kept);
        swept.bytes_before = self.disk_bytes()?;
        if dry_run {
            swept.bytes_after = swept.bytes_before - swept.bytes.min(swept.bytes_before);
            return Ok(swept);
        }
        self.seal_open()?;
        for name in &going {
            self.unpin(name)?;
        }
        self.drop_parts()?;
        self.rewrite(&kept)?;
        self.count_used()?;
        swept.bytes_after = self.disk_bytes()?;
        Ok(swept)
    }

    fn weigh(&self, kept: &HashSet<[u8; 32]>) -> Swept {
        let mut swept = Swept::default();
        for (hash, spot) in self.index().iter() {
            let (chunks, bytes) = match kept.contains(hash) {
                true => (&mut swept.kept_chunks, &mut swept.kept_bytes),
                false => (&mut swept.chunks, &mut swept.bytes),
            };
            *chunks += 1;
            *bytes += u64::from(spot.bytes);
        }
        swept
    }

    /// Writes packs again without what is not needed, where that is enough to be worth it.
    fn rewrite(&self, kept: &HashSet<[u8; 32]>) -> Result<(), BlobsError> {
        let mut live: HashMap<u32, Vec<([u8; 32], Spot)>> = HashMap::new();
        for (hash, spot) in self.index().iter().filter(|(hash, _)| kept.contains(*hash)) {
            live.entry(spot.pack).or_default().push((*hash, *spot));
        }
        for (number, length) in self.pack_lengths()? {
            let mut chunks = live.remove(&number).unwrap_or_default();
            let needed: u64 = chunks.iter().map(|(_, spot)| spot.record_bytes()).sum();
            if length.saturating_sub(needed) * DEAD_SHARE < length {
                continue;
            }
            chunks.sort_by_key(|(_, spot)| spot.offset);
            self.move_out(&chunks)?;
            self.index().retain(|_, spot| spot.pack != number);
            pack::remove(self.packs(), number)?;
        }
        Ok(())
    }

    /// Copies chunks into the pack that is being written, durably. One that is damaged moves as it is: a later look
    /// finds it, and a peer may still mend it.
    fn move_out(&self, chunks: &[([u8; 32], Spot)]) -> Result<(), BlobsError> {
        for (hash, spot) in chunks {
            let bytes = pack::read(self.packs(), *spot)?.ok_or(BlobsError::Missing { hash: *hash })?;
            self.add_again(*hash, &bytes)?;
        }
        self.sync()
    }

    fn pack_lengths(&self) -> Result<BTreeMap<u32, u64>, BlobsError> {
        let mut lengths = BTreeMap::new();
        for number in pack::numbers(self.packs())? {
            let path = pack::pack_path(self.packs(), number);
            let known = std::fs::metadata(&path).map_err(BlobsError::disk("look at", &path))?;
            lengths.insert(number, known.len());
        }
        Ok(lengths)
    }

    /// What the packs take on the disk.
    pub fn disk_bytes(&self) -> Result<u64, BlobsError> {
        Ok(self.pack_lengths()?.values().sum())
    }
}
