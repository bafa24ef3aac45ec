//! `revoke`: takes back what a key may do. What it wrote until now stays; what it writes from now on is held.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{FeedId, RepoId};
use cairn_protocol::grant::{Grant, Grants, Revocation, Role};
use cairn_protocol::hash::GrantId;
use cairn_protocol::{DeviceKey, Keypair, Replica};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::grant::{Right, rights};
use crate::verbs::identity::Missed;
use crate::verbs::rights::{Terms, who};
use crate::verbs::{Here, Site};
use crate::{clock, entropy, identity};

/// What `revoke` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Whose rights: a device key or its first digits, a peer, a name; the key of a link.
    pub who: String,
    /// Whether those whom it let in stay: they are given the same by this device.
    pub keep: bool,
    /// Whether in every repo of the home where that key holds a right: a device that was lost.
    #[serde(default)]
    pub all_repos: bool,
}

/// What `revoke` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// What was taken back.
    pub revoked: Vec<Right>,
    /// What ended with it: rights that others had from that key.
    pub lost: Vec<Right>,
    /// What this device gave to those who stay.
    pub kept: Vec<Right>,
    /// How many waypoints of those keys are here, and go on to count.
    pub waypoints: u64,
    /// The same of the other repos, where it was asked for in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Answer>,
    /// Repos where the key holds a right that this device cannot take back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<Missed>,
}

/// Takes back every right of one key.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    if args.all_repos {
        return everywhere(owner, args);
    }
    let repo = Site::open(owner, &args.here)?.place.repo;
    let key = who(owner, owner.replica(repo)?, &args.who)?;
    revoke(owner, repo, key, args)
}

/// In every repo of the home; what cannot be taken back in one does not keep it from the others.
fn everywhere(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let repos = owner.repos();
    let mut keys = BTreeSet::new();
    for repo in &repos {
        match who(owner, owner.replica(*repo)?, &args.who) {
            Ok(key) => {
                keys.insert(key);
            }
            Err(NodeError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let mut keys = keys.into_iter();
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) => key,
        (None, _) => return Err(nothing_held(&args.who)),
        (Some(one), Some(other)) => {
            let candidates = [one, other].into_iter().chain(keys).map(|key| key.to_string()).collect();
            return Err(NodeError::Ambiguous { name: args.who.clone(), candidates });
        }
    };
    let (mut answers, mut missed, mut first) = (Vec::new(), Vec::new(), None);
    for repo in repos {
        match revoke(owner, repo, key, args) {
            Ok(answer) => answers.push(answer),
            Err(NodeError::NotFound { .. }) => {}
            Err(error) => {
                missed.push(Missed { repo: repo.to_string(), reason: error.to_string() });
                first.get_or_insert(error);
            }
        }
    }
    let mut answers = answers.into_iter();
    let Some(one) = answers.next() else { return Err(first.unwrap_or_else(|| nothing_held(&args.who))) };
    Ok(Answer { others: answers.collect(), missed, ..one })
}

fn nothing_held(who: &str) -> NodeError {
    NodeError::NotFound { what: "right held by a key", name: who.to_owned() }
}

fn revoke(owner: &mut Owner, repo: RepoId, key: DeviceKey, args: &Args) -> Result<Answer, NodeError> {
    let device = identity::device(owner.home())?;
    let replica = owner.replica(repo)?;
    let grants = replica.grants();
    if grants.is_founder(&key) {
        return Err(NodeError::Refused(
            "what a founder may do comes from the founding and is not taken back".to_owned(),
        ));
    }
    let now_ms = clock::now_ms();
    let holds = |id: &GrantId| grants.ended(*id, now_ms).is_none();
    let targets: Vec<_> = grants.of(&key).into_iter().filter(|(id, _)| holds(id)).collect();
    if targets.is_empty() {
        return Err(nothing_held(&args.who));
    }
    let is_target = |id: &GrantId| targets.iter().any(|(target, _)| target == id);
    let is_below =
        |id: &GrantId| !is_target(id) && grants.chain_of(*id).iter().any(|(above, _)| is_target(above));
    let below: Vec<(GrantId, Grant)> = grants
        .all()
        .filter(|(id, _)| holds(id) && is_below(id))
        .map(|(id, grant)| (id, grant.clone()))
        .collect();
    let (cut, waypoints) = cut(replica, &targets, &below)?;
    let mut records = Vec::new();
    for (id, target) in &targets {
        let authority = authority(grants, &device, *id, target, now_ms)?;
        let (seen, nonce) = (grants.heads(), entropy::random()?);
        let revocation =
            Revocation { repo, issuer: device.key(), grant: *id, authority, cut: cut.clone(), seen, nonce };
        records.push(revocation.sign(&device)?);
    }
    // Those who stay are given theirs first, so that nothing of theirs is held meanwhile.
    let kept = if args.keep { keep(owner, repo, &below)? } else { BTreeSet::new() };
    let before = rights(owner, owner.replica(repo)?)?;
    owner.grant(repo, records)?;
    told(owner, repo, &before, &targets, &kept, waypoints)
}

/// How far each feed of these keys goes here: what is written until now counts.
fn cut(
    replica: &Replica,
    targets: &[(GrantId, Grant)],
    below: &[(GrantId, Grant)],
) -> Result<(Vec<(FeedId, u64)>, u64), NodeError> {
    let keys: BTreeSet<DeviceKey> = targets.iter().chain(below).map(|(_, grant)| grant.subject).collect();
    let mut cut = BTreeMap::new();
    for (project, _) in replica.projects() {
        let feeds = replica.feeds(project).into_iter();
        cut.extend(
            feeds.filter(|feed| feed.n > 0 && keys.contains(&feed.key)).map(|feed| (feed.feed, feed.n)),
        );
    }
    if cut.len() > cairn_protocol::limits::CUT_FEEDS_COUNT_MAX {
        return Err(NodeError::Refused(format!(
            "{} feeds stand on this right: revoke those below it first",
            cut.len()
        )));
    }
    let waypoints = cut.values().sum();
    Ok((cut.into_iter().collect(), waypoints))
}

/// By what this device may take a grant back: nothing need be shown where it is a founder, or gave it or one above it.
fn authority(
    grants: &Grants,
    device: &Keypair,
    id: GrantId,
    target: &Grant,
    now_ms: u64,
) -> Result<Option<GrantId>, NodeError> {
    let gave = grants.chain_of(id).iter().any(|(_, grant)| grant.issuer == device.key());
    if gave || grants.is_founder(&device.key()) {
        return Ok(None);
    }
    let may = |(id, mine): &(GrantId, Grant)| {
        mine.role == Role::Admin && mine.scope.covers(&target.scope) && grants.ended(*id, now_ms).is_none()
    };
    let mine = grants.of(&device.key()).into_iter().find(may);
    let refused =
        || NodeError::Ungranted("only a founder, an admin, and who gave it take a right back".to_owned());
    mine.map(|(id, _)| Some(id)).ok_or_else(refused)
}

/// Gives those who came in by a right that ends the same from this device; the names of those grants.
///
/// Keys of links are left out: nobody else may come by what is closed.
fn keep(owner: &mut Owner, repo: RepoId, below: &[(GrantId, Grant)]) -> Result<BTreeSet<String>, NodeError> {
    let listed = rights(owner, owner.replica(repo)?)?;
    let is_link = |id: &GrantId| listed.iter().any(|right| right.link && right.grant == Some(id.to_string()));
    let mut kept = BTreeSet::new();
    for (_, grant) in below.iter().filter(|(id, _)| !is_link(id)) {
        let Grant { role, scope, not_after_ms, subject, .. } = *grant;
        let terms = Terms { role, scope, not_after_ms, uses: None, delegable: role == Role::Admin };
        kept.insert(terms.give(owner, repo, subject)?.id().to_string());
    }
    Ok(kept)
}

fn told(
    owner: &Owner,
    repo: RepoId,
    before: &[Right],
    targets: &[(GrantId, Grant)],
    kept: &BTreeSet<String>,
    waypoints: u64,
) -> Result<Answer, NodeError> {
    let after = rights(owner, owner.replica(repo)?)?;
    let held: BTreeSet<_> = before
        .iter()
        .filter(|right| right.state == "holds")
        .filter_map(|right| right.grant.clone())
        .collect();
    let ended = |right: &&Right| {
        right.state != "holds" && right.grant.as_ref().is_some_and(|grant| held.contains(grant))
    };
    let is_target = |right: &Right| targets.iter().any(|(id, _)| right.grant == Some(id.to_string()));
    let is_kept = |right: &Right| right.grant.as_ref().is_some_and(|grant| kept.contains(grant));
    let stays = |right: &Right| {
        after.iter().any(|other| other.key == right.key && other.state == "holds" && other.role == right.role)
    };
    let (revoked, lost): (Vec<_>, Vec<_>) = after.iter().filter(ended).cloned().partition(is_target);
    if revoked.is_empty() {
        return Err(NodeError::Refused("the revocation was not taken".to_owned()));
    }
    Ok(Answer {
        repo: repo.to_string(),
        revoked,
        lost: lost.into_iter().filter(|right| !stays(right)).collect(),
        kept: after.iter().filter(|right| is_kept(right)).cloned().collect(),
        waypoints,
        ..Answer::default()
    })
}
