//! Items that left one text or one container and came to another.

use std::collections::BTreeSet;

use super::Items;
use crate::error::CrdtError;
use crate::matching::pairs;

impl Items<'_, '_> {
    /// Matches items that left one text, or one container, with items that came to another.
    pub(super) fn match_across(&mut self, outermost: bool) -> Result<(), CrdtError> {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for (at, sheet) in self.sheets.iter().enumerate() {
            old.extend(sheet.loose_haves(outermost).into_iter().map(|have| (at, have)));
            new.extend(sheet.loose_wants(outermost).into_iter().map(|want| (at, want)));
        }
        let one: Vec<_> =
            old.iter().filter_map(|(at, have)| self.sheets.get(*at)?.old_candidate(*have)).collect();
        let two: Vec<_> =
            new.iter().filter_map(|(at, want)| self.sheets.get(*at)?.new_candidate(*want)).collect();
        let mut found = pairs(&one, &two);
        found.sort_unstable();
        let mut carried = self.carried();
        for (o, n) in found {
            let (Some((from, have)), Some((at, want))) = (old.get(o), new.get(n)) else { continue };
            if !self.may_pair((*from, *have), (*at, *want), &carried) {
                continue;
            }
            if from != at {
                carried.insert((*from, *have));
            }
            if let Some(have) = self.sheets.get_mut(*from).and_then(|sheet| sheet.haves.get_mut(*have)) {
                have.taken = true;
            }
            if let Some(want) = self.sheets.get_mut(*at).and_then(|sheet| sheet.wants.get_mut(*want)) {
                want.from.push((*from, *have));
            }
        }
        for (at, want) in new {
            if let Some((haves, wants)) = self.inside_pair(at, want)? {
                self.match_levels(at, haves, wants)?;
            }
        }
        Ok(())
    }

    /// The old pieces that went to another text.
    fn carried(&self) -> BTreeSet<(usize, usize)> {
        let wants = self.sheets.iter().enumerate();
        let from = wants.flat_map(|(at, sheet)| sheet.wants.iter().map(move |want| (at, want)));
        let from = from.flat_map(|(at, want)| want.from.iter().filter(move |(from, _)| *from != at));
        from.copied().collect()
    }

    /// Whether an old piece may become a new one. A piece that goes to another text goes as a whole: nothing
    /// in it is matched on its own.
    fn may_pair(&self, old: (usize, usize), new: (usize, usize), carried: &BTreeSet<(usize, usize)>) -> bool {
        let ((from, have), (at, want)) = (old, new);
        let (Some(source), Some(sheet)) = (self.sheets.get(from), self.sheets.get(at)) else { return false };
        let apart = from != at && (source.holds_taken(have) || sheet.holds_matched(want));
        let is_carried = |want: usize| sheet.wants.get(want).is_some_and(|want| want.is_carried(at));
        let within = source.around_have(have).any(|have| carried.contains(&(from, have)));
        !apart && !within && !sheet.around_want(want).any(is_carried)
    }
}
