//! The footing of a worktree: what the version shows that it stands on, path by path; so that `status` needs no view.
//!
//! It is kept beside the index, for versions in which nothing met; whoever stands on another asks for the view.

use std::path::Path;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{ArtifactId, ContentHash, Root, WaypointId};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{File, FileBody, Frontier, View};

use super::by_path::ByPath;
use super::cache;
use super::scan::Disk;
use crate::error::NodeError;

/// The file inside the worktree's own folder.
const FOOTING_FILE: &str = "footing";
/// First bytes of that file. They change with how a version is shown.
const MAGIC: &[u8; 8] = b"cairnft1";
/// The most paths that it speaks of.
const PATHS_MAX: u64 = 32 << 20;
/// The most waypoints of the version.
const HEADS_MAX: u64 = 1 << 16;
/// The most bytes of a link's target.
const TARGET_BYTES_MAX: usize = 1 << 20;

/// What a version shows at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A file.
    File {
        /// The hash of its bytes.
        content: ContentHash,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A file whose bytes are in the artifact store.
    Artifact {
        /// The hash of the manifest.
        artifact: ArtifactId,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Its target.
        target: Vec<u8>,
    },
    /// A folder.
    Dir,
}

/// What a version shows, path by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footing {
    /// All but the paths.
    pub summary: Summary,
    /// Files, links and folders.
    pub standing: ByPath<Standing>,
}

/// What a version shows, but for its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The version.
    pub frontier: Frontier,
    /// The root of its tree.
    pub root: Root,
    /// Whether nothing met in it, or came near to it.
    pub is_quiet: bool,
}

impl Footing {
    /// What a view shows.
    pub fn of(view: &View) -> Self {
        let files = view.files.iter().map(|(path, file)| (path.clone(), Standing::of(file)));
        let dirs = view.dirs.iter().map(|path| (path.clone(), Standing::Dir));
        let is_quiet = view.overlaps.is_empty() && view.notes.is_empty();
        let summary = Summary { frontier: view.frontier.clone(), root: view.root, is_quiet };
        Self { summary, standing: dirs.chain(files).collect() }
    }

    /// What is kept for a version; `None` where nothing is, or nothing that can be read.
    pub fn load(root: &Path, frontier: &Frontier) -> Option<Self> {
        cache::load_about(root, FOOTING_FILE, &head(frontier))
    }

    /// Whether it takes long to read what is kept.
    pub(super) fn is_large(root: &Path) -> bool {
        cache::is_large(root, FOOTING_FILE)
    }

    /// Keeps it, if nothing met in the version.
    pub fn save(&self, root: &Path) -> Result<(), NodeError> {
        if self.summary.is_quiet { cache::save(root, FOOTING_FILE, self) } else { Ok(()) }
    }

    /// Whether there is a file or a link.
    pub fn has_file(&self, path: &RepoPath) -> bool {
        self.standing.get(path).is_some_and(|standing| *standing != Standing::Dir)
    }

    /// Whether there is anything below a folder.
    pub fn has_below(&self, folder: &RepoPath) -> bool {
        let near = |path: &RepoPath| path.as_bytes().starts_with(folder.as_bytes());
        let mut behind = self.standing.paths_from(folder).take_while(|path| near(path));
        behind.any(|path| path != folder && path.is_within(folder))
    }
}

impl Standing {
    fn of(file: &File) -> Self {
        let executable = file.executable;
        match &file.body {
            FileBody::Bytes { content, .. } => Self::File { content: *content, executable },
            FileBody::Artifact { artifact, .. } => Self::Artifact { artifact: *artifact, executable },
            FileBody::Link { target } => Self::Link { target: target.clone() },
        }
    }

    /// Whether that is what stands on disk.
    pub fn is(&self, disk: &Disk) -> bool {
        match (self, disk) {
            (Self::File { content: shown, executable: may }, Disk::File { content, executable, .. }) => {
                shown == content && may == executable
            }
            (
                Self::Artifact { artifact: shown, executable: may },
                Disk::File { artifact, executable, .. },
            ) => Some(shown) == artifact.as_ref() && may == executable,
            (Self::Link { target: shown }, Disk::Link { target }) => shown == target,
            (Self::Dir, Disk::Dir) => true,
            _ => false,
        }
    }
}

/// Whether what stands on disk at a path is what a view shows there.
pub fn shows(view: &View, path: &RepoPath, disk: Option<&Disk>) -> bool {
    match disk {
        None => !view.files.contains_key(path) && !view.dirs.contains(path),
        Some(Disk::Dir) => view.dirs.contains(path),
        Some(disk) => view.files.get(path).is_some_and(|file| Standing::of(file).is(disk)),
    }
}

/// What is written about a version begins with this.
fn head(frontier: &Frontier) -> Vec<u8> {
    let mut out = Writer::default();
    out.raw(MAGIC);
    out.count(frontier.heads().len() as u64);
    frontier.heads().iter().for_each(|head| out.raw(head.as_bytes()));
    out.into_bytes()
}

impl Encoded for Footing {
    fn write(&self, out: &mut Writer) {
        let Summary { frontier, root, is_quiet } = &self.summary;
        out.raw(&head(frontier));
        out.raw(root.as_bytes());
        out.u8(u8::from(*is_quiet));
        self.standing.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let magic: [u8; 8] = input.array()?;
        input.require(&magic == MAGIC, "footing")?;
        let heads = (0..input.count(HEADS_MAX)?).map(|_| input.array().map(WaypointId));
        let frontier = heads.collect::<Decode<Frontier>>()?;
        let (root, is_quiet) = (Root(input.array()?), input.u8()? != 0);
        let summary = Summary { frontier, root, is_quiet };
        Ok(Self { summary, standing: ByPath::read(input, PATHS_MAX)? })
    }
}

impl Encoded for Standing {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::File { content, executable } => {
                out.u8(u8::from(*executable));
                out.raw(content.as_bytes());
            }
            Self::Artifact { artifact, executable } => {
                out.u8(2 | u8::from(*executable));
                out.raw(artifact.as_bytes());
            }
            Self::Link { target } => {
                out.u8(4);
                out.bytes(target);
            }
            Self::Dir => out.u8(5),
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        Ok(match input.u8()? {
            kind @ 0..=1 => Self::File { content: ContentHash(input.array()?), executable: kind & 1 != 0 },
            kind @ 2..=3 => {
                Self::Artifact { artifact: ArtifactId(input.array()?), executable: kind & 1 != 0 }
            }
            4 => Self::Link { target: input.bytes(TARGET_BYTES_MAX)?.to_vec() },
            5 => Self::Dir,
            _ => return Err(at.error(Problem::Invalid("what stands at a path"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footing(is_quiet: bool) -> Footing {
        let standing = [
            ("a", Standing::Dir),
            ("a/b", Standing::File { content: ContentHash([1; 32]), executable: true }),
            ("a/c", Standing::Artifact { artifact: ArtifactId([2; 32]), executable: false }),
            ("a-b", Standing::Link { target: b"a/b".to_vec() }),
        ];
        let standing = standing.map(|(path, standing)| (RepoPath::new(path.as_bytes()).unwrap(), standing));
        let frontier = Frontier::from_iter([WaypointId([3; 32]), WaypointId([4; 32])]);
        let summary = Summary { frontier, root: Root([5; 32]), is_quiet };
        Footing { summary, standing: standing.into_iter().collect() }
    }

    #[test]
    fn what_is_kept_is_read_for_its_version_alone() {
        let dir = tempfile::tempdir().unwrap();
        let footing = footing(true);
        footing.save(dir.path()).unwrap();
        assert_eq!(Footing::load(dir.path(), &footing.summary.frontier), Some(footing));
        assert_eq!(Footing::load(dir.path(), &Frontier::empty()), None);
    }

    #[test]
    fn a_version_in_which_something_met_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let footing = footing(false);
        footing.save(dir.path()).unwrap();
        assert_eq!(Footing::load(dir.path(), &footing.summary.frontier), None);
    }

    #[test]
    fn what_lies_below_a_folder_is_found_behind_its_neighbours() {
        let footing = footing(true);
        let path = |text: &str| RepoPath::new(text.as_bytes()).unwrap();
        assert!(
            footing.has_below(&path("a"))
                && !footing.has_below(&path("a/b"))
                && !footing.has_below(&path("a-"))
        );
        assert!(
            footing.has_file(&path("a-b")) && !footing.has_file(&path("a")) && !footing.has_file(&path("b"))
        );
    }
}
