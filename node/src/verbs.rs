//! What cairn can be asked to do: one file a verb.
//!
//! A verb takes plain arguments and gives a plain answer, both of which fit through the
//! control socket as JSON, so that the same code runs in a command and inside `serve`.

pub mod artifact;
pub mod bundle;
pub mod clone;
pub mod come;
mod compare;
pub mod delete;
pub mod diff;
pub mod doctor;
pub mod du;
pub mod export;
pub mod fade;
pub mod fsck;
pub mod get;
pub mod grant;
pub mod held;
mod here;
pub mod identity;
pub mod import;
pub mod init;
pub mod invite;
pub mod join;
pub(crate) mod land;
pub mod log;
pub mod mark;
pub mod merge_file;
mod network;
pub mod overlaps;
pub mod peers;
mod place;
pub mod post;
pub mod put;
mod recall;
pub mod redo;
mod replay;
pub mod reproduce;
pub mod revoke;
mod rights;
pub mod root;
pub mod run;
pub mod share;
pub mod show;
pub mod site;
pub mod status;
pub mod unbundle;
pub mod undo;
pub mod verify;
mod version;

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;

pub use here::Here;
pub use network::{Imported, Network, Synced};
pub use place::Place;
pub use recall::{Author, Gone, Holder};
pub use site::Site;
pub use version::{DEFAULT_BRANCH, Version};

macro_rules! run {
    ($module:ident, $owner:ident, $args:ident, $network:ident) => {
        $module::run($owner, $args)
    };
    ($module:ident, $owner:ident, $args:ident, $network:ident network) => {
        $module::run($owner, $args, $network)
    };
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident $module:ident ($($pass:ident)?);)*) => {
        /// A verb with its arguments.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "verb", content = "args", rename_all = "snake_case")]
        pub enum Request {$(
            $(#[$doc])*
            $name($module::Args),
        )*}

        /// A verb's answer.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "verb", content = "answer", rename_all = "snake_case")]
        #[expect(clippy::large_enum_variant, reason = "there is one answer a command")]
        pub enum Answer {$(
            $(#[$doc])*
            $name($module::Answer),
        )*}

        impl Request {
            /// Does what is asked.
            pub fn run(&self, owner: &mut Owner, network: &mut dyn Network) -> Result<Answer, NodeError> {
                let done = match self {$(
                    Self::$name(args) => run!($module, owner, args, network $($pass)?).map(Answer::$name),
                )*};
                done.map_err(|error| artifact::quota::explained(owner, network, error))
            }

            /// Where the verb starts from.
            pub fn here(&self) -> &Here {
                match self {$(Self::$name(args) => &args.here,)*}
            }
        }

        impl Answer {
            /// The answer alone, without the verb's name: what `--json` prints.
            pub fn json(&self) -> Result<String, serde_json::Error> {
                match self {$(Self::$name(answer) => serde_json::to_string(answer),)*}
            }
        }
    };
}

verbs! {
    /// Founds a repo.
    Init init ();
    /// Worktree to repo.
    Post post (network);
    /// Repo to worktree.
    Get get (network);
    /// Merges into the worktree.
    Put put (network);
    /// Removes a file or a label.
    Delete delete (network);
    /// Where the worktree stands.
    Status status ();
    /// What differs.
    Diff diff ();
    /// What was written.
    Log log ();
    /// One waypoint or file.
    Show show ();
    /// Forks a branch.
    Come come (network);
    /// The hash of a version.
    Root root ();
    /// Where edits met.
    Overlaps overlaps (network);
    /// Names a version.
    Mark mark ();
    /// Takes back a step.
    Undo undo (network);
    /// Brings it back.
    Redo redo (network);
    /// Forgets what nothing needs.
    Fade fade ();
    /// A history of git.
    Import import (network);
    /// A history for git.
    Export export (network);
    /// What a peer would be sent, as one file.
    Bundle bundle (network);
    /// Takes in such a file.
    Unbundle unbundle (network);
    /// Lets another device in.
    Invite invite (network);
    /// Gives a right, or says who holds which.
    Grant grant (network);
    /// Takes rights back.
    Revoke revoke ();
    /// What is kept and does not count.
    Held held ();
    /// Enters by an invitation.
    Join join (network);
    /// Copies a repo.
    Clone clone (network);
    /// Large contents.
    Artifact artifact (network);
    /// What large contents take.
    Du du (network);
    /// Records of experiments.
    Run run (network);
    /// A link to a run or a version.
    Share share (network);
    /// The exact state of a run, and what comes of it here.
    Reproduce reproduce (network);
    /// Reads the store against what was signed.
    Verify verify ();
    /// Derives again what can be.
    Fsck fsck ();
    /// What is not as it should be, and what to do.
    Doctor doctor (network);
    /// The device key.
    Identity identity (network);
    /// The nodes known.
    Peers peers (network);
}

impl Answer {
    /// Whether it was done and there is something to look at: exit code 1.
    pub fn asks_attention(&self) -> bool {
        match self {
            Self::Diff(answer) => !answer.files.is_empty(),
            Self::Overlaps(answer) => answer.waypoint.is_none() && !answer.overlaps.is_empty(),
            Self::Undo(answer) | Self::Redo(answer) => !answer.places.is_empty(),
            Self::Put(answer) => answer.overlaps > 0 || !answer.met.is_empty(),
            Self::Run(run::Answer::Compared(answer)) => answer.differs(),
            Self::Reproduce(reproduce::Answer::Verdict(answer)) => !answer.same,
            Self::Get(answer) => answer.blended && answer.overlaps > 0,
            _ => false,
        }
    }

    /// Whether damaged data was found: exit code 6.
    pub fn found_damage(&self) -> bool {
        match self {
            Self::Verify(answer) => !answer.ok,
            Self::Fsck(answer) => !answer.ok,
            Self::Doctor(answer) => !answer.ok,
            Self::Unbundle(answer) => !answer.problems.is_empty(),
            Self::Artifact(artifact::Answer::Verified(answer)) => !answer.ok,
            _ => false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
