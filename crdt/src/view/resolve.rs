//! From what was written to what is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::CrdtError;
use crate::frontier::Frontier;
use crate::id::{ContentHash, LeafId, NodeId};
use crate::op::Body;
use crate::path::RepoPath;
use crate::view::outline::{Outline, Reading};
use crate::view::paths::Paths;
use crate::view::report::{Found, Report};
use crate::view::root::root;
use crate::view::tree::{Ground, Tree};
use crate::view::{File, FileBody, View};

/// A view and how it came to be.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// What a reader sees.
    pub(crate) view: Arc<View>,
    /// Where everything stands.
    pub(crate) tree: Tree,
    /// The paths.
    pub(crate) paths: Paths,
    /// The overlaps of the view in the same order, with how they are settled.
    pub(crate) found: Vec<Found>,
}

/// The parts of a view that lie below the files' names.
struct Shown {
    files: BTreeMap<RepoPath, File>,
    found: Vec<Found>,
}

/// Works out what a frontier shows.
pub(crate) fn resolve(
    frontier: Frontier,
    ground: Ground<'_>,
    texts: &mut crate::text::Texts,
    contents: &dyn crate::documents::Contents,
) -> Result<Resolved, CrdtError> {
    let mut tree = Tree::of(ground);
    let paths = Paths::of(ground, &mut tree);
    let mut reading = Reading { ground, tree: &tree, texts, contents };
    let Shown { files, mut found } = show(&mut reading, &paths)?;
    found.sort_by(|a, b| a.overlap.cmp(&b.overlap).then_with(|| a.nodes.cmp(&b.nodes)));
    let overlaps = found.iter().map(|found| found.overlap.clone()).collect();
    let dirs = paths.dirs.keys().cloned().collect();
    let root = root(&files, &dirs);
    let view = Arc::new(View { frontier, root, files, dirs, overlaps });
    Ok(Resolved { view, tree, paths, found })
}

fn show<'a>(reading: &mut Reading<'a>, paths: &'a Paths) -> Result<Shown, CrdtError> {
    let mut report = Report { reading, paths, found: Vec::new() };
    for (path, node) in &paths.dirs {
        report.dir(path, *node);
    }
    let mut files = BTreeMap::new();
    for (path, node) in &paths.files {
        let (file, text) = file(report.reading, *node)?;
        report.file(path, *node, text.as_ref())?;
        files.insert(path.clone(), file);
    }
    Ok(Shown { files, found: report.found })
}

/// A file, and its text where that is more than the bytes it began with.
fn file(reading: &mut Reading<'_>, node: NodeId) -> Result<(File, Option<Outline>), CrdtError> {
    let written = reading.ground.state.nodes.get(&node);
    let executable = written.and_then(|written| written.mode.winner().copied()).unwrap_or_default();
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
    !touched && !reading.tree.under.contains_key(&NodeId::inside(leaf))
}
