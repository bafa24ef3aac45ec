//! From what was written to what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::error::CrdtError;
use crate::frontier::Frontier;
use crate::graph::NEXT;
use crate::id::{ContentHash, LeafId, NodeId, WaypointId};
use crate::op::Body;
use crate::overlap::Overlap;
use crate::paged::Paged;
use crate::path::RepoPath;
use crate::view::beside::writers;
use crate::view::outline::{Outline, Reading};
use crate::view::paths::Paths;
use crate::view::report::{Found, Report};
use crate::view::reuse::{Before, Reuse};
use crate::view::root::root;
use crate::view::tree::{Ground, Tree};
use crate::view::{File, FileBody, View};

/// A view and how it came to be.
#[derive(Debug)]
pub(crate) struct Resolved {
    frontier: Frontier,
    /// The files.
    pub(crate) files: Paged<RepoPath, File>,
    /// Where everything stands.
    pub(crate) tree: Tree,
    /// The paths.
    pub(crate) paths: Arc<Paths>,
    /// The overlaps of the view in the same order, with how they are settled.
    pub(crate) found: Vec<Found>,
    notes: Vec<Overlap>,
    /// The texts that are more than the bytes they began with, for the next view.
    pub(crate) rendered: Paged<NodeId, Arc<Rendered>>,
    /// Those that no older view had.
    fresh: BTreeSet<NodeId>,
    /// What a reader sees, once somebody asks.
    view: OnceLock<Arc<View>>,
}

impl Resolved {
    /// Whether nothing met anywhere.
    pub(crate) fn is_quiet(&self) -> bool {
        self.found.is_empty() && self.notes.is_empty()
    }

    /// What a reader sees.
    pub(crate) fn view(&self) -> &Arc<View> {
        self.view.get_or_init(|| {
            let files = self.files.iter().map(|(path, file)| (path.clone(), file.clone())).collect();
            let dirs = self.paths.dirs.keys().cloned().collect();
            let overlaps = self.found.iter().map(|found| found.overlap.clone()).collect();
            let (frontier, notes) = (self.frontier.clone(), self.notes.clone());
            Arc::new(View { frontier, root: root(&files, &dirs), files, dirs, overlaps, notes })
        })
    }

    /// The same for the waypoint that a draft has become.
    pub(crate) fn standing(mut self, frontier: Frontier, id: WaypointId) -> Self {
        self.frontier = frontier;
        self.view = OnceLock::new();
        for node in &self.fresh {
            let Some(text) = self.rendered.get_mut(node) else { continue };
            let text = Arc::make_mut(text);
            if text.writers.remove(&NEXT) {
                text.writers.insert(id);
            }
        }
        self
    }
}

/// What one text came to.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    pub(crate) path: RepoPath,
    pub(crate) body: FileBody,
    /// What met inside it, as far as that is the same for all heads.
    pub(crate) found: Vec<Found>,
    /// Who wrote what is seen in it.
    writers: BTreeSet<WaypointId>,
}

impl Rendered {
    /// Whether it shows what no single head has.
    fn is_apart(&self, ground: Ground<'_>, heads: &[WaypointId]) -> bool {
        let has = |head: &WaypointId| self.writers.iter().all(|by| ground.graph.is_ancestor(by, head));
        heads.len() > 1 && !heads.iter().any(has)
    }
}

/// The parts of a view that lie below the files' names.
#[derive(Default)]
struct Shown {
    files: Paged<RepoPath, File>,
    found: Vec<Found>,
    rendered: Paged<NodeId, Arc<Rendered>>,
    fresh: BTreeSet<NodeId>,
}

/// Works out what a frontier shows, with the help of an older view if there is one.
pub(crate) fn resolve(
    frontier: Frontier,
    ground: Ground<'_>,
    texts: &mut crate::text::Texts,
    contents: &dyn crate::documents::Contents,
    before: Option<Before<'_>>,
) -> Result<Resolved, CrdtError> {
    let grown = before.as_ref().and_then(|before| before.resolved.tree.grown(ground, &before.acts));
    let (mut tree, moved) = match grown {
        Some((tree, moved)) => (tree, Some(moved)),
        None => (Tree::of(ground), None),
    };
    let reuse = Reuse::of(ground, &tree, before, moved);
    let known = reuse.paths(ground, &tree);
    let (older, paths) = match known {
        Some((older, paths)) => (Some(older), paths),
        None => (None, Arc::new(Paths::of(ground, &mut tree))),
    };
    debug_assert!(is_as_if_anew(ground, &tree, &paths), "a grown tree differs from the whole one");
    let reuse = if tree.broken.is_empty() { reuse } else { reuse.again(ground, &tree) };
    let mut reading = Reading { ground, tree: &tree, texts, contents };
    let shown = match older.filter(|_| frontier.heads().len() < 2) {
        Some(older) => show_touched(&mut reading, &paths, &reuse, older)?,
        None => show(&mut reading, &paths, &reuse, frontier.heads())?,
    };
    let Shown { files, mut found, rendered, fresh } = shown;
    found.sort_by(|a, b| a.overlap.cmp(&b.overlap).then_with(|| a.nodes.cmp(&b.nodes)));
    let noted: Vec<_> = found.extract_if(.., |found| found.overlap.kind.is_note()).collect();
    let notes = noted.into_iter().map(|found| found.overlap).collect();
    let view = OnceLock::new();
    Ok(Resolved { frontier, files, tree, paths, found, notes, rendered, fresh, view })
}

/// Whether a tree and its paths are what the state says, whatever they grew from.
fn is_as_if_anew(ground: Ground<'_>, tree: &Tree, paths: &Paths) -> bool {
    let mut whole = Tree::of(ground);
    *paths == Paths::of(ground, &mut whole) && *tree == whole
}

/// The files of an older view in which nothing met, with those read again that were touched.
fn show_touched<'a>(
    reading: &mut Reading<'a>,
    paths: &'a Paths,
    reuse: &Reuse<'_>,
    before: &Resolved,
) -> Result<Shown, CrdtError> {
    let mut report = Report { reading, paths, heads: &[], found: Vec::new(), hidden: Vec::new() };
    let (files, rendered) = (before.files.clone(), before.rendered.clone());
    let mut shown = Shown { files, rendered, ..Shown::default() };
    for node in &reuse.touched {
        let was = before.paths.of.get(node).filter(|was| paths.of.get(node) != Some(was));
        was.map(|was| shown.files.remove(was));
        shown.rendered.remove(node);
    }
    for node in &reuse.touched {
        let Some(path) = paths.of.get(node) else { continue };
        if paths.dirs.contains_key(path) {
            report.dir(path, *node);
            continue;
        }
        let (file, text) = fresh(&mut report, path, *node)?;
        if let Some(text) = text {
            report.found.extend(text.found.iter().cloned());
            shown.rendered.insert(*node, Arc::new(text));
            shown.fresh.insert(*node);
        }
        shown.files.insert(path.clone(), file);
    }
    Ok(Shown { found: report.found, ..shown })
}

fn show<'a>(
    reading: &mut Reading<'a>,
    paths: &'a Paths,
    reuse: &Reuse<'_>,
    heads: &'a [WaypointId],
) -> Result<Shown, CrdtError> {
    let mut report = Report { reading, paths, heads, found: Vec::new(), hidden: Vec::new() };
    for (path, node) in &paths.dirs {
        report.dir(path, *node);
    }
    let (mut files, mut rendered) = (Vec::with_capacity(paths.files.len()), BTreeMap::new());
    let mut anew = BTreeSet::new();
    for (path, node) in &paths.files {
        if let Some(file) = reuse.file(node, path).filter(|_| heads.len() < 2) {
            if let Some(text) = reuse.rendered(node, path) {
                rendered.insert(*node, text.clone());
            }
            files.push((path.clone(), file.clone()));
            continue;
        }
        // What stands side by side depends on the heads too, so it is never taken from an older view.
        let ready = reuse.rendered(node, path).filter(|text| !text.is_apart(report.reading.ground, heads));
        let (file, text) = match ready {
            Some(text) => {
                report.file(path, *node, None)?;
                (reused(report.reading, *node, text), Some(text.clone()))
            }
            None => {
                anew.insert(*node);
                let (file, text) = fresh(&mut report, path, *node)?;
                (file, text.map(Arc::new))
            }
        };
        if let Some(text) = text {
            report.found.extend(text.found.iter().cloned());
            rendered.insert(*node, text);
        }
        files.push((path.clone(), file));
    }
    let (files, rendered) = (files.into_iter().collect(), rendered.into_iter().collect());
    Ok(Shown { files, found: report.found, rendered, fresh: anew })
}

/// A file whose text is as it was in an older view, and so is all that was written about it.
fn reused(reading: &Reading<'_>, node: NodeId, text: &Rendered) -> File {
    File { node, executable: is_executable(reading, node), body: text.body.clone() }
}

/// A file that is read from what was written.
fn fresh(
    report: &mut Report<'_, '_>,
    path: &RepoPath,
    node: NodeId,
) -> Result<(File, Option<Rendered>), CrdtError> {
    let (file, text) = file(report.reading, node)?;
    report.file(path, node, text.as_ref())?;
    let Some(text) = text else { return Ok((file, None)) };
    let outside = std::mem::take(&mut report.found);
    report.text(path, &text)?;
    let found = std::mem::replace(&mut report.found, outside);
    report.beside(path, &text);
    let writers = writers(report.reading.ground, &text);
    let rendered = Rendered { path: path.clone(), body: file.body.clone(), found, writers };
    Ok((file, Some(rendered)))
}

fn is_executable(reading: &Reading<'_>, node: NodeId) -> bool {
    let written = reading.ground.state.nodes.get(&node);
    written.and_then(|written| written.mode.winner().copied()).unwrap_or_default()
}

/// A file, and its text where that is more than the bytes it began with.
fn file(reading: &mut Reading<'_>, node: NodeId) -> Result<(File, Option<Outline>), CrdtError> {
    let written = reading.ground.state.nodes.get(&node);
    let executable = is_executable(reading, node);
    let (body, text) = match written.and_then(|written| written.body.winner()) {
        Some(Body::Text { content, bytes, .. }) => text_body(reading, node, *content, *bytes)?,
        Some(Body::Opaque { content, bytes }) => {
            (FileBody::Bytes { content: *content, bytes: *bytes, opaque: true }, None)
        }
        Some(Body::Artifact { artifact, bytes }) => {
            (FileBody::Artifact { artifact: *artifact, bytes: *bytes }, None)
        }
        Some(Body::Link { target }) => (FileBody::Link { target: target.clone() }, None),
        None => (FileBody::Bytes { content: ContentHash::of(b""), bytes: 0, opaque: false }, None),
    };
    Ok((File { node, executable, body }, text))
}

fn text_body(
    reading: &mut Reading<'_>,
    node: NodeId,
    content: ContentHash,
    bytes: u64,
) -> Result<(FileBody, Option<Outline>), CrdtError> {
    let leaf = LeafId::of(node, content);
    if is_pristine(reading, leaf) {
        return Ok((FileBody::Bytes { content, bytes, opaque: false }, None));
    }
    let text = reading.outline(node, leaf)?;
    let (content, bytes) = (ContentHash::of(&text.bytes), text.bytes.len() as u64);
    Ok((FileBody::Bytes { content, bytes, opaque: false }, Some(text)))
}

/// Whether a leaf shows exactly the bytes that it began with.
pub(crate) fn is_pristine(reading: &Reading<'_>, leaf: LeafId) -> bool {
    let touched = reading.ground.state.leaves.contains_key(&leaf);
    !touched && reading.tree.children(&NodeId::inside(leaf)).is_empty()
}
