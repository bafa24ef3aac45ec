//! Taking one named item of a file from one text into another.

use cairn_crdt::compare::{ItemAt, items_of};
use cairn_crdt::path::RepoPath;

use crate::error::NodeError;

/// `text` with the item of that name as `other` has it: changed, added or gone.
pub(super) fn taken(path: &RepoPath, text: &[u8], other: &[u8], symbol: &str) -> Result<Vec<u8>, NodeError> {
    let (here, there) = (items_of(path, text), items_of(path, other));
    let (old, new) = (find(path, &here, symbol)?, find(path, &there, symbol)?);
    let (start, end) = match (old, new) {
        (Some(old), _) => (old.start, old.end),
        (None, Some(new)) => {
            let at = neighbour(&here, &there, new).unwrap_or(text.len());
            (at, at)
        }
        // A change that does not touch the item.
        (None, None) => return Ok(text.to_vec()),
    };
    let new = new.and_then(|new| other.get(new.start..new.end)).unwrap_or_default();
    let parts = [text.get(..start), Some(new), text.get(end..)];
    let parts: Option<Vec<&[u8]>> = parts.into_iter().collect();
    Ok(parts.ok_or(NodeError::Bug("an item lies outside of its file"))?.concat())
}

/// Where an item goes that only the other text has: behind the one that stands before it there.
fn neighbour(here: &[ItemAt], there: &[ItemAt], new: &ItemAt) -> Option<usize> {
    let before = there.iter().filter(|item| item.end <= new.start && item.above == new.above);
    let mut known = before.filter_map(|item| here.iter().find(|other| other.spell() == item.spell()));
    known.next_back().map(|item| item.end)
}

/// The item that `symbol` names: `fn(Point::norm)`, `Point::norm` or `norm`.
fn find<'a>(path: &RepoPath, items: &'a [ItemAt], symbol: &str) -> Result<Option<&'a ItemAt>, NodeError> {
    let full: Vec<_> = items.iter().filter(|item| item.spell() == symbol || item.full == symbol).collect();
    let own = |item: &&ItemAt| {
        let name = String::from_utf8_lossy(&item.name);
        name == symbol || format!("{}({name})", item.word) == symbol
    };
    let found = if full.is_empty() { items.iter().filter(own).collect() } else { full };
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(NodeError::Ambiguous {
            name: format!("{path}#{symbol}"),
            candidates: found.iter().map(|item| format!("{path}#{}", item.spell())).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str, other: &str, symbol: &str) -> String {
        let path = RepoPath::new(b"a.rs").unwrap();
        String::from_utf8(taken(&path, text.as_bytes(), other.as_bytes(), symbol).unwrap()).unwrap()
    }

    const ABC: &str = "fn a() { 1 }\n\nfn b() { 2 }\n\nfn c() { 3 }\n";

    #[test]
    fn one_item_is_changed_added_or_taken_away() {
        let other = ABC.replace('1', "10").replace('3', "30");
        assert_eq!(take(ABC, &other, "a"), ABC.replace('1', "10"));
        assert_eq!(take(ABC, &other, "fn(c)"), ABC.replace('3', "30"));
        let without = ABC.replace("\nfn b() { 2 }\n", "");
        assert_eq!(take(&without, &ABC.replace('1', "9"), "b"), ABC);
        assert_eq!(take(ABC, &without.replace('1', "9"), "b"), without);
        assert_eq!(take(ABC, &other, "d"), ABC);
    }
}
