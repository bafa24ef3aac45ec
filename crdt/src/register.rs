//! A value that several hands may write at once.
//!
//! In a frontier a register holds the writes that no other write has seen. More than one
//! distinct value is an overlap; who wins is decided by the values alone, never by a
//! clock, an author or the order of arrival.

use std::collections::BTreeMap;

use crate::encoding::Encoded;
use crate::graph::Graph;
use crate::id::WaypointId;
use crate::op::{Body, Place};
use crate::state::room_for_one;

/// One write of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write<T> {
    /// The waypoint that wrote it.
    pub(crate) by: WaypointId,
    /// What it wrote.
    pub(crate) value: T,
}

/// The writes that no other write has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Register<T> {
    writes: Vec<Write<T>>,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self { writes: Vec::new() }
    }
}

/// A value with a rank; the lowest wins. Equal ranks mean equal values.
pub(crate) trait Ranked: Ord {
    /// The length first, then the bytes, so that the shorter wins.
    fn rank(&self) -> (u64, Vec<u8>);
}

impl Ranked for Place {
    fn rank(&self) -> (u64, Vec<u8>) {
        (self.name.len() as u64, [&self.name[..], &self.to_bytes()].concat())
    }
}

impl Ranked for Body {
    fn rank(&self) -> (u64, Vec<u8>) {
        let length = match self {
            Body::Text { bytes, .. } | Body::Opaque { bytes, .. } | Body::Artifact { bytes, .. } => *bytes,
            Body::Link { target } => target.len() as u64,
        };
        (length, self.to_bytes())
    }
}

impl Ranked for bool {
    fn rank(&self) -> (u64, Vec<u8>) {
        (0, vec![u8::from(*self)])
    }
}

impl<T: Ord> Register<T> {
    /// Takes in a write. The writes that `by` has seen are gone; it must not itself have been seen.
    pub(crate) fn write(&mut self, by: WaypointId, value: T, graph: &Graph) {
        self.writes.retain(|write| !graph.is_ancestor(&write.by, &by));
        let at = self.writes.partition_point(|write| write.by < by);
        room_for_one(&mut self.writes);
        self.writes.insert(at, Write { by, value });
    }

    /// Takes in a write that some of those here may have seen already.
    pub(crate) fn join(&mut self, by: WaypointId, value: T, graph: &Graph) {
        if !self.writes.iter().any(|write| graph.is_ancestor(&by, &write.by)) {
            self.write(by, value, graph);
        }
    }

    /// Whether nobody has written.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The waypoints that wrote.
    pub(crate) fn writers(&self) -> impl Iterator<Item = &WaypointId> {
        self.writes.iter().map(|write| &write.by)
    }

    /// The value, where one hand wrote it last.
    pub(crate) fn only(&self) -> Option<&T> {
        match &self.writes[..] {
            [only] => Some(&only.value),
            _ => None,
        }
    }

    /// The distinct values and who wrote each.
    pub(crate) fn values(&self) -> BTreeMap<&T, Vec<WaypointId>> {
        let mut values = BTreeMap::<_, Vec<_>>::new();
        for write in &self.writes {
            values.entry(&write.value).or_default().push(write.by);
        }
        values
    }
}

impl<T: Ranked> Register<T> {
    /// The value that is shown.
    pub(crate) fn winner(&self) -> Option<&T> {
        match &self.writes[..] {
            [] => None,
            [only] => Some(&only.value),
            writes => writes.iter().map(|write| &write.value).min_by_key(|value| value.rank()),
        }
    }

    /// The distinct values, the one that is shown first.
    pub(crate) fn ranked(&self) -> Vec<(&T, Vec<WaypointId>)> {
        let mut values: Vec<_> = self.values().into_iter().collect();
        values.sort_by_cached_key(|(value, _)| value.rank());
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> WaypointId {
        WaypointId([n; 32])
    }

    fn link(target: &str) -> Body {
        Body::Link { target: target.into() }
    }

    #[test]
    fn a_later_write_replaces_and_a_concurrent_one_stays() {
        let mut graph = Graph::default();
        graph.insert(id(1), &[]).unwrap();
        graph.insert(id(2), &[id(1)]).unwrap();
        graph.insert(id(3), &[id(1)]).unwrap();
        let mut register = Register::default();
        register.write(id(1), link("first"), &graph);
        register.write(id(2), link("longer"), &graph);
        assert_eq!(register.winner(), Some(&link("longer")));
        register.write(id(3), link("short"), &graph);
        assert_eq!(register.winner(), Some(&link("short")));
        assert_eq!(register.ranked().len(), 2);
    }
}
