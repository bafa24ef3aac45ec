//! Differences as people read them: file by file, in unified form.

use std::collections::BTreeSet;
use std::io::Read;

use cairn_crdt::path::RepoPath;
use cairn_crdt::{File, FileBody, View};
use imara_diff::{Algorithm, BasicLineDiffPrinter, Diff, InternedInput, UnifiedDiffConfig};

use super::diff::FileDiff;
use super::status::is_told;
use super::{Place, Site};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::path_text;
use crate::worktree::edits::FILE_BYTES_MAX;
use crate::worktree::scan::{Change, Difference, Disk};

/// One side of a difference.
enum Side {
    /// Nothing is there.
    Nothing,
    /// Text, or words that stand for what is no text.
    Text(String),
    /// Bytes that are no text.
    Bytes,
}

/// What differs between two versions.
pub(super) fn versions(
    owner: &mut Owner,
    place: Place,
    old: &View,
    new: &View,
    within: &dyn Fn(&RepoPath) -> bool,
) -> Result<Vec<FileDiff>, NodeError> {
    let paths: BTreeSet<_> = old.files.keys().chain(new.files.keys()).filter(|path| within(path)).collect();
    let mut differences = Vec::new();
    for path in paths {
        let says = |view: &View| view.files.get(path).map(|file| (file.body.clone(), file.executable));
        let (before, after) = (says(old), says(new));
        if before == after {
            continue;
        }
        let kind = match (before, after) {
            (None, _) => Difference::Added,
            (_, None) => Difference::Removed,
            _ => Difference::Modified,
        };
        let sides = (shown(owner, place, old, path)?, shown(owner, place, new, path)?);
        differences.push(difference(path, kind, sides));
    }
    Ok(differences)
}

/// What differs between a version and the disk.
pub(super) fn with_disk(
    owner: &mut Owner,
    mut site: Site,
    old: &View,
    within: &dyn Fn(&RepoPath) -> bool,
) -> Result<Vec<FileDiff>, NodeError> {
    let changes = site.worktree.changes(old, None)?;
    let mut differences = Vec::new();
    for change in changes.iter().filter(|change| within(&change.path) && is_told(change, old)) {
        let sides = (shown(owner, site.place, old, &change.path)?, on_disk(&site, change)?);
        differences.push(difference(&change.path, change.difference, sides));
    }
    Ok(differences)
}

fn shown(owner: &mut Owner, place: Place, view: &View, path: &RepoPath) -> Result<Side, NodeError> {
    match view.files.get(path) {
        None => Ok(Side::Nothing),
        Some(File { body: FileBody::Artifact { .. }, .. }) => Ok(Side::Bytes),
        Some(File { body: FileBody::Link { target }, .. }) => Ok(link(target)),
        Some(_) => Ok(text(place.bytes(owner, view, path)?)),
    }
}

fn on_disk(site: &Site, change: &Change) -> Result<Side, NodeError> {
    match &change.disk {
        Some(Disk::Link { target }) => Ok(link(target)),
        Some(Disk::File { bytes, .. }) if *bytes > FILE_BYTES_MAX => Ok(Side::Bytes),
        Some(Disk::File { .. }) => {
            let mut bytes = Vec::new();
            let path = site.worktree.on_disk(&change.path);
            let read = site
                .worktree
                .read(&change.path)
                .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
            read.map_err(|error| NodeError::io("read", &path, error))?;
            Ok(text(bytes))
        }
        Some(Disk::Dir) | None => Ok(Side::Nothing),
    }
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

fn difference(path: &RepoPath, kind: Difference, sides: (Side, Side)) -> FileDiff {
    let path = path_text(path);
    let text = match &sides {
        (Side::Bytes, _) | (_, Side::Bytes) => None,
        (old, new) => Some(unified(&path, words(old), words(new))),
    };
    FileDiff { path, kind: kind.word().to_owned(), text }
}

fn words(side: &Side) -> Option<&str> {
    match side {
        Side::Text(text) => Some(text),
        _ => None,
    }
}

/// The difference of two texts in unified form; a side that is not there is `/dev/null`.
fn unified(path: &str, old: Option<&str>, new: Option<&str>) -> String {
    let name =
        |side: &str, there: bool| if there { format!("{side}/{path}") } else { "/dev/null".to_owned() };
    let head = format!("--- {}\n+++ {}\n", name("a", old.is_some()), name("b", new.is_some()));
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
        let text = unified("d/x", Some("a\nb\nc\n"), Some("a\nB\nc\n"));
        assert_eq!(text, "--- a/d/x\n+++ b/d/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert!(unified("x", None, Some("a\n")).starts_with("--- /dev/null\n+++ b/x\n@@"));
    }
}
