//! A home: the folder with the device key, the configuration and the stores of one device.
//!
//! ```text
//! <home>/key            the device key, readable by its owner only
//!       /place.json     which file the key is, so that a copy of the home knows that it is one
//!       /config.json    settings and the local names of repos
//!       /owner.lock     held by the one process that may write; its pid and boot id
//!       /owner.sock     where that process answers
//!       /repos/<hex>/   one store each
//!       /blobs/         large contents
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_crdt::id::RepoId;

use crate::error::NodeError;
use crate::files::{self, DiskFiles, Files, Guard, Lock};

/// The most bytes that a lock file may have: a number and the name of a boot.
const OWNER_BYTES_MAX: u64 = 256;

/// The folder with the device key, the configuration and the stores of one device.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
    files: Arc<dyn Files>,
}

impl Home {
    /// Opens a home on this machine's disk; makes it when it is not there.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, NodeError> {
        Self::with_files(dir, Arc::new(DiskFiles))
    }

    /// Opens a home on the given file system.
    pub fn with_files(dir: impl Into<PathBuf>, files: Arc<dyn Files>) -> Result<Self, NodeError> {
        let home = Self { dir: dir.into(), files };
        let repos = home.repos_dir();
        home.files.create_dir(&repos).map_err(|error| NodeError::io("create", &repos, error))?;
        Ok(home)
    }

    /// The home that the environment names: `CAIRN_HOME`, else the platform's data folder.
    pub fn from_environment() -> Result<Self, NodeError> {
        let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = || folder("XDG_DATA_HOME").map(|dir| dir.join("cairn"));
        let user = || folder("HOME").map(|dir| dir.join(".local/share/cairn"));
        let dir = folder("CAIRN_HOME").or_else(data).or_else(user);
        Self::open(dir.ok_or_else(|| NodeError::Usage("no home: set CAIRN_HOME or --home".to_owned()))?)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file system that the home lies on.
    pub fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    /// The device key.
    pub fn key_path(&self) -> PathBuf {
        self.dir.join("key")
    }

    /// The settings.
    pub fn config_path(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// The owner's socket.
    pub fn socket_path(&self) -> PathBuf {
        self.dir.join("owner.sock")
    }

    /// The folder of the large contents.
    pub fn blobs_dir(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    /// The folder of the stores.
    pub fn repos_dir(&self) -> PathBuf {
        self.dir.join("repos")
    }

    /// The store of one repo.
    pub fn repo_dir(&self, repo: RepoId) -> PathBuf {
        self.repos_dir().join(repo.to_string())
    }

    /// The repos that have a store here, in order.
    pub fn repos(&self) -> Result<Vec<RepoId>, NodeError> {
        let dir = self.repos_dir();
        let paths = self.files.list(&dir).map_err(|error| NodeError::io("list", &dir, error))?;
        let name = |path: &PathBuf| path.file_name()?.to_str().and_then(RepoId::from_hex);
        Ok(paths.iter().filter_map(name).collect())
    }

    /// Becomes the one process that may write here.
    ///
    /// The system releases the lock when its holder ends, however it ends, so what a dead
    /// owner left behind is taken over.
    pub fn lock(&self) -> Result<Guard, NodeError> {
        let path = self.lock_path();
        let words = format!("{} {}\n", std::process::id(), boot_id());
        match self.files.lock(&path, &words).map_err(|error| NodeError::io("lock", &path, error))? {
            Lock::Held(guard) => Ok(guard),
            Lock::Taken(words) => Err(NodeError::Owned { pid: pid_in(&words), home: self.dir.clone() }),
        }
    }

    /// The process that owns this home now, if one does.
    pub fn owner(&self) -> Option<u32> {
        match self.lock() {
            Err(NodeError::Owned { pid, .. }) => Some(pid),
            _ => None,
        }
    }

    /// The process that owned this home last, or does now; `None` where that cannot be told. What a home holds was changed by
    /// nobody after it.
    pub fn last_owner(&self) -> Option<u32> {
        let words = files::read(&*self.files, &self.lock_path(), OWNER_BYTES_MAX).ok()?;
        Some(pid_in(&String::from_utf8_lossy(&words))).filter(|pid| *pid != 0)
    }

    fn lock_path(&self) -> PathBuf {
        self.dir.join("owner.lock")
    }
}

/// The process that the words in a lock file name; 0 while it is still writing them.
fn pid_in(words: &str) -> u32 {
    words.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Names the boot that a pid belongs to, for whoever reads the file after a restart.
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e9_a_second_owner_is_told_the_first_ones_pid() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let guard = home.lock().unwrap();
        match home.lock() {
            Err(NodeError::Owned { pid, .. }) => assert_eq!(pid, std::process::id()),
            other => panic!("{other:?}"),
        }
        drop(guard);
        assert!(home.lock().is_ok());
    }

    #[test]
    fn e9_a_stale_lock_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("owner.lock"), "4194304 some-earlier-boot\n").unwrap();
        let _guard = home.lock().unwrap();
        assert_eq!(home.last_owner(), Some(std::process::id()));
        assert_eq!(home.owner(), Some(std::process::id()));
    }

    #[test]
    fn whoever_owned_it_last_is_told_after_it_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        assert_eq!(home.last_owner(), None);
        drop(home.lock().unwrap());
        assert_eq!(home.last_owner(), Some(std::process::id()));
        std::fs::write(dir.path().join("owner.lock"), "4194304 this-boot\n").unwrap();
        assert_eq!(home.last_owner(), Some(4_194_304));
    }

    #[test]
    fn repos_are_those_whose_folder_is_an_id() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let repo = RepoId([7; 32]);
        home.files().create_dir(&home.repo_dir(repo)).unwrap();
        home.files().create_dir(&home.repos_dir().join("notes")).unwrap();
        assert_eq!(home.repos().unwrap(), [repo]);
    }
}
