//! Whether an epoch begins with a mark, and with what.

use cairn_crdt::{CrdtError, Draft, Frontier};
use cairn_protocol::grant::Role;

use crate::clock;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Site;

/// What an epoch on top of a version begins with, or why none does.
pub(super) fn beginning(
    owner: &mut Owner,
    site: &Site,
    version: &Frontier,
) -> Result<Result<Draft, String>, NodeError> {
    let (place, key) = (site.place, site.key(owner));
    if !owner.replica(place.repo)?.grants().may(&key, Role::Admin, place.project, clock::now_ms()) {
        return Ok(Err("only an admin of the project begins one".to_owned()));
    }
    if place.branch(owner, site.branch())? != *version || site.frontier() != version {
        return Ok(Err(format!("this is not where {} and the worktree stand", site.branch())));
    }
    let (replica, store) = owner.with(place.repo)?;
    let documents =
        replica.documents_mut(place.project).ok_or(NodeError::Bug("a place without documents"))?;
    match documents.snapshot(version, store) {
        Ok(draft) => Ok(Ok(draft)),
        Err(CrdtError::Unsettled(count)) => Ok(Err(format!("{count} overlaps are not settled"))),
        Err(error) => Err(error.into()),
    }
}
