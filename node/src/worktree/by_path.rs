//! What is known path by path, in one sorted list.
//!
//! All of it is read from a file, walked along and written again far more often than one entry is asked for; for that a list
//! is several times faster to make and to let go than a tree.

use std::collections::BTreeMap;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::path::RepoPath;

/// What is known path by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByPath<V>(Vec<(RepoPath, V)>);

impl<V> Default for ByPath<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> ByPath<V> {
    /// What is known at a path.
    pub fn get(&self, path: &RepoPath) -> Option<&V> {
        let at = self.0.binary_search_by(|(known, _)| known.cmp(path)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Whether anything is known at a path.
    pub fn contains(&self, path: &RepoPath) -> bool {
        self.get(path).is_some()
    }

    /// All of it, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&RepoPath, &V)> {
        self.0.iter().map(|(path, value)| (path, value))
    }

    /// The paths from this one on.
    pub fn paths_from<'a>(&'a self, path: &RepoPath) -> impl Iterator<Item = &'a RepoPath> + use<'a, V> {
        let begin = self.0.partition_point(|(known, _)| known < path);
        self.0.iter().skip(begin).map(|(path, _)| path)
    }

    /// Puts in what is known now, and takes out what is not known any more, path by path.
    pub fn amend(&mut self, changes: BTreeMap<RepoPath, Option<V>>) {
        if changes.is_empty() {
            return;
        }
        let mut before = std::mem::take(&mut self.0).into_iter().peekable();
        for (path, value) in changes {
            while let Some(entry) = before.next_if(|(known, _)| *known < path) {
                self.0.push(entry);
            }
            before.next_if(|(known, _)| *known == path);
            self.0.extend(value.map(|value| (path, value)));
        }
        self.0.extend(before);
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> IntoIterator for ByPath<V> {
    type Item = (RepoPath, V);
    type IntoIter = std::vec::IntoIter<(RepoPath, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Of two values for one path the later one counts.
impl<V> FromIterator<(RepoPath, V)> for ByPath<V> {
    fn from_iter<I: IntoIterator<Item = (RepoPath, V)>>(items: I) -> Self {
        let mut list: Vec<_> = items.into_iter().collect();
        if !list.is_sorted_by(|a, b| a.0 < b.0) {
            // The later one comes first among equals, and the rest of them goes.
            list.reverse();
            list.sort_by(|a, b| a.0.cmp(&b.0));
            list.dedup_by(|later, earlier| later.0 == earlier.0);
        }
        Self(list)
    }
}

impl<V: Encoded> ByPath<V> {
    /// Writes their number and all of them.
    pub(super) fn write(&self, out: &mut Writer) {
        out.count(self.0.len() as u64);
        for (path, value) in &self.0 {
            path.write(out);
            value.write(out);
        }
    }

    /// Reads what was written, if there are no more than `count_max`.
    pub(super) fn read(input: &mut Reader<'_>, count_max: u64) -> Decode<Self> {
        let mut list: Vec<(RepoPath, V)> = Vec::new();
        let at = input.clone();
        for _ in 0..input.count(count_max)? {
            list.push((RepoPath::read(input)?, V::read(input)?));
        }
        if !list.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(at.error(Problem::Invalid("order of paths")));
        }
        Ok(Self(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn whatever_order_it_comes_in_the_last_word_on_each_path_counts() {
        let known: ByPath<u8> = [("b", 1), ("a/c", 2), ("b", 3), ("a", 4), ("b", 5)]
            .map(|(at, value)| (path(at), value))
            .into_iter()
            .collect();
        let list: Vec<_> = known.iter().map(|(path, value)| (path.to_string(), *value)).collect();
        assert_eq!(list, [("a".to_owned(), 4), ("a/c".to_owned(), 2), ("b".to_owned(), 5)]);
        assert_eq!((known.get(&path("b")), known.get(&path("a/d"))), (Some(&5), None));
        assert_eq!(known.paths_from(&path("a/b")).map(RepoPath::to_string).collect::<Vec<_>>(), ["a/c", "b"]);
    }

    #[test]
    fn what_changed_is_put_in_and_taken_out_where_it_belongs() {
        let list = |known: &ByPath<u8>| -> Vec<_> {
            known.iter().map(|(path, value)| format!("{path}={value}")).collect()
        };
        let mut known: ByPath<u8> =
            [("b", 1), ("d", 2), ("f", 3)].map(|(at, value)| (path(at), value)).into_iter().collect();
        let changes = [("a", Some(4)), ("b", None), ("c", None), ("d", Some(5)), ("g", Some(6))];
        known.amend(changes.map(|(at, value)| (path(at), value)).into());
        assert_eq!(list(&known), ["a=4", "d=5", "f=3", "g=6"]);
        known.amend([(path("g"), None)].into());
        assert_eq!(list(&known), ["a=4", "d=5", "f=3"]);
    }
}
