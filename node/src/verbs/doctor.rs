//! `doctor`: says what is not as it should be, and for each thing what to do next. It changes nothing.

mod machine;

use std::collections::BTreeMap;
use std::path::Path;

use cairn_crdt::id::{FeedId, ProjectId, RepoId};
use cairn_protocol::{FeedName, Replica};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::store::Store;
use crate::verbs::held::{Reason, reason};
use crate::verbs::{Here, Network};
use crate::worktree::Worktree;

/// What `doctor` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
}

/// What `doctor` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether nothing was found.
    pub ok: bool,
    /// What was found.
    pub problems: Vec<Problem>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of thing, for programs.
    pub code: String,
    /// Where.
    #[serde(rename = "where")]
    pub place: String,
    /// What was found, for people.
    pub detail: String,
    /// What to do.
    pub next: String,
}

impl Problem {
    fn new(code: &str, place: impl Into<String>, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code: code.to_owned(), place: place.into(), detail: detail.into(), next: next.into() }
    }
}

/// Looks at every repo of the home, at the worktree around the folder, and at the machine.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let mut problems = Vec::new();
    for (repo, error) in owner.broken() {
        let next = "`cairn fsck --rebuild` keeps what is whole; what is missing comes back from a peer";
        problems.push(Problem::new(error.code(), format!("repo {repo}"), error.to_string(), next));
    }
    for repo in owner.repos() {
        let (store, replica) = (owner.store(repo)?, owner.replica(repo)?);
        problems.extend(copied(owner, repo));
        problems.extend(damages(repo, store));
        problems.extend(quarantine(repo, store.dir()));
        for (project, name) in replica.projects() {
            let place = format!("//{repo}/{name}");
            problems.extend(feeds(owner, replica, project, &place));
            problems.extend(held(replica, project, &place));
            let feed = FeedName { repo, project, key: owner.key().key() }.id();
            problems.extend(behind(replica, project, feed, &place));
        }
    }
    problems.extend(worktree(owner, &args.here));
    problems.extend(steps(&args.here));
    problems.extend(machine::problems(owner, &args.here, network));
    Ok(Answer { ok: problems.is_empty(), problems })
}

/// A copy of a home writes nothing before it has asked a peer.
fn copied(owner: &Owner, repo: RepoId) -> Option<Problem> {
    let detail =
        "this home is a copy, or was put back: what it signed since may be missing, so nothing is written";
    let next = "`cairn put --peer ADDRESS` asks a peer; `cairn identity fork` where the other one goes on";
    owner.is_copied(repo).then(|| Problem::new("E_COPIED", format!("repo {repo}"), detail, next))
}

fn damages(repo: RepoId, store: &Store) -> Vec<Problem> {
    let next = "leave `cairn serve` running with a peer that holds it: it is fetched again; `cairn fsck` tells what is left";
    let damages = store.damages().into_iter();
    damages
        .map(|damage| {
            Problem::new("E_DAMAGED", format!("repos/{repo}/{}", damage.file), damage.to_string(), next)
        })
        .collect()
}

fn quarantine(repo: RepoId, dir: &Path) -> Option<Problem> {
    let dir = dir.join("quarantine");
    let count = std::fs::read_dir(&dir).map_or(0, |files| files.flatten().count());
    let detail = format!("{count} copies of what was refused or damaged are kept");
    let next = format!("nothing depends on them; look, then remove {}", dir.display());
    (count > 0).then(|| Problem::new("E_QUARANTINE", format!("repos/{repo}/quarantine"), detail, next))
}

/// Feeds that are forked, or from which nothing more is taken.
fn feeds(owner: &Owner, replica: &Replica, project: ProjectId, place: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for feed in replica.feeds(project) {
        let place = format!("{place} feed {}", feed.feed.short());
        if feed.forked || feed.sides > 0 {
            let past = replica.fork_place(project, feed.feed).unwrap_or(0);
            let mine = feed.key == owner.key().key();
            let next = if mine {
                "`cairn identity fork`: this machine gets a key of its own, and what it wrote counts again"
            } else {
                "its owner runs `cairn identity fork` on one of the machines; to keep what waits, `cairn put ?WAYPOINT`"
            };
            let whose = if mine { "this device's key".to_owned() } else { format!("the key {}", feed.key) };
            let detail = format!(
                "{whose} signed {} histories that part after waypoint {past}: two machines use it, or a backup was put back",
                feed.sides.max(1) + 1
            );
            problems.push(Problem::new("E_FORKED", place.as_str(), detail, next));
        }
        if let Some(reason) = &feed.frozen {
            let detail = format!("nothing more is taken of it after waypoint {}: {reason}", feed.n);
            let next = "its owner goes on with a new key: `cairn identity fork` there";
            problems.push(Problem::new("E_FROZEN", place, detail, next));
        }
    }
    problems
}

/// What is kept and shows nowhere, by reason.
fn held(replica: &Replica, project: ProjectId, place: &str) -> Vec<Problem> {
    let mut reasons = BTreeMap::new();
    for (id, why) in replica.held(project) {
        let reason = reason(&why);
        reasons.entry(reason.word).or_insert((reason, Vec::new())).1.push(id.to_string());
    }
    let told = |(Reason { detail, next, .. }, ids): (Reason, Vec<String>)| {
        let detail = format!("{} held because {detail}: {}", ids.len(), ids.join(" "));
        Problem::new("E_HELD", place, detail, next)
    };
    reasons.into_values().map(told).collect()
}

/// This device has signed more than is here: its store is an older copy, or a peer gave only a part.
fn behind(replica: &Replica, project: ProjectId, feed: FeedId, place: &str) -> Option<Problem> {
    let (signed, held) = (replica.signed_length(project, feed), replica.feed_length(project, feed));
    let detail = format!("this device has signed {signed} waypoints, of which {held} are here");
    let next = "`cairn put --peer ADDRESS` brings them back; `cairn identity fork` goes on without them";
    (signed > held).then(|| Problem::new("E_ROLLBACK", place, detail, next))
}

/// A worktree that stands on what its store does not have: the store was put back.
fn worktree(owner: &Owner, here: &Here) -> Option<Problem> {
    let worktree = Worktree::find(&here.dir).ok()?;
    let link = &worktree.link;
    let replica = owner.replica(link.repo).ok()?;
    let documents = replica.project(&link.project).and_then(|project| replica.documents(project));
    let gone = link.frontier.heads().iter().find(|id| !documents.is_some_and(|known| known.contains(id)))?;
    let detail =
        format!("it stands on waypoint {gone}, which the store does not have: an older copy was put back");
    let next = "`cairn put --peer ADDRESS` fetches it; nothing is posted from here before";
    Some(Problem::new("E_PUT_BACK", worktree.root().display().to_string(), detail, next))
}

/// A worktree of whose older steps some cannot be undone any more.
fn steps(here: &Here) -> Option<Problem> {
    let worktree = Worktree::find(&here.dir).ok()?;
    let error = worktree.verify_steps().err()?;
    let next =
        "`cairn undo` goes as far as it can, says so once, and then goes on with the steps before the damage";
    Some(Problem::new(error.code(), worktree.root().display().to_string(), error.to_string(), next))
}
