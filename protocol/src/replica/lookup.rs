//! Finding what a reference stands for. Nothing is guessed: several meanings are several candidates.

use std::collections::BTreeSet;

use cairn_crdt::Frontier;
use cairn_crdt::id::{ProjectId, WaypointId};

use super::Replica;
use super::project::{Known, Project};
use crate::mark::Mark;

/// The fewest hexadecimal digits that may stand for a waypoint.
pub const PREFIX_DIGITS_MIN: usize = 4;

/// What a reference may stand for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Candidate {
    /// A branch.
    Branch(String),
    /// A mark, and the waypoint that set it.
    Mark(String, WaypointId),
    /// A waypoint.
    Waypoint(WaypointId),
}

/// What a reference was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Exactly one thing, and the version that it shows.
    One(Candidate, Frontier),
    /// Several things; nothing is guessed.
    Ambiguous(Vec<Candidate>),
    /// Nothing.
    Nothing,
}

impl Replica {
    /// Finds what a reference stands for: a branch, a mark, or the first digits of a waypoint.
    pub fn find(&self, project: ProjectId, reference: &str) -> Found {
        let Some(project) = self.projects.get(&project) else { return Found::Nothing };
        let mut meanings = project.meanings(reference);
        match meanings.len() {
            0 => Found::Nothing,
            1 => meanings.pop().map_or(Found::Nothing, |(what, frontier)| Found::One(what, frontier)),
            _ => Found::Ambiguous(meanings.into_iter().map(|(what, _)| what).collect()),
        }
    }
}

impl Replica {
    /// What a branch showed at a moment, as far as a version knows: of its past the latest waypoints of the
    /// branch whose stamp is not later. Before a branch began, it is the branch that it was forked from.
    ///
    /// The clock is that of the authors: a stamp is its author's wall clock, never earlier than what the author had
    /// seen. So all nodes agree, and where somebody's clock was wrong, so is the answer.
    pub fn as_of(
        &self,
        project: ProjectId,
        frontier: &Frontier,
        branch: &str,
        wall_ms: u64,
    ) -> Option<Frontier> {
        let project = self.projects.get(&project)?;
        let (mut frontier, mut branch) = (frontier.clone(), Some(branch.to_owned()));
        loop {
            let past: Vec<WaypointId> = project.documents.ancestors(&frontier).collect();
            let known: Vec<(WaypointId, &Known)> =
                past.iter().filter_map(|id| Some((*id, project.applied(id)?))).collect();
            let is_of =
                |known: &Known| !known.continued && known.labels.branch.as_deref() == branch.as_deref();
            let mut own = known.iter().filter(|(_, known)| is_of(known)).peekable();
            let (first, _) = own.peek()?;
            let (first, old) = (*first, own.filter(|(_, known)| known.stamp.wall_ms <= wall_ms));
            let old = project.documents.frontier_of(old.map(|(id, _)| *id));
            if !old.is_empty() {
                return Some(old);
            }
            frontier = project.documents.frontier_of(project.documents.parents(&first).iter().copied());
            let from = frontier.heads().first().and_then(|head| project.applied(head))?;
            branch = from.labels.branch.as_deref().map(str::to_owned);
        }
    }

    /// The marks and the waypoints of a version, and the local ones that stand on nothing else, whose messages hold these
    /// words, newest first.
    pub fn saying(
        &self,
        project: ProjectId,
        frontier: &Frontier,
        words: &str,
    ) -> Vec<(Candidate, Frontier, String)> {
        let Some(known) = self.projects.get(&project) else { return Vec::new() };
        let words = words.to_lowercase();
        let says = |text: &str| text.to_lowercase().contains(&words);
        let log = self.log(project, frontier);
        let past: BTreeSet<WaypointId> = log.iter().map(|entry| entry.id).collect();
        let is_past = |mark: &Mark| mark.frontier.iter().all(|head| past.contains(head));
        let marks = self.marks(project).into_iter().rev().filter(|(_, mark)| is_past(mark));
        let marks = marks.filter(|(_, mark)| says(&mark.name) || says(&mark.message)).map(|(id, mark)| {
            let version = known.marked(&id, &mark);
            (Candidate::Mark(mark.name, id), version, mark.message)
        });
        let locals = self.locals(project, None).into_iter();
        let locals =
            locals.filter(|entry| !past.contains(&entry.id) && self.stands_in(project, entry, &past));
        let posts = log.into_iter().filter(|entry| !entry.continued).chain(locals).filter_map(|entry| {
            let message = entry.message.filter(|message| says(message))?;
            Some((Candidate::Waypoint(entry.id), Frontier::from_iter([entry.id]), message))
        });
        marks.chain(posts).collect()
    }
}

impl Project {
    fn meanings(&self, reference: &str) -> Vec<(Candidate, Frontier)> {
        let mut meanings = Vec::new();
        if let Some(branch) = self.branches.get(reference) {
            meanings.push((Candidate::Branch(reference.to_owned()), branch.frontier(&self.documents)));
        }
        for (id, mark) in
            self.marks.iter().filter(|(id, mark)| mark.name == reference && !self.is_deleted(id, mark))
        {
            meanings.push((Candidate::Mark(mark.name.clone(), *id), self.marked(id, mark)));
        }
        let waypoints = self.with_prefix(reference).into_iter();
        meanings.extend(waypoints.map(|id| (Candidate::Waypoint(id), Frontier::from_iter([id]))));
        meanings
    }

    /// The version that a mark stands for. A mark that begins an epoch shows the same as what it marks, and goes on
    /// doing so when that has faded.
    pub(super) fn marked(&self, id: &WaypointId, mark: &Mark) -> Frontier {
        let began = self.documents.epoch(id).map(|began| self.documents.parents(&began));
        if began == Some(&mark.frontier[..]) {
            return Frontier::from_iter([*id]);
        }
        mark.frontier.iter().copied().collect()
    }

    fn with_prefix(&self, digits: &str) -> Vec<WaypointId> {
        let Some(first) = first_with(digits) else { return Vec::new() };
        let digits = digits.to_ascii_lowercase();
        let candidates = self.waypoints.range_from(&first).copied();
        let matching = candidates.take_while(|id| id.to_string().starts_with(&digits));
        matching.filter(|id| self.documents.contains(id)).collect()
    }
}

/// The lowest identifier that begins with `digits`.
fn first_with(digits: &str) -> Option<WaypointId> {
    let valid = digits.len() >= PREFIX_DIGITS_MIN && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !valid || digits.len() > 64 {
        return None;
    }
    WaypointId::from_hex(&format!("{digits:0<64}"))
}
