//! A file system in memory that fails as disks do, for tests.
//!
//! Each file has a live image, which the process sees, and a durable one, with the changes in
//! between. A crash keeps the durable image and any subset of the changes: sectors of a write, lengths
//! and names, each on its own, as nothing orders them before a sync. The operation at
//! which it crashes, fails or runs out of room is chosen by number, so that a test can try them all.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Files, Guard, Lock, OpenFile};

const SECTOR_BYTES: usize = 512;

/// The file system; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultFiles(Arc<Mutex<State>>);

/// What is to go wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// The power goes at this operation, counted from 1.
    pub(crate) crash_at: Option<u64>,
    /// This sync fails, counted from 1; what it was to make durable is lost in a crash.
    pub(crate) fail_sync_at: Option<u64>,
    /// How many more bytes fit on the disk.
    pub(crate) room: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    live: Names,
    durable: Names,
    renames: Vec<Rename>,
    locks: BTreeSet<PathBuf>,
    plan: Plan,
    steps: u64,
    syncs: u64,
    crashed: bool,
}

#[derive(Debug, Default, Clone)]
struct Names {
    files: BTreeMap<PathBuf, u64>,
    dirs: BTreeSet<PathBuf>,
}

#[derive(Debug, Default, Clone)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

/// A change of names that is not durable yet.
#[derive(Debug, Clone)]
enum Rename {
    File(PathBuf, u64),
    Dir(PathBuf),
    Gone(PathBuf),
    Moved(PathBuf, PathBuf, u64),
}

/// Which unsynced changes a crash keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept {
    /// None.
    None,
    /// All.
    All,
    /// Each or not, by this seed.
    Some(u64),
}

impl Kept {
    /// Whether the next change is kept.
    fn next(&mut self) -> bool {
        match self {
            Kept::None => false,
            Kept::All => true,
            Kept::Some(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                (mixed ^ (mixed >> 27)) & 1 == 1
            }
        }
    }
}

impl FaultFiles {
    /// Decides what is to go wrong from now on.
    pub(crate) fn plan(&self, plan: Plan) {
        let mut state = self.state();
        (state.steps, state.syncs) = (0, 0);
        state.plan = plan;
    }

    /// How many operations that change something there were since the plan was made.
    pub(crate) fn steps(&self) -> u64 {
        self.state().steps
    }

    /// How many syncs there were since the plan was made.
    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// What is there once the power comes back.
    pub(crate) fn crash(&self, mut kept: Kept) -> Self {
        let state = self.state();
        let mut names = state.durable.clone();
        for rename in &state.renames {
            if kept.next() {
                names.apply(rename);
            }
        }
        names
            .files
            .retain(|path, _| path.ancestors().skip(1).all(|dir| is_top(dir) || names.dirs.contains(dir)));
        let mut inodes = BTreeMap::new();
        for (&number, inode) in &state.inodes {
            inodes.insert(number, inode.crash(&mut kept));
        }
        let (live, durable) = (names.clone(), names);
        Self(Arc::new(Mutex::new(State { inodes, live, durable, ..State::default() })))
    }

    /// Changes bytes of a file as rot does: unseen, and durable.
    pub(crate) fn rot(&self, path: &Path, offset: usize) {
        let mut state = self.state();
        let inode = state.inode_of(path).unwrap();
        inode.live[offset] ^= 0x20;
        inode.durable = inode.live.clone();
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        self.state().inode_of(path).unwrap().live.clone()
    }

    /// Every file, in order.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.state().live.files.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Names {
    fn apply(&mut self, rename: &Rename) {
        match rename {
            Rename::File(path, inode) => drop(self.files.insert(path.clone(), *inode)),
            Rename::Dir(path) => drop(self.dirs.insert(path.clone())),
            Rename::Gone(path) => drop(self.files.remove(path)),
            Rename::Moved(from, to, inode) => {
                self.files.remove(from);
                self.files.insert(to.clone(), *inode);
            }
        }
    }
}

impl Rename {
    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Rename::File(path, _) | Rename::Dir(path) | Rename::Gone(path) => path.parent() == Some(dir),
            Rename::Moved(_, to, _) => to.parent() == Some(dir),
        }
    }
}

impl Inode {
    fn crash(&self, kept: &mut Kept) -> Self {
        let mut bytes = self.durable.clone();
        for change in &self.changes {
            match change {
                Change::Len(len) if kept.next() => bytes.resize(*len, 0),
                Change::Len(_) => {}
                Change::Write(offset, written) => {
                    for (index, sector) in written.chunks(SECTOR_BYTES).enumerate() {
                        if kept.next() {
                            put(&mut bytes, offset + index * SECTOR_BYTES, sector);
                        }
                    }
                }
            }
        }
        Self { live: bytes.clone(), durable: bytes, changes: Vec::new() }
    }
}

impl State {
    fn inode_of(&mut self, path: &Path) -> io::Result<&mut Inode> {
        let number = *self.live.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        self.inodes.get_mut(&number).ok_or(io::ErrorKind::NotFound.into())
    }

    /// Counts an operation. `Ok(false)` is the one at which the power goes.
    fn step(&mut self, path: &Path) -> io::Result<bool> {
        if self.crashed {
            return Err(io::Error::other("the power is gone"));
        }
        // The index is many small writes that nothing rests on; what a crash leaves of them is random anyway.
        if path.extension().is_some_and(|extension| extension == "redb") {
            return Ok(true);
        }
        self.steps += 1;
        self.crashed = self.plan.crash_at == Some(self.steps);
        Ok(!self.crashed)
    }

    fn rename(&mut self, rename: Rename) {
        self.live.apply(&rename);
        self.renames.push(rename);
    }

    /// Takes room for bytes that a file grows by; says how many fit.
    fn take_room(&mut self, wanted: u64) -> u64 {
        let Some(room) = &mut self.plan.room else { return wanted };
        let taken = wanted.min(*room);
        *room -= taken;
        taken
    }

    fn give_room(&mut self, freed: u64) {
        if let Some(room) = &mut self.plan.room {
            *room += freed;
        }
    }
}

fn done(alive: bool) -> io::Result<()> {
    if alive { Ok(()) } else { Err(io::Error::other("the power goes")) }
}

fn is_top(dir: &Path) -> bool {
    dir == Path::new("/") || dir == Path::new("")
}

fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    if bytes.len() < offset + written.len() {
        bytes.resize(offset + written.len(), 0);
    }
    bytes[offset..offset + written.len()].copy_from_slice(written);
}

impl Files for FaultFiles {
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let number = *self.state().live.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(FaultFile { files: self.clone(), path: path.to_owned(), number }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let mut state = self.state();
        let alive = state.step(path)?;
        let parent = path.parent().unwrap();
        if !is_top(parent) && !state.live.dirs.contains(parent) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let number = match state.live.files.get(path) {
            Some(&number) => {
                let inode = state.inodes.get_mut(&number).unwrap();
                inode.live.clear();
                inode.changes.push(Change::Len(0));
                number
            }
            None => {
                let number = state.inodes.last_key_value().map_or(1, |(last, _)| last + 1);
                state.inodes.insert(number, Inode::default());
                state.rename(Rename::File(path.to_owned(), number));
                number
            }
        };
        done(alive)?;
        drop(state);
        Ok(Box::new(FaultFile { files: self.clone(), path: path.to_owned(), number }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let mut above: Vec<&Path> = path.ancestors().filter(|dir| !is_top(dir)).collect();
        above.reverse();
        for dir in above {
            if !state.live.dirs.contains(dir) {
                let alive = state.step(dir)?;
                state.rename(Rename::Dir(dir.to_owned()));
                done(alive)?;
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let alive = state.step(to)?;
        let number = *state.live.files.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.rename(Rename::Moved(from.to_owned(), to.to_owned(), number));
        done(alive)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let alive = state.step(path)?;
        let freed = state.inode_of(path)?.live.len() as u64;
        state.give_room(freed);
        state.rename(Rename::Gone(path.to_owned()));
        done(alive)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state();
        if !state.live.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = |path: &&PathBuf| path.parent() == Some(dir);
        let mut paths: Vec<_> = state.live.files.keys().filter(inside).cloned().collect();
        paths.extend(state.live.dirs.iter().filter(inside).cloned());
        paths.sort();
        Ok(paths)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let mut state = self.state();
        Ok(state.inode_of(path).ok().map(|inode| inode.live.len() as u64))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        done(state.step(dir)?)?;
        state.syncs += 1;
        if state.plan.fail_sync_at == Some(state.syncs) {
            return Err(io::Error::other("the disk fails"));
        }
        let (synced, left) =
            std::mem::take(&mut state.renames).into_iter().partition(|rename| rename.is_in(dir));
        state.renames = left;
        let synced: Vec<Rename> = synced;
        synced.iter().for_each(|rename| state.durable.apply(rename));
        Ok(())
    }

    fn lock(&self, path: &Path, _words: &str) -> io::Result<Lock> {
        if !self.state().locks.insert(path.to_owned()) {
            return Ok(Lock::Taken("1".to_owned()));
        }
        Ok(Lock::Held(Guard::new(Unlock(self.clone(), path.to_owned()))))
    }
}

#[derive(Debug)]
struct Unlock(FaultFiles, PathBuf);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.state().locks.remove(&self.1);
    }
}

#[derive(Debug)]
struct FaultFile {
    files: FaultFiles,
    path: PathBuf,
    number: u64,
}

impl OpenFile for FaultFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let state = self.files.state();
        let live = &state.inodes[&self.number].live;
        let start = offset as usize;
        let read = live.get(start..start + bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(read);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.files.state();
        let alive = state.step(&self.path)?;
        let start = offset as usize;
        let grown = (start + bytes.len()).saturating_sub(state.inodes[&self.number].live.len()) as u64;
        let fits = bytes.len() - (grown - state.take_room(grown)) as usize;
        let inode = state.inodes.get_mut(&self.number).unwrap();
        put(&mut inode.live, start, &bytes[..fits]);
        inode.changes.push(Change::Write(start, bytes[..fits].to_vec()));
        done(alive)?;
        if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.files.state();
        let alive = state.step(&self.path)?;
        let old = state.inodes[&self.number].live.len() as u64;
        state.give_room(old.saturating_sub(len));
        if state.take_room(len.saturating_sub(old)) < len.saturating_sub(old) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = state.inodes.get_mut(&self.number).unwrap();
        inode.live.resize(len as usize, 0);
        inode.changes.push(Change::Len(len as usize));
        done(alive)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.files.state().inodes[&self.number].live.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.files.state();
        done(state.step(&self.path)?)?;
        if self.path.extension().is_none_or(|extension| extension != "redb") {
            state.syncs += 1;
        }
        if state.plan.fail_sync_at == Some(state.syncs) {
            // The kernel drops what it could not write and forgets that it was to be written.
            state.inodes.get_mut(&self.number).unwrap().changes.clear();
            return Err(io::Error::other("the disk fails"));
        }
        let inode = state.inodes.get_mut(&self.number).unwrap();
        inode.durable = inode.live.clone();
        inode.changes.clear();
        Ok(())
    }
}
