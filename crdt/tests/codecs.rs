//! A file that becomes known to a better codec keeps its node, its history and what others wrote meanwhile.

mod world;

use cairn_crdt::op::{NodeKind, Op};
use world::*;

const TEXT: &str = "fn one() {\n    first();\n}\n\nfn two() {\n    second();\n}\n";

fn node(replica: &mut Replica, at: &str) -> cairn_crdt::id::NodeId {
    replica.view().files.get(&path(at)).map(|file| file.node).expect("a file")
}

/// The codec and the words of the items of the last split.
fn last_split(replica: &Replica) -> Option<(u16, usize)> {
    let ops = replica.changes.iter().flat_map(|change| change.ops.iter());
    let mut splits = ops.filter_map(|op| if let Op::Split(split) = op { Some(split) } else { None });
    let items = |kind: &NodeKind| matches!(kind, NodeKind::Item(_));
    splits.next_back().map(|split| (split.codec, split.cuts.iter().filter(|cut| items(&cut.kind)).count()))
}

#[test]
fn a_text_that_nobody_cut_is_cut_by_the_language_that_its_name_tells_now() {
    let (mut a, mut b) = pair(&[("notes.txt", TEXT)]);
    let before = node(&mut a, "notes.txt");
    a.post(&[remove("notes.txt"), write("notes.rs", TEXT)]);
    a.post(&[write("notes.rs", TEXT.replace("first", "other"))]);
    assert_eq!(last_split(&a), Some((2, 2)));
    b.post(&[write("notes.txt", TEXT.replace("second", "third"))]);
    merge(&mut a, &mut b);
    assert_eq!(node(&mut a, "notes.rs"), before);
    assert!(a.read("notes.rs").contains("third"));
}

#[test]
fn a_text_that_was_cut_by_lines_keeps_its_pieces_under_a_name_with_a_language() {
    let (mut a, _) = pair(&[("notes.txt", TEXT)]);
    let before = node(&mut a, "notes.txt");
    a.post(&[write("notes.txt", TEXT.replace("first", "other"))]);
    a.post(&[remove("notes.txt"), write("notes.rs", TEXT.replace("first", "other"))]);
    let mut b = a.fork(3);
    a.post(&[write("notes.rs", TEXT.replace("first", "another"))]);
    b.post(&[write("notes.rs", TEXT.replace("first", "other").replace("second", "third"))]);
    assert_eq!(last_split(&a), Some((1, 0)));
    merge(&mut a, &mut b);
    assert_eq!(node(&mut a, "notes.rs"), before);
    assert_eq!(a.read("notes.rs"), TEXT.replace("first", "another").replace("second", "third"));
}

/// Pieces are cut once; an epoch begins them anew, by what the name tells then.
#[test]
fn a_text_that_was_cut_by_lines_is_cut_into_items_from_the_next_epoch_on() {
    let (mut a, _) = pair(&[("notes.txt", TEXT)]);
    let before = node(&mut a, "notes.txt");
    a.post(&[write("notes.txt", TEXT.replace("first", "other"))]);
    a.post(&[remove("notes.txt"), write("notes.rs", TEXT.replace("first", "other"))]);
    a.restart();
    let mut b = a.fork(3);
    a.post(&[write("notes.rs", TEXT.replace("first", "another"))]);
    assert_eq!(last_split(&a), Some((2, 2)));
    let moved = "fn two() {\n    second();\n}\n\nfn one() {\n    other();\n}\n";
    b.post(&[write("notes.rs", moved)]);
    merge(&mut a, &mut b);
    assert_eq!(node(&mut a, "notes.rs"), before);
    assert_eq!(a.read("notes.rs"), moved.replace("other", "another"));
}
