//! `peers`: the nodes that this home knows.

use std::collections::BTreeMap;

use cairn_protocol::DeviceKey;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::peers::Failed;
use crate::verbs::rights::names;
use crate::verbs::{Here, Network};

/// What `peers` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
}

/// What `peers` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// One entry a peer.
    pub peers: Vec<Peer>,
    /// Whether `serve` runs here, which calls them; if not, nobody is connected.
    #[serde(default)]
    pub serving: bool,
}

/// Lists them.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = args;
    let mut called = BTreeMap::new();
    for repo in owner.repos() {
        called.extend(names(owner.replica(repo)?));
    }
    let mut peers = network.peers();
    for peer in &mut peers {
        peer.name = DeviceKey::from_hex(&peer.key).and_then(|key| called.get(&key)).cloned();
    }
    Ok(Answer { peers, serving: !network.addresses().is_empty() })
}

/// One node that this home knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its identity on the network.
    pub peer: String,
    /// Its device key.
    pub key: String,
    /// What its owner is called, where that is known.
    #[serde(default)]
    pub name: Option<String>,
    /// Where it was reached.
    pub addresses: Vec<String>,
    /// Whether it is connected now.
    pub connected: bool,
    /// When it was seen last, in milliseconds since 1970.
    #[serde(default)]
    pub seen_ms: Option<u64>,
    /// The last call that did not come through, since one did.
    #[serde(default)]
    pub failed: Option<Failed>,
    /// Repos that could not be exchanged with it when that was tried last.
    #[serde(default)]
    pub apart: Vec<Apart>,
}

/// A repo that could not be exchanged with a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    /// The repo.
    pub repo: String,
    /// Why not.
    pub reason: String,
}
