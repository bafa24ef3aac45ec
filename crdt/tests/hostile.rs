//! What a hostile writer may say: refused by what it says, or without effect, never a panic.

mod world;

use cairn_crdt::error::Invalid;
use cairn_crdt::hunk::{Hunk, Origin, Run, TokenId};
use cairn_crdt::id::{ContentHash, HunkId, LeafId, NodeId, ProjectId, WaypointId};
use cairn_crdt::op::{Body, Cut, NodeKind, Op, Place, Split};
use cairn_crdt::{Change, CrdtError, Draft};
use world::*;

fn node(n: u32) -> NodeId {
    NodeId(*ContentHash::of(&n.to_le_bytes()).as_bytes())
}

fn put(n: NodeId, parent: NodeId, kind: NodeKind, name: &str) -> Op {
    let place = Place { parent, position: vec![1], name: name.into(), kind };
    Op::Place { node: n, place: Some(place) }
}

fn refused(op: Op) -> Invalid {
    let mut a = Replica::new(1);
    let change = Change { id: WaypointId([1; 32]), parents: vec![], ops: vec![op].into() };
    match a.docs.insert(change) {
        Err(CrdtError::Invalid { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

fn file(a: &mut Replica) -> (NodeId, LeafId) {
    let node = a.view().files[&path("a.txt")].node;
    (node, LeafId::of(node, ContentHash::of(b"one two\n")))
}

fn say(a: &mut Replica, ops: Vec<Op>) {
    a.commit(Draft { ops, contents: Vec::new() });
}

#[test]
fn impossible_operations_are_refused() {
    let root = NodeId::project_root(ProjectId([9; 32]));
    assert_eq!(refused(put(root, node(1), NodeKind::Dir, "x")), Invalid::Place(root));
    assert_eq!(refused(put(node(1), node(1), NodeKind::Dir, "x")), Invalid::Place(node(1)));
    let leaf = LeafId([3; 32]);
    let cut = Cut { depth: 0, kind: NodeKind::Text, name: vec![], start: 1, end: 2 };
    assert_eq!(refused(Op::Split(Split { leaf, codec: 1, cuts: vec![cut] })), Invalid::Cuts(leaf));
    assert_eq!(refused(Op::Edit { leaf, epoch: 7, hunks: vec![] }), Invalid::Epoch(leaf));
    let body = Body::Text { content: ContentHash::of(b""), bytes: 1 << 40, codec: 1 };
    assert_eq!(refused(Op::Body { node: node(1), body }), Invalid::Text(node(1)));
}

#[test]
fn hunks_that_name_nothing_have_no_effect() {
    let (mut a, _) = pair(&[("a.txt", "one two\n")]);
    let (_, leaf) = file(&mut a);
    let far = |origin, first| Hunk {
        after: None,
        before: None,
        deleted: vec![Run { origin, first, count: 3 }],
        inserted: vec![b"x".to_vec()],
        settles: vec![],
        nonce: 0,
    };
    let lost = far(Origin::Hunk(HunkId([5; 32])), 0);
    let wide = far(Origin::Genesis, u32::MAX - 3);
    let after = Some(TokenId { origin: Origin::Hunk(wide.id(leaf)), index: 0 });
    let on_it = Hunk { after, deleted: vec![], ..wide.clone() };
    say(&mut a, vec![Op::Edit { leaf, epoch: 0, hunks: vec![lost, wide, on_it] }]);
    assert_eq!(a.read("a.txt"), "one two\n");
    a.post(&[write("a.txt", "one two three\n")]);
    assert_eq!(a.read("a.txt"), "one two three\n");
}

#[test]
fn a_split_of_another_length_has_no_effect() {
    let (mut a, _) = pair(&[("a.txt", "one two\n")]);
    let (_, leaf) = file(&mut a);
    let cut = Cut { depth: 0, kind: NodeKind::Text, name: vec![], start: 0, end: 4 };
    say(&mut a, vec![Op::Split(Split { leaf, codec: 1, cuts: vec![cut] })]);
    assert_eq!(a.read("a.txt"), "one two\n");
    a.post(&[write("a.txt", "one\n")]);
    assert_eq!(a.read("a.txt"), "one\n");
}

#[test]
fn items_in_items_a_thousand_deep_are_shown() {
    let (mut a, _) = pair(&[("a.txt", "one two\n")]);
    let (_, leaf) = file(&mut a);
    let mut ops = Vec::new();
    let mut parent = NodeId::inside(leaf);
    for n in 0..5000 {
        ops.push(put(node(n), parent, NodeKind::Item("fn".into()), "f"));
        parent = node(n);
    }
    ops.push(put(node(9000), node(9001), NodeKind::File, "lost"));
    ops.push(put(node(9100), node(9101), NodeKind::Dir, "x"));
    ops.push(put(node(9101), node(9100), NodeKind::Dir, "y"));
    say(&mut a, ops);
    assert_eq!(a.read("a.txt"), "one two\n");
    assert!(a.paths().contains(&"lost".to_owned()));
    assert_eq!(a.view().dirs.len(), 2);
}

#[test]
fn folders_deeper_than_any_path_are_shown_in_the_root() {
    let (mut a, _) = pair(&[("a.txt", "one two\n")]);
    let mut ops = vec![put(node(0), NodeId::project_root(ProjectId([9; 32])), NodeKind::Dir, "d")];
    ops.extend((1..700).map(|n| put(node(n), node(n - 1), NodeKind::Dir, "d")));
    say(&mut a, ops);
    assert_eq!(a.view().dirs.len(), 700);
}
