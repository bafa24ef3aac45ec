//! Numbers that look random and are the same for the same seed, so that a run can be repeated.

/// A stream of numbers (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// The stream of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        match u64::try_from(end) {
            Ok(end) if end > 0 => (self.roll() % end) as usize,
            _ => 0,
        }
    }

    /// A number from `start` up to `end`, which is left out.
    pub(super) fn within(&mut self, start: usize, end: usize) -> usize {
        start + self.below(end.saturating_sub(start))
    }

    /// One of them.
    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// Puts them into any order.
    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (1..all.len()).rev() {
            let at = self.below(end + 1);
            all.swap(end, at);
        }
    }

    /// Deals `count` things to `sides`, so that each side gets one if there are enough.
    pub(super) fn deal(&mut self, count: usize, sides: usize) -> Vec<usize> {
        let mut dealt: Vec<usize> =
            (0..count).map(|at| if at < sides { at } else { self.below(sides) }).collect();
        self.shuffle(&mut dealt);
        dealt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_stream_and_each_side_its_share() {
        let roll = |seed| (0..20).map(|_| Dice::new(seed).below(1000)).collect::<Vec<_>>();
        assert_eq!(roll(7), roll(7));
        for seed in 0..50 {
            let dealt = Dice::new(seed).deal(3, 3);
            assert!((0..3).all(|side| dealt.contains(&side)), "{dealt:?}");
        }
        assert_eq!(Dice::new(1).below(0), 0);
    }
}
