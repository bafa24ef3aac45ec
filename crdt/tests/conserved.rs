//! What once was lost in silence and must never be again.

mod world;

use cairn_crdt::OverlapKind;
use world::*;

fn sides(replica: &mut Replica) -> Vec<(OverlapKind, Vec<String>)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let overlaps = hard(&replica.view());
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

#[test]
fn a_class_that_goes_to_another_file_settles_nothing_elsewhere() {
    let class =
        "\nclass A:\n    x = 1\n\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n";
    let (mut a, mut b) = pair(&[("a.py", class), ("b.py", "import os\n"), ("c.txt", "one\n")]);
    a.post(&[write("c.txt", b"\0binary")]);
    b.post(&[write("c.txt", "one\ntwo\n")]);
    merge(&mut a, &mut b);
    assert_eq!(sides(&mut a).len(), 1);
    let there = "import os\n\nclass A:\n    def f(self):\n        return 1\n";
    let left = "    x = 1\n\n    def g(self):\n        return 2\n";
    a.post(&[write("a.py", left), write("b.py", there)]);
    assert_eq!((a.read("a.py"), a.read("b.py")), (left.to_owned(), there.to_owned()));
    assert_eq!(sides(&mut a).len(), 1);
}

#[test]
fn sides_that_come_to_the_same_text_on_different_ways_lose_nothing() {
    let (mut a, mut b) = pair(&[("x.txt", "//! A file.\n\nuse std::fmt;\n")]);
    a.post(&[write("x.txt", "alpha\nbeta\ngamma\n")]);
    a.post(&[write("x.txt", "import os\n\nclass A:\n")]);
    b.post(&[write("x.txt", "import os\n\nclass A:\n")]);
    merge(&mut a, &mut b);
    assert_eq!(a.read("x.txt"), "import os\n\nclass A:\n");
    assert_eq!(a.docs.lost(&a.tip, &a.store).unwrap(), []);
}

#[test]
fn an_item_that_one_side_emptied_and_the_other_deleted_is_no_choice() {
    let items =
        "struct S {\n    x: u32,\n}\n\nimpl S {\n    fn get(&self) -> u32 {\n        self.x\n    }\n}\n";
    let (mut a, mut b) = pair(&[("x.rs", items)]);
    a.post(&[write("x.rs", "one line of something else\n")]);
    b.post(&[write("x.rs", "")]);
    merge(&mut a, &mut b);
    assert_eq!(a.read("x.rs"), "one line of something else\n");
    for (kind, sides) in sides(&mut a) {
        assert!(sides.iter().any(|side| !side.is_empty()), "{kind:?} of nothing and nothing");
    }
}
