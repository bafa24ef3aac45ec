//! Every run of a project, as its branch shows them; and those that a worktree keeps for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::id::{ArtifactId, ContentHash, WaypointId};
use cairn_crdt::path::RepoPath;
use cairn_crdt::{File, FileBody, View};
use serde::{Deserialize, Serialize};

use super::begun;
use super::record::{ID_DIGITS, RECORD_BYTES_MAX, Record, RunId, check_key};
use super::{FOLDER, INPUTS, RUNS_BRANCH, file};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Place, Site};

/// The word for the newest run.
pub const LAST: &str = "last";
/// A name needs so many digits to be taken for one.
pub(super) const PREFIX_DIGITS_MIN: usize = 4;
/// The most bytes of a file with tags.
const TAGS_BYTES_MAX: usize = 64 << 10;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// What it says.
    pub record: Record,
    /// Whether it is kept in this worktree alone.
    pub local: bool,
    /// What was said of it since.
    pub tags: Vec<String>,
}

/// A file on the branch that is no record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stray {
    /// The file.
    pub path: String,
    /// Why it is none.
    pub why: String,
}

/// Every run of a project.
#[derive(Debug, Default)]
pub struct Book {
    /// The runs, the oldest first.
    pub runs: Vec<Run>,
    /// What was passed over.
    pub strays: Vec<Stray>,
}

/// The branch with the records.
pub struct Shelf {
    place: Place,
    view: Arc<View>,
}

impl Shelf {
    /// What the branch shows now.
    pub fn open(owner: &mut Owner, place: Place) -> Result<Self, NodeError> {
        let frontier = place.branch(owner, RUNS_BRANCH)?;
        Ok(Self { place, view: place.view(owner, &frontier)? })
    }

    /// The names of the files that may be records; a name that is none is a stray.
    pub(super) fn names(&self) -> (Vec<RunId>, Vec<Stray>) {
        let (mut ids, mut strays) = (Vec::new(), Vec::new());
        for path in self.view.files.keys().filter_map(below) {
            let Some(stem) = path.strip_suffix(".json") else { continue };
            let is_beside = stem.ends_with(".series") || stem.ends_with(".tags");
            match RunId::parse(stem) {
                _ if is_beside || path.contains('/') => {}
                Some(id) => ids.push(id),
                None => strays.push(stray(&path, "its name is not that of a run".to_owned())),
            }
        }
        (ids, strays)
    }

    /// The hash of the file that may be the record of a run; `None` where there is none.
    pub(super) fn content(&self, id: &RunId) -> Option<ContentHash> {
        match self.view.files.get(&file(id, ".json").ok()?).map(|file| &file.body) {
            Some(FileBody::Bytes { content, .. }) => Some(*content),
            _ => None,
        }
    }

    /// Whether all of these are records that the branch still shows.
    pub(super) fn shows(&self, records: &BTreeMap<RunId, ContentHash>) -> bool {
        records.iter().all(|(id, content)| self.content(id) == Some(*content))
    }

    /// A file of a run; `None` where there is none.
    pub fn bytes(&self, owner: &mut Owner, id: &RunId, ending: &str) -> Result<Option<Vec<u8>>, NodeError> {
        let path = file(id, ending)?;
        match self.view.files.get(&path).map(|file| &file.body) {
            Some(FileBody::Bytes { .. }) => self.place.bytes(owner, &self.view, &path).map(Some),
            _ => Ok(None),
        }
    }

    /// The waypoints that gave a file of the branch these bytes.
    pub fn writers(
        &self,
        owner: &mut Owner,
        path: &RepoPath,
        content: ContentHash,
    ) -> Result<Vec<WaypointId>, NodeError> {
        let documents = self.place.documents(owner)?;
        let bodies = documents.bodies(&self.view, path, owner.store(self.place.repo)?)?;
        Ok(bodies.into_iter().filter(|(_, body)| *body == content).map(|(waypoint, _)| waypoint).collect())
    }

    /// An input of a run that is kept as an artifact; `None` where the branch shows no such file.
    pub fn artifact(&self, id: &RunId, path: &str, artifact: ArtifactId) -> Result<Option<File>, NodeError> {
        let path = file(id, &format!("/{INPUTS}/{path}"))?;
        let is_it = |file: &&File| matches!(file.body, FileBody::Artifact { artifact: shown, .. } if shown == artifact);
        Ok(self.view.files.get(&path).filter(is_it).cloned())
    }

    pub(super) fn run(&self, owner: &mut Owner, id: RunId) -> Result<Result<Run, Stray>, NodeError> {
        let path = file(&id, ".json")?;
        let told = path.to_string();
        match self.view.files.get(&path).map(|file| &file.body) {
            Some(FileBody::Bytes { bytes, .. }) if *bytes <= RECORD_BYTES_MAX as u64 => {}
            Some(FileBody::Bytes { bytes, .. }) => {
                return Ok(Err(stray(
                    &told,
                    format!("it has {bytes} bytes, and a record at most {RECORD_BYTES_MAX}"),
                )));
            }
            _ => return Ok(Err(stray(&told, "it is no plain file".to_owned()))),
        }
        let bytes = self.place.bytes(owner, &self.view, &path)?;
        let tags = self.bytes(owner, &id, ".tags.json")?.unwrap_or_default();
        Ok(match Record::named(&id, &bytes) {
            Ok(record) => Ok(Run { id, record, local: false, tags: read_tags(&tags) }),
            Err(error) => Err(stray(&told, error.to_string())),
        })
    }
}

/// What stands below the folder of runs.
fn below(path: &RepoPath) -> Option<String> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    Some(text.strip_prefix(FOLDER)?.strip_prefix('/')?.to_owned())
}

fn stray(path: &str, why: String) -> Stray {
    Stray { path: path.to_owned(), why }
}

/// Tags that anybody may have written; what is none says nothing.
pub fn read_tags(bytes: &[u8]) -> Vec<String> {
    let tags: BTreeMap<String, bool> = match bytes.len() <= TAGS_BYTES_MAX {
        true => serde_json::from_slice(bytes).unwrap_or_default(),
        false => BTreeMap::new(),
    };
    tags.into_iter().filter(|(tag, set)| *set && check_key(tag).is_ok()).map(|(tag, _)| tag).collect()
}

/// A file with these tags, one a line, so that what two people say at once merges.
pub fn write_tags(tags: &BTreeSet<String>) -> Vec<u8> {
    let lines: Vec<String> = tags.iter().map(|tag| format!("  \"{tag}\": true")).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n")).into_bytes()
}

impl Book {
    /// The runs of a project.
    pub fn of(owner: &mut Owner, place: Place) -> Result<Self, NodeError> {
        let shelf = Shelf::open(owner, place)?;
        let (ids, strays) = shelf.names();
        let mut book = Self { runs: Vec::new(), strays };
        for id in ids {
            match shelf.run(owner, id)? {
                Ok(run) => book.runs.push(run),
                Err(stray) => book.strays.push(stray),
            }
        }
        book.sort();
        Ok(book)
    }

    /// The runs of a project, and those that the worktree keeps for itself.
    pub fn of_site(owner: &mut Owner, site: &Site) -> Result<Self, NodeError> {
        let mut book = Self::of(owner, site.place)?;
        for id in begun::kept(site.root())? {
            let bytes = begun::kept_bytes(site.root(), &id, ".json")?;
            match Record::named(&id, &bytes) {
                Ok(record) => book.runs.push(Run { id, record, local: true, tags: Vec::new() }),
                Err(error) => book.strays.push(stray(&format!(".cairn/runs/{id}.json"), error.to_string())),
            }
        }
        book.sort();
        Ok(book)
    }

    fn sort(&mut self) {
        self.runs.sort_by(|a, b| (a.record.started_ms, &a.id).cmp(&(b.record.started_ms, &b.id)));
    }

    /// The run that a word means: the first digits of its name, what it is called, or `last`.
    pub fn find(&self, word: &str) -> Result<&Run, NodeError> {
        let word = word.trim();
        if word == LAST {
            return self.runs.last().ok_or_else(|| unknown(word));
        }
        // A link gives the whole hash.
        let digits = word.get(..ID_DIGITS).unwrap_or(word);
        let is_hash = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let begins =
            |run: &&Run| is_hash && word.len() >= PREFIX_DIGITS_MIN && run.id.as_str().starts_with(digits);
        let called = |run: &&Run| run.record.name.as_deref() == Some(word);
        let named: Vec<_> = self.runs.iter().filter(begins).collect();
        let found = if named.is_empty() { self.runs.iter().filter(called).collect() } else { named };
        match found.as_slice() {
            [] => Err(unknown(word)),
            [one] => Ok(one),
            many => {
                let candidates = many.iter().map(|run| format!("run {}", run.id)).collect();
                Err(NodeError::Ambiguous { name: word.to_owned(), candidates })
            }
        }
    }
}

fn unknown(word: &str) -> NodeError {
    NodeError::NotFound { what: "run", name: word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_were_written_and_junk_says_nothing() {
        let tags = BTreeSet::from(["good".to_owned(), "paper/v1".to_owned()]);
        assert_eq!(read_tags(&write_tags(&tags)), ["good", "paper/v1"]);
        assert!(read_tags(&write_tags(&BTreeSet::new())).is_empty());
        assert_eq!(read_tags(br#"{"a": false, "b c": true, "d": true}"#), ["d"]);
        for junk in ["", "[1]", "{\"a\": 1}", &"[".repeat(50_000), &" ".repeat(TAGS_BYTES_MAX + 1)] {
            assert!(read_tags(junk.as_bytes()).is_empty());
        }
    }
}
