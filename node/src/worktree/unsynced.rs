//! Files of a checkout are not synced: the store has them, and syncing hundreds takes longer than all the rest.
//!
//! A process that stops half-way loses nothing by that, for the system still has what it wrote. A machine that stops may
//! leave files that are empty, old or not there, as if somebody had edited them. So the link says in which run of the
//! machine, and until when, files were written. In a later run whatever nobody touched since and is not what the version
//! shows is *torn*: it is put aside, and written again. The system notes itself when a file or a folder was last touched,
//! whatever times people give them.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;

use cairn_crdt::View;
use cairn_crdt::path::RepoPath;
use serde::{Deserialize, Serialize};

use super::beneath::os;
use super::checkout::{Outcome, Source};
use super::index::Index;
use super::link::private_dir;
use super::scan::{Disk, shows};
use super::{Worktree, now_ns};
use crate::error::NodeError;
use rustix::fs::{AtFlags, Stat};
use rustix::io::Errno;

/// Where Linux says which run of the machine this is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// After so long a sync costs little: the system has written most by itself.
const SETTLED_NS: u64 = 60_000_000_000;
/// File systems count time in coarse steps.
const STEP_NS: u64 = 10_000_000;
/// The folder, in the worktree's own, for what was found torn.
const TORN: &str = "torn";

/// When files were written that may not be on the disk yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsynced {
    /// The run of the machine.
    boot: String,
    /// The time after the last of them, in nanoseconds since 1970; the end of time while they are being written.
    until_ns: u64,
}

impl Unsynced {
    /// Whether the machine has stopped since.
    pub fn is_past(&self) -> bool {
        boot().as_ref() != Some(&self.boot)
    }
}

/// The run of the machine; `None` where the system does not tell.
fn boot() -> Option<String> {
    fs::read_to_string(BOOT).ok().map(|words| words.trim().to_owned()).filter(|words| !words.is_empty())
}

impl Worktree {
    /// Notes that files are being written. Where nobody could tell later that the machine stopped, they are synced in the end.
    pub fn note_unsynced(&mut self) {
        self.link.unsynced = boot().map(|boot| Unsynced { boot, until_ns: u64::MAX });
    }

    /// Notes that the files are written. A file that was removed must not come back, so that is synced.
    pub fn note_written(&mut self, removed: bool) -> Result<(), NodeError> {
        match &mut self.link.unsynced {
            Some(unsynced) if !removed => unsynced.until_ns = time_ns().saturating_add(STEP_NS),
            _ => {
                self.sync()?;
                self.link.unsynced = None;
            }
        }
        Ok(())
    }

    /// Syncs what was written long ago, so that nothing has to be remembered of it.
    pub fn settle(&mut self) -> Result<(), NodeError> {
        let long_ago = |unsynced: &Unsynced| {
            !unsynced.is_past() && time_ns().saturating_sub(unsynced.until_ns) > SETTLED_NS
        };
        if self.link.unsynced.as_ref().is_some_and(long_ago) {
            self.sync()?;
            self.link.unsynced = None;
        }
        Ok(())
    }

    /// Syncs all that was written.
    pub fn sync(&self) -> Result<(), NodeError> {
        let synced = rustix::fs::syncfs(self.beneath.handle());
        synced.map_err(|error| NodeError::io("sync", &self.root, error.into()))
    }

    /// Writes again what a stop of the machine has torn of `view`, which the files show; `other` is shown by some where
    /// the checkout had not ended. Gives how many were torn.
    pub fn mend(&mut self, view: &View, other: &View, source: &mut dyn Source) -> Result<u64, NodeError> {
        let Some(unsynced) = self.link.unsynced.clone().filter(Unsynced::is_past) else { return Ok(0) };
        // What the disk says of a file is no longer what was seen.
        self.index = Index::default();
        let mut torn = BTreeSet::new();
        for path in view.files.keys() {
            let disk = self.look(path)?;
            let known = self.link.absent.contains(path) && disk.is_none();
            let shown = known || shows(view, path, disk.as_ref()) || shows(other, path, disk.as_ref());
            if !shown && self.is_old(path, unsynced.until_ns)? && self.put_aside(path, disk.as_ref())? {
                torn.insert(path.clone());
            }
        }
        self.link.absent.extend(torn.iter().cloned());
        let mut outcome = Outcome::default();
        self.write_files(&[view], view, &torn, source, &mut outcome)?;
        self.sync()?;
        self.link.absent.retain(|path| !torn.contains(path));
        self.link.unsynced = None;
        Ok(torn.len() as u64)
    }

    /// Whether nobody has touched a path after a time; where nothing stands, the folder that it would stand in.
    fn is_old(&self, path: &RepoPath, until_ns: u64) -> Result<bool, NodeError> {
        let io = |error| NodeError::io("read", &self.on_disk(path), error);
        let mut above = path.parent();
        let mut folder = self.beneath.folder(above.as_ref()).map_err(io)?;
        let stat = match &folder {
            Some(folder) => rustix::fs::statat(folder, os(&path.name()), AtFlags::SYMLINK_NOFOLLOW),
            None => Err(Errno::NOENT),
        };
        let stat = match stat {
            Ok(stat) => stat,
            Err(Errno::NOENT) => {
                while folder.is_none() {
                    above = above.and_then(|folder| folder.parent());
                    folder = self.beneath.folder(above.as_ref()).map_err(io)?;
                }
                let folder = folder.as_ref().map_or(self.beneath.handle(), AsFd::as_fd);
                rustix::fs::fstat(folder).map_err(|error| io(error.into()))?
            }
            Err(error) => return Err(io(error.into())),
        };
        Ok(touched_ns(&stat) <= until_ns)
    }

    /// Moves a torn file into the worktree's own folder; `false` for what is no file.
    fn put_aside(&self, path: &RepoPath, disk: Option<&Disk>) -> Result<bool, NodeError> {
        match disk {
            None => return Ok(true),
            Some(Disk::File { .. }) => {}
            Some(Disk::Link { .. } | Disk::Dir) => return Ok(false),
        }
        let io = |error| NodeError::io("put aside", &self.on_disk(path), error);
        let dir = private_dir(&self.root).join(TORN);
        fs::create_dir_all(&dir).map_err(io)?;
        let name =
            format!("{}.{}", now_ns(), cairn_crdt::id::hex(&blake3::hash(path.as_bytes()).as_bytes()[..8]));
        let folder = self.beneath.folder(path.parent().as_ref()).map_err(io)?;
        let Some(folder) = folder else { return Ok(false) };
        let here = rustix::fs::CWD;
        rustix::fs::renameat(&folder, os(&path.name()), here, dir.join(name))
            .map_err(|error| io(error.into()))?;
        tracing::warn!(%path, "the machine stopped before this was on the disk; it is written again");
        Ok(true)
    }
}

/// When the system noted last that something was done to a file or folder.
fn touched_ns(stat: &Stat) -> u64 {
    let seconds = u64::try_from(stat.st_ctime).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(stat.st_ctime_nsec).unwrap_or(0))
}

fn time_ns() -> u64 {
    u64::try_from(now_ns()).unwrap_or(u64::MAX)
}
