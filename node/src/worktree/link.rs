//! What ties a folder to its home, repo, project and branch: `.cairn/link.json`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use cairn_crdt::Frontier;
use cairn_crdt::id::{RepoId, WaypointId};
use cairn_crdt::path::{PRIVATE_DIR, RepoPath};
use serde::{Deserialize, Serialize};

use super::steps::{Stand, Steps, WrittenStand, WrittenSteps};
use super::unsynced::Unsynced;
use crate::error::NodeError;
use crate::uri::{percent_decode, percent_encode};

/// The file inside the worktree's own folder.
const LINK_FILE: &str = "link.json";
/// The most bytes of that file: a frontier of a few thousand waypoints, and the paths of what is left out.
const LINK_BYTES_MAX: u64 = 64 << 20;

/// Ties a folder to its home, repo, project and branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The home that holds the repo.
    pub home: PathBuf,
    /// The repo.
    pub repo: RepoId,
    /// The project's name, `@owner/name`.
    pub project: String,
    /// The branch that is followed.
    pub branch: String,
    /// The version that the files show.
    pub frontier: Frontier,
    /// Where a checkout goes that has not ended; what is there already is no change of the user's.
    pub underway: Option<Stand>,
    /// When files were written that may not be on the disk yet.
    pub unsynced: Option<Unsynced>,
    /// Files that the version shows and that were left out, since their bytes were not to be had or nobody asked for them:
    /// that they are not on disk is no change of the user's.
    pub absent: BTreeSet<RepoPath>,
    /// Whether large files are left out until somebody asks for them.
    pub lazy: bool,
    /// Large files that somebody asked for, or made here: they are written also where the rest is left out.
    pub asked: BTreeSet<RepoPath>,
    /// The key that signs here, when it is not the home's own.
    pub key: Option<PathBuf>,
    /// What was done here, and can be undone and done again.
    pub steps: Steps,
    /// The local waypoint that was made of the files, or that they were made to show, since something was last posted.
    pub local: Option<WaypointId>,
}

/// The link as it is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    level: u32,
    home: PathBuf,
    repo: String,
    project: String,
    branch: String,
    frontier: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    underway: Option<WrittenStand>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsynced: Option<Unsynced>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    absent: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lazy: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    asked: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "WrittenSteps::is_empty")]
    steps: WrittenSteps,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local: Option<String>,
}

/// The form of link files.
const LINK_LEVEL: u32 = 1;

impl Link {
    /// Reads the link of a worktree; `None` when the folder is none.
    pub fn load(root: &Path) -> Result<Option<Self>, NodeError> {
        let path = link_path(root);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(NodeError::io("open", &path, error)),
        };
        let mut bytes = Vec::new();
        file.take(LINK_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|error| NodeError::io("read", &path, error))?;
        let bad = |why: String| NodeError::Format { path: path.clone(), why };
        let written: Written = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        Self::read(written).map_err(bad).map(Some)
    }

    fn read(written: Written) -> Result<Self, String> {
        if written.level != LINK_LEVEL {
            return Err(format!("its form is {}, this version reads {LINK_LEVEL}", written.level));
        }
        Ok(Self {
            repo: RepoId::from_hex(&written.repo).ok_or("the repo's id is not 64 digits")?,
            frontier: frontier(&written.frontier)?,
            underway: written.underway.map(Stand::read).transpose()?,
            unsynced: written.unsynced,
            absent: paths(&written.absent)?,
            lazy: written.lazy,
            asked: paths(&written.asked)?,
            home: written.home,
            project: written.project,
            branch: written.branch,
            key: written.key,
            steps: Steps::read(written.steps)?,
            local: written.local.as_deref().map(waypoint).transpose()?,
        })
    }

    /// Writes the link so that a crash leaves the old one or the new one.
    pub(super) fn save(&self, root: &Path) -> Result<(), NodeError> {
        let written = Written {
            level: LINK_LEVEL,
            home: self.home.clone(),
            repo: self.repo.to_string(),
            project: self.project.clone(),
            branch: self.branch.clone(),
            frontier: digits(&self.frontier),
            underway: self.underway.as_ref().map(Stand::written),
            unsynced: self.unsynced.clone(),
            absent: texts(&self.absent),
            lazy: self.lazy,
            asked: texts(&self.asked),
            key: self.key.clone(),
            steps: self.steps.written(),
            local: self.local.map(|id| id.to_string()),
        };
        let bytes = serde_json::to_vec_pretty(&written)
            .map_err(|_| NodeError::Usage("the path of a home or key must be UTF-8".to_owned()))?;
        replace(&link_path(root), &bytes)
    }
}

/// The hashes of a frontier, as people and `--json` see them.
pub fn digits(frontier: &Frontier) -> Vec<String> {
    frontier.heads().iter().map(WaypointId::to_string).collect()
}

/// The worktree's own folder.
pub fn private_dir(root: &Path) -> PathBuf {
    root.join(PRIVATE_DIR)
}

/// Writes a file of the worktree's own folder: temporary, synced, renamed, folder synced.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    let io = |error| NodeError::io("write", path, error);
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(io)?;
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&temporary, path).map_err(io)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}

fn link_path(root: &Path) -> PathBuf {
    private_dir(root).join(LINK_FILE)
}

/// Reads such hashes.
pub(crate) fn frontier(digits: &[String]) -> Result<Frontier, String> {
    digits.iter().map(|text| waypoint(text)).collect()
}

fn waypoint(text: &str) -> Result<WaypointId, String> {
    WaypointId::from_hex(text).ok_or_else(|| format!("{text:?} names no waypoint"))
}

fn paths(texts: &[String]) -> Result<BTreeSet<RepoPath>, String> {
    let path =
        |text: &String| RepoPath::new(&percent_decode(text)).map_err(|error| format!("{text:?}: {error}"));
    texts.iter().map(path).collect()
}

fn texts(paths: &BTreeSet<RepoPath>) -> Vec<String> {
    paths.iter().map(|path| percent_encode(path.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worktree::steps::Step;

    fn link() -> Link {
        Link {
            home: "/h".into(),
            repo: RepoId([1; 32]),
            project: "@me/x".into(),
            branch: "main".into(),
            frontier: [WaypointId([2; 32]), WaypointId([3; 32])].into_iter().collect(),
            underway: None,
            unsynced: None,
            absent: [RepoPath::new(b"a/%41\xff").unwrap()].into_iter().collect(),
            lazy: true,
            asked: [RepoPath::new(b"b c").unwrap()].into_iter().collect(),
            key: Some("/k".into()),
            steps: Steps::default(),
            local: Some(WaypointId([4; 32])),
        }
    }

    #[test]
    fn a_link_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Link::load(dir.path()).unwrap(), None);
        let stand =
            |byte: u8| Stand { frontier: Frontier::from_iter([WaypointId([byte; 32])]), branch: "b".into() };
        let mut link = Link { underway: Some(stand(1)), ..link() };
        let step = Step { verb: "post".into(), from: stand(2), to: stand(3), waypoint: None };
        link.steps.push(Step { waypoint: Some(WaypointId([3; 32])), ..step.clone() });
        link.steps.undone(step);
        link.save(dir.path()).unwrap();
        assert_eq!(Link::load(dir.path()).unwrap(), Some(link));
    }

    #[test]
    fn a_damaged_link_is_an_error_and_not_a_missing_worktree() {
        let dir = tempfile::tempdir().unwrap();
        link().save(dir.path()).unwrap();
        for bad in ["", "{}", "null", "[1]", &"[".repeat(10_000)] {
            fs::write(link_path(dir.path()), bad).unwrap();
            assert!(matches!(Link::load(dir.path()), Err(NodeError::Format { .. })), "{bad}");
        }
    }
}
