//! Files that are written beside their place and then renamed into it.
//!
//! A process that stops half-way leaves the old file or the new one. Nothing is synced: see [`Unsynced`].
//!
//! [`Unsynced`]: crate::worktree::Unsynced

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{File as Shown, FileBody};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::spot::Spot;
use super::{Outcome, Source};
use crate::error::NodeError;
use crate::worktree::beneath::{facts_in, facts_of_file, os};
use crate::worktree::edits::handle_path;
use crate::worktree::ignored::TEMPORARY_PREFIX;
use crate::worktree::index::Seen;
use crate::worktree::scan::Disk;
use crate::worktree::{Worktree, now_ns};

/// A file that is written but not yet in place.
struct Prepared<'a> {
    path: &'a RepoPath,
    folder: Rc<OwnedFd>,
    temporary: String,
    seen: Option<Seen>,
}

/// Writes files one after the other.
#[derive(Default)]
pub(super) struct Swap {
    names: u64,
    /// The folder that was written to last: its files follow each other.
    folder: Option<(Option<RepoPath>, Rc<OwnedFd>)>,
}

impl Swap {
    /// Writes a file beside its place and puts it there, if `expected` stands there still.
    pub(super) fn file(
        &mut self,
        worktree: &mut Worktree,
        (path, shown): (&RepoPath, &Shown),
        expected: Option<&Disk>,
        source: &mut dyn Source,
        outcome: &mut Outcome,
    ) -> Result<(), NodeError> {
        let Ok(folder) = self.folder(worktree, path.parent()) else {
            // A file or a link took the folder's place meanwhile.
            outcome.surprises.extend(path.parent());
            return Ok(());
        };
        match self.prepare(worktree, folder, path, shown, source)? {
            Some(prepared) => prepared.put(worktree, expected, outcome),
            None => worktree.leave_out(path, expected, outcome),
        }
    }

    fn folder(&mut self, worktree: &Worktree, path: Option<RepoPath>) -> std::io::Result<Rc<OwnedFd>> {
        if let Some((_, folder)) = self.folder.as_ref().filter(|(known, _)| *known == path) {
            return Ok(folder.clone());
        }
        let folder = Rc::new(worktree.beneath.make_folder(path.as_ref())?);
        self.folder = Some((path, folder.clone()));
        Ok(folder)
    }

    /// Writes a file beside its place; nothing where its bytes are not to be had.
    fn prepare<'a>(
        &mut self,
        worktree: &mut Worktree,
        folder: Rc<OwnedFd>,
        path: &'a RepoPath,
        shown: &Shown,
        source: &mut dyn Source,
    ) -> Result<Option<Prepared<'a>>, NodeError> {
        let place = worktree.on_disk(path);
        let io = |error| NodeError::io("write", &place, error);
        self.names += 1;
        let temporary = format!("{TEMPORARY_PREFIX}{}.{}", std::process::id(), self.names);
        let seen = match &shown.body {
            FileBody::Link { target } => {
                let _ = rustix::fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
                rustix::fs::symlinkat(target.as_slice(), &folder, temporary.as_str())
                    .map_err(|error| io(error.into()))?;
                None
            }
            FileBody::Bytes { content, .. } => {
                let bytes = source.bytes(path)?;
                let mut file = create(&folder, &temporary, shown.executable).map_err(io)?;
                file.write_all(&bytes).map_err(io)?;
                Some(seen(&file, *content, None).map_err(io)?)
            }
            FileBody::Artifact { artifact, .. } => {
                let _ = rustix::fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
                if !source.export(*artifact, &handle_path(&folder).join(&temporary))? {
                    return Ok(None);
                }
                let file = reopen(&folder, &temporary, shown.executable).map_err(io)?;
                Some(artifact_seen(&file, *artifact).map_err(io)?)
            }
        };
        Ok(Some(Prepared { path, folder, temporary, seen }))
    }
}

impl Prepared<'_> {
    /// Puts the file into its place if what was looked at still stands there.
    fn put(
        self,
        worktree: &mut Worktree,
        expected: Option<&Disk>,
        outcome: &mut Outcome,
    ) -> Result<(), NodeError> {
        let Self { path, folder, temporary, seen } = self;
        // Getting the bytes takes its time. Where nothing stood, whatever came since stops the new file by itself.
        let still = expected.is_none() || worktree.look(path)?.as_ref() == expected;
        let spot = Spot { worktree, folder: &folder, path, expected };
        if !still || !spot.replace(&temporary)? {
            let _ = rustix::fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
            outcome.surprises.insert(path.clone());
            return Ok(());
        }
        match seen {
            Some(seen) => {
                // Its new name has touched it.
                let now = facts_in(folder.as_fd(), os(&path.name()));
                let now = now.map_err(|error| NodeError::io("read", &worktree.on_disk(path), error))?;
                let touched_ns =
                    now.filter(|now| seen.was_moved(now)).map_or(seen.touched_ns, |now| now.touched_ns);
                worktree.index.note(path, Seen { touched_ns, ..seen });
            }
            None => worktree.index.forget(path),
        }
        worktree.link.absent.remove(path);
        outcome.written += 1;
        Ok(())
    }
}

fn create(folder: &OwnedFd, name: &str, executable: bool) -> std::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(folder, name, flags, mode(executable)).or_else(|error| match error {
        // A process with the same number was killed here once.
        Errno::EXIST => {
            rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
            rustix::fs::openat(folder, name, flags, mode(executable))
        }
        error => Err(error),
    });
    Ok(File::from(opened?))
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
