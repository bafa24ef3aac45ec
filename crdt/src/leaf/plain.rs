//! The order of all tokens where the engine has nothing to decide.
//!
//! Each run stands right behind the token that it was put behind, whatever else stands there: it was written by somebody
//! who had seen that token and what followed. Only two runs behind one token need an engine that says which comes
//! first. Behind tokens of the beginning not even those: such runs are put in order by their text anyway. So most leaves
//! never need the engine, among them every one that was only ever edited by one hand after the other.

use std::collections::BTreeMap;

use super::weave::Held;
use crate::hunk::{Origin, TokenId};
use crate::id::HunkId;

/// The runs behind each token; `None` is the place before the first.
type Behind = BTreeMap<Option<TokenId>, Vec<(HunkId, u32)>>;

/// All tokens in the engine's order, if that is plain.
pub(super) fn plain_order<'a>(
    genesis: usize,
    hunks: impl Iterator<Item = (&'a HunkId, &'a Held)>,
) -> Option<Vec<TokenId>> {
    let (mut behind, mut is_flat) = (Behind::new(), true);
    for (id, held) in hunks {
        is_flat &= held.hunk.after.is_none_or(|token| token.origin == Origin::Genesis);
        let count = held.hunk.inserted.len() as u32;
        if count > 0 {
            behind.entry(held.hunk.after).or_default().push((*id, count));
        }
    }
    if !is_flat && behind.values().any(|runs| runs.len() > 1) {
        return None;
    }
    behind.values_mut().for_each(|runs| runs.sort_unstable());
    Some(walk(genesis as u32, &behind))
}

/// Goes through all runs, into each that is met before going on.
fn walk(genesis: u32, behind: &Behind) -> Vec<TokenId> {
    let mut order = Vec::new();
    let mut open = vec![(Origin::Genesis, 0, genesis)];
    enter(None, behind, &mut open);
    while let Some((origin, index, count)) = open.pop() {
        if index < count {
            let token = TokenId { origin, index };
            order.push(token);
            open.push((origin, index + 1, count));
            enter(Some(token), behind, &mut open);
        }
    }
    order
}

fn enter(token: Option<TokenId>, behind: &Behind, open: &mut Vec<(Origin, u32, u32)>) {
    let runs = behind.get(&token).into_iter().flatten().rev();
    open.extend(runs.map(|(id, count)| (Origin::Hunk(*id), 0, *count)));
}
