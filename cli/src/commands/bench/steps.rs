//! The way from one release to the next in many small steps, as somebody might have saved them.

use super::dice::Dice;
use super::lines::{Edit, applied, line_edits, lines};
use cairn_node::measure::Files;
use std::collections::BTreeSet;

/// How many steps in one file follow each other at most before another file has its turn.
const RUN_MAX: usize = 8;
/// The most lines that one step changes, from the coarse to the fine; the first that gives enough steps is taken.
const LINES: [usize; 7] = [usize::MAX, 64, 16, 8, 4, 2, 1];
/// A line that is longer is no line that a person edits.
const LINE_BYTES_MAX: usize = 2000;

/// One save: what a file holds then; `None` where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The file.
    pub(super) path: Vec<u8>,
    /// Its bytes.
    pub(super) bytes: Option<Vec<u8>>,
}

/// What becomes of one file.
struct Way<'a> {
    path: &'a [u8],
    old: Vec<&'a [u8]>,
    new: &'a [u8],
    /// Empty for a file that comes or changes as a whole.
    edits: Vec<Edit<'a>>,
}

/// The steps between two releases, about `wanted` of them where there is enough to do; the last leaves the newer one.
pub(super) fn steps(old: &Files, new: &Files, wanted: usize, dice: &mut Dice) -> Vec<Step> {
    let ways: Vec<Way> = new.iter().filter_map(|(path, bytes)| Way::of(path, old.get(path), bytes)).collect();
    let count = |lines: &usize| ways.iter().map(|way| way.parts(*lines).len()).sum::<usize>() >= wanted;
    let lines = LINES.into_iter().find(count).unwrap_or(1);
    let parts: usize = ways.iter().map(|way| way.parts(lines).len()).sum();
    let together = (parts / wanted.max(1)).max(1);
    let mut all: Vec<Vec<Step>> = ways.iter().map(|way| way.steps(lines, together)).collect();
    let gone = old.keys().filter(|path| !new.contains_key(*path));
    all.extend(gone.map(|path| vec![Step { path: path.clone(), bytes: None }]));
    in_runs(all, dice)
}

impl<'a> Way<'a> {
    fn of(path: &'a [u8], old: Option<&'a Vec<u8>>, new: &'a [u8]) -> Option<Self> {
        if old.is_some_and(|old| old == new) {
            return None;
        }
        let old = lines(old.map(Vec::as_slice).unwrap_or_default());
        let lines = lines(new);
        let is_text = |lines: &[&[u8]]| {
            lines.iter().all(|line| line.len() <= LINE_BYTES_MAX && !line.contains(&0)) && !lines.is_empty()
        };
        let edits = match is_text(&old) && is_text(&lines) {
            true => line_edits(&old, &lines),
            false => Vec::new(),
        };
        Some(Self { path, old, new, edits })
    }

    /// The edits, none longer than so many lines.
    fn parts(&self, lines_max: usize) -> Vec<Edit<'a>> {
        self.edits.iter().flat_map(|edit| parted(edit, lines_max)).collect()
    }

    fn steps(&self, lines_max: usize, together: usize) -> Vec<Step> {
        let parts = self.parts(lines_max);
        let ends: BTreeSet<usize> = (together..parts.len()).step_by(together).collect();
        let until = |end: &usize| applied(&self.old, parts.get(..*end).unwrap_or_default()).concat();
        let mut texts: Vec<Vec<u8>> = ends.iter().map(until).collect();
        texts.push(self.new.to_vec());
        texts.dedup();
        let first = self.old.concat();
        let texts = texts.into_iter().skip_while(|text| *text == first);
        texts.map(|bytes| Step { path: self.path.to_vec(), bytes: Some(bytes) }).collect()
    }
}

/// One edit as several that follow each other.
fn parted<'a>(edit: &Edit<'a>, lines_max: usize) -> Vec<Edit<'a>> {
    let (gone, come) = (edit.old.len(), edit.new.len());
    let parts = gone.max(come).div_ceil(lines_max).max(1);
    let cut = |of: usize, part: usize| of * part / parts;
    let part = |part: usize| Edit {
        old: edit.old.start + cut(gone, part)..edit.old.start + cut(gone, part + 1),
        new: edit.new.get(cut(come, part)..cut(come, part + 1)).unwrap_or_default().to_vec(),
    };
    (0..parts).map(part).collect()
}

/// A few steps in one file, then a few in another, each file's in their order.
fn in_runs(all: Vec<Vec<Step>>, dice: &mut Dice) -> Vec<Step> {
    let mut open: Vec<_> = all.into_iter().map(Vec::into_iter).collect();
    let mut steps = Vec::new();
    while !open.is_empty() {
        let at = dice.below(open.len());
        if let Some(file) = open.get_mut(at) {
            steps.extend(file.by_ref().take(dice.within(1, RUN_MAX + 1)));
        }
        open.retain(|file| file.len() > 0);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, String)]) -> Files {
        texts.iter().map(|(path, text)| (path.as_bytes().to_vec(), text.clone().into_bytes())).collect()
    }

    #[test]
    fn steps_lead_from_one_release_to_the_next() {
        let text =
            |from: usize, to: usize| (from..to).map(|line| format!("line {line}\n")).collect::<String>();
        let old = files(&[("a", text(0, 90)), ("b", text(0, 9)), ("gone", text(0, 3)), ("bin", "\0".into())]);
        let changed = text(0, 30) + "new\n" + &text(40, 90) + &text(200, 240);
        let new = files(&[("a", changed), ("b", text(0, 9)), ("come", text(0, 5)), ("bin", "\0\0".into())]);
        for wanted in [1, 5, 20, 1000] {
            let steps = steps(&old, &new, wanted, &mut Dice::new(wanted as u64));
            let mut at = old.clone();
            for step in &steps {
                let before = at.get(&step.path).cloned();
                assert_ne!(before, step.bytes, "a step that does nothing");
                match step.bytes.clone() {
                    Some(bytes) => at.insert(step.path.clone(), bytes),
                    None => at.remove(&step.path),
                };
            }
            assert_eq!(at, new);
            assert!(wanted == 1000 || steps.len() >= wanted, "{} of {wanted}", steps.len());
            assert!(wanted < 1000 || steps.len() > 40, "{}", steps.len());
        }
    }
}
