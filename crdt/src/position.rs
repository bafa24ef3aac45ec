//! Places among siblings as byte strings, with room between any two.
//!
//! Siblings that one author puts into one gap share a prefix that is made of their text. So
//! runs that two authors put into the same gap stand one behind the other, in the order of
//! their texts, and never interleave; and the same run put there twice is in one place.

use crate::id::derive;
use crate::op::POSITION_BYTES_MAX;

/// How much of a run's text its prefix carries.
const TEXT_BYTES: usize = 16;

/// Positions for `count` siblings between two others; `None` when they would be too long.
pub(crate) fn run(lo: Option<&[u8]>, hi: Option<&[u8]>, text: &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let mut prefix = between(lo, hi)?;
    let shown = text.trim_ascii_start();
    prefix.extend_from_slice(shown.get(..TEXT_BYTES).unwrap_or(shown));
    let hash = derive("cairn 1 run", &[text]);
    prefix.extend_from_slice(hash.get(..4)?);
    let number = |index: usize| (index as u32 + 1).to_be_bytes();
    let positions = (0..count).map(|index| [&prefix[..], &number(index)[1..]].concat());
    let fits = prefix.len() + 3 <= POSITION_BYTES_MAX && count < 1 << 24;
    fits.then(|| positions.collect())
}

/// Fresh positions for all siblings.
pub(crate) fn even(count: usize) -> Vec<Vec<u8>> {
    (1..=count as u32).map(|number| number.to_be_bytes().to_vec()).collect()
}

/// A string between two others that is the beginning of neither: what is appended to it stays between them.
fn between(lo: Option<&[u8]>, hi: Option<&[u8]>) -> Option<Vec<u8>> {
    let lo = lo.unwrap_or_default();
    let mut hi = hi;
    let mut found = Vec::new();
    for at in 0..POSITION_BYTES_MAX {
        let low = lo.get(at).copied();
        let floor = u16::from(low.unwrap_or(0));
        let ceiling = match hi {
            Some(hi) => u16::from(*hi.get(at)?),
            None => 256,
        };
        if ceiling > floor + 1 {
            found.push(inside(floor, ceiling, low.is_some(), hi.is_some()));
            return Some(found);
        }
        if floor > ceiling {
            return None;
        }
        found.push(floor as u8);
        if ceiling > floor {
            hi = None;
        }
    }
    None
}

/// A byte between two others. Where one side is open it stays near the other, since texts
/// mostly grow at their ends.
fn inside(floor: u16, ceiling: u16, low: bool, high: bool) -> u8 {
    let room = ceiling - floor;
    let step = match (low, high) {
        (true, false) => room.div_ceil(16),
        (false, true) => room - room.div_ceil(16),
        _ => room / 2,
    };
    (floor + step.clamp(1, room - 1)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn there_is_always_room(picks in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
            let mut all: Vec<Vec<u8>> = even(3);
            for (pick, text) in picks {
                let at = pick.index(all.len() + 1);
                let lo = at.checked_sub(1).map(|at| all[at].clone());
                let hi = all.get(at).cloned();
                let Some(fresh) = run(lo.as_deref(), hi.as_deref(), &[text], 2) else { break };
                prop_assert!(lo.is_none_or(|lo| lo < fresh[0]) && fresh[0] < fresh[1]);
                prop_assert!(hi.is_none_or(|hi| fresh[1] < hi));
                all.splice(at..at, fresh);
            }
        }
    }

    #[test]
    fn a_text_that_grows_at_its_end_has_short_positions() {
        let mut last = vec![0, 0, 0, 9];
        for _ in 0..200 {
            last = run(Some(&last), None, b"fn some_name() {}", 1).unwrap().remove(0);
        }
        assert!(last.len() < 200, "{}", last.len());
    }

    #[test]
    fn concurrent_runs_in_one_gap_do_not_interleave() {
        let (lo, hi) = ([0, 0, 0, 1], [0, 0, 0, 2]);
        let a = run(Some(&lo), Some(&hi), b"fn a() {}", 3).unwrap();
        let b = run(Some(&lo), Some(&hi), b"fn b() {}", 3).unwrap();
        assert!(a[2] < b[0]);
    }

    #[test]
    fn no_room_is_said_and_not_guessed() {
        assert_eq!(between(Some(b"a"), Some(b"a\0")), None);
        assert_eq!(between(Some(b"b"), Some(b"a")), None);
    }
}
