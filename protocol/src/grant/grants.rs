//! The rights of one repo, as a set: what was added decides, not when or in which order.

use std::collections::BTreeMap;

use cairn_crdt::id::{ProjectId, RepoId};

use crate::error::Reject;
use crate::founding::FoundingRecord;
use crate::grant::{Grant, GrantRecord, Role};
use crate::hash::GrantId;
use crate::key::DeviceKey;
use crate::signed::Verified;

/// All rights of one repo.
#[derive(Debug, Clone)]
pub struct Grants {
    repo: RepoId,
    public: bool,
    founders: Vec<DeviceKey>,
    records: BTreeMap<GrantId, GrantRecord>,
}

/// What adding a record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// It was here.
    Known,
    /// It is kept until the grant that it names arrives.
    Waiting,
}

/// Whether what a key wrote counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may become a head.
    Admitted,
    /// Kept, listed, no head.
    Held(Held),
    /// The key was never given a right to write here.
    Ungranted,
}

/// Why something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Beyond the cut of a revocation.
    Revoked,
    /// Written after the grant had ended.
    Expired,
    /// The grant was handed on to more keys than it allows.
    Uses,
}

impl Grants {
    /// The rights at the founding.
    pub fn new(founding: &Verified<FoundingRecord>) -> Self {
        Self {
            repo: founding.repo(),
            public: founding.public,
            founders: founding.founders.clone(),
            records: BTreeMap::new(),
        }
    }

    /// Adds a record after checking signature, repo and that it is not wider than what it derives from.
    pub fn add(&mut self, record: GrantRecord) -> Result<Added, Reject> {
        let _ = (record, &self.founders, self.public, self.repo);
        todo!()
    }

    /// Whether `key` holds `role` in `project` at `at_ms`, and no revocation touches it.
    pub fn may(&self, key: &DeviceKey, role: Role, project: ProjectId, at_ms: u64) -> bool {
        let _ = (key, role, project, at_ms);
        todo!()
    }

    /// Whether `key` holds `role` anywhere in the repo at `at_ms`.
    pub fn may_anywhere(&self, key: &DeviceKey, role: Role, at_ms: u64) -> bool {
        let _ = (key, role, at_ms);
        todo!()
    }

    /// Whether what `key` wrote as number `seq` (from 1) of its feed in `project` counts. `at_ms` is the
    /// waypoint's own stamp, so that all nodes agree.
    pub fn standing(&self, key: &DeviceKey, project: ProjectId, seq: u64, at_ms: u64) -> Standing {
        let _ = (key, project, seq, at_ms);
        todo!()
    }

    /// The founders.
    pub fn founders(&self) -> &[DeviceKey] {
        &self.founders
    }

    /// Whether `key` is a founder.
    pub fn is_founder(&self, key: &DeviceKey) -> bool {
        self.founders.contains(key)
    }

    /// The heads: records that no other has seen; at most as many as a header holds, in order.
    pub fn heads(&self) -> Vec<GrantId> {
        todo!()
    }

    /// All records, in the order of their names.
    pub fn records(&self) -> impl Iterator<Item = &GrantRecord> {
        self.records.values()
    }

    /// The records that let `key` in, from the founder's down: what it shows to a peer that knows none of them.
    pub fn chain(&self, key: &DeviceKey) -> Vec<GrantRecord> {
        let _ = key;
        todo!()
    }

    /// The grants of which `key` is the subject.
    pub fn of(&self, key: &DeviceKey) -> Vec<(GrantId, Grant)> {
        let _ = key;
        todo!()
    }

    /// Whether a record is here.
    pub fn contains(&self, id: &GrantId) -> bool {
        self.records.contains_key(id)
    }
}
