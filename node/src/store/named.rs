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
                    Stored::Body(waypoint) => {
                        let ops = waypoint.ops().map_err(|reject| NodeError::Refused(reject.to_string()))?;
                        named.extend(ops.iter().filter_map(artifact_of));
                        place + 1
                    }
                    Stored::Gone(gone) => gone.start(place) + gone.count(),
                    Stored::Faded(_) => place + 1,
                };
            }
        }
        Ok(named)
    }
}

fn artifact_of(op: &Op) -> Option<ArtifactId> {
    match op {
        Op::Body { body: Body::Artifact { artifact, .. }, .. } => Some(*artifact),
        _ => None,
    }
}
