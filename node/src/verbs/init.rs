//! `init`: founds a repo with one project, and makes a folder its worktree.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::project_name;
use crate::verbs::{DEFAULT_BRANCH, Here, Place, Site};
use crate::worktree::Link;

/// What `init` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The project's name, `@owner/name`; `@me/` and the folder's name when left out.
    pub project: Option<String>,
    /// Whether anyone may read the repo.
    pub public: bool,
}

/// What `init` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// The project, `@owner/name`.
    pub project: String,
    /// The feed that this device will write there.
    pub feed: String,
}

/// Founds the repo; posts nothing.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let folder = args.here.dir.file_name().unwrap_or_default().to_string_lossy();
    let project = project_name(args.project.as_deref().unwrap_or(&label(&folder)))?;
    if Link::load(&args.here.dir)?.is_some() {
        return Err(NodeError::Refused(format!("{} is a worktree already", args.here.dir.display())));
    }
    let name = project.rsplit('/').next().unwrap_or(&project);
    let repo = owner.create(name, args.public)?;
    let place = Place { repo, project: owner.add_project(repo, &project)? };
    let site = Site::create(owner, &args.here, place, DEFAULT_BRANCH)?;
    Ok(Answer { repo: repo.to_string(), project, feed: site.feed(owner).to_string() })
}

/// A folder's name as a project can have it.
fn label(folder: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let label: String = folder.chars().map(kept).collect();
    let label = label.trim_start_matches(['-', '.']);
    if label.is_empty() { "project".to_owned() } else { label.to_owned() }
}
