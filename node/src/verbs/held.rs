//! `held`: what is kept here and shows on no branch, by whom, why, and what would let it count.

use cairn_crdt::id::WaypointId;
use cairn_protocol::replica::HeldFor;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::log::{Logged, Marks, logged};
use crate::verbs::{Here, Site};

/// What `held` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
}

/// What `held` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// One entry a waypoint.
    pub held: Vec<Kept>,
}

/// A waypoint that is kept and does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its hash.
    pub waypoint: String,
    /// What it says, as far as it is known.
    pub told: Option<Logged>,
    /// Why: `rights`, `forked`, `epoch`, `future` or `late`.
    pub reason: String,
    /// The same in words.
    pub detail: String,
    /// What to do.
    pub next: String,
}

/// Lists what is held in the project, and what is late on its branches.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let place = Site::open(owner, &args.here)?.place;
    let replica = owner.replica(place.repo)?;
    let marks = Marks::default();
    let kept = |(id, Reason { word, detail, next }): (WaypointId, Reason)| {
        let told = replica.entry(place.project, id).map(|entry| logged(&entry, &marks));
        Kept {
            waypoint: id.to_string(),
            told,
            reason: word.to_owned(),
            detail: detail.to_owned(),
            next: next.to_owned(),
        }
    };
    let held = replica.held(place.project).into_iter().map(|(id, why)| (id, reason(&why)));
    let branches = replica.branches(place.project).into_iter();
    let late = branches.flat_map(|(branch, _)| replica.late(place.project, &branch));
    Ok(Answer { held: held.chain(late.map(|id| (id, LATE))).map(kept).collect() })
}

/// Why something is held.
pub(super) struct Reason {
    /// For programs.
    pub(super) word: &'static str,
    /// For people.
    pub(super) detail: &'static str,
    /// What to do.
    pub(super) next: &'static str,
}

/// What a branch had beside the beginning of the epoch that is in force.
const LATE: Reason = Reason {
    word: "late",
    detail: "it was written beside the beginning of an epoch",
    next: "`cairn put` of its author carries it over; `cairn put ?WAYPOINT` does so for anybody",
};

/// Why, in words, and what to do.
pub(super) fn reason(why: &HeldFor) -> Reason {
    let (word, detail, next) = match why {
        HeldFor::Forked => {
            ("forked", "its author's key signed two histories", "`cairn put ?WAYPOINT` takes one in")
        }
        HeldFor::Epoch => (
            "epoch",
            "it stands in an epoch that somebody began who is no admin",
            "its author posts it again on what the branch shows",
        ),
        HeldFor::Future(_) => {
            ("future", "it comes from the future", "it shows when its time comes; check the clocks")
        }
        _ => (
            "rights",
            "its author has no right to write here, or not any more",
            "`cairn grant` gives the right; `cairn put ?WAYPOINT` takes one in",
        ),
    };
    Reason { word, detail, next }
}
