//! Forks: which keys signed two histories of one feed, and what of these counts.
//!
//! The history that came first has the feed's name. Every other one is a *side*: a whole feed of its
//! own under a local name, so that it is stored, checked and sent like any feed. Two nodes may
//! hold the same histories under different names; what counts is a function of the set of them alone.
//!
//! Past the place up to which all histories agree, nothing becomes a tip by itself: it shows where a
//! feed that is not forked has built on it, and is held otherwise. So no history wins by being first.

use std::collections::BTreeSet;

use cairn_crdt::id::{FeedId, ProjectId, WaypointId, derive};

use super::project::{Feed, Project};
use super::{Applied, HeldFor, Replica};
use crate::error::Reject;
use crate::feed::FeedName;
use crate::hash::LogHash;
use crate::limits::KNOWN_COUNT_MAX;
use crate::log::Log;
use crate::proof::ForkProof;
use crate::signed::{Signed, Verified};
use crate::top::Top;
use crate::wire::Tip;

/// The local name of a history that is not the first one that came.
pub(super) fn side_name(feed: FeedId, root: &LogHash) -> FeedId {
    FeedId(derive("cairn 1 side", &[&feed.0, &root.0]))
}

impl Replica {
    /// The proofs of forks that are known, one for each forked feed.
    pub fn forks(&self) -> impl Iterator<Item = &ForkProof> + '_ {
        self.projects.values().flat_map(|project| project.forks.values())
    }

    /// Whether a key is known to have signed two histories of this feed.
    pub fn is_forked(&self, project: ProjectId, feed: FeedId) -> bool {
        self.projects.get(&project).is_some_and(|project| project.forks.contains_key(&feed))
    }

    /// Up to which place all histories of a forked feed agree, as far as they are known here.
    pub fn fork_place(&self, project: ProjectId, feed: FeedId) -> Option<u64> {
        self.projects.get(&project)?.places.get(&feed).copied()
    }

    /// What waits because its key signed two histories and it was written in the one that came first here: the
    /// last of each line of work, with the branch that it was written for.
    pub fn stranded(&self, project: ProjectId, feed: FeedId) -> Vec<(WaypointId, String)> {
        let Some(known) = self.projects.get(&project) else { return Vec::new() };
        let ours = |id: &WaypointId| known.waypoints.get(id).is_some_and(|known| known.feed == feed);
        let held = self.held(project).into_iter().filter(|(_, reason)| *reason == HeldFor::Forked);
        let held: Vec<WaypointId> = held.map(|(id, _)| id).filter(ours).collect();
        let built_on =
            |id: &WaypointId| held.iter().any(|other| known.documents.is_ancestor(id, other) && id != other);
        let branch = |id: &WaypointId| Some(known.waypoints.get(id)?.labels.branch.as_deref()?.to_owned());
        let ends = held.iter().filter(|id| !built_on(id));
        ends.filter_map(|id| branch(id).map(|branch| (*id, branch))).collect()
    }

    /// How far the key of a feed is known to have signed, held here or not.
    pub fn signed_length(&self, project: ProjectId, feed: FeedId) -> u64 {
        self.projects.get(&project).and_then(|project| project.signed.get(&feed)).copied().unwrap_or(0)
    }

    /// Whether more than one history of a feed must be reckoned with.
    pub(crate) fn is_contested(&self, project: ProjectId, feed: FeedId) -> bool {
        let sides = |project: &Project| project.sides.contains_key(&feed);
        self.is_forked(project, feed) || self.projects.get(&project).is_some_and(sides)
    }

    /// Those of `proofs` that hold, are about feeds that may be here, and say more than is known.
    /// The first that does not hold is the error beside them.
    pub fn new_forks(&self, proofs: &[ForkProof], now_ms: u64) -> (Vec<ForkProof>, Option<Reject>) {
        let (mut new, mut refused) = (Vec::new(), None);
        for proof in proofs {
            let name = proof.feed();
            let Ok(project) = self.check_feed(&name, now_ms) else { continue };
            let known = project.forks.get(&name.id());
            if known.is_some_and(|known| !proof.precedes(known)) {
                continue;
            }
            match proof.verify() {
                Ok(_) => new.push(proof.clone()),
                Err(reject) => refused = refused.or(Some(reject)),
            }
        }
        (new, refused)
    }

    /// Takes note of proven forks. Labels are read again.
    pub fn admit_forks(&mut self, proofs: &[ForkProof], now_ms: u64) -> Applied {
        let mut applied = Applied::default();
        for proof in proofs {
            let name = proof.feed();
            let Some(project) = self.projects.get_mut(&name.project) else { continue };
            let known = project.forks.get(&name.id());
            if known.is_some_and(|known| !proof.precedes(known)) || proof.verify().is_err() {
                continue;
            }
            if project.forks.insert(name.id(), proof.clone()).is_none() {
                applied.forked.push((name.project, name.id()));
            }
            let (before, marks) = (project.versions(), project.marks.len());
            if project.part(name.id()) {
                project.hold_again(&self.grants, now_ms, &mut applied);
                project.report(&before, marks, &mut applied);
            }
        }
        applied
    }

    /// The proof of a fork that two histories held here make, and that is not known yet.
    pub(crate) fn unproven(&self, name: &FeedName) -> Option<ForkProof> {
        let project = self.projects.get(&name.project)?;
        if project.forks.contains_key(&name.id()) {
            return None;
        }
        let histories: Vec<&Feed> = project.histories(name.id()).map(|(_, feed)| feed).collect();
        let pairs = histories.iter().flat_map(|a| histories.iter().map(move |b| (a, b)));
        let mut proofs = pairs.filter_map(|(a, b)| {
            let (short, long) = (a.whole.as_ref()?, b.whole.as_ref()?);
            if short.n <= long.n { ForkProof::find(short, long, &b.log) } else { None }
        });
        proofs.next()
    }

    /// What is held of the histories of a feed.
    pub(crate) fn tips(&self, project: ProjectId, feed: FeedId) -> Vec<Tip> {
        let Some(project) = self.projects.get(&project) else { return Vec::new() };
        let tips = project.histories(feed).map(|(_, feed)| Tip { n: feed.n(), root: feed.log.root() });
        tips.filter(|tip| tip.n > 0).take(KNOWN_COUNT_MAX).collect()
    }

    /// The histories of which a top signs a part that is held.
    pub(crate) fn holding(&self, top: &Top) -> Vec<FeedId> {
        let Some(project) = self.projects.get(&top.feed.project) else { return Vec::new() };
        let histories = project.histories(top.feed.id());
        histories.filter(|(_, feed)| feed.log.root_of(top.n) == Some(top.root)).map(|(id, _)| id).collect()
    }

    /// Where a history is held that has this root, and the place from which an asker who holds
    /// `known` lacks it.
    pub(crate) fn side(
        &self,
        project: ProjectId,
        feed: FeedId,
        top: &Tip,
        known: &[Tip],
    ) -> Option<(FeedId, u64)> {
        let mut histories = self.projects.get(&project)?.histories(feed);
        let has = |feed: &Feed, tip: &Tip| feed.log.root_of(tip.n) == Some(tip.root);
        let (id, held) = histories.find(|(_, feed)| feed.whole_n() >= top.n && has(feed, top))?;
        let shared = known.iter().filter(|tip| tip.n < held.whole_n() && has(held, tip)).map(|tip| tip.n);
        Some((id, shared.max().unwrap_or(0)))
    }

    /// The newest top of every history that is held in full, for those who may read the project.
    pub(crate) fn tops(&self, project: ProjectId) -> Vec<Signed<Top>> {
        let feeds = self.projects.get(&project).map(Project::shared_feeds);
        feeds
            .into_iter()
            .flatten()
            .filter_map(|(_, feed)| feed.whole.clone())
            .map(Verified::into_signed)
            .collect()
    }

    /// Notes how far a key is known to have signed: it must not sign those places anew.
    pub(crate) fn note_signed(&mut self, top: &Verified<Top>) {
        if let Some(project) = self.projects.get_mut(&top.feed.project) {
            let known = project.signed.entry(top.feed.id()).or_insert(0);
            *known = top.n.max(*known);
        }
    }
}

impl Project {
    /// Every history of a feed that is held and that others may have, with its local name, the first that came first.
    pub(super) fn histories(&self, feed: FeedId) -> impl Iterator<Item = (FeedId, &Feed)> + '_ {
        let sides = self.sides.get(&feed).into_iter().flatten().copied();
        std::iter::once(feed)
            .chain(sides)
            .filter_map(|id| self.feeds.get(&id).map(|feed| (id, feed)))
            .filter(|(_, feed)| !feed.local)
    }

    /// Finds again where the histories of a feed part; true if that is another place than before.
    pub(super) fn part(&mut self, feed: FeedId) -> bool {
        let place = self.parting(feed);
        let before = match place {
            Some(place) => self.places.insert(feed, place),
            None => self.places.remove(&feed),
        };
        before != place
    }

    fn parting(&self, feed: FeedId) -> Option<u64> {
        let logs: Vec<&Log> = self.histories(feed).map(|(_, feed)| &feed.log).collect();
        let pairs = logs.iter().enumerate().flat_map(|(at, a)| logs[at + 1..].iter().map(move |b| (*a, *b)));
        let proven = self.forks.get(&feed).map(ForkProof::bound);
        pairs.filter_map(|(a, b)| parted(a, b)).chain(proven).min()
    }

    /// Reads all labels again, and notes what is held from now on.
    pub(super) fn hold_again(&mut self, grants: &crate::grant::Grants, now_ms: u64, applied: &mut Applied) {
        let before: BTreeSet<WaypointId> = self.held.keys().copied().collect();
        self.relabel(grants, now_ms);
        for id in self.held.keys().filter(|id| !before.contains(id)) {
            if let Some(known) = self.waypoints.get(id) {
                applied.held.push((self.id(), known.origin, *id));
            }
        }
    }
}

/// How many waypoints two logs have in common, unless one is the beginning of the other.
fn parted(a: &Log, b: &Log) -> Option<u64> {
    // Where one has forgotten what it was, they cannot be told apart.
    let same = |n: u64| a.root_of(n).zip(b.root_of(n)).is_none_or(|(a, b)| a == b);
    let end = a.len().min(b.len());
    if same(end) {
        return None;
    }
    let (mut low, mut high) = (0, end);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if same(middle) { low = middle } else { high = middle }
    }
    Some(low)
}
