//! Which waypoints wrote a file, an item or a key.
//!
//! An item that a version knows as a node has its own history, whatever it was called and wherever it stood.
//! One that nobody has edited yet came with its file. A key of a configuration file is followed by its value.

use std::collections::BTreeSet;

use cairn_crdt::compare::{ItemAt, items_of};
use cairn_crdt::id::{NodeId, WaypointId};
use cairn_crdt::languages::codec_of;
use cairn_crdt::path::RepoPath;
use cairn_crdt::syntax::settings;
use cairn_crdt::{Contents, FileBody, Frontier, View};
use cairn_protocol::replica::Replica;

use crate::error::NodeError;
use crate::owner::Owner;
use crate::store::Store;
use crate::verbs::Place;

/// The waypoints of a version that wrote what lies at a path, or one thing in it.
pub(super) fn touched(
    owner: &mut Owner,
    place: Place,
    frontier: &Frontier,
    path: &RepoPath,
    symbol: Option<&str>,
) -> Result<BTreeSet<WaypointId>, NodeError> {
    let view = place.view(owner, frontier)?;
    let Some(symbol) = symbol else {
        let known = view.files.contains_key(path) || view.dirs.contains(path);
        if !known {
            return Err(NodeError::NotFound { what: "file or folder", name: path.to_string() });
        }
        return writers(owner, place, &view, path);
    };
    let none = || NodeError::NotFound { what: "file", name: path.to_string() };
    let file = view.files.get(path).ok_or_else(none)?;
    if !matches!(file.body, FileBody::Bytes { .. }) {
        return Err(NodeError::Usage(format!("{path} holds no text, so nothing in it has a name")));
    }
    let bytes = place.bytes(owner, &view, path)?;
    if value(path, &bytes, symbol).is_some() {
        return by_value(owner, place, &view, path, symbol);
    }
    let items = items_of(path, &bytes);
    let found = find(path, &items, symbol)?;
    let mut all = BTreeSet::new();
    for item in found {
        all.extend(of_item(owner, place, &view, path, item)?);
    }
    Ok(all)
}

fn with<T>(
    owner: &mut Owner,
    place: Place,
    work: impl FnOnce(&mut Replica, &Store) -> Result<T, NodeError>,
) -> Result<T, NodeError> {
    let (replica, store) = owner.with(place.repo)?;
    work(replica, store)
}

fn writers(
    owner: &mut Owner,
    place: Place,
    view: &View,
    path: &RepoPath,
) -> Result<BTreeSet<WaypointId>, NodeError> {
    with(owner, place, |replica, store| {
        let documents =
            replica.documents_mut(place.project).ok_or(NodeError::Bug("a place without documents"))?;
        Ok(documents.writers(view, path, store)?.into_iter().collect())
    })
}

/// The items that `symbol` names: `fn(Point::norm)`, `Point::norm` or `norm`.
fn find<'a>(path: &RepoPath, items: &'a [ItemAt], symbol: &str) -> Result<Vec<&'a ItemAt>, NodeError> {
    let exact = items.iter().filter(|item| item.spell() == symbol || item.full == symbol);
    let exact: Vec<_> = exact.collect();
    let own = |item: &&ItemAt| {
        let name = String::from_utf8_lossy(&item.name);
        name == symbol || format!("{}({name})", item.word) == symbol
    };
    let found = if exact.is_empty() { items.iter().filter(own).collect() } else { exact };
    let mut names: Vec<_> = found.iter().map(|item| format!("{path}#{}", item.spell())).collect();
    names.sort();
    names.dedup();
    match names.len() {
        0 => Err(NodeError::NotFound { what: "item", name: format!("{path}#{symbol}") }),
        1 => Ok(found),
        _ => Err(NodeError::Ambiguous { name: format!("{path}#{symbol}"), candidates: names }),
    }
}

fn of_item(
    owner: &mut Owner,
    place: Place,
    view: &View,
    path: &RepoPath,
    item: &ItemAt,
) -> Result<Vec<WaypointId>, NodeError> {
    with(owner, place, |replica, store| {
        let documents =
            replica.documents_mut(place.project).ok_or(NodeError::Bug("a place without documents"))?;
        let pieces = documents.pieces(view, path, store)?;
        if let Some(piece) = item.piece(&pieces) {
            return Ok(documents.item_writers(view, path, piece, store)?);
        }
        let mut last = None;
        let mut written = Vec::new();
        for (waypoint, content) in documents.bodies(view, path, store)? {
            let bytes = store.get(content)?;
            let items = items_of(path, &bytes);
            let same = items.iter().find(|other| (&other.word, &other.full) == (&item.word, &item.full));
            let text = same.and_then(|other| bytes.get(other.start..other.end)).map(<[u8]>::to_vec);
            if text.is_some() && text != last {
                written.push(waypoint);
            }
            last = text;
        }
        Ok(written)
    })
}

/// The value of a key in a configuration file.
fn value(path: &RepoPath, bytes: &[u8], key: &str) -> Option<String> {
    let settings = settings(codec_of(path.name().as_bytes()), bytes)?;
    settings.into_iter().find(|setting| setting.path == key).map(|setting| setting.value)
}

/// The waypoints after which a key has another value than before.
fn by_value(
    owner: &mut Owner,
    place: Place,
    view: &View,
    path: &RepoPath,
    key: &str,
) -> Result<BTreeSet<WaypointId>, NodeError> {
    let node = view.files.get(path).map(|file| file.node);
    let mut found = BTreeSet::new();
    for waypoint in writers(owner, place, view, path)? {
        let parents = place.documents(owner)?.parents(&waypoint).to_vec();
        let before = value_at(owner, place, &parents.into_iter().collect(), node, key)?;
        let after = value_at(owner, place, &Frontier::from_iter([waypoint]), node, key)?;
        if before != after {
            found.insert(waypoint);
        }
    }
    Ok(found)
}

/// The value of a key in a file, wherever the file stood then.
fn value_at(
    owner: &mut Owner,
    place: Place,
    frontier: &Frontier,
    node: Option<NodeId>,
    key: &str,
) -> Result<Option<String>, NodeError> {
    let view = place.view(owner, frontier)?;
    let path = view.files.iter().find(|(_, file)| Some(file.node) == node).map(|(path, _)| path);
    let Some(path) = path else { return Ok(None) };
    let bytes = place.bytes(owner, &view, path)?;
    Ok(value(path, &bytes, key))
}
