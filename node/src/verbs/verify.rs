//! `verify`: reads the store against what was signed.

pub mod proof;

use cairn_crdt::id::{ProjectId, RepoId};
use cairn_crdt::{CrdtError, Frontier, Lost};
use cairn_protocol::replica::Stated;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::store;
use crate::verbs::Here;

/// What `verify` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// Whether every byte is read and every root derived again.
    pub deep: bool,
}

/// What `verify` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many feeds were read.
    pub feeds: u64,
    /// How many stones were read.
    pub ssts: u64,
    /// How many bytes were read.
    pub bytes: u64,
    /// Whether nothing was wrong.
    pub ok: bool,
    /// What was wrong.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of thing, for programs.
    pub code: String,
    /// Where: a file, with the offset when it is known.
    #[serde(rename = "where")]
    pub place: String,
    /// What was found, for people.
    pub detail: String,
}

/// Verifies every repo of the home.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let mut answer = Answer { ok: true, ..Answer::default() };
    for (repo, report) in owner.verify(args.deep) {
        answer.feeds += report.feeds;
        answer.ssts += report.ssts;
        answer.bytes += report.bytes;
        answer.problems.extend(report.problems.iter().map(|problem| told(repo, problem)));
    }
    if args.deep {
        for repo in owner.repos() {
            answer.problems.extend(unconserved(owner, repo)?);
            answer.problems.extend(misstated(owner, repo)?);
        }
    }
    answer.ok = answer.problems.is_empty();
    Ok(answer)
}

/// What was written in a repo and is neither shown by a branch, nor taken away by name, nor told by an overlap.
fn unconserved(owner: &mut Owner, repo: RepoId) -> Result<Vec<Problem>, NodeError> {
    let replica = owner.replica(repo)?;
    let projects: Vec<ProjectId> = replica.projects().map(|(project, _)| project).collect();
    let branches = projects.into_iter().flat_map(|project| {
        let branches = replica.branches(project).into_iter();
        branches.map(move |(name, frontier)| (project, name, frontier))
    });
    let mut problems = Vec::new();
    for (project, branch, frontier) in branches.collect::<Vec<(ProjectId, String, Frontier)>>() {
        let (replica, store) = owner.with(repo)?;
        let Some(documents) = replica.documents_mut(project) else { continue };
        let problem = |code: &str, detail| {
            let place = format!("repos/{repo}/?{branch}");
            Problem { code: code.to_owned(), place, detail }
        };
        match documents.lost(&frontier, store) {
            Ok(lost) => problems.extend(lost.iter().map(|lost| problem("E_LOST", told_lost(lost)))),
            // What has faded can be neither shown nor checked; what is damaged was told by the store.
            Err(CrdtError::Absent(_) | CrdtError::Unread(_)) => {}
            Err(error) => problems.push(problem("E_VIEW", error.to_string())),
        }
    }
    Ok(problems)
}

/// Marks and epochs of a repo whose versions have another root than was signed.
fn misstated(owner: &mut Owner, repo: RepoId) -> Result<Vec<Problem>, NodeError> {
    let projects: Vec<ProjectId> = owner.replica(repo)?.projects().map(|(project, _)| project).collect();
    let mut problems = Vec::new();
    for project in projects {
        for stated in owner.replica(repo)?.stated(project) {
            let (replica, store) = owner.with(repo)?;
            match replica.view(project, &stated.version, store) {
                Ok(view) if view.root == stated.root => {}
                Ok(view) => problems.push(told_stated(repo, &stated, &view.root.to_string())),
                // What is not here cannot be checked; what is damaged was told by the store.
                Err(
                    CrdtError::Faded(_)
                    | CrdtError::Absent(_)
                    | CrdtError::Unread(_)
                    | CrdtError::UnknownWaypoint(_),
                ) => {}
                Err(error) => problems.push(told_stated(repo, &stated, &error.to_string())),
            }
        }
    }
    Ok(problems)
}

fn told_stated(repo: RepoId, stated: &Stated, root: &str) -> Problem {
    let (code, what) = match &stated.mark {
        Some(name) => ("E_MARK", format!("?{name}")),
        None => ("E_EPOCH", format!("?{}", stated.by)),
    };
    let detail = format!("{} signs root {}, and the version has {root}", stated.by, stated.root);
    Problem { code: code.to_owned(), place: format!("repos/{repo}/{what}"), detail }
}

fn told_lost(lost: &Lost) -> String {
    let by: Vec<_> = lost.waypoints.iter().map(|waypoint| waypoint.short()).collect();
    let path = lost.path.as_ref().map(|path| format!(" of {path}")).unwrap_or_default();
    let leaf = lost.leaf.map(|leaf| format!(", leaf {}", leaf.short())).unwrap_or_default();
    format!(
        "what {} wrote in node {}{leaf}{path} is neither shown nor in an overlap",
        by.join(", "),
        lost.node.short()
    )
}

fn told(repo: RepoId, problem: &store::Problem) -> Problem {
    Problem {
        code: problem.code.to_owned(),
        place: format!("repos/{repo}/{}", problem.place),
        detail: problem.detail.clone(),
    }
}
