//! What two sides did, and what both see.

mod world;

use cairn_crdt::op::Op;
use cairn_crdt::{Draft, FileEdit, OverlapKind};
use world::*;

const LIB: &str = "use std::fmt;\n\n/// One.\nfn one() -> u32 {\n    let a = 1;\n    let b = 2;\n    a + b\n}\n\n/// Two.\nfn two() -> u32 {\n    2\n}\n\nstruct S;\n\nimpl S {\n    fn m(&self) -> u32 {\n        10\n    }\n\n    fn n(&self) -> u32 {\n        20\n    }\n}\n";

fn kinds(replica: &mut Replica) -> Vec<OverlapKind> {
    replica.view().overlaps.iter().map(|overlap| overlap.kind).collect()
}

#[test]
fn a_first_import_is_whole_and_does_not_parse() {
    let mut a = Replica::new(1);
    a.post(&[write("src/lib.rs", LIB), write("a.txt", "hello\n")]);
    assert_eq!(a.read("src/lib.rs"), LIB);
    assert!(a.changes[0].ops.iter().all(|op| matches!(op, Op::Place { .. } | Op::Body { .. })));
    assert!(a.view().dirs.contains(&path("src")));
}

#[test]
fn edits_of_different_functions_merge() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    a.post(&[write("lib.rs", LIB.replace("let a = 1", "let a = 100"))]);
    b.post(&[write("lib.rs", LIB.replace("    2\n}", "    200\n}"))]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.is_empty(), "{:?}", view.overlaps);
    assert_eq!(a.read("lib.rs"), LIB.replace("let a = 1", "let a = 100").replace("    2\n}", "    200\n}"));
}

#[test]
fn edits_of_different_lines_of_one_function_merge() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    a.post(&[write("lib.rs", LIB.replace("let a = 1", "let a = 100"))]);
    b.post(&[write("lib.rs", LIB.replace("let b = 2", "let b = 200"))]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.iter().all(|overlap| overlap.kind.is_soft()));
    assert_eq!(a.read("lib.rs"), LIB.replace("let a = 1", "let a = 100").replace("let b = 2", "let b = 200"));
}

#[test]
fn the_same_edit_on_both_sides_is_one() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    let new = LIB.replace("let a = 1", "let a = 7").replace("struct S;", "struct S;\n\nfn added() {}");
    a.post(&[write("lib.rs", &new)]);
    b.post(&[write("lib.rs", &new)]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.is_empty(), "{:?}", view.overlaps);
    assert_eq!(a.read("lib.rs"), new);
}

#[test]
fn a_replaced_word_has_a_winner_and_an_overlap() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    a.post(&[write("lib.rs", LIB.replace("let a = 1", "let a = 150"))]);
    b.post(&[write("lib.rs", LIB.replace("let a = 1", "let a = 2000"))]);
    let view = merge(&mut a, &mut b);
    assert_eq!(kinds(&mut a), [OverlapKind::Replace]);
    assert_eq!(view.overlaps[0].symbol.as_deref(), Some("one"));
    assert_eq!(a.read("lib.rs"), LIB.replace("let a = 1", "let a = 150"));
    let draft = a.docs.take(&a.tip, 0, 1, &a.store).unwrap();
    a.commit(draft);
    assert!(a.view().overlaps.is_empty());
    assert_eq!(a.read("lib.rs"), LIB.replace("let a = 1", "let a = 2000"));
}

#[test]
fn an_edit_follows_a_renamed_file() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    a.post(&[remove("lib.rs"), write("src/core.rs", LIB)]);
    b.post(&[write("lib.rs", LIB.replace("let a = 1", "let a = 100"))]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.is_empty());
    assert_eq!(a.paths(), ["src/core.rs"]);
    assert_eq!(a.read("src/core.rs"), LIB.replace("let a = 1", "let a = 100"));
}

#[test]
fn an_edit_follows_a_renamed_function() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    a.post(&[write("lib.rs", LIB.replace("fn one", "fn uno"))]);
    b.post(&[write("lib.rs", LIB.replace("let b = 2", "let b = 200"))]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.is_empty());
    assert_eq!(a.read("lib.rs"), LIB.replace("fn one", "fn uno").replace("let b = 2", "let b = 200"));
}

#[test]
fn an_edit_follows_a_function_to_another_file() {
    for other in [Some("//! Other.\n\nfn three() {}\n"), None] {
        let mut files = vec![("lib.rs", LIB)];
        files.extend(other.map(|text| ("other.rs", text)));
        let (mut a, mut b) = pair(&files);
        let start = LIB.find("\n/// Two.").unwrap();
        let end = LIB.find("\nstruct S").unwrap();
        let without = [&LIB[..start], &LIB[end..]].concat();
        let there = [other.unwrap_or("//! New.\n\nfn new() {}\n"), &LIB[start..end]].concat();
        a.post(&[write("lib.rs", &without), write("other.rs", &there)]);
        b.post(&[write("lib.rs", LIB.replace("    2\n}", "    200\n}"))]);
        let view = merge(&mut a, &mut b);
        assert!(view.overlaps.is_empty(), "{:?}", view.overlaps);
        assert_eq!(a.read("lib.rs"), without);
        assert_eq!(a.read("other.rs"), there.replace("    2\n}", "    200\n}"));
    }
}

#[test]
fn a_moved_function_keeps_its_node_and_its_edits() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    let start = LIB.find("\n/// Two.").unwrap();
    let end = LIB.find("\nstruct S").unwrap();
    let moved = [&LIB[..start], &LIB[end..], &LIB[start..end]].concat();
    a.post(&[write("lib.rs", &moved)]);
    b.post(&[write("lib.rs", LIB.replace("    2\n}", "    200\n}"))]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.is_empty(), "{:?}", view.overlaps);
    assert_eq!(a.read("lib.rs"), moved.replace("    2\n}", "    200\n}"));
}

#[test]
fn a_deleted_function_that_the_other_side_edited_comes_back() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    let start = LIB.find("\n/// Two.").unwrap();
    let end = LIB.find("\nstruct S").unwrap();
    let without = [&LIB[..start], &LIB[end..]].concat();
    a.post(&[write("lib.rs", &without)]);
    b.post(&[write("lib.rs", LIB.replace("    2\n}", "    200\n}"))]);
    let view = merge(&mut a, &mut b);
    assert_eq!(kinds(&mut a), [OverlapKind::DeleteEdit]);
    assert_eq!(view.overlaps[0].symbol.as_deref(), Some("two"));
    let shown = LIB.replace("    2\n}", "    200\n}");
    assert_eq!(a.read("lib.rs"), shown);
    a.post(&[write("lib.rs", shown.replace("200", "201"))]);
    assert!(a.view().overlaps.is_empty());
    assert_eq!(a.read("lib.rs"), shown.replace("200", "201"));
    let taken = b.docs.take(&b.tip, 0, 1, &b.store).unwrap();
    b.commit(taken);
    assert_eq!(b.read("lib.rs"), without);
}

#[test]
fn a_deleted_file_that_the_other_side_edited_comes_back() {
    let (mut a, mut b) = pair(&[("d/lib.rs", LIB), ("d/a.txt", "x\n")]);
    a.post(&[remove("d")]);
    b.post(&[write("d/a.txt", "x\ny\n")]);
    merge(&mut a, &mut b);
    assert_eq!(a.paths(), ["d/a.txt"]);
    assert_eq!(a.read("d/a.txt"), "x\ny\n");
    assert!(kinds(&mut a).contains(&OverlapKind::DeleteEdit));
    a.post(&[write("d/a.txt", "x\ny\nz\n")]);
    assert!(a.view().overlaps.is_empty(), "{:?}", a.view().overlaps);
    assert_eq!(a.read("d/a.txt"), "x\ny\nz\n");
}

#[test]
fn a_file_that_is_added_to_a_renamed_folder_goes_along() {
    let (mut a, mut b) = pair(&[("old/a.txt", "a\n"), ("old/b.txt", "b\n"), ("old/in/c.txt", "c\n")]);
    a.post(&[
        remove("old"),
        write("new/a.txt", "a\n"),
        write("new/b.txt", "b\n"),
        write("new/in/c.txt", "c\n"),
    ]);
    b.post(&[write("old/d.txt", "d\n"), write("old/in/e.txt", "e\n")]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.is_empty());
    assert_eq!(a.paths(), ["new/a.txt", "new/b.txt", "new/d.txt", "new/in/c.txt", "new/in/e.txt"]);
}

#[test]
fn folders_that_are_moved_into_one_another_stay_in_the_tree() {
    let (mut a, mut b) = pair(&[("x/a.txt", "a\n"), ("y/b.txt", "b\n")]);
    a.post(&[remove("x"), write("y/x/a.txt", "a\n")]);
    b.post(&[remove("y"), write("x/y/b.txt", "b\n")]);
    let view = merge(&mut a, &mut b);
    assert_eq!(kinds(&mut a), [OverlapKind::Cycle]);
    assert_eq!(view.files.len(), 2);
    let shown = a.paths();
    a.post(&[write(&shown[0], "changed\n")]);
    assert_eq!(a.paths(), shown);
}

#[test]
fn one_path_added_twice() {
    let (mut a, mut b) = pair(&[("x", "x\n")]);
    a.post(&[write("n.txt", "same\n")]);
    b.post(&[write("n.txt", "same\n")]);
    assert!(merge(&mut a, &mut b).overlaps.is_empty());
    assert_eq!(a.paths(), ["n.txt", "x"]);
    let (mut a, mut b) = pair(&[("x", "x\n")]);
    a.post(&[write("n.txt", "short\n")]);
    b.post(&[write("n.txt", "quite another text\n")]);
    let view = merge(&mut a, &mut b);
    assert_eq!(kinds(&mut a), [OverlapKind::AddAdd]);
    assert_eq!(a.read("n.txt"), "short\n");
    assert_eq!(view.overlaps[0].alternatives[1].bytes, b"quite another text\n");
    let taken = a.docs.take(&a.tip, 0, 1, &a.store).unwrap();
    a.commit(taken);
    assert_eq!(a.read("n.txt"), "quite another text\n");
    assert!(a.view().overlaps.is_empty());
}

#[test]
fn binaries_merge_as_a_whole() {
    let mut a = Replica::new(1);
    a.post(&[write("b.bin", b"\0\x01base")]);
    let mut b = a.fork(2);
    a.post(&[write("b.bin", b"\0left")]);
    b.post(&[write("b.bin", b"\0right!")]);
    let view = merge(&mut a, &mut b);
    assert_eq!(kinds(&mut a), [OverlapKind::Replace]);
    assert_eq!(a.bytes("b.bin"), b"\0left");
    assert_eq!(view.overlaps[0].alternatives[1].bytes, b"\0right!");
}

#[test]
fn two_files_of_one_name_are_both_shown() {
    let (mut a, mut b) = pair(&[("a.txt", "one text\n"), ("b.txt", "two\nother\nlines\n")]);
    a.post(&[remove("a.txt"), write("n.txt", "one text\n")]);
    b.post(&[remove("b.txt"), write("n.txt", "two\nother\nlines\n")]);
    merge(&mut a, &mut b);
    assert_eq!(kinds(&mut a), [OverlapKind::NameCollision]);
    let paths = a.paths();
    assert_eq!(paths.len(), 2);
    assert!(paths.contains(&"n.txt".to_owned()) && paths.iter().any(|path| path.starts_with("n~")));
    a.post(&[remove("n.txt")]);
    assert_eq!(a.paths().len(), 1);
    assert!(a.paths()[0].starts_with("n~"));
}

#[test]
fn concurrent_functions_in_one_gap_are_both_there_and_whole() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    let with = |text: &str| LIB.replace("struct S;", &format!("{text}struct S;"));
    a.post(&[write("lib.rs", with("fn x1() {}\n\nfn x2() {}\n\n"))]);
    b.post(&[write("lib.rs", with("fn y1() {}\n\nfn y2() {}\n\n"))]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.iter().all(|overlap| overlap.kind.is_soft()), "{:?}", view.overlaps);
    assert_eq!(a.read("lib.rs"), with("fn x1() {}\n\nfn x2() {}\n\nfn y1() {}\n\nfn y2() {}\n\n"));
}

#[test]
fn edits_follow_the_methods_that_leave_their_impl() {
    let text = "struct S;\n\nimpl S {\n    fn m() -> u32 {\n        10\n    }\n\n    fn n() -> u32 {\n        20\n    }\n}\n\nfn z() {}\n";
    let (mut a, mut b) = pair(&[("lib.rs", text)]);
    let members = "    fn m() -> u32 {\n        10\n    }\n\n    fn n() -> u32 {\n        20\n    }\n";
    let moved = format!("{}{members}", text.replace(members, ""));
    a.post(&[write("lib.rs", &moved)]);
    b.post(&[write("lib.rs", text.replace("20", "21"))]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.is_empty(), "{:?}", view.overlaps);
    assert_eq!(a.read("lib.rs"), moved.replace("20", "21"));
}

#[test]
fn methods_of_one_impl_merge() {
    let (mut a, mut b) = pair(&[("lib.rs", LIB)]);
    a.post(&[write(
        "lib.rs",
        LIB.replace("        20\n    }\n", "        20\n    }\n\n    fn o(&self) {}\n"),
    )]);
    b.post(&[write("lib.rs", LIB.replace("        10\n", "        11\n"))]);
    let view = merge(&mut a, &mut b);
    assert!(view.overlaps.is_empty());
    let expected = LIB.replace("        20\n    }\n", "        20\n    }\n\n    fn o(&self) {}\n");
    assert_eq!(a.read("lib.rs"), expected.replace("        10\n", "        11\n"));
}

#[test]
fn an_executable_bit_and_a_link() {
    let mut a = Replica::new(1);
    let run = FileEdit::Write { path: path("run.sh"), bytes: b"#!/bin/sh\n"[..].into(), executable: true };
    a.post(&[
        run,
        FileEdit::Link { path: path("l"), target: b"../x".to_vec() },
        FileEdit::Dir { path: path("empty") },
    ]);
    let view = a.view();
    assert!(view.files[&path("run.sh")].executable);
    assert_eq!(a.bytes("l"), b"../x");
    assert!(view.dirs.contains(&path("empty")));
    a.post(&[write("run.sh", "#!/bin/sh\n"), remove("empty")]);
    assert!(!a.view().files[&path("run.sh")].executable);
    assert!(a.view().dirs.is_empty());
}

#[test]
fn what_is_added_again_is_what_it_was() {
    let (mut a, _) = pair(&[("a.txt", "one\ntwo\n")]);
    a.post(&[write("a.txt", "one\ntwo\nthree\n")]);
    let node = a.view().files[&path("a.txt")].node;
    a.post(&[remove("a.txt")]);
    assert!(a.paths().is_empty());
    a.post(&[write("a.txt", "one\ntwo\n")]);
    assert_eq!(a.read("a.txt"), "one\ntwo\n");
    assert_eq!(a.view().files[&path("a.txt")].node, node);
}

#[test]
fn nothing_to_write_is_nothing() {
    let (mut a, _) = pair(&[("a.txt", "one\n"), ("lib.rs", LIB)]);
    let draft = a.docs.draft(&a.tip, &[write("a.txt", "one\n"), write("lib.rs", LIB)], &a.store).unwrap();
    assert!(draft.is_empty(), "{draft:?}");
}

#[test]
fn every_file_comes_back_exactly() {
    let long = "x".repeat(1 << 20);
    let texts: Vec<Vec<u8>> = vec![
        b"a\r\nb\r\n".to_vec(),
        "\u{feff}fn a() {}\n".as_bytes().to_vec(),
        b"no end".to_vec(),
        b"\xff\xfe caf\xe9\n".to_vec(),
        b"".to_vec(),
        long.as_bytes().to_vec(),
        b"\0bin\0".to_vec(),
        format!("fn a() {{ {}1{} }}\n", "(".repeat(100_000), ")".repeat(100_000)).into_bytes(),
    ];
    for name in ["f.rs", "f.py", "f.txt"] {
        let mut a = Replica::new(1);
        for text in texts.iter().chain(texts.iter().rev()) {
            a.post(&[write(name, text)]);
            assert!(
                a.bytes(name) == *text,
                "{name} {:?}",
                String::from_utf8_lossy(&text[..text.len().min(20)])
            );
        }
    }
}

/// What a larger tree costs; run by hand.
#[test]
#[ignore = "prints times"]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures")]
fn a_larger_tree() {
    let mut a = Replica::new(1);
    let body = |n: usize| (0..20).map(|f| LIB.replace("one", &format!("one{n}x{f}"))).collect::<String>();
    let edits: Vec<_> = (0..2000).map(|n| write(&format!("d{}/f{n}.rs", n % 50), body(n))).collect();
    let timed = |what: &str, start: std::time::Instant| eprintln!("{what}: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    a.post(&edits);
    timed("import 2000", start);
    for round in 0..3 {
        let start = std::time::Instant::now();
        a.post(&[write("d1/f1.rs", body(1).replace("let a = 1", &format!("let a = {round}")))]);
        timed("edit one", start);
        let start = std::time::Instant::now();
        a.view();
        timed("view", start);
    }
    let start = std::time::Instant::now();
    let edits: Vec<_> = (0..200)
        .map(|n| write(&format!("d{}/f{n}.rs", n % 50), body(n).replace("let b = 2", "let b = 3")))
        .collect();
    a.post(&edits);
    timed("edit 200", start);
    let start = std::time::Instant::now();
    a.view();
    timed("view after 200", start);
    let start = std::time::Instant::now();
    a.post(&[write("d1/f1.rs", "fn x() {}\n")]);
    timed("edit one after 200", start);
    let mut edits: Vec<_> = (0..2000)
        .filter(|n| n % 50 == 3)
        .map(|n| write(&format!("moved/f{n}.rs"), a.read(&format!("d3/f{n}.rs"))))
        .collect();
    edits.push(remove("d3"));
    let start = std::time::Instant::now();
    a.post(&edits);
    timed("rename a folder", start);
}

#[test]
fn what_a_draft_was_read_back_as_is_what_anybody_sees() {
    let text = |n: u32| format!("fn a() {{ {n} }}\n\nfn b() {{ 1 }}\n\nfn c() {{ {n} }}\n");
    let (mut a, mut b) = pair(&[("x.rs", &text(1)), ("d/y.rs", &text(2)), ("z.txt", "one\ntwo\n")]);
    let steps: [&[FileEdit]; 6] = [
        &[write("x.rs", text(3))],
        &[remove("d/y.rs"), write("e/y.rs", text(2))],
        &[write("x.rs", "fn c() { 3 }\n\nfn a() { 3 }\n"), write("new.txt", "new\n")],
        &[write("z.txt", b"\0binary")],
        &[remove("new.txt"), write("z.txt", "one\n")],
        &[write("x.rs", text(4)), write("e/y.rs", text(5))],
    ];
    for (number, edits) in steps.into_iter().enumerate() {
        a.post(edits);
        assert_eq!(a.view(), a.fork(9).view(), "step {number}");
    }
    b.post(&[write("x.rs", text(7))]);
    a.pull(&b);
    assert!(!a.view().overlaps.is_empty());
    let draft = a.docs.settled_draft(&a.tip, &[write("e/y.rs", text(6))], &a.store).unwrap();
    a.commit(draft);
    assert_eq!(a.view(), a.fork(9).view());
    assert!(a.view().overlaps.is_empty(), "a draft of one who looked at all of it settles all of it");
}

#[test]
fn a_folder_that_both_renamed_is_told_whatever_was_read_before() {
    let (one, two) = ("the first file of the folder\n", "the second file of the folder\n");
    let (mut a, mut b) = pair(&[("d/a.txt", one), ("d/b.txt", two)]);
    for (side, folder) in [(&mut a, "e"), (&mut b, "f")] {
        let there = ["a.txt", "b.txt"].map(|name| format!("{folder}/{name}"));
        side.post(&[remove("d"), write(&there[0], one), write(&there[1], two)]);
    }
    let mut both = a.fork(3);
    both.pull(&b);
    both.commit(Draft::default());
    let shown = both.fork(4).view();
    assert!(!shown.overlaps.is_empty(), "{shown:?}");
    for side in [a, b] {
        let mut reader = side.fork(5);
        reader.view();
        reader.docs_only(&both);
        reader.tip = both.tip.clone();
        assert_eq!(reader.view(), shown);
    }
}

#[test]
fn a_draft_that_becomes_several_waypoints_is_read_as_anybody_reads_them() {
    let text = |n: u32| format!("fn a() {{ {n} }}\n\nfn b() {{ 1 }}\n");
    let edits =
        [write("x.rs", text(3)), write("new/deep/y.rs", text(4)), write("new/z.txt", "z\n"), remove("d")];
    let (mut start, _) = pair(&[("x.rs", &text(1)), ("d/y.rs", &text(2))]);
    let count = start.docs.draft(&start.tip, &edits, &start.store).unwrap().ops.len();
    for first in 1..count {
        for second in first..count {
            let mut a = start.fork(7);
            let Draft { ops, contents } = a.docs.draft(&a.tip, &edits, &a.store).unwrap();
            a.store.extend(contents);
            for part in [&ops[..first], &ops[first..second], &ops[second..]] {
                a.commit(Draft { ops: part.to_vec(), contents: Vec::new() });
                if second % 2 == 0 {
                    assert_eq!(a.view(), a.fork(9).view(), "{first} {second}");
                }
            }
            assert_eq!(a.view(), a.fork(9).view(), "{first} {second}");
            a.post(&[write("new/more/w.rs", text(5)), write("x.rs", text(6))]);
            assert_eq!(a.view(), a.fork(9).view(), "{first} {second}");
        }
    }
}
