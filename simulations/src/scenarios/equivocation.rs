//! A key is copied: each half hears another history of its feed, honest peers build on both, and then all is mended.

use cairn_protocol::input::ReplyId;
use cairn_protocol::piece::Piece;
use cairn_protocol::wire::{Request, Segment, repo_tag};
use cairn_protocol::{Batch, FeedName, Input, Labels, Post};

use crate::author;
use crate::checks::{COPY, Copied};
use crate::world::{Act, BRANCH, World};

pub(super) fn play(world: &mut World) {
    world.invite_all();
    world.busy(6, 10_000);
    world.run_for(25_000);
    let copied = world.peers.len() - 1;
    world.peers[copied].copied = true;
    let half: Vec<usize> = (0..world.peers.len() / 2).collect();
    world.later(1, Act::Cut(half));
    for turn in 0..2 {
        world.later(100 + turn * 20_000, Act::Equivocate(copied, 0));
        world.later(500 + turn * 20_000, Act::Edit(copied));
    }
    world.busy(12, 50_000);
    world.run_for(60_000);
}

impl World {
    /// The copy of a peer's home writes what the peer does not know of, and meets `victim`.
    pub(crate) fn equivocate(&mut self, copied: usize, victim: usize) {
        if !self.peers[copied].has(self.repo) || !self.peers[victim].has(self.repo) {
            return;
        }
        match self.write_aside(copied) {
            Ok((batch, segment)) => self.meet(copied, victim, &batch, segment),
            Err(text) => self.checks.violate(format!("the copy of {copied} cannot write: {text}")),
        }
    }

    /// What the copy writes, and its whole history with that.
    fn write_aside(&mut self, copied: usize) -> Result<(Batch, Segment), String> {
        let (project, now_ms, entropy) = (self.project, self.now_ms, self.rng.bytes());
        let peer = &self.peers[copied];
        let feed = FeedName { repo: self.repo, project, key: peer.key() };
        let mut replicas = peer.disk.restore(now_ms);
        let replica = replicas.first_mut().ok_or("no repo")?;
        let image = peer.disk.image(self.repo).ok_or("no image")?;
        let parents = replica.branch(project, BRANCH);
        let edits = author::edits(&mut self.rng, &author::Files::new());
        let draft = replica.draft(project, &parents, &edits, image).map_err(|error| error.to_string())?;
        let labels = Labels { branch: Some(BRANCH.to_owned()), ..Labels::default() };
        let post = Post { project, key: &peer.keypair, parents, draft, labels, now_ms, entropy };
        let batch = replica.write(post).map_err(|error| error.to_string())?;
        let mut pieces = image.pieces(feed.id(), 0, u64::MAX, u64::MAX);
        let run = batch.feeds.first().ok_or("nothing was written")?;
        pieces.truncate(run.start as usize);
        pieces.extend(run.pieces.iter().map(Piece::to_bytes));
        let top = run.top.signed().clone();
        self.checks.copied.insert(feed.id(), Copied::default());
        Ok((batch, Segment { top, start: 0, pieces, proof: None, witnesses: Vec::new() }))
    }

    fn meet(&mut self, copied: usize, victim: usize, batch: &Batch, segment: Segment) {
        let (peer, to) = (self.peers[copied].key(), self.peers[victim].key());
        let request = Request::Push { tag: repo_tag(self.repo, &peer, &to), segment };
        let Ok(bytes) = request.to_frame() else { return };
        self.checks.acknowledged(COPY, batch);
        self.feed(victim, Input::PeerConnected { peer });
        self.feed(victim, Input::Request { peer, reply: ReplyId(u64::MAX), bytes });
        self.feed(victim, Input::PeerDisconnected { peer });
    }
}
