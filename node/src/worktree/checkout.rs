//! From a version to files.
//!
//! A file is only overwritten or removed when what stands there is known: it is what one of
//! the versions shows that the worktree came from. Anything else is a *surprise*: it stays,
//! and the caller keeps it in a waypoint before trying again. New bytes go to a temporary file
//! in the same folder, which changes places with the old one; that is then looked at once more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cairn_crdt::View;
use cairn_crdt::id::ArtifactId;
use cairn_crdt::path::RepoPath;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::Worktree;
use super::beneath::{Facts, Kind, os};
use super::footing::shows;
use super::ignored::{TEMPORARY_PREFIX, is_temporary};
use super::scan::Disk;
use crate::error::NodeError;

mod spot;
mod swap;

use spot::Spot;
use swap::Swap;

/// Where the bytes of files come from.
pub trait Source {
    /// The bytes of a file that is kept as it is.
    fn bytes(&mut self, path: &RepoPath) -> Result<Vec<u8>, NodeError>;

    /// The order in which files are best asked for.
    fn order<'a>(&mut self, paths: Vec<&'a RepoPath>) -> Result<Vec<&'a RepoPath>, NodeError> {
        Ok(paths)
    }

    /// Writes an artifact to a file that is not there yet; `false` when its bytes are not here
    /// and no peer gives them now.
    fn export(&mut self, artifact: ArtifactId, out: &Path) -> Result<bool, NodeError>;
}

/// What a checkout did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Files that were written.
    pub written: u64,
    /// Files that were removed.
    pub removed: u64,
    /// Paths that were left alone because nobody knows what stands there.
    pub surprises: BTreeSet<RepoPath>,
}

impl Worktree {
    /// Makes the files show `to`, where they show what one of `known` shows.
    pub fn checkout(
        &mut self,
        known: &[&View],
        to: &View,
        source: &mut dyn Source,
    ) -> Result<Outcome, NodeError> {
        let mut outcome = Outcome::default();
        let mut paths = differing(known, to);
        paths.extend(self.tried_again(to).cloned());
        let folders = self.remove_files(known, to, &paths, &mut outcome)?;
        self.remove_folders(known, to, &mut outcome)?;
        self.sync_folders(&folders)?;
        self.make_folders(to, &mut outcome)?;
        self.write_files(known, to, &paths, source, &mut outcome)?;
        Ok(outcome)
    }

    /// Removes files that `to` does not show, those deepest down first; gives the folders above them.
    fn remove_files(
        &mut self,
        known: &[&View],
        to: &View,
        paths: &BTreeSet<RepoPath>,
        outcome: &mut Outcome,
    ) -> Result<BTreeSet<Option<RepoPath>>, NodeError> {
        let mut folders = BTreeSet::new();
        for path in paths.iter().rev().filter(|path| !to.files.contains_key(path)) {
            let disk = self.look(path)?;
            if disk.is_none() || disk == Some(Disk::Dir) {
                continue;
            }
            if !self.is_known(known, path, disk.as_ref()) || !self.remove(path, disk.as_ref())? {
                outcome.surprises.insert(path.clone());
                continue;
            }
            self.index.forget(path);
            outcome.removed += 1;
            folders.extend(above(path));
        }
        Ok(folders)
    }

    /// Syncs folders in which something was removed, so that it does not come back.
    fn sync_folders(&self, folders: &BTreeSet<Option<RepoPath>>) -> Result<(), NodeError> {
        let io = |error| NodeError::io("sync", &self.root, error);
        for folder in folders {
            if let Some(folder) = self.beneath.folder(folder.as_ref()).map_err(io)? {
                rustix::fs::fsync(folder).map_err(|error| io(error.into()))?;
            }
        }
        Ok(())
    }

    /// Removes folders that `to` does not show and that hold nothing any more.
    fn remove_folders(&mut self, known: &[&View], to: &View, outcome: &mut Outcome) -> Result<(), NodeError> {
        let gone: BTreeSet<_> =
            known.iter().flat_map(|view| &view.dirs).filter(|dir| !to.dirs.contains(*dir)).collect();
        for dir in gone.into_iter().rev() {
            if self.look(dir)? == Some(Disk::Dir) {
                self.clear(dir, to.files.contains_key(dir), outcome)?;
            }
        }
        Ok(())
    }

    /// Removes a folder. What is in it stays; where a file must stand in its place, what is in
    /// it is a surprise, ignored files included.
    fn clear(&mut self, dir: &RepoPath, in_the_way: bool, outcome: &mut Outcome) -> Result<(), NodeError> {
        if self.unlink(dir, AtFlags::REMOVEDIR)? || !in_the_way {
            return Ok(());
        }
        let mut below = self.below(dir)?;
        // What a checkout that was killed left half-written is nobody's.
        for (path, _) in
            below.extract_if(.., |(path, is_dir)| !*is_dir && is_temporary(path.name().as_bytes()))
        {
            self.unlink(&path, AtFlags::empty())?;
        }
        let files: Vec<_> =
            below.iter().filter(|(_, is_dir)| !is_dir).map(|(path, _)| path.clone()).collect();
        if files.is_empty() {
            for (path, _) in below.iter().rev() {
                self.unlink(path, AtFlags::REMOVEDIR)?;
            }
            self.unlink(dir, AtFlags::REMOVEDIR)?;
        }
        outcome.surprises.extend(files);
        Ok(())
    }

    fn make_folders(&mut self, to: &View, outcome: &mut Outcome) -> Result<(), NodeError> {
        for dir in &to.dirs {
            if self.look(dir)? == Some(Disk::Dir) {
                continue;
            }
            self.gate(dir)?;
            if let Err(error) = self.beneath.make_folder(Some(dir)) {
                match self.obstacle(dir)? {
                    Some(obstacle) => outcome.surprises.insert(obstacle),
                    None => return Err(NodeError::io("make the folder", &self.on_disk(dir), error)),
                };
            }
        }
        Ok(())
    }

    /// Writes the files of `paths` as `to` shows them.
    pub(super) fn write_files(
        &mut self,
        known: &[&View],
        to: &View,
        paths: &BTreeSet<RepoPath>,
        source: &mut dyn Source,
        outcome: &mut Outcome,
    ) -> Result<(), NodeError> {
        let mut swap = Swap::default();
        let shown = paths.iter().filter(|path| to.files.contains_key(path)).collect();
        for path in source.order(shown)? {
            let Some(file) = to.files.get(path) else { continue };
            let mut disk = self.look(path)?;
            if shows(to, path, disk.as_ref()) {
                self.link.absent.remove(path);
                continue;
            }
            if disk == Some(Disk::Dir) {
                self.clear(path, true, outcome)?;
                disk = self.look(path)?;
                if disk.is_some() {
                    continue;
                }
            } else if !self.is_known(known, path, disk.as_ref()) {
                outcome.surprises.insert(path.clone());
                continue;
            }
            if self.leaves_out(&file.body, path, disk.as_ref()) {
                self.link.absent.insert(path.clone());
                continue;
            }
            self.gate(path)?;
            swap.file(self, (path, file), disk.as_ref(), source, outcome)?;
        }
        Ok(())
    }

    /// Whether one of the versions shows what stands on disk. A file whose bytes were not to
    /// be had is not on disk, and that is no surprise either.
    fn is_known(&self, known: &[&View], path: &RepoPath, disk: Option<&Disk>) -> bool {
        let waits = disk.is_none() && self.link.absent.contains(path);
        // A folder that is gone held only what was removed one by one.
        let was_folder = |view: &View| disk.is_none() && view.dirs.contains(path);
        waits || known.iter().any(|view| shows(view, path, disk) || was_folder(view))
    }

    /// The file or link that stands where a folder must be.
    fn obstacle(&mut self, dir: &RepoPath) -> Result<Option<RepoPath>, NodeError> {
        let mut at = Some(dir.clone());
        while let Some(path) = at {
            if !matches!(self.look(&path)?, None | Some(Disk::Dir)) {
                return Ok(Some(path));
            }
            at = path.parent();
        }
        Ok(None)
    }

    /// The second gate: a path was checked when it was made, and is checked again here, since
    /// nothing that comes later could be taken back.
    fn gate(&self, path: &RepoPath) -> Result<(), NodeError> {
        RepoPath::new(path.as_bytes())
            .map(drop)
            .map_err(|error| NodeError::Refused(format!("the path {path} is not written: {error}")))
    }

    /// Removes a file or link; `false` when what stands there is not what was looked at any more.
    pub(super) fn remove(&self, path: &RepoPath, expected: Option<&Disk>) -> Result<bool, NodeError> {
        let io = |error| NodeError::io("remove", &self.on_disk(path), error);
        let Some(folder) = self.beneath.folder(path.parent().as_ref()).map_err(io)? else { return Ok(true) };
        let beside = format!("{TEMPORARY_PREFIX}{}.0", std::process::id());
        Spot { worktree: self, folder: &folder, path, expected }.remove(&beside)
    }

    /// Removes a name; `false` when it is a folder that still holds something.
    fn unlink(&self, path: &RepoPath, flags: AtFlags) -> Result<bool, NodeError> {
        let io = |error| NodeError::io("remove", &self.on_disk(path), error);
        let Some(folder) = self.beneath.folder(path.parent().as_ref()).map_err(io)? else { return Ok(true) };
        match rustix::fs::unlinkat(&folder, os(&path.name()), flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(io(error.into())),
        }
    }

    /// Everything below a folder, ignored or not, and whether it is a folder; parents first.
    fn below(&self, dir: &RepoPath) -> Result<Vec<(RepoPath, bool)>, NodeError> {
        let mut found = Vec::new();
        let mut waiting = vec![dir.clone()];
        while let Some(dir) = waiting.pop() {
            let io = |error| NodeError::io("list", &self.on_disk(&dir), error);
            let Some(folder) = self.beneath.folder(Some(&dir)).map_err(io)? else { continue };
            for entry in rustix::fs::Dir::new(folder).map_err(|error| io(error.into()))? {
                let entry = entry.map_err(|error| io(error.into()))?;
                let Some(path) = path_of(&dir, entry.file_name().to_bytes())? else { continue };
                let kind = self.beneath.facts(&path).map_err(io)?.map(|facts: Facts| facts.kind);
                if kind == Some(Kind::Dir) {
                    waiting.push(path.clone());
                }
                found.push((path, kind == Some(Kind::Dir)));
            }
        }
        Ok(found)
    }
}

/// The path of a name that a listing gave; a name that no project can hold cannot be saved,
/// so what it stands in must not be replaced.
fn path_of(dir: &RepoPath, name: &[u8]) -> Result<Option<RepoPath>, NodeError> {
    if name == b"." || name == b".." {
        return Ok(None);
    }
    RepoPath::new(&[dir.as_bytes(), b"/", name].concat()).map(Some).map_err(|error| {
        let name = String::from_utf8_lossy(name);
        NodeError::Refused(format!(
            "{dir} must become a file, but holds {name}, which cannot be kept: {error}"
        ))
    })
}

/// The folders above a path; `None` is the worktree itself.
fn above(path: &RepoPath) -> impl Iterator<Item = Option<RepoPath>> {
    std::iter::successors(Some(path.parent()), |folder| folder.as_ref().map(RepoPath::parent))
}

/// The paths at which `to` differs from one of the versions that the files may show.
pub(crate) fn differing(known: &[&View], to: &View) -> BTreeSet<RepoPath> {
    let mut paths: BTreeMap<&RepoPath, ()> = BTreeMap::new();
    for view in known {
        let other = |path: &RepoPath| view.files.get(path).map(|file| (&file.body, file.executable));
        let this = |path: &RepoPath| to.files.get(path).map(|file| (&file.body, file.executable));
        let all = view.files.keys().chain(to.files.keys());
        paths.extend(all.filter(|path| other(path) != this(path)).map(|path| (path, ())));
    }
    if known.is_empty() {
        paths.extend(to.files.keys().map(|path| (path, ())));
    }
    paths.into_keys().cloned().collect()
}

#[cfg(test)]
mod tests;
