//! What a liar sends: bytes that are broken, records that are forged, grafted, replayed or absurd.
//!
//! A liar runs an honest service, so that it knows what it lies about; what it sends is then
//! tampered with, and now and then it makes something up.

use std::sync::Arc;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, FeedId, ProjectId, RepoId, WaypointId};
use cairn_protocol::entry::{Entry, Payload};
use cairn_protocol::input::RequestId;
use cairn_protocol::key::Signature;
use cairn_protocol::log::Log;
use cairn_protocol::top::Top;
use cairn_protocol::waypoint::{Labels, Waypoint};
use cairn_protocol::wire::{Announce, Request, Segment, repo_tag, topic};
use cairn_protocol::{FeedName, Keypair, Signed, Stamp};

use crate::rng::Rng;
use crate::world::{BRANCH, Packet, World};

/// Breaks a frame in one of the ways in which frames break.
pub fn tamper(rng: &mut Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    let at = rng.below(bytes.len() as u64 + 1) as usize;
    match rng.below(4) {
        0 => bytes.truncate(at),
        1 => bytes.extend_from_slice(&rng.bytes::<16>()),
        2 => return rng.bytes::<48>().to_vec(),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
    }
    bytes
}

impl World {
    /// A liar makes something up and sends it to everybody it is connected to.
    pub(crate) fn make_mischief(&mut self, liar: usize) {
        if !self.peers[liar].up {
            return;
        }
        let neighbours: Vec<usize> = self.peers[liar].connected.iter().copied().collect();
        for neighbour in neighbours {
            self.lie_to(liar, neighbour);
        }
    }

    fn lie_to(&mut self, liar: usize, victim: usize) {
        let (from, to) = (self.peers[liar].key(), self.peers[victim].key());
        let tag = repo_tag(self.repo, &from, &to);
        let request = match self.rng.below(7) {
            0 => Request::Fetch {
                tag,
                project: self.project,
                feed: FeedId(self.rng.bytes()),
                from: u64::MAX,
                bytes_max: u32::MAX,
            },
            1 => Request::Push { tag, segment: self.ungranted(liar) },
            2 => Request::Push { tag, segment: self.forged(liar, victim) },
            3 => Request::Push { tag, segment: self.grafted(liar) },
            4 => Request::Push { tag, segment: absurd(self.ungranted(liar)) },
            5 => return self.gossip_lie(liar, to),
            _ => return self.replay(liar, to),
        };
        if let Ok(bytes) = request.to_frame() {
            let id = RequestId(u64::MAX - self.rng.below(1000));
            self.send(liar, to, Packet::Request(id, bytes));
        }
    }

    /// A waypoint that is right in every way, but its author may not write.
    fn ungranted(&mut self, liar: usize) -> Segment {
        let (repo, project, now_ms) = (self.repo, self.project, self.now_ms);
        let stamp = Stamp { wall_ms: now_ms, counter: 0 };
        waypoint(&mut self.rng, &self.peers[liar].keypair, (repo, project), stamp)
    }

    /// A waypoint of another repo.
    fn grafted(&mut self, liar: usize) -> Segment {
        let repo = RepoId(self.rng.bytes());
        let (project, now_ms) = (self.project, self.now_ms);
        waypoint(
            &mut self.rng,
            &self.peers[liar].keypair,
            (repo, project),
            Stamp { wall_ms: now_ms, counter: 0 },
        )
    }

    /// A waypoint in the name of someone who may write.
    fn forged(&mut self, liar: usize, victim: usize) -> Segment {
        let mut segment = self.ungranted(liar);
        let mut top = segment.top.claimed().clone();
        let writers: Vec<_> = self.checks.writers.iter().copied().collect();
        top.feed.key = self.rng.pick(&writers).copied().unwrap_or(self.peers[victim].key());
        let feed = top.feed;
        let stamp = Stamp { wall_ms: self.now_ms, counter: 0 };
        if let Ok(waypoint) = build(&mut self.rng, feed, stamp) {
            let mut log = Log::new();
            log.append(&waypoint.id());
            top.root = log.root();
            segment.pieces = vec![waypoint.to_bytes()];
        }
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&self.rng.bytes::<32>());
        segment.top = Signed::from_parts(top, Signature(signature));
        segment
    }

    fn gossip_lie(&mut self, liar: usize, to: cairn_protocol::DeviceKey) {
        let segment = if self.rng.chance(50) { self.ungranted(liar) } else { self.forged(liar, liar) };
        if let Ok(bytes) = (Announce { segment }).to_frame() {
            self.send(liar, to, Packet::Gossip(topic(self.repo), bytes));
        }
    }

    /// Something that was gossiped before comes again.
    fn replay(&mut self, liar: usize, to: cairn_protocol::DeviceKey) {
        let old: Vec<_> = self.checks.gossip.values().cloned().collect();
        if let Some((topic, bytes)) = self.rng.pick(&old).cloned() {
            self.send(liar, to, Packet::Gossip(topic, bytes));
        }
    }
}

/// Places and lengths that cannot be.
fn absurd(mut segment: Segment) -> Segment {
    segment.start = u64::MAX;
    segment
}

fn build(rng: &mut Rng, feed: FeedName, stamp: Stamp) -> Result<Waypoint, cairn_protocol::Reject> {
    let text: Arc<[u8]> = Arc::from(&b"a lie\n"[..]);
    let _ = ContentHash::of(&text);
    let payloads = [Payload::Content(text.to_vec()), Payload::Branch(BRANCH.to_owned())];
    let entries = payloads.iter().map(|payload| Entry::new(rng.bytes(), payload)).collect();
    let (parents, grants): (Vec<WaypointId>, Vec<_>) = (Vec::new(), Vec::new());
    Waypoint::new(Labels { feed, seq: 1, stamp, continued: false, parents, grants }, entries)
}

fn waypoint(rng: &mut Rng, keypair: &Keypair, (repo, project): (RepoId, ProjectId), stamp: Stamp) -> Segment {
    let feed = FeedName { repo, project, key: keypair.key() };
    let waypoint = build(rng, feed, stamp).expect("a small waypoint");
    let mut log = Log::new();
    log.append(&waypoint.id());
    let top = Top { feed, n: 1, root: log.root(), grants: Vec::new() }.sign(keypair).expect("own key");
    Segment {
        top: top.into_signed(),
        start: 0,
        pieces: vec![waypoint.to_bytes()],
        proof: None,
        witnesses: Vec::new(),
    }
}
