//! Which thing of an old text is which of a new one.

use std::collections::{BTreeMap, BTreeSet};

use crate::token::tokenize;

/// How many pairs are compared by similarity; beyond that only equal texts are found.
const PAIRS_MAX: usize = 40_000;
/// The least similarity, in percent, at which two texts are one that was edited.
const SIMILAR_PERCENT: usize = 50;

/// A text that may be the same as another.
pub(crate) struct Candidate<'a, K> {
    /// Only candidates of one kind are compared.
    pub(crate) kind: K,
    /// Candidates with one name are preferred.
    pub(crate) name: &'a [u8],
    /// The text.
    pub(crate) text: &'a [u8],
}

/// How often each token comes in a text, blanks left out.
struct Profile<'a> {
    counts: BTreeMap<&'a [u8], usize>,
    total: usize,
}

impl<'a> Profile<'a> {
    fn of(text: &'a [u8]) -> Self {
        let mut counts = BTreeMap::new();
        let mut total = 0;
        for token in tokenize(text).into_iter().filter(|token| !token.trim_ascii().is_empty()) {
            *counts.entry(token).or_default() += token.len();
            total += token.len();
        }
        Self { counts, total }
    }

    /// The share of two texts that is in both, in percent; less than [`SIMILAR_PERCENT`] may be told as 0.
    fn similarity(&self, other: &Self) -> usize {
        if 200 * self.total.min(other.total) < SIMILAR_PERCENT * (self.total + other.total) {
            return 0;
        }
        let (few, many) = if self.counts.len() < other.counts.len() { (self, other) } else { (other, self) };
        let common = few.counts.iter().map(|(token, count)| *many.counts.get(token).unwrap_or(&0).min(count));
        let total = self.total + other.total;
        (200 * common.sum::<usize>()).checked_div(total).unwrap_or(100)
    }
}

/// Pairs of old and new texts: equal ones first, then the most similar.
pub(crate) fn pairs<K: Ord>(old: &[Candidate<'_, K>], new: &[Candidate<'_, K>]) -> Vec<(usize, usize)> {
    let mut found = equal_pairs(old, new);
    let left = |taken: BTreeSet<usize>, count: usize| (0..count).filter(move |n| !taken.contains(n));
    let old_left: Vec<_> = left(found.iter().map(|pair| pair.0).collect(), old.len()).collect();
    let new_left: Vec<_> = left(found.iter().map(|pair| pair.1).collect(), new.len()).collect();
    if old_left.len() * new_left.len() > PAIRS_MAX {
        return found;
    }
    let profiles: Vec<_> =
        new_left.iter().filter_map(|n| Some((*n, Profile::of(new.get(*n)?.text)))).collect();
    let mut ranked = Vec::new();
    for o in old_left {
        let Some(one) = old.get(o) else { continue };
        let profile = Profile::of(one.text);
        for (n, other) in &profiles {
            let Some(two) = new.get(*n).filter(|two| two.kind == one.kind) else { continue };
            let similarity = profile.similarity(other);
            if similarity >= SIMILAR_PERCENT {
                let named = if one.name == two.name { 25 } else { 0 };
                ranked.push((usize::MAX - similarity - named, o, *n));
            }
        }
    }
    ranked.sort_unstable();
    let mut taken = (BTreeSet::new(), BTreeSet::new());
    for (_, o, n) in ranked {
        if !taken.0.contains(&o) && !taken.1.contains(&n) {
            taken.0.insert(o);
            taken.1.insert(n);
            found.push((o, n));
        }
    }
    found
}

/// Texts that are equal but for blanks around them; those with equal names first.
fn equal_pairs<K: Ord>(old: &[Candidate<'_, K>], new: &[Candidate<'_, K>]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut taken = (vec![false; old.len()], vec![false; new.len()]);
    for named in [true, false] {
        let mut by_text = BTreeMap::<_, Vec<usize>>::new();
        for (n, two) in new.iter().enumerate().rev().filter(|(n, _)| !taken.1[*n]) {
            let name = if named { two.name } else { b"" };
            by_text.entry((&two.kind, two.text.trim_ascii(), name)).or_default().push(n);
        }
        for (o, one) in old.iter().enumerate() {
            let name = if named { one.name } else { b"" };
            let key = (&one.kind, one.text.trim_ascii(), name);
            if taken.0[o] || one.text.trim_ascii().is_empty() {
                continue;
            }
            if let Some(n) = by_text.get_mut(&key).and_then(Vec::pop) {
                (taken.0[o], taken.1[n]) = (true, true);
                found.push((o, n));
            }
        }
    }
    found
}

/// Which members of a list stay when as few as possible are moved to put it in order.
pub(crate) fn longest_rising<T: Ord>(list: &[T]) -> Vec<bool> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let at = ends.partition_point(|end| list.get(*end).is_some_and(|other| other < value));
        before.push(at.checked_sub(1).and_then(|at| ends.get(at).copied()));
        match ends.get_mut(at) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut stays = vec![false; list.len()];
    let mut next = ends.last().copied();
    while let Some(index) = next {
        if let Some(stay) = stays.get_mut(index) {
            *stay = true;
        }
        next = before.get(index).copied().flatten();
    }
    stays
}

/// Lines that two texts have in common, in order, as pairs of line numbers.
pub(crate) fn common_lines(old: &[&[u8]], new: &[&[u8]]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut open = vec![(0, old.len(), 0, new.len())];
    while let Some((mut a, mut b, mut c, mut d)) = open.pop() {
        while a < b && c < d && old.get(a) == new.get(c) {
            pairs.push((a, c));
            (a, c) = (a + 1, c + 1);
        }
        while a < b && c < d && old.get(b - 1) == new.get(d - 1) {
            (b, d) = (b - 1, d - 1);
            pairs.push((b, d));
        }
        let anchors = anchors(old.get(a..b).unwrap_or_default(), new.get(c..d).unwrap_or_default());
        if anchors.is_empty() {
            continue;
        }
        let (mut from, mut onto) = (a, c);
        for (x, y) in anchors {
            open.push((from, a + x, onto, c + y));
            pairs.push((a + x, c + y));
            (from, onto) = (a + x + 1, c + y + 1);
        }
        open.push((from, b, onto, d));
    }
    pairs.sort_unstable();
    pairs
}

/// Lines that come once in each text and in the same order in both.
fn anchors(old: &[&[u8]], new: &[&[u8]]) -> Vec<(usize, usize)> {
    let mut places = BTreeMap::<&[u8], (Vec<usize>, Vec<usize>)>::new();
    for (index, line) in old.iter().enumerate() {
        places.entry(line).or_default().0.push(index);
    }
    for (index, line) in new.iter().enumerate() {
        places.entry(line).or_default().1.push(index);
    }
    let once = places.into_values().filter_map(|(old, new)| match (&old[..], &new[..]) {
        ([old], [new]) => Some((*old, *new)),
        _ => None,
    });
    let mut once: Vec<_> = once.collect();
    once.sort_unstable();
    let stays = longest_rising(&once.iter().map(|pair| pair.1).collect::<Vec<_>>());
    once.into_iter().zip(stays).filter(|(_, stays)| *stays).map(|(pair, _)| pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_few_as_possible_move() {
        assert_eq!(longest_rising(&[2, 3, 4, 1]), [true, true, true, false]);
        assert_eq!(longest_rising::<u8>(&[]), Vec::<bool>::new());
    }

    #[test]
    fn common_lines_rise() {
        let lines = |text: &'static str| text.split(' ').map(str::as_bytes).collect::<Vec<_>>();
        let (old, new) = (lines("a b x c d y e"), lines("a q b c d z z e"));
        assert_eq!(common_lines(&old, &new), [(0, 0), (1, 2), (3, 3), (4, 4), (6, 7)]);
    }

    #[test]
    fn equal_beats_similar_and_a_name_helps() {
        let of = |name: &'static str, text: &'static str| Candidate {
            kind: 0,
            name: name.as_bytes(),
            text: text.as_bytes(),
        };
        let old = [of("a", "fn a() { one two three }"), of("b", "fn b() { one two three }")];
        let new = [of("b", "fn b() { one two four }"), of("c", "fn a() { one two three }")];
        assert_eq!(pairs(&old, &new), [(0, 1), (1, 0)]);
        assert_eq!(pairs(&old, &[of("x", "nothing alike")]), []);
    }
}
