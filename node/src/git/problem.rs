//! What is wrong with a repository of git, or with what is asked of it.

use std::path::PathBuf;

/// What is wrong with a repository of git, or with what is asked of it. Objects are named by their hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no repository.
    #[error("{path} is no git repository: {why}", path = path.display())]
    NoRepository {
        /// Where one was looked for.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A part of the history is not there, so what it began with cannot be told.
    #[error("{path} is a shallow clone: a part of its history is missing", path = path.display())]
    Shallow {
        /// The repository.
        path: PathBuf,
    },
    /// An object that is named is not there.
    #[error("object {id} is missing")]
    Missing {
        /// Its name.
        id: String,
    },
    /// An object is not what its name says, or cannot be read.
    #[error("object {id} is damaged: {why}")]
    Damaged {
        /// Its name.
        id: String,
        /// What was found.
        why: String,
    },
    /// Refs cannot be read or written.
    #[error("its refs cannot be used: {why}")]
    Refs {
        /// What was found.
        why: String,
    },
    /// Commits that stand on each other.
    #[error("commit {commit} lies in its own past")]
    Cycle {
        /// One of them.
        commit: String,
    },
    /// A tree holds what no worktree may.
    #[error("commit {commit} holds {path:?}: {why}")]
    Path {
        /// The commit.
        commit: String,
        /// The path, as far as it is text.
        path: String,
        /// Why not.
        why: String,
    },
    /// Something is larger than what is taken.
    #[error("commit {commit}: {what} of {found} is more than the {limit} that are taken")]
    TooLarge {
        /// The commit.
        commit: String,
        /// What is too large.
        what: &'static str,
        /// How large it is.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A place where a repository was to be made holds something else.
    #[error("{path} holds something else than a git repository", path = path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
    },
    /// An object could not be written.
    #[error("an object could not be written: {why}")]
    Unwritten {
        /// What the system said.
        why: String,
    },
}

impl Problem {
    /// Whether bytes on the disk are not what they must be.
    pub fn is_damage(&self) -> bool {
        matches!(self, Problem::Missing { .. } | Problem::Damaged { .. } | Problem::Cycle { .. })
    }

    /// What the user can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Problem::NoRepository { .. } => "name the folder of a repository, bare or with a worktree",
            Problem::Shallow { .. } => "`git fetch --unshallow` gets the rest of it",
            Problem::Missing { .. } | Problem::Damaged { .. } | Problem::Cycle { .. } => {
                "`git fsck` tells more; what was imported before it stays, and importing again goes on there"
            }
            Problem::Refs { .. } => "`git for-each-ref` and `git fsck` tell more",
            Problem::Path { .. } | Problem::TooLarge { .. } => {
                "what was imported before it stays; a history without it can be made with `git filter-repo`"
            }
            Problem::Occupied { .. } => "name a folder that is empty or not there yet",
            Problem::Unwritten { .. } => "check the path, its permissions and the room on the disk",
        }
    }
}
