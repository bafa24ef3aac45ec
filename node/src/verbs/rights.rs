//! Rights as verbs give them and tell of them: who is meant, what is given, who holds what.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::RepoId;
use cairn_protocol::grant::{Grant, Grants, Role, Scope};
use cairn_protocol::hash::GrantId;
use cairn_protocol::{DeviceKey, Keypair, Replica};

use crate::error::NodeError;
use crate::net::key_of_peer;
use crate::owner::Owner;
use crate::peers::PeerBook;
use crate::{clock, entropy, identity};

/// The fewest digits of a key that may stand for it.
const KEY_DIGITS_MIN: usize = 4;

/// What is given to one key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) role: Role,
    pub(super) scope: Scope,
    pub(super) not_after_ms: Option<u64>,
    pub(super) uses: Option<u32>,
    pub(super) delegable: bool,
}

impl Terms {
    /// Signs the grant with the device key, as a founder or from a right that may be handed on, and stores it.
    pub(super) fn give(
        self,
        owner: &mut Owner,
        repo: RepoId,
        subject: DeviceKey,
    ) -> Result<Grant, NodeError> {
        let device = identity::device(owner.home())?;
        let grant = self.grant(owner.replica(repo)?.grants(), repo, device.key(), subject)?;
        owner.grant(repo, vec![grant.clone().sign(&device)?])?;
        match owner.replica(repo)?.grants().contains(&grant.id()) {
            true => Ok(grant),
            false => Err(NodeError::Refused("the grant was not taken".to_owned())),
        }
    }

    fn grant(
        self,
        grants: &Grants,
        repo: RepoId,
        issuer: DeviceKey,
        subject: DeviceKey,
    ) -> Result<Grant, NodeError> {
        let Self { role, scope, not_after_ms, uses, delegable } = self;
        let (seen, nonce) = (grants.heads(), entropy::random()?);
        let first = Grant {
            repo,
            issuer,
            subject,
            role,
            scope,
            delegable,
            depth: 1,
            not_after_ms,
            uses,
            parent: None,
            seen,
            nonce,
        };
        if grants.is_founder(&issuer) {
            return Ok(first);
        }
        let now_ms = clock::now_ms();
        let fits = |above: &Grant| above.delegable && above.role >= role && above.scope.covers(&scope);
        let mine = grants.of(&issuer).into_iter();
        let mine: Vec<_> =
            mine.filter(|(id, above)| fits(above) && grants.ended(*id, now_ms).is_none()).collect();
        let why = match mine.is_empty() {
            true => "this device may not give that right to others",
            false => {
                "this device may hand that right on to so many keys only, and did: ask for `cairn grant`"
            }
        };
        let mine = mine.into_iter().filter(|(id, above)| has_room(grants, id, above, &subject));
        // The one that binds least: no end and no bound come last in this order.
        let loosest = mine.max_by_key(|(_, above)| {
            let end = above.not_after_ms.unwrap_or(u64::MAX);
            (above.uses.unwrap_or(u32::MAX), end, std::cmp::Reverse(above.depth))
        });
        let (id, above) = loosest.ok_or_else(|| NodeError::Ungranted(why.to_owned()))?;
        Ok(Grant {
            parent: Some(id),
            depth: above.depth.saturating_add(1),
            not_after_ms: sooner(not_after_ms, above.not_after_ms),
            uses: sooner(uses, above.uses),
            ..first
        })
    }
}

/// All that `giver` can hand on to another key of its owner: everything, as a founder; else those of its rights that
/// may be handed on.
pub(super) fn handed_on(
    replica: &Replica,
    giver: &Keypair,
    subject: DeviceKey,
) -> Result<Vec<Grant>, NodeError> {
    let (grants, repo) = (replica.grants(), replica.id());
    if grants.is_founder(&giver.key()) {
        let all =
            Terms { role: Role::Admin, scope: Scope::All, not_after_ms: None, uses: None, delegable: true };
        return Ok(vec![all.grant(grants, repo, giver.key(), subject)?]);
    }
    let now_ms = clock::now_ms();
    let mine = grants.of(&giver.key()).into_iter();
    let may = |(id, above): &(_, Grant)| {
        above.delegable && grants.ended(*id, now_ms).is_none() && has_room(grants, id, above, &subject)
    };
    let mine = mine.filter(may);
    let hand_on = |(id, above): (_, Grant)| {
        let (issuer, parent, depth) = (giver.key(), Some(id), above.depth.saturating_add(1));
        let (seen, nonce) = (grants.heads(), entropy::random()?);
        Ok(Grant { issuer, subject, parent, depth, seen, nonce, ..above })
    };
    mine.map(hand_on).collect()
}

/// Whether a grant may be handed on to one more key. Of those that are too many the smallest names count, so that a
/// later one could shut out an earlier one.
fn has_room(grants: &Grants, id: &GrantId, above: &Grant, subject: &DeviceKey) -> bool {
    let Some(uses) = above.uses else { return true };
    let below = grants.all().filter(|(_, grant)| grant.parent == Some(*id));
    let guests: BTreeSet<DeviceKey> = below.map(|(_, grant)| grant.subject).collect();
    guests.contains(subject) || guests.len() < uses as usize
}

/// The tighter of two bounds; no bound is the loosest.
fn sooner<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The role that a word names.
pub(super) fn role(word: &str) -> Result<Role, NodeError> {
    match word {
        "read" => Ok(Role::Read),
        "write" => Ok(Role::Write),
        "admin" => Ok(Role::Admin),
        other => Err(NodeError::Usage(format!("{other:?} is no role: read, write or admin"))),
    }
}

/// The word for a role.
pub(super) fn word(role: Role) -> &'static str {
    match role {
        Role::Read => "read",
        Role::Write => "write",
        Role::Admin => "admin",
    }
}

/// What keys call themselves in a repo.
pub(super) fn names(replica: &Replica) -> BTreeMap<DeviceKey, String> {
    let mut names = BTreeMap::new();
    for (project, _) in replica.projects() {
        for feed in replica.feeds(project) {
            if let Some(profile) = replica.profile(project, feed.key) {
                names.insert(feed.key, profile.name);
            }
        }
    }
    names
}

/// The key that a word means: a device key, its first digits, the name of a peer, or what a key calls itself.
pub(super) fn who(owner: &Owner, replica: &Replica, word: &str) -> Result<DeviceKey, NodeError> {
    if let Some(key) = DeviceKey::from_hex(word).or_else(|| key_of_peer(word)) {
        return Ok(key);
    }
    let names = names(replica);
    let is_digits = word.len() >= KEY_DIGITS_MIN && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = word.to_ascii_lowercase();
    let is_meant = |key: &DeviceKey| {
        names.get(key).is_some_and(|name| name == word) || (is_digits && key.to_string().starts_with(&digits))
    };
    let known: BTreeSet<DeviceKey> = known(owner, replica).into_iter().filter(is_meant).collect();
    let mut known = known.into_iter();
    match (known.next(), known.next()) {
        (None, _) => Err(NodeError::NotFound { what: "key or author", name: word.to_owned() }),
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => {
            let candidates = [one, other].into_iter().chain(known);
            let told = candidates.map(|key| match names.get(&key) {
                Some(name) => format!("{key} ({name})"),
                None => key.to_string(),
            });
            Err(NodeError::Ambiguous { name: word.to_owned(), candidates: told.collect() })
        }
    }
}

/// The keys that a repo and its home have heard of.
fn known(owner: &Owner, replica: &Replica) -> Vec<DeviceKey> {
    let grants = replica.grants();
    let subjects = grants.all().map(|(_, grant)| grant.subject);
    let projects = replica.projects().map(|(project, _)| project);
    let authors = projects.flat_map(|project| replica.feeds(project)).map(|feed| feed.key);
    let mut known: Vec<_> = grants.founders().iter().copied().chain(subjects).chain(authors).collect();
    known.extend(PeerBook::load(owner.home()).iter().map(|(key, _)| key));
    known
}
