//! What is kept of descent beside the store.
//!
//! It is derived, may be thrown away at any time and is never believed: it counts only for the project and the version of the branch of
//! runs that it says it is of. Where the branch has grown, what is new is added; where anything else has become of it, all is made again.

use std::collections::BTreeMap;
use std::path::Path;

use cairn_crdt::Frontier;
use cairn_crdt::id::ContentHash;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::{About, Keys, keys_of};
use crate::error::NodeError;
use crate::files::Files;
use crate::owner::Owner;
use crate::runs::RUNS_BRANCH;
use crate::runs::book::{Run, Shelf};
use crate::runs::record::RunId;
use crate::store::{Backend, Unusable};
use crate::verbs::Place;

/// What the name of the file begins with; the project's digits come behind it.
const NAME: &str = "descent-";
/// The form of the keys.
const LEVEL: u8 = 1;
/// What redb keeps in memory.
const CACHE_BYTES: usize = 4 << 20;

const KEYS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("descent");
/// Of which project and version the rest is; it begins with what no key begins with.
const OF: &[u8] = b"0";

/// Keys in a file.
pub(super) struct Shelved {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    database: Database,
    backend: Backend,
}

/// The descent of what the branch of runs shows; in memory where it cannot be kept.
pub(super) fn of(owner: &mut Owner, place: Place) -> Result<(Option<Shelved>, Keys), NodeError> {
    let of = stamp(place, &place.branch(owner, RUNS_BRANCH)?);
    let known = open(owner, place);
    if known.as_ref().is_some_and(|shelved| shelved.is_of(&of)) {
        return Ok((known, Keys::new()));
    }
    let shelf = Shelf::open(owner, place)?;
    let is_grown =
        |known: &Shelved| known.is_of_place(place).then(|| known.runs()).filter(|runs| shelf.shows(runs));
    let before = known.as_ref().and_then(is_grown);
    let mut keys = read(owner, &shelf, before.as_ref().unwrap_or(&BTreeMap::new()))?;
    keys.insert(OF.to_vec(), of);
    let (files, dir) = (owner.home().files().clone(), owner.repo_dir(place.repo)?.to_owned());
    let path = dir.join(name(place));
    let kept = match known.filter(|_| before.is_some()) {
        Some(known) => known.add(&keys),
        None => Shelved::create(&*files, &dir, &path).and_then(|empty| empty.add(&keys)),
    };
    match kept {
        Ok(shelved) => Ok((Some(shelved), Keys::new())),
        Err(error) => {
            tracing::warn!(%error, "the descent of runs is not kept");
            let all = if before.is_some() { read(owner, &shelf, &BTreeMap::new())? } else { keys };
            Ok((None, all))
        }
    }
}

/// Adds what was just written on top of what was known: a run, with the hash of its record, or something else that is none. Where that
/// cannot be, it is added when it is asked for.
pub(crate) fn grown(owner: &Owner, place: Place, before: &Frontier, run: Option<(&Run, ContentHash)>) {
    let Ok(now) = place.branch(owner, RUNS_BRANCH) else { return };
    let Some(shelved) = open(owner, place).filter(|shelved| shelved.is_of(&stamp(place, before))) else {
        return;
    };
    let mut keys = run.map_or(Keys::new(), |(run, content)| keys_of(run, content));
    keys.insert(OF.to_vec(), stamp(place, &now));
    if let Err(error) = shelved.add(&keys) {
        tracing::warn!(%error, "the descent of a run is not kept");
    }
}

/// The keys of all records that the branch shows, but for runs that are known.
fn read(owner: &mut Owner, shelf: &Shelf, known: &BTreeMap<RunId, ContentHash>) -> Result<Keys, NodeError> {
    let mut keys = Keys::new();
    for id in shelf.names().0 {
        if known.contains_key(&id) {
            continue;
        }
        if let (Some(content), Ok(run)) = (shelf.content(&id), shelf.run(owner, id)?) {
            keys.extend(keys_of(&run, content));
        }
    }
    Ok(keys)
}

fn name(place: Place) -> String {
    format!("{NAME}{}.redb", place.project)
}

fn stamp(place: Place, frontier: &Frontier) -> Vec<u8> {
    let heads = frontier.heads().iter().flat_map(|head| head.0);
    place_stamp(place).into_iter().chain(heads).collect()
}

fn place_stamp(place: Place) -> Vec<u8> {
    [&[LEVEL][..], &place.repo.0, &place.project.0].concat()
}

fn open(owner: &Owner, place: Place) -> Option<Shelved> {
    let path = owner.repo_dir(place.repo).ok()?.join(name(place));
    let files = owner.home().files();
    files.len(&path).ok()??;
    let opened =
        files.open(&path).and_then(Backend::asleep).map_err(|error| Unusable::from(redb::Error::Io(error)));
    match opened.and_then(Shelved::over) {
        Ok(shelved) => Some(shelved),
        Err(error) => {
            tracing::warn!(?error, "the descent of runs is made again");
            None
        }
    }
}

impl Shelved {
    fn over(backend: Backend) -> Result<Self, Unusable> {
        let builder = &mut Database::builder();
        let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend.clone())?;
        let table = database.begin_read()?.open_table(KEYS)?;
        Ok(Self { table, database, backend })
    }

    /// An empty one in the place of the present one.
    fn create(files: &dyn Files, dir: &Path, path: &Path) -> Result<Self, NodeError> {
        let io = |error| NodeError::io("create", path, error);
        if files.len(path).map_err(io)?.is_some() {
            files.remove(path).and_then(|()| files.sync_dir(dir)).map_err(io)?;
        }
        let backend = Backend::new(files.create(path).map_err(io)?);
        let made = || -> Result<Self, Unusable> {
            let builder = &mut Database::builder();
            let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend.clone())?;
            let write = database.begin_write()?;
            write.open_table(KEYS)?;
            write.commit()?;
            let table = database.begin_read()?.open_table(KEYS)?;
            Ok(Self { table, database, backend: backend.clone() })
        };
        Ok(made()?)
    }

    /// Adds keys as one step.
    fn add(self, keys: &Keys) -> Result<Self, NodeError> {
        let add = || -> Result<_, Unusable> {
            self.backend.wake().map_err(redb::Error::Io)?;
            let write = self.database.begin_write()?;
            {
                let mut table = write.open_table(KEYS)?;
                for (key, told) in keys {
                    table.insert(key.as_slice(), told.as_slice())?;
                }
            }
            write.commit()?;
            Ok(self.database.begin_read()?.open_table(KEYS)?)
        };
        let table = add()?;
        Ok(Self { table, ..self })
    }

    fn stamp(&self) -> Option<Vec<u8>> {
        Some(self.table.get(OF).ok()??.value().to_vec())
    }

    fn is_of(&self, stamp: &[u8]) -> bool {
        self.stamp().is_some_and(|known| known == stamp)
    }

    fn is_of_place(&self, place: Place) -> bool {
        self.stamp().is_some_and(|known| known.starts_with(&place_stamp(place)))
    }

    /// The runs that are known, with the hashes of their records; none where that cannot be read.
    fn runs(&self) -> BTreeMap<RunId, ContentHash> {
        let keys = self.beginning(&About::Run.key(&[]), usize::MAX).unwrap_or_default();
        let run = |(key, told): (Vec<u8>, Vec<u8>)| {
            let id = RunId::parse(std::str::from_utf8(key.get(1..)?).ok()?)?;
            Some((id, ContentHash(told.try_into().ok()?)))
        };
        keys.into_iter().filter_map(run).collect()
    }

    /// The keys that begin like this, in order; at most so many.
    pub(super) fn beginning(&self, prefix: &[u8], count_max: usize) -> Result<Keys, NodeError> {
        let read = || -> Result<Keys, Unusable> {
            let mut keys = Keys::new();
            for entry in self.table.range(prefix..)? {
                let (key, told) = entry?;
                if !key.value().starts_with(prefix) || keys.len() >= count_max {
                    break;
                }
                keys.insert(key.value().to_vec(), told.value().to_vec());
            }
            Ok(keys)
        };
        Ok(read()?)
    }

    /// The last key that begins like this.
    pub(super) fn last(&self, prefix: &[u8]) -> Result<Option<Vec<u8>>, NodeError> {
        let read = || -> Result<_, Unusable> {
            let end = [prefix, &[0xff; 32]].concat();
            let last = self.table.range(prefix..end.as_slice())?.next_back().transpose()?;
            Ok(last.map(|(key, _)| key.value().to_vec()))
        };
        Ok(read()?)
    }
}
