//! `bench history --churn`: how much disk a year of work needs once it has faded to its marks.
//!
//! Many files are edited line by line over a simulated year. Each week ends with a mark, which begins an epoch, and
//! all that no mark needs fades. The store is compared with what nobody can do without: the files as they are, and as
//! they were at each mark, each state compressed by itself.

use super::dice::Dice;
use super::figure::{Figure, Limit};
use super::stage::{Stage, bytes};
use super::words;
use crate::error::Failure;
use cairn_node::measure::{Edits, Files, Packer, Trail};
use std::fs;

/// How many lines each has.
const LINES: usize = 60;
/// A week, in milliseconds.
const WEEK_MS: u64 = 7 * 24 * 3600 * 1000;
/// When the year begins, in milliseconds since 1970.
const BEGUN_MS: u64 = 1_700_000_000_000;
/// How much larger than what has to be there the store may be.
const LIMIT: f64 = 1.3;

/// One point of the curve, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    store: f64,
    needed: f64,
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// How many files there are.
    pub(super) files: usize,
    /// How many weeks pass, each with a mark.
    pub(super) weeks: usize,
    /// How many waypoints are written in all.
    pub(super) waypoints: usize,
}

/// Measures, and prints the curve and the figures.
pub(super) fn run(work: Work, seed: u64, json: bool) -> Result<(), Failure> {
    let Work { files, weeks, waypoints } = work;
    let stage = Stage::new()?;
    fs::create_dir(stage.path("tree"))?;
    let mut trail = Trail::begin(&stage.path("home"), &stage.path("tree"))?;
    let store = trail.dir()?;
    let mut dice = Dice::new(seed);
    let mut shown = words::files("src", files, LINES, &mut dice);
    trail.set_clock(BEGUN_MS);
    trail.post(&shown.iter().map(|(path, bytes)| (path.clone(), Some(bytes.clone()))).collect())?;
    let (mut curve, mut marks) = (Vec::new(), 0.0);
    for week in 1..=weeks {
        let done = waypoints * (week - 1) / weeks..waypoints * week / weeks;
        for number in done.clone() {
            let part = (number - done.start) as u64 * WEEK_MS / done.len() as u64;
            trail.set_clock(BEGUN_MS + (week as u64 - 1) * WEEK_MS + part);
            trail.post(&edit(&mut shown, &mut dice))?;
        }
        trail.mark(&format!("week-{week}"))?;
        trail.fade()?;
        let live = packed(&shown)?;
        marks += live;
        let point = Point { store: bytes(&store)? as f64, needed: live + marks };
        print(
            &format!("disk, week {week}"),
            "MB",
            point.store / 1e6,
            LIMIT * point.needed / 1e6,
            point,
            json,
        );
        curve.push(point);
    }
    trail.close()?;
    finish(&curve, json);
    Ok(())
}

/// The ratio at the end, and that of what the last quarter of the year added.
fn finish(curve: &[Point], json: bool) {
    let (Some(end), Some(before)) = (curve.last(), curve.get(curve.len().saturating_sub(1) * 3 / 4)) else {
        return;
    };
    let one = Point { store: 1.0, needed: 1e6 };
    print("disk at the end", "x", end.store / end.needed, LIMIT, one, json);
    if end.needed <= before.needed {
        return;
    }
    let growth = (end.store - before.store) / (end.needed - before.needed);
    print("growth, last quarter", "x", growth, LIMIT, one, json);
}

fn print(figure: &str, unit: &'static str, value: f64, limit: f64, point: Point, json: bool) {
    let figure = Figure {
        bench: "history",
        figure: figure.to_owned(),
        unit,
        cairn: value,
        rival: Some(("live + marks, compressed".to_owned(), point.needed / 1e6)),
        limit: Limit::AtMost(limit),
        runs: 1,
    };
    figure.print(json);
}

/// Edits a line of one file.
fn edit(shown: &mut Files, dice: &mut Dice) -> Edits {
    let at = dice.below(shown.len());
    let Some((path, bytes)) = shown.iter_mut().nth(at) else { return Edits::new() };
    *bytes = words::edited(bytes, dice);
    Edits::from([(path.clone(), Some(bytes.clone()))])
}

/// What the files come to, compressed together.
fn packed(files: &Files) -> Result<f64, Failure> {
    let mut packer = Packer::new()?;
    for (path, bytes) in files {
        packer.add(path)?;
        packer.add(bytes)?;
    }
    Ok(packer.finish()? as f64)
}
