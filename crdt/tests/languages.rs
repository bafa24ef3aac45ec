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
