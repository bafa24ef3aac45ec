//! `fade`: forgets what nothing needs any more.

use serde::{Deserialize, Serialize};

use super::invite::duration_ms;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Site};
use crate::worktrees;

/// What is kept unless told otherwise.
const KEEP: &str = "30d";

/// What `fade` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Waypoints younger than this stay: `45s`, `30m`, `12h`, `7d`, `2w`; 30 days when left out.
    pub keep: Option<String>,
    /// Whether it only says what would go.
    pub dry_run: bool,
    /// Whether `serve` fades the project by itself from now on, keeping as much.
    pub auto: bool,
}

/// What `fade` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many waypoints faded, or would.
    pub waypoints: u64,
    /// What the store's log and stones came to before.
    pub bytes_before: u64,
    /// What they come to after.
    pub bytes_after: u64,
    /// How many marks the project has; all of them stay.
    pub marks: u64,
}

/// Forgets, or says what would go.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let keep_ms = duration_ms(args.keep.as_deref().unwrap_or(KEEP))?;
    let place = site.place;
    let pins = worktrees::versions(owner.home(), place.repo, &place.name(owner)?)?;
    let faded = owner.fade((place.repo, place.project), keep_ms, &pins, args.dry_run)?;
    if args.auto && !args.dry_run {
        owner.configure(|config| {
            config.fading.insert(place.project.to_string(), keep_ms);
        })?;
    }
    Ok(Answer {
        waypoints: faded.waypoints,
        bytes_before: faded.bytes_before,
        bytes_after: faded.bytes_after,
        marks: owner.replica(place.repo)?.marks(place.project).len() as u64,
    })
}
