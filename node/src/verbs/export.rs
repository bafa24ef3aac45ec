//! `export`: writes branches and marks, and the commits below them, into a bare git repository.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use cairn_crdt::Frontier;
use cairn_protocol::LogEntry;
use cairn_protocol::mark::Mark;
use gix::objs::Kind;

use crate::error::NodeError;
use crate::git::source::Source;
use crate::git::target::Target;
use crate::git::units::units;
use crate::git::write::{Write, author, ended, is_commit, signature};
use crate::git::{Oid, SYSTEM, history};
use crate::owner::Owner;
use crate::verbs::artifact::NAMES_BRANCH;
use crate::verbs::import::LeftOut;
use crate::verbs::{DEFAULT_BRANCH, Here, Network, Site};

/// What `export` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The bare repository; made where there is none.
    pub to: PathBuf,
}

/// What `export` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many commits were written that were not there.
    pub commits: u64,
    /// The branches.
    pub branches: Vec<Exported>,
    /// The marks, as tags.
    pub marks: Vec<Exported>,
    /// Imported commits that came out under another name, because what they stood on or held did not come out equal.
    pub changed: Vec<String>,
    /// Labels that were left as they are in git, or have no place there, and why.
    pub left_out: Vec<LeftOut>,
}

/// A label that is in git now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// The commit that it names.
    pub commit: String,
    /// Whether the export changed it.
    pub changed: bool,
}

/// Exports. What is in git and not here stays there; a branch moves only forward.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let place = site.place;
    let replica = owner.replica(place.repo)?;
    let mut branches = replica.branches(place.project);
    branches.retain(|(name, version)| name != NAMES_BRANCH && !version.is_empty());
    let marks = replica.marks(place.project);
    let named = branches.iter().map(|(_, version)| version.clone());
    let named: Vec<Frontier> = named.chain(marks.iter().map(|(_, mark)| version(mark))).collect();
    let is_imported = |id: &_| replica.entry(place.project, *id).as_ref().is_some_and(is_commit);
    let documents = place.documents(owner)?;
    if let Some(gone) =
        named.iter().flat_map(|version| version.heads()).find(|head| !documents.contains(head))
    {
        return Err(NodeError::Faded(*gone));
    }
    let units = units(documents, &named, &is_imported);
    let target = Target::open(&args.here.dir.join(&args.to))?;
    let mut write = Write::new(owner, network, place, target);
    let commits = write.all(&units)?;
    let mut answer = Answer { commits: write.written, changed: write.changed.clone(), ..Answer::default() };
    let tags = marks.iter().map(|(set, mark)| {
        let entry =
            write.owner.replica(place.repo).ok().and_then(|replica| replica.entry(place.project, *set));
        (mark.clone(), entry)
    });
    let tags: Vec<_> = tags.collect();
    let mut names = Vec::new();
    for (mark, entry) in &tags {
        let commit = commits.get(&version(mark)).ok_or(NodeError::Bug("a mark was not exported"))?;
        names.push((mark.name.as_str(), *commit, tag(&mut write, mark, entry.as_ref(), *commit)?));
    }
    write.target.sync()?;
    let refs = Refs::read(&write.target)?;
    for (name, version) in &branches {
        let commit = *commits.get(version).ok_or(NodeError::Bug("a branch was not exported"))?;
        refs.branch(&write.target, name, commit, &mut answer)?;
    }
    for (name, commit, object) in names {
        refs.tag(&write.target, name, commit, object, &mut answer)?;
    }
    if write.target.is_new {
        head(&write.target, &branches, site.branch(), &mut answer)?;
    }
    write.target.sync()?;
    Ok(answer)
}

fn version(mark: &Mark) -> Frontier {
    mark.frontier.iter().copied().collect()
}

/// The object that a tag names: the tag that was imported, a new one with the mark's message, or the commit itself.
fn tag(write: &mut Write<'_>, mark: &Mark, entry: Option<&LogEntry>, commit: Oid) -> Result<Oid, NodeError> {
    let Some(entry) = entry else { return Ok(commit) };
    if entry.imported.as_ref().is_some_and(|imported| imported.system == SYSTEM) {
        let imported = write.record(entry)?;
        let target = Oid::try_from(&imported.name[..]).ok();
        let names = target.and_then(|id| crate::git::commit::Tag::read(id, &imported.record).ok());
        if names.is_some_and(|tag| tag.target == commit) {
            return Ok(write.target.put(Kind::Tag, &imported.record)?);
        }
    }
    if mark.message.is_empty() {
        return Ok(commit);
    }
    let author = author(entry);
    let written_s = i64::try_from(entry.stamp.wall_ms / 1000).unwrap_or(i64::MAX);
    let tagger = signature(&author, written_s, 0);
    let name = &mark.name;
    let text =
        format!("object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n{}", ended(&mark.message));
    Ok(write.target.put(Kind::Tag, text.as_bytes())?)
}

/// `HEAD` of a new repository: the default branch, the worktree's, or any.
fn head(
    target: &Target,
    branches: &[(String, Frontier)],
    own: &str,
    answer: &mut Answer,
) -> Result<(), NodeError> {
    let has = |name: &str| branches.iter().any(|(branch, _)| branch == name);
    let first = branches.first().map(|(name, _)| name.as_str());
    let wanted = [DEFAULT_BRANCH, own].into_iter().find(|name| has(name)).or(first);
    if let Some(name) = wanted
        && let Err(why) = target.head(name)?
    {
        answer.left_out.push(LeftOut { name: "HEAD".to_owned(), why });
    }
    Ok(())
}

/// The refs that a repository has before an export changes any.
struct Refs {
    source: Source,
    known: BTreeMap<Vec<u8>, Oid>,
}

impl Refs {
    fn read(target: &Target) -> Result<Self, NodeError> {
        let source = target.source()?;
        let known = source.refs()?.into_iter().map(|found| (found.name, found.target)).collect();
        Ok(Self { source, known })
    }

    fn branch(&self, target: &Target, name: &str, commit: Oid, answer: &mut Answer) -> Result<(), NodeError> {
        let full = format!("refs/heads/{name}");
        let old = self.known.get(full.as_bytes()).copied();
        if let Some(old) = old.filter(|old| *old != commit)
            && !self.is_forward(old, commit)?
        {
            let why = "git has commits on it that are not here; `cairn import git` takes them in".to_owned();
            answer.left_out.push(LeftOut { name: full, why });
            return Ok(());
        }
        match self.point(target, &full, old, commit)? {
            Ok(changed) => {
                let (name, commit) = (name.to_owned(), commit.to_string());
                answer.branches.push(Exported { name, commit, changed });
            }
            Err(why) => answer.left_out.push(LeftOut { name: full, why }),
        }
        Ok(())
    }

    fn tag(
        &self,
        target: &Target,
        name: &str,
        commit: Oid,
        object: Oid,
        answer: &mut Answer,
    ) -> Result<(), NodeError> {
        let full = format!("refs/tags/{name}");
        let old = self.known.get(full.as_bytes()).copied();
        let done = match old {
            Some(old) if old != object => {
                Err("git has another tag of that name, and tags do not move".to_owned())
            }
            old => self.point(target, &full, old, object)?,
        };
        match done {
            Ok(changed) => {
                let (name, commit) = (name.to_owned(), commit.to_string());
                answer.marks.push(Exported { name, commit, changed });
            }
            Err(why) => answer.left_out.push(LeftOut { name: full, why }),
        }
        Ok(())
    }

    fn point(
        &self,
        target: &Target,
        full: &str,
        old: Option<Oid>,
        new: Oid,
    ) -> Result<Result<bool, String>, NodeError> {
        if old == Some(new) {
            return Ok(Ok(false));
        }
        Ok(target.point(full, old, new)?.map(|()| true))
    }

    /// Whether a commit lies in the past of another.
    fn is_forward(&self, old: Oid, new: Oid) -> Result<bool, NodeError> {
        let mut met = false;
        history::fresh(&self.source, &[new], |id, _| {
            met |= id == old;
            Ok(met)
        })?;
        Ok(met)
    }
}
