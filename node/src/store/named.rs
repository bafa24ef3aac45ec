//! The artifacts that waypoints name, as long as they have not faded.

use std::collections::BTreeSet;

use cairn_crdt::id::ArtifactId;
use cairn_crdt::op::{Body, Op};

use super::{Place, Store, Stored};
use crate::error::NodeError;

impl Store {
    /// Every artifact that a waypoint names whose body is here: on a branch or not, held or not, local or not.
    ///
    /// Where a body cannot be read, nobody knows what it names: that is an error, not an empty answer.
    pub fn named_artifacts(&self) -> Result<BTreeSet<ArtifactId>, NodeError> {
        let mut named = BTreeSet::new();
        for (feed, held) in &self.feeds {
            let mut place = 0;
            while place < held.n() {
                place = match self.load(Place { feed: *feed, place })? {
                    Stored::Gone(gone) => gone.start(place) + gone.count(),
                    stored => {
                        named.extend(artifacts_of(&stored)?);
                        place + 1
                    }
                };
            }
            self.each_relic(*feed, &mut |_, stored| {
                named.extend(artifacts_of(&stored)?);
                Ok(())
            })?;
        }
        Ok(named)
    }
}

fn artifacts_of(stored: &Stored) -> Result<Vec<ArtifactId>, NodeError> {
    let Stored::Body(waypoint) = stored else { return Ok(Vec::new()) };
    let ops = waypoint.ops().map_err(|reject| NodeError::Refused(reject.to_string()))?;
    Ok(ops.iter().filter_map(artifact_of).collect())
}

fn artifact_of(op: &Op) -> Option<ArtifactId> {
    match op {
        Op::Body { body: Body::Artifact { artifact, .. }, .. } => Some(*artifact),
        _ => None,
    }
}
