//! Whether every hunk of a leaf is accounted for.
//!
//! A hunk takes effect, or another one names it as settled, or an alternative lists it and
//! holds its text. What is left may only be a second hunk that says what the text shows anyway.

use std::collections::BTreeSet;

use crate::id::HunkId;
use crate::leaf::resolve::Resolution;
use crate::leaf::weave::Weave;

/// The hunks that are in none of these cases.
pub(super) fn silent(weave: &Weave<'_>, resolution: &Resolution) -> Vec<HunkId> {
    let settled: BTreeSet<_> = weave.hunks.iter().flat_map(|hunk| &hunk.settles).collect();
    let hidden = (0..weave.len()).filter(|hunk| !resolution.stands[*hunk]);
    let hidden: Vec<_> = hidden.filter(|hunk| !settled.contains(&weave.ids[*hunk])).collect();
    if hidden.is_empty() {
        return Vec::new();
    }
    let mut taken = vec![false; weave.order.len()];
    (0..weave.len()).flat_map(|hunk| weave.takes(hunk)).for_each(|token| taken[token] = true);
    let live: BTreeSet<_> = resolution.live.iter().copied().collect();
    let shown: Vec<u8> = resolution.live.iter().flat_map(|token| weave.text(*token)).copied().collect();
    let overlaps = resolution.clashes.iter().filter_map(|clash| clash.overlap.as_ref());
    let sides: Vec<_> = overlaps.flat_map(|overlap| &overlap.alternatives).collect();
    let holds = |text: &[u8], hunk: usize| {
        let mut left = weave.inserted(hunk).filter(|token| !taken[*token]);
        left.all(|token| holds(text, weave.text(token)))
    };
    let agreed = resolution.clashes.iter().filter(|clash| clash.overlap.is_none());
    let agreed: BTreeSet<_> = agreed.flat_map(|clash| clash.hidden.iter().copied()).collect();
    let is_told = |hunk: &usize| {
        let named = sides.iter().filter(|side| side.hunks.binary_search(&weave.ids[*hunk]).is_ok());
        let gone = weave.takes(*hunk).all(|token| !live.contains(&token));
        let said = (gone || agreed.contains(hunk)) && holds(&shown, *hunk);
        said || named.into_iter().any(|side| holds(&side.bytes, *hunk))
    };
    hidden.into_iter().filter(|hunk| !is_told(hunk)).map(|hunk| weave.ids[hunk]).collect()
}

fn holds(text: &[u8], token: &[u8]) -> bool {
    let token = token.trim_ascii();
    token.is_empty() || text.windows(token.len()).any(|part| part == token)
}
