//! What became of each item, once it is known which is which.

use std::collections::BTreeMap;

use crate::compare::items::{Item, Items};
use crate::compare::pairing::Pairing;
use crate::compare::{FilePair, Symbol, SymbolChange, SymbolChangeKind};
use crate::matching::longest_rising;
use crate::path::RepoPath;
use crate::token::tokenize;

/// The differences between two sides.
pub(super) fn changes(
    files: &[FilePair<'_>],
    old: &Items,
    new: &Items,
    pairing: &Pairing,
) -> Vec<SymbolChange> {
    let sides = Sides { files, old, new, pairing };
    let removed = old.0.iter().enumerate().filter_map(|(index, item)| sides.removed(index, item));
    let reordered = sides.reordered();
    let kept = new.0.iter().enumerate().filter_map(|(index, item)| match pairing.old_of(index) {
        None => sides.added(item),
        Some(before) => sides.kept(before, index, reordered.get(index).copied().unwrap_or_default()),
    });
    removed.chain(kept).collect()
}

struct Sides<'a> {
    files: &'a [FilePair<'a>],
    old: &'a Items,
    new: &'a Items,
    pairing: &'a Pairing,
}

impl Sides<'_> {
    fn old_symbol(&self, item: &Item) -> Option<Symbol> {
        let text = self.files.get(item.file)?.old?;
        Some(symbol(text.path.clone(), item))
    }

    fn new_symbol(&self, item: &Item) -> Option<Symbol> {
        let text = self.files.get(item.file)?.new?;
        Some(symbol(text.path.clone(), item))
    }

    /// An item that is gone, unless what was around it is gone too.
    fn removed(&self, index: usize, item: &Item) -> Option<SymbolChange> {
        let known = self.files.get(item.file)?.new.is_some();
        let around = item.above.is_none_or(|above| self.pairing.new_of(above).is_some());
        if self.pairing.new_of(index).is_some() || !known || !around {
            return None;
        }
        let old = self.old_symbol(item);
        Some(SymbolChange { kind: SymbolChangeKind::Removed, old, new: None, edited: false })
    }

    /// A new item, unless what is around it is new too.
    fn added(&self, item: &Item) -> Option<SymbolChange> {
        let known = self.files.get(item.file)?.old.is_some();
        let around = item.above.is_none_or(|above| self.pairing.old_of(above).is_some());
        if !known || !around {
            return None;
        }
        let new = self.new_symbol(item);
        Some(SymbolChange { kind: SymbolChangeKind::Added, old: None, new, edited: false })
    }

    /// An item that is on both sides, if anything about it differs.
    fn kept(&self, before: usize, after: usize, reordered: bool) -> Option<SymbolChange> {
        let (old, new) = (self.old.get(before)?, self.new.get(after)?);
        let renamed = old.at.name != new.at.name;
        let edited = !same_but_for_the_name(old, new);
        let kind = match () {
            () if renamed => SymbolChangeKind::Renamed,
            () if reordered || !self.stays(old, new) => SymbolChangeKind::Moved,
            () if edited => SymbolChangeKind::Changed,
            () => return None,
        };
        let edited = edited && kind != SymbolChangeKind::Changed;
        Some(SymbolChange { kind, old: self.old_symbol(old), new: self.new_symbol(new), edited })
    }

    /// Whether an item lies in what it lay in.
    fn stays(&self, old: &Item, new: &Item) -> bool {
        match (old.above, new.above) {
            (None, None) => old.file == new.file,
            (Some(old), Some(new)) => self.pairing.new_of(old) == Some(new),
            _ => false,
        }
    }

    /// The new items that stand in another order among those they lay with; as few as possible.
    fn reordered(&self) -> Vec<bool> {
        let mut groups = BTreeMap::<(usize, Option<usize>), Vec<(usize, usize)>>::new();
        for (index, item) in self.new.0.iter().enumerate() {
            let Some(before) = self.pairing.old_of(index) else { continue };
            if self.old.get(before).is_some_and(|old| self.stays(old, item)) {
                groups.entry((item.file, item.above)).or_default().push((before, index));
            }
        }
        let mut reordered = vec![false; self.new.0.len()];
        for group in groups.values() {
            let order: Vec<_> = group.iter().map(|(before, _)| *before).collect();
            for ((_, index), stays) in group.iter().zip(longest_rising(&order)) {
                if let Some(reordered) = reordered.get_mut(*index) {
                    *reordered = !stays;
                }
            }
        }
        reordered
    }
}

fn symbol(path: RepoPath, item: &Item) -> Symbol {
    Symbol { path, name: item.at.spell(), line: item.line, value: None }
}

/// Whether two items say the same, if the one's name stands for the other's.
fn same_but_for_the_name(old: &Item, new: &Item) -> bool {
    if old.own == new.own {
        return true;
    }
    let name = |token: &'_ [u8]| token == &old.at.name[..];
    let renamed =
        tokenize(&old.own).into_iter().map(|token| if name(token) { &new.at.name[..] } else { token });
    old.at.name != new.at.name && renamed.eq(tokenize(&new.own))
}
