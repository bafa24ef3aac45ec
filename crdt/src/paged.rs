//! A sorted map in pages that versions share.
//!
//! Each version of a project differs from the one before it in few entries. A copy of such a map costs nothing, and
//! writing to a copy copies only the pages that are written; so a new version costs what it changes, and
//! what two versions do not share is found without looking at the rest.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// How many entries a page has before it is cut in two.
const PAGE_COUNT_MAX: usize = 96;

type Page<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map whose copies share what is equal.
pub(crate) struct Paged<K, V> {
    /// No page is empty.
    pages: Arc<Vec<Page<K, V>>>,
    count: usize,
}

impl<K, V> Default for Paged<K, V> {
    fn default() -> Self {
        Self { pages: Arc::default(), count: 0 }
    }
}

impl<K, V> Clone for Paged<K, V> {
    fn clone(&self) -> Self {
        Self { pages: self.pages.clone(), count: self.count }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Paged<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Paged<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl<K, V> Paged<K, V> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The entries in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pages.iter().flat_map(|page| page.iter()).map(|(key, value)| (key, value))
    }

    /// The keys in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> Paged<K, V> {
    /// The value of a key.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let page = self.pages.get(self.page(key)?)?;
        let at = page.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
        page.get(at).map(|(_, value)| value)
    }

    /// Whether the key is there.
    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The last page that begins at or before a key.
    fn page<Q: Ord + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let begins = |page: &Page<K, V>| page.first().is_some_and(|(first, _)| first.borrow() <= key);
        self.pages.partition_point(begins).checked_sub(1)
    }
}

impl<K: Ord + Clone, V: Clone> Paged<K, V> {
    /// The value of a key, to be written.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let number = self.page(key)?;
        let at = self.pages.get(number)?.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        let page = Arc::make_mut(Arc::make_mut(&mut self.pages).get_mut(number)?);
        page.get_mut(at).map(|(_, value)| value)
    }

    /// The value of a key, to be written; a new one where there is none.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let (number, at, found) = self.place(&key);
        if !found {
            self.count += 1;
        }
        let pages = Arc::make_mut(&mut self.pages);
        if pages.is_empty() {
            pages.push(Arc::default());
        }
        let number = if found { number } else { make_room(pages, number, at) };
        let at = if found { at } else { spot(pages, number, &key) };
        #[expect(clippy::indexing_slicing, reason = "the page was found, or made, above")]
        let page = Arc::make_mut(&mut pages[number]);
        if !found {
            page.insert(at, (key, V::default()));
        }
        #[expect(clippy::indexing_slicing, reason = "the entry was found, or put there, above")]
        &mut page[at].1
    }

    /// Puts a value there; what was there before comes back.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (number, at, found) = self.place(&key);
        let pages = Arc::make_mut(&mut self.pages);
        if found {
            let page = pages.get_mut(number).map(Arc::make_mut)?;
            return page.get_mut(at).map(|(_, old)| std::mem::replace(old, value));
        }
        if pages.is_empty() {
            pages.push(Arc::default());
        }
        self.count += 1;
        let number = make_room(pages, number, at);
        let at = spot(pages, number, &key);
        if let Some(page) = pages.get_mut(number) {
            Arc::make_mut(page).insert(at, (key, value));
        }
        None
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (number, at, found) = self.place(key);
        if !found {
            return None;
        }
        self.count -= 1;
        let pages = Arc::make_mut(&mut self.pages);
        let page = pages.get_mut(number).map(Arc::make_mut)?;
        let (_, value) = page.remove(at);
        if page.is_empty() {
            pages.remove(number);
        }
        Some(value)
    }

    /// The page and the place in it where a key is or belongs, and whether it is there.
    fn place(&self, key: &K) -> (usize, usize, bool) {
        let number = self.page(key).unwrap_or_default();
        let found =
            self.pages.get(number).map_or(Err(0), |page| page.binary_search_by(|(other, _)| other.cmp(key)));
        match found {
            Ok(at) => (number, at, true),
            Err(at) => (number, at, false),
        }
    }

    /// The keys at which two maps differ, in order; what they share is not looked at.
    pub(crate) fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a K>
    where
        V: PartialEq,
    {
        let mut found = apart(self, other);
        found.sort_unstable();
        found.dedup();
        found.retain(|key| self.get(*key) != other.get(*key));
        found
    }
}

/// The keys in those pages of either map that the other does not have.
fn apart<'a, K: Ord, V>(one: &'a Paged<K, V>, two: &'a Paged<K, V>) -> Vec<&'a K> {
    let mut found = Vec::new();
    let (mut a, mut b) = (one.pages.iter().peekable(), two.pages.iter().peekable());
    let first = |page: &&'a Page<K, V>| page.first().map(|(key, _)| key);
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if Arc::ptr_eq(x, y) => {
                a.next();
                b.next();
            }
            // The page that begins first is passed; equal pages begin alike, so none of them is missed.
            (Some(x), y) if y.is_none_or(|y| first(x) <= first(y)) => found.extend(keys(a.next())),
            (_, Some(_)) => found.extend(keys(b.next())),
            (_, None) => return found,
        }
    }
}

fn keys<K, V>(page: Option<&Page<K, V>>) -> impl Iterator<Item = &K> {
    page.into_iter().flat_map(|page| page.iter()).map(|(key, _)| key)
}

/// Cuts a full page in two; the number of the page in which what belongs at `at` has its place.
fn make_room<K: Clone, V: Clone>(pages: &mut Vec<Page<K, V>>, number: usize, at: usize) -> usize {
    let Some(page) = pages.get_mut(number).filter(|page| page.len() >= PAGE_COUNT_MAX) else { return number };
    // What grows at its end is cut there, so that keys that come in order leave full pages.
    let middle = if at == page.len() { at - 1 } else { page.len() / 2 };
    let rest = Arc::make_mut(page).split_off(middle);
    pages.insert(number + 1, Arc::new(rest));
    if at > middle { number + 1 } else { number }
}

/// Where a key belongs in a page.
fn spot<K: Ord, V>(pages: &[Page<K, V>], number: usize, key: &K) -> usize {
    pages.get(number).map_or(0, |page| page.partition_point(|(other, _)| other < key))
}

impl<'a, K, V> IntoIterator for &'a Paged<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Box<dyn Iterator<Item = (&'a K, &'a V)> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

/// From entries whose keys rise, of which each is there once.
impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for Paged<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut paged = Self::default();
        let mut page: Vec<(K, V)> = Vec::with_capacity(PAGE_COUNT_MAX);
        let mut pages = Vec::new();
        let mut late = Vec::new();
        for (key, value) in entries {
            let last = page.last().or_else(|| pages.last().and_then(|page: &Page<K, V>| page.last()));
            if last.is_some_and(|(last, _)| *last >= key) {
                late.push((key, value));
                continue;
            }
            if page.len() == PAGE_COUNT_MAX * 2 / 3 {
                pages.push(Arc::new(std::mem::replace(&mut page, Vec::with_capacity(PAGE_COUNT_MAX))));
            }
            page.push((key, value));
            paged.count += 1;
        }
        if !page.is_empty() {
            pages.push(Arc::new(page));
        }
        paged.pages = Arc::new(pages);
        for (key, value) in late {
            paged.insert(key, value);
        }
        paged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        #[test]
        fn it_is_a_map_and_its_copies_stay_as_they_were(
            steps in proptest::collection::vec((0u16..600, proptest::option::weighted(0.7, any::<u8>())), 0..900),
            kept in 0usize..900,
        ) {
            let (mut paged, mut map) = (Paged::default(), BTreeMap::new());
            let mut copies = None;
            for (number, (key, value)) in steps.into_iter().enumerate() {
                if number == kept {
                    copies = Some((paged.clone(), map.clone()));
                }
                match value {
                    Some(value) if value % 2 == 0 => prop_assert_eq!(paged.insert(key, value), map.insert(key, value)),
                    Some(value) => {
                        *paged.or_default(key) = value;
                        map.insert(key, value);
                    }
                    None => prop_assert_eq!(paged.remove(&key), map.remove(&key)),
                }
                prop_assert_eq!(paged.get(&key), map.get(&key));
            }
            prop_assert_eq!(paged.len(), map.len());
            prop_assert!(paged.iter().eq(map.iter()));
            let (old, old_map) = copies.unwrap_or_default();
            prop_assert!(old.iter().eq(old_map.iter()), "a copy was written to");
            let keys: BTreeSet<u16> = map.keys().chain(old_map.keys()).copied().collect();
            let differ: BTreeSet<u16> = keys.into_iter().filter(|key| map.get(key) != old_map.get(key)).collect();
            let found: BTreeSet<u16> = paged.differing(&old).into_iter().copied().collect();
            prop_assert_eq!(found, differ);
        }

        #[test]
        fn it_is_made_of_entries(entries in proptest::collection::btree_map(0u32..5000, any::<u8>(), 0..500)) {
            let paged: Paged<u32, u8> = entries.clone().into_iter().collect();
            prop_assert!(paged.iter().eq(entries.iter()));
            prop_assert!(entries.keys().all(|key| paged.contains_key(key)));
        }
    }

    #[test]
    fn a_copy_that_is_written_shares_what_is_not() {
        let mut paged: Paged<u32, u32> = (0..10_000).map(|key| (key, key)).collect();
        let old = paged.clone();
        paged.insert(5000, 1);
        let own = paged.pages.iter().zip(old.pages.iter()).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert_eq!(own, 1);
        assert_eq!(paged.differing(&old), [&5000]);
    }
}
