//! The top of a tower: the only thing that an author signs when a feed grows.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::FeedId;

use crate::error::Reject;
use crate::feed::FeedName;
use crate::hash::{GrantId, LogHash};
use crate::key::{DeviceKey, Keypair};
use crate::limits::{FEED_LEVEL_MAX, GRANT_HEADS_COUNT_MAX};
use crate::signed::{Signable, Verified};

/// How far a feed goes, and the root of its log there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// The feed.
    pub feed: FeedName,
    /// How many waypoints.
    pub n: u64,
    /// The root of the log over them.
    pub root: LogHash,
    /// The heads of the grants that the author had seen; in order.
    pub grants: Vec<GrantId>,
}

impl Top {
    /// The feed's identifier.
    pub fn feed_id(&self) -> FeedId {
        self.feed.id()
    }

    /// Signs the top as the feed's key.
    pub fn sign(self, keypair: &Keypair) -> Result<Verified<Self>, Reject> {
        Verified::sign(self, keypair)
    }
}

impl Signable for Top {
    const PURPOSE: &'static str = "cairn 1 sign top";

    fn signer(&self) -> Option<DeviceKey> {
        Some(self.feed.key)
    }
}

impl Encoded for Top {
    fn write(&self, out: &mut Writer) {
        self.feed.write(out);
        out.u64(self.n);
        self.root.write(out);
        out.list(&self.grants);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let feed = FeedName::read(input)?;
        let at = input.clone();
        let n = input.u64()?;
        at.require(n > 0 && n <= 1 << FEED_LEVEL_MAX, "length of a feed")?;
        let root = LogHash::read(input)?;
        Ok(Self { feed, n, root, grants: read_heads(input)? })
    }
}

/// Heads of grants: few, in order, each once.
pub(crate) fn read_heads(input: &mut Reader<'_>) -> Decode<Vec<GrantId>> {
    let at = input.clone();
    let heads: Vec<GrantId> = input.list(GRANT_HEADS_COUNT_MAX)?;
    at.require(heads.is_sorted_by(|a, b| a < b), "order of heads")?;
    Ok(heads)
}
