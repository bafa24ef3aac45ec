//! Edits that a release does not show by itself: an item of a real file is moved or renamed by one
//! side, while the other makes the edits of the release.

use super::dice::Dice;
use super::lines::{Edit, applied, words};
use super::split::{Change, Dealt};

/// Words that may stand before the one that makes an item.
const BEFORE: [&[u8]; 14] = [
    b"pub",
    b"export",
    b"default",
    b"async",
    b"public",
    b"private",
    b"protected",
    b"static",
    b"abstract",
    b"final",
    b"const",
    b"unsafe",
    b"internal",
    b"inline",
];
/// Words that make an item, whose name follows.
const MAKES: [&[u8]; 12] = [
    b"fn",
    b"def",
    b"function",
    b"class",
    b"struct",
    b"enum",
    b"trait",
    b"interface",
    b"func",
    b"type",
    b"module",
    b"namespace",
];
/// How a line begins that belongs to the item below it.
const ABOVE: [&[u8]; 7] = [b"//", b"/*", b" *", b"#", b"@", b"*/", b"\"\"\""];
/// The shortest name that is renamed.
const NAME_BYTES_MIN: usize = 4;

/// The name of the item that a line at the left border begins.
fn named(line: &[u8]) -> Option<&[u8]> {
    let mut words = words(line).into_iter().filter(|word| !word.trim_ascii().is_empty());
    let mut word = words.next().filter(|word| line.starts_with(word))?;
    while BEFORE.contains(&word) {
        word = words.next()?;
    }
    let is_name = |word: &&[u8]| word.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    MAKES.contains(&word).then(|| words.next()).flatten().filter(is_name)
}

/// Where items begin, with what is written above them.
fn starts(lines: &[&[u8]]) -> Vec<usize> {
    let is_above =
        |line: Option<&&[u8]>| line.is_some_and(|line| ABOVE.iter().any(|begin| line.starts_with(begin)));
    let mut starts = Vec::new();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| named(line).is_some()) {
        let mut start = at;
        while start > 0 && is_above(lines.get(start - 1)) {
            start -= 1;
        }
        if starts.last() != Some(&start) {
            starts.push(start);
        }
    }
    starts
}

/// One side moves an item past others; the other side makes the edits that lie within items.
pub(super) fn moved(change: &Change, dice: &mut Dice) -> Option<Dealt> {
    let starts = starts(&change.old);
    if starts.len() < 3 || !change.old.last()?.ends_with(b"\n") {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([change.old.len()]);
    let blocks: Vec<Block> = starts.iter().copied().zip(ends).map(|place| Block::of(change, place)).collect();
    // The last item's end is the file's: what follows it there does not belong to it.
    let edited: Vec<usize> =
        (0..blocks.len() - 1).filter(|at| blocks.get(*at).is_some_and(Block::is_edited)).collect();
    let from = *dice.one(&edited)?;
    let others: Vec<usize> = (0..blocks.len() - 1).filter(|to| *to != from).collect();
    let to = *dice.one(&others)?;
    let head = change.old.get(..*starts.first()?)?.concat();
    let written = |new: bool, moved: bool| {
        let mut order: Vec<&Block> = blocks.iter().collect();
        if moved {
            let block = order.remove(from);
            order.insert(to, block);
        }
        let texts = order.iter().map(|block| if new { &block.new } else { &block.old });
        texts.fold(head.clone(), |mut text, block| {
            text.extend_from_slice(block);
            text
        })
    };
    Some((vec![written(false, true), written(true, false)], written(true, true)))
}

/// An item, before and after the edits within it.
struct Block {
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Block {
    fn of(change: &Change, (start, end): (usize, usize)) -> Self {
        let within = |hunk: &&Edit| hunk.old.start > start && hunk.old.end + 1 < end;
        let edits: Vec<Edit> = change
            .hunks
            .iter()
            .filter(within)
            .map(|hunk| Edit { old: hunk.old.start - start..hunk.old.end - start, new: hunk.new.clone() })
            .collect();
        let old = change.old.get(start..end).unwrap_or_default();
        Self { old: old.concat(), new: applied(old, &edits).concat() }
    }

    fn is_edited(&self) -> bool {
        self.old != self.new
    }
}

/// One side renames an item wherever its name stands; the other makes the edits of the release, which
/// use the name as often as before.
pub(super) fn renamed(change: &Change, dice: &mut Dice) -> Option<Dealt> {
    let mut names: Vec<&[u8]> = change.old.iter().filter_map(|line| named(line)).collect();
    names.retain(|name| name.len() >= NAME_BYTES_MIN);
    dice.shuffle(&mut names);
    // Names that stand in lines which the release changed come first: there it is hard.
    names.sort_by_key(|name| !is_touched(change, name));
    let (old, new) = (change.old.concat(), change.new.concat());
    let name = names.into_iter().find(|name| {
        let (before, after) = (count(&old, name), count(&new, name));
        before == after && count(&old, &other(name)) + count(&new, &other(name)) == 0
    })?;
    Some((vec![replaced(&old, name), new.clone()], replaced(&new, name)))
}

fn is_touched(change: &Change, name: &[u8]) -> bool {
    let lines = change.hunks.iter().flat_map(|hunk| change.old.get(hunk.old.clone()).unwrap_or_default());
    lines.copied().any(|line| words(line).contains(&name))
}

fn count(text: &[u8], name: &[u8]) -> usize {
    words(text).into_iter().filter(|word| *word == name).count()
}

/// The new name.
fn other(name: &[u8]) -> Vec<u8> {
    let (before, after): (&[u8], &[u8]) =
        if name.iter().any(u8::is_ascii_uppercase) { (b"Other", b"") } else { (b"", b"_other") };
    [before, name, after].concat()
}

fn replaced(text: &[u8], name: &[u8]) -> Vec<u8> {
    let new = other(name);
    words(text).into_iter().map(|word| if word == name { &new } else { word }).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"head\n/// one\nfn first() {\n    a();\n    b();\n    c();\n}\n\nfn second() {\n    first();\n}\n\nclass Third {\n}\n";
    const NEW: &[u8] = b"head\n/// one\nfn first() {\n    a();\n    bb();\n    c();\n}\n\nfn second() {\n    first();\n}\n\nclass Third {\n}\n";

    #[test]
    fn items_are_known_by_their_first_line() {
        let name = |line: &'static str| named(line.as_bytes()).map(|name| std::str::from_utf8(name).unwrap());
        assert_eq!(name("pub fn f() {"), Some("f"));
        assert_eq!(name("export default class Cat {"), Some("Cat"));
        assert_eq!(
            (name("  def f():"), name("let fn = 1"), name("fn"), name("fn ()")),
            (None, None, None, None)
        );
        assert_eq!(starts(&super::super::lines::lines(OLD)), [1, 8, 12]);
    }

    #[test]
    fn the_moved_item_keeps_its_edits() {
        let change = Change::between(OLD, NEW).unwrap();
        let (sides, truth) = moved(&change, &mut Dice::new(1)).unwrap();
        let moved = b"head\nfn second() {\n    first();\n}\n\n/// one\nfn first() {\n    a();\n    b();\n    c();\n}\n\nclass Third {\n}\n";
        assert_eq!(sides, [moved.to_vec(), NEW.to_vec()]);
        assert_eq!(words(&truth).len(), words(NEW).len());
        assert_eq!((count(&truth, b"bb"), count(&truth, b"b")), (1, 0));
    }

    #[test]
    fn a_new_name_stands_wherever_the_old_one_did() {
        let change = Change::between(OLD, NEW).unwrap();
        let (sides, truth) = renamed(&change, &mut Dice::new(3)).unwrap();
        let (old, new) = (words(OLD).len(), words(&sides[0]).len());
        assert_eq!((old, sides[1].as_slice()), (new, NEW));
        assert_ne!(truth, NEW);
    }
}
