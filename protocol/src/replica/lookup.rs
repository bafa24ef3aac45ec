//! Finding what a reference stands for. Nothing is guessed: several meanings are several candidates.

use cairn_crdt::Frontier;
use cairn_crdt::id::{ProjectId, WaypointId};

use super::Replica;
use super::project::Project;

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

impl Project {
    fn meanings(&self, reference: &str) -> Vec<(Candidate, Frontier)> {
        let mut meanings = Vec::new();
        if let Some(branch) = self.branches.get(reference) {
            meanings.push((Candidate::Branch(reference.to_owned()), branch.frontier()));
        }
        for (id, mark) in self.marks.iter().filter(|(_, mark)| mark.name == reference) {
            let version = mark.frontier.iter().copied().collect();
            meanings.push((Candidate::Mark(mark.name.clone(), *id), version));
        }
        let waypoints = self.with_prefix(reference).into_iter();
        meanings.extend(waypoints.map(|id| (Candidate::Waypoint(id), Frontier::from_iter([id]))));
        meanings
    }

    fn with_prefix(&self, digits: &str) -> Vec<WaypointId> {
        let Some(first) = first_with(digits) else { return Vec::new() };
        let digits = digits.to_ascii_lowercase();
        let candidates = self.waypoints.range(first..).map(|(id, _)| *id);
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
