//! The index: where each content lies that is in a stone.
//!
//! It is derived, may be thrown away at any time and is never believed: what is known of a feed counts only up to the
//! root of the tower that it was read from, and every content is hashed again when it is read. What lies in the
//! log is not in here, so a commit never touches it.

use std::path::Path;

use cairn_crdt::id::{ContentHash, FeedId};
use cairn_protocol::hash::LogHash;
use cairn_protocol::stone::Stored;
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};

use crate::error::NodeError;
use crate::files::Files;

mod backend;

pub(crate) use backend::Backend;

/// The index's file.
pub(crate) const NAME: &str = "index.redb";
/// What redb keeps in memory.
const CACHE_BYTES: usize = 4 << 20;

/// What earlier programs kept here of waypoints.
const WHOLE: TableDefinition<'static, [u8; 40], &[u8]> = TableDefinition::new("skeletons");
/// The first bytes of a content's hash: enough that nobody finds two alike.
type Key = [u8; 16];
/// The first bytes of a content's hash to the number of its feed and the place.
const CONTENTS: TableDefinition<'static, Key, (u32, u64)> = TableDefinition::new("places");
/// Feed to its number.
const FEEDS: TableDefinition<'static, [u8; 32], u32> = TableDefinition::new("feeds");
/// Number of a feed to the feed, and the root of the tower whose contents are all here.
const TOWERS: TableDefinition<'static, u32, ([u8; 32], [u8; 32])> = TableDefinition::new("towers");

/// A content, and the place in its feed of the waypoint that carries it.
pub(crate) type Lying = (ContentHash, u64);

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
        if index.database.begin_read()?.open_table(TOWERS).is_err() {
            index.lay_out()?;
        }
        Ok(index)
    }

    /// Makes the tables.
    fn lay_out(&self) -> Result<(), Unusable> {
        let write = self.begin_write()?;
        write.delete_table(WHOLE)?;
        write.open_table(CONTENTS)?;
        write.open_table(FEEDS)?;
        write.open_table(TOWERS)?;
        Ok(write.commit()?)
    }

    fn begin_write(&self) -> Result<WriteTransaction, Unusable> {
        self.backend.wake().map_err(redb::Error::Io)?;
        Ok(self.database.begin_write()?)
    }

    /// Whether all contents are here of the tower of a feed that has this root.
    pub(crate) fn covers(&self, feed: FeedId, root: &LogHash) -> Result<bool, Unusable> {
        let read = self.database.begin_read()?;
        let Some(number) = read.open_table(FEEDS)?.get(feed.0)?.map(|number| number.value()) else {
            return Ok(false);
        };
        let tower = read.open_table(TOWERS)?.get(number)?.map(|tower| tower.value().1);
        Ok(tower == Some(root.0))
    }

    /// Adds contents of a feed; with them all those are here of the tower that has this root.
    pub(crate) fn add(
        &self,
        feed: FeedId,
        contents: &[Lying],
        root: Option<&LogHash>,
    ) -> Result<(), Unusable> {
        self.add_all([(feed, contents, root)])
    }

    /// The same for several feeds, in one step.
    pub(crate) fn add_all<'a>(
        &self,
        feeds: impl IntoIterator<Item = (FeedId, &'a [Lying], Option<&'a LogHash>)>,
    ) -> Result<(), Unusable> {
        let write = self.begin_write()?;
        {
            let mut numbers = write.open_table(FEEDS)?;
            let mut towers = write.open_table(TOWERS)?;
            let mut table = write.open_table(CONTENTS)?;
            for (feed, contents, root) in feeds {
                let known = numbers.get(feed.0)?.map(|number| number.value());
                let number = known.unwrap_or(numbers.len()? as u32);
                numbers.insert(feed.0, number)?;
                towers.insert(number, (feed.0, root.map_or([0; 32], |root| root.0)))?;
                for (content, place) in contents {
                    table.insert(key(*content), (number, *place))?;
                }
            }
        }
        Ok(write.commit()?)
    }

    /// From now on the tower of a feed is not whole here.
    pub(crate) fn forget(&self, feed: FeedId) -> Result<(), Unusable> {
        self.add(feed, &[], None)
    }

    /// Where a content lies, as far as the index knows.
    pub(crate) fn content(&self, content: ContentHash) -> Result<Option<Place>, Unusable> {
        let read = self.database.begin_read()?;
        let Some((number, place)) = read.open_table(CONTENTS)?.get(key(content))?.map(|found| found.value())
        else {
            return Ok(None);
        };
        let feed = read.open_table(TOWERS)?.get(number)?.map(|tower| FeedId(tower.value().0));
        Ok(feed.map(|feed| Place { feed, place }))
    }

    /// Gives the disk back what is not in use; an index that was only read stays as it is.
    pub(crate) fn compact(&mut self) -> Result<(), Unusable> {
        if self.backend.is_awake() {
            self.database.compact()?;
        }
        Ok(())
    }
}

fn key(content: ContentHash) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(&content.0[..16]);
    key
}

/// The hashes of the contents that a waypoint carries.
pub(crate) fn contents_of(stored: &Stored) -> Vec<ContentHash> {
    match stored {
        Stored::Body(waypoint) => waypoint.entries().filter_map(|entry| Some(entry.content()?.0)).collect(),
        Stored::Faded(_) | Stored::Gone(_) => Vec::new(),
    }
}
