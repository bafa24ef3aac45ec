//! The order among sides of an overlap: by the text that a side leads to, and by nothing else.
//!
//! The shorter text is first, then the lower bytes, then the hunk's name; of two versions the higher one is.
//! Neither clock nor author nor arrival has a say, so no side can make itself win by anything but what it wrote.

use std::cmp::Reverse;

use crate::id::HunkId;
use crate::leaf::weave::Weave;
use crate::numbers::version;

/// How long a version counts as, however long it is written: as the shortest one.
const VERSION_BYTES: usize = "0.0.0".len();

/// A place in that order; the least wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    length: usize,
    version: Reverse<Option<Vec<u64>>>,
    text: Vec<u8>,
    id: HunkId,
}

/// The rank of a hunk with all that stands on it, as far as `counts` lets through.
pub(super) fn rank(weave: &Weave<'_>, hunk: usize, counts: impl Fn(usize) -> bool) -> Rank {
    let side = weave.reach(hunk, &weave.carries, counts);
    let mut places: Vec<usize> = Vec::new();
    for member in &side {
        places.extend(weave.inserted(*member).map(|token| weave.places[token]));
    }
    places.sort_unstable();
    for member in &side {
        for run in &weave.deleted[*member] {
            drop_run(weave, run, &side, &mut places);
        }
    }
    let text: Vec<u8> =
        places.into_iter().flat_map(|place| weave.text(weave.order[place])).copied().collect();
    let version = version(&text);
    let length = if version.is_some() { VERSION_BYTES } else { text.len() };
    Rank { length, version: Reverse(version), text, id: weave.ids[hunk] }
}

/// Takes the tokens of a run out of `places`, if they are the side's own.
fn drop_run(weave: &Weave<'_>, run: &std::ops::Range<usize>, side: &[usize], places: &mut Vec<usize>) {
    let own = weave.owner(run.start).is_some_and(|owner| side.binary_search(&owner).is_ok());
    if own {
        places.retain(|place| !run.contains(&weave.order[*place]));
    }
}
