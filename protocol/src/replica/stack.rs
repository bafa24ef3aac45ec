//! Stacks: waypoints of one key that are made one after the other and signed together.
//!
//! What is laid on a stack has its name at once, so that the next can stand on it; the signature comes when the stack
//! is sealed. Nobody sees a waypoint of it before it is durable and applied. Whoever drafts on top of one needs it
//! in the documents before: that is [`Replica::foresee`], and such a stack must be sealed, or the replica be opened anew.

use std::sync::Arc;

use cairn_crdt::id::{FeedId, ProjectId, WaypointId, derive};
use cairn_crdt::{Change, Draft, Frontier};

use super::post::cut;
use super::project::{Feed, Project};
use super::{Labels, Replica, WriteError};
use crate::effect::{Accepted, Batch};
use crate::entry::{Entry, Payload};
use crate::error::Reject;
use crate::feed::FeedName;
use crate::key::{DeviceKey, Keypair};
use crate::limits::PARENTS_COUNT_MAX;
use crate::log::{Log, leaf_hash};
use crate::piece::Piece;
use crate::signed::Verified;
use crate::stamp::Stamp;
use crate::top::Top;
use crate::waypoint::{self, Waypoint};

/// Waypoints of one key that wait for one signature.
#[derive(Debug)]
pub struct Stack {
    feed: FeedName,
    /// How many waypoints the feed has below.
    start: u64,
    stamp: Stamp,
    now_ms: u64,
    salts: Salts,
    /// Whether it goes to a feed that never leaves this home.
    local: bool,
    waypoints: Vec<Arc<Waypoint>>,
    /// How many of them are in the documents already.
    foreseen: usize,
}

impl Stack {
    /// How many waypoints were laid.
    pub fn len(&self) -> usize {
        self.waypoints.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.waypoints.is_empty()
    }

    fn has(&self, id: &WaypointId) -> bool {
        self.waypoints.iter().rev().any(|waypoint| waypoint.id() == *id)
    }
}

impl Replica {
    /// A stack for a key's feed; refuses where the key may not write, or must not now. `entropy` is 32 fresh random bytes, of
    /// which the salts of the entries are derived. A `local` one goes to a feed that never leaves this home, for which nobody
    /// needs a right.
    pub fn stack(
        &self,
        project: ProjectId,
        key: DeviceKey,
        now_ms: u64,
        entropy: &[u8; 32],
        local: bool,
    ) -> Result<Stack, WriteError> {
        let held = self.projects.get(&project).ok_or(WriteError::NoProject(project))?;
        if !local && !self.may_write(&key, project, now_ms) {
            return Err(WriteError::Ungranted);
        }
        let feed = FeedName { repo: self.repo, project, key };
        if held.writing.contains(&feed.id()) {
            return Err(WriteError::Busy);
        }
        check_own(held, feed.id())?;
        let known = held.feeds.get(&feed.id());
        if known.is_some_and(|known| known.local != local) {
            return Err(WriteError::Record(Reject::Misuse("a feed is local as a whole or not at all")));
        }
        let (start, salts) = (known.map_or(0, Feed::n), Salts::new(entropy));
        let (stamp, waypoints) = (self.clock, Vec::new());
        Ok(Stack { feed, start, stamp, now_ms, salts, local, waypoints, foreseen: 0 })
    }

    /// Lays one write on a stack, on top of what is applied or lies in the stack; the waypoint that stands for it.
    pub fn lay(
        &self,
        stack: &mut Stack,
        parents: &Frontier,
        draft: &Draft,
        labels: &Labels,
    ) -> Result<WaypointId, WriteError> {
        self.check_parents(stack, parents)?;
        self.check_local(stack, parents, labels)?;
        let parts = cut(draft, labels)?;
        let last = parts.len() - 1;
        let mut on = parents.heads().to_vec();
        for (index, payloads) in parts.into_iter().enumerate() {
            let waypoint =
                self.part(stack, std::mem::take(&mut on), &payloads, index < last || labels.continued)?;
            on.push(waypoint.id());
            stack.waypoints.push(Arc::new(waypoint));
        }
        on.first().copied().ok_or(WriteError::Record(Reject::Misuse("a write without parts")))
    }

    fn part(
        &self,
        stack: &mut Stack,
        parents: Vec<WaypointId>,
        payloads: &[Payload],
        continued: bool,
    ) -> Result<Waypoint, WriteError> {
        stack.stamp = stack.stamp.next(stack.now_ms);
        let labels = waypoint::Labels {
            feed: stack.feed,
            seq: stack.start + 1 + stack.waypoints.len() as u64,
            stamp: stack.stamp,
            continued,
            parents,
            grants: self.grants.heads(),
        };
        // Every part says it, so that none of them is ever taken for something else.
        let local = stack.local.then_some(&Payload::Local);
        let entries =
            payloads.iter().chain(local).map(|payload| Entry::new(stack.salts.next(), payload)).collect();
        Ok(Waypoint::new(labels, entries)?)
    }

    /// Brings what was laid into the documents, where drafts and views can stand on it.
    pub fn foresee(&mut self, stack: &mut Stack) -> Result<(), WriteError> {
        let none = WriteError::NoProject(stack.feed.project);
        let project = self.projects.get_mut(&stack.feed.project).ok_or(none)?;
        for waypoint in stack.waypoints.iter().skip(stack.foreseen) {
            let (id, parents) = (waypoint.id(), waypoint.header().parents.clone());
            let change = Change { id, parents, ops: waypoint.ops()?.into() };
            project.documents.insert(change).map_err(|_| Reject::Misuse("a draft that no document takes"))?;
            stack.foreseen += 1;
        }
        Ok(())
    }

    /// Signs a stack. The batch is to be stored and handed to [`Replica::apply`] then; until then the key writes nothing
    /// else: two signatures for one place would fork its feed for ever.
    pub fn seal(&mut self, stack: Stack, key: &Keypair) -> Result<Batch, WriteError> {
        let Stack { feed, start, waypoints, .. } = stack;
        if key.key() != feed.key || waypoints.is_empty() {
            return Err(WriteError::Record(Reject::Misuse(
                "a stack is sealed by the key that it was begun for",
            )));
        }
        let top = self.sign_top(key, feed, &waypoints)?;
        let (id, project, key) = (feed.id(), feed.project, feed.key);
        let held = self.projects.get_mut(&project).ok_or(WriteError::NoProject(project))?;
        held.writing.insert(id);
        let mut batch = Batch::new(self.repo);
        // The project may be as new as the write; to name one that is known does no harm.
        batch.projects.push(held.name.clone());
        let pieces = waypoints.into_iter().map(Piece::Waypoint).collect();
        batch.feeds.push(Accepted { project, feed: id, key, start, pieces, top });
        Ok(batch)
    }

    fn check_parents(&self, stack: &Stack, parents: &Frontier) -> Result<(), WriteError> {
        let none = WriteError::NoProject(stack.feed.project);
        let documents = &self.projects.get(&stack.feed.project).ok_or(none)?.documents;
        let heads = parents.heads();
        if heads.len() > PARENTS_COUNT_MAX {
            return Err(WriteError::TooManyParents(heads.len()));
        }
        if let Some(parent) = heads.iter().find(|parent| !documents.contains(parent) && !stack.has(parent)) {
            return Err(WriteError::NoParent(*parent));
        }
        // What lies in the stack alone goes on where the one before it stands.
        let known: Frontier = heads.iter().filter(|parent| documents.contains(parent)).copied().collect();
        if documents.is_one_epoch(&known) { Ok(()) } else { Err(WriteError::Epochs) }
    }

    /// What is shared names nothing that others cannot have.
    fn check_local(&self, stack: &Stack, parents: &Frontier, labels: &Labels) -> Result<(), WriteError> {
        if labels.local != stack.local {
            return Err(WriteError::Record(Reject::Misuse("a stack is local as a whole or not at all")));
        }
        let marked = labels.mark.iter().flat_map(|mark| &mark.frontier);
        let edges = labels.edges.iter().map(|edge| &edge.target);
        let mut named = parents.heads().iter().chain(marked).chain(edges).filter(|_| !stack.local);
        match named.find(|id| self.is_local(stack.feed.project, id)) {
            Some(id) => Err(WriteError::Local(*id)),
            None => Ok(()),
        }
    }

    fn sign_top(
        &self,
        key: &Keypair,
        feed: FeedName,
        waypoints: &[Arc<Waypoint>],
    ) -> Result<Verified<Top>, Reject> {
        let empty = Log::new();
        let log = self.kept_feed(feed.project, feed.id()).map_or(&empty, |feed| &feed.log);
        let leaves = waypoints.iter().map(|waypoint| (0, leaf_hash(&waypoint.id())));
        let root = log.root_with(log.len(), leaves).ok_or(Reject::Misuse("a log without an end"))?;
        Top { feed, n: log.len() + waypoints.len() as u64, root, grants: self.grants.heads() }.sign(key)
    }
}

/// A key signs no place of its feed twice.
fn check_own(project: &Project, id: FeedId) -> Result<(), WriteError> {
    if project.forks.contains_key(&id) || project.sides.contains_key(&id) {
        return Err(WriteError::Frozen(Reject::Fork));
    }
    let feed = project.feeds.get(&id);
    if let Some(reason) = feed.and_then(|feed| feed.frozen.clone()) {
        return Err(WriteError::Frozen(reason));
    }
    let signed = project.signed.get(&id).copied().unwrap_or(0);
    let held = feed.map_or(0, Feed::n);
    if held < signed { Err(WriteError::Behind { held, signed }) } else { Ok(()) }
}

/// Salts derived from fresh random bytes.
#[derive(Debug)]
struct Salts {
    entropy: [u8; 32],
    count: u64,
}

impl Salts {
    fn new(entropy: &[u8; 32]) -> Self {
        Self { entropy: *entropy, count: 0 }
    }

    fn next(&mut self) -> [u8; 16] {
        self.count += 1;
        let mut salt = [0; 16];
        salt.copy_from_slice(&derive("cairn 1 salt", &[&self.entropy, &self.count.to_le_bytes()])[..16]);
        salt
    }
}
