//! What was done in a worktree, step by step: what `undo` goes back along, and `redo` forth.
//!
//! Steps lie in the link, so that one rename moves the worktree and notes the step. They are the
//! worktree's own: history is shared and only grows, and undoing writes to it like anything else.

use cairn_crdt::Frontier;
use cairn_crdt::id::WaypointId;
use serde::{Deserialize, Serialize};

use super::link::{digits, frontier};

/// The most steps that are kept; the oldest go first.
pub const STEPS_MAX: usize = 1000;
/// The most waypoints that steps may name together: the link stays far below its limit.
pub const HEADS_MAX: usize = 6000;

/// A version, and the branch that is followed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// The version.
    pub frontier: Frontier,
    /// The branch.
    pub branch: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The verb that made it.
    pub verb: String,
    /// Where the worktree stood before.
    pub from: Stand,
    /// Where it stood then.
    pub to: Stand,
    /// What the step wrote; nothing where the worktree only went elsewhere.
    pub waypoint: Option<WaypointId>,
}

/// The steps of a worktree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// Those that can be undone, the last one last.
    pub done: Vec<Step>,
    /// Those that were undone, the last one last; each leads to where it was done.
    pub undone: Vec<Step>,
}

impl Step {
    /// Whether the worktree only went elsewhere: to go back, nothing has to be written.
    pub fn is_move(&self) -> bool {
        self.waypoint.is_none() || self.from.branch != self.to.branch
    }

    fn heads(&self) -> usize {
        self.from.frontier.heads().len() + self.to.frontier.heads().len()
    }
}

impl Steps {
    /// Notes a new step. What was undone before is not to be done again after it.
    pub fn push(&mut self, step: Step) {
        self.undone.clear();
        self.done.push(step);
        self.trim();
    }

    /// Drops the oldest steps above the limits.
    pub fn trim(&mut self) {
        let mut heads = 0;
        let fits = |step: &&Step| {
            heads += step.heads();
            heads <= HEADS_MAX
        };
        let kept = self.done.iter().rev().take(STEPS_MAX).take_while(fits).count();
        self.done.drain(..self.done.len() - kept);
    }
}

/// A stand as it is written down.
#[derive(Serialize, Deserialize)]
pub(super) struct WrittenStand {
    frontier: Vec<String>,
    branch: String,
}

/// A step as it is written down.
#[derive(Serialize, Deserialize)]
struct WrittenStep {
    verb: String,
    from: WrittenStand,
    to: WrittenStand,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waypoint: Option<String>,
}

/// Steps as they are written down.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct WrittenSteps {
    #[serde(default)]
    done: Vec<WrittenStep>,
    #[serde(default)]
    undone: Vec<WrittenStep>,
}

impl WrittenSteps {
    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty() && self.undone.is_empty()
    }
}

impl Stand {
    pub(super) fn read(written: WrittenStand) -> Result<Self, String> {
        Ok(Self { frontier: frontier(&written.frontier)?, branch: written.branch })
    }

    pub(super) fn written(&self) -> WrittenStand {
        WrittenStand { frontier: digits(&self.frontier), branch: self.branch.clone() }
    }
}

impl Step {
    fn read(written: WrittenStep) -> Result<Self, String> {
        let waypoint =
            |text: String| WaypointId::from_hex(&text).ok_or(format!("{text:?} names no waypoint"));
        Ok(Self {
            verb: written.verb,
            from: Stand::read(written.from)?,
            to: Stand::read(written.to)?,
            waypoint: written.waypoint.map(waypoint).transpose()?,
        })
    }

    fn written(&self) -> WrittenStep {
        WrittenStep {
            verb: self.verb.clone(),
            from: self.from.written(),
            to: self.to.written(),
            waypoint: self.waypoint.map(|waypoint| waypoint.to_string()),
        }
    }
}

impl Steps {
    pub(super) fn read(written: WrittenSteps) -> Result<Self, String> {
        let read = |steps: Vec<WrittenStep>| steps.into_iter().map(Step::read).collect::<Result<_, _>>();
        Ok(Self { done: read(written.done)?, undone: read(written.undone)? })
    }

    pub(super) fn written(&self) -> WrittenSteps {
        let written = |steps: &[Step]| steps.iter().map(Step::written).collect();
        WrittenSteps { done: written(&self.done), undone: written(&self.undone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(heads: usize) -> Step {
        let stand = |count: usize| Stand {
            frontier: (0..count).map(|n| WaypointId([n as u8; 32])).collect(),
            branch: "main".into(),
        };
        Step { verb: "post".into(), from: stand(heads), to: stand(1), waypoint: Some(WaypointId([9; 32])) }
    }

    #[test]
    fn the_oldest_steps_go_and_the_link_stays_small() {
        let mut steps = Steps::default();
        (0..STEPS_MAX + 7).for_each(|_| steps.push(step(1)));
        assert_eq!(steps.done.len(), STEPS_MAX);
        (0..STEPS_MAX).for_each(|_| steps.push(step(63)));
        assert_eq!(steps.done.len(), HEADS_MAX / 64);
        assert!(serde_json::to_vec_pretty(&steps.written()).unwrap().len() < 1 << 20);
    }

    #[test]
    fn a_new_step_ends_what_could_be_done_again() {
        let mut steps = Steps { done: Vec::new(), undone: vec![step(1)] };
        steps.push(step(1));
        assert_eq!((steps.done.len(), steps.undone.len()), (1, 0));
    }
}
