//! What each language's files are cut into: one small file each, and its outline as it was last looked at.
//!
//! `CAIRN_BLESS=1` writes the outlines anew.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "it reads files")]

use std::fs;
use std::path::Path;

use cairn_crdt::languages::codec_of;
use cairn_crdt::op::{Cut, NodeKind};
use cairn_crdt::syntax::cut;

fn samples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outlines");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.ends_with(".outline")).collect();
    names.sort();
    names
}

/// Each piece with its word, its name and the lines that it begins and ends with.
fn outline(bytes: &[u8], cuts: &[Cut]) -> String {
    let line = |cut: &Cut| {
        let word = match &cut.kind {
            NodeKind::Item(word) => format!("{word} {}", String::from_utf8_lossy(&cut.name)),
            _ => "-".to_owned(),
        };
        let number = |at: u32| bytes[..at as usize].iter().filter(|byte| **byte == b'\n').count();
        let (first, last) = (number(cut.start) + 1, number(cut.end - 1) + 1);
        format!("{}{word} {first}-{last}\n", "  ".repeat(cut.depth.into()))
    };
    cuts.iter().map(line).collect()
}

#[test]
fn each_language_has_a_sample_and_its_outline_is_as_it_was() {
    let mut seen = Vec::new();
    for name in samples() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outlines").join(&name);
        let bytes = fs::read(&path).unwrap();
        let wanted = codec_of(name.as_bytes());
        let (codec, cuts) = cut(wanted, &bytes);
        assert_eq!(codec, wanted, "{name} was not parsed");
        seen.push(codec);
        let outline = outline(&bytes, &cuts);
        let golden = path.with_file_name(format!("{name}.outline"));
        if std::env::var_os("CAIRN_BLESS").is_some() {
            fs::write(&golden, &outline).unwrap();
        }
        assert_eq!(outline, fs::read_to_string(&golden).unwrap_or_default(), "{name}");
    }
    seen.sort_unstable();
    assert_eq!(seen, (2..=20).collect::<Vec<u16>>());
}

fn merged(name: &str, base: &str, sides: [&str; 2]) -> String {
    let both = |a: &str, b: &str| {
        let merged =
            cairn_crdt::merge(name.as_bytes(), base.as_bytes(), &[a.as_bytes(), b.as_bytes()]).unwrap();
        assert!(
            merged.overlaps.iter().all(|overlap| overlap.kind.is_soft()),
            "{name}: {:?}",
            merged.overlaps
        );
        String::from_utf8(merged.bytes).unwrap()
    };
    let merged = both(sides[0], sides[1]);
    assert_eq!(merged, both(sides[1], sides[0]));
    merged
}

#[test]
fn keys_that_two_sides_add_are_both_there() {
    let base = "model:\n  size: 1\noptimizer:\n  lr: 0.1\n";
    let one = "model:\n  size: 1\noptimizer:\n  lr: 0.1\n  decay: 0.5\n";
    let two = "model:\n  size: 1\noptimizer:\n  lr: 0.1\n  eps: 0.7\nseed: 3\n";
    let both = "model:\n  size: 1\noptimizer:\n  lr: 0.1\n  decay: 0.5\n  eps: 0.7\nseed: 3\n";
    assert_eq!(merged("a.yaml", base, [one, two]), both);

    let base = "[deps]\na = 1\nc = 3\n\n[dev]\nx = 1\n";
    let one = "[deps]\na = 1\nb = 2\nc = 3\n\n[dev]\nx = 1\n";
    let two = "[deps]\na = 1\nc = 4\n\n[dev]\ny = 2\nx = 1\n";
    let both = "[deps]\na = 1\nb = 2\nc = 4\n\n[dev]\ny = 2\nx = 1\n";
    assert_eq!(merged("a.toml", base, [one, two]), both);

    let base = "{\n  \"a\": {\n    \"x\": 1,\n    \"y\": 2\n  },\n  \"b\": 1\n}\n";
    let one = "{\n  \"a\": {\n    \"w\": 0,\n    \"x\": 1,\n    \"y\": 2\n  },\n  \"b\": 1\n}\n";
    let two = "{\n  \"a\": {\n    \"x\": 1,\n    \"y\": 3\n  },\n  \"aa\": 4,\n  \"b\": 1\n}\n";
    let both =
        "{\n  \"a\": {\n    \"w\": 0,\n    \"x\": 1,\n    \"y\": 3\n  },\n  \"aa\": 4,\n  \"b\": 1\n}\n";
    assert_eq!(merged("a.json", base, [one, two]), both);
}
