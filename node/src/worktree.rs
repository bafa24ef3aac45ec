//! A folder that shows one version of a project.
//!
//! The worktree is the user's; cairn reads it as it is, writes only what it knows it may, and
//! keeps what it would overwrite. Nothing here decides what a version shows.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cairn_crdt::path::RepoPath;

use crate::clock;
use crate::error::NodeError;

pub mod beneath;
pub mod by_path;
mod cache;
pub mod checkout;
pub mod edits;
pub mod footing;
pub mod ignored;
pub mod index;
mod left_out;
pub mod link;
pub(crate) mod lookout;
pub mod scan;
pub mod steps;
pub mod unsynced;
pub mod walk;
pub mod watch;

use beneath::Beneath;
pub use footing::Footing;
use index::Index;
pub use link::Link;
pub use steps::{Stand, Step, Steps};
pub use unsynced::Unsynced;

/// A folder that shows one version of a project.
#[derive(Debug)]
pub struct Worktree {
    root: PathBuf,
    beneath: Beneath,
    /// What it shows, and whose it is.
    pub link: Link,
    /// What was seen on disk last.
    pub index: Index,
    /// What the last look left out although nothing ignores it, and why.
    pub skipped: Vec<(PathBuf, String)>,
    /// Whether it came upon files that the version shows and rules name.
    has_ignored: bool,
    /// What becomes of files that were left out, at the next checkout.
    pub demand: Demand,
}

/// What becomes of files that were left out, although the version shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Demand {
    /// They stay out.
    #[default]
    Nothing,
    /// Those that nobody left out on purpose are tried again.
    Again,
    /// Those at or below a path are wanted.
    Below(RepoPath),
    /// All are wanted.
    All,
}

impl Demand {
    /// Whether somebody asked for what is written, so that no policy leaves it out.
    pub fn is_asked(&self) -> bool {
        matches!(self, Self::Below(_) | Self::All)
    }
}

impl Worktree {
    /// The worktree that `dir` lies in.
    pub fn find(dir: &Path) -> Result<Self, NodeError> {
        let dir = dir.canonicalize().map_err(|error| NodeError::io("open", dir, error))?;
        for root in dir.ancestors() {
            if let Some(link) = Link::load(root)? {
                return Self::open(root.to_owned(), link);
            }
        }
        Err(NodeError::NoWorktree(dir))
    }

    /// Makes a folder a worktree. The folder may hold files; they count as not yet posted.
    pub fn create(dir: &Path, link: Link) -> Result<Self, NodeError> {
        let io = |error| NodeError::io("make", dir, error);
        std::fs::create_dir_all(dir).map_err(io)?;
        let root = dir.canonicalize().map_err(io)?;
        if Link::load(&root)?.is_some() {
            return Err(NodeError::Refused(format!("{} is a worktree already", dir.display())));
        }
        link.save(&root)?;
        Self::open(root, link)
    }

    fn open(root: PathBuf, link: Link) -> Result<Self, NodeError> {
        let beneath = Beneath::open(&root).map_err(|error| NodeError::io("open", &root, error))?;
        let index = Index::of(&root);
        Ok(Self {
            root,
            beneath,
            link,
            index,
            skipped: Vec::new(),
            has_ignored: false,
            demand: Demand::default(),
        })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the project lies; for people and messages, never to open it.
    pub fn on_disk(&self, path: &RepoPath) -> PathBuf {
        on_disk(&self.root, path)
    }

    /// Opens a file for reading, reached through no link.
    pub fn read(&self, path: &RepoPath) -> std::io::Result<std::fs::File> {
        self.beneath.read(path)
    }

    /// Writes down what the worktree shows and what was seen.
    pub fn save(&mut self) -> Result<(), NodeError> {
        self.save_link()?;
        self.save_index()
    }

    /// Writes down what the worktree shows, and what was done in it.
    pub fn save_link(&mut self) -> Result<(), NodeError> {
        let left = self.link.steps.settle(&self.root)?;
        self.link.save(&self.root)?;
        left.map_or(Ok(()), |file| steps::remove(&file))
    }

    /// Takes the last step that can be undone. Where what was written down of older ones is damaged, that is told once,
    /// and those before the damage are taken from then on.
    pub fn pop_step(&mut self) -> Result<Option<Step>, NodeError> {
        let popped = self.link.steps.pop(&self.root);
        if matches!(popped, Err(NodeError::Steps { .. })) {
            self.save_link()?;
        }
        popped
    }

    /// Says what is damaged of the steps that can be undone.
    pub fn verify_steps(&self) -> Result<(), NodeError> {
        self.link.steps.verify(&self.root)
    }

    /// Writes down what was seen.
    pub fn save_index(&mut self) -> Result<(), NodeError> {
        self.index.save()
    }
}

fn on_disk(root: &Path, path: &RepoPath) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_bytes()))
}

/// Nanoseconds since 1970.
fn now_ns() -> i128 {
    i128::from(clock::now_ms()) * 1_000_000
}
