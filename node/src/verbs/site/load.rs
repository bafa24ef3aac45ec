//! What a checkout is going to fetch, told before it begins; and whether there is room for it.
//!
//! What is fetched goes to the store and then to the worktree, so it takes its room twice where both lie on one disk.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cairn_crdt::id::ArtifactId;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileBody, View};

use super::Site;
use crate::config::Fetching;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::progress::Load;
use crate::verbs::artifact::policy::wanted;
use crate::verbs::{Network, Place};
use crate::worktree::checkout::differing;

/// Large files that are to be written: how many bytes one has, and in how many places it stands.
type Large = BTreeMap<ArtifactId, (u64, u64)>;

impl Site {
    /// Says what a move to `to` fetches; refuses it where there is no room for that.
    pub(crate) fn announce(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        to: &View,
    ) -> Result<Load, NodeError> {
        // Most versions show no large file: what differs is then looked up once, by the move itself.
        if !to.files.values().any(|file| matches!(file.body, FileBody::Artifact { .. })) {
            return Ok(Load::default());
        }
        let known = self.known(owner)?;
        let known: Vec<&View> = known.iter().map(|view| &**view).collect();
        let mut paths = differing(&known, to);
        paths.extend(self.worktree.tried_again(to).cloned());
        let large = self.large(to, paths.iter())?;
        let asked = self.worktree.demand.is_asked();
        announce(owner, network, self.place, (large, asked), self.root())
    }

    /// The large files among these that are written.
    fn large<'a>(
        &mut self,
        to: &View,
        paths: impl Iterator<Item = &'a RepoPath>,
    ) -> Result<Large, NodeError> {
        let mut large = Large::new();
        for path in paths {
            let Some(file) = to.files.get(path) else { continue };
            if let FileBody::Artifact { artifact, bytes } = file.body
                && !self.worktree.leaves_out_now(&file.body, path)?
            {
                large.entry(artifact).or_insert((bytes, 0)).1 += 1;
            }
        }
        Ok(large)
    }
}

/// The same for a folder that is to become a worktree.
pub(in crate::verbs) fn announce_new(
    owner: &mut Owner,
    network: &mut dyn Network,
    place: Place,
    to: &View,
    dir: &Path,
) -> Result<Load, NodeError> {
    let mut large = Large::new();
    for file in to.files.values() {
        if let FileBody::Artifact { artifact, bytes } = file.body {
            large.entry(artifact).or_insert((bytes, 0)).1 += 1;
        }
    }
    announce(owner, network, place, (large, false), dir)
}

/// Tells who asked, and refuses what has no room, or would pass the quota. What nobody has is not waited for, so it needs none.
fn announce(
    owner: &mut Owner,
    network: &mut dyn Network,
    place: Place,
    (mut large, asked): (Large, bool),
    dir: &Path,
) -> Result<Load, NodeError> {
    let is_pinned = !asked && owner.config().fetching(place.project) == Fetching::Pinned;
    let pins = if is_pinned { Some(wanted(owner, place)?) } else { None };
    let mut lacking = Vec::new();
    for artifact in large.keys() {
        if !network.holds_artifact(owner, place.repo, *artifact)? {
            lacking.push(*artifact);
        }
    }
    let (coming, left): (Vec<_>, Vec<_>) =
        lacking.into_iter().partition(|artifact| pins.as_ref().is_none_or(|pins| pins.contains(artifact)));
    let sizes = network.size_up(owner, place.repo, &coming)?;
    let known: Vec<_> = coming.iter().zip(&sizes).filter_map(|(id, bytes)| Some((*id, (*bytes)?))).collect();
    let unknown = coming.iter().zip(&sizes).filter(|(_, bytes)| bytes.is_none()).map(|(id, _)| id);
    for artifact in left.iter().chain(unknown) {
        large.remove(artifact);
    }
    network.check_quota(place.repo, &known.iter().map(|(artifact, _)| *artifact).collect::<Vec<_>>())?;
    let bytes = known.iter().map(|(_, bytes)| bytes).sum();
    let written = large.values().map(|(bytes, places)| bytes.saturating_mul(*places)).sum();
    let room_bytes = check_room((&owner.home().blobs_dir(), bytes), (dir, written))?;
    let load = Load { files: known.len() as u64, bytes, room_bytes };
    if !load.is_empty() {
        network.announce(&load);
    }
    Ok(load)
}

/// Refuses what does not fit where it goes; else how much room there is for what is fetched.
fn check_room(store: (&Path, u64), worktree: (&Path, u64)) -> Result<u64, NodeError> {
    let (at, beside) = (Disk::of(store.0)?, Disk::of(worktree.0)?);
    let (store_bytes, worktree_bytes) = match at.device == beside.device {
        true => (store.1.saturating_add(worktree.1), 0),
        false => (store.1, worktree.1),
    };
    for (disk, needed_bytes) in [(&at, store_bytes), (&beside, worktree_bytes)] {
        // Where nothing is needed, a full disk stands in nobody's way.
        if needed_bytes > 0 && needed_bytes > disk.room_bytes {
            let (place, room_bytes) = (disk.place.clone(), disk.room_bytes);
            return Err(NodeError::NoRoom { place, needed_bytes, room_bytes });
        }
    }
    Ok(at.room_bytes)
}

/// A disk, by a folder on it.
struct Disk {
    place: PathBuf,
    device: u64,
    room_bytes: u64,
}

impl Disk {
    /// The disk of a folder, or of the one above it where it is not there yet.
    fn of(folder: &Path) -> Result<Self, NodeError> {
        let place = folder.ancestors().find(|place| place.exists()).unwrap_or(Path::new("/"));
        let io = |error| NodeError::io("look at", place, error);
        let device = std::fs::metadata(place).map_err(io)?.dev();
        let disk = rustix::fs::statvfs(place).map_err(|error| io(error.into()))?;
        Ok(Self { place: place.to_owned(), device, room_bytes: disk.f_bavail.saturating_mul(disk.f_frsize) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_to_the_byte_is_let_through_and_one_more_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let room = Disk::of(dir.path()).unwrap().room_bytes;
        let (here, below) = (dir.path(), dir.path().join("not/yet"));
        // Other programs write meanwhile, so the borders leave them some room.
        let slack = 256 << 20;
        assert!(check_room((here, room / 4), (&below, room / 4)).is_ok());
        assert!(check_room((here, room - slack), (&below, 0)).is_ok() || room < slack);
        for (store, worktree) in [(room + slack, 0), (0, room + slack), (room / 2 + slack, room / 2 + slack)]
        {
            let refused = check_room((here, store), (&below, worktree));
            let Err(NodeError::NoRoom { needed_bytes, .. }) = refused else { panic!("{refused:?}") };
            assert_eq!(needed_bytes, store + worktree, "on one disk it takes its room twice");
        }
        assert!(check_room((here, u64::MAX), (&below, u64::MAX)).is_err());
    }
}
