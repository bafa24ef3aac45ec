use super::*;
use crate::documents::{Change, Documents, Kept};
use crate::draft::FileEdit;
use crate::frontier::Frontier;
use crate::id::{ProjectId, WaypointId, derive};
use crate::view::View;
use std::sync::Arc;

fn path(name: &str) -> RepoPath {
    RepoPath::new(name.as_bytes()).unwrap()
}

/// A change in one line of words.
fn spell(change: &SymbolChange) -> String {
    let one = |symbol: &Option<Symbol>| {
        symbol.as_ref().map_or(String::new(), |symbol| {
            let value = symbol.value.iter().map(|value| format!("={value}")).collect::<String>();
            format!("{}#{}:{}{value}", symbol.path, symbol.name, symbol.line)
        })
    };
    let edited = if change.edited { " edited" } else { "" };
    format!("{:?} {} > {}{edited}", change.kind, one(&change.old), one(&change.new))
}

/// What differs between files given as name and text; `None` where a file is not there.
fn told(files: &[(&str, Option<&str>, Option<&str>)]) -> Vec<String> {
    let paths: Vec<_> = files.iter().map(|(name, ..)| path(name)).collect();
    let text = |path, text: Option<&'static str>| {
        text.map(|text| Text { path, bytes: text.as_bytes(), pieces: &[] })
    };
    let leaked = |text: Option<&str>| text.map(|text| &*Box::leak(text.to_owned().into_boxed_str()));
    let pairs = files.iter().zip(&paths);
    let pairs = pairs.map(|((_, old, new), path)| FilePair {
        old: text(path, leaked(*old)),
        new: text(path, leaked(*new)),
    });
    symbols(&pairs.collect::<Vec<_>>()).iter().map(spell).collect()
}

const A: &str = "use x;\n\nfn one() {\n    let a = first(1);\n    a + 1\n}\n\nfn two() {\n    let b = second(2);\n    b + 2\n}\n\nfn three() {\n    third()\n}\n";

#[test]
fn nothing_is_told_of_what_is_equal_or_lies_between_items() {
    assert!(told(&[("a.rs", Some(A), Some(A))]).is_empty());
    assert!(told(&[("a.rs", Some(A), Some(&A.replace("use x", "use y")))]).is_empty());
    assert!(told(&[("a.bin", Some("\0"), Some("\0\0")), ("a.txt", Some("a"), Some("b"))]).is_empty());
    assert!(told(&[("a.rs", None, Some(A)), ("b.rs", Some("fn q() {}"), None)]).is_empty());
}

#[test]
fn items_are_changed_added_and_removed() {
    let new = A
        .replace("b + 2", "b + 3")
        .replace("fn three() {\n    third()\n}\n", "fn four() -> u8 {\n    4\n}\n");
    assert_eq!(
        told(&[("a.rs", Some(A), Some(&new))]),
        [
            "Changed a.rs#fn(two):8 > a.rs#fn(two):8",
            "Added  > a.rs#fn(four):13",
            "Removed a.rs#fn(three):13 > ",
        ]
    );
}

#[test]
fn a_rename_is_no_removal() {
    let new = A.replace("fn two", "fn zwei");
    assert_eq!(told(&[("a.rs", Some(A), Some(&new))]), ["Renamed a.rs#fn(two):8 > a.rs#fn(zwei):8"]);
    let new = new.replace("b + 2", "b + 3");
    assert_eq!(told(&[("a.rs", Some(A), Some(&new))]), ["Renamed a.rs#fn(two):8 > a.rs#fn(zwei):8 edited"]);
}

#[test]
fn a_move_is_told_within_and_between_files() {
    let two = "fn two() {\n    let b = second(2);\n    b + 2\n}\n";
    let without = A.replace(&format!("{two}\n"), "");
    let one = "fn one() {\n    let a = first(1);\n    a + 1\n}\n";
    let last = format!("{}\n{one}", A.replace(&format!("{one}\n"), ""));
    assert_eq!(told(&[("a.rs", Some(A), Some(&last))]), ["Moved a.rs#fn(one):3 > a.rs#fn(one):12"]);
    let other = "fn zero() {}\n";
    let with = format!("{other}\n{}", two.replace("+ 2", "+ 7"));
    assert_eq!(
        told(&[("a.rs", Some(A), Some(&without)), ("b.rs", Some(other), Some(&with))]),
        ["Moved a.rs#fn(two):8 > b.rs#fn(two):3 edited"]
    );
    assert_eq!(
        told(&[("a.rs", Some(A), Some(&without)), ("new.rs", None, Some(two))]),
        ["Moved a.rs#fn(two):8 > new.rs#fn(two):1"]
    );
}

#[test]
fn members_follow_the_item_around_them() {
    let old = "struct P;\n\nimpl P {\n    fn norm(&self) -> f64 {\n        self.x.hypot(self.y)\n    }\n\n    fn zero() -> Self {\n        P\n    }\n}\n";
    assert_eq!(
        told(&[("a.rs", Some(old), Some(&old.replace("impl P", "impl Point")))]),
        ["Renamed a.rs#impl(P):3 > a.rs#impl(Point):3"]
    );
    assert_eq!(
        told(&[("a.rs", Some(old), Some(&old.replace("hypot", "min")))]),
        ["Changed a.rs#fn(P::norm):4 > a.rs#fn(P::norm):4"]
    );
}

#[test]
fn configuration_is_told_by_key() {
    let old = "{\n  \"optimizer\": {\"lr\": 0.1, \"kind\": \"adam\"},\n  \"seed\": 1\n}\n";
    let new = "{\n  \"optimizer\": {\"lr\": 0.01, \"kind\": \"adam\"},\n  \"steps\": 9\n}\n";
    assert_eq!(
        told(&[("a.json", Some(old), Some(new))]),
        [
            "Changed a.json#optimizer.lr:2=0.1 > a.json#optimizer.lr:2=0.01",
            "Removed a.json#seed:3=1 > ",
            "Added  > a.json#steps:3=9",
        ]
    );
}

/// A project whose waypoints follow one another.
struct Story {
    documents: Documents,
    kept: Kept,
    tips: Vec<Frontier>,
}

impl Story {
    fn new() -> Self {
        let documents = Documents::new(ProjectId(derive("compare", &[])));
        Self { documents, kept: Kept::default(), tips: vec![Frontier::empty()] }
    }

    fn post(&mut self, edits: &[(&str, Option<&str>)]) -> WaypointId {
        let base = self.tips.last().unwrap().clone();
        let edits: Vec<_> = edits
            .iter()
            .map(|(name, text)| match text {
                Some(text) => {
                    FileEdit::Write { path: path(name), bytes: text.as_bytes().into(), executable: false }
                }
                None => FileEdit::Remove { path: path(name) },
            })
            .collect();
        let draft = self.documents.draft(&base, &edits, &self.kept).unwrap();
        self.kept.extend(draft.contents);
        let id = WaypointId(derive("compare", &[&[self.tips.len() as u8]]));
        let change = Change { id, parents: base.heads().to_vec(), ops: draft.ops.into() };
        self.documents.insert(change).unwrap();
        self.tips.push(Frontier::from_iter([id]));
        id
    }

    fn view(&mut self, step: usize) -> Arc<View> {
        self.documents.view(&self.tips[step].clone(), &self.kept).unwrap()
    }

    fn side(&mut self, step: usize, name: &str) -> Option<(RepoPath, Vec<u8>, Vec<Piece>)> {
        let (view, path) = (self.view(step), path(name));
        view.files.get(&path)?;
        let bytes = self.documents.bytes(&view, &path, &self.kept).unwrap();
        let pieces = self.documents.pieces(&view, &path, &self.kept).unwrap();
        Some((path, bytes, pieces))
    }

    fn told(&mut self, steps: (usize, usize), names: &[(&str, &str)]) -> Vec<String> {
        let sides: Vec<_> =
            names.iter().map(|(old, new)| (self.side(steps.0, old), self.side(steps.1, new))).collect();
        let text = |side: &'_ Option<(RepoPath, Vec<u8>, Vec<Piece>)>| {
            side.clone().map(|side| &*Box::leak(Box::new(side))).map(|(path, bytes, pieces)| Text {
                path,
                bytes,
                pieces,
            })
        };
        let pairs: Vec<_> =
            sides.iter().map(|(old, new)| FilePair { old: text(old), new: text(new) }).collect();
        symbols(&pairs).iter().map(spell).collect()
    }

    fn writers(&mut self, name: &str, symbol: &str) -> Vec<WaypointId> {
        let view = self.view(self.tips.len() - 1);
        let (_, _, pieces) = self.side(self.tips.len() - 1, name).unwrap();
        let piece = pieces.iter().find(|piece| piece.name == symbol.as_bytes()).expect("a piece");
        self.documents.item_writers(&view, &path(name), piece, &self.kept).unwrap()
    }
}

#[test]
fn a_node_is_the_same_item_however_little_of_it_is_left() {
    let mut story = Story::new();
    story.post(&[("a.rs", Some(A))]);
    let cut = A.replace("first(1)", "first(2)");
    story.post(&[("a.rs", Some(&cut))]);
    let renamed = cut.replace("fn two()", "fn other_name()");
    story.post(&[("a.rs", Some(&renamed))]);
    let emptied = renamed.replace("    let b = second(2);\n    b + 2\n", "    unlike(anything, before)\n");
    story.post(&[("a.rs", Some(&emptied))]);
    assert_eq!(story.told((2, 3), &[("a.rs", "a.rs")]), ["Renamed a.rs#fn(two):8 > a.rs#fn(other_name):8"]);
    assert_eq!(
        story.told((2, 4), &[("a.rs", "a.rs")]),
        ["Renamed a.rs#fn(two):8 > a.rs#fn(other_name):8 edited"]
    );
}

#[test]
fn a_file_that_was_renamed_holds_what_it_held() {
    let mut story = Story::new();
    story.post(&[("a.rs", Some(A))]);
    story.post(&[("a.rs", None), ("b.rs", Some(&A.replace("b + 2", "b + 3")))]);
    assert_eq!(story.told((1, 2), &[("a.rs", "b.rs")]), ["Changed a.rs#fn(two):8 > b.rs#fn(two):8"]);
}

#[test]
fn an_item_knows_who_wrote_it_and_who_did_not() {
    let mut story = Story::new();
    let first = story.post(&[("a.rs", Some(A))]);
    let second = story.post(&[("a.rs", Some(&A.replace("second(2)", "second(3)")))]);
    let third = story.post(&[("b.rs", Some("fn b() {}\n"))]);
    let other = A.replace("second(2)", "second(3)").replace("first(1)", "first(9)");
    let fourth = story.post(&[("a.rs", Some(&other))]);
    let renamed = other.replace("fn two", "fn zwei");
    let fifth = story.post(&[("a.rs", Some(&renamed))]);
    assert_eq!(story.writers("a.rs", "zwei"), [first, second, fifth]);
    assert_eq!(story.writers("a.rs", "one"), [first, fourth]);
    assert_eq!(story.writers("a.rs", "three"), [first]);
    let view = story.view(5);
    let of_file = story.documents.writers(&view, &path("a.rs"), &story.kept).unwrap();
    assert_eq!(of_file, [first, second, fourth, fifth]);
    assert_eq!(story.documents.writers(&view, &path("b.rs"), &story.kept).unwrap(), [third]);
    assert_eq!(story.documents.bodies(&view, &path("a.rs"), &story.kept).unwrap().len(), 1);
}

#[test]
fn lines_are_counted_from_one() {
    let lines = Lines::of(b"a\nb\n\nc");
    assert_eq!([0, 1, 2, 4, 5, 9].map(|at| lines.number(at)), [1, 1, 2, 3, 4, 4]);
    assert_eq!(Lines::of(b"").number(0), 1);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_compared(old: Vec<u8>, new: Vec<u8>, text in "[{}\\[\\]():,=#a-c \n\"-]{0,60}", name in "a\\.(rs|py|json|toml|yaml|md|html|txt)") {
        let path = path(&name);
        let side = |bytes| Some(Text { path: &path, bytes, pieces: &[] });
        let sides = [&old[..], &new[..], text.as_bytes(), b"fn a() {}\n"];
        for one in sides {
            proptest::prop_assert_eq!(symbols(&[FilePair { old: side(one), new: side(one) }]), []);
            for other in sides {
                symbols(&[FilePair { old: side(one), new: side(other) }]);
            }
        }
    }
}
