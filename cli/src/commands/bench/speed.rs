//! `bench speed`: how long it takes to merge and to post large files and many files.
//!
//! What is written is made here, from a seed: plain functions of a few lines, as most code is.

use super::dice::Dice;
use super::figure::{Figure, Limit};
use super::memory::{apart, peak_mb};
use super::score::median;
use super::stage::{Stage, bug};
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use cairn_node::measure::{Files, Fork};
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

/// About how many bytes the large file has.
const FILE_BYTES: usize = 200_000;
/// How many places of the large file each branch edits.
const EDITS: usize = 100;
/// How many files both branches edit.
const FILES: usize = 1000;
/// How many functions each of many files has.
const FUNCTIONS: usize = 20;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each thing is done
    #[arg(long, default_value_t = 11)]
    runs: usize,
    /// Measure the memory of one view of many files, and print it
    #[arg(long, hide = true)]
    memory: bool,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    if args.memory {
        many(1)?;
        crate::output::line(&peak_mb()?.to_string());
        return Ok(DONE);
    }
    let runs = args.runs.max(1);
    let figure = |figure: &str, unit, cairn, limit| Figure {
        bench: "speed",
        figure: figure.into(),
        unit,
        cairn,
        rival: None,
        limit: Limit::AtMost(limit),
        runs,
    };
    let print = |made: Figure| made.print(desk.json);
    print(figure("merge 200 KB, 2 x 100 edits", "ms", large(runs)?, 10.0));
    print(figure("post of 5 lines in 200 KB", "ms", posts(runs)?, 10.0));
    print(figure("view of 1000 files", "ms", many(runs.min(3))?, 1000.0));
    print(figure("memory of that view", "MB", memory()?, 200.0));
    Ok(DONE)
}

/// The view of two branches that both edited one large file.
fn large(runs: usize) -> Result<f64, Failure> {
    let functions = FILE_BYTES / function(0, 0).len();
    let base = text(functions, |_| 0);
    let side = |seed, parity| {
        let mut edited: Vec<usize> = (0..functions).filter(|at| at % 2 == parity).collect();
        Dice::new(seed).shuffle(&mut edited);
        edited.truncate(EDITS);
        text(functions, |at| usize::from(edited.contains(&at)) * (parity + 1))
    };
    let file = |text: String| Files::from([(b"src/large.rs".to_vec(), text.into_bytes())]);
    timed(&file(base), [&file(side(1, 0)), &file(side(2, 1))], runs)
}

/// The view of two branches that both edited every one of many files.
fn many(runs: usize) -> Result<f64, Failure> {
    let files = |edited: Option<usize>| -> Files {
        let one = |number: usize| {
            let path = format!("src/d{}/f{number}.rs", number % 20);
            let value = |at: usize| usize::from(edited == Some(at)) * (at + 1 + number);
            (path.into_bytes(), text(FUNCTIONS, value).into_bytes())
        };
        (0..FILES).map(one).collect()
    };
    timed(&files(None), [&files(Some(3)), &files(Some(11))], runs)
}

fn timed(base: &Files, sides: [&Files; 2], runs: usize) -> Result<f64, Failure> {
    let mut times = Vec::new();
    for _ in 0..runs {
        let mut fork = Fork::new(base, sides)?;
        let begun = Instant::now();
        let (files, _) = fork.view()?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        if files != base.len() {
            return Err(bug("a view does not show all files"));
        }
    }
    median(times).ok_or_else(|| bug("nothing was measured"))
}

/// How much longer a post takes that has five new lines in a large file than one that has nothing to say.
fn posts(runs: usize) -> Result<f64, Failure> {
    let stage = Stage::new()?;
    let tree = stage.path("tree");
    fs::create_dir(&tree)?;
    stage.cairn(&["init", "tree", "--project", "@bench/speed"])?;
    let functions = FILE_BYTES / function(0, 0).len();
    let write = |run: usize| {
        let edited = |at: usize| if at / 5 == functions / 10 { run } else { 0 };
        fs::write(tree.join("large.rs"), text(functions, edited))
    };
    write(0)?;
    stage.cairn(&["-C", "tree", "post"])?;
    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        empty.push(stage.cairn(&["-C", "tree", "post"])?);
        write(run)?;
        full.push(stage.cairn(&["-C", "tree", "post"])?);
    }
    let (empty, full) = (median(empty), median(full));
    let (empty, full) = empty.zip(full).ok_or_else(|| bug("nothing was measured"))?;
    Ok(full - empty)
}

/// The most memory that a process of its own holds while it makes the view of many files, drafts and all.
fn memory() -> Result<f64, Failure> {
    let said = apart(None, &["bench", "speed", "--memory"])?;
    said.trim().parse().map_err(|_| bug("a process of its own printed no number"))
}

fn text(functions: usize, value: impl Fn(usize) -> usize) -> String {
    (0..functions).map(|at| function(at, value(at))).collect()
}

/// A function; `value` is what an edit changes.
fn function(number: usize, value: usize) -> String {
    let mut text = format!(
        "/// Says what number {number} is about.\npub fn work_{number:04}(input: &[u8]) -> usize {{\n"
    );
    let _ = writeln!(text, "    let mut total = {value};");
    let _ = writeln!(text, "    for (at, byte) in input.iter().enumerate() {{");
    let _ = writeln!(text, "        total += at * usize::from(*byte) + {number};\n    }}");
    text.push_str("    total\n}\n\n");
    text
}
