//! All tokens of a leaf in one order, the dead ones too, and what each hunk says about them.
//!
//! Everything here has small numbers instead of names: hunks are numbered so that each comes
//! after those it depends on, tokens by origin and place. The numbers are a function of the set of hunks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::hunk::{Hunk, Origin, TokenId};
use crate::id::HunkId;
use crate::leaf::order;

/// A hunk that a leaf holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) hunk: Arc<Hunk>,
    /// One more than the highest level among those it depends on.
    pub(super) level: u32,
}

/// Tokens, hunks and how they hang together.
#[derive(Debug)]
pub(super) struct Weave<'a> {
    pub(super) ids: Vec<HunkId>,
    pub(super) hunks: Vec<&'a Hunk>,
    numbers: BTreeMap<HunkId, usize>,
    /// The number of the first token of each hunk, and of the token after the last of all.
    bases: Vec<usize>,
    texts: Vec<&'a [u8]>,
    owners: Vec<Option<usize>>,
    /// The tokens that each hunk takes out.
    pub(super) deleted: Vec<Vec<Range<usize>>>,
    /// Whom each hunk depends on in any way.
    pub(super) knows: Vec<Vec<usize>>,
    /// Whose tokens each hunk stands behind or takes out: without those it makes no sense.
    pub(super) stands: Vec<Vec<usize>>,
    /// The other way round.
    pub(super) carries: Vec<Vec<usize>>,
    /// All tokens in their order.
    pub(super) order: Vec<usize>,
    /// The place of each token in that order.
    pub(super) places: Vec<usize>,
    /// Hunks that put text at one gap without knowing of each other.
    pub(super) gaps: Vec<Vec<usize>>,
}

impl<'a> Weave<'a> {
    pub(super) fn new(
        genesis: &[&'a [u8]],
        held: &'a BTreeMap<HunkId, Held>,
        engine_order: &[TokenId],
    ) -> Self {
        let mut weave = Self::numbered(genesis, held);
        weave.link();
        let engine_order: Vec<usize> = engine_order.iter().map(|token| weave.number(*token)).collect();
        let (order, gaps) = order::arrange(&weave, &engine_order);
        weave.places = vec![0; order.len()];
        for (place, token) in order.iter().enumerate() {
            weave.places[*token] = place;
        }
        (weave.order, weave.gaps) = (order, gaps);
        weave
    }

    fn numbered(genesis: &[&'a [u8]], held: &'a BTreeMap<HunkId, Held>) -> Self {
        let mut sorted: Vec<(&HunkId, &Held)> = held.iter().collect();
        sorted.sort_unstable_by_key(|(id, held)| (held.level, **id));
        let mut texts = genesis.to_vec();
        let mut owners = vec![None; genesis.len()];
        let mut bases = Vec::with_capacity(sorted.len() + 1);
        for (number, (_, held)) in sorted.iter().enumerate() {
            bases.push(texts.len());
            texts.extend(held.hunk.inserted.iter().map(Vec::as_slice));
            owners.resize(texts.len(), Some(number));
        }
        bases.push(texts.len());
        Self {
            ids: sorted.iter().map(|(id, _)| **id).collect(),
            hunks: sorted.iter().map(|(_, held)| held.hunk.as_ref()).collect(),
            numbers: sorted.iter().enumerate().map(|(number, (id, _))| (**id, number)).collect(),
            bases,
            texts,
            owners,
            deleted: Vec::new(),
            knows: Vec::new(),
            stands: Vec::new(),
            carries: vec![Vec::new(); sorted.len()],
            order: Vec::new(),
            places: Vec::new(),
            gaps: Vec::new(),
        }
    }

    fn link(&mut self) {
        for (number, hunk) in self.hunks.iter().enumerate() {
            let known = unique(hunk.dependencies().map(|id| self.numbers[&id]));
            let deleted = hunk.deleted.iter().map(|run| {
                let first = self.number(TokenId { origin: run.origin, index: run.first });
                first..first + run.count as usize
            });
            let deleted: Vec<Range<usize>> = deleted.collect();
            let named = hunk.after.map(|token| self.number(token));
            let named = named.into_iter().chain(deleted.iter().map(|range| range.start));
            let stands = unique(named.filter_map(|token| self.owners[token]));
            for below in &stands {
                self.carries[*below].push(number);
            }
            self.knows.push(known);
            self.deleted.push(deleted);
            self.stands.push(stands);
        }
    }

    /// How many hunks there are.
    pub(super) fn len(&self) -> usize {
        self.hunks.len()
    }

    /// The number of a hunk that is held.
    pub(super) fn hunk(&self, id: HunkId) -> usize {
        self.numbers[&id]
    }

    pub(super) fn number(&self, token: TokenId) -> usize {
        match token.origin {
            Origin::Genesis => token.index as usize,
            Origin::Hunk(id) => self.bases[self.numbers[&id]] + token.index as usize,
        }
    }

    pub(super) fn token(&self, number: usize) -> TokenId {
        match self.owners[number] {
            None => TokenId { origin: Origin::Genesis, index: number as u32 },
            Some(hunk) => {
                let index = (number - self.bases[hunk]) as u32;
                TokenId { origin: Origin::Hunk(self.ids[hunk]), index }
            }
        }
    }

    /// The hunk that put a token in; none for those that the leaf began with.
    pub(super) fn owner(&self, token: usize) -> Option<usize> {
        self.owners[token]
    }

    pub(super) fn text(&self, token: usize) -> &'a [u8] {
        self.texts[token]
    }

    /// The tokens that a hunk puts in.
    pub(super) fn inserted(&self, hunk: usize) -> Range<usize> {
        self.bases[hunk]..self.bases[hunk + 1]
    }

    /// The tokens that a hunk takes out, one by one.
    pub(super) fn takes(&self, hunk: usize) -> impl Iterator<Item = usize> + '_ {
        self.deleted[hunk].iter().cloned().flatten()
    }

    /// `hunk` and all that one can reach from it by `edges`, wherever `enter` lets through.
    pub(super) fn reach(
        &self,
        hunk: usize,
        edges: &[Vec<usize>],
        mut enter: impl FnMut(usize) -> bool,
    ) -> Vec<usize> {
        let mut found = std::collections::BTreeSet::from([hunk]);
        let mut open = vec![hunk];
        while let Some(at) = open.pop() {
            for next in &edges[at] {
                if !found.contains(next) && enter(*next) {
                    found.insert(*next);
                    open.push(*next);
                }
            }
        }
        found.into_iter().collect()
    }
}

fn unique(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
