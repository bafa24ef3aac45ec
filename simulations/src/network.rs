//! The wires between peers: slow, lossy, repeating and reordering, and cut at will.

use std::collections::BTreeSet;

use crate::rng::Rng;

/// How bad the wires are.
#[derive(Debug, Clone)]
pub struct Weather {
    /// The shortest time that a message travels.
    pub latency_min_ms: u64,
    /// The longest time; messages overtake each other inside this span.
    pub latency_max_ms: u64,
    /// Messages in a hundred that never arrive.
    pub loss_percent: u64,
    /// Messages in a hundred that arrive twice.
    pub duplicate_percent: u64,
}

impl Default for Weather {
    fn default() -> Self {
        Self { latency_min_ms: 1, latency_max_ms: 120, loss_percent: 5, duplicate_percent: 5 }
    }
}

/// Which peers can reach which, and how well.
#[derive(Debug, Default)]
pub struct Network {
    /// How bad the wires are.
    pub weather: Weather,
    links: BTreeSet<(usize, usize)>,
    cuts: BTreeSet<(usize, usize)>,
}

impl Network {
    /// Lays a wire between two peers.
    pub fn link(&mut self, a: usize, b: usize) {
        self.links.insert(pair(a, b));
    }

    /// Whether a message from one gets to the other now.
    pub fn reaches(&self, a: usize, b: usize) -> bool {
        let pair = pair(a, b);
        self.links.contains(&pair) && !self.cuts.contains(&pair)
    }

    /// The peers that `a` has a wire to, cut or not.
    pub fn neighbours(&self, a: usize) -> Vec<usize> {
        let other = |&(x, y): &(usize, usize)| match a {
            _ if x == a => Some(y),
            _ if y == a => Some(x),
            _ => None,
        };
        self.links.iter().filter_map(other).collect()
    }

    /// Cuts every wire between the two sides; returns the wires that were whole.
    pub fn cut(&mut self, inside: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
        let crossing = |&&(a, b): &&(usize, usize)| inside(a) != inside(b);
        let hit: Vec<_> = self.links.iter().filter(crossing).copied().collect();
        hit.into_iter().filter(|pair| self.cuts.insert(*pair)).collect()
    }

    /// Mends every wire; returns those that were cut.
    pub fn heal(&mut self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.cuts).into_iter().collect()
    }

    /// When the copies of one message arrive: none, one or two delays.
    pub fn delays(&self, rng: &mut Rng) -> Vec<u64> {
        let weather = &self.weather;
        if rng.chance(weather.loss_percent) {
            return Vec::new();
        }
        let copies = if rng.chance(weather.duplicate_percent) { 2 } else { 1 };
        (0..copies).map(|_| rng.between(weather.latency_min_ms, weather.latency_max_ms)).collect()
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_parts_the_sides_and_heals() {
        let mut network = Network::default();
        network.link(0, 1);
        network.link(1, 2);
        assert_eq!(network.cut(|peer| peer == 0), vec![(0, 1)]);
        assert!(!network.reaches(1, 0) && network.reaches(2, 1));
        assert_eq!(network.heal(), vec![(0, 1)]);
        assert!(network.reaches(0, 1));
        assert_eq!(network.neighbours(1), vec![0, 2]);
    }
}
