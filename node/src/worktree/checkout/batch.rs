//! Temporary files that are synced together and then renamed into place.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{File as Shown, FileBody};
use rustix::fs::{AtFlags, Mode, OFlags};

use super::{Outcome, Source};
use crate::error::NodeError;
use crate::worktree::beneath::{Facts, facts_in, facts_of_file, os};
use crate::worktree::edits::handle_path;
use crate::worktree::ignored::TEMPORARY_PREFIX;
use crate::worktree::index::Seen;
use crate::worktree::{Worktree, now_ns};

/// Files that wait for one sync together; each holds two open handles.
const BATCH_FILES_MAX: usize = 128;
/// From so many files on, one sync of the file system is cheaper than one a file.
const SYNC_ALL_FROM: usize = 16;

/// A file that is written but not yet in place.
struct Prepared {
    path: RepoPath,
    folder: OwnedFd,
    temporary: String,
    /// The new bytes; a link has none.
    file: Option<File>,
    seen: Option<Seen>,
    /// What stood there when it was decided that it may be replaced.
    replaced: Option<Facts>,
}

/// Temporary files that are synced together.
#[derive(Default)]
pub(super) struct Batch {
    waiting: Vec<Prepared>,
    names: u64,
}

impl Batch {
    /// Writes a file beside its place.
    pub(super) fn prepare(
        &mut self,
        worktree: &mut Worktree,
        path: &RepoPath,
        shown: &Shown,
        source: &mut dyn Source,
        outcome: &mut Outcome,
    ) -> Result<(), NodeError> {
        let place = worktree.on_disk(path);
        let io = |error| NodeError::io("write", &place, error);
        let Ok(folder) = worktree.beneath.make_folder(path.parent().as_ref()) else {
            // A file or a link took the folder's place meanwhile.
            outcome.surprises.extend(path.parent());
            return Ok(());
        };
        let replaced = facts_in(folder.as_fd(), &path.name()).map_err(io)?;
        self.names += 1;
        let temporary = format!("{TEMPORARY_PREFIX}{}.{}", std::process::id(), self.names);
        let _ = rustix::fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
        let (file, seen) = match &shown.body {
            FileBody::Link { target } => {
                rustix::fs::symlinkat(target.as_slice(), &folder, temporary.as_str())
                    .map_err(|error| io(error.into()))?;
                (None, None)
            }
            FileBody::Bytes { .. } => {
                let bytes = source.bytes(path)?;
                let mut file = create(&folder, &temporary, shown.executable).map_err(io)?;
                file.write_all(&bytes).map_err(io)?;
                let seen = seen(&file, ContentHash::of(&bytes), None).map_err(io)?;
                (Some(file), Some(seen))
            }
            FileBody::Artifact { artifact, .. } => {
                if !source.export(*artifact, &handle_path(&folder).join(&temporary))? {
                    worktree.link.absent.insert(path.clone());
                    return Ok(());
                }
                worktree.link.absent.remove(path);
                let file = reopen(&folder, &temporary, shown.executable).map_err(io)?;
                let seen = artifact_seen(&file, *artifact).map_err(io)?;
                (Some(file), Some(seen))
            }
        };
        self.waiting.push(Prepared { path: path.clone(), folder, temporary, file, seen, replaced });
        Ok(())
    }

    /// Puts the files in place once there are many.
    pub(super) fn finish_if_full(
        &mut self,
        worktree: &mut Worktree,
        outcome: &mut Outcome,
    ) -> Result<(), NodeError> {
        if self.waiting.len() < BATCH_FILES_MAX { Ok(()) } else { self.finish(worktree, outcome) }
    }

    /// Syncs the files, puts them in place, and syncs the folders.
    pub(super) fn finish(&mut self, worktree: &mut Worktree, outcome: &mut Outcome) -> Result<(), NodeError> {
        let io = |error| NodeError::io("sync", worktree.root(), error);
        let many = self.waiting.len() >= SYNC_ALL_FROM;
        sync(worktree, many, self.waiting.iter().filter_map(|one| Some(one.file.as_ref()?.as_fd())))
            .map_err(io)?;
        let waiting = std::mem::take(&mut self.waiting);
        for prepared in &waiting {
            prepared.put(worktree, outcome)?;
        }
        let io = |error| NodeError::io("sync", worktree.root(), error);
        sync(worktree, many, waiting.iter().map(|one| one.folder.as_fd())).map_err(io)
    }
}

impl Prepared {
    /// Renames the file into place if what stands there is still what was looked at.
    fn put(&self, worktree: &mut Worktree, outcome: &mut Outcome) -> Result<(), NodeError> {
        let io = |error| NodeError::io("replace", &worktree.on_disk(&self.path), error);
        let name = self.path.name();
        let now = facts_in(self.folder.as_fd(), &name).map_err(io)?;
        let renamed = now == self.replaced
            && rustix::fs::renameat(&self.folder, self.temporary.as_str(), &self.folder, os(&name)).is_ok();
        if !renamed {
            let _ = rustix::fs::unlinkat(&self.folder, self.temporary.as_str(), AtFlags::empty());
            outcome.surprises.insert(self.path.clone());
            return Ok(());
        }
        match self.seen {
            Some(seen) => worktree.index.files.insert(self.path.clone(), seen),
            None => worktree.index.files.remove(&self.path),
        };
        outcome.written += 1;
        Ok(())
    }
}

fn create(folder: &OwnedFd, name: &str, executable: bool) -> std::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, name, flags, mode(executable))?))
}

/// Opens what the artifact store wrote, and gives it the mode that it must have.
fn reopen(folder: &OwnedFd, name: &str, executable: bool) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?);
    rustix::fs::fchmod(&file, Mode::from_raw_mode(if executable { 0o755 } else { 0o644 }))?;
    Ok(file)
}

fn mode(executable: bool) -> Mode {
    Mode::from_raw_mode(if executable { 0o777 } else { 0o666 })
}

fn seen(file: &File, content: ContentHash, artifact: Option<ArtifactId>) -> std::io::Result<Seen> {
    Ok(Seen::new(&facts_of_file(file)?, content, artifact, now_ns()))
}

fn artifact_seen(file: &File, artifact: ArtifactId) -> std::io::Result<Seen> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    seen(file, ContentHash(*hasher.finalize().as_bytes()), Some(artifact))
}

/// Makes files or folders durable.
fn sync<'a>(
    worktree: &Worktree,
    many: bool,
    handles: impl Iterator<Item = std::os::fd::BorrowedFd<'a>>,
) -> std::io::Result<()> {
    if many {
        return Ok(rustix::fs::syncfs(worktree.beneath.handle())?);
    }
    for handle in handles {
        rustix::fs::fsync(handle)?;
    }
    Ok(())
}
