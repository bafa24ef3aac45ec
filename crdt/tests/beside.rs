//! Changes that stand side by side: both kept, told in a softer kind, settled by any post on top.
#![allow(clippy::unwrap_used)]

mod world;

use cairn_crdt::OverlapKind::{self, Beside, OldName, SameItem, SameName};
use cairn_crdt::View;
use world::{merge, pair, write};

const TEXT: &str =
    "fn alpha() {\n    one();\n    two();\n    three();\n    four();\n}\n\nfn omega() {\n    alpha();\n}\n";

/// What two edits of [`TEXT`] are told as: overlaps, then notes.
fn told(a: &str, b: &str) -> (Vec<OverlapKind>, Vec<OverlapKind>) {
    let kinds = |view: &View| {
        let of = |list: &[cairn_crdt::Overlap]| list.iter().map(|overlap| overlap.kind).collect();
        (of(&view.overlaps), of(&view.notes))
    };
    let (mut one, mut two) = pair(&[("a.rs", TEXT)]);
    one.post(&[write("a.rs", a)]);
    two.post(&[write("a.rs", b)]);
    let found = kinds(&merge(&mut one, &mut two));
    let shown = one.read("a.rs");
    one.post(&[write("a.rs", format!("{shown}\n// Read.\n"))]);
    assert_eq!(kinds(&one.view()), (Vec::new(), Vec::new()), "a post on top has seen it");
    found
}

#[test]
fn neighbouring_lines() {
    let found = told(&TEXT.replace("two()", "deux()"), &TEXT.replace("three()", "trois()"));
    assert_eq!(found, (vec![Beside], vec![]));
}

#[test]
fn words_of_one_line_and_text_at_one_place() {
    let found = told(&TEXT.replace("fn alpha", "pub fn alpha"), &TEXT.replace("alpha() {", "alpha(x: u8) {"));
    assert_eq!(found.0, [Beside]);
    let add = |line: &str| TEXT.replace("    two();\n", &format!("    two();\n    {line}();\n"));
    assert_eq!(told(&add("here"), &add("there")).0, [Beside]);
}

#[test]
fn different_places_of_one_item_are_only_noted() {
    let found = told(&TEXT.replace("one()", "un()"), &TEXT.replace("four()", "quatre()"));
    assert_eq!(found, (vec![], vec![SameItem]));
}

#[test]
fn different_items_are_not_told() {
    let found = told(&TEXT.replace("one()", "un()"), &TEXT.replace("    alpha();", "    alpha(1);"));
    assert_eq!(found, (vec![], vec![]));
}

#[test]
fn two_items_of_one_name() {
    let front = format!("fn fresh() {{\n    left();\n}}\n\n{TEXT}");
    let back = format!("{TEXT}\nfn fresh() {{\n    right();\n}}\n");
    assert_eq!(told(&front, &back).0, [SameName]);
}

#[test]
fn a_name_that_is_used_while_it_goes() {
    let renamed = TEXT.replace("fn alpha", "fn beta");
    let used = format!("{TEXT}\nfn late() {{\n    alpha();\n}}\n");
    assert_eq!(told(&renamed, &used).0, [OldName]);
}

#[test]
fn lines_that_both_add_come_once_though_one_adds_more() {
    let (mut one, mut two) = pair(&[("notes.txt", "first\nlast\n")]);
    one.post(&[write("notes.txt", "first\nboth\nlast\n")]);
    two.post(&[write("notes.txt", "first\nboth\nmore\nlast\n")]);
    merge(&mut one, &mut two);
    assert_eq!(one.read("notes.txt"), "first\nboth\nmore\nlast\n");
}
