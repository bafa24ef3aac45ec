//! Two runs side by side: parameters and metrics by name, files by what they hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::Item;

/// A parameter or a metric that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed<T> {
    /// Its name.
    pub name: String,
    /// What it was; nothing if it was not there.
    pub then: Option<T>,
    /// What it is now.
    pub now: Option<T>,
}

/// What differs between two lists by name.
pub fn changed<T: PartialEq + Clone>(
    then: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
) -> Vec<Changed<T>> {
    let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let differs = |name: &&String| then.get(*name) != now.get(*name);
    let told = |name: &String| {
        let (then, now) = (then.get(name).cloned(), now.get(name).cloned());
        Changed { name: name.clone(), then, now }
    };
    names.into_iter().filter(differs).map(told).collect()
}

/// A file of two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Where it lies in the worktree.
    pub path: String,
    /// What it held; nothing if it was not there.
    pub then: Option<Item>,
    /// What it holds now.
    pub now: Option<Item>,
    /// Whether both hold the same bytes.
    pub same: bool,
    /// Which share of its bytes lies in chunks that the other one has too, where that is known: 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<f64>,
}

/// The files of two runs by path.
pub fn pairs(then: &[Item], now: &[Item]) -> Vec<Pair> {
    let by_path = |items: &[Item]| -> BTreeMap<String, Item> {
        items.iter().map(|item| (item.path.clone(), item.clone())).collect()
    };
    let (then, now) = (by_path(then), by_path(now));
    let paths: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let pair = |path: &String| {
        let (then, now) = (then.get(path).cloned(), now.get(path).cloned());
        let content = |item: &Option<Item>| item.as_ref().map(|item| item.content.clone());
        let same = content(&then) == content(&now);
        Pair { path: path.clone(), then, now, same, shared: None }
    };
    paths.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Number;

    #[test]
    fn what_differs_is_told_by_name() {
        let list = |acc: f64| {
            BTreeMap::from([("acc".to_owned(), Number(acc)), ("nan".to_owned(), Number(f64::NAN))])
        };
        assert_eq!(changed(&list(0.5), &list(0.5)), []);
        let told = changed(&list(0.5), &list(0.6));
        assert_eq!(told, [Changed { name: "acc".into(), then: Some(Number(0.5)), now: Some(Number(0.6)) }]);
        assert_eq!(changed(&list(0.5), &BTreeMap::new()).len(), 2);
    }

    #[test]
    fn files_are_the_same_where_they_hold_the_same() {
        let item = |path: &str, content: &str| Item {
            path: path.into(),
            content: content.into(),
            ..Item::default()
        };
        let other = Item { artifact: Some("other name".into()), declared: true, ..item("a", "1") };
        let told = pairs(&[item("a", "1"), item("b", "1")], &[other, item("b", "2"), item("c", "3")]);
        let same: Vec<_> = told.iter().map(|pair| (pair.path.as_str(), pair.same)).collect();
        assert_eq!(same, [("a", true), ("b", false), ("c", false)]);
    }
}
