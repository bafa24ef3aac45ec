//! What was done in a worktree, step by step: what `undo` goes back along, and `redo` forth.
//!
//! The last steps lie in the link, so that one rename moves the worktree and notes the step; older ones move to a file of
//! their own, which only grows, so that a step costs the same however many there are. They are the worktree's own:
//! history is shared and only grows, and undoing writes to it like anything else.

use std::path::{Path, PathBuf};

use cairn_crdt::Frontier;
use cairn_crdt::id::WaypointId;
use serde::{Deserialize, Serialize};

use super::link::{digits, frontier};
use crate::error::NodeError;

mod past;

use past::Past;
pub(super) use past::remove;

/// The most undone steps that are kept; the oldest go first.
pub const STEPS_MAX: usize = 1000;
/// The most waypoints that the steps in the link may name, done or undone: the link stays far below its limit.
pub const HEADS_MAX: usize = 6000;
/// With more in the link the older ones go to their file.
const RECENT_MAX: Limits = (32, 512);
/// How many stay in the link then at most, and how many come back at once.
const RECENT_KEPT: Limits = (8, 128);

/// How many steps, and how many waypoints that they name together.
type Limits = (usize, usize);

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
    /// The last that can be undone, the very last one last.
    recent: Vec<Step>,
    /// Those before.
    past: Past,
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
        self.redone(step);
    }

    /// Notes a step that was done again.
    pub fn redone(&mut self, step: Step) {
        if step.heads() <= HEADS_MAX {
            self.recent.push(step);
        }
    }

    /// Notes a step that was undone; the oldest go above the limits.
    pub fn undone(&mut self, step: Step) {
        self.undone.push(step);
        let kept = newest(&self.undone, (STEPS_MAX, HEADS_MAX));
        self.undone.drain(..self.undone.len() - kept);
    }

    /// How many can be undone.
    pub fn left(&self) -> usize {
        self.recent.len() + self.past.steps
    }

    /// Takes the last one that can be undone.
    pub(super) fn pop(&mut self, root: &Path) -> Result<Option<Step>, NodeError> {
        if self.recent.is_empty() && !self.past.is_empty() {
            self.recent = self.past.take(root, RECENT_KEPT)?;
        }
        Ok(self.recent.pop())
    }

    /// Moves older steps to their file before the link is saved. Gives a file that is to be removed after that.
    pub(super) fn settle(&mut self, root: &Path) -> Result<Option<PathBuf>, NodeError> {
        if newest(&self.recent, RECENT_MAX) == self.recent.len() {
            return Ok(None);
        }
        let older = self.recent.len() - newest(&self.recent, RECENT_KEPT);
        let left = self.past.append(root, self.recent.get(..older).unwrap_or_default())?;
        self.recent.drain(..older);
        Ok(left)
    }

    /// Says what is damaged of the steps that lie in a file of their own.
    pub(super) fn verify(&self, root: &Path) -> Result<(), NodeError> {
        self.past.verify(root)
    }
}

/// How many of the last steps are no more, and name no more waypoints, than this.
fn newest(steps: &[Step], (steps_max, heads_max): Limits) -> usize {
    let mut heads = 0;
    let fits = |step: &&Step| {
        heads += step.heads();
        heads <= heads_max
    };
    steps.iter().rev().take(steps_max).take_while(fits).count()
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
    #[serde(default, skip_serializing_if = "Past::is_empty")]
    past: Past,
}

impl WrittenSteps {
    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty() && self.undone.is_empty() && self.past.is_empty()
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
        written.past.check()?;
        Ok(Self { recent: read(written.done)?, past: written.past, undone: read(written.undone)? })
    }

    pub(super) fn written(&self) -> WrittenSteps {
        let written = |steps: &[Step]| steps.iter().map(Step::written).collect();
        WrittenSteps { done: written(&self.recent), undone: written(&self.undone), past: self.past.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::private_dir;
    use super::*;

    /// A step from version `n` to the next one; `n` in its name.
    pub(super) fn step(n: u64) -> Step {
        let stand = |n: u64| {
            let mut id = [7; 32];
            id[..8].copy_from_slice(&n.to_le_bytes());
            Stand { frontier: [WaypointId(id)].into_iter().collect(), branch: "main".into() }
        };
        Step { verb: "post".into(), from: stand(n), to: stand(n + 1), waypoint: Some(WaypointId([9; 32])) }
    }

    fn wide(heads: usize) -> Step {
        let id = |n: usize| WaypointId([(n % 256) as u8, (n / 256) as u8].repeat(16).try_into().unwrap());
        let from = Stand { frontier: (0..heads).map(id).collect(), branch: "main".into() };
        Step { from, ..step(0) }
    }

    fn root() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(private_dir(dir.path())).unwrap();
        dir
    }

    /// What the next process reads.
    fn again(steps: &Steps) -> Steps {
        let bytes = serde_json::to_vec_pretty(&steps.written()).unwrap();
        assert!(bytes.len() < 1 << 19, "{}", bytes.len());
        Steps::read(serde_json::from_slice(&bytes).unwrap()).unwrap()
    }

    #[test]
    fn the_link_stays_small_and_every_step_comes_back() {
        let dir = root();
        let mut steps = Steps::default();
        for n in 0..500 {
            steps.push(step(n));
            steps.settle(dir.path()).unwrap();
            steps = again(&steps);
            assert!(steps.recent.len() <= RECENT_MAX.0);
        }
        for n in (0..500).rev() {
            assert_eq!(steps.left() as u64, n + 1);
            assert_eq!(steps.pop(dir.path()).unwrap(), Some(step(n)));
            steps = again(&steps);
        }
        assert_eq!(steps.pop(dir.path()).unwrap(), None);
    }

    #[test]
    fn steps_that_name_many_waypoints_do_not_stay_in_the_link() {
        let dir = root();
        let mut steps = Steps::default();
        for heads in [HEADS_MAX - 1, 200, 400] {
            steps.push(wide(heads));
            steps.settle(dir.path()).unwrap();
            assert!(steps.recent.iter().map(Step::heads).sum::<usize>() <= RECENT_MAX.1);
        }
        steps.push(wide(HEADS_MAX));
        assert_eq!(steps.left(), 3, "one that names too many is not kept");
        let popped: Vec<Step> = std::iter::from_fn(|| steps.pop(dir.path()).unwrap()).collect();
        assert_eq!(popped, [wide(400), wide(200), wide(HEADS_MAX - 1)]);
        popped.iter().for_each(|step| steps.undone(step.clone()));
        assert_eq!(again(&steps).undone, [wide(HEADS_MAX - 1)]);
    }

    /// Links used to hold every step.
    #[test]
    fn steps_of_an_older_link_move_over() {
        let dir = root();
        let done: Vec<WrittenStep> = (0..1000).map(|n| step(n).written()).collect();
        let old = WrittenSteps { done, undone: vec![step(7).written()], past: Past::default() };
        let old = serde_json::to_string(&old).unwrap();
        assert!(!old.contains("past"));
        let mut steps = Steps::read(serde_json::from_str(&old).unwrap()).unwrap();
        steps.settle(dir.path()).unwrap();
        let mut steps = again(&steps);
        assert_eq!((steps.recent.len(), steps.left()), (RECENT_KEPT.0, 1000));
        for n in (0..1000).rev() {
            assert_eq!(steps.pop(dir.path()).unwrap(), Some(step(n)));
        }
        assert_eq!(steps.undone, [step(7)]);
    }

    #[test]
    fn a_link_that_counts_what_cannot_be_there_is_refused() {
        for past in [r#"{"file":2,"bytes":9,"steps":1}"#, r#"{"file":0,"bytes":4000000000,"steps":1}"#] {
            let written = serde_json::from_str(&format!(r#"{{"past":{past}}}"#)).unwrap();
            assert!(Steps::read(written).is_err());
        }
    }

    #[test]
    fn a_new_step_ends_what_could_be_done_again() {
        let mut steps = Steps::default();
        steps.undone(step(1));
        steps.push(step(1));
        assert_eq!((steps.recent.len(), steps.undone.len()), (1, 0));
    }
}
