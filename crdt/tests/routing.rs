//! Edits of a text that others cut at the same time.
#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

mod world;

use cairn_crdt::Draft;
use cairn_crdt::id::{ContentHash, LeafId};
use cairn_crdt::leaf::Leaf;
use cairn_crdt::op::{Cut, NodeKind, Op, Split};
use world::*;

const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\n";

fn leaf(replica: &mut Replica) -> LeafId {
    LeafId::of(replica.view().files[&path("x.txt")].node, ContentHash::of(TEXT.as_bytes()))
}

/// Cuts the text before these lines.
fn cut(replica: &mut Replica, codec: u16, before: &[&str]) {
    let starts = before.iter().map(|line| TEXT.find(line).unwrap() as u32);
    let borders: Vec<_> = [0].into_iter().chain(starts).chain([TEXT.len() as u32]).collect();
    let piece =
        |ends: &[u32]| Cut { depth: 0, kind: NodeKind::Text, name: vec![], start: ends[0], end: ends[1] };
    let cuts = borders.windows(2).map(piece).collect();
    let split = Op::Split(Split { leaf: leaf(replica), codec, cuts });
    replica.commit(Draft { ops: vec![split], contents: vec![] });
}

/// Edits the text as one leaf.
fn edit_whole(replica: &mut Replica, new: &str) {
    let leaf = leaf(replica);
    let hunks = Leaf::genesis(leaf, TEXT.as_bytes()).edit(new.as_bytes());
    replica.commit(Draft { ops: vec![Op::Edit { leaf, epoch: 0, hunks }], contents: vec![] });
    assert_eq!(replica.read("x.txt"), new);
}

fn agree(a: &mut Replica, b: &mut Replica, text: &str) {
    let view = merge(a, b);
    assert!(hard(&view).is_empty(), "{:?}", view.overlaps);
    assert_eq!(a.read("x.txt"), text);
    assert_eq!(a.docs.lost(&a.tip, &a.store).unwrap(), []);
}

#[test]
fn an_edit_of_the_whole_goes_to_the_piece() {
    let (mut a, mut b) = pair(&[("x.txt", TEXT)]);
    cut(&mut a, 1, &["three", "five"]);
    a.post(&[write("x.txt", TEXT.replace("one", "ONE"))]);
    edit_whole(&mut b, &TEXT.replace("four", "4").replace("six\n", "six\nseven\n"));
    agree(&mut a, &mut b, "ONE\ntwo\nthree\n4\nfive\nsix\nseven\n");
    b.post(&[write("x.txt", "ONE\ntwo\nthree\n44\nfive\nsix\n7\n")]);
    agree(&mut a, &mut b, "ONE\ntwo\nthree\n44\nfive\nsix\n7\n");
}

#[test]
fn an_edit_across_a_cut_is_divided() {
    let (mut a, mut b) = pair(&[("x.txt", TEXT)]);
    cut(&mut a, 1, &["three", "five"]);
    a.post(&[write("x.txt", TEXT.replace("six", "SIX"))]);
    edit_whole(&mut b, &TEXT.replace("two\nthree\nfour\nfive\n", "2\n3\n"));
    agree(&mut a, &mut b, "one\n2\n3\nSIX\n");
}

#[test]
fn two_ways_to_cut_one_text_meet() {
    for (one, two) in [(1, 1), (1, 2), (2, 1)] {
        let (mut a, mut b) = pair(&[("x.txt", TEXT)]);
        cut(&mut a, one, &["three", "five"]);
        a.post(&[write("x.txt", TEXT.replace("one", "ONE").replace("six", "SIX"))]);
        cut(&mut b, two, &["two", "four"]);
        b.post(&[write("x.txt", TEXT.replace("four", "4"))]);
        b.post(&[write("x.txt", TEXT.replace("four", "44").replace("three", "3"))]);
        agree(&mut a, &mut b, "ONE\ntwo\n3\n44\nfive\nSIX\n");
        a.post(&[write("x.txt", "ONE\ntwo\n44\nfive\nSIX\nend\n")]);
        agree(&mut a, &mut b, "ONE\ntwo\n44\nfive\nSIX\nend\n");
    }
}

#[test]
fn an_overlap_across_ways_to_cut_is_one_overlap_and_can_be_settled() {
    let (mut a, mut b) = pair(&[("x.txt", TEXT)]);
    cut(&mut a, 1, &["three", "five"]);
    a.post(&[write("x.txt", TEXT.replace("four", "44"))]);
    edit_whole(&mut b, &TEXT.replace("four", "4000"));
    let view = merge(&mut a, &mut b);
    assert_eq!(hard(&view).len(), 1, "{:?}", view.overlaps);
    assert_eq!(a.read("x.txt"), TEXT.replace("four", "44"));
    let mut c = a.fork(3);
    c.post(&[write("x.txt", TEXT.replace("four", "444"))]);
    assert!(hard(&c.view()).is_empty());
    let taken = a.docs.take(&a.tip, 0, 1, &a.store).unwrap();
    a.commit(taken);
    assert!(hard(&a.view()).is_empty());
    assert_eq!(a.read("x.txt"), TEXT.replace("four", "4000"));
}

#[test]
fn three_ways_to_cut_meet_in_every_order() {
    let (mut a, mut b) = pair(&[("x.txt", TEXT)]);
    let mut c = a.fork(3);
    cut(&mut a, 3, &["three", "five"]);
    a.post(&[write("x.txt", TEXT.replace("one", "ONE"))]);
    cut(&mut b, 2, &["two", "four"]);
    b.post(&[write("x.txt", TEXT.replace("four", "4"))]);
    cut(&mut c, 1, &["six"]);
    c.post(&[write("x.txt", TEXT.replace("six", "6"))]);
    let all = "ONE\ntwo\nthree\n4\nfive\n6\n";
    let (mut ab, mut bc) = (a.fork(4), b.fork(5));
    ab.pull(&b);
    bc.pull(&c);
    // What is written on top of two ways to cut still stands when the third arrives.
    ab.post(&[write("x.txt", "ONE\ntwo\nthree\n44\nfive\nsix\n")]);
    bc.post(&[write("x.txt", "one\ntwo\nthree\n4\nfive\n6\nend\n")]);
    agree(&mut ab, &mut bc, &(all.replace('4', "44") + "end\n"));
    agree(&mut a, &mut bc, &(all.replace('4', "44") + "end\n"));
    agree(&mut c, &mut a, &(all.replace('4', "44") + "end\n"));
}

#[test]
fn moves_of_pieces_that_the_other_side_does_not_have_are_told() {
    let code = "fn one() {\n    1;\n}\n\nfn two() {\n    2;\n}\n\nfn three() {\n    3;\n}\n";
    let (mut a, mut b) = pair(&[("x.rs", code)]);
    a.post(&[write("x.rs", code.replace("fn two() {\n    2;\n}\n\n", "") + "\nfn two() {\n    22;\n}\n")]);
    // Another program cuts the text line by line.
    let leaf = LeafId::of(b.view().files[&path("x.rs")].node, ContentHash::of(code.as_bytes()));
    let (mut cuts, mut start) = (Vec::new(), 0);
    for line in code.split_inclusive('\n') {
        let end = start + line.len() as u32;
        cuts.push(Cut { depth: 0, kind: NodeKind::Text, name: vec![], start, end });
        start = end;
    }
    b.commit(Draft { ops: vec![Op::Split(Split { leaf, codec: 1, cuts })], contents: vec![] });
    b.post(&[write("x.rs", code.replace("    3;", "    33;"))]);
    merge(&mut a, &mut b);
    // The side that moved something keeps its pieces, and the edit of the other follows.
    let shown = a.read("x.rs");
    assert!(shown.contains("    22;\n") && shown.contains("    33;\n"), "{shown}");
    assert_eq!(a.docs.lost(&a.tip, &a.store).unwrap(), []);
}

#[test]
fn what_was_written_on_top_of_two_ways_to_cut_stays_when_the_other_way_is_chosen() {
    let code = "// head\n\nfn one() {\n    1;\n}\n\nfn two() {\n    2;\n}\n";
    let (mut a, mut b) = pair(&[("x.rs", code)]);
    let mut c = a.fork(3);
    a.post(&[write("x.rs", &code[..code.find("\nfn two").unwrap()])]);
    b.post(&[write("x.rs", format!("// new\n{code}"))]);
    let leaf = LeafId::of(c.view().files[&path("x.rs")].node, ContentHash::of(code.as_bytes()));
    let half = code.find("\nfn two").unwrap() as u32;
    let piece = |start, end| Cut { depth: 0, kind: NodeKind::Text, name: vec![], start, end };
    let cuts = vec![piece(0, half), piece(half, code.len() as u32)];
    c.commit(Draft { ops: vec![Op::Split(Split { leaf, codec: 1, cuts })], contents: vec![] });
    c.pull(&b);
    c.post(&[write("x.rs", format!("// newest\n// new\n{code}"))]);
    c.pull(&b);
    merge(&mut a, &mut c);
    assert!(a.read("x.rs").starts_with("// newest\n// new\n// head\n"), "{}", a.read("x.rs"));
    assert_eq!(a.docs.lost(&a.tip, &a.store).unwrap(), []);
}
