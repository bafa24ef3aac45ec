//! A name in an open folder, and what is expected to stand there.
//!
//! Between a look and a write somebody may save. So what is replaced or removed is taken aside in one step, looked at
//! once more where nobody reaches it by its name, and put back if it is not what was expected. Where a
//! file system cannot do that, the last look comes just before.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cairn_crdt::id::ContentHash;
use cairn_crdt::path::RepoPath;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::NodeError;
use crate::worktree::Worktree;
use crate::worktree::beneath::{Kind, facts_in, open_in, os};
use crate::worktree::scan::{Disk, hash};

/// A name in an open folder, and what is expected to stand there.
pub(super) struct Spot<'a> {
    pub(super) worktree: &'a Worktree,
    pub(super) folder: &'a OwnedFd,
    pub(super) path: &'a RepoPath,
    /// What was looked at, and may go.
    pub(super) expected: Option<&'a Disk>,
}

impl Spot<'_> {
    /// Puts another file of the folder there; `false` where something else stands there than was expected: it stays.
    pub(super) fn replace(&self, other: &str) -> Result<bool, NodeError> {
        let io = |error: io::Error| NodeError::io("replace", &self.worktree.on_disk(self.path), error);
        let flags = match self.expected {
            Some(_) => RenameFlags::EXCHANGE,
            None => RenameFlags::NOREPLACE,
        };
        let ours = match self.expected {
            Some(_) => self.inode(other.as_ref()).map_err(io)?,
            None => None,
        };
        match self.swap(other, flags) {
            Ok(()) if self.expected.is_none() => return Ok(true),
            Ok(()) => {}
            Err(Errno::NOENT | Errno::EXIST) => return Ok(false),
            Err(error) if is_unsupported(error) => return self.overwrite(other).map_err(io),
            Err(error) => return Err(io(error.into())),
        }
        let is_expected = self.is_expected(other);
        match is_expected {
            true => self.drop_other(other).map_err(io)?,
            false => self.give_back(other, ours)?,
        }
        Ok(is_expected)
    }

    /// Removes what stands there, by way of another name; `false` where it is something else than was expected: it stays.
    pub(super) fn remove(&self, other: &str) -> Result<bool, NodeError> {
        let io = |error: io::Error| NodeError::io("remove", &self.worktree.on_disk(self.path), error);
        // A process with the same number was killed here once.
        let _ = self.drop_other(other);
        match rustix::fs::renameat(self.folder, os(&self.path.name()), self.folder, other) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(true),
            Err(error) => return Err(io(error.into())),
        }
        let is_expected = self.is_expected(other);
        if is_expected {
            self.drop_other(other).map_err(io)?;
        } else if self.swap(other, RenameFlags::NOREPLACE).is_err() {
            // Somebody saved once more: that stands there now.
            self.worktree.set_aside(self.folder, other.as_ref(), self.path)?;
        }
        Ok(is_expected)
    }

    /// Puts back what was not expected.
    fn give_back(&self, other: &str, ours: Option<u64>) -> Result<(), NodeError> {
        let io = |error: io::Error| NodeError::io("put back", &self.worktree.on_disk(self.path), error);
        match self.swap(other, RenameFlags::EXCHANGE) {
            Ok(()) if self.inode(other.as_ref()).map_err(io)? == ours => {
                return self.drop_other(other).map_err(io);
            }
            // Somebody saved over ours: the last save is to stand there.
            Ok(()) => self.swap(other, RenameFlags::EXCHANGE).map_err(|error| io(error.into()))?,
            // Somebody removed ours.
            Err(_) => {}
        }
        self.worktree.set_aside(self.folder, other.as_ref(), self.path)
    }

    /// Whether what stands under another name is what was expected under this one. What cannot be read is not.
    fn is_expected(&self, other: &str) -> bool {
        let Ok(Some(facts)) = facts_in(self.folder.as_fd(), other.as_ref()) else { return false };
        match (facts.kind, self.expected) {
            (Kind::File, Some(Disk::File { content, executable, .. })) => {
                let seen = self.worktree.index.get(self.path).filter(|seen| seen.content == *content);
                let is_known = seen.is_some_and(|seen| seen.settled && seen.was_moved(&facts));
                facts.executable == *executable
                    && (is_known || self.read(other).is_ok_and(|read| read == *content))
            }
            (Kind::Link, Some(Disk::Link { target })) => {
                rustix::fs::readlinkat(self.folder, other, Vec::new())
                    .is_ok_and(|there| there.as_bytes() == target)
            }
            _ => false,
        }
    }

    fn read(&self, other: &str) -> io::Result<ContentHash> {
        hash(&mut open_in(self.folder.as_fd(), other)?)
    }

    fn inode(&self, name: &OsStr) -> io::Result<Option<u64>> {
        Ok(facts_in(self.folder.as_fd(), name)?.map(|facts| facts.inode))
    }

    fn drop_other(&self, other: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(self.folder, other, AtFlags::empty())?)
    }

    fn swap(&self, other: &str, flags: RenameFlags) -> Result<(), Errno> {
        rustix::fs::renameat_with(self.folder, other, self.folder, os(&self.path.name()), flags)
    }

    fn overwrite(&self, other: &str) -> io::Result<bool> {
        // What stands there was looked at just before.
        if self.inode(os(&self.path.name()))?.is_some() != self.expected.is_some() {
            return Ok(false);
        }
        rustix::fs::renameat(self.folder, other, self.folder, os(&self.path.name()))?;
        Ok(true)
    }
}

fn is_unsupported(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}
