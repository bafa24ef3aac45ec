//! Getting back waypoints whose names are held and whose bytes are not: because this node's disk lost them, or
//! because their bodies have faded here and somebody wants to see an old version.
//!
//! Any peer that claims to hold them may be asked, since each waypoint is checked against the name
//! that is held. What the disk lost is not applied: to the replica it was never gone. What had faded is.

use std::collections::BTreeSet;

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use super::Service;
use super::requests::What;
use super::store::Then;
use crate::effect::{Batch, Event, Recalled};
use crate::error::Reject;
use crate::input::RequestId;
use crate::key::DeviceKey;
use crate::replica::Replica;
use crate::wire::{Request, Segment, repo_tag};

/// The name of a run of lost waypoints: repo, feed, place of the first.
pub(super) type LostId = (RepoId, FeedId, u64);

/// A run of waypoints that are not here.
#[derive(Debug)]
pub(super) struct Lost {
    project: ProjectId,
    /// The place after the last.
    to: u64,
    /// Whether their bodies faded; else the disk lost them.
    faded: bool,
    /// The request under way.
    asked: Option<RequestId>,
    /// Peers that were asked.
    tried: BTreeSet<DeviceKey>,
}

impl Lost {
    /// Waypoints that the disk lost.
    pub(super) fn damaged(project: ProjectId, to: u64) -> Self {
        Self { project, to, faded: false, asked: None, tried: BTreeSet::new() }
    }

    /// Waypoints whose bodies faded.
    pub(super) fn faded(project: ProjectId, to: u64) -> Self {
        Self { faded: true, ..Self::damaged(project, to) }
    }
}

impl Service {
    pub(super) fn regain(&mut self, id: LostId, lost: Lost, now_ms: u64) {
        self.lost.insert(id, lost);
        self.advance_all(id.0, now_ms);
    }

    /// Whether a connected peer is being asked, or will be, for bodies of a repo that have faded here.
    pub fn is_recalling(&self, repo: RepoId) -> bool {
        let under_way = |lost: &Lost| lost.asked.is_some_and(|asked| self.asked.contains_key(&asked));
        let of_repo = self.lost.iter().filter(|(id, lost)| id.0 == repo && lost.faded);
        let mut open = of_repo.filter(|(id, lost)| {
            let claims = self.claims(repo, id.1);
            under_way(lost) || claims.iter().any(|(peer, n)| *n > id.2 && !lost.tried.contains(peer))
        });
        open.next().is_some()
    }

    /// Asks nobody any more for bodies of a repo that have faded here.
    pub fn end_recall(&mut self, repo: RepoId) {
        self.lost.retain(|id, lost| id.0 != repo || !lost.faded);
    }

    /// How much of a feed each connected peer is known, or claims, to hold.
    pub fn claims(&self, repo: RepoId, feed: FeedId) -> Vec<(DeviceKey, u64)> {
        let claim = |(peer, session): (&DeviceKey, &super::session::Session)| {
            let n = session.conversations.get(&repo)?.claimed(&feed);
            (n > 0).then_some((*peer, n))
        };
        self.sessions.iter().filter_map(claim).collect()
    }

    /// Asks a peer for lost waypoints that it claims to hold and was not asked for yet.
    pub(super) fn regain_more(&mut self, peer: DeviceKey, repo: RepoId, now_ms: u64) {
        while self.may_ask(&peer) {
            let Some((id, project)) = self.next_lost(peer, repo) else { return };
            let (_, feed, from) = id;
            let tag = repo_tag(repo, &self.me, &peer);
            let bytes_max = self.config.segment_bytes_max as u32;
            let request = Request::Fetch { tag, project, feed, from, bytes_max };
            let asked = self.ask(peer, repo, What::Regain { feed, from }, &request, now_ms);
            let request = asked.then_some(RequestId(self.last_id));
            if let Some(lost) = self.lost.get_mut(&id) {
                lost.tried.insert(peer);
                lost.asked = request;
            }
        }
    }

    fn next_lost(&self, peer: DeviceKey, repo: RepoId) -> Option<(LostId, ProjectId)> {
        let conversation = self.sessions.get(&peer)?.conversations.get(&repo)?;
        let of_repo = self.lost.iter().filter(|(id, _)| id.0 == repo);
        let under_way = |lost: &Lost| lost.asked.is_some_and(|asked| self.asked.contains_key(&asked));
        let mut open = of_repo.filter(|(id, lost)| {
            let busy = under_way(lost) || self.under_way.has(repo, id.1);
            !busy && !lost.tried.contains(&peer) && conversation.claimed(&id.1) > id.2
        });
        open.next().map(|(id, lost)| (*id, lost.project))
    }

    /// A peer sent what was lost: on its way to the disk, if it is that.
    pub(super) fn regained(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        (feed, from): (FeedId, u64),
        segment: Segment,
        bytes: &[u8],
    ) {
        let Some(replica) = self.replicas.get(&repo) else { return };
        if segment.top.claimed().feed_id() != feed || segment.start != from {
            return;
        }
        let id = (repo, feed, from);
        let mut batch = Batch::new(repo);
        let found = match self.lost.get(&id) {
            Some(lost) if lost.faded => {
                recalled(replica, &segment, lost.to).map(|found| batch.recalled = found)
            }
            _ => replica.regain(&segment).map(|accepted| batch.feeds.push(accepted)),
        };
        match found {
            // The bodies have faded there too; another peer is asked.
            Ok(()) if batch.is_empty() => {}
            Ok(()) => self.persist(batch, Some(peer), Then::Regained { id }),
            Err(reject) => self.refuse(peer, Some(repo), &reject, bytes),
        }
    }

    /// A part of what was lost is durable again.
    pub(super) fn regained_to(&mut self, id: LostId, end: u64) {
        let Some(lost) = self.lost.remove(&id) else { return };
        let (repo, feed, from) = id;
        self.notify(Event::Regained { repo, project: lost.project, feed, from, to: end });
        if end < lost.to {
            let rest = Lost { asked: None, tried: BTreeSet::new(), ..lost };
            self.lost.insert((repo, feed, end), rest);
        }
    }
}

/// The bodies at the beginning of a run that are whole there and wanted, without gaps.
fn recalled(replica: &Replica, segment: &Segment, to: u64) -> Result<Vec<Recalled>, Reject> {
    let found = replica.recallable(segment).map_err(|(_, reject)| reject)?;
    let wanted = found.into_iter().zip(segment.start..to);
    Ok(wanted.take_while(|(one, place)| one.place == *place).map(|(one, _)| one).collect())
}
