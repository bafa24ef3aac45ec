//! Carrying a late branch over into an epoch that began without it.
//!
//! What the branch did is the difference between two versions below the epoch: one that the epoch's
//! beginning also knows, and one with the branch on top. Files are told by their nodes, which epochs keep.
//! A file that the epoch shows as the branch found it takes what the branch made of it, and that is exact;
//! one that has changed since is merged as three texts are, and the places where the sides met are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::documents::{Contents, Documents};
use crate::draft::{Draft, FileEdit};
use crate::error::CrdtError;
use crate::frontier::Frontier;
use crate::id::{NodeId, WaypointId, hex};
use crate::merge::merge;
use crate::path::RepoPath;
use crate::view::{File, FileBody, View};

/// A late branch as changes on top of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// What to write.
    pub draft: Draft,
    /// Files in which the branch met what the epoch has, and in how many places.
    pub met: BTreeMap<RepoPath, usize>,
}

/// One version, by nodes.
struct Side {
    view: Arc<View>,
    files: BTreeMap<NodeId, (RepoPath, File)>,
}

impl Side {
    fn of(view: Arc<View>) -> Self {
        let files = view.files.iter().map(|(path, file)| (file.node, (path.clone(), file.clone())));
        Self { files: files.collect(), view }
    }

    fn get(&self, node: &NodeId) -> Option<&(RepoPath, File)> {
        self.files.get(node)
    }
}

impl Documents {
    /// What to write on top of `onto` so that it has what `late` did, which stands in another epoch.
    ///
    /// `marked` is the version that the epoch of `onto` began with. Where it and `late` can be seen together, nothing is
    /// guessed; else the last version that both know stands for it.
    pub fn carry(
        &mut self,
        late: &Frontier,
        marked: &Frontier,
        onto: &Frontier,
        contents: &dyn Contents,
    ) -> Result<Carried, CrdtError> {
        let both = self.frontier_of(late.heads().iter().chain(marked.heads()).copied());
        let seen = match self.view(&both, contents) {
            Ok(theirs) => self.view(marked, contents).map(|base| (base, theirs)),
            Err(error) => Err(error),
        };
        let (base, theirs) = match seen {
            Ok(seen) => seen,
            Err(
                CrdtError::Faded(_)
                | CrdtError::Epochs
                | CrdtError::Absent(_)
                | CrdtError::UnknownWaypoint(_),
            ) => {
                let base = self.common(late, onto);
                (self.view(&base, contents)?, self.view(late, contents)?)
            }
            Err(error) => return Err(error),
        };
        let ours = self.view(onto, contents)?;
        let sides = Sides { base: Side::of(base), theirs: Side::of(theirs), ours: Side::of(ours) };
        let Outcome { edits, met } = sides.outcome(self, contents)?;
        let edits: Vec<FileEdit> = edits.into_values().collect();
        Ok(Carried { draft: self.draft(onto, &edits, contents)?, met })
    }

    /// The last version that lies in the past of both.
    fn common(&self, a: &Frontier, b: &Frontier) -> Frontier {
        let within = |id: &WaypointId| b.heads().iter().any(|head| self.is_ancestor(id, head));
        let (mut open, mut met, mut common) = (a.heads().to_vec(), BTreeSet::new(), Vec::new());
        while let Some(id) = open.pop() {
            if !met.insert(id) {
                continue;
            }
            match within(&id) {
                true => common.push(id),
                false => open.extend(self.parents(&id)),
            }
        }
        self.frontier_of(common)
    }
}

/// The three versions of a carry-over.
struct Sides {
    base: Side,
    theirs: Side,
    ours: Side,
}

/// What a carry-over comes to, as far as it is worked out.
#[derive(Default)]
struct Outcome {
    edits: BTreeMap<RepoPath, FileEdit>,
    met: BTreeMap<RepoPath, usize>,
}

impl Outcome {
    fn meet(&mut self, path: &RepoPath, places: usize) {
        if places > 0 {
            *self.met.entry(path.clone()).or_default() += places;
        }
    }

    /// A path is left; something else may go there.
    fn leave(&mut self, path: &RepoPath) {
        self.edits.entry(path.clone()).or_insert_with(|| FileEdit::Remove { path: path.clone() });
    }

    fn put(&mut self, edit: FileEdit) {
        self.edits.insert(edit.path().clone(), edit);
    }

    /// Whether something was put at a path.
    fn is_taken(&self, path: &RepoPath) -> bool {
        self.edits.get(path).is_some_and(|edit| !matches!(edit, FileEdit::Remove { .. }))
    }
}

impl Sides {
    fn outcome(&self, documents: &mut Documents, contents: &dyn Contents) -> Result<Outcome, CrdtError> {
        let mut outcome = Outcome::default();
        for overlap in &self.theirs.view.overlaps {
            if !self.base.view.overlaps.contains(overlap) {
                outcome.meet(&overlap.path, 1);
            }
        }
        for (node, (path, file)) in &self.base.files {
            if self.theirs.get(node).is_none() {
                self.removed(node, path, file, &mut outcome);
            }
        }
        for (node, shown) in &self.theirs.files {
            if self.base.get(node) != Some(shown) {
                self.written(documents, contents, node, shown, &mut outcome)?;
            }
        }
        let dirs = self.theirs.view.dirs.difference(&self.base.view.dirs);
        let dirs = dirs.filter(|dir| !self.ours.view.dirs.contains(*dir));
        for dir in dirs {
            outcome.edits.entry(dir.clone()).or_insert_with(|| FileEdit::Dir { path: dir.clone() });
        }
        Ok(outcome)
    }

    /// A file that the branch removed goes, unless it has changed since.
    fn removed(&self, node: &NodeId, path: &RepoPath, file: &File, outcome: &mut Outcome) {
        match self.ours.get(node) {
            Some((now, shown)) if shown == file && now == path => outcome.leave(path),
            Some((now, _)) => outcome.meet(now, 1),
            None => {}
        }
    }

    /// A file that the branch wrote, made, or gave another path.
    fn written(
        &self,
        documents: &mut Documents,
        contents: &dyn Contents,
        node: &NodeId,
        (path, file): &(RepoPath, File),
        outcome: &mut Outcome,
    ) -> Result<(), CrdtError> {
        let base = self.base.get(node);
        let Some((now, shown)) = self.ours.get(node) else {
            // It is gone from the epoch and comes back, or it is new and may meet another of its name.
            outcome.meet(path, usize::from(base.is_some()));
            let own = self.stranger(path).map(|shown| (path.clone(), shown.clone()));
            let to = if outcome.is_taken(path) { aside(path, file)? } else { path.clone() };
            return self.blend(documents, contents, (&to, None, own.as_ref(), (path, file)), outcome);
        };
        let is_moved = |to: &RepoPath| base.is_none_or(|(was, _)| was != to);
        let mut to = if is_moved(path) && !is_moved(now) { path.clone() } else { now.clone() };
        outcome.meet(now, usize::from(is_moved(path) && is_moved(now) && path != now));
        if to != *now && (self.stranger(&to).is_some() || outcome.is_taken(&to)) {
            outcome.meet(&to, 1);
            to = aside(&to, file)?;
        }
        if to != *now {
            outcome.leave(now);
        }
        let ours = (now.clone(), shown.clone());
        self.blend(documents, contents, (&to, base, Some(&ours), (path, file)), outcome)
    }

    /// The file at a path of the epoch, if the branch knows nothing of it.
    fn stranger(&self, path: &RepoPath) -> Option<&File> {
        let is_known = |node: &NodeId| self.base.get(node).is_some() || self.theirs.get(node).is_some();
        self.ours.view.files.get(path).filter(|file| !is_known(&file.node))
    }

    /// Writes one file as both sides made it.
    fn blend(
        &self,
        documents: &mut Documents,
        contents: &dyn Contents,
        (to, base, ours, theirs): Meeting<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), CrdtError> {
        let mut read = |side: &Side, path: &RepoPath| documents.bytes(&side.view, path, contents);
        let base_body = base.map(|(_, file)| &file.body);
        let was = base.is_some_and(|(_, file)| file.executable);
        let Some((own_path, own)) = ours else {
            let bytes = read(&self.theirs, theirs.0)?;
            outcome.put(edit(to, theirs.1, theirs.1.executable, bytes));
            return Ok(());
        };
        let executable = if theirs.1.executable == was { own.executable } else { theirs.1.executable };
        if own.body == theirs.1.body || base_body == Some(&theirs.1.body) {
            let bytes = read(&self.ours, own_path)?;
            outcome.put(edit(to, own, executable, bytes));
        } else if base_body == Some(&own.body) {
            let bytes = read(&self.theirs, theirs.0)?;
            outcome.put(edit(to, theirs.1, executable, bytes));
        } else if is_text(&own.body) && is_text(&theirs.1.body) && base_body.is_none_or(is_text) {
            let before = base.map_or(Ok(Vec::new()), |(path, _)| read(&self.base, path))?;
            let sides = [read(&self.ours, own_path)?, read(&self.theirs, theirs.0)?];
            let merged = merge(to.as_bytes(), &before, &[&sides[0], &sides[1]])?;
            outcome.meet(to, merged.overlaps.len());
            outcome.put(edit(to, own, executable, merged.bytes));
        } else {
            // Bytes that merge as a whole: both stay, under two names.
            outcome.meet(to, 1);
            let bytes = read(&self.theirs, theirs.0)?;
            outcome.put(edit(&aside(to, theirs.1)?, theirs.1, theirs.1.executable, bytes));
        }
        Ok(())
    }
}

/// Where a file goes, and what it is in the base, in the epoch and on the branch.
type Meeting<'a> =
    (&'a RepoPath, Option<&'a (RepoPath, File)>, Option<&'a (RepoPath, File)>, (&'a RepoPath, &'a File));

fn is_text(body: &FileBody) -> bool {
    matches!(body, FileBody::Bytes { opaque: false, .. })
}

fn edit(path: &RepoPath, file: &File, executable: bool, bytes: Vec<u8>) -> FileEdit {
    let path = path.clone();
    match &file.body {
        FileBody::Bytes { .. } => FileEdit::Write { path, bytes: bytes.into(), executable },
        FileBody::Artifact { artifact, bytes } => {
            FileEdit::Artifact { path, artifact: *artifact, bytes: *bytes, executable }
        }
        FileBody::Link { target } => FileEdit::Link { path, target: target.clone() },
    }
}

/// A second name for a file that stands where another one is.
fn aside(path: &RepoPath, file: &File) -> Result<RepoPath, CrdtError> {
    let digits = hex(file.node.0.get(..4).unwrap_or_default());
    Ok(RepoPath::new(&[path.as_bytes(), b"~", digits.as_bytes()].concat())?)
}
