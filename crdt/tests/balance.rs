//! A merge leaves open what its sides leave open, and says who gave way for it.

mod world;

use world::*;

const BASE: &str = "start();\none();\ntwo();\nthree();\nfour();\nstop();\n";
/// Puts three lines into a block.
const WRAPPED: &str = "start();\nif x {\none();\ntwo();\nthree();\n}\nfour();\nstop();\n";
/// Takes the line out behind which the block ends, and the next; it is the shorter text there.
const CHANGED: &str = "start();\none();\ntwo();\n=\nstop();\n";

/// One side wraps lines, the other replaces the last of them.
fn met() -> (Replica, Replica) {
    let (mut a, mut b) = pair(&[("x.txt", BASE)]);
    a.post(&[write("x.txt", WRAPPED)]);
    b.post(&[write("x.txt", CHANGED)]);
    merge(&mut a, &mut b);
    (a, b)
}

fn sides(replica: &mut Replica) -> Vec<Vec<String>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let overlaps = hard(&replica.view()).into_iter();
    overlaps.map(|overlap| overlap.alternatives.iter().map(|side| text(&side.bytes)).collect()).collect()
}

#[test]
fn a_block_that_is_opened_is_closed() {
    let (mut a, _) = met();
    assert_eq!(a.read("x.txt"), WRAPPED);
    let told = sides(&mut a);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].iter().any(|side| side.contains('=')), "{told:?}");
}

#[test]
fn a_post_elsewhere_leaves_the_choice_open() {
    let (mut a, _) = met();
    let before = sides(&mut a);
    a.post(&[write("x.txt", WRAPPED.replace("start();\n", "start();\nbegin();\n"))]);
    assert_eq!(sides(&mut a), before);
    a.post(&[write("x.txt", WRAPPED.replace("start();\n", "start();\nbegan();\n"))]);
    assert_eq!(sides(&mut a), before);
}

#[test]
fn the_other_side_can_be_taken_and_nothing_comes_back() {
    let (mut a, mut b) = met();
    let at = a.view().overlaps.iter().position(|overlap| !overlap.kind.is_soft()).unwrap();
    let draft = a.docs.take(&a.tip, at, 1, &a.store).unwrap();
    a.commit(draft);
    assert!(sides(&mut a).is_empty());
    let taken = a.read("x.txt");
    assert!(taken.contains('=') && !taken.contains("three"), "{taken}");
    b.post(&[write("y.txt", "elsewhere\n")]);
    merge(&mut a, &mut b);
    assert_eq!(a.read("x.txt"), taken);
    assert!(sides(&mut a).is_empty());
}

#[test]
fn a_change_of_the_place_settles_it() {
    let (mut a, mut b) = met();
    let mended = WRAPPED.replace("three();\n}\nfour();\n", "=\n}\n");
    a.post(&[write("x.txt", &mended)]);
    assert!(sides(&mut a).is_empty());
    merge(&mut a, &mut b);
    assert_eq!(a.read("x.txt"), mended);
}
