//! How good a merge is, when it is known what it should be.

use super::rivals::Outcome;
use super::split::{Case, Kind};
use cairn_node::measure::parses;
use std::path::Path;

/// Whether git merges a case by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It does.
    Clean,
    /// It leaves conflict markers.
    Conflict,
}

impl Class {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Clean, Self::Conflict];

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Conflict => "conflict",
        }
    }
}

/// What is said of one program and one case.
#[derive(Debug, Clone)]
pub(super) struct Score {
    /// The program's place in the list of programs.
    pub(super) merger: usize,
    /// What git says of the case.
    pub(super) class: Class,
    /// How the case was dealt.
    pub(super) kind: Kind,
    /// Whether the bytes are those that they should be.
    pub(super) exact: bool,
    /// Whether they are but for white space.
    pub(super) equal: bool,
    /// Whether they parse; nothing is said where the truth does not, or has no grammar.
    pub(super) parses: Option<bool>,
    /// Whether each side that was dealt parses: half an edit may not.
    pub(super) sound: bool,
    /// Whether swapped sides give the same bytes.
    pub(super) swapped: bool,
    /// Whether markers stand in the text.
    pub(super) marked: bool,
    /// Whether the program said that edits met.
    pub(super) told: bool,
    /// How long its process ran.
    pub(super) ms: Option<f64>,
}

impl Score {
    /// Scores what a program made of a case.
    pub(super) fn of(merger: usize, class: Class, name: &Path, case: &Case, outcome: &Outcome) -> Self {
        let name = name.as_os_str().as_encoded_bytes();
        let exact = outcome.bytes == case.truth;
        let readable = parses(name, &case.truth) == Some(true);
        Self {
            merger,
            class,
            kind: case.kind,
            exact,
            equal: exact || inked(&outcome.bytes).eq(inked(&case.truth)),
            sound: readable && case.sides.iter().all(|side| parses(name, side) == Some(true)),
            parses: readable.then(|| exact || parses(name, &outcome.bytes) == Some(true)),
            swapped: outcome.bytes == outcome.swapped,
            marked: is_marked(&outcome.bytes) && !is_marked(&case.truth),
            told: outcome.told,
            ms: outcome.ms,
        }
    }

    /// Whether it is wrong and nobody was told.
    pub(super) fn silently_wrong(&self) -> bool {
        !self.equal && !self.told && !self.marked
    }

    /// Whether someone was told of a merge that is right.
    pub(super) fn false_alarm(&self) -> bool {
        self.equal && self.told
    }

    /// Whether somebody should look at it.
    pub(super) fn is_poor(&self) -> bool {
        !self.equal || self.marked || !self.swapped || self.parses == Some(false)
    }
}

/// The bytes that are no white space.
fn inked(bytes: &[u8]) -> impl Iterator<Item = &u8> {
    bytes.iter().filter(|byte| !byte.is_ascii_whitespace())
}

fn is_marked(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(b"<<<<<<< ") || line.starts_with(b">>>>>>> "))
}

/// The share of scores of which something holds, in percent; `None` of no scores.
pub(super) fn share(scores: &[&Score], holds: impl Fn(&Score) -> bool) -> Option<f64> {
    let held = scores.iter().filter(|score| holds(score)).count();
    (!scores.is_empty()).then(|| 100.0 * held as f64 / scores.len() as f64)
}

/// The middle of some numbers.
pub(super) fn median(numbers: Vec<f64>) -> Option<f64> {
    let middle = numbers.len() / 2;
    nth(numbers, middle)
}

/// The number below which a share of them lies: 0.99 leaves out the highest hundredth.
pub(super) fn percentile(numbers: Vec<f64>, share: f64) -> Option<f64> {
    let at = (numbers.len() as f64 - 1.0) * share;
    nth(numbers, at as usize)
}

fn nth(mut numbers: Vec<f64>, at: usize) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(bytes: &str, told: bool) -> Score {
        let (base, truth) = (b"a\n".to_vec(), b"fn f() {}\n".to_vec());
        let case = Case { kind: Kind::Far, base, sides: Vec::new(), truth };
        let outcome = Outcome { bytes: bytes.into(), swapped: bytes.into(), told, ms: None };
        Score::of(0, Class::Clean, Path::new("a.rs"), &case, &outcome)
    }

    #[test]
    fn white_space_is_forgiven_and_silence_is_not() {
        let right = score("fn f()  {\n}\n", true);
        assert!(right.equal && !right.exact && right.false_alarm() && !right.is_poor());
        let wrong = score("fn g() {}\n", false);
        assert!(wrong.silently_wrong() && wrong.parses == Some(true));
        let marked = score("<<<<<<< a\nfn f() {}\n", true);
        assert!(marked.marked && marked.parses == Some(false) && !marked.silently_wrong());
    }

    #[test]
    fn shares_and_medians() {
        let (right, wrong) = (score("fn f() {}\n", false), score("", false));
        assert_eq!(share(&[&right, &wrong], |score| score.exact), Some(50.0));
        assert_eq!(share(&[], |score| score.exact), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
