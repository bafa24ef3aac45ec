//! The order of runs that were put at one gap by hands that did not know of each other.
//!
//! The engine orders such runs by counters and actors, which mean nothing to a reader. Here those
//! that only open brackets come before those that only close some ([`Leaning`]); else they
//! come in the order of their text. Only whole blocks of the engine's order move: a run with all that was
//! later put into it. So runs never mix.
//!
//! A run whose author did see another run at the gap, and wrote before it, must stay right before
//! it, wherever that one goes. Such a run is filed under the one it precedes (the hunk's
//! `before` says which); text decides only among those filed at one place. The result is a walk
//! through a tree with fixed keys: two tokens never change sides when hunks are added.

use crate::brackets::{Leaning, indent};
use crate::id::HunkId;
use crate::leaf::weave::Weave;

/// A block of the engine's order: one run and all inside it.
type Block = (usize, usize);

/// The tokens in their order, and the groups of hunks that met at one gap.
pub(super) fn arrange(weave: &Weave<'_>, engine: &[usize]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let depths = depths(weave);
    let mut walk =
        Walk { weave, engine, ends: ends(weave, engine, &depths), depths, open: vec![], gaps: vec![] };
    let mut order = Vec::with_capacity(engine.len());
    walk.enter(0, engine.len(), 0);
    while let Some((start, end)) = walk.open.pop() {
        order.push(engine[start]);
        walk.enter(start + 1, end, walk.depth(start));
    }
    (order, walk.gaps)
}

/// How many runs each hunk's run lies in.
fn depths(weave: &Weave<'_>) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(weave.len());
    for hunk in &weave.hunks {
        let around = hunk.after.and_then(|token| weave.owner(weave.number(token)));
        depths.push(1 + around.map_or(0, |around| depths[around]));
    }
    depths
}

/// Where the block of each hunk ends in the engine's order.
fn ends(weave: &Weave<'_>, engine: &[usize], depths: &[usize]) -> Vec<usize> {
    let mut ends = vec![engine.len(); weave.len()];
    let mut open: Vec<usize> = Vec::new();
    for (place, token) in engine.iter().enumerate() {
        let owner = weave.owner(*token);
        let depth = owner.map_or(0, |owner| depths[owner]);
        while let Some(last) = open.last().copied() {
            if depths[last] < depth || Some(last) == owner {
                break;
            }
            ends[last] = place;
            open.pop();
        }
        open.extend(owner.filter(|owner| weave.inserted(*owner).start == *token));
    }
    ends
}

struct Walk<'w, 'a> {
    weave: &'w Weave<'a>,
    engine: &'w [usize],
    depths: Vec<usize>,
    ends: Vec<usize>,
    open: Vec<Block>,
    gaps: Vec<Vec<usize>>,
}

impl Walk<'_, '_> {
    fn depth(&self, place: usize) -> usize {
        self.weave.owner(self.engine[place]).map_or(0, |owner| self.depths[owner])
    }

    /// Opens what lies between `start` and `end` behind a token of `depth`: first the blocks that were
    /// put there, then the rest of the token's own run.
    fn enter(&mut self, start: usize, end: usize, depth: usize) {
        let (mut blocks, mut at) = (Vec::new(), start);
        while at < end && self.depth(at) > depth {
            let hunk = self.weave.owner(self.engine[at]);
            let next = hunk.map_or(at, |hunk| self.ends[hunk]).clamp(at + 1, end);
            blocks.push((at, next));
            at = next;
        }
        if at < end {
            self.open.push((at, end));
        }
        self.sort(&mut blocks);
        self.open.extend(blocks.into_iter().rev());
    }

    fn sort(&mut self, blocks: &mut Vec<Block>) {
        if blocks.len() < 2 {
            return;
        }
        let hunks: Vec<usize> =
            blocks.iter().filter_map(|block| self.weave.owner(self.engine[block.0])).collect();
        let mut under: Vec<Vec<usize>> = vec![Vec::new(); hunks.len() + 1];
        for index in 0..hunks.len() {
            let lead = self.precedes(hunks[index]);
            let lead = lead.and_then(|lead| hunks.iter().position(|hunk| *hunk == lead));
            under[lead.unwrap_or(hunks.len())].push(index);
        }
        for group in &mut under {
            if group.len() > 1 {
                group.sort_by_cached_key(|index| self.key(hunks[*index]));
                self.gaps.push(group.iter().map(|index| hunks[*index]).collect());
            }
        }
        *blocks = flatten(&under).into_iter().map(|index| blocks[index]).collect();
    }

    /// The run at the same gap that the author of `hunk` saw and wrote before.
    fn precedes(&self, hunk: usize) -> Option<usize> {
        let anchor = self.weave.hunks[hunk].after;
        let mut token = self.weave.hunks[hunk].before;
        loop {
            let owner = self.weave.owner(self.weave.number(token?))?;
            if self.weave.hunks[owner].after == anchor {
                return Some(owner);
            }
            token = self.weave.hunks[owner].after;
        }
    }

    fn key(&self, hunk: usize) -> (Leaning, Vec<u8>, HunkId) {
        let tokens: Vec<&[u8]> = self.weave.hunks[hunk].inserted.iter().map(Vec::as_slice).collect();
        let indent = self.weave.hunks[hunk].after.map_or(0, |token| self.indent(self.weave.number(token)));
        (Leaning::of(&tokens, indent), tokens.concat(), self.weave.ids[hunk])
    }

    /// How far the line is indented that a token ends or stands in, as its author wrote it: what others
    /// put in since has no say.
    fn indent(&self, token: usize) -> usize {
        let owner = self.weave.owner(token);
        let text = |token: &usize| self.weave.text(*token);
        let own = |token: &usize| self.weave.owner(*token) == owner;
        let line = (0..=token).rev().take_while(own).skip_while(|token| text(token).ends_with(b"\n"));
        let first = line.take_while(|token| !text(token).ends_with(b"\n")).last();
        first.map_or(0, |first| indent(text(&first)))
    }
}

/// The walk through the tree that `under` is: what is filed under a run comes before it.
/// The last entry of `under` lists the roots.
fn flatten(under: &[Vec<usize>]) -> Vec<usize> {
    let mut flat = Vec::with_capacity(under.len());
    let mut open: Vec<(usize, bool)> = Vec::new();
    if let Some(roots) = under.last() {
        open.extend(roots.iter().rev().map(|root| (*root, false)));
    }
    while let Some((index, entered)) = open.pop() {
        if entered {
            flat.push(index);
        } else {
            open.push((index, true));
            open.extend(under[index].iter().rev().map(|below| (*below, false)));
        }
    }
    flat
}
