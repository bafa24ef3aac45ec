//! Which node each path is: the one that was there, one that came from elsewhere, or a new one.
//!
//! A file that is gone here and turns up there, with equal or similar content, is one file
//! that was renamed. When most files of a folder went to another folder together, the
//! folder was renamed, and what others add to it at the same time goes along.

use std::collections::{BTreeMap, BTreeSet};

use crate::draft::Drafting;
use crate::draft::items::TextEdit;
use crate::draft::plan::{Hashed, What};
use crate::error::CrdtError;
use crate::id::{ContentHash, LeafId, NodeId, derive};
use crate::languages::codec_of;
use crate::matching::{Candidate, pairs};
use crate::op::{Body, NodeKind, Op, Place};
use crate::path::RepoPath;
use crate::syntax::is_text;
use crate::view::FileBody;

/// Where paths went.
type Moves = BTreeMap<RepoPath, RepoPath>;

impl Drafting<'_> {
    /// Places every path that is wanted; says which node each is.
    pub(super) fn place(&mut self) -> Result<BTreeMap<RepoPath, NodeId>, CrdtError> {
        let files = self.moved_files()?;
        let dirs = self.moved_dirs(&files);
        let mut nodes = BTreeMap::new();
        for path in &self.plan.dirs {
            let known = self.base.paths.dirs.get(path).or_else(|| self.base.paths.dirs.get(dirs.get(path)?));
            self.place_one(path, known.copied(), NodeKind::Dir, &mut nodes)?;
        }
        for path in self.plan.files.keys() {
            let known =
                self.base.paths.files.get(path).or_else(|| self.base.paths.files.get(files.get(path)?));
            self.place_one(path, known.copied(), NodeKind::File, &mut nodes)?;
        }
        Ok(nodes)
    }

    fn place_one(
        &mut self,
        path: &RepoPath,
        known: Option<NodeId>,
        kind: NodeKind,
        nodes: &mut BTreeMap<RepoPath, NodeId>,
    ) -> Result<(), CrdtError> {
        let above = path.parent().map(|parent| nodes.get(&parent).copied());
        let parent = above.unwrap_or(Some(self.desk.root)).ok_or(CrdtError::Bug("a folder has no node"))?;
        let name = path.name().as_bytes().to_vec();
        let node = known.unwrap_or_else(|| self.fresh(parent, &name, &kind));
        let before = known.and_then(|node| self.base.paths.of.get(&node));
        let named = before.is_some_and(|before| before.name() == path.name());
        let stays = named && self.desk.tree.spots.get(&node).is_some_and(|spot| spot.place.parent == parent);
        nodes.insert(path.clone(), node);
        if stays {
            return Ok(());
        }
        let place = Some(Place { parent, position: Vec::new(), name, kind });
        self.desk.put(Op::Place { node, place })
    }

    /// A node for a new path: the first by number that is not shown already, so that both
    /// sides who add a path mean one node, and one who adds it again means the one that was.
    fn fresh(&self, parent: NodeId, name: &[u8], kind: &NodeKind) -> NodeId {
        let tag = [u8::from(*kind == NodeKind::File)];
        let of = |nonce: u32| NodeId(derive("cairn 1 node", &[&parent.0, name, &tag, &nonce.to_le_bytes()]));
        let free = |node: &NodeId| !self.base.paths.of.contains_key(node);
        (0..).map(of).find(free).unwrap_or(parent)
    }

    /// Deletes what is gone and did not go elsewhere.
    pub(super) fn remove(&mut self, nodes: &BTreeMap<RepoPath, NodeId>) -> Result<(), CrdtError> {
        let used: BTreeSet<_> = nodes.values().collect();
        let gone: Vec<_> = self.plan.removed.iter().filter_map(|path| self.base_node(path)).collect();
        for node in gone.into_iter().filter(|node| !used.contains(node)) {
            self.desk.put(Op::Place { node, place: None })?;
        }
        Ok(())
    }

    /// Gives what stays the name under which it is shown, where it stood aside for something that goes.
    pub(super) fn keep_names(&mut self) -> Result<(), CrdtError> {
        let paths = &self.base.paths;
        for (node, keeper) in &paths.aside {
            let (Some(path), Some(taken)) = (paths.of.get(node), paths.of.get(keeper)) else { continue };
            let frees = self.plan.removed.contains(taken) && !self.plan.removed.contains(path);
            let Some(spot) = self.desk.tree.spots.get(node).filter(|_| frees) else { continue };
            let place = Place { name: path.name().as_bytes().to_vec(), ..spot.place.clone() };
            self.affirm(&[Op::Place { node: *node, place: Some(place) }])?;
        }
        Ok(())
    }

    /// New path to old path, for files.
    fn moved_files(&mut self) -> Result<Moves, CrdtError> {
        let shown = &self.base.files;
        let fresh = self.plan.files.iter().filter(|(path, _)| !shown.contains_key(*path));
        let fresh: Vec<_> = fresh
            .filter_map(|(path, target)| match &target.what {
                What::Bytes(new) if !new.bytes.is_empty() => Some((path, new.bytes, path.name())),
                _ => None,
            })
            .collect();
        let gone: Vec<_> = self.plan.removed.iter().filter(|path| shown.contains_key(*path)).collect();
        if fresh.is_empty() || gone.is_empty() {
            return Ok(Moves::new());
        }
        let mut old = Vec::new();
        for path in gone {
            if let Some(bytes) = self.base_bytes(path)? {
                old.push((path, bytes, path.name()));
            }
        }
        let candidates = |bytes: &'_ [u8]| u8::from(is_text(bytes));
        let one: Vec<_> = old
            .iter()
            .map(|(_, bytes, name)| Candidate { kind: candidates(bytes), name: name.as_bytes(), text: bytes })
            .collect();
        let two: Vec<_> = fresh
            .iter()
            .map(|(_, bytes, name)| Candidate { kind: candidates(bytes), name: name.as_bytes(), text: bytes })
            .collect();
        let found = pairs(&one, &two).into_iter();
        Ok(found.filter_map(|(o, n)| Some((fresh.get(n)?.0.clone(), old.get(o)?.0.clone()))).collect())
    }

    /// The bytes of a file of the base.
    fn base_bytes(&mut self, path: &RepoPath) -> Result<Option<Vec<u8>>, CrdtError> {
        let Some(node) = self.base.paths.files.get(path) else { return Ok(None) };
        match self.before.nodes.get(node).and_then(|written| written.body.winner()) {
            Some(Body::Text { content, .. }) => {
                Ok(Some(self.desk.outline(*node, LeafId::of(*node, *content))?.bytes))
            }
            Some(Body::Opaque { content, .. }) => Ok(Some(self.desk.content(*content)?.to_vec())),
            _ => Ok(None),
        }
    }

    /// New path to old path, for folders: each folder that is gone goes where most of its files went.
    fn moved_dirs(&self, files: &Moves) -> Moves {
        let mut votes = BTreeMap::<(RepoPath, RepoPath), usize>::new();
        for (new, old) in files {
            let (mut new, mut old) = (new.clone(), old.clone());
            while new.name() == old.name() {
                let (Some(a), Some(b)) = (new.parent(), old.parent()) else { break };
                *votes.entry((b.clone(), a.clone())).or_default() += 1;
                (new, old) = (a, b);
            }
        }
        let mut ranked: Vec<_> =
            votes.into_iter().map(|((old, new), count)| (usize::MAX - count, old, new)).collect();
        ranked.sort();
        let mut moves = Moves::new();
        for (rank, old, new) in ranked {
            let gone = self.plan.removed.contains(&old) && !self.base.paths.dirs.contains_key(&new);
            let most = 2 * (usize::MAX - rank) >= self.files_in(&old);
            if gone && most && !moves.contains_key(&new) && !moves.values().any(|other| *other == old) {
                moves.insert(new, old);
            }
        }
        moves
    }

    fn files_in(&self, folder: &RepoPath) -> usize {
        self.base.files.keys().filter(|path| path.is_within(folder)).count()
    }

    /// Gives a file its bytes; a text that is to be edited comes back.
    pub(super) fn bytes(
        &mut self,
        path: &RepoPath,
        node: NodeId,
        wanted: Hashed<'_>,
    ) -> Result<Option<TextEdit>, CrdtError> {
        let bytes = wanted.bytes;
        let text = is_text(bytes) && self.grain != super::Grain::Whole;
        let now = self.before.nodes.get(&node).and_then(|written| written.body.winner()).cloned();
        let known = self.base.paths.of.get(&node).and_then(|path| self.base.files.get(path));
        let same = known.is_some_and(|file| What::Bytes(wanted).is(&file.body));
        match now {
            _ if same => Ok(None),
            Some(Body::Text { content, codec, .. }) if text && known.is_some() => {
                let leaf = LeafId::of(node, content);
                // What nobody has cut yet is cut as its name asks for now, whatever was known when it was written.
                let codec =
                    if self.desk.is_untouched(&leaf) { codec_of(path.name().as_bytes()) } else { codec };
                Ok(Some(TextEdit { node, leaf, codec, new: bytes.clone(), fresh: false }))
            }
            _ if text => {
                let codec = codec_of(path.name().as_bytes());
                let leaf = self.desk.write_whole(node, wanted, codec)?;
                let fresh = self.desk.is_untouched(&leaf);
                Ok(Some(TextEdit { node, leaf, codec, new: bytes.clone(), fresh }))
            }
            _ => {
                let content = self.desk.keep(wanted);
                let body = Body::Opaque { content, bytes: bytes.len() as u64 };
                self.body(node, &body).map(|()| None)
            }
        }
    }
}

impl FileBody {
    /// The hash of the bytes, if they are in the project itself.
    pub fn content(&self) -> Option<ContentHash> {
        match self {
            FileBody::Bytes { content, .. } => Some(*content),
            FileBody::Artifact { .. } | FileBody::Link { .. } => None,
        }
    }
}
