//! Brings what the policy of a project has come by itself, while a node serves: in the background, so that nobody waits for it.
//!
//! A project is looked at when a branch of it moved, when a mark is new, when a peer came, and when the settings changed. What
//! did not come is told once and tried again later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use cairn_crdt::id::{ArtifactId, ProjectId, RepoId};
use cairn_protocol::effect::Event as Heard;

use super::Event;
use crate::config::{Config, Fetching};
use crate::error::NodeError;
use crate::net::{Errand, Session};
use crate::owner::Owner;
use crate::verbs::Place;
use crate::verbs::artifact::policy::wanted;
use crate::verbs::artifact::quota::explained;

/// What is fetched in one go; others come in between.
const ERRAND_COUNT_MAX: usize = 64;
/// After so long what did not come is tried again.
const PAUSE: Duration = Duration::from_secs(60);
/// A node that is never left in peace looks all the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// One project of a repo.
type Project = (RepoId, ProjectId);

/// What the settings say of it.
type Settings = (Fetching, BTreeMap<String, Fetching>, BTreeMap<String, BTreeSet<String>>);

/// What is to be brought, and what is on its way.
#[derive(Default)]
pub(super) struct Bringer {
    settings: Option<Settings>,
    due: BTreeSet<Project>,
    waiting: VecDeque<(Project, ArtifactId)>,
    underway: Option<(Project, Errand)>,
    /// What did not come, and the word for why that was told.
    told: BTreeMap<(RepoId, ArtifactId), &'static str>,
    again: Option<Instant>,
    looked: Option<Instant>,
}

impl Bringer {
    /// Takes note of what happened.
    pub(super) fn hear(&mut self, owner: &Owner, heard: &Heard) {
        match heard {
            Heard::Merged { repo, project, .. } | Heard::Marked { repo, project, .. } => {
                self.due.insert((*repo, *project));
            }
            Heard::Peer { connected: true, .. } => self.due.extend(all(owner)),
            Heard::Joined { repo } | Heard::Synced { repo, .. } => self.due.extend(projects(owner, *repo)),
            _ => {}
        }
    }

    /// Goes on a little. What cannot be looked at now is looked at again later.
    pub(super) fn look(
        &mut self,
        owner: &mut Owner,
        session: &mut Session,
        idle: bool,
        events: &mut dyn FnMut(Event),
    ) {
        if self.underway.as_ref().is_some_and(|(_, errand)| errand.is_finished())
            && let Some((project, errand)) = self.underway.take()
        {
            match session.end_errand(errand) {
                Ok(brought) => {
                    for (artifact, came) in brought {
                        let came =
                            came.map(|moved| moved.bytes).map_err(|error| explained(owner, session, error));
                        self.tell(owner, project, artifact, came, events);
                    }
                }
                Err(error) => tracing::error!(%error, "what was being fetched ended without a word"),
            }
        }
        self.wake(owner);
        let waited = self.looked.is_none_or(|looked| looked.elapsed() > PATIENCE);
        if self.underway.is_some() || session.connected().is_empty() || !(idle || waited) {
            return;
        }
        self.looked = Some(Instant::now());
        if let Err(error) = self.find(owner, session).and_then(|()| self.begin(session)) {
            tracing::warn!(%error, "what is to come by itself could not be looked for");
            self.again = Some(Instant::now() + PAUSE);
        }
    }

    /// Looks at all projects again after a change of the settings, or when it is time.
    fn wake(&mut self, owner: &Owner) {
        let Config { fetching, projects_fetching, pinned, .. } = owner.config();
        let is_same = self.settings.as_ref().is_some_and(|(before, projects, pins)| {
            before == fetching && projects == projects_fetching && pins == pinned
        });
        let is_time = self.again.is_some_and(|again| Instant::now() >= again);
        if is_same && !is_time {
            return;
        }
        self.settings = Some((*fetching, projects_fetching.clone(), pinned.clone()));
        self.again = None;
        self.due.extend(all(owner));
    }

    /// Looks what one project lacks.
    fn find(&mut self, owner: &mut Owner, session: &mut Session) -> Result<(), NodeError> {
        if !self.waiting.is_empty() {
            return Ok(());
        }
        let Some((repo, project)) = self.due.pop_first() else { return Ok(()) };
        for artifact in wanted(owner, Place { repo, project })? {
            if !session.holds_artifact(repo, artifact)? {
                self.waiting.push_back(((repo, project), artifact));
            }
        }
        Ok(())
    }

    fn begin(&mut self, session: &mut Session) -> Result<(), NodeError> {
        let Some((project, _)) = self.waiting.front().copied() else { return Ok(()) };
        let together = self.waiting.iter().take_while(|(other, _)| *other == project);
        let count = together.take(ERRAND_COUNT_MAX).count();
        let artifacts: Vec<_> = self.waiting.drain(..count).map(|(_, artifact)| artifact).collect();
        self.underway = Some((project, session.begin_background(project.0, &artifacts)?));
        Ok(())
    }

    fn tell(
        &mut self,
        owner: &Owner,
        (repo, project): Project,
        artifact: ArtifactId,
        came: Result<u64, NodeError>,
        events: &mut dyn FnMut(Event),
    ) {
        let name = (Place { repo, project }).name(owner).unwrap_or_else(|_| project.to_string());
        let told = (repo.to_string(), name, artifact.to_string());
        match came {
            Ok(bytes) => {
                self.told.remove(&(repo, artifact));
                let (repo, project, artifact) = told;
                events(Event::Fetched { repo, project, artifact, bytes });
            }
            Err(error) => {
                self.again.get_or_insert(Instant::now() + PAUSE);
                if self.told.insert((repo, artifact), error.code()) != Some(error.code()) {
                    let ((repo, project, artifact), code) = (told, error.code().to_owned());
                    events(Event::Unfetched { repo, project, artifact, code, reason: error.to_string() });
                }
            }
        }
    }
}

fn all(owner: &Owner) -> Vec<Project> {
    owner.repos().into_iter().flat_map(|repo| projects(owner, repo)).collect()
}

fn projects(owner: &Owner, repo: RepoId) -> Vec<Project> {
    let replica = owner.replica(repo).ok();
    let projects = replica.iter().flat_map(|replica| replica.projects());
    projects.map(|(project, _)| (repo, project)).collect()
}
