//! From edited files to operations.
//!
//! A worktree knows only what its files are now. A draft finds out what was done: which
//! file was renamed, which function moved, which words changed; the finer it is, the more
//! of it merges. Whatever it finds, base and draft together must show the edited files to
//! the byte. So each draft is read back before it is handed out, and where the finest one
//! does not hold, a coarser one is written.

mod ahead;
mod align;
mod desk;
mod items;
mod places;
mod plan;
mod sheet;
mod weigh;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use ahead::Ahead;

use crate::documents::{Contents, Documents};
use crate::draft::desk::Desk;
use crate::draft::plan::{Plan, What};
use crate::error::CrdtError;
use crate::frontier::Frontier;
use crate::id::{ArtifactId, ContentHash, NodeId};
use crate::op::{Body, Op};
use crate::path::RepoPath;
use crate::state::State;
use crate::view::FileBody;
use crate::view::report::{Found, Settle};
use crate::view::resolve::Resolved;

/// What a worktree says about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEdit {
    /// The path is a file with these bytes.
    Write {
        /// The path.
        path: RepoPath,
        /// All of its bytes.
        bytes: Arc<[u8]>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// The path is a file whose bytes lie in the artifact store.
    Artifact {
        /// The path.
        path: RepoPath,
        /// The hash of the manifest.
        artifact: ArtifactId,
        /// How many bytes.
        bytes: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// The path is a symbolic link.
    Link {
        /// The path.
        path: RepoPath,
        /// The target.
        target: Vec<u8>,
    },
    /// The path is a folder.
    Dir {
        /// The path.
        path: RepoPath,
    },
    /// The path, and what lies below it, is gone.
    Remove {
        /// The path.
        path: RepoPath,
    },
}

impl FileEdit {
    /// The path that is edited.
    pub fn path(&self) -> &RepoPath {
        match self {
            FileEdit::Write { path, .. }
            | FileEdit::Artifact { path, .. }
            | FileEdit::Link { path, .. }
            | FileEdit::Dir { path }
            | FileEdit::Remove { path } => path,
        }
    }
}

/// What a waypoint will say: its operations, and the bytes that they name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// The bytes that operations name by hash, each once.
    pub contents: Vec<(ContentHash, Arc<[u8]>)>,
}

impl Draft {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}

/// Which overlaps of its base a draft settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settling {
    /// Those that an edit is about; others only where nothing else will do.
    Touched,
    /// All, if that can be.
    All,
}

/// How fine a draft is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grain {
    /// Items are matched; they move and are renamed.
    Items,
    /// Pieces stay where they are and are edited.
    Lines,
    /// Changed files get whole new bodies.
    Whole,
}

/// What to write on top of `base` so that the view shows exactly `edits`.
pub(crate) fn draft(
    documents: &mut Documents,
    base: &Frontier,
    edits: &[FileEdit],
    settling: Settling,
    contents: &dyn Contents,
) -> Result<Draft, CrdtError> {
    let (state, resolved) = documents.resolved(base, contents)?;
    let plan = Plan::of(&resolved.paths, edits)?;
    let grains = [Grain::Items, Grain::Lines, Grain::Whole];
    let first = settling == Settling::All;
    for (settle_all, grain) in [first, !first].into_iter().flat_map(|all| grains.map(|grain| (all, grain))) {
        let desk = Desk::new(documents, &state, &resolved.tree, contents);
        let mut drafting = Drafting { desk, base: &resolved, before: &state, plan: &plan, grain };
        if drafting.write(settle_all).is_err() {
            continue;
        }
        if let Some(shown) = drafting.holds()? {
            let draft = drafting.desk.finish();
            documents.foresee(base, &draft.ops, shown);
            return Ok(draft);
        }
    }
    Err(CrdtError::Bug("no draft shows what was asked for"))
}

/// One attempt at a draft.
pub(crate) struct Drafting<'a> {
    desk: Desk<'a>,
    base: &'a Resolved,
    before: &'a State,
    plan: &'a Plan<'a>,
    grain: Grain,
}

impl Drafting<'_> {
    fn write(&mut self, settle_all: bool) -> Result<(), CrdtError> {
        let nodes = self.place()?;
        self.remove(&nodes)?;
        self.keep_names()?;
        let mut texts = Vec::new();
        for (path, target) in &self.plan.files {
            let Some(node) = nodes.get(path) else { continue };
            self.mode(*node, target.executable)?;
            match &target.what {
                What::Bytes(hashed) => texts.extend(self.bytes(path, *node, *hashed)?),
                What::Body(body) => self.body(*node, body)?,
            }
        }
        items::write(&mut self.desk, texts, self.grain == Grain::Items)?;
        self.settle(&nodes, settle_all)
    }

    fn mode(&mut self, node: NodeId, executable: bool) -> Result<(), CrdtError> {
        let written = self.desk.state.nodes.get(&node);
        let now = written.and_then(|written| written.mode.winner().copied()).unwrap_or_default();
        if now == executable { Ok(()) } else { self.desk.put(Op::Mode { node, executable }) }
    }

    fn body(&mut self, node: NodeId, body: &Body) -> Result<(), CrdtError> {
        let now = self.desk.state.nodes.get(&node).and_then(|written| written.body.winner());
        if now == Some(body) { Ok(()) } else { self.desk.put(Op::Body { node, body: body.clone() }) }
    }

    /// Puts settling writes behind the draft for every overlap that it touches.
    fn settle(&mut self, nodes: &BTreeMap<RepoPath, NodeId>, all: bool) -> Result<(), CrdtError> {
        let mut touched: BTreeSet<_> = self.desk.ops.iter().filter_map(|op| self.subject(op)).collect();
        let paths = self
            .plan
            .files
            .keys()
            .chain(&self.plan.removed)
            .filter(|path| self.is_changed(path, nodes, &touched));
        let around = paths.flat_map(|path| std::iter::successors(Some(path.clone()), RepoPath::parent));
        let around: BTreeSet<_> = around.filter_map(|path| self.base_node(&path)).collect();
        touched.extend(around);
        let wanted = |found: &&Found| all || found.nodes.iter().any(|node| touched.contains(node));
        for found in self.base.found.iter().filter(wanted) {
            match &found.settle {
                Settle::Text(node, codec, _) => self.rewrite(*node, *codec, nodes)?,
                Settle::Ops(choices) => self.affirm(choices.first().map_or(&[], Vec::as_slice))?,
                // An edit settles what it touches; what it does not is settled only where all is.
                Settle::Leaf(leaf, _) if all => self.desk.affirm(*leaf)?,
                Settle::Leaf(..) => {}
            }
        }
        Ok(())
    }

    /// Writes what is shown once more, where the draft does not write it itself.
    fn affirm(&mut self, shown: &[Op]) -> Result<(), CrdtError> {
        for op in shown {
            if !self.desk.ops.iter().any(|other| same_register(op, other)) {
                self.desk.put(op.clone())?;
            }
        }
        Ok(())
    }

    /// Gives an edited file its text as a whole.
    fn rewrite(
        &mut self,
        node: NodeId,
        codec: u16,
        nodes: &BTreeMap<RepoPath, NodeId>,
    ) -> Result<(), CrdtError> {
        let path = nodes.iter().find(|(_, other)| **other == node).map(|(path, _)| path);
        let target = path.and_then(|path| self.plan.files.get(path));
        let Some(What::Bytes(hashed)) = target.map(|target| &target.what) else { return Ok(()) };
        self.desk.write_whole(node, *hashed, codec).map(|_| ())
    }

    /// Whether the draft writes anything about a path.
    fn is_changed(
        &self,
        path: &RepoPath,
        nodes: &BTreeMap<RepoPath, NodeId>,
        touched: &BTreeSet<NodeId>,
    ) -> bool {
        let node = nodes.get(path).copied().or_else(|| self.base_node(path));
        let text = self.plan.files.contains_key(path) && !self.is_same(path);
        text || node.is_some_and(|node| touched.contains(&node))
    }

    /// Whether the base shows at a path what the plan wants there.
    fn is_same(&self, path: &RepoPath) -> bool {
        let (Some(now), Some(target)) = (self.base.files.get(path), self.plan.files.get(path)) else {
            return false;
        };
        now.executable == target.executable && target.what.is(&now.body)
    }

    fn base_node(&self, path: &RepoPath) -> Option<NodeId> {
        self.base.paths.files.get(path).or_else(|| self.base.paths.dirs.get(path)).copied()
    }

    /// The node that an operation is about.
    fn subject(&self, op: &Op) -> Option<NodeId> {
        match op {
            Op::Place { node, .. } | Op::Body { node, .. } | Op::Mode { node, .. } => Some(*node),
            Op::Split(split) => self.desk.lineage.owner(&split.leaf),
            Op::Edit { leaf, .. } => self.desk.lineage.owner(leaf),
        }
    }

    /// What base and draft together show, if that is exactly what was asked for.
    fn holds(&mut self) -> Result<Option<Resolved>, CrdtError> {
        let resolved = self.desk.resolve(self.base)?;
        let plan = self.plan;
        // What both share is as it was.
        let stays = |path: &&&RepoPath| !plan.removed.contains(**path) && !plan.files.contains_key(**path);
        let other = resolved.files.differing(&self.base.files);
        let kept = other.iter().filter(stays).all(|path| {
            let both = (resolved.files.get(*path), self.base.files.get(*path));
            let (Some(now), Some(was)) = both else { return false };
            now.body == was.body && now.executable == was.executable
        });
        let fresh = plan.files.iter().all(|(path, target)| {
            let now = resolved.files.get(path);
            now.is_some_and(|now| now.executable == target.executable && target.what.is(&now.body))
        });
        // A file may stand where a folder went.
        let lost = plan.removed.iter().filter(|path| !plan.files.contains_key(*path));
        let gone = !lost.into_iter().any(|path| resolved.files.contains_key(path));
        Ok((kept && fresh && gone && self.has_dirs(&resolved)).then_some(resolved))
    }

    /// Whether just those folders are shown that are wanted.
    fn has_dirs(&self, shown: &Resolved) -> bool {
        let (now, was, plan) = (&shown.paths.dirs, &self.base.paths.dirs, self.plan);
        let wanted = plan.dirs.iter().all(|path| now.contains_key(path));
        let gone = !plan.removed.iter().any(|path| now.contains_key(path) && !plan.dirs.contains(path));
        let is_same = Arc::ptr_eq(&shown.paths, &self.base.paths);
        let stay =
            || was.keys().filter(|path| !plan.removed.contains(*path)).all(|path| now.contains_key(path));
        let known = || now.keys().all(|path| was.contains_key(path) || plan.dirs.contains(path));
        wanted && gone && (is_same || (stay() && known()))
    }
}

impl What<'_> {
    /// Whether a file with this body holds what is wanted.
    fn is(&self, body: &FileBody) -> bool {
        match (self, body) {
            (What::Bytes(wanted), FileBody::Bytes { content, bytes: length, .. }) => {
                wanted.bytes.len() as u64 == *length && wanted.content == *content
            }
            (
                What::Body(Body::Artifact { artifact: a, bytes: x }),
                FileBody::Artifact { artifact: b, bytes: y },
            ) => a == b && x == y,
            (What::Body(Body::Link { target: a }), FileBody::Link { target: b }) => a == b,
            _ => false,
        }
    }
}

/// Whether two operations write the same field of the same node.
fn same_register(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Place { node: a, .. }, Op::Place { node: b, .. })
        | (Op::Body { node: a, .. }, Op::Body { node: b, .. })
        | (Op::Mode { node: a, .. }, Op::Mode { node: b, .. }) => a == b,
        _ => false,
    }
}
