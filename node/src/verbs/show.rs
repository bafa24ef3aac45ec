//! `show`: one waypoint with its changes, one mark, or one file at a version.

use cairn_crdt::id::hex;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileBody, View};
use serde::{Deserialize, Serialize};

use super::compare;
use super::log::{logged, marks};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::path_text;
use crate::verbs::mark::{Told, told};
use crate::verbs::{Here, Place, Version};
use crate::worktree::link::digits;

/// What `show` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to show; the version stood on when left out.
    pub uri: Option<String>,
}

/// What `show` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The version shown.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// The mark, when one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Told>,
    /// The waypoint, when the version is one.
    pub waypoint: Option<super::log::Logged>,
    /// What it changed against the version it was written on.
    pub changes: Vec<super::diff::FileDiff>,
    /// The items and keys that it changed.
    pub symbols: Vec<super::diff::SymbolDiff>,
    /// The file, when a path was asked for.
    pub file: Option<Shown>,
}

/// One file at a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its path.
    pub path: String,
    /// `text`, `bytes`, `link` or `artifact`.
    pub kind: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// Its text, when it is UTF-8; a link's target; an artifact's hash.
    pub text: Option<String>,
    /// Its bytes in hexadecimal digits, when they are no UTF-8.
    pub hex: Option<String>,
}

/// Shows it.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let version = Version::find(owner, &args.here, args.uri.as_deref())?;
    let place = version.place;
    let view = place.view(owner, &version.frontier)?;
    let mut answer =
        Answer { frontier: digits(&version.frontier), root: view.root.to_string(), ..Answer::default() };
    if let Some(set) = version.mark {
        answer.mark = told(owner.replica(place.repo)?, place, set);
    }
    if let Some(path) = &version.path {
        answer.file = Some(file(owner, place, &view, path)?);
        return Ok(answer);
    }
    if let [waypoint] = version.frontier.heads() {
        let replica = owner.replica(place.repo)?;
        let marks = marks(replica, place);
        let Some(entry) = replica.entry(place.project, *waypoint) else { return Ok(answer) };
        let parents = place.blend(owner, [&entry.parents.iter().copied().collect()])?;
        let before = place.view(owner, &parents)?;
        answer.waypoint = Some(logged(&entry, &marks));
        let differs = compare::versions(owner, place, &before, &view, &|_| true)?;
        (answer.changes, answer.symbols) = (differs.files, differs.symbols);
    }
    Ok(answer)
}

fn file(owner: &mut Owner, place: Place, view: &View, path: &RepoPath) -> Result<Shown, NodeError> {
    let none = || NodeError::NotFound { what: "file", name: path.to_string() };
    let file = view.files.get(path).ok_or_else(none)?;
    let mut shown = Shown {
        path: path_text(path),
        kind: "link".to_owned(),
        bytes: 0,
        executable: file.executable,
        text: None,
        hex: None,
    };
    match &file.body {
        FileBody::Link { target } => (shown.bytes, shown.text) = (target.len() as u64, Some(lossy(target))),
        FileBody::Artifact { artifact, bytes } => {
            (shown.kind, shown.bytes, shown.text) =
                ("artifact".to_owned(), *bytes, Some(artifact.to_string()));
        }
        FileBody::Bytes { bytes, .. } => {
            let content = place.bytes(owner, view, path)?;
            shown.bytes = *bytes;
            match String::from_utf8(content) {
                Ok(text) => (shown.kind, shown.text) = ("text".to_owned(), Some(text)),
                Err(error) => (shown.kind, shown.hex) = ("bytes".to_owned(), Some(hex(error.as_bytes()))),
            }
        }
    }
    Ok(shown)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
