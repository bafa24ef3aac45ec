//! Local writes: a draft and its labels become signed waypoints.
//!
//! A write that is larger than a waypoint should be is cut into several, each standing on the one
//! before; all but the last are flagged as continued and carry no label, so that no branch ever
//! shows a part of an import.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, ProjectId, WaypointId};
use cairn_crdt::op::{Body, Op};
use cairn_crdt::{Draft, Frontier};

use super::Replica;
use crate::effect::Batch;
use crate::entry::{Edge, Payload, Profile};
use crate::epoch::Epoch;
use crate::error::Reject;
use crate::feed::FeedName;
use crate::imported::Imported;
use crate::key::{DeviceKey, Keypair};
use crate::limits::ENTRY_BYTES_MAX;
use crate::mark::Mark;
use crate::retention::Floor;
use crate::retire::Retire;

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
    /// What it was in another system.
    pub imported: Option<Box<Imported>>,
    /// Whether the write goes on in the next one, which stands on it: no branch shows it before.
    pub continued: bool,
    /// Whether it never leaves this home; the key that signs it signs nothing else. See [`crate::replica::local`].
    pub local: bool,
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
    /// It would name a waypoint that never leaves this home, so that nobody else could take it in.
    #[error("waypoint {0} is local, and what is shared cannot stand on it or name it")]
    Local(WaypointId),
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
pub(super) type Parts = Vec<Vec<Payload>>;

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
        let mut stack =
            self.stack(post.project, post.key.key(), post.now_ms, &post.entropy, post.labels.local)?;
        let mut on = self.lay(&mut stack, &post.parents, &post.draft, &post.labels)?;
        for (draft, labels) in &then {
            on = self.lay(&mut stack, &Frontier::from_iter([on]), draft, labels)?;
        }
        self.seal(stack, post.key)
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
}

/// Cuts a write into parts, the labels in the last one.
pub(super) fn cut(draft: &Draft, labels: &Labels) -> Result<Parts, WriteError> {
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
    pub(super) fn payloads(&self) -> impl Iterator<Item = Payload> + '_ {
        let branch = self.branch.clone().map(Payload::Branch);
        let message = self.message.clone().map(Payload::Message);
        let profile = self.profile.clone().map(Payload::Profile);
        let mark = self.mark.clone().map(Payload::Mark);
        let edges = self.edges.iter().copied().map(Payload::Edge);
        let retire = self.retire.clone().map(Payload::Retire);
        let floor = self.floor.clone().map(Payload::Floor);
        let imported = self.imported.clone().map(Payload::Imported);
        [branch, message, profile, mark, retire, floor, imported].into_iter().flatten().chain(edges)
    }
}
