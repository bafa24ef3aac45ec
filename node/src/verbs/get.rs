//! `get`: repo to worktree. Checks out, switches, or brings one file.

use serde::{Deserialize, Serialize};

use std::collections::BTreeSet;

use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileBody, Frontier, View};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::progress::Load;
use crate::uri::Uri;
use crate::verbs::site::{Moved, Posting, Target};
use crate::verbs::{Here, Network, Site, Version, clone, recall};
use crate::worktree::link::digits;
use crate::worktree::{Demand, Worktree};

/// What `get` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to get; the worktree's own branch when empty.
    pub uris: Vec<String>,
    /// Whether large files are left out from now on until somebody asks for them.
    #[serde(default)]
    pub lazy: bool,
    /// Whether all files are written from now on, those that were left out too.
    #[serde(default)]
    pub whole: bool,
}

/// What `get` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The branch that the worktree follows now.
    pub branch: String,
    /// The version that it stands on now.
    pub frontier: Vec<String>,
    /// The root of what was got.
    pub root: String,
    /// How many files were written.
    pub written: u64,
    /// How many files were removed.
    pub removed: u64,
    /// The waypoint that keeps what was unposted.
    pub saved: Option<String>,
    /// The waypoints that keep what stood in the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// How many files are left out, since nobody asked for them or their bytes were not to be had.
    #[serde(default)]
    pub absent: u64,
    /// Whether several versions were blended.
    pub blended: bool,
    /// How many overlaps the version shows.
    pub overlaps: u64,
    /// The local waypoint that the files show now; on the version stood on, what it did is unposted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// What was to be fetched.
    #[serde(default, skip_serializing_if = "Load::is_empty")]
    pub fetch: Load,
}

/// Saves what is unposted, then writes the files of the version asked for.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    if let Some(link) = foreign(args) {
        return fetch(owner, args, link, network);
    }
    let mut site = Site::open(owner, &args.here)?;
    site.finish(owner, network)?;
    demand(owner, &mut site, args)?;
    let versions = versions(owner, &site, &args.uris)?;
    for version in &versions {
        recall::ensure(owner, network, site.place, &version.frontier, site.frontier())?;
    }
    match versions.as_slice() {
        [version] if version.path.is_some() => one(owner, network, &mut site, version),
        _ if versions.iter().any(|version| version.path.is_some()) => {
            Err(NodeError::Usage("get brings one file or folder at a time".to_owned()))
        }
        _ => switch(owner, network, &mut site, &versions),
    }
}

/// What is to become of files that were left out.
fn demand(owner: &mut Owner, site: &mut Site, args: &Args) -> Result<(), NodeError> {
    match (args.lazy, args.whole) {
        (true, true) => return Err(NodeError::Usage("a worktree is lazy or whole".to_owned())),
        (true, false) => {
            let view = site.view(owner)?;
            site.worktree.be_lazy(&view);
        }
        (false, true) => site.worktree.be_whole(),
        (false, false) => site.worktree.demand = Demand::Again,
    }
    Ok(())
}

/// A URI that names a repo, asked for where no worktree is.
fn foreign(args: &Args) -> Option<&str> {
    let [link] = args.uris.as_slice() else { return None };
    let names_repo = Uri::parse(link).is_ok_and(|uri| uri.repo.is_some());
    (names_repo && Worktree::find(&args.here.dir).is_err()).then_some(link)
}

fn fetch(owner: &mut Owner, args: &Args, link: &str, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let args =
        clone::Args { here: args.here.clone(), link: link.to_owned(), peers: Vec::new(), lazy: args.lazy };
    let cloned = clone::run(owner, &args, network)?;
    Ok(Answer {
        branch: cloned.branch,
        frontier: cloned.frontier,
        root: cloned.root,
        written: cloned.files,
        absent: cloned.absent,
        fetch: cloned.fetch,
        ..Answer::default()
    })
}

fn versions(owner: &mut Owner, site: &Site, uris: &[String]) -> Result<Vec<Version>, NodeError> {
    let mut versions = Vec::new();
    for uri in uris {
        let version = Version::find(owner, &site.here(), Some(uri))?;
        if version.place != site.place {
            return Err(NodeError::Usage(format!(
                "{uri} is another project; clone it into a folder of its own"
            )));
        }
        versions.push(version);
    }
    Ok(versions)
}

/// Saves what is unposted and shows a whole version.
fn switch(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    versions: &[Version],
) -> Result<Answer, NodeError> {
    let saved = site.save(owner, network)?;
    let tips = site.place.branch(owner, site.branch())?;
    let target = match versions {
        [] => Target::merging(site.with_saved(owner, &tips, &saved.stand.frontier)?),
        versions => {
            let frontier = site.place.blend(owner, versions.iter().map(|version| &version.frontier))?;
            let branch = if let [one] = versions { one.branch.clone() } else { None };
            Target { frontier, branch, merge: false }
        }
    };
    if !versions.is_empty() {
        site.note_move("get", saved.stand.clone(), &target);
    }
    let to = site.place.view(owner, &target.frontier)?;
    let fetch = site.announce(owner, network, &to)?;
    let moved = site.move_to(owner, network, target)?;
    let blended = versions.len() > 1 || versions.iter().any(|version| version.refs > 1);
    let saved = saved.waypoint.map(|saved| saved.to_string()).or_else(|| site.kept_words().pop());
    let local = site.worktree.link.local.map(|local| local.to_string());
    Ok(Answer { saved, blended, local, fetch, ..answer(owner, site, &moved)? })
}

/// Brings one file or folder as it is in another version; it is not posted.
fn one(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    version: &Version,
) -> Result<Answer, NodeError> {
    let path = version.path.as_ref().ok_or(NodeError::Bug("one file without a path"))?;
    let wanted = version.place.view(owner, &version.frontier)?;
    site.worktree.ask_for(&wanted, path);
    let grafted = graft(&*site.view(owner)?, &wanted, path)?;
    let fetch = site.announce(owner, network, &grafted)?;
    bring(owner, network, site, &wanted, path)?;
    let paths = [path.clone()];
    let (saved, base) = match site.worktree.link.local {
        Some(_) => {
            let saved = site.save(owner, network)?;
            (saved.waypoint, site.place.view(owner, &saved.stand.frontier)?)
        }
        None => {
            let saved = site.post(owner, network, &Posting { paths: &paths, ..Posting::default() })?;
            (saved.map(|saved| saved.written.waypoint), site.view(owner)?)
        }
    };
    let to = graft(&base, &wanted, path)?;
    let outcome = site.check_out(owner, network, &[base], &to, &wanted)?;
    // What stands there is not what the version shows, so nobody could write it again.
    site.worktree.sync()?;
    site.worktree.save()?;
    if let Some(path) = outcome.surprises.first() {
        return Err(NodeError::Refused(format!("{path} is being changed; it was left as it is")));
    }
    let moved = Moved { written: outcome.written, removed: outcome.removed, ..Moved::default() };
    let root = wanted.root.to_string();
    let saved = saved.map(|saved| saved.to_string());
    Ok(Answer { root, saved, fetch, ..answer(owner, site, &moved)? })
}

/// Fetches the large files at or below a path that are not here.
fn bring(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &Site,
    wanted: &View,
    path: &RepoPath,
) -> Result<(), NodeError> {
    let repo = site.place.repo;
    for (_, file) in wanted.files.iter().filter(|(file, _)| file.is_within(path)) {
        if let FileBody::Artifact { artifact, .. } = file.body
            && !network.holds_artifact(owner, repo, artifact)?
        {
            network.fetch_artifact(owner, repo, artifact)?;
        }
    }
    Ok(())
}

/// A version in which one file or folder is as in another.
fn graft(base: &View, wanted: &View, path: &RepoPath) -> Result<View, NodeError> {
    let within = |other: &&RepoPath| other.is_within(path);
    let files: Vec<_> = wanted.files.iter().filter(|(file, _)| within(file)).collect();
    let dirs: BTreeSet<_> = wanted.dirs.iter().filter(within).collect();
    if files.is_empty() && dirs.is_empty() {
        return Err(NodeError::NotFound { what: "file or folder", name: path.to_string() });
    }
    let mut view = View { frontier: Frontier::empty(), ..base.clone() };
    view.files.retain(|file, _| !file.is_within(path));
    view.dirs.retain(|dir| !dir.is_within(path));
    view.files.extend(files.into_iter().map(|(path, file)| (path.clone(), file.clone())));
    view.dirs.extend(dirs.into_iter().cloned());
    let mut above = path.parent();
    while let Some(dir) = above {
        above = dir.parent();
        view.dirs.insert(dir);
    }
    Ok(view)
}

fn answer(owner: &mut Owner, site: &Site, moved: &Moved) -> Result<Answer, NodeError> {
    let view = site.view(owner)?;
    Ok(Answer {
        branch: site.branch().to_owned(),
        frontier: digits(site.frontier()),
        root: view.root.to_string(),
        written: moved.written,
        removed: moved.removed,
        overlaps: view.overlaps.len() as u64,
        kept: site.kept_words(),
        absent: site.worktree.link.absent.len() as u64,
        ..Answer::default()
    })
}
