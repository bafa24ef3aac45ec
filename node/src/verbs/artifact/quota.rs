//! `artifact quota`: how many bytes the large contents of a home may take.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Network;

/// What a quota is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// So many bytes.
    Bytes(u64),
    /// Any number.
    Off,
}

/// What `artifact quota` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How many bytes the chunks of all repos may take; `null` for any number.
    pub quota_bytes: Option<u64>,
    /// How many they take.
    pub used_bytes: u64,
}

/// Sets it if that is asked, durably, and says what it is.
pub(super) fn run(
    owner: &mut Owner,
    network: &mut dyn Network,
    set: Option<Limit>,
) -> Result<Quota, NodeError> {
    let set = set.map(|limit| match limit {
        Limit::Bytes(bytes) => Some(bytes),
        Limit::Off => None,
    });
    if let Some(bytes_max) = set {
        owner.configure(|config| config.chunk_bytes_max = bytes_max)?;
    }
    let (used_bytes, quota_bytes) = network.quota(set)?;
    Ok(Quota { quota_bytes, used_bytes })
}

/// The same error; where the quota is in the way, with how much nothing needs.
pub(crate) fn explained(owner: &mut Owner, network: &mut dyn Network, error: NodeError) -> NodeError {
    let NodeError::Quota { needed_bytes, free_bytes, quota_bytes, collectable_bytes: None } = error else {
        return error;
    };
    let collectable_bytes = match network.sweep_artifacts(owner, true) {
        Ok(would) => Some(would.bytes_before.saturating_sub(would.bytes_after)),
        Err(error) => {
            tracing::warn!(%error, "how much nothing needs could not be looked up");
            None
        }
    };
    NodeError::Quota { needed_bytes, free_bytes, quota_bytes, collectable_bytes }
}
