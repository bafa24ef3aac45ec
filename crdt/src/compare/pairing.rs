//! Which old item is which new one.

use std::collections::{BTreeMap, VecDeque};

use crate::compare::items::{Item, Items};
use crate::id::NodeId;
use crate::matching::{Candidate, pairs};

/// Pairs of old and new items.
#[derive(Debug)]
pub(super) struct Pairing {
    to_new: Vec<Option<usize>>,
    to_old: Vec<Option<usize>>,
}

/// What an item lies in, as the old side knows it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Around {
    File(usize),
    Item(usize),
}

impl Pairing {
    /// By node, else by name where the item around is the same, else by what it holds.
    pub(super) fn of(old: &Items, new: &Items) -> Self {
        let mut pairing = Self { to_new: vec![None; old.0.len()], to_old: vec![None; new.0.len()] };
        pairing.by_node(old, new);
        pairing.by_name(old, new);
        pairing.by_text(old, new, true);
        pairing.by_name(old, new);
        pairing.by_text(old, new, false);
        pairing.by_name(old, new);
        pairing
    }

    /// What an old item is now.
    pub(super) fn new_of(&self, old: usize) -> Option<usize> {
        self.to_new.get(old).copied().flatten()
    }

    /// What a new item was.
    pub(super) fn old_of(&self, new: usize) -> Option<usize> {
        self.to_old.get(new).copied().flatten()
    }

    fn pair(&mut self, old: usize, new: usize) {
        if let (Some(to_new @ None), Some(to_old @ None)) =
            (self.to_new.get_mut(old), self.to_old.get_mut(new))
        {
            (*to_new, *to_old) = (Some(new), Some(old));
        }
    }

    fn by_node(&mut self, old: &Items, new: &Items) {
        let nodes = old.0.iter().enumerate().filter_map(|(index, item)| Some((item.node?, index)));
        let nodes: BTreeMap<NodeId, usize> = nodes.collect();
        for (index, item) in new.0.iter().enumerate() {
            if let Some(other) = item.node.and_then(|node| nodes.get(&node)) {
                self.pair(*other, index);
            }
        }
    }

    fn by_name(&mut self, old: &Items, new: &Items) {
        let mut free = BTreeMap::<(Around, &str, &[u8]), VecDeque<usize>>::new();
        for (index, item) in old.0.iter().enumerate().filter(|(index, _)| self.new_of(*index).is_none()) {
            let around = item.above.map_or(Around::File(item.file), Around::Item);
            free.entry((around, &item.at.word, &item.at.name)).or_default().push_back(index);
        }
        for (index, item) in new.0.iter().enumerate() {
            let around = match item.above {
                None => Around::File(item.file),
                Some(above) => match self.old_of(above) {
                    Some(above) => Around::Item(above),
                    None => continue,
                },
            };
            if self.old_of(index).is_some() {
                continue;
            }
            let other = free.get_mut(&(around, item.at.word.as_str(), &item.at.name[..]));
            if let Some(other) = other.and_then(VecDeque::pop_front) {
                self.pair(other, index);
            }
        }
    }

    /// Items that hold the same, or nearly; the outermost first, since what lies in them follows them.
    fn by_text(&mut self, old: &Items, new: &Items, outermost: bool) {
        let outer =
            |above: Option<usize>, paired: &dyn Fn(usize) -> bool| !outermost || above.is_none_or(paired);
        let olds = old.0.iter().enumerate().filter(|(index, item)| {
            self.new_of(*index).is_none() && outer(item.above, &|above| self.new_of(above).is_some())
        });
        let news = new.0.iter().enumerate().filter(|(index, item)| {
            self.old_of(*index).is_none() && outer(item.above, &|above| self.old_of(above).is_some())
        });
        let (olds, news): (Vec<_>, Vec<_>) = (olds.collect(), news.collect());
        let (left, right): (Vec<_>, Vec<_>) =
            (olds.iter().map(candidate).collect(), news.iter().map(candidate).collect());
        let found = pairs(&left, &right).into_iter();
        let found: Vec<_> = found.filter_map(|(o, n)| Some((olds.get(o)?.0, news.get(n)?.0))).collect();
        for (old, new) in found {
            self.pair(old, new);
        }
    }
}

fn candidate<'a>((_, item): &(usize, &'a Item)) -> Candidate<'a, &'a str> {
    Candidate { kind: &item.at.word, name: &item.at.name, text: &item.own }
}
