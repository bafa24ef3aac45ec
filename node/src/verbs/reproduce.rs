//! `reproduce`: the exact state of a run in a folder of its own, and what comes of running it again.
//!
//! As with `run`, the command itself is run by whoever asks, between `set` and `compare`.

mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use cairn_crdt::id::ArtifactId;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{Frontier, View};
use cairn_protocol::Wanted;
use serde::{Deserialize, Serialize};

use super::join::{Door, bring, invited};
use super::share::{check_code, run_of};
use super::{recall, run as runs_verb};
use crate::clock;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::book::{Book, Run, Shelf};
use crate::runs::record::{Item, Record};
use crate::runs::{Problem, begun, found};
use crate::uri::Uri;
use crate::verbs::site::Target;
use crate::verbs::{DEFAULT_BRANCH, Here, Network, Place, Site};
use crate::worktree::Link;
use crate::worktree::link::{digits, frontier};

pub use verdict::Verdict;

/// What `reproduce` is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Gets code, inputs and lock files into a folder.
    Set(Set),
    /// Compares what came of running it again.
    Compare {
        /// What `set` answered.
        token: String,
    },
}

/// What is to be reproduced, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// A link from `share`, or a run of the project where one stands.
    pub target: String,
    /// The folder: a new one, or one that shows the code already. An absolute path.
    pub dir: PathBuf,
    /// Peers to ask before those that the link names, as multiaddresses.
    pub peers: Vec<String>,
    /// The process that is going to run the command, if any is.
    pub pid: Option<u32>,
}

/// What `reproduce` answers, by action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `set`.
    Ready(Box<Ready>),
    /// To `compare`.
    Verdict(Box<Verdict>),
}

/// What `set` answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// The run, if it is one.
    pub run: Option<String>,
    /// What it says.
    pub record: Option<Record>,
    /// The folder.
    pub dir: String,
    /// The version of the code.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// How many files of the code were written.
    pub files: u64,
    /// How many inputs were brought beside the code.
    pub inputs: u64,
    /// Variables that the command is to see.
    pub variables: BTreeMap<String, String>,
    /// By which it is compared, where it is going to be run.
    pub token: Option<String>,
}

/// What a link or a word stands for.
struct Goal {
    place: Place,
    run: Option<Run>,
    frontier: Frontier,
    branch: String,
}

/// Sets up, or compares.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    match &args.action {
        Action::Set(set) => {
            ready(owner, network, &args.here, set).map(|ready| Answer::Ready(Box::new(ready)))
        }
        Action::Compare { token } => {
            let mut site = Site::open(owner, &args.here)?;
            verdict::verdict(owner, &mut site, token).map(|verdict| Answer::Verdict(Box::new(verdict)))
        }
    }
}

fn ready(owner: &mut Owner, network: &mut dyn Network, here: &Here, set: &Set) -> Result<Ready, NodeError> {
    let goal = goal(owner, network, here, set)?;
    if set.pid.is_some() && goal.run.is_none() {
        return Err(NodeError::Usage("a version has no command that could be run: share a run".to_owned()));
    }
    let there = Here { dir: set.dir.clone(), key: here.key.clone() };
    let (mut site, files) = code(owner, network, &there, &goal)?;
    let mut ready = Ready {
        dir: site.root().display().to_string(),
        frontier: digits(&goal.frontier),
        root: site.place.view(owner, &goal.frontier)?.root.to_string(),
        files,
        ..Ready::default()
    };
    let Some(run) = goal.run else { return Ok(ready) };
    if ready.root != run.record.code.root {
        let (root, wanted) = (&ready.root, &run.record.code.root);
        return Err(NodeError::Refused(format!(
            "the code has the root {root}, and the record says {wanted}"
        )));
    }
    ready.inputs = inputs(owner, network, &mut site, &goal.frontier, &run)?;
    ready.variables = runs_verb::variables(&run.record.params)?;
    ready.variables.extend(run.record.environment.variables.clone());
    if let Some(pid) = set.pid {
        let mut begun = begun::Begun::by(pid, run.record.clone(), false);
        begun.again = Some(run.id.clone());
        let written = run.record.outputs.iter().map(|item| &item.path).chain(&run.record.declared.metrics);
        for path in written {
            let seen = found::seen(&mut site, &repo_path(path)?)?;
            begun.before.extend(seen.map(|seen| (path.clone(), seen)));
        }
        ready.token = Some(begun::Place::begin(site.root(), &begun)?.token().to_owned());
    }
    (ready.run, ready.record) = (Some(run.id.to_string()), Some(run.record));
    Ok(ready)
}

fn repo_path(text: &str) -> Result<RepoPath, NodeError> {
    RepoPath::new(text.as_bytes()).map_err(|error| NodeError::Refused(format!("the path {text}: {error}")))
}

/// What is meant; the repo is fetched where it, or the run, is not here.
fn goal(owner: &mut Owner, network: &mut dyn Network, here: &Here, set: &Set) -> Result<Goal, NodeError> {
    if !set.target.starts_with("cairn:") {
        let site = Site::open(owner, here)?;
        let run = Book::of_site(owner, &site)?.find(&set.target)?.clone();
        return of_run(site.place, run);
    }
    let uri = Uri::parse(&set.target)?;
    if let Ok(goal) = held(owner, &uri) {
        return Ok(goal);
    }
    let bad = || NodeError::Usage("this is no link from `share`: it has no repo or project".to_owned());
    let repo = uri.repo.as_deref().and_then(|repo| owner.config().repo(repo)).ok_or_else(bad)?;
    let project = uri.project.clone().ok_or_else(bad)?;
    let key = here.keypair(owner.home())?.key();
    let may_read = owner.replica(repo).is_ok_and(|replica| replica.may_read(&key, None, clock::now_ms()));
    let wanted = match uri.invite.is_some() && !may_read {
        true => invited(owner, here, &uri)?,
        false => Wanted { repo, projects: vec![project], grants: Vec::new() },
    };
    bring(owner, &Door { uri: &uri, peers: &set.peers, wanted, lazy: false }, network)?;
    held(owner, &uri)
}

/// What a link stands for, if that is here.
fn held(owner: &mut Owner, uri: &Uri) -> Result<Goal, NodeError> {
    let name = uri.repo.clone().unwrap_or_default();
    let unknown = || NodeError::NotFound { what: "repo", name: name.clone() };
    let repo = owner.config().repo(&name).ok_or_else(unknown)?;
    let place = Place::find(owner, repo, uri.project.as_deref())?;
    if let Some(word) = run_of(uri) {
        let run = Book::of(owner, place)?.find(word)?.clone();
        let bytes = Shelf::open(owner, place)?.bytes(owner, &run.id, ".json")?.unwrap_or_default();
        if !crate::runs::record::hash(&bytes).starts_with(word) {
            let why = "is not the one that the link names".to_owned();
            return Err(Problem::Untrue { run: run.id, why }.into());
        }
        return of_run(place, run);
    }
    let name = uri.refs.first().map_or(DEFAULT_BRANCH, |reference| &reference.name);
    let frontier = place.reference(owner, name)?.1;
    Ok(Goal { place, run: None, frontier, branch: DEFAULT_BRANCH.to_owned() })
}

fn of_run(place: Place, run: Run) -> Result<Goal, NodeError> {
    check_code(&run)?;
    let bad = |why| NodeError::Refused(format!("the version of the code: {why}"));
    let frontier = frontier(&run.record.code.frontier).map_err(bad)?;
    let branch = run.record.code.branch.clone();
    crate::uri::check_label(&branch)?;
    Ok(Goal { place, run: Some(run), frontier, branch })
}

/// Makes the folder show the code, unless it does already.
fn code(
    owner: &mut Owner,
    network: &mut dyn Network,
    there: &Here,
    goal: &Goal,
) -> Result<(Site, u64), NodeError> {
    let Some(_) = Link::load(&there.dir)? else {
        let stand = goal.place.branch(owner, &goal.branch)?;
        recall::ensure(owner, network, goal.place, &goal.frontier, &stand)?;
        check_empty(there)?;
        let mut site = Site::create(owner, there, goal.place, &goal.branch)?;
        let target = Target { frontier: goal.frontier.clone(), branch: None, merge: false };
        let moved = site.move_to(owner, network, target)?;
        return Ok((site, moved.written));
    };
    let mut site = Site::open(owner, there)?;
    let folder = there.dir.display().to_string();
    let other = |why: &str| Problem::Folder { folder: folder.clone(), why: why.to_owned() };
    if site.place != goal.place || *site.frontier() != goal.frontier {
        return Err(other("is a worktree that shows something else").into());
    }
    site.finish(owner, network)?;
    let record = goal.run.as_ref().map(|run| &run.record);
    let items = record.into_iter().flat_map(|record| record.inputs.iter().chain(&record.outputs));
    let mut own: BTreeSet<&[u8]> = items.map(|item| item.path.as_bytes()).collect();
    own.extend(record.and_then(|record| record.declared.metrics.as_deref()).map(str::as_bytes));
    let (changes, _) = site.changes(owner)?;
    let is_file = |path: &RepoPath| !own.iter().any(|own| own.starts_with(path.as_bytes()));
    match changes.iter().find(|change| !own.contains(change.path.as_bytes()) && is_file(&change.path)) {
        Some(change) => Err(other(&format!("has {} changed", change.path)).into()),
        None => Ok((site, 0)),
    }
}

/// Refuses a folder that holds something: it would be part of what is run.
fn check_empty(there: &Here) -> Result<(), NodeError> {
    let is_empty = match std::fs::read_dir(&there.dir) {
        Ok(mut listed) => listed.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(NodeError::io("list", &there.dir, error)),
    };
    let dir = there.dir.display();
    let full =
        || NodeError::Refused(format!("{dir} holds files that are none of the run; name another folder"));
    is_empty.then_some(()).ok_or_else(full)
}

/// Brings the inputs that the code does not hold; how many. Each must hold what the record says.
fn inputs(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    code: &Frontier,
    run: &Run,
) -> Result<u64, NodeError> {
    let base = site.place.view(owner, code)?;
    let mut to = View { frontier: Frontier::empty(), ..(*base).clone() };
    let shelf = Shelf::open(owner, site.place)?;
    let mut brought = 0;
    for item in &run.record.inputs {
        let path = repo_path(&item.path)?;
        match found::look(site, &path)? {
            Some(now) if now.content == item.content => continue,
            Some(_) if base.files.contains_key(&path) || item.artifact.is_some() => {
                let (folder, why) =
                    (site.root().display().to_string(), format!("holds another {path} than the run read"));
                return Err(Problem::Folder { folder, why }.into());
            }
            _ => {}
        }
        let Some(artifact) = item.artifact.as_deref().and_then(ArtifactId::from_hex) else { continue };
        let kept = shelf.artifact(&run.id, &item.path, artifact)?;
        let kept = kept.ok_or_else(|| absent(item, "no branch shows it"))?;
        let mut above = path.parent();
        while let Some(dir) = above {
            above = dir.parent();
            to.dirs.insert(dir);
        }
        to.files.insert(path, kept);
        brought += 1;
    }
    if brought > 0 {
        let to = Arc::new(to);
        site.check_out(owner, network, &[base], &to, &to)?;
        site.worktree.sync()?;
        site.worktree.save()?;
    }
    for item in &run.record.inputs {
        let now = found::look(site, &repo_path(&item.path)?)?;
        match now {
            None => return Err(absent(item, "no peer that was asked has its bytes")),
            Some(now) if now.content != item.content => {
                return Err(absent(item, "what came has another hash"));
            }
            Some(_) => {}
        }
    }
    Ok(brought)
}

fn absent(item: &Item, why: &'static str) -> NodeError {
    Problem::Input { path: item.path.clone(), why }.into()
}
