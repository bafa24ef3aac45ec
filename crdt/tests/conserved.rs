//! What once was lost in silence and must never be again.

mod world;

use cairn_crdt::OverlapKind;
use world::*;

fn sides(replica: &mut Replica) -> Vec<(OverlapKind, Vec<String>)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let overlaps = replica.view().overlaps.clone();
    let sides = overlaps
        .into_iter()
        .map(|overlap| (overlap.kind, overlap.alternatives.iter().map(|side| text(&side.bytes)).collect()));
    sides.collect()
}

#[test]
fn what_met_inside_a_body_that_was_replaced_is_told() {
    let (mut a, mut b) = pair(&[("x.txt", "one\ntwo\nthree\n")]);
    let mut c = a.fork(3);
    a.post(&[write("x.txt", b"\0a binary")]);
    b.post(&[write("x.txt", "three\n")]);
    c.post(&[write("x.txt", "one more\ntwo\nthree\n")]);
    a.pull(&b);
    merge(&mut a, &mut c);
    let found = sides(&mut a);
    assert!(found.iter().any(|(kind, _)| *kind == OverlapKind::BodyEdit), "{found:?}");
    let told = found.iter().flat_map(|(_, sides)| sides).any(|side| side.contains("more"));
    assert!(told, "{found:?}");
}
