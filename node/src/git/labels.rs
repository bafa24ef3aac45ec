//! Branches and tags of git become branches and marks.

use std::collections::BTreeSet;

use cairn_crdt::id::WaypointId;
use cairn_crdt::{Draft, Frontier};
use cairn_protocol::limits::LABEL_BYTES_MAX;
use cairn_protocol::mark::{Mark, feeds_root};
use cairn_protocol::retire::{Retire, Retired};
use cairn_protocol::text::is_label;
use cairn_protocol::{Imported, Labels};
use gix::objs::Kind;

use super::commit::Tag;
use super::grow::Grow;
use super::source::{Ref, Source};
use super::{Oid, Problem, SYSTEM};
use crate::error::NodeError;
use crate::uri::check_label;
use crate::verbs::artifact::NAMES_BRANCH;
use crate::verbs::mark::absorbed;

/// Refs that become labels, and those that do not.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Branches with the commits that they name, that of `HEAD` first.
    pub(crate) branches: Vec<(String, Oid)>,
    pub(crate) tags: Vec<Tagged>,
    /// Refs that become nothing, and why.
    pub(crate) left_out: Vec<(String, String)>,
}

/// A tag that becomes a mark.
#[derive(Debug)]
pub(crate) struct Tagged {
    pub(crate) name: String,
    pub(crate) commit: Oid,
    /// The tag's own object and its bytes, where there is one that names the commit.
    record: Option<(Oid, Vec<u8>)>,
    tag: Option<Tag>,
}

impl Wanted {
    /// Sorts the refs of a repository.
    pub(crate) fn of(source: &Source) -> Result<Self, Problem> {
        let head = source.head()?;
        let mut wanted = Self::default();
        for reference in source.refs()? {
            let name = &reference.name[..];
            let taken = if let Some(branch) = name.strip_prefix(b"refs/heads/") {
                wanted.branch(source, branch, &reference)?
            } else if let Some(tag) = name.strip_prefix(b"refs/tags/") {
                wanted.tag(source, tag, &reference)?
            } else {
                Err("only branches and tags become labels".to_owned())
            };
            if let Err(why) = taken {
                wanted.left_out.push((String::from_utf8_lossy(name).into_owned(), why));
            }
        }
        let head = head.and_then(|head| String::from_utf8(head.strip_prefix(b"refs/heads/")?.to_vec()).ok());
        wanted.branches.sort_by_key(|(name, _)| (Some(name) != head.as_ref(), name.clone()));
        Ok(wanted)
    }

    /// Every commit that is named.
    pub(crate) fn tips(&self) -> Vec<Oid> {
        let tags = self.tags.iter().map(|tag| tag.commit);
        self.branches.iter().map(|(_, tip)| *tip).chain(tags).collect()
    }

    fn branch(
        &mut self,
        source: &Source,
        name: &[u8],
        reference: &Ref,
    ) -> Result<Result<(), String>, Problem> {
        let name = match label(name) {
            Ok(name) if name == NAMES_BRANCH => {
                return Ok(Err("that branch holds the names of artifacts".to_owned()));
            }
            Ok(name) => name,
            Err(why) => return Ok(Err(why)),
        };
        let kind = source.kind(reference.target)?;
        if kind != Kind::Commit {
            return Ok(Err(format!("it names a {kind}, and branches name commits")));
        }
        self.branches.push((name, reference.target));
        Ok(Ok(()))
    }

    fn tag(&mut self, source: &Source, name: &[u8], reference: &Ref) -> Result<Result<(), String>, Problem> {
        let name = match label(name) {
            Ok(name) => name,
            Err(why) => return Ok(Err(why)),
        };
        let (mut target, mut outer, mut met) = (reference.target, None, BTreeSet::new());
        loop {
            match source.kind(target)? {
                Kind::Commit => break,
                Kind::Tag if met.insert(target) => {
                    let raw = source.tag(target)?;
                    let tag = Tag::read(target, &raw)?;
                    let next = tag.target;
                    outer.get_or_insert((target, raw, tag));
                    target = next;
                }
                kind => return Ok(Err(format!("it names a {kind}, and marks name versions"))),
            }
        }
        // A tag of a tag keeps its message; the chain between them does not come back.
        let (record, tag) = match outer {
            Some((id, raw, tag)) => ((tag.target == target).then_some((id, raw)), Some(tag)),
            None => (None, None),
        };
        self.tags.push(Tagged { name, commit: target, record, tag });
        Ok(Ok(()))
    }
}

/// A ref's name as a label can have it.
fn label(name: &[u8]) -> Result<String, String> {
    let name = String::from_utf8(name.to_vec()).map_err(|_| "its name is no text".to_owned())?;
    if !is_label(&name, LABEL_BYTES_MAX) {
        return Err(format!("its name is longer than {LABEL_BYTES_MAX} bytes, or not one line"));
    }
    check_label(&name).map_err(|error| error.to_string())?;
    Ok(name)
}

impl Grow<'_> {
    /// Makes a branch show what it names in git; else a word on why it was left as it is.
    ///
    /// Work that was posted here on top of the branch, or beside it, stays. Where git moved a branch back or aside, the
    /// imported tips that it left behind leave the branch here too.
    pub(crate) fn branch(&mut self, name: &str, tip: Oid) -> Result<Result<(), String>, NodeError> {
        let tip = self.version(tip)?;
        self.seal()?;
        let now = self.place.branch(self.owner, name)?;
        let documents = self.place.documents(self.owner)?;
        let is_below = |id: &WaypointId, version: &Frontier| {
            version.heads().iter().any(|head| documents.is_ancestor(id, head))
        };
        let is_shown = tip.heads().iter().all(|id| is_below(id, &now));
        let beside = now.heads().iter().copied().filter(|head| !is_below(head, &tip));
        let (left, stays): (Vec<WaypointId>, Vec<WaypointId>) =
            beside.partition(|head| self.is_imported(head));
        if !left.is_empty() && stays.is_empty() {
            let message = "git moved the branch".to_owned();
            let retire = Retire { what: Retired::Branch, name: name.to_owned(), message };
            let labels = Labels { retire: Some(retire), ..Labels::default() };
            self.lay(&left.into_iter().collect(), &Draft::default(), &labels)?;
            return self.point(name, &tip).map(Ok);
        }
        if !is_shown {
            self.point(name, &tip)?;
        }
        let why = "git moved it, and work was posted on top of where it was";
        Ok(if left.is_empty() { Ok(()) } else { Err(why.to_owned()) })
    }

    fn point(&mut self, name: &str, tip: &Frontier) -> Result<(), NodeError> {
        let labels = Labels { branch: Some(name.to_owned()), ..Labels::default() };
        self.lay(tip, &Draft::default(), &labels).map(|_| ())
    }

    fn is_imported(&self, waypoint: &WaypointId) -> bool {
        let entry =
            self.owner.replica(self.place.repo).ok().and_then(|r| r.entry(self.place.project, *waypoint));
        entry.is_some_and(|entry| entry.imported.is_some())
    }

    /// Makes a mark of a tag. Whether it is new; else why it was left as it is.
    pub(crate) fn mark(&mut self, tagged: &Tagged) -> Result<Result<bool, String>, NodeError> {
        let on = self.version(tagged.commit)?;
        let replica = self.owner.replica(self.place.repo)?;
        let marks = replica.marks(self.place.project);
        if let Some((_, mark)) = marks.iter().find(|(_, mark)| mark.name == tagged.name) {
            let same = mark.frontier == on.heads();
            return Ok(if same {
                Ok(false)
            } else {
                Err("the mark names another version, and marks do not move".to_owned())
            });
        }
        let feeds: Vec<_> = replica.feeds(self.place.project).iter().filter_map(absorbed).collect();
        let root = self.root(tagged.commit, &on)?;
        let message = tagged.tag.as_ref().map(|tag| tag.message.clone()).unwrap_or_default();
        let mark = Mark {
            name: tagged.name.clone(),
            message,
            frontier: on.heads().to_vec(),
            root,
            feeds: feeds_root(&feeds),
            class: None,
            hold: None,
        };
        let labels = Labels { mark: Some(mark), imported: tagged.imported(), ..Labels::default() };
        self.lay(&on, &Draft::default(), &labels)?;
        Ok(Ok(true))
    }

    fn version(&self, commit: Oid) -> Result<Frontier, NodeError> {
        self.known.get(&commit).cloned().ok_or(NodeError::Bug("a label names a commit that was not imported"))
    }
}

impl Tagged {
    fn imported(&self) -> Option<Box<Imported>> {
        let ((id, record), tag) = (self.record.as_ref()?, self.tag.as_ref()?);
        Some(Box::new(Imported {
            system: SYSTEM.to_owned(),
            name: id.as_bytes().to_vec(),
            author: tag.tagger.profile(),
            written_s: tag.tagger.written_s,
            offset_minutes: tag.tagger.offset_minutes,
            odd: Vec::new(),
            record: record.clone(),
        }))
    }
}
