//! Getting back what this node's own disk lost: waypoints whose names are held and whose bytes are not.
//!
//! Any peer that claims to hold them may be asked, since each waypoint is checked against the name
//! that is held. Nothing is applied: to the replica they were never gone.

use std::collections::BTreeSet;

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use super::Service;
use super::requests::What;
use super::store::Then;
use crate::effect::{Batch, Event};
use crate::input::RequestId;
use crate::key::DeviceKey;
use crate::wire::{Request, Segment, repo_tag};

/// The name of a run of lost waypoints: repo, feed, place of the first.
pub(super) type LostId = (RepoId, FeedId, u64);

/// A run of waypoints that the disk lost.
#[derive(Debug)]
pub(super) struct Lost {
    project: ProjectId,
    /// The place after the last.
    to: u64,
    /// The request under way.
    asked: Option<RequestId>,
    /// Peers that were asked.
    tried: BTreeSet<DeviceKey>,
}

impl Service {
    pub(super) fn regain(&mut self, id: LostId, project: ProjectId, to: u64, now_ms: u64) {
        let lost = Lost { project, to, asked: None, tried: BTreeSet::new() };
        self.lost.insert(id, lost);
        self.advance_all(id.0, now_ms);
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
            let busy = under_way(lost) || self.taken.contains(&(repo, id.1));
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
        match replica.regain(&segment) {
            Ok(accepted) => {
                let mut batch = Batch::new(repo);
                batch.feeds.push(accepted);
                self.persist(batch, Some(peer), Then::Regained { id: (repo, feed, from) });
            }
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
