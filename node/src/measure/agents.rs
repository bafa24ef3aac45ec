//! Feeds of agents that came once: what is left of them on the disk when an epoch has them in its past and all has faded.

use std::collections::BTreeSet;
use std::path::Path;

use cairn_crdt::id::FeedId;
use cairn_protocol::hash::GrantId;
use cairn_protocol::replica::Fading;

use super::climb::{Climb, GROUP};
use crate::entropy;
use crate::error::NodeError;

/// How many grants an agent has seen the heads of.
const HEADS: usize = 16;

/// Lets agents write so many waypoints each, in a new store in a folder, forgets them, and gives the bytes of the store for
/// each agent. The index does not count: it is derived.
pub fn agent_bytes(dir: &Path, agents: u64, waypoints: u64) -> Result<f64, NodeError> {
    let mut climb = Climb::new(dir)?;
    let before = bytes_in(dir)?;
    let heads: Result<BTreeSet<GrantId>, NodeError> =
        (0..HEADS).map(|_| Ok(GrantId(entropy::random()?))).collect();
    let heads: Vec<GrantId> = heads?.into_iter().collect();
    let (mut fading, mut left) = (Fading::default(), agents);
    while left > 0 {
        let group = left.min(GROUP);
        left -= group;
        let feeds = climb.come_and_go(group, waypoints, &heads)?;
        fading.gone.extend(feeds.into_iter().map(|feed: FeedId| (feed, (0..waypoints).collect())));
    }
    climb.forget(&fading)?;
    Ok((bytes_in(dir)?.saturating_sub(before)) as f64 / agents as f64)
}

/// The bytes of all files below a folder but the index.
fn bytes_in(dir: &Path) -> Result<u64, NodeError> {
    let io = |error| NodeError::io("list", dir, error);
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let facts = entry.metadata().map_err(io)?;
        bytes += match facts.is_dir() {
            true => bytes_in(&entry.path())?,
            false if entry.file_name() == crate::store::INDEX_NAME => 0,
            false => facts.len(),
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_agent_that_came_once_no_file_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        let bytes = agent_bytes(&store, 40, 16).unwrap();
        assert!(bytes > 0.0);
        assert_eq!(std::fs::read_dir(store.join("stones")).unwrap().count(), 0);
    }
}
