//! Random programs of several replicas. Every act writes a word that nothing else holds.

use std::collections::BTreeSet;

use cairn_crdt::id::{ContentHash, LeafId};
use cairn_crdt::leaf::Leaf;
use cairn_crdt::op::{Body, Cut, NodeKind, Op, Split};
use cairn_crdt::{Draft, FileEdit, Overlap, OverlapKind};
use proptest::prelude::*;

use super::book::{Book, Sight};
use super::{Replica, path, remove, write};

pub const RUST: &str = "//! A file.\n\nuse std::fmt;\n\n/// One.\nfn one() {\n    first();\n    second();\n}\n\nstruct S {\n    x: u32,\n}\n\nimpl S {\n    fn get(&self) -> u32 {\n        self.x\n    }\n\n    fn set(&mut self, x: u32) {\n        self.x = x;\n    }\n}\n\nfn two() {\n    third();\n}\n";
pub const PYTHON: &str = "import os\n\nclass A:\n    x = 1\n\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n\n\ndef top():\n    return A()\n";
pub const TEXT: &str = "alpha\nbeta\ngamma\ndelta\n";
const NAMES: [&str; 6] = ["a.rs", "d/b.py", "d/c.txt", "e/new.rs", "f", "d/a.rs"];

/// One act of one replica; the numbers choose files and lines among those it has.
#[derive(Debug, Clone)]
pub enum Act {
    /// Puts a new line behind a line of a file.
    Insert(usize, usize),
    /// Takes a run of lines out.
    Delete(usize, usize, usize),
    /// Adds a word at the end of a line.
    Change(usize, usize),
    /// Puts a word in the place of the first word of a line.
    Replace(usize, usize),
    /// Moves a run of lines elsewhere in the file.
    Shuffle(usize, usize, usize),
    /// Moves a paragraph to the end of another file.
    Carry(usize, usize, usize),
    /// Writes a paragraph a second time.
    Repeat(usize, usize),
    /// Adds a whole item with members.
    Item(usize, usize),
    /// Writes a file a second time under another name.
    Copy(usize, usize),
    /// Renames a file.
    Rename(usize, usize),
    /// Renames a folder, or puts it into another.
    RenameDir(usize, usize),
    /// Removes a file.
    Remove(usize),
    /// Removes a folder.
    RemoveDir(usize),
    /// Adds a file.
    Add(usize, usize),
    /// Writes bytes that are no text.
    Binary(usize),
    /// Takes the last line end, or all, out of a file.
    Chop(usize, bool),
    /// Sets or clears the executable bit.
    Mode(usize),
    /// Cuts a text that nobody has touched at some of its lines, as another program might.
    Cut(usize, usize),
    /// Puts a line into a text that nobody has touched without cutting it.
    Whole(usize, usize),
    /// Settles an overlap.
    Take(usize, usize),
    /// Takes in what another replica has.
    Pull(usize),
    /// Takes in one waypoint of another replica, with its past.
    PullSome(usize, usize),
}

pub fn act() -> impl Strategy<Value = Act> {
    // Small numbers often, so that hands meet.
    let n = || prop_oneof![0usize..3, 0usize..40];
    let texts = prop_oneof![
        4 => (n(), n()).prop_map(|(f, l)| Act::Insert(f, l)),
        2 => (n(), n(), 1usize..8).prop_map(|(f, l, m)| Act::Delete(f, l, m)),
        2 => (n(), n()).prop_map(|(f, l)| Act::Change(f, l)),
        3 => (n(), n()).prop_map(|(f, l)| Act::Replace(f, l)),
        2 => (n(), n(), n()).prop_map(|(f, l, m)| Act::Shuffle(f, l, m)),
        2 => (n(), n(), n()).prop_map(|(f, l, m)| Act::Carry(f, l, m)),
        1 => (n(), n()).prop_map(|(f, l)| Act::Repeat(f, l)),
        1 => (n(), n()).prop_map(|(f, l)| Act::Item(f, l)),
        1 => (n(), any::<bool>()).prop_map(|(f, all)| Act::Chop(f, all)),
        1 => (n(), n()).prop_map(|(f, l)| Act::Cut(f, l)),
        1 => (n(), n()).prop_map(|(f, l)| Act::Whole(f, l)),
    ];
    let files = prop_oneof![
        1 => (n(), n()).prop_map(|(f, t)| Act::Copy(f, t)),
        2 => (n(), n()).prop_map(|(f, t)| Act::Rename(f, t)),
        2 => (n(), n()).prop_map(|(f, t)| Act::RenameDir(f, t)),
        1 => n().prop_map(Act::Remove),
        1 => n().prop_map(Act::RemoveDir),
        1 => (n(), n()).prop_map(|(f, t)| Act::Add(f, t)),
        1 => n().prop_map(Act::Binary),
        1 => n().prop_map(Act::Mode),
    ];
    let merges = prop_oneof![
        2 => n().prop_map(Act::Pull),
        2 => (n(), n()).prop_map(|(f, w)| Act::PullSome(f, w)),
        1 => (n(), n()).prop_map(|(o, a)| Act::Take(o, a)),
    ];
    prop_oneof![5 => texts, 3 => files, 3 => merges]
}

/// A program: who does what.
pub type Program = Vec<(usize, Act)>;

pub fn programs() -> impl Strategy<Value = (usize, Program)> {
    (2usize..6, proptest::collection::vec((0usize..5, act()), 1..18))
}

/// The word that the act of this number writes.
pub fn word(number: usize) -> String {
    format!("w{number}w")
}

/// Replicas at work.
pub struct World {
    pub replicas: Vec<Replica>,
    pub book: Book,
}

impl World {
    pub fn new(count: usize) -> Self {
        let mut first = Replica::new(1);
        first.post(&[
            write("a.rs", RUST),
            write("d/b.py", PYTHON),
            write("d/c.txt", TEXT),
            write("e/x.txt", TEXT),
        ]);
        let others = (1..count).map(|name| first.fork(name as u8 + 1)).collect::<Vec<_>>();
        let replicas = std::iter::once(first).chain(others).collect();
        Self { replicas, book: Book::default() }
    }

    /// Runs a program; every merge on the way is checked against the book.
    pub fn run(count: usize, program: &Program) -> Self {
        let mut world = Self::new(count);
        for (number, (who, act)) in program.iter().enumerate() {
            world.act(who % count, act, number);
        }
        world
    }

    pub fn act(&mut self, who: usize, act: &Act, number: usize) {
        let count = self.replicas.len();
        match act {
            Act::Pull(from) | Act::PullSome(from, _) => {
                let from = from % count;
                if from == who {
                    return;
                }
                let other = std::mem::replace(&mut self.replicas[from], Replica::new(0));
                match act {
                    Act::PullSome(_, at) => {
                        let some = other.changes[at % other.changes.len()].id;
                        self.replicas[who].pull_some(&other, some);
                    }
                    _ => self.replicas[who].pull(&other),
                }
                self.replicas[from] = other;
                self.check(who);
            }
            Act::Take(overlap, side) => self.take(who, *overlap, *side),
            Act::Cut(f, l) | Act::Whole(f, l) => {
                let replica = &mut self.replicas[who];
                let Some(op) = raw(replica, *f, *l, matches!(act, Act::Cut(..)), &word(number)) else {
                    return;
                };
                let before = Sight::of(replica);
                let by = replica.commit(Draft { ops: vec![op], contents: Vec::new() });
                let after = Sight::of(replica);
                self.book.note(by, &before, &after);
            }
            _ => {
                let edits = edits(&mut self.replicas[who], act, number);
                self.post(who, &edits);
            }
        }
    }

    /// Nothing that a replica knows of is out of sight, unless someone took it away.
    pub fn check(&mut self, who: usize) {
        let replica = &mut self.replicas[who];
        let lost = self.book.lost(replica);
        assert!(lost.is_empty(), "{lost:?} are gone");
        let lost = replica.docs.lost(&replica.tip, &replica.store).unwrap();
        assert!(lost.is_empty(), "{lost:?} are not accounted for");
    }

    /// Posts edits; then the replica shows just that, and every overlap elsewhere is still there.
    pub fn post(&mut self, who: usize, edits: &[FileEdit]) {
        if edits.is_empty() {
            return;
        }
        let replica = &mut self.replicas[who];
        let mut expected: BTreeSet<_> = replica.paths().into_iter().collect();
        for edit in edits {
            if let FileEdit::Remove { path } = edit {
                expected.retain(|file| !super::path(file).is_within(path));
            }
        }
        let before = Sight::of(replica);
        let overlaps = elsewhere(replica, edits);
        let by = replica.post(edits);
        for edit in edits {
            if let FileEdit::Write { path, bytes, executable } = edit {
                assert_eq!(replica.bytes(&path.to_string()), &bytes[..], "{path}");
                assert_eq!(replica.view().files[path].executable, *executable);
                expected.insert(path.to_string());
            }
        }
        assert_eq!(replica.paths(), expected.into_iter().collect::<Vec<_>>());
        assert_eq!(overlaps, elsewhere(replica, edits));
        let after = Sight::of(replica);
        self.book.note(by, &before, &after);
    }

    fn take(&mut self, who: usize, overlap: usize, side: usize) {
        let replica = &mut self.replicas[who];
        let overlaps = replica.view().overlaps.clone();
        if overlaps.is_empty() {
            return;
        }
        let at = overlap % overlaps.len();
        if overlaps[at].kind.is_soft() {
            return;
        }
        let side = side % overlaps[at].alternatives.len();
        let before = Sight::of(replica);
        let draft = replica.docs.take(&replica.tip, at, side, &replica.store).unwrap();
        let by = replica.commit(draft);
        let left = replica.view().overlaps.clone();
        let count = |all: &[Overlap]| all.iter().filter(|other| **other == overlaps[at]).count();
        // Two items of one name that come to the same text are told alike: then one of them is settled.
        assert!(count(&left) < count(&overlaps), "still there: {:?}", overlaps[at]);
        let after = Sight::of(replica);
        self.book.note(by, &before, &after);
    }
}

/// The overlaps inside files that no edit is about.
fn elsewhere(replica: &mut Replica, edits: &[FileEdit]) -> Vec<Overlap> {
    let about = |overlap: &Overlap| edits.iter().any(|edit| overlap.path.is_within(edit.path()));
    let inside = |kind| matches!(kind, OverlapKind::Replace | OverlapKind::BodyEdit | OverlapKind::Split);
    let overlaps = replica.view().overlaps.clone();
    overlaps.into_iter().filter(|overlap| inside(overlap.kind) && !about(overlap)).collect()
}

/// What an act does to the files of a replica.
fn edits(replica: &mut Replica, act: &Act, number: usize) -> Vec<FileEdit> {
    let files = replica.paths();
    if files.is_empty() {
        return vec![write("again.txt", format!("again {}\n", word(number)))];
    }
    let pick = |n: &usize| files[n % files.len()].clone();
    match act {
        Act::Insert(f, _)
        | Act::Delete(f, ..)
        | Act::Change(f, _)
        | Act::Replace(f, _)
        | Act::Shuffle(f, ..)
        | Act::Repeat(f, _)
        | Act::Item(f, _)
        | Act::Chop(f, _) => text_edit(replica, &pick(f), |lines| change(lines, act, &word(number))),
        Act::Carry(f, t, l) => carry(replica, &pick(f), &pick(t), *l),
        Act::Copy(f, t) => to_new_name(replica, &files, &pick(f), *t, false),
        Act::Rename(f, t) => to_new_name(replica, &files, &pick(f), *t, true),
        Act::RenameDir(f, t) => rename_dir(replica, &pick(f), *t),
        Act::Remove(f) => vec![remove(&pick(f))],
        Act::RemoveDir(f) => match pick(f).rsplit_once('/') {
            Some((dir, _)) => vec![remove(dir)],
            None => vec![],
        },
        Act::Add(f, t) => add(replica, NAMES[f % 6], [RUST, PYTHON, TEXT][t % 3], &word(number)),
        Act::Binary(f) => vec![write(&pick(f), format!("\0\x01 {} \x02\n", word(number)))],
        Act::Mode(f) => {
            let executable = !replica.view().files[&path(&pick(f))].executable;
            let bytes = replica.bytes(&pick(f)).into();
            vec![FileEdit::Write { path: path(&pick(f)), bytes, executable }]
        }
        Act::Cut(..) | Act::Whole(..) | Act::Take(..) | Act::Pull(_) | Act::PullSome(..) => vec![],
    }
}

/// A cut or an edit of a leaf that nobody has touched, as far as a replica knows.
fn raw(replica: &mut Replica, f: usize, l: usize, cuts: bool, word: &str) -> Option<Op> {
    let files = replica.paths();
    let at = path(files.get(f % files.len().max(1))?);
    let node = replica.view().files[&at].node;
    let bytes = replica.bytes(&at.to_string());
    let leaf = LeafId::of(node, ContentHash::of(&bytes));
    let ops = replica.changes.iter().flat_map(|change| change.ops.iter());
    let is_body = |op: &Op| matches!(op, Op::Body { node: other, body: Body::Text { content, .. } } if *other == node && *content == ContentHash::of(&bytes));
    let touches = |op: &Op| match op {
        Op::Split(split) => split.leaf == leaf,
        Op::Edit { leaf: other, .. } => *other == leaf,
        _ => false,
    };
    let (known, touched) =
        ops.fold((false, false), |(known, touched), op| (known || is_body(op), touched || touches(op)));
    let mut lines = split(&bytes);
    if !known || touched || lines.len() < 2 {
        return None;
    }
    if !cuts {
        lines.insert(l % lines.len(), format!("// {word}\n").into_bytes());
        return Some(Op::Edit { leaf, epoch: 0, hunks: Leaf::genesis(leaf, &bytes).edit(&lines.concat()) });
    }
    let (mut found, mut start) = (Vec::new(), 0);
    for run in lines.chunks(1 + l % lines.len()) {
        let end = start + run.concat().len() as u32;
        found.push(Cut { depth: 0, kind: NodeKind::Text, name: Vec::new(), start, end });
        start = end;
    }
    Some(Op::Split(Split { leaf, codec: 1, cuts: found }))
}

fn change(lines: &mut Vec<Vec<u8>>, act: &Act, word: &str) {
    let count = lines.len();
    match act {
        Act::Insert(_, l) => lines.insert(l % (count + 1), format!("// {word}\n").into_bytes()),
        Act::Delete(_, l, m) if count > 0 => {
            let start = l % count;
            lines.drain(start..(start + m).min(count));
        }
        Act::Change(_, l) if count > 0 => {
            let line = &mut lines[l % count];
            let end = line.len() - usize::from(line.ends_with(b"\n"));
            line.splice(end..end, format!(" {word}").into_bytes());
        }
        Act::Replace(_, l) if count > 0 => {
            let line = &mut lines[l % count];
            let start = line.iter().position(u8::is_ascii_alphanumeric).unwrap_or(0);
            let length = line[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            line.splice(start..start + length, word.bytes());
        }
        Act::Shuffle(_, l, m) => {
            let start = l % (count + 1);
            let run: Vec<_> = lines.drain(start..(start + 1 + m % 6).min(count)).collect();
            let to = m % (lines.len() + 1);
            lines.splice(to..to, run);
        }
        Act::Repeat(_, l) => {
            let run = paragraph(lines, *l);
            let run: Vec<_> = lines[run].to_vec();
            lines.extend(run);
        }
        Act::Item(_, l) => {
            let text = format!(
                "\nimpl T{word} {{\n    fn get(&self) {{\n        {word};\n    }}\n\n    fn set(&self) {{\n        go();\n    }}\n}}\n"
            );
            let borders: Vec<_> = (0..count).filter(|n| lines[*n] == b"\n").chain([count]).collect();
            let at = borders[l % borders.len()];
            lines.splice(at..at, split(text.as_bytes()));
        }
        Act::Chop(_, true) => lines.clear(),
        Act::Chop(_, false) => {
            if let Some(line) = lines.last_mut() {
                line.pop_if(|byte| *byte == b'\n');
            }
        }
        _ => {}
    }
}

/// The lines around a line, up to the blank ones.
fn paragraph(lines: &[Vec<u8>], near: usize) -> std::ops::Range<usize> {
    if lines.is_empty() {
        return 0..0;
    }
    let near = near % lines.len();
    let blank = |line: &Vec<u8>| line == b"\n";
    let start = lines[..near].iter().rposition(blank).unwrap_or(0);
    let end = lines[near..].iter().skip(1).position(blank).map_or(lines.len(), |at| near + 1 + at);
    start..end
}

fn split(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// A file written anew, its executable bit as it was.
fn rewrite(replica: &mut Replica, at: &str, bytes: Vec<u8>) -> FileEdit {
    let executable = replica.view().files[&path(at)].executable;
    FileEdit::Write { path: path(at), bytes: bytes.into(), executable }
}

fn text_edit(replica: &mut Replica, at: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<FileEdit> {
    let mut lines = split(&replica.bytes(at));
    change(&mut lines);
    vec![rewrite(replica, at, lines.concat())]
}

fn carry(replica: &mut Replica, from: &str, to: &str, near: usize) -> Vec<FileEdit> {
    if from == to {
        return vec![];
    }
    let (mut left, mut right) = (split(&replica.bytes(from)), split(&replica.bytes(to)));
    let run = paragraph(&left, near);
    right.extend(left.drain(run));
    vec![rewrite(replica, from, left.concat()), rewrite(replica, to, right.concat())]
}

fn to_new_name(replica: &mut Replica, files: &[String], from: &str, t: usize, moves: bool) -> Vec<FileEdit> {
    let to = format!("r{}/{}", t % 3, NAMES[t % 6].replace('/', "_"));
    let taken = |file: &String| *file == to || format!("{file}/").starts_with("r0/") || *file == to[..2];
    if files.iter().any(taken) || replica.view().dirs.contains(&path(&to)) {
        return vec![];
    }
    let executable = replica.view().files[&path(from)].executable;
    let bytes = replica.bytes(from).into();
    let there = FileEdit::Write { path: path(&to), bytes, executable };
    if moves { vec![remove(from), there] } else { vec![there] }
}

fn add(replica: &mut Replica, at: &str, text: &str, word: &str) -> Vec<FileEdit> {
    let view = replica.view();
    let blocked = |file: &cairn_crdt::path::RepoPath| path(at) != *file && path(at).is_within(file);
    if view.dirs.contains(&path(at)) || view.files.keys().any(blocked) {
        return vec![];
    }
    vec![write(at, format!("{text}# {word}\n"))]
}

fn rename_dir(replica: &mut Replica, inside: &str, t: usize) -> Vec<FileEdit> {
    let Some((dir, _)) = inside.split_once('/') else { return vec![] };
    let all = replica.paths();
    let folders: Vec<_> = all.iter().filter_map(|file| file.split_once('/')).map(|(dir, _)| dir).collect();
    let other = folders[t % folders.len()];
    let parent = if t.is_multiple_of(3) || other == dir { String::new() } else { format!("{other}/") };
    let to = if parent.is_empty() { format!("n{}", t % 5) } else { format!("{parent}{dir}") };
    let taken = replica.view().dirs.contains(&path(&to)) || all.contains(&to);
    if taken || all.iter().any(|file| format!("{to}/").starts_with(&format!("{file}/"))) {
        return vec![];
    }
    let moved = all.iter().filter_map(|file| Some((file, file.strip_prefix(&format!("{dir}/"))?)));
    let moved: Vec<_> = moved.collect();
    let mut edits = vec![remove(dir)];
    for (file, rest) in moved {
        let executable = replica.view().files[&path(file)].executable;
        let bytes = replica.bytes(file).into();
        edits.push(FileEdit::Write { path: path(&format!("{to}/{rest}")), bytes, executable });
    }
    edits
}
