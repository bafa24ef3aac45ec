//! The texts of leaves, worked out once and kept while they are wanted.
//!
//! A leaf that nobody has edited is its bytes and costs nothing. A hunk that names tokens
//! which do not exist, or stands on a hunk that the frontier does not have, has no effect:
//! whether it is sound can only be told with the leaf's first bytes, which may have faded,
//! so it cannot make a waypoint invalid; but every replica that has the bytes passes over
//! the same hunks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::documents::Contents;
use crate::draft::Ahead;
use crate::error::CrdtError;
use crate::graph::Graph;
use crate::hunk::{Hunk, Origin};
use crate::id::{ContentHash, HunkId, LeafId};
use crate::leaf::{Leaf, LeafError, Shown, Sight};
use crate::lineage::{Lineage, Source};
use crate::op::Split;
use crate::state::LeafLog;
use crate::syntax::{Before, Made, Parsed, read};
use crate::token::tokenize;

/// How many edited leaves are kept.
const KEPT_MAX: usize = 4096;
/// How many bytes the texts have whose trees are kept; a tree is some twenty times as large.
const PARSED_BYTES_KEPT_MAX: usize = 2 << 20;
/// How many texts of one leaf: those who write on older versions want other ones than those who write on the newest.
const VERSIONS_MAX: usize = 4;

/// One edited leaf.
#[derive(Debug)]
pub(crate) struct Text {
    /// The leaf.
    pub(crate) leaf: Leaf,
    /// What it shows.
    pub(crate) shown: Shown,
    wanted: Vec<HunkId>,
    /// Whether its hunks leave open what it did not at its beginning, so that it matters who had seen whom.
    is_tilted: bool,
}

/// The texts of leaves.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// The text used last comes first.
    kept: BTreeMap<LeafId, VecDeque<Arc<Text>>>,
    /// The last text that was cut: several drafts on one base cut the same.
    cut: Option<LastCut>,
    /// The trees of texts that were read lately, the last one first, one for each leaf.
    parsed: VecDeque<Known>,
    /// Texts that were read ahead of a draft.
    pub(crate) expected: Vec<Ahead>,
}

/// A text whose tree is known.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    leaf: LeafId,
    codec: u16,
    /// The text; the leaf may show another one by now.
    pub(crate) text: Arc<[u8]>,
    /// Its tree.
    pub(crate) tree: Parsed,
}

#[derive(Debug)]
struct LastCut {
    /// The codec that was asked for.
    wanted: u16,
    split: Split,
}

impl Texts {
    /// How a leaf that nobody has edited is cut by a codec.
    pub(crate) fn split(&mut self, leaf: LeafId, wanted: u16, genesis: &[u8]) -> Split {
        let known = self.cut.as_ref().filter(|cut| cut.wanted == wanted && cut.split.leaf == leaf);
        if let Some(cut) = known {
            return cut.split.clone();
        }
        let known = self.known(leaf, wanted).filter(|known| *known.text == *genesis);
        let before = known.map(|known| Before { tree: known.tree.clone(), text: genesis, changed: &[] });
        let made = self.expected(wanted, genesis).cloned().unwrap_or_else(|| read(wanted, genesis, before));
        let split = Split { leaf, codec: made.codec, cuts: made.cuts };
        self.cut = Some(LastCut { wanted, split: split.clone() });
        self.know(leaf, made.codec, genesis.into(), made.tree);
        split
    }

    /// What a codec makes of a text, if it was read ahead.
    pub(crate) fn expected(&self, codec: u16, text: &[u8]) -> Option<&Made> {
        self.expected.iter().find_map(|ahead| ahead.made(codec, text))
    }

    /// The text of a whole leaf that a codec read last, and its tree.
    pub(crate) fn known(&self, leaf: LeafId, codec: u16) -> Option<&Known> {
        self.parsed.iter().find(|known| known.leaf == leaf && known.codec == codec)
    }

    /// Remembers the tree of a text, if there is one: the next text of this leaf is much like it.
    pub(crate) fn know(&mut self, leaf: LeafId, codec: u16, text: Arc<[u8]>, tree: Option<Parsed>) {
        let Some(tree) = tree else { return };
        self.parsed.retain(|known| known.leaf != leaf);
        self.parsed.push_front(Known { leaf, codec, text, tree });
        let mut left = PARSED_BYTES_KEPT_MAX;
        self.parsed.retain(|known| {
            left = left.saturating_sub(known.text.len());
            left > 0
        });
    }

    /// The text of a leaf that has hunks.
    pub(crate) fn edited(
        &mut self,
        id: LeafId,
        log: &LeafLog,
        genesis: &[u8],
        graph: &Graph,
    ) -> Result<Arc<Text>, CrdtError> {
        let wanted: Vec<_> = log.hunks.keys().copied().collect();
        if let Some(text) = self.ready(id, &wanted, log, graph) {
            return Ok(text);
        }
        let kept = self.kept.get(&id).into_iter().flatten();
        let within = kept.filter(|text| text.leaf.hunks().all(|hunk| log.hunks.contains_key(&hunk)));
        let before = within.max_by_key(|text| text.leaf.hunks().count());
        let mut leaf = before.map_or_else(|| Leaf::genesis(id, genesis), |text| text.leaf.clone());
        let mut fresh = sound(log, tokenize(genesis).len());
        fresh.retain(|id, _| !leaf.contains(*id));
        apply(&mut leaf, fresh)?;
        Ok(self.take(leaf, log, graph))
    }

    /// Keeps the text of a leaf that holds all sound hunks of its log.
    pub(crate) fn take(&mut self, mut leaf: Leaf, log: &LeafLog, graph: &Graph) -> Arc<Text> {
        let (id, wanted) = (leaf.id(), log.hunks.keys().copied().collect());
        leaf.see(None);
        let is_tilted = leaf.is_tilted();
        if is_tilted {
            leaf.see(sight(log, graph));
        }
        let text = Arc::new(Text { shown: leaf.shown(), leaf, wanted, is_tilted });
        if self.kept.len() >= KEPT_MAX {
            self.kept.clear();
        }
        let kept = self.kept.entry(id).or_default();
        kept.truncate(VERSIONS_MAX - 1);
        kept.push_front(text.clone());
        text
    }

    /// A text that is kept of a leaf with just these hunks.
    fn ready(&mut self, id: LeafId, wanted: &[HunkId], log: &LeafLog, graph: &Graph) -> Option<Arc<Text>> {
        let kept = self.kept.get_mut(&id)?;
        let is_same = |text: &Arc<Text>| {
            text.wanted == wanted && (!text.is_tilted || text.leaf.sight() == sight(log, graph).as_ref())
        };
        let at = kept.iter().position(is_same)?;
        let text = kept.remove(at)?;
        kept.push_front(text.clone());
        Some(text)
    }
}

fn sight(log: &LeafLog, graph: &Graph) -> Option<Sight> {
    let hunks = log.hunks.iter().map(|(hunk, (_, by))| (*hunk, by.as_slice()));
    Sight::of(hunks, |a, b| graph.is_ancestor(a, b))
}

/// Applies hunks; those that the leaf refuses, and those that stand on them, have no effect.
fn apply(leaf: &mut Leaf, mut hunks: BTreeMap<HunkId, Arc<Hunk>>) -> Result<(), CrdtError> {
    loop {
        let batch: Vec<_> = hunks.values().map(|hunk| Hunk::clone(hunk)).collect();
        let refused = match leaf.apply(batch) {
            Ok(()) => return Ok(()),
            Err(LeafError::MissingDependency { hunk, .. })
            | Err(LeafError::NoSuchToken { hunk })
            | Err(LeafError::DeletedTwice { hunk })
            | Err(LeafError::OutOfBounds { hunk }) => hunk,
            Err(_) => return Err(CrdtError::Bug("the list engine refused sound hunks")),
        };
        if hunks.remove(&refused).is_none() {
            return Err(CrdtError::Bug("a leaf refused a hunk that it was not given"));
        }
    }
}

/// The hunks whose tokens exist, and all of whose dependencies are sound.
fn sound(log: &LeafLog, genesis: usize) -> BTreeMap<HunkId, Arc<Hunk>> {
    let hunks = &log.hunks;
    let mut dependants = BTreeMap::<HunkId, Vec<HunkId>>::new();
    let mut refused = BTreeSet::new();
    let mut open = Vec::new();
    for (id, (hunk, _)) in hunks {
        if !names_real_tokens(hunk, log, genesis) {
            open.push(*id);
        }
        for dependency in hunk.dependencies() {
            dependants.entry(dependency).or_default().push(*id);
        }
    }
    open.extend(dependants.iter().filter(|(id, _)| !hunks.contains_key(id)).flat_map(|(_, those)| those));
    while let Some(id) = open.pop() {
        if refused.insert(id) {
            open.extend(dependants.get(&id).into_iter().flatten());
        }
    }
    let sound = hunks.iter().filter(|(id, _)| !refused.contains(*id));
    sound.map(|(id, (hunk, _))| (*id, hunk.clone())).collect()
}

fn names_real_tokens(hunk: &Hunk, log: &LeafLog, genesis: usize) -> bool {
    let count = |origin: Origin| match origin {
        Origin::Genesis => genesis as u64,
        Origin::Hunk(id) => log.hunks.get(&id).map_or(0, |(hunk, _)| hunk.inserted.len() as u64),
    };
    let anchors =
        hunk.after.iter().chain(&hunk.before).all(|token| u64::from(token.index) < count(token.origin));
    let run_end = |run: &crate::hunk::Run| u64::from(run.first) + u64::from(run.count);
    anchors && hunk.deleted.iter().all(|run| run_end(run) <= count(run.origin))
}

/// The bytes that a leaf began with, as a range of bytes that were written as a whole.
pub(crate) fn genesis(
    leaf: LeafId,
    lineage: &Lineage,
    contents: &dyn Contents,
) -> Result<Vec<u8>, CrdtError> {
    let Some((content, cut)) = genesis_range(leaf, lineage) else { return Ok(Vec::new()) };
    let bytes = contents.get(content)?;
    let (start, end) = cut.unwrap_or((0, bytes.len()));
    let end = end.min(bytes.len());
    Ok(bytes.get(start.min(end)..end).unwrap_or_default().to_vec())
}

/// The content that a leaf began as a part of, and the part.
fn genesis_range(leaf: LeafId, lineage: &Lineage) -> Option<(ContentHash, Option<(usize, usize)>)> {
    let (mut leaf, mut range) = (leaf, None::<(usize, usize)>);
    loop {
        match lineage.source(&leaf)? {
            Source::Body(_, content) => return Some((content, range)),
            Source::Cut(node) => {
                let (outer, start, end) = lineage.slice(&node)?;
                let (start, end) = (start as usize, end as usize);
                range = Some(match range {
                    Some((from, to)) => ((start + from).min(end), (start + to).min(end)),
                    None => (start, end),
                });
                leaf = outer;
            }
        }
    }
}
