//! A device key that was copied is left for a new one: the old key hands on what it may, and what waits because
//! of the copy is built on by the new key, so that it counts.

use cairn_crdt::id::{ProjectId, RepoId, WaypointId};
use cairn_crdt::{Draft, Frontier};
use cairn_protocol::{DeviceKey, FeedName, Keypair, Labels};
use serde::{Deserialize, Serialize};

use super::{Answer, told};
use crate::error::NodeError;
use crate::owner::{Owner, Write};
use crate::verbs::rights::handed_on;
use crate::{clock, entropy, identity};

/// What became of what the old key had in one repo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The repo.
    pub repo: String,
    /// Whether the new key may write there; if not, it needs an invitation.
    pub granted: bool,
    /// What waited because the old key signed two histories, and counts now.
    pub kept: Vec<String>,
}

/// The grants come first: if the rest is cut off, a right for a key that nobody has does no harm.
pub(super) fn run(owner: &mut Owner) -> Result<Answer, NodeError> {
    let old = identity::device(owner.home())?;
    let secret: [u8; 32] = entropy::random()?;
    let key = Keypair::from_secret(&secret).key();
    for repo in owner.repos() {
        let grants = handed_on(owner.replica(repo)?, &old, key)?.into_iter();
        let grants = grants.map(|grant| grant.sign(&old)).collect::<Result<Vec<_>, _>>()?;
        if !grants.is_empty() {
            owner.grant(repo, grants)?;
        }
    }
    let kept = owner.renew(&secret)?;
    let mut repos = Vec::new();
    for repo in owner.repos() {
        repos.push(moved(owner, repo, old.key(), key)?);
    }
    told(owner, Some(kept.display().to_string()), repos)
}

fn moved(owner: &mut Owner, repo: RepoId, old: DeviceKey, key: DeviceKey) -> Result<Moved, NodeError> {
    let replica = owner.replica(repo)?;
    let now_ms = clock::now_ms();
    let projects: Vec<ProjectId> = replica.projects().map(|(project, _)| project).collect();
    let granted = projects.iter().any(|project| replica.may_write(&key, *project, now_ms));
    let mut kept = Vec::new();
    for project in projects {
        let replica = owner.replica(repo)?;
        if replica.may_write(&key, project, now_ms) {
            let feed = FeedName { repo, project, key: old }.id();
            for (id, branch) in replica.stranded(project, feed) {
                kept.push(adopt(owner, repo, project, id, branch)?.to_string());
            }
        }
    }
    Ok(Moved { repo: repo.to_string(), granted, kept })
}

/// Builds on a waypoint without changing anything: from then on it counts.
fn adopt(
    owner: &mut Owner,
    repo: RepoId,
    project: ProjectId,
    id: WaypointId,
    branch: String,
) -> Result<WaypointId, NodeError> {
    let labels = Labels { branch: Some(branch), ..Labels::default() };
    let (parents, draft) = (Frontier::from_iter([id]), Draft::default());
    owner.write(repo, Write { project, parents, draft, labels, key: None })?;
    Ok(id)
}
