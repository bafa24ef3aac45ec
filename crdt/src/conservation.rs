//! Nothing that anyone wrote is lost: it is shown, or a named change took it away, or an overlap tells it.
//!
//! The view is taken at its word. Starting from what was written, every text is looked for in
//! what the view shows and in what its overlaps tell. What is in neither must have been
//! deleted, replaced or settled by someone who had seen it.

use std::collections::BTreeSet;

use crate::documents::{Contents, Documents};
use crate::error::CrdtError;
use crate::frontier::Frontier;
use crate::id::{LeafId, NodeId, WaypointId, hex};
use crate::op::Body;
use crate::path::RepoPath;
use crate::state::State;
use crate::text::{Text, Texts, genesis};
use crate::view::outline::{Reading, leaf_of};
use crate::view::resolve::{Resolved, is_pristine};
use crate::view::tree::Ground;

/// Something that was written, and that a view neither shows nor accounts for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// The node that it was written in.
    pub node: NodeId,
    /// The leaf, if it is an edit of a text.
    pub leaf: Option<LeafId>,
    /// The file, if that is shown.
    pub path: Option<RepoPath>,
    /// The waypoints that wrote it.
    pub waypoints: Vec<WaypointId>,
}

impl Documents {
    /// What was written in the past of a frontier and is lost in its view: nothing, or the engine is broken.
    pub fn lost(&mut self, frontier: &Frontier, contents: &dyn Contents) -> Result<Vec<Lost>, CrdtError> {
        let (state, resolved) = self.resolved(frontier, contents)?;
        let root = self.root();
        let ground = Ground { root, state: &state, lineage: &self.lineage, graph: &self.graph };
        let alternatives = resolved.view().overlaps.iter().flat_map(|overlap| &overlap.alternatives);
        let told = alternatives.map(|side| side.bytes.clone()).collect();
        let (leaves, nodes) = (BTreeSet::new(), BTreeSet::new());
        let mut ledger = Ledger { ground, resolved: &resolved, contents, told, leaves, nodes };
        ledger.read_shown(&mut self.texts)?;
        let mut lost = Vec::new();
        ledger.bodies(&state, &mut lost)?;
        ledger.edits(&state, &mut self.texts, &mut lost)?;
        lost.sort();
        lost.dedup();
        Ok(lost)
    }
}

struct Ledger<'a> {
    ground: Ground<'a>,
    resolved: &'a Resolved,
    contents: &'a dyn Contents,
    /// The texts of all alternatives.
    told: Vec<Vec<u8>>,
    /// The leaves whose text is shown.
    leaves: BTreeSet<LeafId>,
    /// The nodes that are shown.
    nodes: BTreeSet<NodeId>,
}

impl Ledger<'_> {
    fn read_shown(&mut self, texts: &mut Texts) -> Result<(), CrdtError> {
        let (ground, tree, contents) = (self.ground, &self.resolved.tree, self.contents);
        let mut reading = Reading { ground, tree, texts, contents };
        for node in self.resolved.paths.files.values() {
            self.nodes.insert(*node);
            let Some(leaf) = leaf_of(ground, node) else { continue };
            if is_pristine(&reading, leaf) {
                self.leaves.insert(leaf);
                continue;
            }
            let outline = reading.outline(*node, leaf)?;
            self.nodes.extend(outline.entries.iter().map(|entry| entry.node));
            self.leaves.extend(outline.entries.iter().filter_map(|entry| entry.leaf));
        }
        Ok(())
    }

    /// Bodies that were written as a whole, and that nobody has replaced since.
    fn bodies(&self, state: &State, lost: &mut Vec<Lost>) -> Result<(), CrdtError> {
        for (node, written) in &state.nodes {
            for (index, (body, by)) in written.body.ranked().into_iter().enumerate() {
                let shown = index == 0 && self.nodes.contains(node);
                let unseen = if shown { Vec::new() } else { self.unseen(by, &self.hiders(*node, None)) };
                if !unseen.is_empty() && !self.tells_body(*node, body)? {
                    lost.push(self.lost(*node, None, unseen));
                }
            }
        }
        Ok(())
    }

    fn tells_body(&self, node: NodeId, body: &Body) -> Result<bool, CrdtError> {
        Ok(match body {
            Body::Opaque { content, .. } => self.tells(&self.contents.get(*content)?),
            Body::Artifact { artifact, .. } => self.tells(hex(&artifact.0).as_bytes()),
            Body::Link { target } => self.tells(target),
            Body::Text { content, .. } => {
                // Once it is edited or cut, its parts are looked at one by one.
                let leaf = LeafId::of(node, *content);
                self.ground.state.leaves.contains_key(&leaf) || self.tells(&self.contents.get(*content)?)
            }
        })
    }

    /// Edits of texts.
    fn edits(&self, state: &State, texts: &mut Texts, lost: &mut Vec<Lost>) -> Result<(), CrdtError> {
        for (leaf, log) in state.leaves.iter().filter(|(_, log)| !log.hunks.is_empty()) {
            let Some(node) = self.ground.lineage.owner(leaf) else { continue };
            let shown = self.leaves.contains(leaf);
            let by: BTreeSet<_> = log.hunks.values().flat_map(|(_, by)| by).copied().collect();
            let unseen = match shown {
                true => by.into_iter().collect(),
                false => self.unseen(by, &self.hiders(node, Some(*leaf))),
            };
            if unseen.is_empty() {
                continue;
            }
            let begun = genesis(*leaf, self.ground.lineage, self.contents)?;
            let text = texts.edited(*leaf, log, &begun, self.ground.graph)?;
            let silent: Vec<_> = text.leaf.silent();
            if !silent.is_empty() {
                let by = silent.iter().filter_map(|hunk| log.hunks.get(hunk)).flat_map(|(_, by)| by.clone());
                lost.push(self.lost(node, Some(*leaf), by.collect()));
            }
            if !self.tells_text(&text, shown) {
                lost.push(self.lost(node, Some(*leaf), unseen));
            }
        }
        Ok(())
    }

    /// Whether the overlaps tell what a leaf shows, unless that is shown, and what it does not show.
    fn tells_text(&self, text: &Text, shown: bool) -> bool {
        let alternatives = text.shown.overlaps.iter().flat_map(|overlap| overlap.alternatives.iter().skip(1));
        (shown || self.tells(&text.shown.bytes))
            && alternatives.into_iter().all(|side| self.tells(&side.bytes))
    }

    fn tells(&self, bytes: &[u8]) -> bool {
        self.told.iter().any(|told| contains(told, bytes))
    }

    /// Those of `by` that none of `hiders` has seen.
    fn unseen(&self, by: impl IntoIterator<Item = WaypointId>, hiders: &[WaypointId]) -> Vec<WaypointId> {
        by.into_iter().filter(|by| !self.ground.graph.is_within(by, hiders)).collect()
    }

    /// The waypoints that deleted a node or anything around it, or put another text in its place or around it.
    fn hiders(&self, node: NodeId, leaf: Option<LeafId>) -> Vec<WaypointId> {
        let (ground, tree) = (self.ground, &self.resolved.tree);
        let mut hiders = Vec::new();
        let (mut at, mut inside, mut met) = (Some(node), leaf, BTreeSet::new());
        while let Some(node) = at.filter(|node| met.insert(*node)) {
            let written = ground.state.nodes.get(&node);
            if let Some(written) = written.filter(|_| inside.is_some() && leaf_of(ground, &node) != inside) {
                hiders.extend(written.body.writers());
            }
            let spot = tree.spots.get(&node);
            if let Some(written) = written.filter(|_| spot.is_some_and(|spot| spot.deleted)) {
                hiders.extend(written.place.writers());
            }
            let place = spot.map(|spot| &spot.place).or_else(|| Some(&ground.piece(&node)?.place));
            let above = place.map(|place| place.parent);
            inside = above.and_then(|above| ground.lineage.inside(&above));
            at = inside.and_then(|leaf| ground.lineage.owner(&leaf)).or(above);
        }
        hiders
    }

    fn lost(&self, node: NodeId, leaf: Option<LeafId>, waypoints: Vec<WaypointId>) -> Lost {
        let (mut at, mut met) = (Some(node), BTreeSet::new());
        let paths = &self.resolved.paths.of;
        while let Some(node) = at.filter(|node| !paths.contains_key(node) && met.insert(*node)) {
            at = self.resolved.tree.parent(self.ground, &node);
        }
        Lost { node, leaf, path: at.and_then(|node| paths.get(&node)).cloned(), waypoints }
    }
}

/// Whether `part` is somewhere in `whole`; blanks around it do not count.
fn contains(whole: &[u8], part: &[u8]) -> bool {
    let part = part.trim_ascii();
    part.is_empty() || String::from_utf8_lossy(whole).contains(&*String::from_utf8_lossy(part))
}
