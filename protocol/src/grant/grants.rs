//! The rights of one repo, as a set: what was added decides, not when or in which order.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{FeedId, ProjectId, RepoId};

use crate::error::{GrantError, Reject};
use crate::feed::FeedName;
use crate::founding::FoundingRecord;
use crate::grant::{Grant, GrantRecord, Revocation, Role, Scope};
use crate::hash::GrantId;
use crate::key::DeviceKey;
use crate::limits::{
    GRANT_CHAIN_COUNT_MAX, GRANT_HEADS_COUNT_MAX, GRANTS_COUNT_MAX, ORPHAN_GRANTS_COUNT_MAX,
    SHOWN_GRANTS_COUNT_MAX,
};
use crate::signed::Verified;

/// All rights of one repo.
#[derive(Debug, Clone)]
pub struct Grants {
    repo: RepoId,
    public: bool,
    founders: Vec<DeviceKey>,
    /// What counts: every record whose chain is here and narrows.
    records: BTreeMap<GrantId, GrantRecord>,
    /// What stands on a record that is not here yet, by that record.
    waiting: BTreeMap<GrantId, BTreeMap<GrantId, GrantRecord>>,
    /// The grants that derive from a grant.
    children: BTreeMap<GrantId, BTreeSet<GrantId>>,
    /// The grants of which a key is the subject.
    subjects: BTreeMap<DeviceKey, BTreeSet<GrantId>>,
    /// The revocations of a grant.
    revoked: BTreeMap<GrantId, BTreeSet<GrantId>>,
    /// What some record has seen: everything but the heads.
    seen: BTreeSet<GrantId>,
}

/// Why a record cannot be placed.
enum Misfit {
    /// It stands on this one, which is not here.
    Waits(GrantId),
    /// It can never be valid.
    Wrong(GrantError),
}

impl From<GrantError> for Misfit {
    fn from(error: GrantError) -> Self {
        Misfit::Wrong(error)
    }
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
            waiting: BTreeMap::new(),
            children: BTreeMap::new(),
            subjects: BTreeMap::new(),
            revoked: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Adds a record after checking signature, repo and that it is not wider than what it derives from.
    pub fn add(&mut self, record: GrantRecord) -> Result<Added, Reject> {
        let id = record.id();
        if self.records.contains_key(&id) {
            return Ok(Added::Known);
        }
        if self.records.len() >= GRANTS_COUNT_MAX {
            return Err(too_many(self.records.len(), GRANTS_COUNT_MAX));
        }
        check_signed(&record, self.repo)?;
        self.settle(id, record)
    }

    /// Places a record whose signature holds, and then those that waited for it.
    fn settle(&mut self, id: GrantId, record: GrantRecord) -> Result<Added, Reject> {
        match self.check(&record) {
            Ok(()) => self.insert(id, record),
            Err(Misfit::Waits(on)) => return self.wait(on, id, record),
            Err(Misfit::Wrong(error)) => return Err(error.into()),
        }
        let mut arrived = vec![id];
        while let Some(next) = arrived.pop() {
            for (id, record) in self.waiting.remove(&next).unwrap_or_default() {
                match self.check(&record) {
                    Ok(()) => {
                        self.insert(id, record);
                        arrived.push(id);
                    }
                    Err(Misfit::Waits(on)) => {
                        self.waiting.entry(on).or_default().insert(id, record);
                    }
                    Err(Misfit::Wrong(_)) => {}
                }
            }
        }
        Ok(Added::New)
    }

    fn wait(&mut self, on: GrantId, id: GrantId, record: GrantRecord) -> Result<Added, Reject> {
        let count: usize = self.waiting.values().map(BTreeMap::len).sum();
        let waiting = self.waiting.entry(on).or_default();
        if count >= ORPHAN_GRANTS_COUNT_MAX && !waiting.contains_key(&id) {
            return Err(too_many(count, ORPHAN_GRANTS_COUNT_MAX));
        }
        waiting.insert(id, record);
        Ok(Added::Waiting)
    }

    fn insert(&mut self, id: GrantId, record: GrantRecord) {
        match &record {
            GrantRecord::Grant(grant) => {
                let grant = grant.claimed();
                self.subjects.entry(grant.subject).or_default().insert(id);
                self.seen.extend(grant.seen.iter().chain(&grant.parent));
                if let Some(parent) = grant.parent {
                    self.children.entry(parent).or_default().insert(id);
                }
            }
            GrantRecord::Revocation(revocation) => {
                let revocation = revocation.claimed();
                self.revoked.entry(revocation.grant).or_default().insert(id);
                self.seen.extend(revocation.seen.iter().chain(&revocation.authority));
                self.seen.insert(revocation.grant);
            }
        }
        self.records.insert(id, record);
    }

    /// Whether a record fits what it stands on. Never asks about expiry or revocation: those decide what a
    /// grant is worth, not whether it is one, so that the order of arrival decides nothing.
    fn check(&self, record: &GrantRecord) -> Result<(), Misfit> {
        match record {
            GrantRecord::Grant(grant) => self.check_grant(grant.claimed()),
            GrantRecord::Revocation(revocation) => self.check_revocation(revocation.claimed()),
        }
    }

    fn check_grant(&self, grant: &Grant) -> Result<(), Misfit> {
        let Some(parent) = grant.parent else {
            let first = grant.depth == 1;
            return match self.is_founder(&grant.issuer) {
                true if first => Ok(()),
                true => Err(GrantError::Chain.into()),
                false => Err(GrantError::Issuer.into()),
            };
        };
        Ok(narrows(self.placed(parent)?, grant)?)
    }

    fn check_revocation(&self, revocation: &Revocation) -> Result<(), Misfit> {
        let target = self.placed(revocation.grant)?;
        let above = self.chain_of(revocation.grant);
        let gave = above.iter().any(|(_, grant)| grant.issuer == revocation.issuer);
        if gave || self.is_founder(&revocation.issuer) {
            return Ok(());
        }
        let authority = self.placed(revocation.authority.ok_or(GrantError::Revoker)?)?;
        let may = authority.subject == revocation.issuer
            && authority.role == Role::Admin
            && authority.scope.covers(&target.scope);
        if may { Ok(()) } else { Err(GrantError::Revoker.into()) }
    }

    /// A grant that is here.
    fn placed(&self, id: GrantId) -> Result<&Grant, Misfit> {
        match self.records.get(&id) {
            Some(GrantRecord::Grant(grant)) => Ok(grant.claimed()),
            Some(GrantRecord::Revocation(_)) => Err(GrantError::Chain.into()),
            None => Err(Misfit::Waits(id)),
        }
    }

    /// Every grant, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = (GrantId, &Grant)> {
        self.records.keys().filter_map(|id| Some((*id, self.placed(*id).ok()?)))
    }

    /// Why a grant gives nothing any more at `at_ms`, if it does not.
    pub fn ended(&self, id: GrantId, at_ms: u64) -> Option<Held> {
        self.worth(id, at_ms, None).err()
    }

    /// The grants from `id` up to the founder's.
    pub fn chain_of(&self, id: GrantId) -> Vec<(GrantId, &Grant)> {
        let mut chain = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let Ok(grant) = self.placed(id) else { break };
            chain.push((id, grant));
            next = grant.parent;
        }
        chain
    }

    /// Whether `key` holds `role` in `project` at `at_ms`, and no revocation touches it.
    pub fn may(&self, key: &DeviceKey, role: Role, project: ProjectId, at_ms: u64) -> bool {
        let scope = Scope::Project(project);
        self.holds(key, role, at_ms, |grant| grant.scope.covers(&scope))
    }

    /// Whether `key` holds `role` anywhere in the repo at `at_ms`.
    pub fn may_anywhere(&self, key: &DeviceKey, role: Role, at_ms: u64) -> bool {
        self.holds(key, role, at_ms, |_| true)
    }

    fn holds(&self, key: &DeviceKey, role: Role, at_ms: u64, fits: impl Fn(&Grant) -> bool) -> bool {
        if self.is_founder(key) || (self.public && role == Role::Read) {
            return true;
        }
        let mut given = self.given(key).filter(|(_, grant)| grant.role >= role && fits(grant));
        given.any(|(id, _)| self.worth(id, at_ms, None).is_ok())
    }

    /// Whether what `key` wrote as number `seq` (from 1) of its feed in `project` counts. `at_ms` is the
    /// waypoint's own stamp, so that all nodes agree.
    pub fn standing(&self, key: &DeviceKey, project: ProjectId, seq: u64, at_ms: u64) -> Standing {
        self.standing_as(Role::Write, key, project, (seq, at_ms))
    }

    /// Whether `key` was an admin of `project` where it wrote number `seq` at a time by its own stamp.
    pub(crate) fn is_admin(&self, key: &DeviceKey, project: ProjectId, at: (u64, u64)) -> bool {
        self.standing_as(Role::Admin, key, project, at) == Standing::Admitted
    }

    /// Whether what `key` wrote there counts as the word of somebody who holds `role`.
    pub fn standing_as(
        &self,
        role: Role,
        key: &DeviceKey,
        project: ProjectId,
        (seq, at_ms): (u64, u64),
    ) -> Standing {
        if self.is_founder(key) {
            return Standing::Admitted;
        }
        let feed = FeedName { repo: self.repo, project, key: *key }.id();
        let scope = Scope::Project(project);
        let given = self.given(key).filter(|(_, grant)| grant.role >= role && grant.scope.covers(&scope));
        let mut standing = Standing::Ungranted;
        for (id, _) in given {
            standing = match (self.worth(id, at_ms, Some((feed, seq))), standing) {
                (Ok(()), _) => return Standing::Admitted,
                (Err(held), Standing::Held(other)) => Standing::Held(held.min(other)),
                (Err(held), _) => Standing::Held(held),
            };
        }
        standing
    }

    /// Why a grant is worth nothing at `at_ms`. A revocation leaves what lies `within` its cut.
    fn worth(&self, id: GrantId, at_ms: u64, within: Option<(FeedId, u64)>) -> Result<(), Held> {
        let mut expired = false;
        let mut spent = false;
        for (id, grant) in self.chain_of(id) {
            if !self.revocations(id).all(|revocation| is_within(revocation, within)) {
                return Err(Held::Revoked);
            }
            expired |= grant.not_after_ms.is_some_and(|end| at_ms > end);
            spent |= !self.is_counted(grant);
        }
        match (expired, spent) {
            (true, _) => Err(Held::Expired),
            (_, true) => Err(Held::Uses),
            _ => Ok(()),
        }
    }

    fn revocations(&self, id: GrantId) -> impl Iterator<Item = &Revocation> {
        let ids = self.revoked.get(&id).into_iter().flatten();
        ids.filter_map(|id| match self.records.get(id) {
            Some(GrantRecord::Revocation(revocation)) => Some(revocation.claimed()),
            _ => None,
        })
    }

    /// Whether a grant is among the subjects to whom its parent could be handed on: of each subject the
    /// smallest name, and of those the smallest, as many as the parent allows.
    fn is_counted(&self, grant: &Grant) -> bool {
        let Some(parent) = grant.parent else { return true };
        let Some(uses) = self.placed(parent).ok().and_then(|parent| parent.uses) else { return true };
        let children = self.children.get(&parent).into_iter().flatten();
        let mut subjects = Vec::new();
        for child in children.filter_map(|id| self.placed(*id).ok()) {
            if !subjects.contains(&child.subject) {
                subjects.push(child.subject);
            }
            if subjects.len() > uses as usize {
                return false;
            }
            if child.subject == grant.subject {
                return true;
            }
        }
        false
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
        let unseen = self.records.keys().filter(|id| !self.seen.contains(id));
        unseen.take(GRANT_HEADS_COUNT_MAX).copied().collect()
    }

    /// All records, in the order of their names.
    pub fn records(&self) -> impl Iterator<Item = &GrantRecord> {
        self.records.values()
    }

    /// The records that let `key` in, each after what it derives from: what it shows to a peer.
    pub fn chain(&self, key: &DeviceKey) -> Vec<GrantRecord> {
        let mut given: Vec<_> = self.given(key).collect();
        given.sort_by_key(|(id, grant)| (std::cmp::Reverse(grant.role), *id));
        let mut shown = BTreeSet::new();
        for (id, _) in given.into_iter().take(SHOWN_GRANTS_COUNT_MAX / GRANT_CHAIN_COUNT_MAX) {
            shown.extend(self.chain_of(id).into_iter().map(|(id, grant)| (grant.depth, id)));
        }
        shown.iter().filter_map(|(_, id)| self.records.get(id).cloned()).collect()
    }

    /// What somebody who holds nothing of the repo needs to judge what `key` wrote: the records that let it in, and what takes
    /// them back, each after what it derives from.
    pub fn evidence(&self, key: &DeviceKey) -> Vec<GrantRecord> {
        let mut evidence = self.chain(key);
        for id in evidence.iter().map(GrantRecord::id).collect::<Vec<_>>() {
            for revocation in self.revoked.get(&id).into_iter().flatten() {
                let Some(GrantRecord::Revocation(record)) = self.records.get(revocation) else { continue };
                let authority = record.claimed().authority.map_or(Vec::new(), |id| self.chain_of(id));
                let above = authority.iter().rev().filter_map(|(id, _)| self.records.get(id).cloned());
                evidence.extend(above.chain([GrantRecord::Revocation(record.clone())]));
            }
        }
        evidence
    }

    /// The grants of which `key` is the subject.
    pub fn of(&self, key: &DeviceKey) -> Vec<(GrantId, Grant)> {
        self.given(key).map(|(id, grant)| (id, grant.clone())).collect()
    }

    fn given(&self, key: &DeviceKey) -> impl Iterator<Item = (GrantId, &Grant)> {
        let ids = self.subjects.get(key).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.placed(*id).ok()?)))
    }

    /// Whether a record is here and counts.
    pub fn contains(&self, id: &GrantId) -> bool {
        self.records.contains_key(id)
    }
}

fn check_signed(record: &GrantRecord, repo: RepoId) -> Result<(), Reject> {
    let claimed = match record {
        GrantRecord::Grant(grant) => grant.clone().verify()?.repo,
        GrantRecord::Revocation(revocation) => revocation.clone().verify()?.repo,
    };
    if claimed == repo { Ok(()) } else { Err(Reject::Graft("repo")) }
}

/// Whether `grant` gives no more than `parent`, by the one it was given to.
fn narrows(parent: &Grant, grant: &Grant) -> Result<(), GrantError> {
    if grant.issuer != parent.subject {
        return Err(GrantError::Issuer);
    }
    if !parent.delegable {
        return Err(GrantError::NotDelegable);
    }
    if grant.depth != parent.depth.saturating_add(1) || usize::from(grant.depth) > GRANT_CHAIN_COUNT_MAX {
        return Err(GrantError::Chain);
    }
    let wider = [
        ("role", grant.role > parent.role),
        ("scope", !parent.scope.covers(&grant.scope)),
        ("end", is_wider(parent.not_after_ms, grant.not_after_ms)),
        ("uses", grant.delegable && is_wider(parent.uses, grant.uses)),
    ];
    match wider.iter().find(|(_, wider)| *wider) {
        Some((what, _)) => Err(GrantError::Wider(what)),
        None => Ok(()),
    }
}

/// Whether a bound is looser than the one above it; no bound is the loosest.
fn is_wider<T: Ord>(parent: Option<T>, child: Option<T>) -> bool {
    match (parent, child) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(parent), Some(child)) => child > parent,
    }
}

/// Whether number `seq` of a feed lies inside what a revocation leaves.
fn is_within(revocation: &Revocation, place: Option<(FeedId, u64)>) -> bool {
    let Some((feed, seq)) = place else { return false };
    match revocation.cut.binary_search_by_key(&feed, |(feed, _)| *feed) {
        Ok(found) => seq <= revocation.cut[found].1,
        Err(_) => false,
    }
}

fn too_many(found: usize, limit: usize) -> Reject {
    Reject::TooLarge { what: "grants of a repo", found: found as u64, limit: limit as u64 }
}

#[cfg(test)]
mod tests;
