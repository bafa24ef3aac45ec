//! Summaries of stones on disk: beside a large stone lies what is asked of it most, so that opening a store and reading
//! a file need not unpack it.
//!
//! A summary is made when a store is opened that has none of a stone, is never made durable, and counts only while its
//! checksum holds. Where it cannot be read or written the stone is read instead.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use cairn_protocol::limits::SUMMARY_BYTES_MAX;
use cairn_protocol::skeleton::Bones;
use cairn_protocol::stone::{Lying, StoneName, Stored, Summary};
use cairn_protocol::{FeedName, Skeleton};

use super::manifest::StoneRecord;
use super::stones::{Stones, damage};
use crate::error::NodeError;
use crate::files;

/// What a summary's name ends with, behind that of its stone.
pub(crate) const SUFFIX: &str = ".sum";
/// The level from which on stones have one: 256 waypoints.
const LEVEL_MIN: u8 = 8;
/// The bytes from which on they have one, however few waypoints they hold.
const BYTES_MIN: u64 = 1 << 20;

impl Stones {
    /// Shows the skeletons of a stone, in order: as its summary has them, which is made now if need be, or as they are
    /// read where the stone gives them as fast.
    pub(crate) fn read_skeletons(
        &self,
        feed: FeedName,
        record: &StoneRecord,
        each: &mut dyn FnMut(Skeleton) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        match self.skeletons(feed, record)? {
            Some(skeletons) => skeletons.into_iter().try_for_each(each),
            None => self.read_lean(feed, record, &mut |stored| each(skeleton(stored)?)),
        }
    }

    fn skeletons(&self, feed: FeedName, record: &StoneRecord) -> Result<Option<Vec<Skeleton>>, NodeError> {
        if !is_large(record) {
            return Ok(None);
        }
        let read = |bytes: &[u8]| Summary::read(&name(feed, record), &record.file, bytes).ok();
        let known = self.summary_file(record).and_then(|bytes| read(&bytes));
        let summary = match known {
            Some(summary) => Some(summary),
            None => self.summarize(feed, record)?,
        };
        Ok(summary.map(|summary| summary.skeletons).filter(|skeletons| !skeletons.is_empty()))
    }

    /// The contents that a waypoint carries; none where no summary says where they lie.
    pub(crate) fn lying(
        &self,
        feed: FeedName,
        record: &StoneRecord,
        place: u64,
    ) -> Result<Vec<Vec<u8>>, NodeError> {
        let Some(lying) = self.known_lying(feed, record) else { return Ok(Vec::new()) };
        let read = self.open(feed, record)?.lying(&lying, place);
        Ok(read.map_err(|reject| damage(feed, record, &reject))?)
    }

    /// Where the first content of a waypoint begins among those of its stone; nothing where no summary says so.
    pub(crate) fn begins(&self, feed: FeedName, record: &StoneRecord, place: u64) -> Option<u64> {
        let lying = self.known_lying(feed, record)?;
        self.open(feed, record).ok()?.begins(&lying, place)
    }

    fn known_lying(&self, feed: FeedName, record: &StoneRecord) -> Option<Arc<[Lying]>> {
        if !is_large(record) {
            return None;
        }
        // The map is only a cache: what a panicking thread left in it is still true.
        let mut known = self.lying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lying) = known.get(&record.file) {
            return Some(lying.clone());
        }
        let read = |bytes: Vec<u8>| Summary::read_lying(&name(feed, record), &record.file, &bytes).ok();
        // That there is none is remembered too: a stone that was cut since the store was opened has none yet.
        let lying: Arc<[Lying]> = self.summary_file(record).and_then(read).unwrap_or_default().into();
        known.insert(record.file.clone(), lying.clone());
        Some(lying)
    }

    /// Makes the summary of a stone and puts it beside it.
    fn summarize(&self, feed: FeedName, record: &StoneRecord) -> Result<Option<Summary>, NodeError> {
        let made = self.open(feed, record)?.summarize();
        let Some(summary) = made.map_err(|reject| damage(feed, record, &reject))? else { return Ok(None) };
        if let Some(bytes) = summary.to_file(&record.file) {
            let path = self.summary_path(record);
            let written = self.files.create(&path).and_then(|file| file.write_at(0, &bytes));
            if let Err(error) = written {
                tracing::warn!(%error, path = %path.display(), "a summary could not be written");
            }
        }
        Ok(Some(summary))
    }

    fn summary_file(&self, record: &StoneRecord) -> Option<Vec<u8>> {
        files::read(&*self.files, &self.summary_path(record), 2 * SUMMARY_BYTES_MAX as u64).ok()
    }

    /// Removes the summary of a stone, if it has one; without its stone it would go at the next start.
    pub(crate) fn remove_summary(&self, record: &StoneRecord) {
        let _ = self.files.remove(&self.summary_path(record));
    }

    /// A summary's file.
    fn summary_path(&self, record: &StoneRecord) -> PathBuf {
        self.path(record).with_added_extension(&SUFFIX[1..])
    }
}

/// The skeleton of what lies in a stone; an error where only the name is left.
pub(crate) fn skeleton(stored: Stored) -> Result<Skeleton, NodeError> {
    match stored {
        Stored::Faded(id) => Err(NodeError::Faded(id)),
        Stored::Gone(gone) => Ok(Skeleton::Gone(gone)),
        Stored::Body(waypoint) => Ok(Skeleton::Waypoint(Bones::of(&waypoint))),
    }
}

fn is_large(record: &StoneRecord) -> bool {
    record.gone().is_none() && (record.span.level >= LEVEL_MIN || record.bytes >= BYTES_MIN)
}

fn name(feed: FeedName, record: &StoneRecord) -> StoneName {
    StoneName { feed, span: record.span }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use cairn_protocol::replica::Fading;

    use super::super::fixture::{Author, create, dir, open};
    use super::*;
    use crate::files::Files;
    use crate::files::fault::FaultFiles;

    fn names(files: &FaultFiles) -> BTreeSet<String> {
        let paths = files.list(&dir().join(super::super::stones::DIR)).unwrap();
        paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    fn summaries(files: &FaultFiles) -> Vec<String> {
        names(files).into_iter().filter(|name| name.ends_with(SUFFIX)).collect()
    }

    /// A store with one large stone and a small one, opened once.
    fn story(files: &FaultFiles) -> Author {
        let mut author = Author::new(1);
        let mut store = create(files, &author).unwrap();
        store.commit(&author.batch(256)).unwrap();
        store.cut().unwrap();
        store.commit(&author.batch(2)).unwrap();
        store.close().unwrap();
        drop(open(files).unwrap());
        author
    }

    #[test]
    fn a_large_stone_has_a_summary_from_the_first_opening_on() {
        let files = FaultFiles::default();
        let author = story(&files);
        assert_eq!(summaries(&files).len(), 1);
        let (store, recovered) = open(&files).unwrap();
        author.check(&store, 258);
        let ids = recovered.feeds[0].skeletons.iter().filter_map(Skeleton::waypoint).map(|bones| bones.id);
        assert_eq!(ids.collect::<Vec<_>>(), author.ids);
    }

    #[test]
    fn a_damaged_summary_is_made_again_and_never_believed() {
        let files = FaultFiles::default();
        let author = story(&files);
        let path = dir().join(super::super::stones::DIR).join(&summaries(&files)[0]);
        let whole = files::read(&files, &path, u64::MAX).unwrap();
        files.open(&path).unwrap().write_at(whole.len() as u64 / 2, b"damaged").unwrap();
        let (store, recovered) = open(&files).unwrap();
        assert_eq!(recovered.feeds[0].skeletons.len(), 258);
        author.check(&store, 258);
        assert!(store.verify(true).is_ok());
        assert_eq!(files::read(&files, &path, u64::MAX).unwrap(), whole);
    }

    #[test]
    fn a_summary_goes_with_its_stone() {
        let files = FaultFiles::default();
        let author = story(&files);
        let before = summaries(&files);
        let (mut store, _) = open(&files).unwrap();
        let places = BTreeMap::from([(author.feed.id(), (0..200).collect())]);
        store.fade(&Fading { places, ..Fading::default() }).unwrap();
        drop(store);
        drop(open(&files).unwrap());
        let (names, after) = (names(&files), summaries(&files));
        assert_ne!(after, before);
        assert!(after.iter().all(|name| names.contains(name.strip_suffix(SUFFIX).unwrap())), "{names:?}");
    }
}
