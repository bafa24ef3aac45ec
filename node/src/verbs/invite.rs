//! `invite`: a link that lets another device in, once or a few times, until it expires.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network};

/// What `invite` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// `read`, `write` or `admin`; `write` when left out.
    pub role: Option<String>,
    /// How long it may be used: `7d`, `12h`, `30m`, `45s`; `7d` when left out.
    pub expires: Option<String>,
    /// How many devices may join by it; one when left out.
    pub uses: Option<u32>,
}

/// What `invite` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The link: `cairn:…`.
    pub invite: String,
}

/// Signs a grant to a one-time key and writes both into a link.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let _ = (owner, args);
    todo!()
}
