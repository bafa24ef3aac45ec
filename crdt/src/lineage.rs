//! Where nodes and leaves come from.
//!
//! Names are hashes, so a node cannot be asked which leaf it was cut from. This index
//! remembers what each hash was made of. It holds facts about names, not about versions:
//! what a frontier shows is asked of its state, and the index only translates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{ContentHash, LeafId, NodeId};
use crate::split::Pieces;

/// What a leaf's name was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The body of a node, written as a whole.
    Body(NodeId, ContentHash),
    /// A piece of another leaf.
    Cut(NodeId),
}

/// A piece of another leaf: the leaf, the first byte, the byte after the last.
pub(crate) type Slice = (LeafId, u32, u32);

/// What the names of nodes and leaves were made of.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// What is known already; a draft lays its own names over it.
    below: Option<Arc<Lineage>>,
    sources: BTreeMap<LeafId, Source>,
    slices: BTreeMap<NodeId, Slice>,
    insides: BTreeMap<NodeId, LeafId>,
}

impl Lineage {
    /// A layer above `below`.
    pub(crate) fn above(below: Arc<Lineage>) -> Self {
        Self { below: Some(below), ..Self::default() }
    }

    /// Remembers the leaf of a body.
    pub(crate) fn add_body(&mut self, node: NodeId, content: ContentHash) {
        self.sources.insert(LeafId::of(node, content), Source::Body(node, content));
    }

    /// Remembers the pieces of a leaf.
    pub(crate) fn add_pieces(&mut self, pieces: &Pieces) {
        self.insides.insert(NodeId::inside(pieces.leaf), pieces.leaf);
        for piece in &pieces.list {
            self.slices.insert(piece.node, (pieces.leaf, piece.start, piece.end));
            if let Some(leaf) = piece.leaf {
                self.sources.insert(leaf, Source::Cut(piece.node));
            }
        }
    }

    /// What a leaf's name was made of.
    pub(crate) fn source(&self, leaf: &LeafId) -> Option<Source> {
        let below = || self.below.as_ref()?.source(leaf);
        self.sources.get(leaf).copied().or_else(below)
    }

    /// The text that a node was cut from.
    pub(crate) fn slice(&self, node: &NodeId) -> Option<Slice> {
        let below = || self.below.as_ref()?.slice(node);
        self.slices.get(node).copied().or_else(below)
    }

    /// The leaf whose inside this is.
    pub(crate) fn inside(&self, parent: &NodeId) -> Option<LeafId> {
        let below = || self.below.as_ref()?.inside(parent);
        self.insides.get(parent).copied().or_else(below)
    }

    /// The node that holds a leaf.
    pub(crate) fn owner(&self, leaf: &LeafId) -> Option<NodeId> {
        self.source(leaf).map(|source| match source {
            Source::Body(node, _) | Source::Cut(node) => node,
        })
    }
}
