//! `fade`: forgets what nothing needs any more, and says and sets how long what is kept.

mod policy;

use cairn_crdt::Draft;
use cairn_protocol::Labels;
use cairn_protocol::grant::Role;
use cairn_protocol::limits::FLOORS_COUNT_MAX;
use cairn_protocol::retention::Floor;
use serde::{Deserialize, Serialize};

use super::invite::duration_ms;
use crate::clock;
use crate::error::NodeError;
use crate::owner::{Keep, Owner};
use crate::verbs::{Here, Site};
use crate::worktrees;

pub use policy::{Policy, SetFloor};

/// What `fade` is asked. Durations are written `45s`, `30m`, `12h`, `7d`, `2w`, `1y`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Waypoints younger than this stay; 30 days when it is left out and one of the next three is not.
    pub keep: Option<String>,
    /// For how long after that the newest version of each hour stays, on each branch; not at all when left out.
    pub hourly: Option<String>,
    /// For how long after that the newest version of each day does.
    pub daily: Option<String>,
    /// For how long after that the newest version of each week does.
    pub weekly: Option<String>,
    /// Names of faded waypoints younger than this stay; 30 days when it is left out.
    pub names: Option<String>,
    /// Whether what no other peer is known to have may go all the same.
    pub alone: bool,
    /// What to do.
    pub action: Action,
}

/// How long the names of faded waypoints stay unless told otherwise: as long as somebody may look for one.
pub(crate) const NAMES_MS: u64 = 30 * 24 * 3_600_000;

/// What `fade` does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It forgets.
    #[default]
    Fade,
    /// It only says what would go.
    DryRun,
    /// It forgets, and lets `serve` do so by itself from now on, keeping as much.
    Auto,
    /// It lets `serve` do so no more.
    ByHand,
    /// It says how long what is kept.
    Status,
    /// It sets how long every node keeps everything at least.
    Floor(String),
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
    /// How many waypoints stay only because no other peer is known to have them.
    pub unshared: u64,
    /// How long what is kept.
    pub policy: Policy,
}

/// Forgets, says what would go, or says or sets what is kept.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let asked = policy::asked(args)?;
    match &args.action {
        Action::Fade | Action::DryRun | Action::Auto => {}
        Action::ByHand => owner.configure(|config| {
            config.fading.remove(&site.place.project.to_string());
        })?,
        Action::Status => {}
        Action::Floor(text) => set_floor(owner, &site, duration_ms(text)?)?,
    }
    let policy = Policy::of(owner, site.place, asked)?;
    let marks = owner.replica(site.place.repo)?.marks(site.place.project).len() as u64;
    let answer = Answer { marks, policy, ..Answer::default() };
    match args.action {
        Action::Fade | Action::DryRun | Action::Auto => forget(owner, &site, args, answer),
        Action::ByHand | Action::Status | Action::Floor(_) => {
            let bytes = owner.store(site.place.repo)?.bytes();
            Ok(Answer { bytes_before: bytes, bytes_after: bytes, ..answer })
        }
    }
}

fn forget(owner: &mut Owner, site: &Site, args: &Args, mut answer: Answer) -> Result<Answer, NodeError> {
    let place = (site.place.repo, site.place.project);
    let thinning = policy::wanted(owner, site.place, policy::asked(args)?);
    let pins = worktrees::versions(owner.home(), site.place.repo, &site.place.name(owner)?)?;
    let names_ms = args.names.as_deref().map_or(Ok(NAMES_MS), duration_ms)?;
    let keep = Keep { thinning, names_ms, pins: &pins, alone: args.alone };
    if !args.alone {
        answer.unshared = owner.unshared(place, keep)?;
    }
    let faded = match args.action {
        Action::DryRun => owner.would_fade(place, keep)?,
        _ => owner.fade(place, keep)?,
    };
    if args.action == Action::Auto {
        owner.configure(|config| {
            config.fading.insert(site.place.project.to_string(), thinning.into());
        })?;
        answer.policy.auto = true;
    }
    (answer.waypoints, answer.bytes_before, answer.bytes_after) =
        (faded.waypoints, faded.bytes_before, faded.bytes_after);
    Ok(answer)
}

/// Signs a floor that takes the place of all that stand.
fn set_floor(owner: &mut Owner, site: &Site, all_ms: u64) -> Result<(), NodeError> {
    let (repo, project) = (site.place.repo, site.place.project);
    let replica = owner.replica(repo)?;
    if !replica.grants().may(&site.key(owner), Role::Admin, project, clock::now_ms()) {
        return Err(NodeError::Ungranted("only an admin of the project sets its floor".to_owned()));
    }
    let standing = replica.floors(project).into_iter().map(|(id, _)| id);
    let mut seen: Vec<_> = standing.take(FLOORS_COUNT_MAX).collect();
    seen.sort();
    let labels = Labels { floor: Some(Floor { all_ms, seen }), ..Labels::default() };
    site.write(owner, site.frontier().clone(), Draft::default(), labels)?;
    Ok(())
}
