//! A frontier: the set of waypoints that stand for a version.

use crate::id::WaypointId;

/// A version: waypoints, none of which is an ancestor of another, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Frontier(Vec<WaypointId>);

impl Frontier {
    /// The version before anything was written.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// The waypoints in order.
    pub fn heads(&self) -> &[WaypointId] {
        &self.0
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<WaypointId> for Frontier {
    fn from_iter<I: IntoIterator<Item = WaypointId>>(ids: I) -> Self {
        let mut heads: Vec<_> = ids.into_iter().collect();
        heads.sort();
        heads.dedup();
        Self(heads)
    }
}
