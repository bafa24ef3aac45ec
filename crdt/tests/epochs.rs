//! Epochs: what begins anew shows the same, needs nothing older, and late branches are carried over.
#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use cairn_crdt::{Carried, CrdtError, Documents, FileEdit, Frontier};
use world::{Replica, pair, path, remove, write};

const CODE: &str =
    "fn one() -> u8 {\n    1\n}\n\nfn two() -> u8 {\n    2\n}\n\nfn three() -> u8 {\n    3\n}\n";

fn code(one: u8, two: u8, three: u8) -> String {
    let body = |name: &str, n: u8| format!("fn {name}() -> u8 {{\n    {n}\n}}\n");
    [body("one", one), body("two", two), body("three", three)].join("\n")
}

/// Carries what `late` stands on over to where `onto` stands, and posts it there.
fn carry(onto: &mut Replica, late: &Frontier, marked: &Frontier, epoch: &Frontier) -> Carried {
    let carried = onto.docs.carry(late, marked, epoch, &onto.store).unwrap();
    let tip = std::mem::replace(&mut onto.tip, epoch.clone());
    onto.commit(carried.draft.clone());
    let heads = tip.heads().iter().chain(onto.tip.heads()).copied().collect::<Vec<_>>();
    onto.tip = onto.docs.frontier_of(heads);
    carried
}

/// What a node knows that has forgotten everything below the last epoch of `full`.
fn forgetful(full: &Replica) -> Replica {
    let mut other = Replica::new(99);
    let needed = full.docs.needed(full.tip.heads());
    let named = full.docs.named(&needed, &full.store).unwrap();
    other.store.extend(
        full.store.iter().filter(|(content, _)| named.contains(content)).map(|(c, b)| (*c, b.clone())),
    );
    for change in &full.changes {
        if !needed.contains(&change.id) {
            other
                .docs
                .insert_faded(change.id, &change.parents, full.restarts.contains(&change.id).then_some(0))
                .unwrap();
        } else if full.restarts.contains(&change.id) {
            other.docs.restart(change.clone(), 0).unwrap();
        } else {
            other.docs.insert(change.clone()).unwrap();
        }
    }
    other.tip = full.tip.clone();
    other
}

#[test]
fn an_epoch_shows_what_was_there_and_needs_nothing_older() {
    let (mut a, _) = pair(&[("a.rs", CODE), ("bin", "\0\u{1}"), ("dir/x.txt", "x\n")]);
    a.post(&[write("a.rs", code(7, 2, 3))]);
    a.post(&[FileEdit::Dir { path: path("empty") }, remove("dir/x.txt")]);
    a.post(&[FileEdit::Write { path: path("run.sh"), bytes: b"#!/bin/sh\n"[..].into(), executable: true }]);
    a.post(&[FileEdit::Link { path: path("link"), target: b"a.rs".to_vec() }, write("nothing", "")]);
    let before = a.view();
    a.restart();
    let after = a.view();
    assert_eq!((before.root, &before.files), (after.root, &after.files));
    let mut b = forgetful(&a);
    assert_eq!(*b.view(), *after);
    assert_eq!(b.read("a.rs"), code(7, 2, 3));
    a.post(&[write("a.rs", code(7, 8, 3))]);
    let mut b = forgetful(&a);
    assert_eq!((b.view().root, b.read("a.rs")), (a.view().root, code(7, 8, 3)));
}

#[test]
fn what_needs_what_has_faded_is_refused_by_name() {
    let (mut a, _) = pair(&[("a.rs", CODE)]);
    let old = a.tip.clone();
    a.post(&[write("a.rs", code(7, 2, 3))]);
    a.restart();
    let mut b = forgetful(&a);
    let first = old.heads()[0];
    assert_eq!(b.docs.view(&old, &b.store).unwrap_err(), CrdtError::Faded(first));
    assert!(b.docs.is_faded(&first));
}

#[test]
fn an_epoch_never_begins_on_an_unsettled_overlap() {
    let (mut a, mut b) = pair(&[("a.txt", "x = 100\n")]);
    a.post(&[write("a.txt", "x = 200\n")]);
    b.post(&[write("a.txt", "x = 150\n")]);
    a.pull(&b);
    assert_eq!(a.docs.snapshot(&a.tip, &a.store).unwrap_err(), CrdtError::Unsettled(1));
}

#[test]
fn nothing_enters_an_epoch_by_itself() {
    let (mut a, mut b) = pair(&[("a.rs", CODE)]);
    b.post(&[write("a.rs", code(1, 2, 9))]);
    a.post(&[write("a.rs", code(7, 2, 3))]);
    a.restart();
    let late = b.tip.clone();
    b.pull(&a);
    a.pull(&b);
    assert_eq!(b.tip, a.tip, "the epoch counts");
    assert_eq!(b.read("a.rs"), code(7, 2, 3));
    let both: Frontier = a.tip.heads().iter().chain(late.heads()).copied().collect();
    assert_eq!(a.docs.view(&both, &a.store).unwrap_err(), CrdtError::Epochs);
    let spanning = Documents::insert(
        &mut a.docs,
        cairn_crdt::Change {
            id: cairn_crdt::id::WaypointId([7; 32]),
            parents: both.heads().to_vec(),
            ops: [].into(),
        },
    );
    assert!(matches!(spanning, Err(CrdtError::Invalid { .. })), "a waypoint that spans epochs is refused");
}

#[test]
fn a_late_branch_is_carried_over_exactly() {
    let (mut a, mut b) = pair(&[("a.rs", CODE), ("gone.txt", "1\n2\n3\n")]);
    b.post(&[write("a.rs", code(1, 2, 9)), write("new.txt", "new\n"), remove("gone.txt")]);
    a.post(&[write("a.rs", code(7, 2, 3))]);
    let marked = a.tip.clone();
    let epoch = Frontier::from_iter([a.restart()]);
    a.post(&[write("a.rs", code(7, 8, 3))]);
    let late = b.tip.clone();
    b.pull(&a);
    let carried = carry(&mut b, &late, &marked, &epoch);
    assert!(carried.met.is_empty());
    assert_eq!(b.read("a.rs"), code(7, 8, 9));
    assert_eq!(b.paths(), ["a.rs", "new.txt"]);
}

#[test]
fn two_nodes_that_carry_the_same_branch_over_agree() {
    let (mut a, mut b) = pair(&[("a.rs", CODE)]);
    b.post(&[write("a.rs", code(1, 2, 9)), write("new.txt", "new\n")]);
    a.post(&[write("a.rs", code(7, 2, 3))]);
    let marked = a.tip.clone();
    let epoch = Frontier::from_iter([a.restart()]);
    let late = b.tip.clone();
    a.pull(&b);
    b.pull(&a);
    carry(&mut a, &late, &marked, &epoch);
    carry(&mut b, &late, &marked, &epoch);
    a.pull(&b);
    b.pull(&a);
    assert_eq!(a.view(), b.view());
    assert_eq!(a.read("a.rs"), code(7, 2, 9));
    assert_eq!(a.read("new.txt"), "new\n");
}

#[test]
fn a_late_branch_on_a_late_branch_follows_it() {
    let (mut a, mut b) = pair(&[("a.rs", CODE)]);
    b.post(&[write("a.rs", code(1, 9, 3))]);
    let mut c = b.fork(3);
    c.post(&[write("a.rs", code(1, 9, 9))]);
    a.post(&[write("a.rs", code(7, 2, 3))]);
    let marked = a.tip.clone();
    let epoch = Frontier::from_iter([a.restart()]);
    for late in [&b, &c] {
        let tip = late.tip.clone();
        a.docs_only(late);
        carry(&mut a, &tip, &marked, &epoch);
    }
    assert_eq!(a.read("a.rs"), code(7, 9, 9));
}

#[test]
fn two_epochs_begun_side_by_side_come_to_one_and_lose_nothing() {
    let (mut a, mut b) = pair(&[("a.rs", CODE)]);
    a.post(&[write("a.rs", code(7, 2, 3))]);
    let marked_a = a.tip.clone();
    b.post(&[write("a.rs", code(1, 2, 9))]);
    let marked_b = b.tip.clone();
    let (epoch_a, epoch_b) = (a.restart(), b.restart());
    b.post(&[write("b.txt", "on the other epoch\n")]);
    a.post(&[write("c.txt", "on the one epoch\n")]);
    let (late_a, late_b) = (a.tip.clone(), b.tip.clone());
    a.pull(&b);
    b.pull(&a);
    assert_eq!(a.tip, b.tip, "both nodes choose the same epoch");
    let (marked, epoch, late) = match a.docs.epoch(&a.tip.heads()[0]) == Some(epoch_a) {
        true => (marked_a, epoch_a, late_b),
        false => (marked_b, epoch_b, late_a),
    };
    let carried = carry(&mut a, &late, &marked, &Frontier::from_iter([epoch]));
    assert!(carried.met.is_empty());
    assert_eq!(a.read("a.rs"), code(7, 2, 9));
    assert_eq!(a.paths(), ["a.rs", "b.txt", "c.txt"]);
}

#[test]
fn a_branch_that_slept_through_epochs_meets_only_where_both_wrote() {
    let (mut a, mut b) = pair(&[("a.rs", CODE), ("old.rs", "fn old() {}\n")]);
    b.post(&[write("a.rs", code(1, 2, 9)), write("old.rs", "fn old() { 1 }\n")]);
    let late = b.tip.clone();
    for n in 10..13 {
        a.post(&[write("a.rs", code(n, 2, 3))]);
        a.restart();
    }
    a.post(&[remove("old.rs"), write("moved.rs", "fn old() {}\n")]);
    // The node that slept gets the epochs without what lies below them.
    let known = b.docs.ancestors(&late).collect::<Vec<_>>();
    let needed = a.docs.needed(a.tip.heads());
    b.store.extend(a.store.clone());
    for change in &a.changes {
        if known.contains(&change.id) {
            continue;
        }
        if !needed.contains(&change.id) {
            b.docs
                .insert_faded(change.id, &change.parents, a.restarts.contains(&change.id).then_some(0))
                .unwrap();
        } else if a.restarts.contains(&change.id) {
            b.docs.restart(change.clone(), 0).unwrap();
        } else {
            b.docs.insert(change.clone()).unwrap();
        }
    }
    b.tip = a.tip.clone();
    let epoch = Frontier::from_iter([b.docs.epoch(&b.tip.heads()[0]).unwrap()]);
    let marked: Frontier = b.docs.parents(&epoch.heads()[0]).iter().copied().collect();
    let tip = b.tip.clone();
    let carried = carry(&mut b, &late, &marked, &tip);
    assert!(carried.met.is_empty(), "{:?}", carried.met);
    assert_eq!(b.read("a.rs"), code(12, 2, 9));
    assert_eq!(b.read("moved.rs"), "fn old() { 1 }\n", "the edit follows a file renamed in the meantime");
}

#[test]
fn a_late_edit_of_what_has_changed_since_is_told() {
    let (mut a, mut b) = pair(&[("a.txt", "x = 100\n")]);
    b.post(&[write("a.txt", "x = 150\n")]);
    a.post(&[write("a.txt", "x = 200\n")]);
    let marked = a.tip.clone();
    let epoch = Frontier::from_iter([a.restart()]);
    let late = b.tip.clone();
    b.pull(&a);
    let carried = carry(&mut b, &late, &marked, &epoch);
    assert_eq!(carried.met, [(path("a.txt"), 1)].into());
    assert_eq!(b.read("a.txt"), "x = 150\n");
}

#[test]
fn a_hot_leaf_costs_no_more_than_its_epoch() {
    let mut a = Replica::new(1);
    a.post(&[write("hot.txt", "0\n")]);
    for n in 1..2_000u32 {
        a.post(&[write("hot.txt", format!("{n}\n"))]);
        if n % 500 == 0 {
            a.restart();
            assert_eq!(a.docs.needed(a.tip.heads()).len(), 1);
        }
    }
    assert_eq!(a.docs.needed(a.tip.heads()).len(), 500);
    assert_eq!(forgetful(&a).read("hot.txt"), "1999\n");
}

#[test]
fn a_late_file_that_takes_a_name_overwrites_nothing() {
    let (mut a, mut b) = pair(&[("a.txt", "one\n"), ("b.txt", "two\ntwo\ntwo\n")]);
    // The branch puts another file where one was removed, and gives a file the name of one that the epoch has made.
    b.post(&[remove("a.txt")]);
    b.post(&[write("a.txt", "another one altogether\n")]);
    b.post(&[remove("b.txt"), write("c.txt", "two\ntwo\ntwo\n")]);
    a.post(&[write("c.txt", "made in the meantime\n")]);
    let marked = a.tip.clone();
    let epoch = Frontier::from_iter([a.restart()]);
    a.post(&[write("d.txt", "later\n")]);
    let late = b.tip.clone();
    b.pull(&a);
    carry(&mut b, &late, &marked, &epoch);
    let texts: Vec<String> = b.paths().iter().map(|path| b.read(path)).collect();
    for text in ["another one altogether\n", "made in the meantime\n", "two\ntwo\ntwo\n", "later\n"] {
        assert!(texts.iter().any(|shown| shown == text), "{text}: {texts:?}");
    }
    assert!(!texts.iter().any(|shown| shown == "one\n"));
}

#[test]
fn files_of_one_name_from_two_epochs_are_carried_over() {
    let mut a = Replica::new(1);
    a.post(&[write("a.rs", "fn a() {}\n")]);
    let mut b = a.fork(2);
    let marked = a.tip.clone();
    let epoch = Frontier::from_iter([a.restart()]);
    b.post(&[remove("a.rs")]);
    b.restart();
    b.post(&[write("a.rs", "fn b() {}\n")]);
    let late = b.tip.clone();
    b.docs_only(&a);
    b.tip = epoch.clone();
    carry(&mut b, &late, &marked, &epoch);
    assert_eq!(b.paths(), ["a.rs"]);
    assert_eq!(b.read("a.rs"), "fn b() {}\n");
}

#[test]
fn a_late_branch_that_was_picked_before_the_epoch_adds_only_what_is_new() {
    let (mut a, mut b) = pair(&[("a.rs", CODE)]);
    let four = "\nfn four() -> u8 {\n    4\n}\n";
    b.post(&[write("a.rs", code(1, 9, 3) + four)]);
    // Somebody takes the change over as it is, into the same leaf, and the epoch begins with it.
    a.post(&[write("a.rs", code(1, 9, 3) + four)]);
    let marked = a.tip.clone();
    let epoch = Frontier::from_iter([a.restart()]);
    b.post(&[write("a.rs", code(1, 9, 8) + four)]);
    let late = b.tip.clone();
    b.pull(&a);
    let carried = carry(&mut b, &late, &marked, &epoch);
    assert!(carried.met.is_empty(), "{:?}", carried.met);
    assert_eq!(b.read("a.rs"), code(1, 9, 8) + four, "what was picked is there once");
}

#[test]
fn a_late_edit_follows_a_file_that_was_renamed_in_the_meantime() {
    let (mut a, mut b) = pair(&[("a.rs", CODE), ("b.rs", "fn b() {}\n")]);
    b.post(&[write("a.rs", code(1, 2, 9))]);
    b.post(&[remove("b.rs"), write("dir/c.rs", "fn b() {}\n")]);
    a.post(&[remove("a.rs"), write("dir/a.rs", CODE)]);
    let marked = a.tip.clone();
    let epoch = Frontier::from_iter([a.restart()]);
    a.post(&[write("b.rs", "fn b() { 1 }\n"), write("dir/a.rs", code(7, 2, 3))]);
    let (late, tip) = (b.tip.clone(), a.tip.clone());
    b.pull(&a);
    let carried = b.docs.carry(&late, &marked, &tip, &b.store).unwrap();
    b.tip = tip;
    b.commit(carried.draft.clone());
    assert!(carried.met.is_empty(), "{:?}", carried.met);
    assert_eq!(b.paths(), ["dir/a.rs", "dir/c.rs"]);
    assert_eq!(b.read("dir/a.rs"), code(7, 2, 9));
    assert_eq!(b.read("dir/c.rs"), "fn b() { 1 }\n", "and an edit in the meantime follows a late move");
    assert_ne!(b.docs.epoch(&epoch.heads()[0]), None);
}

#[test]
fn a_waypoint_that_spans_epochs_is_refused_wherever_its_parents_came_from() {
    let (mut a, mut b) = pair(&[("a.rs", CODE)]);
    let below = a.tip.clone();
    let first = a.restart();
    b.restart();
    let other = b.tip.clone();
    a.docs_only(&b);
    let spans = [
        vec![first, other.heads()[0]],
        vec![first, below.heads()[0], other.heads()[0]],
        vec![below.heads()[0], first],
    ];
    for (n, mut parents) in (1u8..).zip(spans) {
        parents.sort();
        let change = cairn_crdt::Change { id: cairn_crdt::id::WaypointId([n; 32]), parents, ops: [].into() };
        assert!(matches!(a.docs.insert(change), Err(CrdtError::Invalid { .. })), "{n}");
    }
    assert_eq!(a.read("a.rs"), CODE, "and nothing has changed");
}

/// Twenty thousand changes of one leaf between two marks: shown, begun anew, and forgotten.
#[test]
#[ignore = "takes minutes"]
fn a_hot_leaf_with_twenty_thousand_changes_between_marks() {
    let mut a = Replica::new(1);
    a.post(&[write("hot.txt", "0\n")]);
    a.restart();
    for n in 1..=20_000u32 {
        a.post(&[write("hot.txt", format!("{n}\n"))]);
    }
    assert_eq!(a.docs.needed(a.tip.heads()).len(), 20_001);
    let root = a.view().root;
    assert_eq!(forgetful(&a).view().root, root, "a node that takes it all in shows the same");
    a.restart();
    assert_eq!(a.view().root, root);
    assert_eq!(a.docs.needed(a.tip.heads()).len(), 1);
    a.post(&[write("hot.txt", "20001\n")]);
    assert_eq!(forgetful(&a).read("hot.txt"), "20001\n");
}
