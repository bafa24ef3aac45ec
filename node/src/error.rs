//! What can go wrong in a node, and whose fault it is.
//!
//! Three kinds, decided where the error is born: a peer sent something bad, something here
//! is not as it must be and the user is told, or cairn itself is wrong.

use std::io;
use std::path::{Path, PathBuf};

use cairn_crdt::CrdtError;
use cairn_crdt::id::{FeedId, ProjectId, RepoId, WaypointId};
use cairn_protocol::{DeviceKey, ErrorKind, Reject, WriteError};

use crate::verbs::Gone;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A peer sent something bad: drop it and go on.
    Peer,
    /// Something here is not as it must be: tell the user.
    Local,
    /// cairn is wrong.
    Bug,
}

/// Bytes on this disk that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at byte {offset}: {detail}")]
pub struct Damage {
    /// The file, relative to the repo's folder.
    pub file: String,
    /// The first byte that is known to be wrong.
    pub offset: u64,
    /// What was found there.
    pub detail: String,
    /// The waypoints that may be lost with it.
    pub range: Option<Range>,
}

/// Neighbouring waypoints of one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// Their project.
    pub project: ProjectId,
    /// Their feed.
    pub feed: FeedId,
    /// The first one's number.
    pub first: u64,
    /// How many.
    pub count: u64,
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = self.first + self.count.saturating_sub(1);
        write!(f, "(waypoints {} to {last} of feed {})", self.first, self.feed.short())
    }
}

/// An error of a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Another process owns this home.
    #[error("the home {home} is in use by process {pid}", home = home.display())]
    Owned {
        /// The owner.
        pid: u32,
        /// The home.
        home: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was tried: `open`, `write`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write was not certainly durable; only reopening tells what is on disk.
    #[error("the store stopped after a failed write; nothing more is written until it is reopened")]
    Poisoned,
    /// Bytes on disk are not what was written.
    #[error("{0}")]
    Damaged(Damage),
    /// What was written down of older steps of a worktree was lost or changed on the disk.
    #[error("the older steps in {path} are damaged: {why}", path = path.display())]
    Steps {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A store, a key or a configuration file is not of a form that this version reads.
    #[error("{path} is not readable by this version: {why}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Something that was named does not exist.
    #[error("no {what} named {name}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A folder that no worktree is around.
    #[error("{} is in no worktree", .0.display())]
    NoWorktree(PathBuf),
    /// A label was there and was taken away.
    #[error("{0}")]
    Deleted(String),
    /// There is no step left to go along.
    #[error("there is nothing to {0}")]
    NothingLeft(&'static str),
    /// A name stands for several things.
    #[error("{name} can mean {}", candidates.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// What it can mean.
        candidates: Vec<String>,
    },
    /// A file is larger than what is read at once.
    #[error("{path} is larger than {limit} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The request itself makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The key has no right to do it.
    #[error("refused: {0}")]
    Ungranted(String),
    /// What is there, verification or policy forbid it.
    #[error("refused: {0}")]
    Refused(String),
    /// Something cannot be done with a run.
    #[error("{0}")]
    Run(#[from] crate::runs::Problem),
    /// A file stands where one of ours would, and somebody else wrote it.
    #[error("{} is not from here, and is left as it is", .0.display())]
    NotOurs(PathBuf),
    /// A key that others on this machine may read.
    #[error("others on this machine may read the key {}", .0.display())]
    Exposed(PathBuf),
    /// The key that writes has signed two histories of its feed.
    #[error("{0}")]
    Forked(String),
    /// The key that writes has signed more than is here.
    #[error("{0}")]
    Behind(String),
    /// No peer could be reached, or it did not answer.
    #[error("network: {0}")]
    Network(String),
    /// A peer sent something that is not as it must be.
    #[error("a peer sent bad data: {0}")]
    Peer(String),
    /// A record is not as it must be.
    #[error("{0}")]
    Rejected(Reject),
    /// A version that would show what lies in several epochs.
    #[error("this version stands in different epochs")]
    Epochs,
    /// The documents refused.
    #[error("{0}")]
    Document(String),
    /// Bytes that a view needs are not here.
    #[error(transparent)]
    Absent(#[from] cairn_crdt::Absent),
    /// The body of a waypoint is not here any more.
    #[error("waypoint {0} has faded")]
    Faded(WaypointId),
    /// A version needs what has faded here, and nobody who answered still has it.
    #[error("{0}")]
    Gone(Box<Gone>),
    /// A bundle begins later than what is held here ends.
    #[error(
        "the bundle leaves out the first {start} waypoint(s) of feed {feed} (key {key}), and {held} are here{more}",
        feed = feed.short(),
        key = key.short(),
        more = if *others > 0 { format!("; and so with {others} more") } else { String::new() }
    )]
    Lacks {
        /// The feed.
        feed: FeedId,
        /// Whose it is.
        key: DeviceKey,
        /// How many of its waypoints are here.
        held: u64,
        /// How many the bundle leaves out.
        start: u64,
        /// How many more feeds begin too late.
        others: usize,
    },
    /// A bundle of another repo than the worktree's.
    #[error("this is a bundle of repo {found}, and this worktree is of repo {expected}")]
    Foreign {
        /// The bundle's repo.
        found: RepoId,
        /// The worktree's.
        expected: RepoId,
    },
    /// A repository of git is not as it must be.
    #[error("{0}")]
    Git(#[from] crate::git::Problem),
    /// What is to be fetched does not fit on the disk; nothing was.
    #[error(
        "this needs {needed_bytes} bytes on the disk of {place}, and {room_bytes} are free",
        place = place.display()
    )]
    NoRoom {
        /// A folder on that disk.
        place: PathBuf,
        /// How many bytes are needed, in the store and in the worktree where both lie there.
        needed_bytes: u64,
        /// How many are free.
        room_bytes: u64,
    },
    /// What is to be stored would pass the quota of the home.
    #[error(
        "the large contents of this home may take {quota_bytes} bytes: {needed_bytes} more are needed, {free_bytes} are free{more}",
        more = collectable_bytes.map(|bytes| format!(", and {bytes} are needed by nothing")).unwrap_or_default()
    )]
    Quota {
        /// How many bytes are needed.
        needed_bytes: u64,
        /// How many are free of what they may take.
        free_bytes: u64,
        /// How many they may take.
        quota_bytes: u64,
        /// How many `artifact gc` could free, where that was looked up.
        collectable_bytes: Option<u64>,
    },
    /// cairn is wrong.
    #[error("a bug in cairn: {0}")]
    Bug(&'static str),
}

impl NodeError {
    /// An error of the file system.
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        NodeError::Io { doing, path: path.to_owned(), source }
    }

    /// The error once more, for others whom the same failure met.
    pub(crate) fn again(&self) -> Self {
        match self {
            NodeError::Io { doing, path, source } => {
                let source = io::Error::new(source.kind(), source.to_string());
                NodeError::Io { doing, path: path.clone(), source }
            }
            NodeError::Poisoned => NodeError::Poisoned,
            NodeError::Damaged(damage) => NodeError::Damaged(damage.clone()),
            NodeError::Bug(what) => NodeError::Bug(what),
            other => NodeError::Refused(other.to_string()),
        }
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            NodeError::Owned { .. } => "E_OWNED",
            NodeError::Io { source, .. } if is_full(source) => "E_FULL",
            NodeError::Io { .. } => "E_IO",
            NodeError::Poisoned => "E_POISONED",
            NodeError::Damaged(_) => "E_DAMAGED",
            NodeError::Steps { .. } => "E_STEPS",
            NodeError::Format { .. } => "E_FORMAT",
            NodeError::NotFound { .. } | NodeError::NoWorktree(_) | NodeError::NothingLeft(_) => {
                "E_NOT_FOUND"
            }
            NodeError::Deleted(_) => "E_DELETED",
            NodeError::Ambiguous { .. } => "E_AMBIGUOUS",
            NodeError::TooLarge { .. } => "E_TOO_LARGE",
            NodeError::Usage(_) => "E_USAGE",
            NodeError::Ungranted(_) | NodeError::Refused(_) => "E_REFUSED",
            NodeError::Run(problem) if problem.is_usage() => "E_USAGE",
            NodeError::Run(_) => "E_RUN",
            NodeError::NotOurs(_) => "E_NOT_OURS",
            NodeError::Exposed(_) => "E_PERMISSIONS",
            NodeError::Forked(_) => "E_FORKED",
            NodeError::Behind(_) => "E_ROLLBACK",
            NodeError::Network(_) => "E_NETWORK",
            NodeError::Peer(_) => "E_PEER",
            NodeError::Rejected(_) => "E_REJECTED",
            NodeError::Document(_) => "E_DOCUMENT",
            NodeError::Epochs => "E_EPOCHS",
            NodeError::Absent(_) => "E_ABSENT",
            NodeError::Faded(_) => "E_FADED",
            NodeError::Gone(_) => "E_FADED",
            NodeError::Lacks { .. } => "E_LACKS",
            NodeError::Foreign { .. } => "E_FOREIGN",
            NodeError::Git(_) => "E_GIT",
            NodeError::NoRoom { .. } => "E_FULL",
            NodeError::Quota { .. } => "E_QUOTA",
            NodeError::Bug(_) => "E_BUG",
        }
    }

    /// What programs may want to know beside the words.
    pub fn details(&self) -> Option<serde_json::Value> {
        match self {
            NodeError::Gone(gone) => serde_json::to_value(gone).ok(),
            NodeError::NoRoom { needed_bytes, room_bytes, .. } => {
                Some(serde_json::json!({ "needed_bytes": needed_bytes, "room_bytes": room_bytes }))
            }
            NodeError::Quota { needed_bytes, free_bytes, quota_bytes, collectable_bytes } => {
                Some(serde_json::json!({
                    "needed_bytes": needed_bytes,
                    "free_bytes": free_bytes,
                    "quota_bytes": quota_bytes,
                    "collectable_bytes": collectable_bytes,
                }))
            }
            _ => None,
        }
    }

    /// Whose fault it is.
    pub fn kind(&self) -> Kind {
        match self {
            NodeError::Peer(_) | NodeError::Rejected(_) => Kind::Peer,
            NodeError::Bug(_) => Kind::Bug,
            _ => Kind::Local,
        }
    }

    /// The exit code of a command that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            NodeError::Usage(_) => 2,
            NodeError::Run(problem) if problem.is_usage() => 2,
            NodeError::NotFound { .. } | NodeError::NothingLeft(_) | NodeError::Ambiguous { .. } => 3,
            NodeError::NoWorktree(_) | NodeError::Deleted(_) => 3,
            NodeError::Absent(_) | NodeError::Faded(_) | NodeError::Gone(_) => 3,
            NodeError::Network(_) => 5,
            NodeError::Git(crate::git::Problem::NoRepository { .. }) => 3,
            NodeError::Git(problem) if problem.is_damage() => 6,
            NodeError::Damaged(_) | NodeError::Steps { .. } | NodeError::Format { .. } => 6,
            NodeError::Bug(_) => 70,
            _ => 4,
        }
    }

    /// What the user can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            NodeError::Owned { .. } => "stop that process, or let it do the work: it answers on owner.sock",
            NodeError::Io { source, .. } if is_full(source) => "make room on the disk and try again",
            NodeError::Io { .. } => "check the path and its permissions",
            NodeError::Poisoned => "run the command again: it reopens the store from what is on disk",
            NodeError::Damaged(_) => "run `cairn fsck` to see what is lost and to fetch it again from a peer",
            NodeError::Steps { .. } => {
                "`cairn undo` goes on with the steps before that; `undo ?hash` takes back any waypoint"
            }
            NodeError::Format { .. } => "a newer cairn may have written it; otherwise restore it",
            NodeError::NotFound { .. } => "check the name; `cairn log` and `cairn status` list what there is",
            NodeError::NoWorktree(_) => "go into one, or start one with `cairn init`, `join` or `clone`",
            NodeError::Deleted(_) => "its waypoints are still there by their hashes: `cairn log` names them",
            NodeError::NothingLeft(_) => {
                "a worktree remembers the steps that were taken in it; `undo ?hash` takes back any waypoint"
            }
            NodeError::Ambiguous { .. } => "write more of the name",
            NodeError::TooLarge { .. } => "large contents do not merge; keep them with `cairn artifact add`",
            NodeError::Usage(_) => "see --help",
            NodeError::Ungranted(_) => "ask whoever granted your rights; `cairn grant` lists who has which",
            NodeError::Refused(_) => "nothing was lost; the message says what stands in the way",
            NodeError::Exposed(_) => {
                "`chmod 600` on it; where others may have read it, `cairn identity fork` gives a new one"
            }
            NodeError::Run(problem) => problem.hint(),
            NodeError::NotOurs(_) => "look at it; move it away, or keep it and go without",
            NodeError::Forked(_) => {
                "`cairn identity fork` gives this machine a key of its own; `cairn doctor` explains"
            }
            NodeError::Behind(_) => {
                "`cairn put --peer ADDRESS` fetches what is missing; `cairn identity fork` goes on with a new key"
            }
            NodeError::Network(_) => "check that the peer is running and reachable",
            NodeError::Peer(_) | NodeError::Rejected(_) => "nothing was taken over; try another peer",
            NodeError::Epochs => "`cairn put` carries over what was written beside the beginning of an epoch",
            NodeError::Document(_) => "nothing was written; `cairn verify` tells whether the store is whole",
            NodeError::Absent(_) | NodeError::Faded(_) => {
                "`cairn get` of that version asks peers that may still have it; or `cairn unbundle` an archive"
            }
            NodeError::Gone(_) => {
                "let one of them serve and try again, or `cairn unbundle` an archive (`cairn bundle --archive`) of theirs"
            }
            NodeError::Lacks { .. } => {
                "take in the bundle before this one first, or ask for one made without --since, or with an older one"
            }
            NodeError::Foreign { .. } => {
                "run it outside of this worktree, or name a DIR that becomes a worktree of that repo"
            }
            NodeError::Git(problem) => problem.hint(),
            NodeError::NoRoom { .. } => {
                "make room on the disk, or leave large files out with --lazy; `cairn artifact gc` frees what nothing needs"
            }
            NodeError::Quota { .. } => {
                "`cairn artifact gc` frees what nothing needs, `cairn artifact quota` allows more"
            }
            NodeError::Bug(_) => "please report it, with the command that led here",
        }
    }
}

impl From<Reject> for NodeError {
    fn from(reject: Reject) -> Self {
        match reject.kind() {
            ErrorKind::Peer => NodeError::Rejected(reject),
            ErrorKind::Local => NodeError::Refused(reject.to_string()),
            ErrorKind::Bug => NodeError::Bug("a record was asked for that cannot be"),
        }
    }
}

impl From<WriteError> for NodeError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Frozen(Reject::Fork) => NodeError::Forked(error.to_string()),
            WriteError::Behind { .. } => NodeError::Behind(error.to_string()),
            WriteError::Ungranted => NodeError::Ungranted(error.to_string()),
            WriteError::Epochs => NodeError::Epochs,
            _ => NodeError::Refused(error.to_string()),
        }
    }
}

impl From<CrdtError> for NodeError {
    fn from(error: CrdtError) -> Self {
        match error {
            CrdtError::Absent(absent) => NodeError::Absent(absent),
            CrdtError::NoSuchPath(path) => NodeError::NotFound { what: "file", name: path.to_string() },
            CrdtError::Faded(waypoint) => NodeError::Faded(waypoint),
            CrdtError::Unread(waypoint) => {
                NodeError::NotFound { what: "body of waypoint", name: waypoint.to_string() }
            }
            CrdtError::Bug(what) => NodeError::Bug(what),
            CrdtError::Epochs => NodeError::Epochs,
            error => NodeError::Document(error.to_string()),
        }
    }
}

impl From<Damage> for NodeError {
    fn from(damage: Damage) -> Self {
        NodeError::Damaged(damage)
    }
}

/// Whether the disk or the quota is full.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
