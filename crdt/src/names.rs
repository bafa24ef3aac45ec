//! Waypoints in the order in which they came, found by their names: each name is kept once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::id::WaypointId;

/// Names by number, and numbers by name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: Vec<WaypointId>,
    /// The numbers by the first bytes of each name.
    numbers: BTreeMap<u64, u32>,
    /// Those of names that begin as one before them does.
    alike: BTreeMap<u64, Vec<u32>>,
}

impl Names {
    /// Adds a name that is not there yet; gives its number.
    pub(crate) fn push(&mut self, id: WaypointId) -> u32 {
        let number = self.ids.len() as u32;
        self.ids.push(id);
        match self.numbers.entry(beginning(&id)) {
            Entry::Vacant(new) => drop(new.insert(number)),
            Entry::Occupied(known) => self.alike.entry(*known.key()).or_default().push(number),
        }
        number
    }

    /// The number of a name.
    pub(crate) fn number(&self, id: &WaypointId) -> Option<u32> {
        let beginning = beginning(id);
        let first = *self.numbers.get(&beginning)?;
        if self.id(first) == Some(id) {
            return Some(first);
        }
        let alike = self.alike.get(&beginning)?;
        alike.iter().copied().find(|number| self.id(*number) == Some(id))
    }

    /// All names, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &WaypointId> {
        self.ids.iter()
    }

    /// The name with a number.
    pub(crate) fn id(&self, number: u32) -> Option<&WaypointId> {
        self.ids.get(number as usize)
    }
}

fn beginning(id: &WaypointId) -> u64 {
    id.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_alike_are_told_apart() {
        let id = |last: u8| {
            let mut id = WaypointId([7; 32]);
            id.0[31] = last;
            id
        };
        let mut names = Names::default();
        for last in 0..20 {
            assert_eq!(names.number(&id(last)), None);
            assert_eq!(names.push(id(last)), u32::from(last));
        }
        for last in 0..20 {
            assert_eq!(names.number(&id(last)), Some(u32::from(last)));
            assert_eq!(names.id(last.into()), Some(&id(last)));
        }
        assert_eq!(names.id(20), None);
    }
}
