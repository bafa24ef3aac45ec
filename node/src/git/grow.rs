//! Commits become waypoints, one after the other, each on top of its parents.
//!
//! Only what differs from the first parent is read, ahead of its turn. Waypoints are signed in groups; what waits for a signature has a
//! bound, and so has what is remembered of blobs and trees.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::id::{ContentHash, Root, WaypointId};
use cairn_crdt::op::Op;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{Absent, Ahead, Contents, Draft, FileEdit, Frontier, Spot};
use cairn_protocol::imported::Odd;
use cairn_protocol::replica::Stack;
use cairn_protocol::{Imported, Keypair, Labels};

use super::ahead::Read;
use super::commit::Commit;
use super::edits::{Want, differing, edit, odd, want};
use super::source::Source;
use super::tree::Trees;
use super::{Oid, Problem, SYSTEM};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::store::Store;
use crate::verbs::{Network, Place};
use crate::worktree::edits::is_large;

/// How many waypoints are signed together.
const GROUP_COUNT_MAX: usize = 256;
/// How many bytes of new files wait for one signature.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// What is remembered of files that were read lately, in bytes.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// A project that grows by commits.
pub(crate) struct Grow<'a> {
    pub(crate) owner: &'a mut Owner,
    network: &'a mut dyn Network,
    pub(crate) place: Place,
    pub(super) key: Option<Keypair>,
    pub(super) source: &'a Source,
    pub(super) trees: Trees<'a>,
    /// Which commit is which version.
    pub(crate) known: BTreeMap<Oid, Frontier>,
    /// Those of which that is certain.
    pub(super) sure: BTreeSet<Oid>,
    /// The commits whose roots will be asked for, and the roots of those that were made.
    pub(crate) marked: BTreeMap<Oid, Option<Root>>,
    stack: Option<Stack>,
    bytes: Bytes,
    /// Large files that were taken in.
    pub(crate) artifacts: u64,
}

/// Bytes that are on the way to the disk, and those that were read from it lately.
#[derive(Default)]
struct Bytes {
    waiting: BTreeMap<ContentHash, Arc<[u8]>>,
    waiting_bytes: usize,
    read: RefCell<Cache>,
}

#[derive(Default)]
struct Cache {
    bytes: BTreeMap<ContentHash, Arc<[u8]>>,
    size: usize,
}

/// Bytes wherever they are.
struct Beside<'a> {
    bytes: &'a Bytes,
    store: &'a Store,
}

impl Contents for Beside<'_> {
    fn get(&self, content: ContentHash) -> Result<Arc<[u8]>, Absent> {
        if let Some(bytes) = self.bytes.waiting.get(&content) {
            return Ok(bytes.clone());
        }
        if let Some(bytes) = self.bytes.read.borrow().bytes.get(&content) {
            return Ok(bytes.clone());
        }
        let bytes = self.store.get(content)?;
        self.bytes.read.borrow_mut().keep(content, &bytes);
        Ok(bytes)
    }

    fn ops(&self, id: WaypointId, spot: Spot) -> Option<Arc<[Op]>> {
        self.store.ops(id, spot)
    }
}

impl Cache {
    fn keep(&mut self, content: ContentHash, bytes: &Arc<[u8]>) {
        if self.size + bytes.len() > CACHE_BYTES_MAX {
            *self = Self::default();
        }
        if self.bytes.insert(content, bytes.clone()).is_none() {
            self.size += bytes.len();
        }
    }
}

impl Bytes {
    fn wait(&mut self, draft: &Draft) {
        for (content, bytes) in &draft.contents {
            self.waiting_bytes += bytes.len();
            self.waiting.insert(*content, bytes.clone());
        }
    }

    /// What waited is on the disk; it is likely to be asked for soon.
    fn land(&mut self) {
        let mut cache = self.read.borrow_mut();
        for (content, bytes) in std::mem::take(&mut self.waiting) {
            cache.keep(content, &bytes);
        }
        self.waiting_bytes = 0;
    }
}

impl<'a> Grow<'a> {
    pub(crate) fn new(
        owner: &'a mut Owner,
        network: &'a mut dyn Network,
        place: Place,
        key: Option<Keypair>,
        source: &'a Source,
    ) -> Self {
        let trees = Trees::new(source);
        let (known, sure, marked) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let (stack, bytes) = (None, Bytes::default());
        Self { owner, network, place, key, source, trees, known, sure, marked, stack, bytes, artifacts: 0 }
    }

    /// Makes a waypoint of a commit whose parents are known.
    pub(crate) fn commit(&mut self, read: Read, branch: Option<&str>) -> Result<(), NodeError> {
        let Read { id, raw, commit, changes, mut wants, texts } = read;
        let base = self.base(id, &commit)?;
        let is_merge = commit.parents.len() > 1;
        if is_merge {
            for path in self.merged_otherwise(&commit, &base)? {
                wants.entry(path).or_default();
            }
        }
        let edits = self.edits(id, commit.tree, wants)?;
        let draft = self.draft(&base, &edits, texts, is_merge)?;
        let labels = labels(id, raw, commit, branch, odd(&changes));
        let laid = self.lay(&base, &draft, &labels)?;
        let laid = Frontier::from_iter([laid]);
        self.known.insert(id, laid.clone());
        self.sure.insert(id);
        if self.marked.contains_key(&id) {
            // While its neighbours are at hand a view is near.
            let root = self.view(&laid)?.root;
            self.marked.insert(id, Some(root));
        }
        Ok(())
    }

    /// The root of what a known commit shows.
    pub(crate) fn root(&mut self, id: Oid, on: &Frontier) -> Result<Root, NodeError> {
        match self.marked.get(&id) {
            Some(Some(root)) => Ok(*root),
            _ => Ok(self.view(on)?.root),
        }
    }

    /// The version that a commit stands on.
    fn base(&self, id: Oid, commit: &Commit) -> Result<Frontier, NodeError> {
        let unknown = NodeError::Bug("a commit came before its parents");
        let parents = commit.parents.iter().map(|parent| self.known.get(parent));
        let parents: Vec<&Frontier> = parents.collect::<Option<_>>().ok_or(unknown)?;
        let limit = cairn_protocol::limits::PARENTS_COUNT_MAX;
        if parents.len() > limit {
            let (commit, found, limit) = (id.to_string(), parents.len() as u64, limit as u64);
            return Err(Problem::TooLarge { commit, what: "a list of parents", found, limit }.into());
        }
        self.place.blend(self.owner, parents)
    }

    /// The paths at which the merge of the parents differs from the first of them. There git may have come to something else.
    fn merged_otherwise(
        &mut self,
        commit: &Commit,
        base: &Frontier,
    ) -> Result<BTreeSet<RepoPath>, NodeError> {
        let first =
            commit.parents.first().and_then(|parent| self.known.get(parent)).cloned().unwrap_or_default();
        let (merged, first) = (self.view(base)?, self.view(&first)?);
        Ok(differing(&merged, &first))
    }

    pub(super) fn view(&mut self, frontier: &Frontier) -> Result<Arc<cairn_crdt::View>, NodeError> {
        let (replica, store) = self.owner.with(self.place.repo)?;
        Ok(replica.view(self.place.project, frontier, &Beside { bytes: &self.bytes, store })?)
    }

    fn edits(
        &mut self,
        id: Oid,
        tree: Oid,
        wants: BTreeMap<RepoPath, Option<Want>>,
    ) -> Result<Vec<FileEdit>, NodeError> {
        let mut edits = Vec::with_capacity(wants.len());
        for (path, wanted) in wants {
            let wanted = match wanted {
                Some(wanted) => wanted,
                None => {
                    let entry = self.trees.find(id, tree, path.as_bytes())?;
                    want(self.source, id, &path, entry)?
                }
            };
            edits.push(match wanted {
                Want::File { bytes, executable } if is_large(&bytes) => {
                    self.large(path, &bytes, executable)?
                }
                wanted => edit(path, wanted),
            });
        }
        Ok(edits)
    }

    /// Takes a large file into the artifact store, which reads it from the disk.
    pub(super) fn large(
        &mut self,
        path: RepoPath,
        bytes: &[u8],
        executable: bool,
    ) -> Result<FileEdit, NodeError> {
        let file = self.owner.home().dir().join(format!("import-{}", std::process::id()));
        std::fs::write(&file, bytes).map_err(|error| NodeError::io("write", &file, error))?;
        let name = path.name().to_string();
        let imported = self.network.import_artifact(self.owner, self.place.repo, &file, &name);
        std::fs::remove_file(&file).map_err(|error| NodeError::io("remove", &file, error))?;
        let imported = imported?;
        self.artifacts += 1;
        Ok(FileEdit::Artifact { path, artifact: imported.artifact, bytes: imported.bytes, executable })
    }

    fn draft(
        &mut self,
        base: &Frontier,
        edits: &[FileEdit],
        texts: Vec<Ahead>,
        settle: bool,
    ) -> Result<Draft, NodeError> {
        let (replica, store) = self.owner.with(self.place.repo)?;
        let contents = Beside { bytes: &self.bytes, store };
        let missing = NodeError::Bug("a place without documents");
        let documents = replica.documents_mut(self.place.project).ok_or(missing)?;
        documents.expect(texts);
        let draft = match settle {
            true => documents.settled_draft(base, edits, &contents),
            false => documents.draft(base, edits, &contents),
        };
        documents.expect(Vec::new());
        Ok(draft?)
    }

    /// Lays one write on what waits to be signed.
    pub(crate) fn lay(
        &mut self,
        on: &Frontier,
        draft: &Draft,
        labels: &Labels,
    ) -> Result<WaypointId, NodeError> {
        let mut stack = match self.stack.take() {
            Some(stack) => stack,
            None => self.owner.stack(self.place, self.key.as_ref())?,
        };
        let laid = self.owner.lay(self.place.repo, &mut stack, on, draft, labels);
        self.bytes.wait(draft);
        let full = stack.len() >= GROUP_COUNT_MAX || self.bytes.waiting_bytes >= GROUP_BYTES_MAX;
        self.stack = Some(stack);
        let laid = laid?;
        if full {
            self.seal()?;
        }
        Ok(laid)
    }

    /// Makes durable what was laid. Must be called before the owner is used again, whatever went wrong meanwhile.
    pub(crate) fn seal(&mut self) -> Result<(), NodeError> {
        match self.stack.take() {
            Some(stack) if !stack.is_empty() => {
                self.owner.seal(self.place.repo, stack, self.key.as_ref())?;
                self.bytes.land();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn labels(id: Oid, record: Vec<u8>, commit: Commit, branch: Option<&str>, odd: Vec<Odd>) -> Labels {
    let Commit { author, message, .. } = commit;
    let imported = Imported {
        system: SYSTEM.to_owned(),
        name: id.as_bytes().to_vec(),
        author: author.profile(),
        written_s: author.written_s,
        offset_minutes: author.offset_minutes,
        odd,
        record,
    };
    Labels {
        branch: branch.map(str::to_owned),
        message: (!message.is_empty()).then_some(message),
        imported: Some(Box::new(imported)),
        ..Labels::default()
    }
}
