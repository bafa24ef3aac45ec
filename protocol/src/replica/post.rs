//! Local writes: a draft and its labels become signed waypoints.
//!
//! A write that is larger than a waypoint should be is cut into several, each standing on the one
//! before; all but the last are flagged as continued and carry no label, so that no branch ever
//! shows a part of an import.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, FeedId, ProjectId, WaypointId, derive};
use cairn_crdt::op::{Body, Op};
use cairn_crdt::{Draft, Frontier};

use super::Replica;
use super::project::{Feed, Project};
use crate::effect::{Accepted, Batch};
use crate::entry::{Edge, Entry, Payload, Profile};
use crate::epoch::Epoch;
use crate::error::Reject;
use crate::feed::FeedName;
use crate::key::{DeviceKey, Keypair};
use crate::limits::{ENTRY_BYTES_MAX, PARENTS_COUNT_MAX};
use crate::log::{Log, leaf_hash};
use crate::mark::Mark;
use crate::piece::Piece;
use crate::retention::Floor;
use crate::retire::Retire;
use crate::signed::Verified;
use crate::top::Top;
use crate::waypoint::{self, Waypoint};

/// Where a waypoint of a long write ends: a stalled transfer repeats no more than this.
pub const PART_BYTES_TARGET: usize = 2 << 20;
/// The operations of one waypoint of a long write.
pub const PART_OPS_TARGET: usize = 16_384;

/// What a local write says.
#[derive(Debug)]
pub struct Post<'a> {
    /// The project.
    pub project: ProjectId,
    /// Who writes.
    pub key: &'a Keypair,
    /// What the write stands on. A merge stands on several branches' tips and may say nothing else.
    pub parents: Frontier,
    /// What it does to documents.
    pub draft: Draft,
    /// What it says beside that.
    pub labels: Labels,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
    /// Fresh random bytes; the salts of the entries are derived from them.
    pub entropy: [u8; 32],
}

/// What a write says beside its operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// The branch that it advances.
    pub branch: Option<String>,
    /// A message for people.
    pub message: Option<String>,
    /// The author's name, as from now on.
    pub profile: Option<Profile>,
    /// A mark.
    pub mark: Option<Mark>,
    /// Edges of the change graph.
    pub edges: Vec<Edge>,
    /// A label that it takes away.
    pub retire: Option<Retire>,
    /// How long everything is kept at least.
    pub floor: Option<Floor>,
    /// What lies below, if the operations are all there is: an epoch begins. See [`Replica::epoch_on`].
    pub epoch: Option<Epoch>,
}

/// Why something cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The repo has no such project.
    #[error("no project {0} in this repo")]
    NoProject(ProjectId),
    /// No grant lets the key write there.
    #[error("this key may not write there")]
    Ungranted,
    /// The key's feed was forked or refused; another key has to write.
    #[error("the key's own feed is frozen: {0}")]
    Frozen(Reject),
    /// The key's write before this one is not applied yet; to sign now could fork the feed.
    #[error("another write of this key is under way")]
    Busy,
    /// The key has signed more than is held here: a damaged store, or a restored backup. To sign
    /// a place anew would fork the feed, so peers have to give back what is missing first.
    #[error("the key has signed {signed} waypoints, of which {held} are here")]
    Behind {
        /// How many are held.
        held: u64,
        /// How many were signed.
        signed: u64,
    },
    /// A parent is not here, or is not applied yet.
    #[error("waypoint {0} is not here")]
    NoParent(WaypointId),
    /// The parents stand in different epochs; what is late has to be carried over first.
    #[error("what this stands on lies in different epochs")]
    Epochs,
    /// More parents than one waypoint may have.
    #[error("{0} concurrent tips are more than one write can stand on")]
    TooManyParents(usize),
    /// One file, operation or message is larger than a waypoint may be.
    #[error("one entry has {bytes} bytes, which no waypoint can hold")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The record cannot be made.
    #[error(transparent)]
    Record(#[from] Reject),
}

/// The parts of a long write, in order.
type Parts = Vec<Vec<Payload>>;

impl Replica {
    /// Signs a local write. No document changes; the batch is to be stored, and to be handed to
    /// [`Replica::apply`] then. Its last waypoint is the one that stands for the write. Until then
    /// the key writes nothing else: two signatures for one place would fork its feed for ever.
    pub fn write(&mut self, post: Post<'_>) -> Result<Batch, WriteError> {
        self.write_all(post, Vec::new())
    }

    /// Signs several local writes of one key at once, each on top of the one before, the first on the post's parents:
    /// one signature and one batch for all of them.
    pub fn write_all(&mut self, post: Post<'_>, then: Vec<(Draft, Labels)>) -> Result<Batch, WriteError> {
        self.check_post(&post)?;
        let feed = FeedName { repo: self.repo, project: post.project, key: post.key.key() };
        let waypoints = self.build(&post, &then, feed)?;
        let top = self.sign_top(post.key, feed, &waypoints)?;
        let project = self.projects.get_mut(&post.project).ok_or(WriteError::NoProject(post.project))?;
        let start = project.feeds.get(&feed.id()).map_or(0, Feed::n);
        project.writing.insert(feed.id());
        let mut batch = Batch::new(self.repo);
        // The project may be as new as the write; to name one that is known does no harm.
        batch.projects.push(project.name.clone());
        let (project, key, feed) = (post.project, feed.key, feed.id());
        let pieces = waypoints.into_iter().map(Piece::Waypoint).collect();
        batch.feeds.push(Accepted { project, feed, key, start, pieces, top });
        Ok(batch)
    }

    /// Whether a write of the key is signed and not applied yet; it may not write again before.
    pub fn is_writing(&self, project: ProjectId, key: &DeviceKey) -> bool {
        let feed = FeedName { repo: self.repo, project, key: *key }.id();
        self.projects.get(&project).is_some_and(|project| project.writing.contains(&feed))
    }

    /// Forgets a write that is known not to have become durable.
    pub fn abandon(&mut self, batch: &Batch) {
        for accepted in &batch.feeds {
            if let Some(project) = self.projects.get_mut(&accepted.project) {
                project.writing.remove(&accepted.feed);
            }
        }
    }

    fn check_post(&self, post: &Post<'_>) -> Result<(), WriteError> {
        let project = self.projects.get(&post.project).ok_or(WriteError::NoProject(post.project))?;
        if !self.may_write(&post.key.key(), post.project, post.now_ms) {
            return Err(WriteError::Ungranted);
        }
        let feed = FeedName { repo: self.repo, project: post.project, key: post.key.key() }.id();
        if project.writing.contains(&feed) {
            return Err(WriteError::Busy);
        }
        check_own(project, feed)?;
        let parents = post.parents.heads();
        if parents.len() > PARENTS_COUNT_MAX {
            return Err(WriteError::TooManyParents(parents.len()));
        }
        if let Some(parent) = parents.iter().find(|parent| !project.documents.contains(parent)) {
            return Err(WriteError::NoParent(*parent));
        }
        if project.documents.is_one_epoch(&post.parents) { Ok(()) } else { Err(WriteError::Epochs) }
    }

    fn build(
        &self,
        post: &Post<'_>,
        then: &[(Draft, Labels)],
        feed: FeedName,
    ) -> Result<Vec<Arc<Waypoint>>, WriteError> {
        let first = (&post.draft, &post.labels);
        let writes = std::iter::once(first).chain(then.iter().map(|(draft, labels)| (draft, labels)));
        let mut parts = Vec::new();
        for (draft, labels) in writes {
            let write = cut(draft, labels)?;
            let last = write.len() - 1;
            parts.extend(write.into_iter().enumerate().map(|(index, part)| (index < last, part)));
        }
        let held = self.feed(post.project, feed.id()).map_or(0, Feed::n);
        let mut stamp = self.clock;
        let mut parents = post.parents.heads().to_vec();
        let mut salts = Salts::new(&post.entropy);
        let mut waypoints = Vec::new();
        for (index, (continued, payloads)) in parts.iter().enumerate() {
            stamp = stamp.next(post.now_ms);
            let labels = waypoint::Labels {
                feed,
                seq: held + 1 + index as u64,
                stamp,
                continued: *continued,
                parents: std::mem::take(&mut parents),
                grants: self.grants.heads(),
            };
            let entries = payloads.iter().map(|payload| Entry::new(salts.next(), payload)).collect();
            let waypoint = Waypoint::new(labels, entries)?;
            parents.push(waypoint.id());
            waypoints.push(Arc::new(waypoint));
        }
        Ok(waypoints)
    }

    fn sign_top(
        &self,
        key: &Keypair,
        feed: FeedName,
        waypoints: &[Arc<Waypoint>],
    ) -> Result<Verified<Top>, Reject> {
        let empty = Log::new();
        let log = self.feed(feed.project, feed.id()).map_or(&empty, |feed| &feed.log);
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

/// Cuts a write into parts, the labels in the last one.
fn cut(draft: &Draft, labels: &Labels) -> Result<Parts, WriteError> {
    let mut contents: BTreeMap<ContentHash, &Arc<[u8]>> =
        draft.contents.iter().map(|(hash, bytes)| (*hash, bytes)).collect();
    let mut parts = Cutter::default();
    for op in &draft.ops {
        if let Some(bytes) = content_of(op).and_then(|hash| contents.remove(&hash)) {
            parts.push(Payload::Content(bytes.to_vec()), bytes.len())?;
        }
        parts.push(Payload::Op(op.clone()), op.to_bytes().len())?;
    }
    // Bytes that no whole body names, for instance those of pieces.
    for bytes in contents.into_values() {
        parts.push(Payload::Content(bytes.to_vec()), bytes.len())?;
    }
    let mut parts = parts.finish();
    if let (Some(first), Some(epoch)) = (parts.first_mut(), labels.epoch.clone()) {
        // It stands in the first part, so that whoever takes that in knows that it begins anew.
        first.push(Payload::Epoch(epoch));
    }
    if let Some(last) = parts.last_mut() {
        last.extend(labels.payloads());
    }
    Ok(parts)
}

fn content_of(op: &Op) -> Option<ContentHash> {
    match op {
        Op::Body { body: Body::Text { content, .. } | Body::Opaque { content, .. }, .. } => Some(*content),
        _ => None,
    }
}

/// Collects payloads into parts.
#[derive(Default)]
struct Cutter {
    done: Parts,
    part: Vec<Payload>,
    bytes: usize,
}

impl Cutter {
    fn push(&mut self, payload: Payload, bytes: usize) -> Result<(), WriteError> {
        if bytes > ENTRY_BYTES_MAX {
            return Err(WriteError::TooLarge { bytes: bytes as u64 });
        }
        let full = self.bytes + bytes > PART_BYTES_TARGET || self.part.len() >= PART_OPS_TARGET;
        if full && !self.part.is_empty() {
            self.done.push(std::mem::take(&mut self.part));
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.part.push(payload);
        Ok(())
    }

    /// The parts; at least one.
    fn finish(mut self) -> Parts {
        self.done.push(self.part);
        self.done
    }
}

impl Labels {
    fn payloads(&self) -> impl Iterator<Item = Payload> + '_ {
        let branch = self.branch.clone().map(Payload::Branch);
        let message = self.message.clone().map(Payload::Message);
        let profile = self.profile.clone().map(Payload::Profile);
        let mark = self.mark.clone().map(Payload::Mark);
        let edges = self.edges.iter().copied().map(Payload::Edge);
        let retire = self.retire.clone().map(Payload::Retire);
        let floor = self.floor.clone().map(Payload::Floor);
        [branch, message, profile, mark, retire, floor].into_iter().flatten().chain(edges)
    }
}
