//! Which waypoint lies in whose past.
//!
//! One feed may write on several branches, so being earlier in a feed says nothing. Every
//! waypoint therefore stands in a *lane*, a chain in which each one is an ancestor of the
//! next, and knows how far it has seen into every other lane. A question about ancestry is
//! then one look into a map, however long the history is, and neighbours in a lane share
//! the map. Lanes depend on the order of arrival; the answers do not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::frontier::Frontier;
use crate::id::WaypointId;
use crate::names::Names;

/// The waypoint that is being drafted: everything is in its past, it is in the past of nothing.
pub(crate) const NEXT: WaypointId = WaypointId([0; 32]);

/// How far one waypoint has seen into the lanes other than its own.
type Seen = BTreeMap<u32, u32>;

#[derive(Debug)]
struct Spot {
    lane: u32,
    index: u32,
    seen: Arc<Seen>,
    parents: Parents,
}

/// What a waypoint stands on; nearly all stand on one.
#[derive(Debug)]
enum Parents {
    None,
    /// Its number.
    One(u32),
    Many(Box<[WaypointId]>),
}

/// The waypoints of one project and their ancestry.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    names: Names,
    /// The waypoints by number, in the order in which they came.
    spots: Vec<Spot>,
    /// The index of the last waypoint of each lane.
    tips: Vec<u32>,
    /// What lies in the past of waypoints that were taken in before it: from each such to those.
    absorbed: BTreeMap<WaypointId, Vec<WaypointId>>,
    /// Parents that are not here.
    missing: BTreeSet<WaypointId>,
    /// Whether one of them came, and what has it in its past does not know that yet.
    is_late: bool,
    /// Which of the first so many waypoints comes before which: parents first. Beyond, the numbers say it.
    ranks: Vec<u32>,
}

impl Spot {
    /// Whether `other` has seen this one through parents that are here.
    fn is_seen_by(&self, other: &Spot) -> bool {
        match self.lane == other.lane {
            true => self.index <= other.index,
            false => other.seen.get(&self.lane).is_some_and(|index| self.index <= *index),
        }
    }
}

impl Graph {
    /// Whether the waypoint is here.
    pub(crate) fn contains(&self, id: &WaypointId) -> bool {
        self.names.number(id).is_some()
    }

    /// The number of a waypoint, which it keeps.
    pub(crate) fn number(&self, id: &WaypointId) -> Option<u32> {
        self.names.number(id)
    }

    /// The waypoint with a number.
    pub(crate) fn name(&self, number: u32) -> Option<&WaypointId> {
        self.names.id(number)
    }

    fn spot(&self, id: &WaypointId) -> Option<&Spot> {
        self.spots.get(self.names.number(id)? as usize)
    }

    /// What a waypoint stands on.
    pub(crate) fn parents(&self, id: &WaypointId) -> &[WaypointId] {
        self.spot(id).map_or(&[], |spot| self.parents_of(spot))
    }

    fn parents_of<'a>(&'a self, spot: &'a Spot) -> &'a [WaypointId] {
        match &spot.parents {
            Parents::None => &[],
            Parents::One(number) => self.names.id(*number).map_or(&[], std::slice::from_ref),
            Parents::Many(parents) => parents,
        }
    }

    /// Takes in a waypoint; the first parent that is not here comes back as the error.
    pub(crate) fn insert(&mut self, id: WaypointId, parents: &[WaypointId]) -> Result<(), WaypointId> {
        if let Some(missing) = parents.iter().find(|parent| !self.contains(parent)) {
            return Err(*missing);
        }
        self.insert_detached(id, parents);
        Ok(())
    }

    /// Takes in a waypoint of which parents may be missing; they count as its past once they are absorbed.
    pub(crate) fn insert_detached(&mut self, id: WaypointId, parents: &[WaypointId]) {
        if self.contains(&id) {
            return;
        }
        let (lane, index) = self.next_in_lane(parents);
        let seen = self.seen_by(lane, parents);
        self.is_late |= self.missing.remove(&id);
        let names = &self.names;
        self.missing.extend(parents.iter().filter(|parent| names.number(parent).is_none()));
        let parents = match parents {
            [] => Parents::None,
            [only] => names.number(only).map_or_else(|| Parents::Many(parents.into()), Parents::One),
            _ => Parents::Many(parents.into()),
        };
        self.names.push(id);
        self.spots.push(Spot { lane, index, seen, parents });
    }

    /// Takes note of parents that came after those that stand on them. All waypoints, each after its parents; none where none
    /// came so.
    pub(crate) fn settle(&mut self) -> Option<Vec<WaypointId>> {
        if !std::mem::take(&mut self.is_late) {
            return None;
        }
        let order = self.parents_first();
        self.tips.clear();
        self.ranks = vec![0; order.len()];
        for (rank, number) in order.iter().enumerate() {
            let parents = self.spots.get(*number as usize).map(|spot| self.parents_of(spot).to_vec());
            let parents = parents.unwrap_or_default();
            let (lane, index) = self.next_in_lane(&parents);
            let seen = self.seen_by(lane, &parents);
            if let Some(spot) = self.spots.get_mut(*number as usize) {
                (spot.lane, spot.index, spot.seen) = (lane, index, seen);
            }
            if let Some(place) = self.ranks.get_mut(*number as usize) {
                *place = rank as u32;
            }
        }
        Some(order.into_iter().filter_map(|number| self.names.id(number)).copied().collect())
    }

    /// The numbers of all waypoints, each after those of its parents.
    fn parents_first(&self) -> Vec<u32> {
        let (mut order, mut is_met) = (Vec::with_capacity(self.spots.len()), vec![false; self.spots.len()]);
        for first in 0..self.spots.len() as u32 {
            let mut open = vec![(first, false)];
            while let Some((number, is_above)) = open.pop() {
                if is_above {
                    order.push(number);
                    continue;
                }
                let Some(met) = is_met.get_mut(number as usize).filter(|met| !**met) else { continue };
                *met = true;
                open.push((number, true));
                let parents = self.spots.get(number as usize).map_or(&[][..], |spot| self.parents_of(spot));
                open.extend(
                    parents.iter().filter_map(|id| self.names.number(id)).map(|number| (number, false)),
                );
            }
        }
        order
    }

    fn rank(&self, number: u32) -> u32 {
        self.ranks.get(number as usize).copied().unwrap_or(number)
    }

    /// Notes that waypoints lie in the past of one that was taken in before them.
    pub(crate) fn absorb(&mut self, above: WaypointId, past: &[WaypointId]) {
        for id in past.iter().filter(|id| !self.is_seen(id, &above)).copied().collect::<Vec<_>>() {
            let known = self.absorbed.entry(id).or_default();
            if !known.contains(&above) {
                known.push(above);
            }
        }
    }

    /// The lane of the first parent that nobody has followed yet, else any such lane whose last waypoint lies in the past,
    /// or a new one. So there are never more lanes than hands that ever wrote at once.
    fn next_in_lane(&mut self, parents: &[WaypointId]) -> (u32, u32) {
        let spots = || parents.iter().filter_map(|parent| self.spot(parent));
        let own = spots().map(|spot| (spot.lane, spot.index));
        let below = spots().flat_map(|spot| spot.seen.iter().map(|(lane, index)| (*lane, *index)));
        let is_free = |(lane, index): &(u32, u32)| self.tips.get(*lane as usize) == Some(index);
        match own.chain(below).find(is_free) {
            Some((lane, index)) => {
                if let Some(tip) = self.tips.get_mut(lane as usize) {
                    *tip = index + 1;
                }
                (lane, index + 1)
            }
            None => {
                self.tips.push(0);
                (self.tips.len() as u32 - 1, 0)
            }
        }
    }

    fn seen_by(&self, lane: u32, parents: &[WaypointId]) -> Arc<Seen> {
        if let [only] = parents
            && let Some(only) = self.spot(only).filter(|only| only.lane == lane)
        {
            return only.seen.clone();
        }
        let mut seen = Seen::new();
        for spot in parents.iter().filter_map(|parent| self.spot(parent)) {
            let own = std::iter::once((spot.lane, spot.index));
            for (other, index) in spot.seen.iter().map(|(lane, index)| (*lane, *index)).chain(own) {
                let best = seen.entry(other).or_insert(index);
                *best = index.max(*best);
            }
        }
        seen.remove(&lane);
        Arc::new(seen)
    }

    /// Whether `a` is `b` or lies in its past.
    pub(crate) fn is_ancestor(&self, a: &WaypointId, b: &WaypointId) -> bool {
        if a == b || *b == NEXT || self.is_seen(a, b) {
            return true;
        }
        self.absorbs(a, b)
    }

    /// Whether `a` lies in the past of something that was taken in before it, and that is `b` or lies in its past.
    ///
    /// Whoever absorbs says it of all that is absorbed below, so one step is enough.
    fn absorbs(&self, a: &WaypointId, b: &WaypointId) -> bool {
        let is_below = |above: &WaypointId| above == b || self.is_seen(above, b);
        self.absorbed.get(a).is_some_and(|above| above.iter().any(is_below))
    }

    /// Whether `b` has seen `a` through parents that are here.
    fn is_seen(&self, a: &WaypointId, b: &WaypointId) -> bool {
        let (Some(a), Some(b)) = (self.spot(a), self.spot(b)) else { return false };
        a.is_seen_by(b)
    }

    /// Moves tips, none of which lies in another's past, on to a waypoint, unless it lies in the past of one.
    ///
    /// The waypoint is looked up once, each tip once: a branch that many write has many.
    pub(crate) fn advance(&self, tips: &mut BTreeSet<WaypointId>, id: WaypointId) {
        let at = self.spot(&id);
        let mut covered = Vec::new();
        for tip in tips.iter() {
            let pair = at.zip(self.spot(tip));
            if *tip == id || pair.is_some_and(|(at, tip)| at.is_seen_by(tip)) || self.absorbs(&id, tip) {
                return;
            }
            if pair.is_some_and(|(at, tip)| tip.is_seen_by(at)) || self.absorbs(tip, &id) {
                covered.push(*tip);
            }
        }
        for tip in covered {
            tips.remove(&tip);
        }
        tips.insert(id);
    }

    /// Whether `a` is one of `heads` or lies in the past of one.
    pub(crate) fn is_within(&self, a: &WaypointId, heads: &[WaypointId]) -> bool {
        heads.iter().any(|head| self.is_ancestor(a, head))
    }

    /// Those of `ids` that are here and lie in no other's past.
    pub(crate) fn frontier_of(&self, ids: impl IntoIterator<Item = WaypointId>) -> Frontier {
        let ids: BTreeSet<_> = ids.into_iter().filter(|id| self.contains(id)).collect();
        let hidden = |id: &WaypointId| ids.iter().any(|other| other != id && self.is_ancestor(id, other));
        ids.iter().filter(|id| !hidden(id)).copied().collect()
    }

    /// All waypoints that `heads` have; parents first, as far as they are here.
    pub(crate) fn past(&self, heads: &[WaypointId]) -> Vec<WaypointId> {
        if self.absorbed.is_empty() {
            return self.between(&[], heads);
        }
        let mut past: Vec<WaypointId> =
            self.names.iter().filter(|id| self.is_within(id, heads)).copied().collect();
        if !self.ranks.is_empty() {
            past.sort_by_key(|id| self.names.number(id).map(|number| self.rank(number)));
        }
        past
    }

    /// The waypoints that `heads` have and `known` lack, parents first.
    pub(crate) fn between(&self, known: &[WaypointId], heads: &[WaypointId]) -> Vec<WaypointId> {
        self.between_down_to(known, heads, |_| false)
    }

    /// The same, but not what lies below a waypoint that `is_floor`.
    pub(crate) fn between_down_to(
        &self,
        known: &[WaypointId],
        heads: &[WaypointId],
        is_floor: impl Fn(&WaypointId) -> bool,
    ) -> Vec<WaypointId> {
        let mut found = BTreeMap::new();
        let mut open = heads.to_vec();
        let mut met = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !met.insert(id) || self.is_within(&id, known) {
                continue;
            }
            if let Some(number) = self.names.number(&id) {
                found.insert(self.rank(number), id);
                if !is_floor(&id) {
                    open.extend(self.parents(&id));
                }
            }
        }
        found.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::derive;
    use proptest::prelude::*;

    fn id(n: usize) -> WaypointId {
        WaypointId(derive("test", &[&n.to_le_bytes()]))
    }

    fn graph(parents: &[Vec<usize>]) -> Graph {
        let mut graph = Graph::default();
        for (n, parents) in parents.iter().enumerate() {
            let parents: Vec<_> = parents.iter().map(|p| id(*p)).collect();
            graph.insert(id(n), &parents).unwrap();
        }
        graph
    }

    fn reaches(parents: &[Vec<usize>], from: usize, to: usize) -> bool {
        from == to || parents[from].iter().any(|parent| reaches(parents, *parent, to))
    }

    fn dag() -> impl Strategy<Value = Vec<Vec<usize>>> {
        proptest::collection::vec(proptest::collection::vec(any::<prop::sample::Index>(), 0..3), 1..24)
            .prop_map(|picks| {
                let nodes = picks.into_iter().enumerate();
                nodes
                    .map(|(n, picks)| match n {
                        0 => Vec::new(),
                        n => picks.iter().map(|pick| pick.index(n)).collect(),
                    })
                    .collect()
            })
    }

    proptest! {
        #[test]
        fn lanes_answer_as_a_walk_does(parents in dag()) {
            let graph = graph(&parents);
            for a in 0..parents.len() {
                for b in 0..parents.len() {
                    prop_assert_eq!(graph.is_ancestor(&id(a), &id(b)), reaches(&parents, b, a));
                }
            }
        }

        #[test]
        fn tips_move_on_to_what_lies_in_nobodys_past(parents in dag(), keys in proptest::collection::vec(any::<u8>(), 24)) {
            let graph = graph(&parents);
            let mut order: Vec<usize> = (0..parents.len()).collect();
            order.sort_by_key(|n| keys[*n]);
            let mut tips = BTreeSet::new();
            order.iter().for_each(|n| graph.advance(&mut tips, id(*n)));
            let is_top = |n: &usize| (0..parents.len()).all(|other| other == *n || !reaches(&parents, other, *n));
            prop_assert_eq!(tips, (0..parents.len()).filter(is_top).map(id).collect());
        }

        #[test]
        fn what_comes_in_any_order_is_told_alike_once_it_is_settled(parents in dag(), keys in proptest::collection::vec(any::<u8>(), 24)) {
            let mut order: Vec<usize> = (0..parents.len()).collect();
            order.sort_by_key(|n| keys[*n]);
            let mut graph = Graph::default();
            for (at, n) in order.iter().enumerate() {
                let parents: Vec<_> = parents[*n].iter().map(|p| id(*p)).collect();
                graph.insert_detached(id(*n), &parents);
                if at % 5 == 0 {
                    graph.settle();
                }
            }
            graph.settle();
            for a in 0..parents.len() {
                for b in 0..parents.len() {
                    prop_assert_eq!(graph.is_ancestor(&id(a), &id(b)), reaches(&parents, b, a));
                }
                let between = graph.between(&[], &[id(a)]);
                for (at, one) in between.iter().enumerate() {
                    prop_assert!(graph.parents(one).iter().all(|parent| between[..at].contains(parent)));
                }
            }
        }

        #[test]
        fn what_lies_between_is_a_difference_of_pasts(parents in dag(), a: prop::sample::Index, b: prop::sample::Index) {
            let graph = graph(&parents);
            let (a, b) = (a.index(parents.len()), b.index(parents.len()));
            let found: BTreeSet<_> = graph.between(&[id(a)], &[id(b)]).into_iter().collect();
            let expected = (0..parents.len()).filter(|n| reaches(&parents, b, *n) && !reaches(&parents, a, *n));
            prop_assert_eq!(found, expected.map(id).collect());
        }
    }

    #[test]
    fn hands_that_write_at_once_again_and_again_need_no_more_lanes() {
        let mut parents = vec![Vec::new()];
        for round in 0..20 {
            let joined = round * 5;
            parents.extend((1..=4).map(|_| vec![joined]));
            parents.push((1..=4).map(|hand| joined + hand).collect());
        }
        assert_eq!(graph(&parents).tips.len(), 4);
    }

    #[test]
    fn a_missing_parent_is_named() {
        let mut graph = Graph::default();
        assert_eq!(graph.insert(id(1), &[id(0)]), Err(id(0)));
        assert!(!graph.contains(&id(1)));
    }
}
