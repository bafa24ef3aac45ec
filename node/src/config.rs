//! The settings of a home: the only reader of `config.json`.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{ArtifactId, ProjectId, RepoId};
use cairn_protocol::retention::Thinning;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::files;
use crate::home::Home;

/// The most bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// When the log of a store is cut into stones while much comes in: twice as much as is packed at once. The smaller the cuts, the
/// more often the same bytes are packed; and a log of this length is read again in a moment after a crash.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// The settings of a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The name that new waypoints carry.
    pub name: Option<String>,
    /// The mail address that new waypoints carry.
    pub mail: Option<String>,
    /// Local names of repos: `main.team.example` to the full id.
    pub repos: BTreeMap<String, String>,
    /// The log of a store is cut into stones above this many bytes, however busy the home is.
    pub log_bytes_max: u64,
    /// Projects that fade by themselves while the home is served, by id, and what they keep.
    pub fading: BTreeMap<String, Fading>,
    /// When large contents come, for projects that have no word of their own.
    pub fetching: Fetching,
    /// When those of a project come, by its id.
    pub projects_fetching: BTreeMap<String, Fetching>,
    /// Artifacts that come by themselves and stay, whoever shows them, by project.
    pub pinned: BTreeMap<String, BTreeSet<String>>,
    /// How many bytes the chunks of all repos may take; any number when left out.
    pub chunk_bytes_max: Option<u64>,
    /// What a newer version wrote; kept as it is.
    #[serde(flatten)]
    pub others: BTreeMap<String, serde_json::Value>,
}

/// When the bytes of large contents come to a home; what names them comes always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetching {
    /// As soon as the home hears that a branch shows them.
    Eager,
    /// When a worktree shows the file, or somebody asks.
    #[default]
    Lazy,
    /// By themselves only where a mark shows them or they are pinned; else when somebody asks.
    Pinned,
}

impl Fetching {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Lazy => "lazy",
            Self::Pinned => "pinned",
        }
    }
}

/// How long a project keeps its history, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Fading {
    /// Everything.
    pub keep_ms: u64,
    /// Then of each hour the newest version of each branch.
    pub hourly_ms: u64,
    /// Then of each day.
    pub daily_ms: u64,
    /// Then of each week.
    pub weekly_ms: u64,
}

/// How that may be written down; at first it was one number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(u64),
    Thinned { keep_ms: u64, hourly_ms: u64, daily_ms: u64, weekly_ms: u64 },
}

impl From<Written> for Fading {
    fn from(written: Written) -> Self {
        match written {
            Written::Whole(keep_ms) => Self { keep_ms, ..Self::default() },
            Written::Thinned { keep_ms, hourly_ms, daily_ms, weekly_ms } => {
                Self { keep_ms, hourly_ms, daily_ms, weekly_ms }
            }
        }
    }
}

impl From<Thinning> for Fading {
    fn from(thinning: Thinning) -> Self {
        let Thinning { all_ms, hourly_ms, daily_ms, weekly_ms } = thinning;
        Self { keep_ms: all_ms, hourly_ms, daily_ms, weekly_ms }
    }
}

impl From<Fading> for Thinning {
    fn from(fading: Fading) -> Self {
        let Fading { keep_ms, hourly_ms, daily_ms, weekly_ms } = fading;
        Self { all_ms: keep_ms, hourly_ms, daily_ms, weekly_ms }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            mail: None,
            repos: BTreeMap::new(),
            log_bytes_max: LOG_BYTES_MAX,
            fading: BTreeMap::new(),
            fetching: Fetching::default(),
            projects_fetching: BTreeMap::new(),
            pinned: BTreeMap::new(),
            chunk_bytes_max: None,
            others: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the settings of a home; the defaults when there are none.
    pub fn load(home: &Home) -> Result<Self, NodeError> {
        let path = home.config_path();
        let io = |doing| {
            let path = path.clone();
            move |error| NodeError::io(doing, &path, error)
        };
        if home.files().len(&path).map_err(io("read"))?.is_none() {
            return Ok(Self::default());
        }
        let bytes = files::read(&**home.files(), &path, CONFIG_BYTES_MAX).map_err(io("read"))?;
        serde_json::from_slice(&bytes).map_err(|error| NodeError::Format { path, why: error.to_string() })
    }

    /// Writes the settings of a home.
    pub fn save(&self, home: &Home) -> Result<(), NodeError> {
        let path = home.config_path();
        let bytes = serde_json::to_vec_pretty(self).map_err(|_| NodeError::Bug("settings without a form"))?;
        files::replace(&**home.files(), &path.with_extension("json.new"), &path, &bytes)
            .map_err(|error| NodeError::io("write", &path, error))
    }

    /// When large contents of a project come.
    pub fn fetching(&self, project: ProjectId) -> Fetching {
        self.projects_fetching.get(&project.to_string()).copied().unwrap_or(self.fetching)
    }

    /// The artifacts of a project that were pinned.
    pub fn pinned(&self, project: ProjectId) -> BTreeSet<ArtifactId> {
        let words = self.pinned.get(&project.to_string()).into_iter().flatten();
        words.filter_map(|word| ArtifactId::from_hex(word)).collect()
    }

    /// The repo with this local name, or with this id.
    pub fn repo(&self, name: &str) -> Option<RepoId> {
        RepoId::from_hex(self.repos.get(name).map_or(name, String::as_str))
    }

    /// The local name of a repo.
    pub fn alias(&self, repo: RepoId) -> Option<&str> {
        let id = repo.to_string();
        self.repos.iter().find(|(_, known)| **known == id).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_round_trip_and_keep_what_they_do_not_know() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        assert_eq!(Config::load(&home).unwrap(), Config::default());
        std::fs::write(home.config_path(), r#"{"name":"Ada","later":{"x":1},"fading":{"p":7}}"#).unwrap();
        let mut config = Config::load(&home).unwrap();
        config.repos.insert("team".to_owned(), RepoId([3; 32]).to_string());
        assert_eq!(config.fading.get("p"), Some(&Fading { keep_ms: 7, ..Fading::default() }));
        config.fading.insert("q".to_owned(), Thinning::default().into());
        config.save(&home).unwrap();
        let read = Config::load(&home).unwrap();
        assert_eq!(read, config);
        assert!(read.others.contains_key("later"));
        assert_eq!(read.repo("team"), Some(RepoId([3; 32])));
        assert_eq!(read.alias(RepoId([3; 32])), Some("team"));
    }
}
