//! News: who is told when a feed grew, and what is made of being told.
//!
//! Public repos are gossiped about. A private one is not, because anybody can subscribe to a
//! topic: its news goes straight to the peers that may read it.

use cairn_crdt::id::RepoId;

use super::Service;
use super::requests::is_lie;
use super::session::Bring;
use super::store::Then;
use crate::effect::{Accepted, Effect, Verdict};
use crate::error::Reject;
use crate::hash::Topic;
use crate::input::GossipId;
use crate::key::DeviceKey;
use crate::piece::Piece;
use crate::replica::News;
use crate::wire::{Announce, Segment, topic};

impl Service {
    /// Tells neighbours that a feed grew.
    pub(super) fn announce(
        &mut self,
        repo: RepoId,
        accepted: &Accepted,
        source: Option<DeviceKey>,
        by_gossip: bool,
    ) {
        let Some(replica) = self.replicas.get(&repo).filter(|_| Self::is_complete(accepted)) else { return };
        // The replica has applied the run, so it knows a feed that never leaves this home.
        if replica.is_local_feed(accepted.project, accepted.feed) {
            return;
        }
        let local = source.is_none();
        if !replica.is_public() {
            return self.tell_readers(repo, accepted, source);
        }
        // What came by gossip is passed on by gossip itself.
        if !by_gossip && let Ok(bytes) = self.news_of(accepted, local).to_frame() {
            self.effects.push_back(Effect::Publish { topic: topic(repo), bytes });
        }
    }

    /// The announcement of a run. Only its author sends small waypoints along: so all others say
    /// the same bytes, and gossip carries them once.
    fn news_of(&self, accepted: &Accepted, local: bool) -> Announce {
        let top = accepted.top.signed().clone();
        let bodies: Vec<Vec<u8>> = match local {
            true => accepted.pieces.iter().map(Piece::to_bytes).collect(),
            false => Vec::new(),
        };
        let bytes: usize = bodies.iter().map(Vec::len).sum();
        if bodies.is_empty() || bytes as u64 > self.config.inline_bytes_max {
            return Announce {
                segment: Segment {
                    start: accepted.end(),
                    top,
                    pieces: Vec::new(),
                    proof: None,
                    witnesses: Vec::new(),
                },
            };
        }
        Announce {
            segment: Segment {
                start: accepted.start,
                top,
                pieces: bodies,
                proof: None,
                witnesses: Vec::new(),
            },
        }
    }

    fn tell_readers(&mut self, repo: RepoId, accepted: &Accepted, source: Option<DeviceKey>) {
        let small = accepted.pieces.iter().map(|piece| piece.to_bytes().len() as u64).sum::<u64>()
            <= self.config.inline_bytes_max;
        let bring = if small && source.is_none() { Bring::Bodies } else { Bring::Hint };
        for (peer, session) in &mut self.sessions {
            let Some(conversation) = session.conversations.get_mut(&repo) else { continue };
            let lacks = conversation.claimed(&accepted.feed) < accepted.end();
            if conversation.shares && lacks && Some(*peer) != source {
                conversation.lacks.insert(accepted.feed, (accepted.project, bring));
            }
        }
    }

    pub(super) fn judge(&mut self, message: GossipId, verdict: Verdict) {
        self.effects.push_back(Effect::Judge { message, verdict });
    }

    pub(super) fn gossip(
        &mut self,
        peer: DeviceKey,
        message: GossipId,
        topic: Topic,
        bytes: Vec<u8>,
        now_ms: u64,
    ) {
        let Some(repo) = self.topics.get(&topic).copied() else {
            return self.judge(message, Verdict::Ignore);
        };
        match Announce::from_frame(&bytes) {
            Ok(announce) => {
                if let Err(reject) = self.heard(peer, repo, &message, announce.segment, now_ms) {
                    self.unheard(peer, repo, message, &reject, &bytes, now_ms);
                }
            }
            Err(reject) => self.unheard(peer, repo, message, &reject, &bytes, now_ms),
        }
        self.advance(peer, repo, now_ms);
    }

    /// Makes something of an announcement; every way out but an error has judged it.
    fn heard(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        message: &GossipId,
        segment: Segment,
        now_ms: u64,
    ) -> Result<(), Reject> {
        let replica = self.replicas.get(&repo).ok_or(Reject::Missing)?;
        let (name, n) = (segment.top.claimed().feed, segment.top.claimed().n);
        let held = replica.feed_length(name.project, name.id());
        let news = replica.news(segment.top.clone(), now_ms)?;
        self.note_own(repo, &segment.top);
        if !matches!(news, News::Side(_))
            && let Some(conversation) = self.talk(peer, repo)
        {
            conversation.claim(name.id(), n);
        }
        match news {
            News::Known => self.judge(message.clone(), Verdict::Ignore),
            News::Side(proof) => {
                if let Some(proof) = proof {
                    self.forked(peer, repo, *proof, now_ms);
                }
                self.want_side(peer, repo, segment.top, now_ms);
                self.judge(message.clone(), Verdict::Accept);
            }
            News::More if !segment.pieces.is_empty() && segment.start <= held => {
                let (top, then) = (segment.top.clone(), Then::Judge { message: message.clone() });
                match self.take(peer, repo, segment, then, now_ms) {
                    Err(reject) if self.doubt(peer, repo, &top, &reject, now_ms) => {
                        self.judge(message.clone(), Verdict::Ignore);
                    }
                    taken => {
                        taken?;
                    }
                }
            }
            News::More => {
                if let Some(conversation) = self.talk(peer, repo) {
                    conversation.wants.insert(name.id(), name.project);
                }
                self.judge(message.clone(), Verdict::Accept);
            }
        }
        Ok(())
    }

    /// An announcement that nothing was made of: a lie is held against the sender, what is only
    /// unknown is looked into.
    fn unheard(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        message: GossipId,
        reject: &Reject,
        bytes: &[u8],
        now_ms: u64,
    ) {
        if is_lie(reject) {
            self.refuse(peer, Some(repo), reject, bytes);
            return self.judge(message, Verdict::Reject);
        }
        self.judge(message, Verdict::Ignore);
        self.compare_at(peer, repo, now_ms + self.config.retry_min_ms);
    }
}
