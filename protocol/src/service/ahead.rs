//! Asking ahead: the next waypoints of a feed are on the wire while the last ones are on their way to the disk; and which feeds are
//! under way at all, since two runs of one feed never race.
//!
//! Else the peer would wait for our disk, and our disk for the peer. What comes before the disk is done is kept until it is: one
//! answer a feed, for a feed has at most one request under way.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{FeedId, RepoId};

use super::Service;
use super::fetch::Grown;
use super::session::Stage;
use crate::effect::Batch;
use crate::key::DeviceKey;
use crate::wire::Segment;

/// An answer that came before what lies below it was durable.
#[derive(Debug)]
pub(super) struct Ahead {
    pub(super) peer: DeviceKey,
    pub(super) from: u64,
    pub(super) segment: Box<Segment>,
    pub(super) bytes: Vec<u8>,
}

/// The feeds of which waypoints are under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// Those that a peer is asked for.
    pub(super) asked: BTreeSet<(RepoId, FeedId)>,
    /// Those of which waypoints are on their way to the disk.
    pub(super) stored: BTreeSet<(RepoId, FeedId)>,
    /// Answers that came before what lies below them was durable. Those feeds count as asked for.
    ahead: BTreeMap<(RepoId, FeedId), Ahead>,
}

impl UnderWay {
    /// Whether anything of a feed is under way.
    pub(super) fn has(&self, repo: RepoId, feed: FeedId) -> bool {
        self.asked.contains(&(repo, feed)) || self.stored.contains(&(repo, feed))
    }
}

impl Service {
    /// Asks for what follows on waypoints that are on their way to the disk, if the peer claims to have it.
    pub(super) fn ask_ahead(
        &mut self,
        peer: DeviceKey,
        repo: RepoId,
        feed: FeedId,
        grown: Grown,
        now_ms: u64,
    ) {
        let Grown { project, history, end } = grown;
        let is_open = self.talk(peer, repo).is_some_and(|conversation| {
            let has_more = conversation.claimed(&feed) > end && conversation.wants.contains_key(&feed);
            has_more && conversation.stage == Stage::Open
        });
        if is_open && history == feed && self.may_ask(&peer) {
            self.ask_from(peer, repo, (project, feed), end, now_ms);
        }
    }

    /// Keeps an answer until what lies below it is durable.
    pub(super) fn keep_ahead(&mut self, feed: (RepoId, FeedId), ahead: Ahead) {
        self.waiting_for_one(ahead.peer, feed.0);
        self.under_way.asked.insert(feed);
        self.under_way.ahead.insert(feed, ahead);
    }

    /// Goes on with the answers that waited for a batch, or lets go of them where it failed.
    pub(super) fn go_on_ahead(&mut self, batch: &Batch, is_durable: bool, now_ms: u64) {
        let repo = batch.repo;
        for feed in batch.feeds.iter().map(|accepted| accepted.top.feed_id()) {
            let Some(kept) = self.under_way.ahead.remove(&(repo, feed)) else { continue };
            let Ahead { peer, from, segment, bytes } = kept;
            self.under_way.asked.remove(&(repo, feed));
            self.finish_one(peer, repo);
            if is_durable {
                self.fetched(peer, repo, (feed, from), *segment, &bytes, now_ms);
            }
        }
    }
}
