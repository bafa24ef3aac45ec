//! Doing a change again on top of another version.
//!
//! A change is what leads from one view to another. Each file that it touches is looked for where
//! the other version has it, by its node and then by its path, and merged three ways: from what the
//! change found, to what it left, and to what stands there. What cannot be done without a choice is
//! reported and left as it stands; who asked decides what to do about it.

mod item;
mod sheet;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_crdt::id::{NodeId, WaypointId};
use cairn_crdt::lines::Lines;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{File, FileEdit, Frontier, OverlapKind, View, merge};

use super::Place;
use super::overlaps::{Spot, kind};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::path_text;

use sheet::{Sheet, read};

/// Which part of a change is meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// Only these files and folders; all when empty.
    pub(super) paths: Vec<RepoPath>,
    /// Only these items of these files.
    pub(super) items: Vec<(RepoPath, String)>,
}

impl Part {
    fn has(&self, path: &RepoPath) -> bool {
        self.has_whole(path) || self.items_of(path).next().is_some()
    }

    /// Whether all of a file is meant, and not only items of it.
    fn has_whole(&self, path: &RepoPath) -> bool {
        let all = self.paths.is_empty() && self.items.is_empty();
        all || self.paths.iter().any(|folder| path.is_within(folder))
    }

    fn items_of<'a>(&'a self, path: &'a RepoPath) -> impl Iterator<Item = &'a str> {
        self.items.iter().filter(move |(file, _)| file == path).map(|(_, item)| item.as_str())
    }
}

/// A version on top of which changes are done again, one after the other.
pub(super) struct Canvas {
    place: Place,
    base: Arc<View>,
    nodes: BTreeMap<NodeId, RepoPath>,
    /// What stands at a path by now, where it is not what the version shows.
    drawn: BTreeMap<RepoPath, Option<Sheet>>,
    made: BTreeSet<RepoPath>,
    emptied: BTreeSet<RepoPath>,
    met: Vec<Spot>,
}

/// One file that a change touches: as it found it, and as it left it.
struct Touched<'a> {
    before: Option<(&'a RepoPath, &'a File)>,
    after: Option<(&'a RepoPath, &'a File)>,
}

impl Canvas {
    pub(super) fn new(place: Place, base: Arc<View>) -> Self {
        let nodes = base.files.iter().map(|(path, file)| (file.node, path.clone())).collect();
        let (drawn, met) = (BTreeMap::new(), Vec::new());
        Self { place, base, nodes, drawn, made: BTreeSet::new(), emptied: BTreeSet::new(), met }
    }

    /// Does a change again, or a part of it.
    pub(super) fn apply(
        &mut self,
        owner: &mut Owner,
        before: &View,
        after: &View,
        part: &Part,
    ) -> Result<(), NodeError> {
        let all = touched(before, after);
        let wanted = |touched: &&Touched<'_>| {
            let mut paths = touched.before.iter().chain(&touched.after);
            paths.any(|(path, _)| part.has(path))
        };
        let (gone, other): (Vec<_>, Vec<_>) =
            all.iter().filter(wanted).partition(|touched| touched.after.is_none());
        for touched in gone.into_iter().chain(other) {
            self.one(owner, before, after, touched, part)?;
        }
        let whole = |dir: &&RepoPath| part.items.is_empty() && part.has(dir);
        self.made.extend(after.dirs.difference(&before.dirs).filter(whole).cloned());
        self.emptied.extend(before.dirs.difference(&after.dirs).filter(whole).cloned());
        Ok(())
    }

    /// What met and was left as it stood.
    pub(super) fn met(&self) -> &[Spot] {
        &self.met
    }

    /// What leads from the version to what was drawn on it.
    pub(super) fn edits(&self) -> Vec<FileEdit> {
        let mut edits: Vec<FileEdit> = Vec::new();
        for (path, sheet) in &self.drawn {
            match sheet {
                Some(sheet) => edits.push(sheet.edit(path)),
                None if self.base.files.contains_key(path) => {
                    edits.push(FileEdit::Remove { path: path.clone() })
                }
                None => {}
            }
        }
        let missing = self.made.iter().filter(|dir| !self.base.dirs.contains(*dir));
        edits.extend(missing.map(|path| FileEdit::Dir { path: path.clone() }));
        let gone = self.emptied.iter().filter(|dir| self.base.dirs.contains(*dir) && self.is_empty(dir));
        edits.extend(gone.map(|path| FileEdit::Remove { path: path.clone() }));
        edits
    }

    /// Whether nothing is left in a folder.
    fn is_empty(&self, dir: &RepoPath) -> bool {
        let stays = |path: &&RepoPath| !matches!(self.drawn.get(*path), Some(None));
        let mut files = self.base.files.keys().filter(stays);
        let mut drawn = self.drawn.iter().filter(|(_, sheet)| sheet.is_some());
        let mut dirs = self.base.dirs.iter().filter(|other| !self.emptied.contains(*other)).chain(&self.made);
        !files.any(|path| path.is_within(dir))
            && !drawn.any(|(path, _)| path.is_within(dir))
            && !dirs.any(|other| other != dir && other.is_within(dir))
    }

    fn one(
        &mut self,
        owner: &mut Owner,
        before: &View,
        after: &View,
        touched: &Touched<'_>,
        part: &Part,
    ) -> Result<(), NodeError> {
        let old = touched.before.map(|at| Ok::<_, NodeError>((at, read(owner, self.place, before, at.0)?)));
        let new = touched.after.map(|at| Ok::<_, NodeError>((at, read(owner, self.place, after, at.0)?)));
        match (old.transpose()?, new.transpose()?) {
            (Some((was, old)), Some((is, new))) => {
                let new = self.limited(&old, new, is.0, part)?;
                // Who asks for items did not ask for the file's new name.
                let is = if part.has_whole(is.0) { is } else { was };
                self.change(owner, was, &old, is, new)
            }
            (Some((was, old)), None) => self.remove(owner, was, &old),
            (None, Some((is, new))) => {
                let new = self.limited(&Sheet::blank(), new, is.0, part)?;
                self.add(owner, is, new)
            }
            (None, None) => Ok(()),
        }
    }

    /// What a file would be if only the items asked for had changed.
    fn limited(&self, old: &Sheet, new: Sheet, path: &RepoPath, part: &Part) -> Result<Sheet, NodeError> {
        let items: Vec<&str> = part.items_of(path).collect();
        if part.has_whole(path) || items.is_empty() {
            return Ok(new);
        }
        let (Some(from), Some(to)) = (old.text(), new.text()) else { return Ok(new) };
        let mut text = from.to_vec();
        for item in items {
            text = item::taken(path, &text, to, item)?;
        }
        Ok(Sheet::of_bytes(text.into(), old.executable))
    }

    fn change(
        &mut self,
        owner: &mut Owner,
        was: (&RepoPath, &File),
        old: &Sheet,
        is: (&RepoPath, &File),
        new: Sheet,
    ) -> Result<(), NodeError> {
        let Some(at) = self.locate(was) else {
            // Gone by now: an edit brings it back, loudly.
            if *old != new {
                self.note(is.0, OverlapKind::DeleteEdit);
            }
            return Ok(());
        };
        let Some(now) = self.at(owner, &at)? else { return Ok(()) };
        let result = self.merged(&at, old, &new, &now)?;
        let to = match (at == *was.0, was.0 == is.0) {
            (_, true) => at.clone(),
            (true, false) => is.0.clone(),
            (false, false) if at == *is.0 => at.clone(),
            (false, false) => {
                self.note(&at, OverlapKind::Move);
                at.clone()
            }
        };
        if to != at {
            if self.at(owner, &to)?.is_some() {
                self.note(&to, OverlapKind::NameCollision);
                return Ok(());
            }
            self.drawn.insert(at, None);
            self.nodes.insert(was.1.node, to.clone());
        }
        if to != *was.0 || result != now {
            self.drawn.insert(to, Some(result));
        }
        Ok(())
    }

    fn remove(&mut self, owner: &mut Owner, was: (&RepoPath, &File), old: &Sheet) -> Result<(), NodeError> {
        let Some(at) = self.locate(was) else { return Ok(()) };
        match self.at(owner, &at)? {
            Some(now) if now == *old => drop(self.drawn.insert(at, None)),
            Some(_) => self.note(&at, OverlapKind::DeleteEdit),
            None => {}
        }
        Ok(())
    }

    fn add(&mut self, owner: &mut Owner, is: (&RepoPath, &File), new: Sheet) -> Result<(), NodeError> {
        let at = self.nodes.get(&is.1.node).filter(|at| self.is_there(at)).unwrap_or(is.0).clone();
        match self.at(owner, &at)? {
            Some(now) => {
                let result = self.merged(&at, &Sheet::blank(), &new, &now)?;
                if result != now {
                    self.drawn.insert(at, Some(result));
                }
            }
            None => {
                self.nodes.insert(is.1.node, at.clone());
                self.drawn.insert(at, Some(new));
            }
        }
        Ok(())
    }

    /// Where a file is by now.
    fn locate(&self, was: (&RepoPath, &File)) -> Option<RepoPath> {
        let by_node = self.nodes.get(&was.1.node);
        by_node.into_iter().chain([was.0]).find(|path| self.is_there(path)).cloned()
    }

    fn is_there(&self, path: &RepoPath) -> bool {
        self.drawn.get(path).map_or(self.base.files.contains_key(path), Option::is_some)
    }

    fn at(&self, owner: &mut Owner, path: &RepoPath) -> Result<Option<Sheet>, NodeError> {
        match self.drawn.get(path) {
            Some(sheet) => Ok(sheet.clone()),
            None if self.base.files.contains_key(path) => read(owner, self.place, &self.base, path).map(Some),
            None => Ok(None),
        }
    }

    /// What `now` is with the change from `old` to `new`.
    fn merged(&mut self, path: &RepoPath, old: &Sheet, new: &Sheet, now: &Sheet) -> Result<Sheet, NodeError> {
        let executable = if new.executable == old.executable { now.executable } else { new.executable };
        if old.body == now.body || new.body == now.body {
            return Ok(Sheet { executable, body: new.body.clone() });
        }
        if old.body == new.body {
            return Ok(Sheet { executable, body: now.body.clone() });
        }
        let (Some(from), Some(to), Some(there)) = (old.text(), new.text(), now.text()) else {
            self.note(path, OverlapKind::BodyEdit);
            return Ok(now.clone());
        };
        let merged = merge(path.as_bytes(), from, &[to, there])?;
        let mut hard = merged.overlaps.iter().filter(|met| !met.kind.is_soft()).peekable();
        if hard.peek().is_some() {
            let lines = Lines::of(&merged.bytes);
            let spot = |met: &cairn_crdt::Overlap| Spot {
                kind: kind(met.kind).to_owned(),
                path: path_text(path),
                line: met.range.map(|(start, _)| lines.number(start)),
                symbol: met.symbol.clone(),
                soft: false,
            };
            self.met.extend(hard.map(spot));
            return Ok(now.clone());
        }
        Ok(Sheet::of_bytes(merged.bytes.into(), executable))
    }

    fn note(&mut self, path: &RepoPath, what: OverlapKind) {
        let (kind, path) = (kind(what).to_owned(), path_text(path));
        self.met.push(Spot { kind, path, line: None, symbol: None, soft: false });
    }
}

/// The version that a write stood on; a long write is several waypoints.
pub(super) fn before(owner: &Owner, place: Place, waypoint: WaypointId) -> Result<Frontier, NodeError> {
    let replica = owner.replica(place.repo)?;
    let mut parents = place.documents(owner)?.parents(&waypoint);
    while let [one] = parents
        && replica.entry(place.project, *one).is_some_and(|entry| entry.continued)
    {
        parents = place.documents(owner)?.parents(one);
    }
    place.blend(owner, [&parents.iter().copied().collect()])
}

/// The files that differ between two views, each with its two sides.
fn touched<'a>(before: &'a View, after: &'a View) -> Vec<Touched<'a>> {
    let by_node = |view: &'a View| -> BTreeMap<NodeId, (&'a RepoPath, &'a File)> {
        view.files.iter().map(|(path, file)| (file.node, (path, file))).collect()
    };
    let (old, new) = (by_node(before), by_node(after));
    let mut touched = Vec::new();
    for (node, was) in &old {
        // A file that was made anew under the same name is the same file to people.
        let is = new.get(node).copied().or_else(|| {
            let again = after.files.get_key_value(was.0)?;
            (!old.contains_key(&again.1.node)).then_some(again)
        });
        let same = is.is_some_and(|is| {
            was.0 == is.0 && was.1.body == is.1.body && was.1.executable == is.1.executable
        });
        if !same {
            touched.push(Touched { before: Some(*was), after: is });
        }
    }
    let fresh = new.iter().filter(|(node, (path, _))| {
        let again = before.files.get(*path).is_some_and(|was| !new.contains_key(&was.node));
        !old.contains_key(node) && !again
    });
    touched.extend(fresh.map(|(_, is)| Touched { before: None, after: Some(*is) }));
    touched
}
