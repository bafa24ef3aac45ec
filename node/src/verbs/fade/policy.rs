//! How long a project keeps what: what was asked, what was set before, what its admins demand.

use cairn_protocol::retention::Thinning;
use serde::{Deserialize, Serialize};

use super::Args;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Place;
use crate::verbs::invite::duration_ms;

/// How long what is kept, in milliseconds; each time begins where the one before it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Everything.
    pub keep_ms: u64,
    /// Then of each hour the newest version of each branch.
    pub hourly_ms: u64,
    /// Then of each day.
    pub daily_ms: u64,
    /// Then of each week.
    pub weekly_ms: u64,
    /// The floor that counts, if an admin has set one.
    pub floor: Option<SetFloor>,
    /// Whether less was asked than the floor allows, so that `keep_ms` is the floor's.
    pub raised: bool,
    /// Whether `serve` fades the project by itself.
    pub auto: bool,
    /// Whether other peers have the repo: then what none of them has yet stays.
    pub shared: bool,
}

/// How long every node keeps everything at least.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFloor {
    /// In milliseconds.
    pub keep_ms: u64,
    /// The waypoint that says so.
    pub waypoint: String,
    /// The admin's key.
    pub key: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Policy {
    /// The policy of a project: what was asked, else what was set, else the default; with its floor.
    pub(super) fn of(owner: &Owner, place: Place, asked: Option<Thinning>) -> Result<Self, NodeError> {
        let wanted = wanted(owner, place, asked);
        let replica = owner.replica(place.repo)?;
        let floor = replica.floors(place.project).into_iter().find(|(_, floor)| floor.all_ms > 0);
        let floor = floor.and_then(|(id, floor)| {
            let entry = replica.entry(place.project, id)?;
            let (key, at_ms) = (entry.key.to_string(), entry.stamp.wall_ms);
            Some(SetFloor { keep_ms: floor.all_ms, waypoint: id.to_string(), key, at_ms })
        });
        let kept = wanted.at_least(replica.floor_ms(place.project));
        Ok(Self {
            keep_ms: kept.all_ms,
            hourly_ms: kept.hourly_ms,
            daily_ms: kept.daily_ms,
            weekly_ms: kept.weekly_ms,
            floor,
            raised: kept != wanted,
            auto: owner.config().fading.contains_key(&place.project.to_string()),
            shared: owner.elsewhere(place.repo).is_some(),
        })
    }
}

/// What was asked, else what was set, else the default.
pub(super) fn wanted(owner: &Owner, place: Place, asked: Option<Thinning>) -> Thinning {
    let set = owner.config().fading.get(&place.project.to_string()).copied();
    asked.or(set.map(Thinning::from)).unwrap_or_default()
}

/// What was asked; `None` where nothing was.
pub(super) fn asked(args: &Args) -> Result<Option<Thinning>, NodeError> {
    let ms = |text: &Option<String>| text.as_deref().map(duration_ms).transpose();
    let (all, hourly, daily, weekly) =
        (ms(&args.keep)?, ms(&args.hourly)?, ms(&args.daily)?, ms(&args.weekly)?);
    if [all, hourly, daily, weekly].iter().all(Option::is_none) {
        return Ok(None);
    }
    Ok(Some(Thinning {
        all_ms: all.unwrap_or(Thinning::default().all_ms),
        hourly_ms: hourly.unwrap_or(0),
        daily_ms: daily.unwrap_or(0),
        weekly_ms: weekly.unwrap_or(0),
    }))
}
