//! The index: skeletons of the waypoints that lie in stones, and where each content is.
//!
//! Skeletons have no operations: those are read from the stones when a version needs them. The index saves opening every stone at every start. It is derived, may be thrown away at any time
//! and is never believed: the skeletons of a feed count only if their ids bag to the root of the
//! feed's tower, and every content is hashed again when it is read. What lies in the
//! log is not in here, so a commit never touches it.

use std::path::Path;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, FeedId, WaypointId};
use cairn_protocol::hash::LogHash;
use cairn_protocol::merkle::Peaks;
use cairn_protocol::piece::Piece;
use cairn_protocol::skeleton::Skeleton;
use cairn_protocol::stone::Stored;
use redb::{Database, ReadableDatabase, TableDefinition, WriteTransaction};

use crate::error::NodeError;
use crate::files::Files;

mod backend;

use backend::Backend;

/// The index's file.
pub(crate) const NAME: &str = "index.redb";
/// What redb keeps in memory.
const CACHE_BYTES: usize = 8 << 20;

/// (feed, place) to a skeleton.
const SKELETONS: TableDefinition<'static, [u8; 40], &[u8]> = TableDefinition::new("skeletons 2");
/// The same with operations, as earlier programs wrote it.
const WHOLE: TableDefinition<'static, [u8; 40], &[u8]> = TableDefinition::new("skeletons");
/// Content hash to (feed, place).
const CONTENTS: TableDefinition<'static, [u8; 32], [u8; 40]> = TableDefinition::new("contents");
/// Feed to how many of its waypoints are here.
const COVERED: TableDefinition<'static, [u8; 32], u64> = TableDefinition::new("covered");

/// A waypoint of a feed, by its place from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The feed.
    pub(crate) feed: FeedId,
    /// The place.
    pub(crate) place: u64,
}

/// The index of one store.
#[derive(Debug)]
pub(crate) struct Index {
    database: Database,
    backend: Backend,
}

/// Why the index could not answer; it is rebuilt then, whatever the reason.
#[derive(Debug)]
pub(crate) struct Unusable(redb::Error);

impl<E: Into<redb::Error>> From<E> for Unusable {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<Unusable> for NodeError {
    fn from(error: Unusable) -> Self {
        tracing::warn!(error = %error.0, "the index failed");
        NodeError::Bug("the index failed where it had just been rebuilt")
    }
}

impl Index {
    /// Opens the index; makes an empty one where there is none that can be used.
    pub(crate) fn open(files: &dyn Files, dir: &Path) -> Result<Self, NodeError> {
        let path = dir.join(NAME);
        let io = |error| NodeError::io("open", &path, error);
        if files.len(&path).map_err(io)?.is_some() {
            match Self::over(Backend::asleep(files.open(&path).map_err(io)?).map_err(io)?) {
                Ok(index) => return Ok(index),
                Err(error) => tracing::warn!(error = %error.0, "the index is rebuilt"),
            }
        }
        Self::create(files, dir)
    }

    /// Makes an empty index in the place of the present one.
    ///
    /// The old file goes first: were it emptied and written again, a crash could leave a mix of both in it.
    pub(crate) fn create(files: &dyn Files, dir: &Path) -> Result<Self, NodeError> {
        let path = dir.join(NAME);
        if files.len(&path).map_err(|error| NodeError::io("open", &path, error))?.is_some() {
            let removed = files.remove(&path).and_then(|()| files.sync_dir(dir));
            removed.map_err(|error| NodeError::io("remove", &path, error))?;
        }
        let file = files.create(&path).map_err(|error| NodeError::io("create", &path, error))?;
        Ok(Self::over(Backend::new(file))?)
    }

    fn over(backend: Backend) -> Result<Self, Unusable> {
        let builder = &mut Database::builder();
        let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend.clone())?;
        let index = Self { database, backend };
        if index.database.begin_read()?.open_table(SKELETONS).is_err() {
            index.lay_out()?;
        }
        Ok(index)
    }

    /// Makes the tables.
    fn lay_out(&self) -> Result<(), Unusable> {
        let write = self.begin_write()?;
        write.delete_table(WHOLE)?;
        write.open_table(SKELETONS)?;
        write.open_table(CONTENTS)?;
        write.open_table(COVERED)?;
        Ok(write.commit()?)
    }

    fn begin_write(&self) -> Result<WriteTransaction, Unusable> {
        self.backend.wake().map_err(redb::Error::Io)?;
        Ok(self.database.begin_write()?)
    }

    /// How many waypoints of a feed are here.
    pub(crate) fn covered(&self, feed: FeedId) -> Result<u64, Unusable> {
        let table = self.database.begin_read()?.open_table(COVERED)?;
        Ok(table.get(feed.0)?.map_or(0, |n| n.value()))
    }

    /// Adds the waypoints of a feed from `start` on, up to the first that cannot be read; what was known from there on
    /// goes. Says how many were added.
    pub(crate) fn add(
        &self,
        feed: FeedId,
        start: u64,
        waypoints: &mut dyn Iterator<Item = Result<Stored, NodeError>>,
    ) -> Result<u64, Unusable> {
        let mut end = start;
        let write = self.begin_write()?;
        {
            let mut skeletons = write.open_table(SKELETONS)?;
            let behind = key(Place { feed, place: start })..=key(Place { feed, place: u64::MAX });
            skeletons.retain_in(behind, |_, _| false)?;
        }
        insert(&write, feed, &mut end, &mut waypoints.map_while(Result::ok))?;
        write.open_table(COVERED)?.insert(feed.0, end)?;
        write.commit()?;
        Ok(end - start)
    }

    /// Puts waypoints in the place of those that are here.
    pub(crate) fn put(&self, feed: FeedId, start: u64, stored: &[Stored]) -> Result<(), Unusable> {
        let (write, mut end) = (self.begin_write()?, start);
        insert(&write, feed, &mut end, &mut stored.iter().cloned())?;
        Ok(write.commit()?)
    }

    /// Forgets the waypoints of a feed in `from .. to`: until they are put again, the feed is not whole here.
    pub(crate) fn forget(&self, feed: FeedId, from: u64, to: u64) -> Result<(), Unusable> {
        let write = self.begin_write()?;
        let range = key(Place { feed, place: from })..key(Place { feed, place: to });
        write.open_table(SKELETONS)?.retain_in(range, |_, _| false)?;
        Ok(write.commit()?)
    }

    /// The skeletons of the first `n` waypoints of a feed, if they are those that bag to `root`; of one that has faded
    /// altogether there is none.
    pub(crate) fn skeletons(
        &self,
        feed: FeedId,
        n: u64,
        root: &LogHash,
    ) -> Result<Option<Vec<Option<Skeleton>>>, Unusable> {
        let table = self.database.begin_read()?.open_table(SKELETONS)?;
        let mut skeletons = Vec::new();
        let mut peaks = Peaks::default();
        for item in table.range(key(Place { feed, place: 0 })..key(Place { feed, place: n }))? {
            let Some((skeleton, (level, hash))) = read_skeleton(item?.1.value()) else { return Ok(None) };
            if !peaks.append_subtree(level, hash) {
                return Ok(None);
            }
            skeletons.push(skeleton);
        }
        Ok((peaks.len() == n && peaks.root() == *root).then_some(skeletons))
    }

    /// Where a content lies, as far as the index knows.
    pub(crate) fn content(&self, content: ContentHash) -> Result<Option<Place>, Unusable> {
        let table = self.database.begin_read()?.open_table(CONTENTS)?;
        Ok(table.get(content.0)?.map(|key| place(&key.value())))
    }
}

/// Adds what follows `end`, and moves it on.
fn insert(
    write: &WriteTransaction,
    feed: FeedId,
    end: &mut u64,
    stored: &mut dyn Iterator<Item = Stored>,
) -> Result<(), Unusable> {
    let mut skeletons = write.open_table(SKELETONS)?;
    let mut contents = write.open_table(CONTENTS)?;
    for stored in stored {
        let key = key(Place { feed, place: *end });
        skeletons.insert(key, &skeleton_bytes(&stored)[..])?;
        for content in contents_of(&stored) {
            contents.insert(content.0, key)?;
        }
        *end += stored.count();
    }
    Ok(())
}

/// The hashes of the contents that a waypoint carries.
pub(crate) fn contents_of(stored: &Stored) -> Vec<ContentHash> {
    match stored {
        Stored::Body(waypoint) => waypoint.entries().filter_map(|entry| Some(entry.content()?.0)).collect(),
        Stored::Faded(_) | Stored::Gone(_) => Vec::new(),
    }
}

fn skeleton_bytes(stored: &Stored) -> Vec<u8> {
    match stored {
        Stored::Body(waypoint) => Skeleton::of_waypoint(waypoint).to_bytes(),
        Stored::Faded(id) => id.0.to_vec(),
        Stored::Gone(gone) => Skeleton::from(Piece::Gone(*gone)).to_bytes(),
    }
}

/// Reads a skeleton, and the node of the feed's log that it is. A skeleton is longer than a name, so none can be confused.
fn read_skeleton(bytes: &[u8]) -> Option<(Option<Skeleton>, (u8, LogHash))> {
    if let Ok(id) = <[u8; 32]>::try_from(bytes) {
        return Some((None, Stored::Faded(WaypointId(id)).node()));
    }
    let skeleton = Skeleton::from_bytes(bytes).ok()?;
    let node = skeleton.piece.node();
    Some((Some(skeleton), node))
}

fn key(place: Place) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(&place.feed.0);
    key[32..].copy_from_slice(&place.place.to_be_bytes());
    key
}

fn place(key: &[u8; 40]) -> Place {
    let (mut feed, mut place) = ([0; 32], [0; 8]);
    feed.copy_from_slice(&key[..32]);
    place.copy_from_slice(&key[32..]);
    Place { feed: FeedId(feed), place: u64::from_be_bytes(place) }
}
