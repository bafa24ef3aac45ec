//! The only hand that touches a worktree's files.
//!
//! Every access starts at an open handle of the worktree and is resolved by the kernel with
//! "beneath here, through no symbolic link" (`openat2`), so neither a hostile path nor a
//! folder that is swapped for a link meanwhile can lead outside. A path cannot be kept for
//! later: each operation walks anew.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cairn_crdt::path::{Name, RepoPath};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// How a file is opened: for reading, never through a link, and without waiting for whoever is at the other end of a pipe.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
/// How a folder is opened: never through a link.
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Link,
    /// A pipe, a socket, a device: nothing that cairn keeps.
    Other,
}

/// What the file system says about a path, as far as it tells whether it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// How many bytes.
    pub bytes: u64,
    /// When it was written, in nanoseconds since 1970.
    pub modified_ns: i128,
    /// When the system noted last that something was done to it, whatever time people gave it, in nanoseconds since 1970.
    pub touched_ns: i128,
    /// Its number in the file system.
    pub inode: u64,
}

impl Facts {
    /// A folder, of which nothing is asked but that it is there.
    pub const FOLDER: Self =
        Self { kind: Kind::Dir, executable: false, bytes: 0, modified_ns: 0, touched_ns: 0, inode: 0 };
}

/// An open worktree folder.
#[derive(Debug)]
pub struct Beneath {
    root: OwnedFd,
}

impl Beneath {
    /// Opens the folder; it may itself be reached through links, nothing below it may.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(dir, flags, Mode::empty())? })
    }

    /// The folder's handle.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What stands at a path; `None` when nothing does, or when it could only be reached
    /// through something that is no folder.
    pub fn facts(&self, path: &RepoPath) -> io::Result<Option<Facts>> {
        let Some(folder) = self.folder(path.parent().as_ref())? else { return Ok(None) };
        facts_in(folder.as_fd(), os(&path.name()))
    }

    /// Opens a file for reading; refuses links.
    pub fn read(&self, path: &RepoPath) -> io::Result<File> {
        Ok(File::from(self.resolve(path.as_bytes(), FILE)?))
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, path: &RepoPath) -> io::Result<Vec<u8>> {
        let folder = self.folder(path.parent().as_ref())?.ok_or(io::ErrorKind::NotFound)?;
        let name = path.name();
        Ok(rustix::fs::readlinkat(folder, os(&name), Vec::new())?.into_bytes())
    }

    /// The folder at a path, the worktree itself for `None`; `None` when there is no such
    /// folder, a link among its parents included.
    pub fn folder(&self, path: Option<&RepoPath>) -> io::Result<Option<OwnedFd>> {
        let bytes = path.map_or(&b"."[..], RepoPath::as_bytes);
        match self.resolve(bytes, FOLDER) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder at a path, made with its parents where they are not there.
    ///
    /// What stands in the way, a file or a link, is an error and stays.
    pub fn make_folder(&self, path: Option<&RepoPath>) -> io::Result<OwnedFd> {
        let Some(path) = path else {
            return self.folder(None)?.ok_or_else(|| io::ErrorKind::NotFound.into());
        };
        if let Some(folder) = self.folder(Some(path))? {
            return Ok(folder);
        }
        let above = self.make_folder(path.parent().as_ref())?;
        match rustix::fs::mkdirat(&above, os(&path.name()), Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.folder(Some(path))?.ok_or_else(|| io::ErrorKind::NotADirectory.into())
    }

    fn resolve(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let path = OsStr::from_bytes(path);
        loop {
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
                // The kernel asks to try again when something was renamed during the walk.
                Err(Errno::AGAIN | Errno::INTR) => {}
                done => return done,
            }
        }
    }
}

/// Asks what stands at one path after the other. The folder of the last one stays open, so that what lies side by side is
/// found without a walk each; for what is only looked at.
#[derive(Debug, Default)]
pub struct Stroll {
    /// The folder's path, and its handle if there is such a folder.
    folder: Option<(Option<RepoPath>, Option<OwnedFd>)>,
}

impl Stroll {
    /// What stands at a path, as [`Beneath::facts`] says.
    pub fn facts(&mut self, beneath: &Beneath, path: &RepoPath) -> io::Result<Option<Facts>> {
        let parent = path.parent();
        let known = self.folder.take().filter(|(folder, _)| *folder == parent);
        let (_, handle) = match known {
            Some(known) => self.folder.insert(known),
            None => {
                let handle = beneath.folder(parent.as_ref())?;
                self.folder.insert((parent, handle))
            }
        };
        match handle {
            Some(folder) => facts_in(folder.as_fd(), os(&path.name())),
            None => Ok(None),
        }
    }
}

/// The folder under a name in an open one; `None` when there is none, or something else.
pub fn folder_in(folder: BorrowedFd<'_>, name: impl rustix::path::Arg) -> io::Result<Option<OwnedFd>> {
    match rustix::fs::openat(folder, name, FOLDER, Mode::empty()) {
        Ok(below) => Ok(Some(below)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a file under a name in an open folder for reading; refuses links.
pub fn open_in(folder: BorrowedFd<'_>, name: impl rustix::path::Arg) -> io::Result<File> {
    Ok(File::from(rustix::fs::openat(folder, name, FILE, Mode::empty())?))
}

/// What stands under a name in an open folder.
pub fn facts_in(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<Facts>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(facts_of(&stat))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the file system says about an open file.
pub fn facts_of_file(file: &File) -> io::Result<Facts> {
    Ok(facts_of(&rustix::fs::fstat(file)?))
}

/// A name as the system takes it.
pub fn os(name: &Name) -> &OsStr {
    OsStr::from_bytes(name.as_bytes())
}

fn facts_of(stat: &Stat) -> Facts {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    Facts {
        kind,
        executable: kind == Kind::File && stat.st_mode & 0o100 != 0,
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
        touched_ns: i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec),
        inode: stat.st_ino,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn b2_nothing_is_reached_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("d")).unwrap();
        symlink(outside.path().join("secret"), dir.path().join("l")).unwrap();
        let beneath = Beneath::open(dir.path()).unwrap();
        assert_eq!(beneath.facts(&path("d/secret")).unwrap(), None);
        assert!(beneath.read(&path("d/secret")).is_err());
        assert!(beneath.read(&path("l")).is_err());
        assert!(beneath.make_folder(Some(&path("d/new"))).is_err());
        assert!(!outside.path().join("new").exists());
        assert_eq!(beneath.facts(&path("l")).unwrap().unwrap().kind, Kind::Link);
    }

    #[test]
    fn folders_are_made_with_their_parents() {
        let dir = tempfile::tempdir().unwrap();
        let beneath = Beneath::open(dir.path()).unwrap();
        beneath.make_folder(Some(&path("a/b/c"))).unwrap();
        assert_eq!(beneath.facts(&path("a/b/c")).unwrap().unwrap().kind, Kind::Dir);
        std::fs::write(dir.path().join("f"), "").unwrap();
        assert!(beneath.make_folder(Some(&path("f/x"))).is_err());
        assert_eq!(beneath.facts(&path("f/x")).unwrap(), None);
    }
}
