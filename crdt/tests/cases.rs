//! Named cases of two and three sides, each with the very text that all must see.
#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

mod world;

use cairn_crdt::OverlapKind;
use cairn_crdt::merge as merge_texts;
use world::*;

/// What `sides` make of `base`, whatever their order, and how many overlaps are told.
fn merged(name: &str, base: &str, sides: &[&str]) -> (String, Vec<(OverlapKind, Vec<String>)>) {
    let mut seen = None;
    for order in orders(sides.len()) {
        let sides: Vec<_> = order.iter().map(|n| sides[*n].as_bytes()).collect();
        let merged = merge_texts(name.as_bytes(), base.as_bytes(), &sides).unwrap();
        let hard = merged.overlaps.iter().filter(|overlap| !overlap.kind.is_soft());
        let told = hard.map(|overlap| {
            let sides = overlap.alternatives.iter();
            (overlap.kind, sides.map(|side| String::from_utf8_lossy(&side.bytes).into_owned()).collect())
        });
        let one = (String::from_utf8(merged.bytes).unwrap(), told.collect());
        assert_eq!(*seen.get_or_insert(one.clone()), one, "{order:?}");
    }
    seen.unwrap()
}

/// All orders of the first `count` numbers.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![vec![]] };
    let shorter = orders(last);
    let with = shorter
        .iter()
        .flat_map(|order| (0..=last).map(move |at| [&order[..at], &[last], &order[at..]].concat()));
    with.collect()
}

#[test]
fn a_hundred_becomes_two_hundred_or_a_hundred_and_fifty() {
    let (text, told) = merged("a.py", "limit = 100\n", &["limit = 200\n", "limit = 150\n"]);
    assert_eq!(text, "limit = 150\n");
    assert_eq!(told, [(OverlapKind::Replace, vec!["150".to_owned(), "200".to_owned()])]);
}

#[test]
fn an_edit_on_top_of_a_winner_merges_with_a_later_edit_of_the_loser() {
    let (mut a, mut b) = pair(&[("a.txt", "limit = 100\n")]);
    a.post(&[write("a.txt", "limit = 150\n")]);
    b.post(&[write("a.txt", "limit = 200\n")]);
    let mut c = a.fork(3);
    c.pull(&b);
    assert_eq!(c.read("a.txt"), "limit = 150\n");
    c.post(&[write("a.txt", "limit = 151\n")]);
    assert!(hard(&c.view()).is_empty());
    // The author of the loser goes on without having seen any of that.
    b.post(&[write("a.txt", "limit = 200 # two hundred\n")]);
    let view = merge(&mut b, &mut c);
    assert_eq!(c.read("a.txt"), "limit = 151\n");
    let sides: Vec<_> = view.overlaps.iter().flat_map(|overlap| &overlap.alternatives).collect();
    assert!(sides.iter().any(|side| side.bytes.ends_with(b"# two hundred")), "{sides:?}");
    assert_eq!(c.docs.lost(&c.tip, &c.store).unwrap(), []);
    c.post(&[write("a.txt", "limit = 152\n")]);
    merge(&mut b, &mut c);
    assert_eq!((c.read("a.txt"), hard(&c.view()).len()), ("limit = 152\n".to_owned(), 0));
}

const LONG: &str = "fn long() {\n    one();\n    two();\n    three();\n\n    let a = 1;\n    let b = 2;\n    let c = a + b;\n    show(c);\n}\n\nfn other() {\n    four();\n}\n";

#[test]
fn a_function_is_split_in_two_while_the_half_that_moved_is_edited() {
    let split = "fn long() {\n    one();\n    two();\n    three();\n    half();\n}\n\nfn half() {\n    let a = 1;\n    let b = 2;\n    let c = a + b;\n    show(c);\n}\n\nfn other() {\n    four();\n}\n";
    let (mut a, mut b) = pair(&[("a.rs", LONG)]);
    a.post(&[write("a.rs", split)]);
    b.post(&[write("a.rs", LONG.replace("let b = 2", "let b = 20"))]);
    let view = merge(&mut a, &mut b);
    assert_eq!(a.read("a.rs"), split.replace("let b = 2", "let b = 20"));
    assert!(hard(&view).is_empty(), "{:?}", view.overlaps);
}

/// The part that moved is the smaller one, so that its new function is no descendant of the old one.
#[test]
fn what_moved_out_of_a_function_and_was_edited_there_is_seen() {
    let split = LONG.replace("    two();\n    three();\n", "    part();\n")
        + "\nfn part() {\n    two();\n    three();\n}\n";
    let (mut a, mut b) = pair(&[("a.rs", LONG)]);
    a.post(&[write("a.rs", &split)]);
    b.post(&[write("a.rs", LONG.replace("two()", "2()"))]);
    let view = merge(&mut a, &mut b);
    // The shorter side is shown, the new function as well; the other side is told.
    let edited = LONG.replace("two()", "2()");
    assert_eq!(a.read("a.rs"), edited + "\nfn part() {\n    two();\n    three();\n}\n");
    assert_eq!(hard(&view).len(), 1, "{:?}", view.overlaps);
    let sides = &hard(&view)[0].alternatives;
    assert!(String::from_utf8_lossy(&sides[1].bytes).contains("part"), "{sides:?}");
}

#[test]
fn a_function_goes_to_one_file_and_to_another_and_is_edited() {
    let item = "\nfn moved() {\n    let a = 1;\n    show(a);\n}\n";
    let (one, two, three) = ("fn f() {}\n", "fn g() {}\n", "fn h() {}\n");
    let from = format!("{one}{item}");
    let (mut a, mut b) = pair(&[("f.rs", &from), ("g.rs", two), ("h.rs", three)]);
    let mut c = a.fork(3);
    a.post(&[write("f.rs", one), write("g.rs", format!("{two}{item}"))]);
    b.post(&[write("f.rs", one), write("h.rs", format!("{three}{item}"))]);
    c.post(&[write("f.rs", from.replace("let a = 1", "let a = 10"))]);
    let edited = item.replace("let a = 1", "let a = 10");
    a.pull(&c);
    let view = merge(&mut a, &mut b);
    let read = [a.read("f.rs"), a.read("g.rs"), a.read("h.rs")];
    // It is in one of the two, edited, and nowhere else.
    let in_g = [one.to_owned(), format!("{two}{edited}"), three.to_owned()];
    let in_h = [one.to_owned(), two.to_owned(), format!("{three}{edited}")];
    assert!(read == in_g || read == in_h, "{read:?}");
    assert_eq!(hard(&view).iter().map(|overlap| overlap.kind).collect::<Vec<_>>(), [OverlapKind::Move]);
    let taken = a.docs.take(&a.tip, 0, 1, &a.store).unwrap();
    a.commit(taken);
    let now = [a.read("f.rs"), a.read("g.rs"), a.read("h.rs")];
    assert_eq!(now, if read == in_g { in_h } else { in_g });
    assert!(hard(&a.view()).is_empty());
}

#[test]
fn a_folder_is_renamed_while_a_file_is_added_in_it() {
    let (mut a, mut b) = pair(&[("old/a.txt", "a\n"), ("old/b.txt", "b\n")]);
    a.post(&[remove("old"), write("new/a.txt", "a\n"), write("new/b.txt", "b\n")]);
    b.post(&[write("old/c.txt", "c\n")]);
    let view = merge(&mut a, &mut b);
    assert_eq!(a.paths(), ["new/a.txt", "new/b.txt", "new/c.txt"]);
    assert!(hard(&view).is_empty() && view.dirs.len() == 1);
}

#[test]
fn three_sides_in_all_orders() {
    let base = "one\ntwo\nthree\nfour\nfive\n";
    let sides =
        ["ONE\ntwo\nthree\nfour\nfive\n", "one\ntwo\n3\nfour\nfive\n", "one\ntwo\nthree\nfour\nfive\nsix\n"];
    assert_eq!(merged("a.txt", base, &sides), ("ONE\ntwo\n3\nfour\nfive\nsix\n".to_owned(), vec![]));
    let (text, told) = merged("a.txt", "x = 100\n", &["x = 200\n", "x = 150\n", "x = 1000\n"]);
    assert_eq!(text, "x = 150\n");
    let sides = ["150", "200", "1000"].map(str::to_owned).to_vec();
    assert_eq!(told, [(OverlapKind::Replace, sides)]);
}

#[test]
fn both_sides_add_the_same_thing_once() {
    let both = "one\nnew\ntwo\n";
    assert_eq!(merged("a.txt", "one\ntwo\n", &[both, both]), (both.to_owned(), vec![]));
    let code = "fn a() {}\n\nfn new() {\n    go();\n}\n";
    assert_eq!(merged("a.rs", "fn a() {}\n", &[code, code]), (code.to_owned(), vec![]));
    // One of them did more besides.
    let sides = ["one\nnew\ntwo\nthree\n", "one\nnew\ntwo\n3\n"];
    let (text, told) = merged("a.txt", "one\ntwo\nthree\n", &sides);
    assert_eq!((text.as_str(), told), ("one\nnew\ntwo\n3\n", vec![]));
}

#[test]
fn both_sides_add_different_things_at_one_place_and_both_stay() {
    let (text, told) = merged("a.txt", "one\ntwo\n", &["one\nbeta\ntwo\n", "one\nalpha\ntwo\n"]);
    assert_eq!((text.as_str(), told), ("one\nalpha\nbeta\ntwo\n", vec![]));
    // Without a line end at the end of the file, lines are still lines.
    let (text, _) = merged("a.txt", "one", &["one\nbeta", "one\nalpha"]);
    assert_eq!(
        text.lines().filter(|line| ["one", "alpha", "beta"].contains(line)).count(),
        text.lines().count()
    );
    let base = "use a;\n\nfn f() {}\n";
    let with = |item: &str| format!("{base}\nfn {item}() {{}}\n");
    let (text, told) = merged("a.rs", base, &[&with("y"), &with("x")]);
    assert_eq!((text, told), (format!("{base}\nfn x() {{}}\n\nfn y() {{}}\n"), vec![]));
}

#[test]
fn an_item_is_deleted_while_it_is_edited() {
    let without = &LONG[..LONG.find("\nfn other").unwrap()];
    let edited = LONG.replace("four()", "4()");
    let (text, told) = merged("a.rs", LONG, &[without, &edited]);
    assert_eq!(text, edited);
    assert_eq!(told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [OverlapKind::DeleteEdit]);
}

#[test]
fn lines_inside_an_item_are_deleted_while_they_are_edited() {
    let deleted = LONG.replace("    let a = 1;\n    let b = 2;\n    let c = a + b;\n    show(c);\n", "");
    let edited = LONG.replace("let b = 2", "let b = 20");
    let (text, told) = merged("a.rs", LONG, &[&deleted, &edited]);
    assert_eq!(text, deleted);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, OverlapKind::DeleteEdit);
    assert!(told[0].1[1].contains("let b = 20"), "{told:?}");
}

#[test]
fn a_thing_that_both_duplicate_is_there_twice_and_not_three_times() {
    let twice = "one\ntwo\none\ntwo\n";
    assert_eq!(merged("a.txt", "one\ntwo\n", &[twice, twice]), (twice.to_owned(), vec![]));
    let (mut a, mut b) = pair(&[("a.rs", "fn a() {\n    go();\n}\n")]);
    for replica in [&mut a, &mut b] {
        replica.post(&[write("b.rs", "fn a() {\n    go();\n}\n")]);
    }
    assert!(hard(&merge(&mut a, &mut b)).is_empty());
    assert_eq!(a.paths(), ["a.rs", "b.rs"]);
}

#[test]
fn what_opens_a_block_comes_before_what_closes_it() {
    let base = "def f\n    a\n    b\nend\n";
    let (head, rest) = ("    each {\n        x\n", "    y\n        }\n");
    let with = |part: &str| base.replace("    b\n", &format!("{part}    b\n"));
    // By text alone the second half would come first.
    let (text, told) = merged("a.txt", base, &[&with(head), &with(&rest.replace("    y", "    Y"))]);
    assert_eq!((text, told), (with(&format!("{head}    Y\n        }}\n")), vec![]));
    let comment = ["/**\n * One.\n", " * Two.\n */\n"];
    let with = |part: &str| format!("int a;\n\n{part}int b;\n");
    let sides = comment.map(with);
    let (text, _) = merged("a.txt", "int a;\n\nint b;\n", &[&sides[0], &sides[1]]);
    assert_eq!(text, with(&comment.concat()));
}

/// A bracket that stands further out than the line before it closes what that line is in, and nothing
/// that the other side has opened.
#[test]
fn what_ends_a_block_comes_before_what_opens_the_next() {
    let with = |part: &str| format!("f {{\n  a {{\n    b\n{part}  }}\n}}\n");
    let (text, told) = merged("a.txt", &with(""), &[&with("  c {\n    d\n"), &with("  },\n")]);
    assert_eq!((text, told), (with("  },\n  c {\n    d\n"), vec![]));
}

const CLASS: &str = "class A {\n    one(r) {\n        if (r.d) {\n            r.t = r.d.x();\n            drop(r.d);\n        }\n\n        return f(r);\n    }\n}\n";

/// Each side is half of a change: with either alone no bracket fits, and a grammar would guess.
#[test]
fn a_side_in_the_middle_of_being_written_merges_by_lines() {
    let a = CLASS
        .replace("        if (r.d) {\n            r.t = r.d.x();\n            drop(r.d);\n", "")
        .replace(
            "        return f(r);\n",
            "        n.t = r.d.y();\n        drop(n.d);\n\n        return n;\n",
        );
    let b = CLASS.replace("        }\n\n", "        n = two(r);\n\n").replace("one(r)", "two(r)");
    let (text, _) = merged("a.js", CLASS, &[&a, &b]);
    let both = "class A {\n    two(r) {\n        n = two(r);\n\n        n.t = r.d.y();\n        drop(n.d);\n\n        return n;\n    }\n}\n";
    assert_eq!(text, both);
}

#[test]
fn a_function_moves_in_a_text_that_does_not_parse() {
    let other = "fn other() {\n    four();\n}\n";
    let moved = LONG.replace(&format!("\n{other}"), "");
    let moved = format!("{other}\n{moved}\nfn half( {{\n");
    let (text, told) = merged("a.rs", LONG, &[&moved, &LONG.replace("four()", "4()")]);
    assert_eq!((text, told), (moved.replace("four()", "4()"), vec![]));
}

#[test]
fn members_that_both_append_without_a_comma_have_commas_between_them() {
    let with = |more: &str| {
        format!("{{\n  \"a\": {{\n    \"x\": 1\n  }},\n  \"b\": [\n    1,\n    2{more}\n  ]\n}}\n")
    };
    let (text, told) = merged("a.json", &with(""), &[&with(",\n    3"), &with(",\n    4,\n    5")]);
    assert_eq!((text, told), (with(",\n    3,\n    4,\n    5"), vec![]));
    // As keys, in an object that holds others and in one that is the last.
    let with = |more: &str| format!("{{\n  \"a\": {{\n    \"x\": 1{more}\n  }},\n  \"b\": 2{more}\n}}\n");
    let sides = [",\n    \"y\": [\n      3\n    ]", ",\n    \"z\": 4,\n    \"zz\": 5"];
    let (text, told) = merged("a.json", &with(""), &[&with(sides[0]), &with(sides[1])]);
    assert_eq!((text, told), (with(&sides.concat()), vec![]));
    // One side goes on from there.
    let (mut a, mut b) = pair(&[("a.json", &with(""))]);
    a.post(&[write("a.json", with(sides[0]))]);
    b.post(&[write("a.json", with(sides[1]))]);
    merge(&mut a, &mut b);
    let both = with(&sides.concat());
    a.post(&[write("a.json", both.replace('3', "30"))]);
    b.post(&[write("a.json", both.replace('4', "40"))]);
    merge(&mut a, &mut b);
    assert_eq!(a.read("a.json"), both.replace('3', "30").replace('4', "40"));
}

#[test]
fn members_that_both_add_to_a_set_come_once() {
    for (name, base, lines) in [
        ("a.rs", "use a;\n{}use z;\n\nfn f() {}\n", ["use b::c;\n", "use d;\n", "use e::{f, g};\n"]),
        ("a.rs", "enum A {\n    A,\n{}    Z,\n}\n", ["    B,\n", "    C(u8),\n", "    D { e: u8 },\n"]),
        ("a.py", "import a\n{}import z\n", ["import b\n", "import d\n", "import e\n"]),
        ("a.yaml", "a:\n  - a\n{}  - z\n", ["  - b\n", "  - c: 1\n", "  - d\n"]),
        (
            "a.h",
            "#include <a.h>\n{}#include <z.h>\n",
            ["#include <b.h>\n", "#include <c.h>\n", "#include <d.h>\n"],
        ),
    ] {
        let with = |lines: &[&str]| base.replacen("{}", &lines.concat(), 1);
        let (text, told) = merged(name, &with(&[]), &[&with(&lines[..2]), &with(&lines[1..])]);
        assert_eq!((text, told), (with(&lines), vec![]), "{name}");
        let (text, _) = merged(name, &with(&[]), &[&with(&[lines[0], lines[2]]), &with(&lines[1..2])]);
        assert_eq!(text, with(&lines), "{name}");
    }
}

#[test]
fn members_of_one_line_that_both_add_come_once() {
    let (text, told) = merged("a.rs", "use x::{a, d};\n", &["use x::{a, b, d};\n", "use x::{a, b, c, d};\n"]);
    assert_eq!((text.as_str(), told), ("use x::{a, b, c, d};\n", vec![]));
    let (text, told) = merged("a.py", "f(a)\n", &["f(a, b)\n", "f(a, b, c)\n"]);
    assert_eq!((text.as_str(), told), ("f(a, b, c)\n", vec![]));
    let list = |more: &str| format!("A = [\n    1,\n    2{more}\n]\n");
    let (text, told) = merged("a.py", &list(""), &[&list(",\n    3"), &list(",\n    4")]);
    assert_eq!((text, told), (list(",\n    3,\n    4"), vec![]));
}

#[test]
fn lines_that_one_side_wraps_and_the_other_edits_are_wrapped_and_edited() {
    let base = "fn a() {\n    x();\n    y(1);\n    z();\n}\n";
    let wrapped = "fn a() {\n    if q {\n        x();\n        y(1);\n    }\n    z();\n}\n";
    let (text, told) = merged("a.rs", base, &[wrapped, &base.replace('1', "2")]);
    assert_eq!((text, told), (wrapped.replace('1', "2"), vec![]));
}

/// Where lines say that the others moved, an item that moved and was edited is still followed.
#[test]
fn an_item_that_moved_past_a_comment_keeps_its_edits() {
    let item = "def moved(a):\n    b = one(a)\n    c = two(b)\n    return c\n\n\n";
    let other = "def other(a):\n    d = three(a)\n    return four(d)\n\n\n";
    let rest = "# About the last one.\n\n\ndef last():\n    pass\n";
    let base = format!("import a\n\n\n{item}{other}{rest}");
    let (before, after) = rest.split_at(rest.find("def").unwrap());
    let moved = format!("import a\n\n\n{other}{before}{item}{after}");
    let (text, told) = merged("a.py", &base, &[&moved, &base.replace("two(b)", "two(b, 2)")]);
    assert_eq!((text, told), (moved.replace("two(b)", "two(b, 2)"), vec![]));
}

#[test]
fn the_higher_version_wins_whole() {
    let with = |version: &str| format!("[package]\nname = \"a\"\nversion = \"{version}\"\n");
    for (one, two, higher) in
        [("1.3.0", "1.2.10", "1.3.0"), ("1.2.9", "1.2.10", "1.2.10"), ("2.0.0", "1.2.1", "2.0.0")]
    {
        let (text, told) = merged("a.toml", &with("1.2.0"), &[&with(one), &with(two)]);
        assert_eq!((text, told.len()), (with(higher), 1));
    }
    // A number that nobody wrote is not made of two that somebody did.
    let (text, told) = merged("a.py", "x = 1.5\n", &["x = 2.5\n", "x = 1.75\n"]);
    assert_eq!((text.as_str(), told.len()), ("x = 2.5\n", 1));
    let (text, told) = merged("a.py", "x = 1\n", &["x = 1.5\n", "x = 2\n"]);
    assert_eq!((text.as_str(), told.len()), ("x = 2\n", 1));
}

#[test]
fn what_stood_aside_for_a_file_keeps_its_name_when_that_goes() {
    let text = |word: &str| (0..9).map(|n| format!("{word} {n}\n")).collect::<String>();
    // Which of two files of one name stands aside depends on what they are called.
    for other in ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"] {
        let (mut a, mut b) = pair(&[("y.txt", &text("one")), (other, &text(other))]);
        a.post(&[remove("y.txt")]);
        a.post(&[remove(other), write("y.txt", text(other))]);
        b.post(&[write("y.txt", text("one") + "more\n")]);
        // A file that was deleted and edited, and its name was taken.
        merge(&mut a, &mut b);
        let aside = a.paths().into_iter().find(|path| path.starts_with("y~")).unwrap();
        let kept = a.read(&aside);
        for (edit, shown) in [(None, &*kept), (Some(write(&aside, "another\n")), "another\n")] {
            let mut c = a.fork(7);
            c.post(&[vec![remove("y.txt")], edit.into_iter().collect()].concat());
            assert_eq!(c.paths(), [&*aside]);
            assert_eq!(c.read(&aside), shown);
        }
    }
}
