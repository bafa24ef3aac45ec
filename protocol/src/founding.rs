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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::keypair;

    fn record(name: &str, founders: &[u8]) -> FoundingRecord {
        let founders = founders.iter().map(|seed| keypair(*seed).key()).collect();
        FoundingRecord { name: name.into(), public: false, founders, nonce: [1; 16], stamp: Stamp::default() }
    }

    #[test]
    fn what_no_reader_would_take_is_not_signed() {
        assert!(record("main", &[1, 2]).sign(&keypair(1)).is_ok());
        for bad in [
            record("", &[1]),
            record("two\nlines", &[1]),
            record(&"a".repeat(201), &[1]),
            record("main", &[]),
            record("main", &[1, 1]),
            record("main", &(1..=17).collect::<Vec<_>>()),
            record("main", &[2, 1]),
        ] {
            assert!(bad.clone().sign(&keypair(1)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_identity_of_a_repo_covers_all_of_its_founding() {
        let sign = |record: FoundingRecord| record.sign(&keypair(1)).map(|record| record.repo());
        let repo = sign(record("main", &[1, 2]));
        assert_eq!(repo, sign(record("main", &[1, 2])));
        assert_ne!(repo, sign(record("other", &[1, 2])));
        assert_ne!(repo, sign(record("main", &[1, 3])));
        assert_ne!(repo, sign(FoundingRecord { nonce: [2; 16], ..record("main", &[1, 2]) }));
    }
}
