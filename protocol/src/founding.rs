//! The founding record: what a repo begins with, and what its identity is the hash of.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{RepoId, derive};

use crate::error::Reject;
use crate::key::{DeviceKey, Keypair};
use crate::limits::{FOUNDERS_COUNT_MAX, LABEL_BYTES_MAX};
use crate::signed::{Signable, Signed, Verified};
use crate::stamp::Stamp;
use crate::text::{read_flag, read_label};

/// What a repo begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundingRecord {
    /// What its founder calls it; others may call it otherwise.
    pub name: String,
    /// Whether everybody may read.
    pub public: bool,
    /// The keys that are admins for ever; the first one signs.
    pub founders: Vec<DeviceKey>,
    /// Makes two repos of one name and founder different.
    pub nonce: [u8; 16],
    /// When it was founded.
    pub stamp: Stamp,
}

impl FoundingRecord {
    /// Signs the record as its first founder.
    pub fn sign(self, keypair: &Keypair) -> Result<Verified<Self>, Reject> {
        Verified::sign(self, keypair)
    }
}

impl Signed<FoundingRecord> {
    /// The identity of the repo: the hash of the record with its signature.
    pub fn repo(&self) -> RepoId {
        RepoId(derive("cairn 1 repo", &[&self.to_bytes()]))
    }
}

impl Verified<FoundingRecord> {
    /// The identity of the repo.
    pub fn repo(&self) -> RepoId {
        self.signed().repo()
    }
}

impl Signable for FoundingRecord {
    const PURPOSE: &'static str = "cairn 1 sign founding";

    fn signer(&self) -> Option<DeviceKey> {
        self.founders.first().copied()
    }
}

impl Encoded for FoundingRecord {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.name.as_bytes());
        out.u8(u8::from(self.public));
        out.list(&self.founders);
        out.raw(&self.nonce);
        self.stamp.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let name = read_label(input, LABEL_BYTES_MAX)?;
        let public = read_flag(input)?;
        let at = input.clone();
        let founders: Vec<DeviceKey> = input.list(FOUNDERS_COUNT_MAX)?;
        at.require(!founders.is_empty() && all_differ(&founders), "founders")?;
        Ok(Self { name, public, founders, nonce: input.array()?, stamp: Stamp::read(input)? })
    }
}

fn all_differ(keys: &[DeviceKey]) -> bool {
    keys.iter().enumerate().all(|(index, key)| !keys[..index].contains(key))
}
