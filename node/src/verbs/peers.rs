//! `peers`: the nodes that this home knows.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
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
}

/// Lists them.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    Ok(Answer { peers: network.peers() })
}

/// One node that this home knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its identity on the network.
    pub peer: String,
    /// Its device key.
    pub key: String,
    /// Where it was reached.
    pub addresses: Vec<String>,
    /// Whether it is connected now.
    pub connected: bool,
}
