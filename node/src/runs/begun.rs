//! Runs that have begun and are not recorded yet: a folder each, inside of the worktree's own.
//!
//! Whoever is killed half-way leaves such a folder; it is told as a run that never ended, and the next run takes it away. What
//! somebody who may not write has run is kept beside them, as records that never leave the worktree.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use cairn_crdt::id::hex;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::execute::{self, Ran, Task};
use super::record::{Record, RunId};
use crate::error::NodeError;
use crate::worktree::link::private_dir;
use crate::{clock, entropy};

/// The folder in the worktree's own.
const FOLDER: &str = "runs";
/// The file that says what has begun.
const BEGUN_FILE: &str = "begun.json";
/// The file that says how it ended.
const RAN_FILE: &str = "ran.json";
/// The file with what it printed.
const LOG_FILE: &str = "log";
/// What the folder of a run that has begun begins with.
const BEGUN_PREFIX: &str = "begun-";
/// The most bytes of one of these files.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// A run that has begun.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Who runs it.
    pub pid: u32,
    /// When that process was started, as the system counts: a later one may have the same number.
    pub pid_started: u64,
    /// When it began, in milliseconds since 1970.
    pub begun_ms: u64,
    /// What is known already.
    pub record: Record,
    /// Whether it is kept in the worktree alone.
    pub local: bool,
    /// The run that is run again, if it is no new one; it is not recorded.
    pub again: Option<RunId>,
    /// What files that the run is to write held before it, by path. One that is still so afterwards was not written.
    pub before: BTreeMap<String, Seen>,
}

/// What a file holds: the hash of its bytes, and when it was written, in nanoseconds since 1970.
pub type Seen = (String, u64);

/// Where a run is kept until it is recorded.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    token: String,
}

impl Begun {
    /// Whether the process that runs it is still there.
    pub fn is_alive(&self) -> bool {
        started(self.pid).is_some_and(|started| started == self.pid_started)
    }

    /// One that this process, or the one of that number, runs from now on.
    pub fn by(pid: u32, record: Record, local: bool) -> Self {
        let (pid_started, begun_ms) = (started(pid).unwrap_or(0), clock::now_ms());
        Self { pid, pid_started, begun_ms, record, local, again: None, before: BTreeMap::new() }
    }
}

/// When a process was started, in ticks since the system was.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

impl Place {
    /// Writes down that a run has begun, and forgets those that nobody runs any more.
    pub fn begin(root: &Path, begun: &Begun) -> Result<Self, NodeError> {
        for (place, old) in Self::all(root)? {
            if old.is_none_or(|old| !old.is_alive()) {
                place.remove()?;
            }
        }
        let place = Self::of(root, &hex(&entropy::random::<8>()?))?;
        fs::create_dir_all(&place.folder).map_err(|error| NodeError::io("make", &place.folder, error))?;
        place.write(BEGUN_FILE, begun)?;
        Ok(place)
    }

    /// The place with this token.
    pub fn of(root: &Path, token: &str) -> Result<Self, NodeError> {
        let is_plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        let unknown = || NodeError::NotFound { what: "run that has begun", name: token.to_owned() };
        let folder = private_dir(root).join(FOLDER).join(format!("{BEGUN_PREFIX}{token}"));
        is_plain.then(|| Self { folder, token: token.to_owned() }).ok_or_else(unknown)
    }

    /// Every run that has begun; `None` for what cannot be read.
    pub fn all(root: &Path) -> Result<Vec<(Self, Option<Begun>)>, NodeError> {
        let names = names(root)?.into_iter();
        let tokens = names.filter_map(|name| name.strip_prefix(BEGUN_PREFIX).map(str::to_owned));
        let places = tokens.filter_map(|token| Self::of(root, &token).ok());
        Ok(places.map(|place| (place.clone(), place.begun().ok())).collect())
    }

    /// Its token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What has begun.
    pub fn begun(&self) -> Result<Begun, NodeError> {
        self.read(BEGUN_FILE)
    }

    /// Runs the command to its end, and writes down how that was.
    ///
    /// # Errors
    /// Where it cannot be started; then nothing has begun.
    pub fn carry_out(&self, task: Task<'_>) -> Result<(), NodeError> {
        match execute::run(task) {
            Ok((ran, log)) => self.end(&ran, &log),
            Err(error) => self.remove().and(Err(error)),
        }
    }

    /// Writes down how it ended.
    fn end(&self, ran: &Ran, log: &str) -> Result<(), NodeError> {
        let path = self.folder.join(LOG_FILE);
        fs::write(&path, log).map_err(|error| NodeError::io("write", &path, error))?;
        self.write(RAN_FILE, ran)
    }

    /// How it ended, and what it printed.
    pub fn ended(&self) -> Result<(Ran, Vec<u8>), NodeError> {
        Ok((self.read(RAN_FILE)?, bytes(&self.folder.join(LOG_FILE))?))
    }

    /// It is recorded, or nobody runs it any more.
    pub fn remove(&self) -> Result<(), NodeError> {
        fs::remove_dir_all(&self.folder).map_err(|error| NodeError::io("remove", &self.folder, error))
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), NodeError> {
        let path = self.folder.join(name);
        let bytes = serde_json::to_vec_pretty(value).map_err(|_| NodeError::Bug("a run that is no JSON"))?;
        fs::write(&path, bytes).map_err(|error| NodeError::io("write", &path, error))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, NodeError> {
        let path = self.folder.join(name);
        let why = |error: serde_json::Error| NodeError::Format { path: path.clone(), why: error.to_string() };
        serde_json::from_slice(&bytes(&path)?).map_err(why)
    }
}

/// Keeps a record, its log and its series in this worktree alone.
pub fn keep(root: &Path, id: &RunId, files: &[(&str, Vec<u8>)]) -> Result<(), NodeError> {
    let folder = private_dir(root).join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| NodeError::io("make", &folder, error))?;
    for (ending, bytes) in files {
        let path = folder.join(format!("{id}{ending}"));
        fs::write(&path, bytes).map_err(|error| NodeError::io("write", &path, error))?;
    }
    Ok(())
}

/// The names of the records that are kept in this worktree alone.
pub fn kept(root: &Path) -> Result<Vec<RunId>, NodeError> {
    let ids = names(root)?.into_iter();
    Ok(ids.filter_map(|name| RunId::parse(name.strip_suffix(".json")?)).collect())
}

/// A file of a run that is kept in this worktree alone.
pub fn kept_bytes(root: &Path, id: &RunId, ending: &str) -> Result<Vec<u8>, NodeError> {
    bytes(&private_dir(root).join(FOLDER).join(format!("{id}{ending}")))
}

fn names(root: &Path) -> Result<Vec<String>, NodeError> {
    let folder = private_dir(root).join(FOLDER);
    let listed = match fs::read_dir(&folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(NodeError::io("list", &folder, error)),
    };
    let mut names: Vec<String> =
        listed.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn bytes(path: &Path) -> Result<Vec<u8>, NodeError> {
    let io = |error| NodeError::io("read", path, error);
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(io)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::record::RECORD_LEVEL;

    #[test]
    fn what_nobody_runs_any_more_goes_with_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record { level: RECORD_LEVEL, command: vec!["x".into()], ..Record::default() };
        let mut dead = Begun::by(std::process::id(), record.clone(), false);
        assert!(dead.is_alive());
        dead.pid_started += 1;
        assert!(!dead.is_alive());
        let left = Place::begin(dir.path(), &dead).unwrap();
        let runs = Place::begin(dir.path(), &Begun::by(std::process::id(), record.clone(), false)).unwrap();
        assert_eq!(Place::all(dir.path()).unwrap().len(), 1);
        assert!(left.begun().is_err());
        assert_eq!(runs.begun().unwrap().record, record);
        runs.end(&Ran::default(), "log").unwrap();
        assert_eq!(runs.ended().unwrap(), (Ran::default(), b"log".to_vec()));
        assert!(Place::of(dir.path(), "../x").is_err());
    }
}
