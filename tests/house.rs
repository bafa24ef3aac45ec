//! The house rules, as tests: who may import whom, how long a function may be, which words are not used.
//!
//! A rule that only lives in a document is broken within a month; these fail instead.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates of the workspace.
const CRATES: [&str; 6] = ["crdt", "protocol", "blobs", "node", "cli", "simulations"];
/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of any function.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines that all but one function in twenty stay within.
const FUNCTION_LINES_USUAL: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn dependencies(krate: &str, section: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("manifest");
    let lines = text.lines().skip_while(|line| line.trim() != section).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn ours(krate: &str) -> Vec<String> {
    dependencies(krate, "[dependencies]").into_iter().filter(|name| name.starts_with("cairn-")).collect()
}

#[test]
fn imports_follow_the_arrows() {
    assert_eq!(ours("crdt"), Vec::<String>::new());
    assert_eq!(ours("protocol"), ["cairn-crdt"]);
    assert_eq!(ours("blobs"), Vec::<String>::new());
    assert_eq!(ours("node"), ["cairn-blobs", "cairn-crdt", "cairn-protocol"]);
    assert_eq!(ours("cli"), ["cairn-node"]);
    assert_eq!(ours("simulations"), ["cairn-crdt", "cairn-protocol"]);
}

#[test]
fn pure_crates_depend_on_nothing_that_acts() {
    let banned = [
        "tokio",
        "libp2p",
        "iroh-blobs",
        "getrandom",
        "rand",
        "redb",
        "gix",
        "notify",
        "rustix",
        "futures",
        "tempfile",
    ];
    for krate in ["crdt", "protocol", "simulations"] {
        for name in dependencies(krate, "[dependencies]") {
            assert!(!banned.contains(&name.as_str()), "{krate} depends on {name}");
        }
    }
}

#[test]
fn one_crate_each_names_an_outside_library() {
    let owners = BTreeMap::from([
        ("automerge", "crdt"),
        ("tree-sitter", "crdt"),
        ("libp2p", "node"),
        ("iroh-blobs", "blobs"),
        ("ed25519-dalek", "protocol"),
        ("redb", "node"),
        ("gix", "node"),
    ]);
    for krate in CRATES {
        for section in ["[dependencies]", "[dev-dependencies]"] {
            for name in dependencies(krate, section) {
                let owner = owners.get(name.as_str());
                assert!(owner.is_none_or(|owner| *owner == krate), "{krate} names {name}");
            }
        }
    }
}

#[test]
fn pure_crates_touch_no_clock_disk_thread_or_unordered_map() {
    let banned = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "std::time::Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "thread_rng",
        "println!",
        "eprintln!",
    ];
    for krate in ["crdt", "protocol"] {
        for path in sources(&root().join(krate).join("src")) {
            for (number, line) in body(&path).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in banned {
                    assert!(!code.contains(word), "{}:{}: {word}", path.display(), number + 1);
                }
            }
        }
    }
}

/// The text of a file before its tests.
fn body(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("source");
    let mut starts = text.match_indices("#[cfg(test)]\n");
    let is_body =
        |rest: &str| rest.lines().nth(1).is_some_and(|line| line.contains("mod ") && line.ends_with('{'));
    let end = starts.find(|(at, _)| text.get(*at..).is_some_and(is_body)).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default().to_owned()
}

fn all_sources() -> Vec<PathBuf> {
    let all: Vec<_> = CRATES.iter().flat_map(|krate| sources(&root().join(krate).join("src"))).collect();
    let tests: Vec<_> = all.iter().flat_map(|path| test_modules(path)).collect();
    all.into_iter().filter(|path| !tests.contains(path)).collect()
}

/// The files of modules that a file declares for tests only.
fn test_modules(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(path).expect("source");
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let top = matches!(stem, "lib" | "main" | "mod");
    let folder = if top { path.with_file_name("") } else { path.with_extension("") };
    let after = text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.lines().next());
    let names =
        after.filter_map(|line| line.trim().strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
    names.map(|name| folder.join(format!("{name}.rs"))).collect()
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for path in all_sources() {
        let text = body(&path);
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{}: {lines} lines before its tests", path.display());
        assert!(text.starts_with("//!"), "{}: no module documentation", path.display());
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let nameless = ["util", "utils", "common", "helpers", "helper", "misc", "manager", "types"];
        assert!(!nameless.contains(&stem), "{}: the name says no noun", path.display());
    }
}

#[test]
fn functions_are_short() {
    let mut lengths = Vec::new();
    for path in all_sources() {
        for (name, lines) in functions(&body(&path)) {
            assert!(lines <= FUNCTION_LINES_MAX, "{}: fn {name} has {lines} lines", path.display());
            lengths.push(lines);
        }
    }
    lengths.sort_unstable();
    let usual = lengths.get(lengths.len() * 95 / 100).copied().unwrap_or_default();
    assert!(usual <= FUNCTION_LINES_USUAL, "one function in twenty has more than {usual} lines");
}

/// Name and length of each function, found by the indentation that rustfmt guarantees.
fn functions(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if let Some((name, close, start)) = &open {
            if line == close {
                found.push((name.clone(), number - start + 1));
                open = None;
            }
        } else if let Some(name) = function_name(line) {
            open = Some((name, format!("{}}}", " ".repeat(indent)), number));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let code = line.trim_start();
    let at = if code.starts_with("fn ") { 0 } else { code.find(" fn ")? + 1 };
    let modifiers = code.get(..at)?;
    let plain = ["pub", "pub(crate)", "pub(super)", "async", "const"];
    if code.ends_with([';', '}']) || !modifiers.split_whitespace().all(|word| plain.contains(&word)) {
        return None;
    }
    let name: String = code.get(at + 3..)?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(name)
}

#[test]
fn nothing_is_left_unfinished_or_unwrapped() {
    let banned = ["todo!(", "unimplemented!(", "dbg!(", ".unwrap()", "TODO", "FIXME"];
    for path in all_sources() {
        for (number, line) in body(&path).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in banned {
                assert!(!code.contains(word), "{}:{}: {word}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn the_readme_draws_the_tree_that_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    for krate in CRATES.iter().chain(&["tests"]) {
        assert!(readme.contains(&format!("{krate}/")), "README.md does not show {krate}/");
        assert!(root().join(krate).is_dir(), "{krate} is not there");
    }
    for command in ["cargo run --release -- demo", "cargo test --workspace --locked"] {
        assert!(readme.lines().any(|line| line.trim() == command), "README.md lacks the line `{command}`");
    }
}
