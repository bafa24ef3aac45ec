//! Versions become commits again: imported ones as they were, others as new ones that name their waypoints.

use std::collections::BTreeMap;
use std::rc::Rc;

use cairn_crdt::Frontier;
use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::WaypointId;
use cairn_protocol::Imported;
use cairn_protocol::LogEntry;
use cairn_protocol::entry::{Payload, Profile};
use cairn_protocol::waypoint::Waypoint;
use gix::objs::Kind;

use super::commit::{Commit, WAYPOINT_HEADER};
use super::shape::{Oddities, Shaper};
use super::target::Target;
use super::units::Unit;
use super::{Oid, SYSTEM};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Network, Place};

/// Writes versions as commits.
pub(crate) struct Write<'a> {
    pub(crate) owner: &'a mut Owner,
    network: &'a mut dyn Network,
    pub(crate) place: Place,
    pub(crate) target: Target,
    shaper: Shaper,
    /// What each unit became.
    done: Vec<Done>,
    /// How many commits were written, and how many came out otherwise than they went in.
    pub(crate) written: u64,
    pub(crate) changed: Vec<String>,
}

/// What a unit became.
#[derive(Clone)]
struct Done {
    id: Oid,
    tree: Oid,
    odd: Rc<Oddities>,
}

impl<'a> Write<'a> {
    pub(crate) fn new(
        owner: &'a mut Owner,
        network: &'a mut dyn Network,
        place: Place,
        target: Target,
    ) -> Self {
        let shaper = Shaper::default();
        Self { owner, network, place, target, shaper, done: Vec::new(), written: 0, changed: Vec::new() }
    }

    /// Writes all units, parents first; the commit of each.
    pub(crate) fn all(&mut self, units: &[Unit]) -> Result<BTreeMap<Frontier, Oid>, NodeError> {
        let mut commits = BTreeMap::new();
        for unit in units {
            let done = self.one(unit)?;
            commits.insert(unit.version.clone(), done.id);
            self.done.push(done);
        }
        Ok(commits)
    }

    fn one(&mut self, unit: &Unit) -> Result<Done, NodeError> {
        let imported = match unit.version.heads() {
            [head] => self.imported(*head)?,
            _ => None,
        };
        let Some(imported) = imported else { return self.native(unit) };
        let (name, commit) = read(&imported)?;
        let odd = self.odd_of(unit, &imported, &commit);
        if self.target.has(name) {
            return Ok(Done { id: name, tree: commit.tree, odd });
        }
        let tree = self.tree(&unit.version, &odd)?;
        let whole = tree == commit.tree && commit.parents.iter().all(|parent| self.target.has(*parent));
        if !whole {
            self.changed.push(name.to_string());
            let parents = self.parents(unit);
            let signature = (imported.author, imported.written_s, imported.offset_minutes);
            return self.commit(unit, tree, parents, signature, &commit.message, odd);
        }
        self.written += 1;
        Ok(Done { id: self.target.put(Kind::Commit, &imported.record)?, tree, odd })
    }

    fn parents(&self, unit: &Unit) -> Vec<Oid> {
        let mut parents: Vec<Oid> = Vec::new();
        for done in unit.parents.iter().filter_map(|at| self.done.get(*at)) {
            if !parents.contains(&done.id) {
                parents.push(done.id);
            }
        }
        parents
    }

    /// A version that was never a commit. One that shows what its only parent shows is that parent.
    fn native(&mut self, unit: &Unit) -> Result<Done, NodeError> {
        let mut odd = Oddities::new();
        for parent in unit.parents.iter().filter_map(|at| self.done.get(*at)) {
            for (path, mode) in parent.odd.iter() {
                odd.entry(path.clone()).or_insert(*mode);
            }
        }
        let odd = Rc::new(odd);
        let tree = self.tree(&unit.version, &odd)?;
        if let [only] = unit.parents[..]
            && let Some(done) = self.done.get(only).filter(|done| done.tree == tree)
        {
            return Ok(done.clone());
        }
        let entry = self.newest(&unit.version)?;
        let author = author(&entry);
        let message = entry.message.clone().unwrap_or_default();
        let written_s = i64::try_from(entry.stamp.wall_ms / 1000).unwrap_or(i64::MAX);
        let parents = self.parents(unit);
        self.commit(unit, tree, parents, (author, written_s, 0), &message, odd)
    }

    /// The last written of a version's heads speaks for it.
    fn newest(&self, version: &Frontier) -> Result<LogEntry, NodeError> {
        let replica = self.owner.replica(self.place.repo)?;
        let entries = version.heads().iter().filter_map(|head| replica.entry(self.place.project, *head));
        entries
            .max_by_key(|entry| (entry.stamp, entry.id))
            .ok_or(NodeError::Bug("a version without a waypoint"))
    }

    fn commit(
        &mut self,
        unit: &Unit,
        tree: Oid,
        parents: Vec<Oid>,
        (author, written_s, offset_minutes): (Profile, i64, i16),
        message: &str,
        odd: Rc<Oddities>,
    ) -> Result<Done, NodeError> {
        let mut text = format!("tree {tree}\n");
        parents.iter().for_each(|parent| text += &format!("parent {parent}\n"));
        let signature = signature(&author, written_s, offset_minutes);
        text += &format!("author {signature}\ncommitter {signature}\n");
        for head in unit.version.heads() {
            text += &format!("{WAYPOINT_HEADER} {head}\n");
        }
        text += &format!("\n{}", ended(message));
        let id = self.target.put(Kind::Commit, text.as_bytes())?;
        self.written += 1;
        Ok(Done { id, tree, odd })
    }

    fn tree(&mut self, version: &Frontier, odd: &Oddities) -> Result<Oid, NodeError> {
        let view = self.place.view(self.owner, version)?;
        self.shaper.tree(self.owner, self.network, self.place, &view, odd, &mut self.target)
    }

    /// What the view of an imported commit does not show: what its first parent's does not, and what changed.
    fn odd_of(&self, unit: &Unit, imported: &Imported, commit: &Commit) -> Rc<Oddities> {
        let first = unit.parents.iter().filter_map(|at| self.done.get(*at));
        let below =
            first.clone().find(|done| Some(&done.id) == commit.parents.first()).map(|done| done.odd.clone());
        let mut odd = below.unwrap_or_default();
        if !imported.odd.is_empty() {
            let changed = Rc::make_mut(&mut odd);
            for one in &imported.odd {
                match one.mode {
                    0 => drop(changed.remove(&one.path)),
                    mode => drop(changed.insert(one.path.clone(), mode)),
                }
            }
        }
        odd
    }

    /// What a waypoint was in git, with git's own bytes, if it was a commit.
    fn imported(&self, waypoint: WaypointId) -> Result<Option<Imported>, NodeError> {
        let replica = self.owner.replica(self.place.repo)?;
        let entry = replica.entry(self.place.project, waypoint).filter(is_commit);
        entry.map(|entry| self.record(&entry)).transpose()
    }

    /// What a waypoint says of where it comes from, read from the disk.
    pub(crate) fn record(&self, entry: &LogEntry) -> Result<Imported, NodeError> {
        let store = self.owner.store(self.place.repo)?;
        let pieces = store.pieces(self.place.project, entry.feed, entry.seq - 1, entry.seq, 1)?;
        let bytes = pieces.first().ok_or(NodeError::Faded(entry.id))?;
        let waypoint = Waypoint::from_bytes(bytes).map_err(|_| NodeError::Faded(entry.id))?;
        let found = waypoint.entries().find_map(|entry| match entry.payload() {
            Ok(Payload::Imported(imported)) => Some(*imported),
            _ => None,
        });
        found.ok_or(NodeError::Faded(entry.id))
    }
}

/// Who wrote a waypoint: the name, or the key where there is none.
pub(crate) fn author(entry: &LogEntry) -> Profile {
    entry.author.clone().unwrap_or_else(|| Profile { name: entry.key.short(), mail: String::new() })
}

/// Whether a waypoint was a commit of git; a mark that was a tag was none.
pub(crate) fn is_commit(entry: &LogEntry) -> bool {
    entry.mark.is_none() && entry.imported.as_ref().is_some_and(|imported| imported.system == SYSTEM)
}

/// The name and the commit that an import carries. What does not agree is the importer's lie.
fn read(imported: &Imported) -> Result<(Oid, Commit), NodeError> {
    let name = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Commit, &imported.record);
    let name = name.map_err(|error| NodeError::Refused(error.to_string()))?;
    if name.as_bytes() != imported.name {
        return Err(NodeError::Refused(format!(
            "a waypoint says that it is a commit, and carries {name} instead"
        )));
    }
    Ok((name, Commit::read(name, &imported.record)?))
}

/// A line that says who and when.
pub(crate) fn signature(author: &Profile, written_s: i64, offset_minutes: i16) -> String {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect::<String>().trim().to_owned()
    };
    let (name, mail) = (plain(&author.name), plain(&author.mail));
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let minutes = offset_minutes.unsigned_abs();
    format!("{name} <{mail}> {written_s} {sign}{:02}{:02}", minutes / 60, minutes % 60)
}

/// A message as git ends it.
pub(crate) fn ended(message: &str) -> String {
    // A commit is text for git: what follows a NUL would not be seen.
    let text = message.replace('\0', "\u{fffd}");
    if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
}
