//! The text of one node: a list of tokens that many hands edit at once.
//!
//! A leaf is a pure function of its name, the bytes that it began with, the set of hunks it
//! holds and, where a merge leaves brackets open, of who had seen whose: neither order nor grouping nor
//! repetition of arrival changes anything. A leaf that
//! nobody has edited is its bytes and costs nothing more.
//!
//! The work is divided by what can go wrong in it: `document` gives all tokens an identity and an order
//! (automerge; `plain` tells where it is not asked), `order` sets runs that met at one gap in the order of their text, `settle` says what was put
//! to rest, `contest` who takes effect where several cannot, `resolve` what is then shown and
//! hidden, `balance` gives a region to one side where hunks that do not collide make no sense together (`sight`
//! tells the sides), and `edit` turns a new text into hunks.

mod audit;
mod balance;
mod contest;
mod document;
mod edit;
mod order;
mod plain;
mod rank;
mod resolve;
mod settle;
mod sight;
#[cfg(test)]
mod tests;
mod weave;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::brackets::Open;
use crate::hunk::{Hunk, Origin, RUNS_MAX, SETTLES_MAX, TOKEN_BYTES_MAX, TOKENS_MAX, TokenId};
use crate::id::{HunkId, LeafId};
use crate::token::tokenize;
use document::Document;
use plain::plain_order;
use resolve::{Resolution, resolve};
pub(crate) use sight::Sight;
use weave::{Held, Weave};

/// Why hunks cannot be applied. The leaf is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// A hunk stands on another one that is neither held nor in the same batch.
    #[error("hunk {hunk} stands on {missing}, which is not here")]
    MissingDependency {
        /// The hunk.
        hunk: HunkId,
        /// What it stands on.
        missing: HunkId,
    },
    /// A hunk names a token that its origin does not have.
    #[error("hunk {hunk} names a token that its origin does not have")]
    NoSuchToken {
        /// The hunk.
        hunk: HunkId,
    },
    /// A hunk deletes one token twice.
    #[error("hunk {hunk} deletes a token twice")]
    DeletedTwice {
        /// The hunk.
        hunk: HunkId,
    },
    /// A hunk is beyond a limit on counts or sizes, or says nothing.
    #[error("hunk {hunk} is out of bounds")]
    OutOfBounds {
        /// The hunk.
        hunk: HunkId,
    },
    /// The list engine did not do what it must; a bug, not a bad input.
    #[error("the list engine failed")]
    Engine,
}

/// The text of one node.
#[derive(Debug, Clone)]
pub struct Leaf {
    id: LeafId,
    genesis: Arc<[u8]>,
    held: BTreeMap<HunkId, Held>,
    /// The list engine; absent until there is something to order.
    document: Option<Document>,
    /// All tokens in the engine's order.
    order: Vec<TokenId>,
    /// Who had seen whom, where that is asked.
    sight: Option<Sight>,
    shown: OnceLock<Shown>,
}

/// What a set of hunks shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// The text.
    pub bytes: Vec<u8>,
    /// Where concurrent edits met, in the order of the text.
    pub overlaps: Vec<LeafOverlap>,
    /// Where the hunks that take effect have left their marks.
    pub marks: Vec<Mark>,
}

/// Where a hunk in effect is seen in the shown text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The hunk.
    pub hunk: HunkId,
    /// The first byte that it put in or stands at.
    pub start: usize,
    /// The byte after the last; `start` where it only took out.
    pub end: usize,
}

/// A place where concurrent edits met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafOverlap {
    /// The first byte of the place in the shown text.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// How they met.
    pub kind: LeafOverlapKind,
    /// What each side would have there; the first is shown.
    pub alternatives: Vec<Alternative>,
}

/// How concurrent edits met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeafOverlapKind {
    /// Both replaced the same tokens.
    Replace,
    /// One deleted what the other edited.
    DeleteEdit,
}

/// One side of an overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The hunks that make this side.
    pub hunks: Vec<HunkId>,
    /// The bytes of the place as this side would have it.
    pub bytes: Vec<u8>,
}

impl Leaf {
    /// A leaf that nobody has edited.
    pub fn genesis(id: LeafId, bytes: &[u8]) -> Self {
        let (held, order) = (BTreeMap::new(), Vec::new());
        let (document, sight, shown) = (None, None, OnceLock::new());
        Self { id, genesis: bytes.into(), held, document, order, sight, shown }
    }

    /// The leaf's name.
    pub fn id(&self) -> LeafId {
        self.id
    }

    /// Adds hunks in any order; those that are already held are passed over.
    ///
    /// Many at once cost far less than one by one. If any hunk is refused, none is added.
    pub fn apply(&mut self, hunks: impl IntoIterator<Item = Hunk>) -> Result<(), LeafError> {
        let named = hunks.into_iter().map(|hunk| (hunk.id(self.id), Arc::new(hunk)));
        let fresh: BTreeMap<HunkId, Arc<Hunk>> = named.filter(|(id, _)| !self.contains(*id)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let genesis = tokenize(&self.genesis).len();
        for (id, hunk) in &fresh {
            self.check(*id, hunk, &fresh, genesis)?;
        }
        let sorted = self.sorted(&fresh)?;
        self.extend(sorted)
    }

    /// Whether a hunk is held.
    pub fn contains(&self, hunk: HunkId) -> bool {
        self.held.contains_key(&hunk)
    }

    /// The hunks that are held, in the order of their names.
    pub fn hunks(&self) -> impl Iterator<Item = HunkId> + '_ {
        self.held.keys().copied()
    }

    /// The text and its overlaps: a pure function of the leaf and the set of hunks.
    pub fn shown(&self) -> Shown {
        self.shown.get_or_init(|| self.show()).clone()
    }

    /// The hunks that turn the shown text into `new`; none if it is that already.
    ///
    /// Overlaps that the change touches are settled in favour of what the author saw.
    pub fn edit(&self, new: &[u8]) -> Vec<Hunk> {
        edit::edit(self, new).0
    }

    /// The same, and the leaf with those hunks where they had to be tried out.
    pub(crate) fn edited(&self, new: &[u8]) -> (Vec<Hunk>, Option<Leaf>) {
        edit::edit(self, new)
    }

    /// The hunks that settle one overlap in favour of one alternative; `None` if there is no such.
    pub fn take(&self, overlap: usize, alternative: usize) -> Option<Vec<Hunk>> {
        edit::take(self, overlap, alternative)
    }

    /// The hunks that are silently without effect: nobody put them to rest, and neither the text nor an
    /// alternative holds what they say. There must be none.
    pub fn silent(&self) -> Vec<HunkId> {
        match self.held.is_empty() {
            true => Vec::new(),
            false => self.resolved(|weave, resolution| audit::silent(weave, &resolution)),
        }
    }

    /// Whether the text leaves other brackets and quotes open than it did at its beginning.
    pub(crate) fn is_tilted(&self) -> bool {
        let open = |bytes: &[u8]| Open::of(&tokenize(bytes));
        !self.held.is_empty() && open(&self.shown().bytes) != open(&self.genesis)
    }

    /// Who had seen whom, as far as it was told.
    pub(crate) fn sight(&self) -> Option<&Sight> {
        self.sight.as_ref()
    }

    /// Tells who had seen whom: then a region that only the merge leaves open goes to one side.
    pub(crate) fn see(&mut self, sight: Option<Sight>) {
        if self.sight != sight {
            (self.sight, self.shown) = (sight, OnceLock::new());
        }
    }

    fn show(&self) -> Shown {
        if self.held.is_empty() {
            return Shown { bytes: self.genesis.to_vec(), ..Shown::default() };
        }
        self.resolved(|weave, resolution| Shown {
            marks: resolve::marks(weave, &resolution),
            bytes: resolution.live.iter().flat_map(|token| weave.text(*token)).copied().collect(),
            overlaps: resolution.clashes.into_iter().filter_map(|clash| clash.overlap).collect(),
        })
    }

    fn resolved<T>(&self, then: impl FnOnce(&Weave<'_>, Resolution) -> T) -> T {
        let genesis = tokenize(&self.genesis);
        let pristine = || (0..genesis.len() as u32).map(|index| TokenId { origin: Origin::Genesis, index });
        let weave = match self.held.is_empty() {
            true => Weave::new(&genesis, &self.held, &pristine().collect::<Vec<_>>()),
            false => Weave::new(&genesis, &self.held, &self.order),
        };
        let resolution = resolve(&weave, self.sight.as_ref());
        then(&weave, resolution)
    }
}

/// Taking in hunks from anywhere.
impl Leaf {
    fn check(
        &self,
        id: HunkId,
        hunk: &Hunk,
        fresh: &BTreeMap<HunkId, Arc<Hunk>>,
        genesis: usize,
    ) -> Result<(), LeafError> {
        check_bounds(id, hunk)?;
        for missing in hunk.dependencies() {
            if !fresh.contains_key(&missing) && !self.contains(missing) {
                return Err(LeafError::MissingDependency { hunk: id, missing });
            }
        }
        let anchors = hunk.after.iter().chain(&hunk.before);
        let ends = anchors.map(|token| (token.origin, token.index.checked_add(1)));
        let ends = ends.chain(hunk.deleted.iter().map(|run| (run.origin, run.first.checked_add(run.count))));
        for (origin, end) in ends {
            let tokens = match origin {
                Origin::Genesis => genesis,
                Origin::Hunk(id) => self.tokens_of(id, fresh),
            };
            if end.is_none_or(|end| end as usize > tokens) {
                return Err(LeafError::NoSuchToken { hunk: id });
            }
        }
        check_disjoint(id, hunk)
    }

    fn tokens_of(&self, id: HunkId, fresh: &BTreeMap<HunkId, Arc<Hunk>>) -> usize {
        let held = self.held.get(&id).map(|held| &held.hunk);
        held.or_else(|| fresh.get(&id)).map_or(0, |hunk| hunk.inserted.len())
    }

    /// The hunks with their levels, each after those it depends on. Names are hashes, so there are no cycles.
    fn sorted(&self, fresh: &BTreeMap<HunkId, Arc<Hunk>>) -> Result<Vec<(HunkId, Held)>, LeafError> {
        let mut waiting: BTreeMap<HunkId, usize> = BTreeMap::new();
        let mut above: BTreeMap<HunkId, Vec<HunkId>> = BTreeMap::new();
        for (id, hunk) in fresh {
            let below: BTreeSet<HunkId> = hunk.dependencies().filter(|id| fresh.contains_key(id)).collect();
            waiting.insert(*id, below.len());
            below.into_iter().for_each(|below| above.entry(below).or_default().push(*id));
        }
        let mut ready: Vec<HunkId> =
            waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
        let mut levels: BTreeMap<HunkId, u32> = BTreeMap::new();
        let mut sorted = Vec::with_capacity(fresh.len());
        while let Some(id) = ready.pop() {
            let hunk = &fresh[&id];
            let level = |below: HunkId| {
                self.held.get(&below).map_or(levels.get(&below).copied(), |held| Some(held.level))
            };
            let level = 1 + hunk.dependencies().filter_map(level).max().unwrap_or(0);
            levels.insert(id, level);
            sorted.push((id, Held { hunk: hunk.clone(), level }));
            for above in above.remove(&id).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(&above) {
                    *count -= 1;
                    ready.extend((*count == 0).then_some(above));
                }
            }
        }
        if sorted.len() == fresh.len() { Ok(sorted) } else { Err(LeafError::Engine) }
    }

    fn extend(&mut self, sorted: Vec<(HunkId, Held)>) -> Result<(), LeafError> {
        let genesis = tokenize(&self.genesis).len();
        let fresh = sorted.iter().map(|(id, held)| (id, held));
        let plain = plain_order(genesis, self.held.iter().chain(fresh.clone()));
        let tokens = self.held.iter().chain(fresh).map(|(_, held)| held.hunk.inserted.len()).sum::<usize>();
        let (document, order) = match plain {
            Some(order) => (None, order),
            None => {
                let document = self.grown(&sorted)?;
                let order = document.order().map_err(|_| LeafError::Engine)?;
                (Some(document), order)
            }
        };
        if order.len() != tokens + genesis {
            return Err(LeafError::Engine);
        }
        self.held.extend(sorted);
        (self.document, self.order, self.shown) = (document, order, OnceLock::new());
        Ok(())
    }

    /// The engine's list with more hunks.
    fn grown(&mut self, sorted: &[(HunkId, Held)]) -> Result<Document, LeafError> {
        // Taken out first: should the engine fail half way, the next call builds it anew.
        let mut document = match self.document.take() {
            Some(document) => document,
            None => self.document()?,
        };
        let hunks = sorted.iter().map(|(id, held)| (*id, held.hunk.as_ref()));
        document.apply(hunks).map_err(|_| LeafError::Engine)?;
        Ok(document)
    }

    /// The engine's list with all hunks that are held.
    fn document(&self) -> Result<Document, LeafError> {
        let mut document = Document::new(self.id, &tokenize(&self.genesis)).map_err(|_| LeafError::Engine)?;
        let mut held: Vec<(&HunkId, &Held)> = self.held.iter().collect();
        held.sort_by_key(|(_, held)| held.level);
        let held = held.into_iter().map(|(id, held)| (*id, held.hunk.as_ref()));
        document.apply(held).map_err(|_| LeafError::Engine)?;
        Ok(document)
    }
}

fn check_bounds(id: HunkId, hunk: &Hunk) -> Result<(), LeafError> {
    let fits = hunk.inserted.len() <= TOKENS_MAX
        && hunk.deleted.len() <= RUNS_MAX
        && hunk.settles.len() <= SETTLES_MAX
        && hunk.inserted.iter().all(|token| !token.is_empty() && token.len() <= TOKEN_BYTES_MAX)
        && hunk.deleted.iter().all(|run| run.count > 0);
    let says = !(hunk.inserted.is_empty() && hunk.deleted.is_empty() && hunk.settles.is_empty());
    if fits && says { Ok(()) } else { Err(LeafError::OutOfBounds { hunk: id }) }
}

fn check_disjoint(id: HunkId, hunk: &Hunk) -> Result<(), LeafError> {
    let mut runs = hunk.deleted.clone();
    runs.sort_unstable();
    let meets = |pair: &[crate::hunk::Run]| {
        pair[0].origin == pair[1].origin && pair[1].first - pair[0].first < pair[0].count
    };
    if runs.windows(2).any(meets) { Err(LeafError::DeletedTwice { hunk: id }) } else { Ok(()) }
}
