//! `import`: takes the history of a git repository over, or what is new in it since the last time.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use cairn_crdt::Frontier;

use crate::error::NodeError;
use crate::git::ahead::read_ahead;
use crate::git::grow::Grow;
use crate::git::history::{fresh, lines};
use crate::git::labels::Wanted;
use crate::git::source::Source;
use crate::git::{Oid, SYSTEM};
use crate::owner::Owner;
use crate::verbs::{Here, Network, Site};
use crate::worktree::link::digits;

/// What `import` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The repository, bare or with a worktree.
    pub from: PathBuf,
}

/// What `import` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many commits became waypoints.
    pub commits: u64,
    /// How many large files were taken into the artifact store.
    pub artifacts: u64,
    /// The branches of git, and whether each shows something new.
    pub branches: Vec<Label>,
    /// The marks that tags of git stand for, and whether each is new.
    pub marks: Vec<Label>,
    /// Refs that became nothing, or are not what they are in git.
    pub left_out: Vec<LeftOut>,
}

/// A branch or a mark.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// The commit that it names in git.
    pub commit: String,
    /// The version that this is.
    pub version: Vec<String>,
    /// Whether the import changed what it shows.
    pub changed: bool,
}

/// A ref that was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The ref.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Imports. The worktree stays as it is; `get ?branch` shows what came.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let source = Source::open(&args.here.dir.join(&args.from))?;
    let wanted = Wanted::of(&source)?;
    let mut grow = Grow::new(owner, network, site.place, site.own_key(), &source);
    let imported = import(&mut grow, &source, &wanted);
    // What was laid before something went wrong is sound, and the documents know of it already.
    grow.seal()?;
    imported
}

fn import(grow: &mut Grow<'_>, source: &Source, wanted: &Wanted) -> Result<Answer, NodeError> {
    let place = grow.place;
    let names = grow.owner.replica(place.repo)?.imported(place.project, SYSTEM);
    let version = |waypoint| Frontier::from_iter([waypoint]);
    grow.known =
        names.filter_map(|(waypoint, name)| Some((Oid::try_from(name).ok()?, version(waypoint)))).collect();
    grow.marked = wanted.tags.iter().map(|tagged| (tagged.commit, None)).collect();
    let before: Vec<Frontier> = shown(grow, wanted)?;
    let mut first_parents = BTreeMap::new();
    let order = fresh(source, &wanted.tips(), |id, commit| {
        let known = grow.knows(id, commit)?;
        if !known {
            first_parents.insert(id, commit.parents.first().copied());
        }
        Ok(known)
    })?;
    let lines = lines(&wanted.branches, &first_parents);
    std::thread::scope(|scope| {
        let ahead = read_ahead(scope, source.path(), &order);
        for id in &order {
            let read = ahead.recv().map_err(|_| NodeError::Bug("nobody reads the history"))??;
            grow.commit(read, lines.get(id).copied())?;
        }
        Ok::<_, NodeError>(())
    })?;
    let mut answer = Answer { commits: order.len() as u64, ..Answer::default() };
    label(grow, wanted, &before, &mut answer)?;
    answer.artifacts = grow.artifacts;
    Ok(answer)
}

/// What the branches show here.
fn shown(grow: &Grow<'_>, wanted: &Wanted) -> Result<Vec<Frontier>, NodeError> {
    wanted.branches.iter().map(|(name, _)| grow.place.branch(grow.owner, name)).collect()
}

fn label(
    grow: &mut Grow<'_>,
    wanted: &Wanted,
    before: &[Frontier],
    answer: &mut Answer,
) -> Result<(), NodeError> {
    let left = |(name, why): &(String, String)| LeftOut { name: name.clone(), why: why.clone() };
    answer.left_out = wanted.left_out.iter().map(left).collect();
    for (name, tip) in &wanted.branches {
        if let Err(why) = grow.branch(name, *tip)? {
            answer.left_out.push(LeftOut { name: format!("refs/heads/{name}"), why });
        }
    }
    for tagged in &wanted.tags {
        match grow.mark(tagged)? {
            Ok(changed) => answer.marks.push(told(grow, &tagged.name, tagged.commit, changed)),
            Err(why) => answer.left_out.push(LeftOut { name: format!("refs/tags/{}", tagged.name), why }),
        }
    }
    grow.seal()?;
    let after = shown(grow, wanted)?;
    for ((name, tip), (before, after)) in wanted.branches.iter().zip(before.iter().zip(&after)) {
        answer.branches.push(told(grow, name, *tip, before != after));
    }
    Ok(())
}

fn told(grow: &Grow<'_>, name: &str, commit: Oid, changed: bool) -> Label {
    let version = grow.known.get(&commit).map(digits).unwrap_or_default();
    Label { name: name.to_owned(), commit: commit.to_string(), version, changed }
}
