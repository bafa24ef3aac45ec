//! A few replicas in one thread: what they write is carried between them by hand.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses a part of it")]

pub mod book;
pub mod program;

use std::collections::BTreeSet;
use std::sync::Arc;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, ProjectId, WaypointId, derive};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{Change, Documents, Draft, FileEdit, Frontier, Kept, Overlap, View};

pub fn path(text: &str) -> RepoPath {
    RepoPath::new(text.as_bytes()).unwrap()
}

pub fn write(at: &str, text: impl AsRef<[u8]>) -> FileEdit {
    FileEdit::Write { path: path(at), bytes: text.as_ref().into(), executable: false }
}

pub fn remove(at: &str) -> FileEdit {
    FileEdit::Remove { path: path(at) }
}

pub type Store = Kept;

/// One replica that follows one branch.
pub struct Replica {
    pub docs: Documents,
    pub store: Store,
    pub tip: Frontier,
    pub changes: Vec<Change>,
    /// The changes that begin an epoch.
    pub restarts: BTreeSet<WaypointId>,
    pub count: u32,
    pub name: u8,
}

impl Replica {
    pub fn new(name: u8) -> Self {
        let docs = Documents::new(ProjectId([9; 32]));
        let (tip, restarts) = (Frontier::empty(), BTreeSet::new());
        Self { docs, store: Store::default(), tip, changes: Vec::new(), restarts, count: 0, name }
    }

    /// A replica that has all that this one has.
    pub fn fork(&self, name: u8) -> Self {
        let mut other = Self::new(name);
        other.pull(self);
        other
    }

    pub fn post(&mut self, edits: &[FileEdit]) -> WaypointId {
        let draft = self.docs.draft(&self.tip, edits, &self.store).unwrap();
        self.commit(draft)
    }

    pub fn commit(&mut self, draft: Draft) -> WaypointId {
        let change = self.sign(draft);
        self.docs.insert(change.clone()).unwrap();
        self.advance(change)
    }

    /// Begins an epoch on what is shown.
    pub fn restart(&mut self) -> WaypointId {
        let draft = self.docs.snapshot(&self.tip, &self.store).unwrap();
        let change = self.sign(draft);
        self.restarts.insert(change.id);
        self.docs.restart(change.clone(), 0).unwrap();
        self.advance(change)
    }

    fn sign(&mut self, draft: Draft) -> Change {
        self.count += 1;
        let parents = self.tip.heads().to_vec();
        let ops: Vec<u8> = draft.ops.iter().flat_map(Encoded::to_bytes).collect();
        let above: Vec<u8> = parents.iter().flat_map(|id| id.0).collect();
        let id =
            WaypointId(derive("test waypoint", &[&[self.name], &self.count.to_le_bytes(), &above, &ops]));
        self.store.extend(draft.contents);
        Change { id, parents, ops: draft.ops.into() }
    }

    fn advance(&mut self, change: Change) -> WaypointId {
        let id = change.id;
        self.changes.push(change);
        self.tip = Frontier::from_iter([id]);
        id
    }

    fn take_in(&mut self, change: &Change, other: &Replica) {
        if self.docs.contains(&change.id) {
            return;
        }
        if other.restarts.contains(&change.id) {
            self.restarts.insert(change.id);
            self.docs.restart(change.clone(), 0).unwrap();
        } else {
            self.docs.insert(change.clone()).unwrap();
        }
        self.changes.push(change.clone());
    }

    /// Takes in what another replica has, and shows both.
    pub fn pull(&mut self, other: &Replica) {
        self.store.extend(other.store.clone());
        other.changes.iter().for_each(|change| self.take_in(change, other));
        let heads = self.tip.heads().iter().chain(other.tip.heads()).copied();
        let tips = self.docs.frontier_of(heads.collect::<Vec<_>>()).heads().iter().copied().collect();
        self.tip = self.docs.in_force(&tips).into_iter().collect();
    }

    /// Takes in what another replica has, and shows what it showed before.
    pub fn docs_only(&mut self, other: &Replica) {
        self.store.extend(other.store.clone());
        other.changes.iter().for_each(|change| self.take_in(change, other));
    }

    /// Takes in one waypoint of another replica with its past, and shows it too.
    pub fn pull_some(&mut self, other: &Replica, some: WaypointId) {
        self.store.extend(other.store.clone());
        let past = other.docs.ancestors(&Frontier::from_iter([some])).collect::<BTreeSet<_>>();
        let wanted = other.changes.iter().filter(|change| past.contains(&change.id));
        wanted.for_each(|change| self.take_in(change, other));
        let heads = self.tip.heads().iter().chain([&some]).copied();
        self.tip = self.docs.frontier_of(heads.collect::<Vec<_>>());
    }

    pub fn view(&mut self) -> Arc<View> {
        self.docs.view(&self.tip, &self.store).unwrap()
    }

    pub fn read(&mut self, at: &str) -> String {
        String::from_utf8(self.bytes(at)).unwrap()
    }

    pub fn bytes(&mut self, at: &str) -> Vec<u8> {
        let view = self.view();
        let bytes = self.docs.bytes(&view, &path(at), &self.store).unwrap();
        if let Some(content) = view.files[&path(at)].body.content() {
            assert_eq!(ContentHash::of(&bytes), content, "{at}");
        }
        bytes
    }

    pub fn paths(&mut self) -> Vec<String> {
        self.view().files.keys().map(|path| path.to_string()).collect()
    }
}

/// Merges two replicas both ways; both must show the same.
pub fn merge(a: &mut Replica, b: &mut Replica) -> Arc<View> {
    a.pull(b);
    b.pull(a);
    let (one, two) = (a.view(), b.view());
    assert_eq!(one, two);
    for path in one.files.keys() {
        assert_eq!(a.bytes(&path.to_string()), b.bytes(&path.to_string()));
    }
    one
}

/// Two replicas that both start from these files.
pub fn pair(files: &[(&str, &str)]) -> (Replica, Replica) {
    let mut a = Replica::new(1);
    let edits: Vec<_> = files.iter().map(|(at, text)| write(at, text)).collect();
    a.post(&edits);
    let b = a.fork(2);
    (a, b)
}

/// The overlaps of a view but for the softer kinds.
pub fn hard(view: &View) -> Vec<Overlap> {
    view.overlaps.iter().filter(|overlap| !overlap.kind.is_soft()).cloned().collect()
}
