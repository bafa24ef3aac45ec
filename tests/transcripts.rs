//! The manual runs: every `$` line of `tests/book/*.md` is done, and must print what stands below it.
//!
//! A block that is marked `console` is a transcript. Lines that begin with `$ ` go to a shell in a fresh
//! folder with a fresh home; the lines below are what must come. `…` stands for anything within a line. A
//! line `exit N` at the end says that the command ends with that code; without it, 0 is meant.

use crate::harness::Stage;
use std::fs;
use std::path::Path;
use std::process::Command;

struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
    code: i32,
}

fn steps(text: &str) -> Vec<Step> {
    let (mut steps, mut inside): (Vec<Step>, bool) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            steps.push(Step { line: number + 1, command: command.to_owned(), expected: Vec::new(), code: 0 });
        } else if let Some(step) = steps.last_mut().filter(|_| inside && !line.is_empty()) {
            match line.strip_prefix("exit ").and_then(|code| code.parse().ok()) {
                Some(code) => step.code = code,
                None => step.expected.push(line.to_owned()),
            }
        }
    }
    steps
}

/// Whether a line is what was expected, `…` standing for anything.
fn fits(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn play(page: &Path) {
    let stage = Stage::new();
    let binary = Path::new(env!("CARGO_BIN_EXE_cairn")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let text = fs::read_to_string(page).unwrap();
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{}: no transcript", page.display());
    for step in steps {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&step.command).current_dir(stage.path());
        shell.env("PATH", &path).env("CAIRN_HOME", stage.path().join("home")).env_remove("CAIRN_KEY");
        let output = shell.output().unwrap();
        let told =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
        let same = lines.len() == step.expected.len()
            && lines.iter().zip(&step.expected).all(|(line, expected)| fits(expected, line));
        let place = format!("{}:{}: {}", page.display(), step.line, step.command);
        assert!(same, "{place}\nexpected:\n{}\ngot:\n{told}", step.expected.join("\n"));
        assert_eq!(output.status.code(), Some(step.code), "{place}\n{told}");
    }
}

#[test]
fn the_book_runs() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/book");
    let mut pages: Vec<_> = fs::read_dir(book).unwrap().flatten().map(|entry| entry.path()).collect();
    pages.sort();
    pages.retain(|page| page.extension().is_some_and(|end| end == "md"));
    assert!(!pages.is_empty());
    pages.iter().for_each(|page| play(page));
}

#[test]
fn dots_stand_for_anything() {
    assert!(fits("a … b", "a long b") && fits("…", "") && fits("x…", "x") && fits("same", "same"));
    assert!(!fits("a … b", "a long c") && !fits("same", "other") && !fits("a…b…", "xab"));
}
