//! Files of a checkout are not synced: the store has them, and syncing hundreds takes longer than all the rest.
//!
//! A process that stops half-way loses nothing by that, for the system still has what it wrote. A machine that stops may
//! leave files that are empty, old or not there, as if somebody had edited them. So the link says in which run of the
//! machine, and until when, files were written. In a later run whatever nobody touched since and is not what the version
//! shows is *torn*: it is put aside, and written again. The system notes itself when a file or a folder was last touched,
//! whatever times people give them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

use cairn_crdt::View;
use cairn_crdt::id::hex;
use cairn_crdt::path::RepoPath;
use serde::{Deserialize, Serialize};

use super::beneath::os;
use super::checkout::{Outcome, Source};
use super::footing::shows;
use super::link::private_dir;
use super::scan::Disk;
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

/// The run of the machine; `None` where the system does not tell. It is asked once, for no process outlives it.
fn boot() -> Option<String> {
    static KNOWN: OnceLock<Option<String>> = OnceLock::new();
    let words = || fs::read_to_string(BOOT).ok();
    let known = KNOWN.get_or_init(|| words().map(|words| words.trim().to_owned()));
    known.clone().filter(|words| !words.is_empty())
}

impl Worktree {
    /// Notes that files are being written. Where nobody could tell later that the machine stopped, they are synced in the end.
    pub fn note_unsynced(&mut self) {
        self.link.unsynced = boot().map(|boot| Unsynced { boot, until_ns: u64::MAX });
    }

    /// Notes that the files are written.
    pub fn note_written(&mut self) -> Result<(), NodeError> {
        match &mut self.link.unsynced {
            Some(unsynced) => unsynced.until_ns = time_ns().saturating_add(STEP_NS),
            None => self.sync()?,
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
        self.index.forget_all();
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
        // What could not be written again is left out, and not taken away.
        for path in &torn {
            if self.look(path)?.is_some() {
                self.link.absent.remove(path);
            }
        }
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
        let folder = self.beneath.folder(path.parent().as_ref()).map_err(io)?;
        let Some(folder) = folder else { return Ok(false) };
        self.set_aside(&folder, os(&path.name()), path)?;
        tracing::warn!(%path, "the machine stopped before this was on the disk; it is written again");
        Ok(true)
    }

    /// Moves a file that stood at a path from an open folder into the worktree's own.
    pub(super) fn set_aside(&self, folder: &OwnedFd, name: &OsStr, path: &RepoPath) -> Result<(), NodeError> {
        let io = |error| NodeError::io("put aside", &self.on_disk(path), error);
        let dir = private_dir(&self.root).join(TORN);
        fs::create_dir_all(&dir).map_err(io)?;
        let to = dir.join(format!("{}.{}", now_ns(), hex(&blake3::hash(path.as_bytes()).as_bytes()[..8])));
        rustix::fs::renameat(folder, name, rustix::fs::CWD, &to).map_err(|error| io(error.into()))?;
        tracing::warn!(%path, aside = %to.display(), "what stood there was put aside");
        Ok(())
    }
}

/// When the system noted last that something was done to a file or folder.
fn touched_ns(stat: &Stat) -> u64 {
    let seconds = u64::try_from(stat.st_ctime).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(stat.st_ctime_nsec)
}

fn time_ns() -> u64 {
    u64::try_from(now_ns()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use cairn_crdt::id::{ArtifactId, ContentHash, NodeId, RepoId, Root};
    use cairn_crdt::{File, FileBody, Frontier};

    use super::*;
    use crate::worktree::{Footing, Link, Steps};

    struct Same;

    impl Source for Same {
        fn bytes(&mut self, path: &RepoPath) -> Result<Vec<u8>, NodeError> {
            Ok(path.as_bytes().to_vec())
        }

        fn export(&mut self, _: ArtifactId, _: &Path) -> Result<bool, NodeError> {
            Ok(false)
        }
    }

    fn path(name: &str) -> RepoPath {
        RepoPath::new(name.as_bytes()).unwrap()
    }

    /// A version in which every file holds its own name.
    fn version(names: &[&str]) -> View {
        let file = |name: &&str| {
            let content = ContentHash::of(name.as_bytes());
            let body = FileBody::Bytes { content, bytes: name.len() as u64, opaque: false };
            (path(name), File { node: NodeId([0; 32]), executable: false, body })
        };
        View {
            frontier: Frontier::empty(),
            root: Root([0; 32]),
            files: names.iter().map(file).collect::<BTreeMap<_, _>>(),
            dirs: names.iter().filter_map(|name| path(name).parent()).collect(),
            overlaps: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn worktree() -> (tempfile::TempDir, Worktree) {
        let dir = tempfile::tempdir().unwrap();
        let link = Link {
            home: "/nowhere".into(),
            repo: RepoId([0; 32]),
            project: "@me/x".into(),
            branch: "main".into(),
            frontier: Frontier::empty(),
            underway: None,
            unsynced: None,
            absent: BTreeSet::new(),
            lazy: false,
            asked: BTreeSet::new(),
            key: None,
            steps: Steps::default(),
            local: None,
        };
        let worktree = Worktree::create(dir.path(), link).unwrap();
        (dir, worktree)
    }

    /// A checkout, after which the machine stopped and `torn` happened to the files.
    fn stopped(names: &[&str], torn: impl FnOnce(&Path)) -> (tempfile::TempDir, Worktree, View) {
        let ((dir, mut worktree), view) = (worktree(), version(names));
        worktree.note_unsynced();
        worktree.checkout(&[&version(&[])], &view, &mut Same).unwrap();
        torn(dir.path());
        worktree.note_written().unwrap();
        let unsynced = worktree.link.unsynced.as_mut().unwrap();
        assert!(!unsynced.is_past());
        unsynced.boot.push('x');
        (dir, worktree, view)
    }

    #[test]
    fn what_a_stop_of_the_machine_tore_is_written_again_and_nothing_is_lost() {
        let (dir, mut worktree, view) = stopped(&["a", "d/b", "d/c", "e"], |root| {
            fs::write(root.join("a"), "").unwrap();
            fs::write(root.join("d/b"), "half").unwrap();
            fs::remove_file(root.join("d/c")).unwrap();
        });
        assert_eq!(worktree.mend(&view, &view, &mut Same).unwrap(), 3);
        assert!(worktree.changes(&Footing::of(&view), None).unwrap().is_empty());
        assert_eq!(fs::read(dir.path().join("d/b")).unwrap(), b"d/b");
        let kept = fs::read_dir(private_dir(dir.path()).join(TORN)).unwrap();
        let mut kept: Vec<_> = kept.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        kept.sort();
        assert_eq!(kept, ["", "half"]);
        assert_eq!(worktree.link.unsynced, None);
        assert!(worktree.link.absent.is_empty());
    }

    #[test]
    fn what_was_torn_and_is_not_to_be_had_is_left_out_and_not_taken_away() {
        let (dir, mut worktree, mut view) = stopped(&["a"], |root| fs::write(root.join("big"), "").unwrap());
        let body = FileBody::Artifact { artifact: ArtifactId([1; 32]), bytes: 9 };
        view.files.insert(path("big"), File { node: NodeId([0; 32]), executable: false, body });
        assert_eq!(worktree.mend(&view, &view, &mut Same).unwrap(), 1);
        assert!(!dir.path().join("big").exists());
        assert!(worktree.changes(&Footing::of(&view), None).unwrap().is_empty());
    }

    #[test]
    fn what_somebody_did_since_stays() {
        let (dir, mut worktree, view) = stopped(&["a", "d/b", "e"], |_| {});
        std::thread::sleep(std::time::Duration::from_millis(30));
        fs::write(dir.path().join("a"), "mine").unwrap();
        fs::remove_file(dir.path().join("d/b")).unwrap();
        let old = fs::File::options().write(true).open(dir.path().join("a")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(worktree.mend(&view, &view, &mut Same).unwrap(), 0);
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"mine");
        assert_eq!(worktree.changes(&Footing::of(&view), None).unwrap().len(), 2);
    }

    #[test]
    fn in_the_same_run_of_the_machine_nothing_is_mended_and_what_is_old_is_synced() {
        let (_dir, mut worktree, view) = stopped(&["a"], |root| fs::write(root.join("a"), "").unwrap());
        worktree.note_unsynced();
        worktree.settle().unwrap();
        assert!(worktree.link.unsynced.is_some(), "files are being written");
        assert_eq!(worktree.mend(&view, &view, &mut Same).unwrap(), 0);
        worktree.note_written().unwrap();
        worktree.settle().unwrap();
        assert!(worktree.link.unsynced.is_some(), "they were just written");
        worktree.link.unsynced.as_mut().unwrap().until_ns -= 2 * SETTLED_NS;
        worktree.settle().unwrap();
        assert_eq!(worktree.link.unsynced, None);
    }
}
