//! Fading while a node serves: one project at a look, seldom, and never before somebody has said so.
//!
//! A project fades by itself once `cairn fade --auto` has named how long it keeps what it holds. Until
//! then, what could go is told once. What no other peer has yet never goes by itself.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use cairn_crdt::id::{ProjectId, RepoId};
use cairn_protocol::retention::Thinning;

use super::Event;
use crate::error::NodeError;
use crate::owner::{Keep, Owner};
use crate::store::Faded;
use crate::verbs::fade::NAMES_MS;
use crate::worktrees;

/// Between two looks at all projects.
const PAUSE: Duration = Duration::from_secs(3_600);

/// What is to be looked at, and what was told.
#[derive(Debug)]
pub(crate) struct Keeper {
    next: Instant,
    due: VecDeque<(RepoId, ProjectId)>,
    told: BTreeSet<(RepoId, ProjectId)>,
}

impl Keeper {
    pub(crate) fn new() -> Self {
        Self { next: Instant::now(), due: VecDeque::new(), told: BTreeSet::new() }
    }

    /// Looks at one project, if it is time. A project that cannot fade now stays as it is.
    pub(crate) fn look(&mut self, owner: &mut Owner, events: &mut dyn FnMut(Event)) {
        if self.due.is_empty() && Instant::now() >= self.next {
            self.next = Instant::now() + PAUSE;
            self.due = projects(owner);
        }
        let Some(place) = self.due.pop_front() else { return };
        match self.keep(owner, place) {
            Ok(Some(event)) => events(event),
            Ok(None) => {}
            Err(error) => tracing::warn!(repo = %place.0, %error, "a project does not fade"),
        }
    }

    fn keep(&mut self, owner: &mut Owner, place: (RepoId, ProjectId)) -> Result<Option<Event>, NodeError> {
        let name = name(owner, place)?;
        let pins = worktrees::versions(owner.home(), place.0, &name)?;
        let allowed = owner.config().fading.get(&place.1.to_string()).copied();
        let dry_run = allowed.is_none();
        if dry_run && self.told.contains(&place) {
            return Ok(None);
        }
        let thinning = allowed.map_or_else(Thinning::default, Thinning::from);
        let keep = Keep { thinning, names_ms: NAMES_MS, pins: &pins, alone: false };
        let faded = if dry_run { owner.would_fade(place, keep)? } else { owner.fade(place, keep)? };
        let Faded { waypoints, bytes_before, bytes_after } = faded;
        if waypoints == 0 {
            return Ok(None);
        }
        let (repo, project) = (place.0.to_string(), name);
        Ok(Some(match dry_run {
            false => Event::Faded { repo, project, waypoints, bytes_before, bytes_after },
            true => {
                self.told.insert(place);
                Event::FadeDue { repo, project, waypoints, bytes: bytes_before.saturating_sub(bytes_after) }
            }
        }))
    }
}

fn projects(owner: &Owner) -> VecDeque<(RepoId, ProjectId)> {
    let repos = owner.repos().into_iter();
    let projects = |repo| {
        let replica = owner.replica(repo).ok();
        let ids: Vec<ProjectId> =
            replica.into_iter().flat_map(|replica| replica.projects()).map(|(id, _)| id).collect();
        ids.into_iter().map(move |project| (repo, project))
    };
    repos.flat_map(projects).collect()
}

fn name(owner: &Owner, (repo, project): (RepoId, ProjectId)) -> Result<String, NodeError> {
    let name =
        owner.replica(repo)?.projects().find(|(id, _)| *id == project).map(|(_, name)| name.to_owned());
    name.ok_or(NodeError::Bug("a project without a name"))
}
