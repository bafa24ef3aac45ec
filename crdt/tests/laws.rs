//! What must hold whatever anybody writes: one frontier, one view; nothing lost in silence.

mod world;

use std::collections::BTreeSet;

use cairn_crdt::{FileEdit, Frontier};
use proptest::prelude::*;
use world::*;

const RUST: &str = "//! A file.\n\nuse std::fmt;\n\n/// One.\nfn one() {\n    first();\n    second();\n}\n\nstruct S {\n    x: u32,\n}\n\nimpl S {\n    fn get(&self) -> u32 {\n        self.x\n    }\n\n    fn set(&mut self, x: u32) {\n        self.x = x;\n    }\n}\n\nfn two() {\n    third();\n}\n";
const PYTHON: &str = "import os\n\nclass A:\n    x = 1\n\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n\n\ndef top():\n    return A()\n";
const TEXT: &str = "alpha\nbeta\ngamma\ndelta\n";
const NAMES: [&str; 6] = ["a.rs", "d/b.py", "d/c.txt", "e/new.rs", "f", "d/a.rs"];

/// One act of one replica.
#[derive(Debug, Clone)]
enum Act {
    /// Puts a new line behind a line of a file.
    Insert(usize, usize),
    /// Takes a line out.
    Delete(usize, usize),
    /// Changes a word of a line.
    Change(usize, usize),
    /// Moves a run of lines elsewhere in the file.
    Shuffle(usize, usize, usize),
    /// Renames a file.
    Rename(usize, usize),
    /// Renames a folder.
    RenameDir(usize, usize),
    Remove(usize),
    Add(usize, usize),
    Pull(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let n = 0usize..40;
    prop_oneof![
        3 => (n.clone(), n.clone()).prop_map(|(f, l)| Act::Insert(f, l)),
        2 => (n.clone(), n.clone()).prop_map(|(f, l)| Act::Delete(f, l)),
        2 => (n.clone(), n.clone()).prop_map(|(f, l)| Act::Change(f, l)),
        2 => (n.clone(), n.clone(), n.clone()).prop_map(|(f, l, m)| Act::Shuffle(f, l, m)),
        1 => (n.clone(), n.clone()).prop_map(|(f, t)| Act::Rename(f, t)),
        1 => (n.clone(), n.clone()).prop_map(|(f, t)| Act::RenameDir(f, t)),
        1 => n.clone().prop_map(Act::Remove),
        1 => (n.clone(), n.clone()).prop_map(|(f, t)| Act::Add(f, t)),
        3 => n.prop_map(Act::Pull),
    ]
}

fn programs() -> impl Strategy<Value = Vec<(usize, Act)>> {
    proptest::collection::vec((0usize..3, act()), 1..14)
}

fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// What a replica writes for an act, and a check that it then shows just that.
fn perform(replica: &mut Replica, act: &Act, mark: usize) {
    let files = replica.paths();
    if files.is_empty() {
        replica.post(&[write("again.txt", format!("again {mark}\n"))]);
        return;
    }
    let pick = |n: usize| files[n % files.len()].clone();
    let edits = match act {
        Act::Insert(f, l) => text_edit(replica, &pick(*f), |lines| {
            let at = l % (lines.len() + 1);
            lines.insert(at, format!("// mark{mark}\n").into_bytes());
        }),
        Act::Delete(f, l) => text_edit(replica, &pick(*f), |lines| {
            if !lines.is_empty() {
                lines.remove(l % lines.len());
            }
        }),
        Act::Change(f, l) => text_edit(replica, &pick(*f), |lines| {
            if let Some(line) = lines.get_mut(l % 30) {
                let end = line.len().saturating_sub(1);
                line.splice(end..end, format!(" w{mark}").into_bytes());
            }
        }),
        Act::Shuffle(f, l, m) => text_edit(replica, &pick(*f), |lines| {
            let start = l % (lines.len() + 1);
            let run: Vec<_> = lines.drain(start..(start + 1 + m % 6).min(lines.len())).collect();
            let to = m % (lines.len() + 1);
            lines.splice(to..to, run);
        }),
        Act::Rename(f, t) => {
            let (from, to) = (pick(*f), format!("r{}/{}", t % 3, NAMES[t % 6].replace('/', "_")));
            let bytes = replica.bytes(&from);
            if files.contains(&to) { vec![] } else { vec![remove(&from), write(&to, bytes)] }
        }
        Act::RenameDir(f, t) => rename_dir(replica, &pick(*f), *t),
        Act::Remove(f) => vec![remove(&pick(*f))],
        Act::Add(f, t) => {
            let path = NAMES[f % 6];
            let text = [RUST, PYTHON, TEXT][t % 3];
            let fits = !replica.view().dirs.contains(&world::path(path));
            if fits { vec![write(path, format!("{text}# {mark}\n"))] } else { vec![] }
        }
        Act::Pull(_) => vec![],
    };
    post_checked(replica, &edits);
}

fn text_edit(replica: &mut Replica, path: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<FileEdit> {
    let mut lines = lines(&replica.bytes(path));
    change(&mut lines);
    vec![write(path, lines.concat())]
}

fn rename_dir(replica: &mut Replica, inside: &str, t: usize) -> Vec<FileEdit> {
    let Some((dir, _)) = inside.split_once('/') else { return vec![] };
    let parent = ["", "d/", "e/", "r0/"][t % 4];
    let to = format!("{parent}n{}", t % 5);
    if to.starts_with(&format!("{dir}/")) || replica.view().dirs.contains(&path(&to)) {
        return vec![];
    }
    let all = replica.paths();
    if all.iter().any(|file| format!("{to}/").starts_with(&format!("{file}/"))) {
        return vec![];
    }
    let moved: Vec<_> =
        all.iter().filter_map(|file| Some((file, file.strip_prefix(&format!("{dir}/"))?))).collect();
    let mut edits = vec![remove(dir)];
    for (file, rest) in moved {
        let bytes = replica.bytes(file);
        edits.push(write(&format!("{to}/{rest}"), bytes));
    }
    edits
}

fn post_checked(replica: &mut Replica, edits: &[FileEdit]) {
    if edits.is_empty() {
        return;
    }
    let mut expected: BTreeSet<_> = replica.paths().into_iter().collect();
    for edit in edits {
        if let FileEdit::Remove { path } = edit {
            expected.retain(|file| !world::path(file).is_within(path));
        }
    }
    replica.post(edits);
    for edit in edits {
        if let FileEdit::Write { path, bytes, .. } = edit {
            assert_eq!(replica.bytes(&path.to_string()), &bytes[..], "{path}");
            expected.insert(path.to_string());
        }
    }
    assert_eq!(replica.paths(), expected.into_iter().collect::<Vec<_>>());
}

fn start() -> Vec<Replica> {
    let mut first = Replica::new(1);
    first.post(&[
        write("a.rs", RUST),
        write("d/b.py", PYTHON),
        write("d/c.txt", TEXT),
        write("e/x.txt", TEXT),
    ]);
    let others = (2..4).map(|name| first.fork(name)).collect::<Vec<_>>();
    std::iter::once(first).chain(others).collect()
}

fn run(program: &[(usize, Act)]) -> Vec<Replica> {
    let mut replicas = start();
    for (mark, (who, act)) in program.iter().enumerate() {
        if let Act::Pull(from) = act {
            let (who, from) = (who % 3, from % 3);
            if who != from {
                let other = replicas[from].fork(9);
                replicas[who].pull(&other);
            }
        } else {
            perform(&mut replicas[*who], act, mark);
        }
    }
    replicas
}

/// Everything that anybody wrote, shown by replicas that got it in different orders.
fn shown_everywhere(replicas: &[Replica], seed: u64) -> (Replica, String) {
    let mut changes = Vec::new();
    let mut store = Store::default();
    for replica in replicas {
        store.0.extend(replica.store.0.clone());
        for change in &replica.changes {
            if !changes.iter().any(|other: &cairn_crdt::Change| other.id == change.id) {
                changes.push(change.clone());
            }
        }
    }
    let heads: Vec<_> = changes.iter().map(|change| change.id).collect();
    let mut seen = None;
    let mut last = None;
    for order in 0..3u64 {
        let mut reader = Replica::new(50);
        reader.store = store.clone();
        let mut left = changes.clone();
        let mut state = seed ^ order.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        while !left.is_empty() {
            let ready: Vec<_> = (0..left.len())
                .filter(|n| left[*n].parents.iter().all(|parent| reader.docs.contains(parent)))
                .collect();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let change = left.remove(ready[(state >> 33) as usize % ready.len()]);
            reader.docs.insert(change.clone()).expect("parents are here");
            reader.tip = reader
                .docs
                .frontier_of(reader.tip.heads().iter().copied().chain([change.id]).collect::<Vec<_>>());
            reader.changes.push(change);
            if order > 0 && state & 0x300 == 0 {
                reader.view();
            }
        }
        assert_eq!(reader.tip, reader.docs.frontier_of(heads.clone()));
        let view = reader.view();
        let mut text = String::new();
        for path in view.files.keys() {
            text += &String::from_utf8_lossy(&reader.bytes(&path.to_string()));
        }
        for overlap in &view.overlaps {
            for side in &overlap.alternatives {
                text += &String::from_utf8_lossy(&side.bytes);
                text += "\n";
            }
        }
        match &seen {
            None => seen = Some((view, text.clone())),
            Some((one, _)) => assert_eq!(**one, *view),
        }
        last = Some((reader, text));
    }
    last.expect("three orders")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_frontier_has_one_view(program in programs(), seed: u64) {
        let replicas = run(&program);
        shown_everywhere(&replicas, seed);
    }

    #[test]
    fn a_line_that_nobody_deletes_is_shown_or_in_an_overlap(program in programs(), seed: u64) {
        let kind = |act: &Act| matches!(act, Act::Insert(..) | Act::Rename(..) | Act::RenameDir(..) | Act::Pull(..));
        let program: Vec<_> = program.into_iter().filter(|(_, act)| kind(act)).collect();
        let replicas = run(&program);
        let (_, text) = shown_everywhere(&replicas, seed);
        for (mark, (_, act)) in program.iter().enumerate() {
            if matches!(act, Act::Insert(..)) {
                prop_assert!(text.contains(&format!("mark{mark}\n")), "mark{mark} is gone");
            }
        }
    }

    #[test]
    fn a_draft_on_any_merge_shows_what_was_asked_for(program in programs(), f in 0usize..40, l in 0usize..40) {
        let replicas = run(&program);
        let (mut reader, _) = shown_everywhere(&replicas, 7);
        perform(&mut reader, &Act::Insert(f, l), 900);
        perform(&mut reader, &Act::Shuffle(f, l, 3), 901);
        perform(&mut reader, &Act::Remove(l), 902);
        prop_assert!(reader.tip != Frontier::empty());
    }
}

/// More when asked for at build time.
fn cases() -> u32 {
    option_env!("CAIRN_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(24)
}
