//! Records with fixed keys and salts, for the tests of this crate.

use cairn_crdt::id::{ContentHash, NodeId, RepoId};
use cairn_crdt::op::{Body, Op};

use crate::entry::{Entry, Payload};
use crate::feed::{FeedName, project_id};
use crate::key::Keypair;
use crate::log::Log;
use crate::signed::Verified;
use crate::stamp::Stamp;
use crate::top::Top;
use crate::waypoint::{Labels, Waypoint};

pub(crate) fn keypair(seed: u8) -> Keypair {
    Keypair::from_secret(&[seed; 32])
}

pub(crate) fn feed(repo: u8, project: &str, seed: u8) -> FeedName {
    let repo = RepoId([repo; 32]);
    FeedName { repo, project: project_id(repo, project), key: keypair(seed).key() }
}

pub(crate) fn labels(feed: FeedName, seq: u64) -> Labels {
    let stamp = Stamp { wall_ms: 1_000 * seq, counter: 0 };
    Labels { feed, seq, stamp, continued: false, parents: Vec::new(), grants: Vec::new() }
}

pub(crate) fn waypoint(feed: FeedName, seq: u64, text: &[u8]) -> Waypoint {
    let node = NodeId([seq as u8; 32]);
    let body = Body::Text { content: ContentHash::of(text), bytes: text.len() as u64, codec: 1 };
    let payloads = [
        Payload::Op(Op::Body { node, body }),
        Payload::Content(text.to_vec()),
        Payload::Branch("main".into()),
    ];
    let entries = payloads.iter().zip(0u8..).map(|(payload, salt)| Entry::new([salt; 16], payload));
    Waypoint::new(labels(feed, seq), entries.collect()).expect("a valid waypoint")
}

/// The first `n` waypoints of a feed.
pub(crate) fn waypoints(feed: FeedName, n: u64) -> Vec<Waypoint> {
    (1..=n).map(|seq| waypoint(feed, seq, format!("line {seq}\n").repeat(9).as_bytes())).collect()
}

pub(crate) fn log_over(waypoints: &[Waypoint]) -> Log {
    let mut log = Log::new();
    waypoints.iter().for_each(|waypoint| log.append(&waypoint.id()));
    log
}

pub(crate) fn top(feed: FeedName, seed: u8, log: &Log) -> Verified<Top> {
    let top = Top { feed, n: log.len(), root: log.root(), grants: Vec::new() };
    top.sign(&keypair(seed)).expect("the feed's own key")
}
