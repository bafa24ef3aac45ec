//! Differences as people read them: file by file in unified form, and item by item.

mod symbols;

use std::collections::BTreeSet;
use std::io::Read;

use cairn_crdt::compare::renames;
use cairn_crdt::id::NodeId;
use cairn_crdt::path::RepoPath;
use cairn_crdt::pieces::Piece;
use cairn_crdt::{File, FileBody, View};
use imara_diff::{Algorithm, BasicLineDiffPrinter, Diff, InternedInput, UnifiedDiffConfig};

use super::diff::{Answer, FileDiff};
use super::status::is_told;
use super::{Place, Site};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::path_text;
use crate::worktree::Footing;
use crate::worktree::edits::FILE_BYTES_MAX;
use crate::worktree::scan::{Change, Disk};

pub use symbols::{SymbolAt, SymbolDiff};

/// What one side of a file holds.
enum Side {
    /// Text, or words that stand for what is no text.
    Text(String),
    /// Bytes that are no text.
    Bytes,
}

/// One side of a file.
struct Half {
    path: RepoPath,
    /// The file's node, where a version has it.
    node: Option<NodeId>,
    side: Side,
    /// Its items, as far as a version knows them.
    pieces: Vec<Piece>,
}

/// A file that differs. With two paths it was renamed.
struct Differing {
    old: Option<Half>,
    new: Option<Half>,
}

/// What differs between two versions.
pub(super) fn versions(
    owner: &mut Owner,
    place: Place,
    old: &View,
    new: &View,
    within: &dyn Fn(&RepoPath) -> bool,
) -> Result<Answer, NodeError> {
    let paths: BTreeSet<_> = old.files.keys().chain(new.files.keys()).filter(|path| within(path)).collect();
    let mut differing = Vec::new();
    for path in paths {
        let says = |view: &View| view.files.get(path).map(|file| (file.body.clone(), file.executable));
        if says(old) != says(new) {
            let (old, new) = (shown(owner, place, old, path)?, shown(owner, place, new, path)?);
            differing.push(Differing { old, new });
        }
    }
    Ok(answer(differing))
}

/// What differs between a version and the disk.
pub(super) fn with_disk(
    owner: &mut Owner,
    mut site: Site,
    old: &View,
    within: &dyn Fn(&RepoPath) -> bool,
) -> Result<Answer, NodeError> {
    let base = Footing::of(old);
    let changes = site.worktree.changes(&base, None)?;
    let mut differing = Vec::new();
    for change in changes.iter().filter(|change| within(&change.path) && is_told(change, &base)) {
        let old = shown(owner, site.place, old, &change.path)?;
        differing.push(Differing { old, new: on_disk(&site, change)? });
    }
    Ok(answer(differing))
}

fn shown(owner: &mut Owner, place: Place, view: &View, path: &RepoPath) -> Result<Option<Half>, NodeError> {
    let Some(file) = view.files.get(path) else { return Ok(None) };
    let (side, pieces) = match file {
        File { body: FileBody::Artifact { .. }, .. } => (Side::Bytes, Vec::new()),
        File { body: FileBody::Link { target }, .. } => (link(target), Vec::new()),
        File { body: FileBody::Bytes { .. }, .. } => {
            (text(place.bytes(owner, view, path)?), place.pieces(owner, view, path)?)
        }
    };
    Ok(Some(Half { path: path.clone(), node: Some(file.node), side, pieces }))
}

fn on_disk(site: &Site, change: &Change) -> Result<Option<Half>, NodeError> {
    let side = match &change.disk {
        Some(Disk::Link { target }) => link(target),
        Some(Disk::File { bytes, .. }) if *bytes > FILE_BYTES_MAX => Side::Bytes,
        Some(Disk::File { .. }) => {
            let mut bytes = Vec::new();
            let path = site.worktree.on_disk(&change.path);
            let read = site
                .worktree
                .read(&change.path)
                .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
            read.map_err(|error| NodeError::io("read", &path, error))?;
            text(bytes)
        }
        Some(Disk::Dir) | None => return Ok(None),
    };
    Ok(Some(Half { path: change.path.clone(), node: None, side, pieces: Vec::new() }))
}

/// The differences in words, files that only got another name as one.
fn answer(differing: Vec<Differing>) -> Answer {
    let differing = renamed(differing);
    let symbols = symbols::symbols(&differing);
    let mut files: Vec<_> = differing.iter().filter_map(difference).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Answer { files, symbols }
}

/// Joins what went to what came: by node, else by what the files hold.
fn renamed(differing: Vec<Differing>) -> Vec<Differing> {
    let (mut gone, mut come, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    for file in differing {
        match file {
            Differing { old: Some(old), new: None } => gone.push(Some(old)),
            Differing { old: None, new: Some(new) } => come.push(Some(new)),
            both => joined.push(both),
        }
    }
    for new in &mut come {
        let node = new.as_ref().and_then(|new| new.node);
        let same =
            |old: &&mut Option<Half>| node.is_some() && old.as_ref().is_some_and(|old| old.node == node);
        if let Some(old) = gone.iter_mut().find(same).and_then(Option::take) {
            joined.push(Differing { old: Some(old), new: new.take() });
        }
    }
    let (mut gone, mut come): (Vec<_>, Vec<_>) =
        (gone.into_iter().flatten().map(Some).collect(), come.into_iter().flatten().map(Some).collect());
    for (old, new) in renames(&texts(&gone), &texts(&come)) {
        let (old, new) = (gone.get_mut(old).and_then(Option::take), come.get_mut(new).and_then(Option::take));
        joined.push(Differing { old, new });
    }
    joined.extend(gone.into_iter().flatten().map(|old| Differing { old: Some(old), new: None }));
    joined.extend(come.into_iter().flatten().map(|new| Differing { old: None, new: Some(new) }));
    joined
}

/// The texts to match by; what is no text matches nothing.
fn texts(halves: &[Option<Half>]) -> Vec<(&RepoPath, &[u8])> {
    let present = halves.iter().flatten();
    present.map(|half| (&half.path, words(half).unwrap_or_default().as_bytes())).collect()
}

fn link(target: &[u8]) -> Side {
    Side::Text(format!("-> {}\n", String::from_utf8_lossy(target)))
}

fn text(bytes: Vec<u8>) -> Side {
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Side::Text(text),
        _ => Side::Bytes,
    }
}

fn difference(file: &Differing) -> Option<FileDiff> {
    let (old, new) = (file.old.as_ref(), file.new.as_ref());
    let path = path_text(&new.or(old)?.path);
    let from = old.map(|old| path_text(&old.path)).filter(|from| *from != path);
    let kind = match (old, new, &from) {
        (None, ..) => "added",
        (_, None, _) => "removed",
        (.., Some(_)) => "renamed",
        _ => "modified",
    };
    let is_text = |half: Option<&Half>| half.is_none_or(|half| words(half).is_some());
    let name = from.as_deref().unwrap_or(&path);
    let text = (is_text(old) && is_text(new))
        .then(|| unified((name, &path), old.and_then(words), new.and_then(words)));
    Some(FileDiff { path, from, kind: kind.to_owned(), text })
}

fn words(half: &Half) -> Option<&str> {
    match &half.side {
        Side::Text(text) => Some(text),
        Side::Bytes => None,
    }
}

/// The difference of two texts in unified form; a side that is not there is `/dev/null`. Nothing at all
/// for texts that are equal, of a file that only got another name or other rights.
fn unified(paths: (&str, &str), old: Option<&str>, new: Option<&str>) -> String {
    if old == new {
        return String::new();
    }
    let name = |side: &str, path: &str, there: bool| match there {
        true => format!("{side}/{path}"),
        false => "/dev/null".to_owned(),
    };
    let head =
        format!("--- {}\n+++ {}\n", name("a", paths.0, old.is_some()), name("b", paths.1, new.is_some()));
    let input = InternedInput::new(old.unwrap_or_default(), new.unwrap_or_default());
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let printer = BasicLineDiffPrinter(&input.interner);
    head + &diff.unified_diff(&printer, UnifiedDiffConfig::default(), &input).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_in_unified_form() {
        let text = unified(("d/x", "d/x"), Some("a\nb\nc\n"), Some("a\nB\nc\n"));
        assert_eq!(text, "--- a/d/x\n+++ b/d/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert!(unified(("x", "x"), None, Some("a\n")).starts_with("--- /dev/null\n+++ b/x\n@@"));
    }
}
