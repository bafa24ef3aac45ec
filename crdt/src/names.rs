//! Waypoints in the order in which they came, found by their names: each name is kept once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::id::WaypointId;

/// Names by number, and numbers by name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: Vec<WaypointId>,
    /// The numbers by the first bytes of each name.
    numbers: BTreeMap<u64, u32>,
    /// Those of names that begin as one before them does.
    alike: BTreeMap<u64, Vec<u32>>,
    /// The number that was found last. Whoever asks goes on with a neighbour nearly always, which needs no search.
    last: AtomicU32,
}

impl Names {
    /// Adds a name; gives its number, unless it was there.
    pub(crate) fn push(&mut self, id: WaypointId) -> Option<u32> {
        let number = self.ids.len() as u32;
        let first = *self.numbers.entry(beginning(&id)).or_insert(number);
        if first != number {
            if self.search(&id).is_some() {
                return None;
            }
            self.alike.entry(beginning(&id)).or_default().push(number);
        }
        self.ids.push(id);
        *self.last.get_mut() = number;
        Some(number)
    }

    /// The number of a name.
    pub(crate) fn number(&self, id: &WaypointId) -> Option<u32> {
        let last = self.last.load(Ordering::Relaxed);
        let is_it = |number: &u32| self.id(*number) == Some(id);
        let near = [last, last.wrapping_add(1), last.wrapping_sub(1)].into_iter().find(is_it);
        let number = near.or_else(|| self.search(id))?;
        self.last.store(number, Ordering::Relaxed);
        Some(number)
    }

    fn search(&self, id: &WaypointId) -> Option<u32> {
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

    /// The names from one on, in their own order.
    fn range_from(&self, first: &WaypointId) -> impl Iterator<Item = &WaypointId> {
        let alike = |(beginning, number)| {
            let more = self.alike.get(beginning).into_iter().flatten();
            let mut ids: Vec<&WaypointId> =
                std::iter::once(number).chain(more).filter_map(|n| self.id(*n)).collect();
            ids.sort();
            ids
        };
        let first = *first;
        self.numbers.range(beginning(&first)..).flat_map(alike).skip_while(move |id| **id < first)
    }
}

/// What is known of waypoints, by their names, in the order in which they came.
#[derive(Debug)]
pub struct Named<T> {
    names: Names,
    known: Vec<T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { names: Names::default(), known: Vec::new() }
    }
}

impl<T> Named<T> {
    /// Takes in a waypoint; what is known of one already stays.
    pub fn insert(&mut self, id: WaypointId, known: T) {
        if self.names.push(id).is_some() {
            self.known.push(known);
        }
    }

    /// What is known of a waypoint.
    pub fn get(&self, id: &WaypointId) -> Option<&T> {
        self.known.get(self.names.number(id)? as usize)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: &WaypointId) -> Option<&mut T> {
        self.known.get_mut(self.names.number(id)? as usize)
    }

    /// Whether the waypoint is known.
    pub fn contains(&self, id: &WaypointId) -> bool {
        self.names.number(id).is_some()
    }

    /// All of them, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&WaypointId, &T)> {
        self.names.iter().zip(&self.known)
    }

    /// The names, in the order in which they came.
    pub fn names(&self) -> impl Iterator<Item = &WaypointId> {
        self.names.iter()
    }

    /// The names from one on, in their own order.
    pub fn range_from(&self, first: &WaypointId) -> impl Iterator<Item = &WaypointId> {
        self.names.range_from(first)
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
            assert_eq!(names.push(id(last)), Some(u32::from(last)));
        }
        for last in 0..20 {
            assert_eq!(names.number(&id(last)), Some(u32::from(last)));
            assert_eq!(names.id(last.into()), Some(&id(last)));
        }
        assert_eq!(names.id(20), None);
    }

    #[test]
    fn what_is_known_is_found_in_any_order_and_told_in_two() {
        let id = |number: u32| crate::id::WaypointId(crate::id::derive("test", &[&number.to_be_bytes()]));
        let mut named = Named::default();
        (0..1000).for_each(|number| named.insert(id(number), number));
        named.insert(id(7), 70);
        for number in (0..1000).rev().chain((0..1000).map(|n| n * 37 % 1000)) {
            assert_eq!(named.get(&id(number)), Some(&number));
        }
        assert_eq!(
            named.iter().map(|(_, number)| *number).collect::<Vec<_>>(),
            (0..1000).collect::<Vec<_>>()
        );
        let mut sorted: Vec<_> = named.names().copied().collect();
        sorted.sort();
        for at in [0, 1, 500, 999] {
            assert!(named.range_from(&sorted[at]).eq(&sorted[at..]));
        }
        assert!(!named.contains(&id(1000)));
    }

    #[test]
    fn names_that_begin_alike_are_told_in_their_own_order() {
        let id = |last: u8| {
            let mut id = WaypointId([7; 32]);
            id.0[31] = last;
            id
        };
        let mut named = Named::default();
        [9, 3, 7, 1].into_iter().for_each(|last| named.insert(id(last), last));
        assert!(named.range_from(&id(3)).eq(&[id(3), id(7), id(9)]));
    }
}
