//! The place where a draft is written: the base with the draft's own operations on top.
//!
//! Every operation is applied as soon as it is written, so that what it names can be used
//! by the next one and the result can be read before anybody signs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::documents::{Contents, Documents};
use crate::draft::Draft;
use crate::draft::align::Alignment;
use crate::draft::plan::Hashed;
use crate::error::{Absent, CrdtError};
use crate::frontier::Frontier;
use crate::graph::{Graph, NEXT};
use crate::id::{ContentHash, LeafId, NodeId, WaypointId};
use crate::leaf::Leaf;
use crate::lineage::Lineage;
use crate::op::{Body, Op, Split};
use crate::shelf::Spot;
use crate::state::{Act, State};
use crate::syntax::{Before, Made, Parsed, read};
use crate::text::{Texts, genesis};
use crate::view::outline::{Outline, Reading};
use crate::view::resolve::{Resolved, resolve};
use crate::view::reuse::Before as Older;
use crate::view::tree::{Ground, Tree};

/// The bytes of the base, and those that the draft brings.
pub(crate) struct Beside<'a> {
    outer: &'a dyn Contents,
    own: BTreeMap<ContentHash, Arc<[u8]>>,
}

impl Contents for Beside<'_> {
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
        match self.own.get(&content) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.outer.get(content),
        }
    }

    fn ops(&self, id: WaypointId, spot: Spot) -> Option<Arc<[Op]>> {
        self.outer.ops(id, spot)
    }
}

/// A draft in the making.
pub(crate) struct Desk<'a> {
    pub(crate) root: NodeId,
    pub(crate) state: State,
    pub(crate) lineage: Lineage,
    /// Where everything stood before the draft.
    pub(crate) tree: &'a Tree,
    pub(crate) ops: Vec<Op>,
    acts: Vec<Act>,
    graph: &'a Graph,
    texts: &'a mut Texts,
    contents: Beside<'a>,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(
        documents: &'a mut Documents,
        state: &State,
        tree: &'a Tree,
        contents: &'a dyn Contents,
    ) -> Self {
        Self {
            root: documents.root(),
            state: state.clone(),
            lineage: Lineage::above(documents.lineage.clone()),
            tree,
            ops: Vec::new(),
            acts: Vec::new(),
            graph: &documents.graph,
            texts: &mut documents.texts,
            contents: Beside { outer: contents, own: BTreeMap::new() },
        }
    }

    /// Writes one operation.
    pub(crate) fn put(&mut self, op: Op) -> Result<(), CrdtError> {
        let act = Act::of(&op).map_err(|_| CrdtError::Bug("a draft wrote what no waypoint may say"))?;
        act.name(&mut self.lineage);
        self.state.apply(NEXT, std::slice::from_ref(&act), self.graph);
        self.acts.push(act);
        self.ops.push(op);
        Ok(())
    }

    /// Lays bytes beside the draft.
    pub(crate) fn keep(&mut self, hashed: Hashed<'_>) -> ContentHash {
        self.contents.own.insert(hashed.content, hashed.bytes.clone());
        hashed.content
    }

    /// Gives a node a whole text.
    pub(crate) fn write_whole(
        &mut self,
        node: NodeId,
        text: Hashed<'_>,
        codec: u16,
    ) -> Result<LeafId, CrdtError> {
        let (content, bytes) = (self.keep(text), text.bytes.len() as u64);
        self.put(Op::Body { node, body: Body::Text { content, bytes, codec } })?;
        Ok(LeafId::of(node, content))
    }

    /// Gives a node a text that is a part of another.
    pub(crate) fn write_text(&mut self, node: NodeId, text: &[u8], codec: u16) -> Result<LeafId, CrdtError> {
        self.write_whole(node, Hashed::of(&Arc::from(text)), codec)
    }

    /// The bytes that a leaf began with.
    pub(crate) fn genesis(&self, leaf: LeafId) -> Result<Vec<u8>, CrdtError> {
        genesis(leaf, &self.lineage, &self.contents)
    }

    /// How a leaf that nobody has edited is cut.
    pub(crate) fn split(&mut self, leaf: LeafId, codec: u16) -> Result<Split, CrdtError> {
        let begun = self.genesis(leaf)?;
        Ok(self.texts.split(leaf, codec, &begun))
    }

    /// The tree of a text that a leaf shows, if one like it was read lately.
    pub(crate) fn tree(&self, leaf: LeafId, codec: u16, shown: &[u8]) -> Option<Parsed> {
        let known = self.texts.known(leaf, codec)?;
        if *known.text == *shown {
            return Some(known.tree.clone());
        }
        // What has a mistake in it helps nothing.
        let tree = (!known.tree.root_node().has_error()).then(|| known.tree.clone())?;
        let changed = Alignment::of(&known.text, shown).changed();
        read(codec, shown, Some(Before { tree, text: &known.text, changed: &changed })).tree
    }

    /// What a codec makes of a new text.
    pub(crate) fn read(&self, codec: u16, text: &Arc<[u8]>, before: Option<Before<'_>>) -> Made {
        self.texts.expected(codec, text).cloned().unwrap_or_else(|| read(codec, text, before))
    }

    /// Remembers the tree of a text that a leaf is to show, if it was read ahead.
    pub(crate) fn know_expected(&mut self, leaf: LeafId, codec: u16, text: &Arc<[u8]>) {
        let made = self.texts.expected(codec, text);
        if let Some((codec, tree)) = made.map(|made| (made.codec, made.tree.clone())) {
            self.texts.know(leaf, codec, text.clone(), tree);
        }
    }

    /// Remembers the tree of a text that a leaf is to show.
    pub(crate) fn know(&mut self, leaf: LeafId, codec: u16, text: Arc<[u8]>, tree: Option<Parsed>) {
        self.texts.know(leaf, codec, text, tree);
    }

    /// Bytes that were written as a whole.
    pub(crate) fn content(&self, content: ContentHash) -> Result<Arc<[u8]>, CrdtError> {
        Ok(self.contents.get(content)?)
    }

    /// Whether nobody has edited or cut a leaf.
    pub(crate) fn is_untouched(&self, leaf: &LeafId) -> bool {
        let log = self.state.leaves.get(leaf);
        log.is_none_or(|log| log.hunks.is_empty() && log.splits.is_empty())
    }

    /// Puts the hidden sides of all overlaps of a leaf to rest.
    pub(crate) fn affirm(&mut self, leaf: LeafId) -> Result<(), CrdtError> {
        let begun = self.genesis(leaf)?;
        let mut left = usize::MAX;
        while let Some(log) = self.state.leaves.get(&leaf).filter(|log| !log.hunks.is_empty()) {
            let text = self.texts.edited(leaf, log, &begun, self.graph)?;
            let now = text.shown.overlaps.len();
            // Each time one is settled, so they come to an end.
            let hunks = text.leaf.take(0, 0).filter(|hunks| now < left && !hunks.is_empty());
            let Some(hunks) = hunks else { break };
            left = now;
            self.put(Op::Edit { leaf, epoch: 0, hunks })?;
        }
        Ok(())
    }

    /// Edits a leaf so that it shows `new`.
    pub(crate) fn edit(&mut self, leaf: LeafId, new: &[u8]) -> Result<(), CrdtError> {
        let begun = self.genesis(leaf)?;
        let log = self.state.leaves.get(&leaf).filter(|log| !log.hunks.is_empty());
        let (hunks, made) = match log {
            Some(log) => {
                let text = self.texts.edited(leaf, log, &begun, self.graph)?;
                if text.shown.bytes == new { (Vec::new(), None) } else { text.leaf.edited(new) }
            }
            None if begun == new => (Vec::new(), None),
            None => Leaf::genesis(leaf, &begun).edited(new),
        };
        if hunks.is_empty() {
            return Ok(());
        }
        self.put(Op::Edit { leaf, epoch: 0, hunks })?;
        // What was tried out need not be made again to be read, if it holds all that the leaf does.
        let made = made.zip(self.state.leaves.get(&leaf));
        if let Some((made, log)) = made.filter(|(made, log)| made.hunks().eq(log.hunks.keys().copied())) {
            self.texts.take(made, log, self.graph);
        }
        Ok(())
    }

    /// What a file with this leaf shows now.
    pub(crate) fn outline(&mut self, file: NodeId, leaf: LeafId) -> Result<Outline, CrdtError> {
        let ground =
            Ground { root: self.root, state: &self.state, lineage: &self.lineage, graph: self.graph };
        let mut reading = Reading { ground, tree: self.tree, texts: self.texts, contents: &self.contents };
        reading.outline(file, leaf)
    }

    /// What the base and the draft together show.
    pub(crate) fn resolve(&mut self, base: &Resolved) -> Result<Resolved, CrdtError> {
        let ground =
            Ground { root: self.root, state: &self.state, lineage: &self.lineage, graph: self.graph };
        let before = Older { resolved: base, acts: self.acts.iter().collect() };
        resolve(Frontier::empty(), ground, self.texts, &self.contents, Some(before))
    }

    /// The draft: of several writes of one field only the last, and only the bytes that are named.
    pub(crate) fn finish(self) -> Draft {
        let mut seen = std::collections::BTreeSet::new();
        let mut ops: Vec<_> =
            self.ops.into_iter().rev().filter(|op| field(op).is_none_or(|f| seen.insert(f))).collect();
        ops.reverse();
        let named = ops.iter().filter_map(|op| match op {
            Op::Body { body: Body::Text { content, .. } | Body::Opaque { content, .. }, .. } => {
                Some(*content)
            }
            _ => None,
        });
        let named: std::collections::BTreeSet<_> = named.collect();
        let contents = self.contents.own.into_iter().filter(|(content, _)| named.contains(content));
        Draft { ops, contents: contents.collect() }
    }
}

/// The register that an operation writes.
fn field(op: &Op) -> Option<(NodeId, u8)> {
    match op {
        Op::Place { node, .. } => Some((*node, 0)),
        Op::Body { node, .. } => Some((*node, 1)),
        Op::Mode { node, .. } => Some((*node, 2)),
        Op::Split(_) | Op::Edit { .. } => None,
    }
}
