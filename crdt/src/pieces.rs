//! The items of a file as nodes, and the waypoints that touched them.

use std::collections::BTreeSet;

use crate::documents::{Contents, Documents};
use crate::error::CrdtError;
use crate::frontier::Frontier;
use crate::id::{ContentHash, LeafId, NodeId, WaypointId};
use crate::lineage::{Lineage, Source};
use crate::op::{Body, NodeKind};
use crate::path::RepoPath;
use crate::state::Act;
use crate::view::View;
use crate::view::outline::{Outline, Reading};
use crate::view::tree::Ground;

/// A named item that a version knows as a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The node.
    pub node: NodeId,
    /// What it is.
    pub kind: NodeKind,
    /// Its own name.
    pub name: Vec<u8>,
    /// Its first byte in the file.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

impl Documents {
    /// The named items of a file of a view, each before those in it. A file that nobody has cut yet has none.
    pub fn pieces(
        &mut self,
        view: &View,
        path: &RepoPath,
        contents: &dyn Contents,
    ) -> Result<Vec<Piece>, CrdtError> {
        let Some((_, outline)) = self.outline(view, path, contents)? else { return Ok(Vec::new()) };
        let named = outline.entries.into_iter().filter_map(|entry| {
            let place = entry.place.filter(|place| matches!(place.kind, NodeKind::Item(_)))?;
            let (node, start, end) = (entry.node, entry.start, entry.end);
            Some(Piece { node, kind: place.kind, name: place.name, start, end })
        });
        Ok(named.collect())
    }

    /// The waypoints that wrote a file, or what lies below a folder.
    pub fn writers(
        &mut self,
        view: &View,
        path: &RepoPath,
        contents: &dyn Contents,
    ) -> Result<Vec<WaypointId>, CrdtError> {
        let (_, resolved) = self.resolved(&view.frontier, contents)?;
        let mut nodes: BTreeSet<NodeId> = resolved.paths.dirs.get(path).copied().into_iter().collect();
        let files: Vec<_> = view.files.iter().filter(|(file, _)| file.is_within(path)).collect();
        for (path, file) in files {
            nodes.insert(file.node);
            if let Some((_, outline)) = self.outline(view, path, contents)? {
                nodes.extend(outline.entries.iter().map(|entry| entry.node));
            }
        }
        self.touching(&view.frontier, &nodes, &BTreeSet::new(), contents)
    }

    /// The waypoints that wrote an item that stands in these bytes of a file: those that brought it
    /// and those that changed it.
    pub fn item_writers(
        &mut self,
        view: &View,
        path: &RepoPath,
        item: &Piece,
        contents: &dyn Contents,
    ) -> Result<Vec<WaypointId>, CrdtError> {
        let Some((_, outline)) = self.outline(view, path, contents)? else { return Ok(Vec::new()) };
        let inside =
            |entry: &&crate::view::outline::Entry| entry.start >= item.start && entry.end <= item.end;
        let own = outline.entries.iter().skip(1).filter(inside).map(|entry| entry.node);
        let mut nodes: BTreeSet<_> = own.collect();
        nodes.insert(item.node);
        let origin = self.origin(item.node);
        self.touching(&view.frontier, &nodes, &origin.into_iter().collect(), contents)
    }

    /// The waypoints that gave a file a whole text, each with that text's hash, oldest first.
    pub fn bodies(
        &self,
        view: &View,
        path: &RepoPath,
        contents: &dyn Contents,
    ) -> Result<Vec<(WaypointId, ContentHash)>, CrdtError> {
        let Some(file) = view.files.get(path) else { return Ok(Vec::new()) };
        let mut written = Vec::new();
        for waypoint in self.ancestors(&view.frontier) {
            written.extend(self.acts_at(&waypoint, contents)?.iter().filter_map(|act| match act {
                Act::Body(node, Body::Text { content, .. }) if *node == file.node => {
                    Some((waypoint, *content))
                }
                _ => None,
            }));
        }
        Ok(written)
    }

    /// The text of a file piece by piece; `None` for what is no text.
    fn outline(
        &mut self,
        view: &View,
        path: &RepoPath,
        contents: &dyn Contents,
    ) -> Result<Option<(NodeId, Outline)>, CrdtError> {
        let (state, resolved) = self.resolved(&view.frontier, contents)?;
        let missing = || CrdtError::NoSuchPath(path.clone());
        let node = *resolved.paths.files.get(path).ok_or_else(missing)?;
        let Some(Body::Text { content, .. }) =
            state.nodes.get(&node).and_then(|written| written.body.winner())
        else {
            return Ok(None);
        };
        let root = self.root();
        let ground = Ground { root, state: &state, lineage: &self.lineage, graph: &self.graph };
        let (tree, texts) = (&resolved.tree, &mut self.texts);
        let mut reading = Reading { ground, tree, texts, contents };
        Ok(Some((node, reading.outline(node, LeafId::of(node, *content))?)))
    }

    /// The whole text that a piece was cut from, however often it was cut.
    fn origin(&self, node: NodeId) -> Option<(NodeId, ContentHash)> {
        let mut node = node;
        let mut met = BTreeSet::new();
        while met.insert(node) {
            let (leaf, ..) = self.lineage.slice(&node)?;
            match self.lineage.source(&leaf)? {
                Source::Body(node, content) => return Some((node, content)),
                Source::Cut(above) => node = above,
            }
        }
        None
    }

    /// The waypoints of a frontier that write one of these nodes, or bring one of these texts. To cut a
    /// text says nothing about what it says.
    fn touching(
        &self,
        frontier: &Frontier,
        nodes: &BTreeSet<NodeId>,
        texts: &BTreeSet<(NodeId, ContentHash)>,
        contents: &dyn Contents,
    ) -> Result<Vec<WaypointId>, CrdtError> {
        // Operations that are read on the way are not kept, but later ones speak of what they named.
        let mut lineage = Lineage::above(self.lineage.clone());
        let mut touching = Vec::new();
        for waypoint in self.ancestors(frontier) {
            let acts = self.acts_at(&waypoint, contents)?;
            acts.iter().for_each(|act| act.name(&mut lineage));
            let touches = |act: &Act| match act {
                Act::Body(node, Body::Text { content, .. }) if texts.contains(&(*node, *content)) => true,
                Act::Place(node, _) | Act::Body(node, _) | Act::Mode(node, _) => nodes.contains(node),
                Act::Edit(leaf, _) => lineage.owner(leaf).is_some_and(|node| nodes.contains(&node)),
                Act::Split(_) => false,
            };
            if acts.iter().any(touches) {
                touching.push(waypoint);
            }
        }
        Ok(touching)
    }
}
