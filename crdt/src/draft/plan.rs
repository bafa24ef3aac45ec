//! What an edited worktree wants: which paths are there, and which are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::draft::FileEdit;
use crate::error::CrdtError;
use crate::id::{ContentHash, NodeId};
use crate::op::Body;
use crate::path::RepoPath;
use crate::view::paths::Paths;

/// Bytes and their hash, which is made once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashed<'a> {
    pub(crate) bytes: &'a Arc<[u8]>,
    pub(crate) content: ContentHash,
}

impl<'a> Hashed<'a> {
    /// Hashes the bytes.
    pub(crate) fn of(bytes: &'a Arc<[u8]>) -> Self {
        Self { bytes, content: ContentHash::of(bytes) }
    }
}

/// What a file is to hold.
#[derive(Debug, Clone)]
pub(crate) enum What<'a> {
    /// These bytes.
    Bytes(Hashed<'a>),
    /// An artifact or a link.
    Body(Body),
}

/// What a file is to be.
#[derive(Debug, Clone)]
pub(crate) struct Target<'a> {
    pub(crate) what: What<'a>,
    pub(crate) executable: bool,
}

/// What an edited worktree wants.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    /// The files that are named.
    pub(crate) files: BTreeMap<RepoPath, Target<'a>>,
    /// The folders that are named, and those around whatever is named.
    pub(crate) dirs: BTreeSet<RepoPath>,
    /// The files and folders of the base that are gone.
    pub(crate) removed: BTreeSet<RepoPath>,
}

impl<'a> Plan<'a> {
    /// Works out what the edits want; refuses edits that contradict one another.
    pub(crate) fn of(paths: &Paths, edits: &'a [FileEdit]) -> Result<Self, CrdtError> {
        let mut plan = Plan::default();
        for edit in edits {
            plan.want(edit)?;
        }
        if let Some(path) = plan.files.keys().find(|path| plan.dirs.contains(*path)) {
            return Err(CrdtError::Contradiction(path.clone()));
        }
        let gone: BTreeSet<_> = edits.iter().filter_map(removal).collect();
        // Only what is removed, or is in the way, or lies under a file can go.
        let roots: BTreeSet<_> = gone.iter().copied().chain(plan.files.keys()).chain(&plan.dirs).collect();
        let mut removed = BTreeSet::new();
        for root in roots {
            // A folder that is only gone through holds nothing that goes by itself.
            let whole = gone.contains(root) || plan.files.contains_key(root);
            let files = near(&paths.files, root, whole).filter(|path| plan.loses(path, false, &gone));
            let dirs = near(&paths.dirs, root, whole).filter(|path| plan.loses(path, true, &gone));
            removed.extend(files.chain(dirs).cloned());
        }
        plan.removed = removed;
        Ok(plan)
    }

    fn want(&mut self, edit: &'a FileEdit) -> Result<(), CrdtError> {
        let (path, what, executable) = match edit {
            FileEdit::Write { path, bytes, executable } => {
                (path, What::Bytes(Hashed::of(bytes)), *executable)
            }
            FileEdit::Artifact { path, artifact, bytes, executable } => {
                (path, What::Body(Body::Artifact { artifact: *artifact, bytes: *bytes }), *executable)
            }
            FileEdit::Link { path, target } => {
                (path, What::Body(Body::Link { target: target.clone() }), false)
            }
            FileEdit::Dir { path } => {
                self.dirs.extend(std::iter::successors(Some(path.clone()), RepoPath::parent));
                return Ok(());
            }
            FileEdit::Remove { .. } => return Ok(()),
        };
        self.dirs.extend(std::iter::successors(path.parent(), RepoPath::parent));
        match self.files.insert(path.clone(), Target { what, executable }) {
            None => Ok(()),
            Some(_) => Err(CrdtError::Contradiction(path.clone())),
        }
    }

    /// Whether something that the base shows is gone: removed, or in the way of what is wanted.
    fn loses(&self, path: &RepoPath, is_dir: bool, gone: &BTreeSet<&RepoPath>) -> bool {
        let wanted = if is_dir { self.dirs.contains(path) } else { self.files.contains_key(path) };
        let mut around = std::iter::successors(Some(path.clone()), RepoPath::parent);
        let removed = around.any(|path| gone.contains(&path) || (is_dir && self.files.contains_key(&path)));
        let under_file = std::iter::successors(path.parent(), RepoPath::parent);
        let under_file = under_file.into_iter().any(|path| self.files.contains_key(&path));
        let in_the_way = !is_dir && self.dirs.contains(path);
        !wanted && (removed || under_file || in_the_way)
    }
}

/// The paths that are `root` and, where the `whole` of it is wanted, those below it.
fn near<'a>(
    paths: &'a BTreeMap<RepoPath, NodeId>,
    root: &RepoPath,
    whole: bool,
) -> impl Iterator<Item = &'a RepoPath> {
    let below = whole.then(|| {
        let behind = paths.range((Bound::Excluded(root), Bound::Unbounded)).map(|(path, _)| path);
        let near = behind.take_while(|path| path.as_bytes().starts_with(root.as_bytes()));
        near.filter(|path| path.is_within(root))
    });
    let own = paths.get_key_value(root).map(|(path, _)| path);
    own.into_iter().chain(below.into_iter().flatten())
}

fn removal(edit: &FileEdit) -> Option<&RepoPath> {
    match edit {
        FileEdit::Remove { path } => Some(path),
        _ => None,
    }
}
