//! From what a version shows to a tree of git.

use std::collections::BTreeMap;

use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{File, FileBody, View};
use gix::objs::Kind as Object;

use super::entry::{Kind, Mode, pointed};
use super::target::Target;
use super::tree::{Entry, Line, key};
use super::{Oid, Problem};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Network, Place};

/// What views do not show, by path.
pub(crate) type Oddities = BTreeMap<Vec<u8>, u32>;

/// Writes trees, and remembers which bytes were written.
#[derive(Default)]
pub(crate) struct Shaper {
    bytes: BTreeMap<ContentHash, Blob>,
    artifacts: BTreeMap<ArtifactId, Oid>,
}

/// Bytes that were written.
#[derive(Clone, Copy)]
struct Blob {
    id: Oid,
    /// The commit that they name, where they stand for a submodule.
    submodule: Option<Oid>,
}

/// The lines of each folder, by its path; the root's is empty.
type Folders = BTreeMap<Vec<u8>, Vec<Line>>;

impl Shaper {
    /// Writes the tree that a view shows. Folders that hold nothing are left out, unless they are odd.
    pub(crate) fn tree(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        place: Place,
        view: &View,
        odd: &Oddities,
        target: &mut Target,
    ) -> Result<Oid, NodeError> {
        let mut folders = Folders::from([(Vec::new(), Vec::new())]);
        for (path, file) in &view.files {
            let entry = self.entry(owner, network, place, view, path, file, odd, target)?;
            push(&mut folders, path, entry);
        }
        let is_odd =
            |path: &&RepoPath| odd.get(path.as_bytes()).is_some_and(|mode| Mode(*mode).kind() == Kind::Tree);
        for path in view.dirs.iter().filter(is_odd) {
            folders.entry(path.as_bytes().to_vec()).or_default();
        }
        fold(folders, odd, target).map_err(NodeError::from)
    }

    #[expect(clippy::too_many_arguments, reason = "a file, and where its bytes come from and go to")]
    fn entry(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        place: Place,
        view: &View,
        path: &RepoPath,
        file: &File,
        odd: &Oddities,
        target: &mut Target,
    ) -> Result<Entry, NodeError> {
        let odd = odd.get(path.as_bytes()).map(|mode| Mode(*mode));
        match &file.body {
            FileBody::Link { target: to } => {
                let mode = odd.filter(|odd| odd.kind() == Kind::Link).unwrap_or(Mode::LINK);
                Ok(Entry { mode, id: target.put(Object::Blob, to)? })
            }
            FileBody::Artifact { artifact, .. } => {
                let id = match self.artifacts.get(artifact) {
                    Some(id) => *id,
                    None => {
                        let bytes = artifact_bytes(owner, network, place, *artifact)?;
                        let id = target.put(Object::Blob, &bytes)?;
                        *self.artifacts.entry(*artifact).or_insert(id)
                    }
                };
                Ok(Entry { mode: mode(file, odd), id })
            }
            FileBody::Bytes { content, .. } => {
                let blob = match self.bytes.get(content) {
                    Some(blob) => *blob,
                    None => {
                        let bytes = place.bytes(owner, view, path)?;
                        let blob = Blob { id: target.put(Object::Blob, &bytes)?, submodule: pointed(&bytes) };
                        *self.bytes.entry(*content).or_insert(blob)
                    }
                };
                let is_submodule = odd.is_some_and(|odd| odd.kind() == Kind::Submodule);
                Ok(match (odd, blob.submodule) {
                    (Some(odd), Some(commit)) if is_submodule => Entry { mode: odd, id: commit },
                    _ => Entry { mode: mode(file, odd), id: blob.id },
                })
            }
        }
    }
}

/// The mode of a file: the odd one where that says the same as the view.
fn mode(file: &File, odd: Option<Mode>) -> Mode {
    let plain = if file.executable { Mode::EXECUTABLE } else { Mode::FILE };
    odd.filter(|odd| odd.kind() == Kind::File { executable: file.executable }).unwrap_or(plain)
}

fn push(folders: &mut Folders, path: &RepoPath, entry: Entry) {
    let line = Line { name: path.name().as_bytes().to_vec(), entry };
    folders
        .entry(path.parent().map(|parent| parent.as_bytes().to_vec()).unwrap_or_default())
        .or_default()
        .push(line);
    let around = std::iter::successors(path.parent(), RepoPath::parent);
    for folder in around {
        folders.entry(folder.as_bytes().to_vec()).or_default();
    }
}

/// Writes folders, those inside others first; the root's name.
fn fold(mut folders: Folders, odd: &Oddities, target: &mut Target) -> Result<Oid, Problem> {
    // A folder sorts before what lies in it, so from behind every folder is whole when it is its turn.
    while let Some((path, lines)) = folders.pop_last() {
        let id = target.put(Object::Tree, &encoded(lines))?;
        if path.is_empty() {
            return Ok(id);
        }
        let cut = path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = match cut {
            Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
            None => (&[][..], &path[..]),
        };
        let odd = odd.get(&path).map(|mode| Mode(*mode)).filter(|odd| odd.kind() == Kind::Tree);
        let line = Line { name: name.to_vec(), entry: Entry { mode: odd.unwrap_or(Mode::TREE), id } };
        folders.entry(parent.to_vec()).or_default().push(line);
    }
    target.put(Object::Tree, &[])
}

/// A tree as git writes it.
fn encoded(mut lines: Vec<Line>) -> Vec<u8> {
    lines.sort_by_cached_key(key);
    let mut bytes = Vec::new();
    for Line { name, entry } in &lines {
        bytes.extend_from_slice(&entry.mode.digits());
        bytes.push(b' ');
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(entry.id.as_bytes());
    }
    bytes
}

/// The bytes of an artifact, from here or from a peer.
fn artifact_bytes(
    owner: &mut Owner,
    network: &mut dyn Network,
    place: Place,
    artifact: ArtifactId,
) -> Result<Vec<u8>, NodeError> {
    if !network.holds_artifact(owner, place.repo, artifact)? {
        network.fetch_artifact(owner, place.repo, artifact)?;
    }
    let file = owner.home().dir().join(format!("export-{}", std::process::id()));
    network.export_artifact(owner, place.repo, artifact, &file)?;
    let bytes = std::fs::read(&file).map_err(|error| NodeError::io("read", &file, error));
    std::fs::remove_file(&file).map_err(|error| NodeError::io("remove", &file, error))?;
    bytes
}
