//! Who may read and write, and what happens when that changes.

use cairn_crdt::id::ProjectId;

use super::{Applied, Replica};
use crate::error::Reject;
use crate::grant::{Added, GrantRecord, Role};
use crate::key::DeviceKey;

impl Replica {
    /// Takes in grants and revocations; invalid ones are left out. Labels are read again.
    pub fn admit_grants(&mut self, records: &[GrantRecord], now_ms: u64) -> Applied {
        let mut applied = Applied::default();
        let mut changed = false;
        for record in records {
            changed |= matches!(self.grants.add(record.clone()), Ok(Added::New | Added::Waiting));
        }
        if changed {
            self.relabel(now_ms, &mut applied);
        }
        applied
    }

    /// Those of `records` that are valid and new, in an order in which they can be added.
    /// The first invalid one, if any, is the error beside them.
    pub fn new_grants(&self, records: &[GrantRecord]) -> (Vec<GrantRecord>, Option<Reject>) {
        let mut grants = self.grants.clone();
        let (mut new, mut refused) = (Vec::new(), None);
        for record in records {
            match grants.add(record.clone()) {
                Ok(Added::New | Added::Waiting) => new.push(record.clone()),
                Ok(Added::Known) => {}
                Err(reject) => refused = refused.or(Some(reject)),
            }
        }
        (new, refused)
    }

    /// Whether `key` may read `project`, or anything at all where `None`.
    pub fn may_read(&self, key: &DeviceKey, project: Option<ProjectId>, now_ms: u64) -> bool {
        self.is_public()
            || match project {
                Some(project) => self.grants.may(key, Role::Read, project, now_ms),
                None => self.grants.may_anywhere(key, Role::Read, now_ms),
            }
    }

    /// Whether `key` could read anything if `records` were added.
    pub fn may_read_with(&self, key: &DeviceKey, records: &[GrantRecord], now_ms: u64) -> bool {
        if self.may_read(key, None, now_ms) {
            return true;
        }
        let mut grants = self.grants.clone();
        for record in records {
            // An invalid record gives no right, which is all that matters here.
            let _ = grants.add(record.clone());
        }
        grants.may_anywhere(key, Role::Read, now_ms)
    }

    /// Whether `key` may write in `project` now.
    pub fn may_write(&self, key: &DeviceKey, project: ProjectId, now_ms: u64) -> bool {
        self.grants.may(key, Role::Write, project, now_ms)
    }

    /// Looks again at waypoints that were written ahead of this node's clock.
    pub fn release(&mut self, now_ms: u64) -> Applied {
        let mut applied = Applied::default();
        if self.future_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.relabel(now_ms, &mut applied);
        }
        applied
    }
}
