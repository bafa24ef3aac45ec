//! `bench tower`: one long feed on a real disk, through the path that every write takes.
//!
//! The tower alone (sign, log, sync, cut, merge) and a whole node (with replica and documents) grow in processes of
//! their own, so that each one's memory is its own.

use super::figure::{Figure, Limit};
use super::memory::{apart, peak_mb};
use super::score::median;
use super::stage::{Stage, bug};
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use crate::output;
use cairn_node::measure::{Climb, agent_bytes, post_many};
use std::time::Instant;

/// How many waypoints are new when a known tower is checked.
const NEW: u64 = 100;
/// How often a known tower is checked.
const LOOKS: usize = 11;
/// How many earlier roots are checked against the newest.
const ROOTS: u64 = 4096;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many waypoints the feed has
    #[arg(long, default_value_t = 1_000_000)]
    waypoints: u64,
    /// Grow only this, in the folder where it is started, and print what was measured
    #[arg(long, hide = true)]
    only: Option<Part>,
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Tower,
    Node,
    Agents,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let waypoints = args.waypoints.max(1);
    let figures = match args.only {
        Some(Part::Tower) => tower(waypoints)?,
        Some(Part::Node) => node(waypoints)?,
        Some(Part::Agents) => agents(waypoints)?,
        None => {
            print(&measured("tower", waypoints)?, &LIMITS[..7], desk)?;
            print(&measured("node", waypoints)?, &LIMITS[7..9], desk)?;
            print(&measured("agents", waypoints)?, &LIMITS[9..], desk)?;
            return Ok(DONE);
        }
    };
    output::line(&figures.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
    Ok(DONE)
}

/// What is measured, in what, what is promised, and how often it is done.
const LIMITS: [(&str, &str, Limit, usize); 10] = [
    ("append to the tower", "/s", Limit::AtLeast(5000.0), 1),
    ("stones", "", Limit::AtMost(24.0), 1),
    ("written by cuts and merges", "x", Limit::AtMost(6.0), 1),
    ("known tower, 100 new: read", "KiB", Limit::AtMost(64.0), LOOKS),
    ("known tower, 100 new: time", "ms", Limit::AtMost(20.0), LOOKS),
    ("proof of an earlier root", "KiB", Limit::AtMost(4.0), ROOTS as usize),
    ("memory of the tower", "MB", Limit::AtMost(100.0), 1),
    ("append to a node", "/s", Limit::AtLeast(5000.0), 1),
    ("memory of the node", "MB", Limit::AtMost(100.0), 1),
    ("an agent that came once", "B", Limit::AtMost(100.0), 1),
];

fn print(
    measured: &[f64],
    limits: &[(&str, &'static str, Limit, usize)],
    desk: &Desk,
) -> Result<(), Failure> {
    if measured.len() != limits.len() {
        return Err(bug("a process of its own measured something else"));
    }
    for (cairn, (figure, unit, limit, runs)) in measured.iter().zip(limits) {
        let (bench, figure, rival) = ("tower", (*figure).to_owned(), None);
        Figure { bench, figure, unit, cairn: *cairn, rival, limit: *limit, runs: *runs }.print(desk.json);
    }
    Ok(())
}

/// Measures one part in a process of its own.
fn measured(part: &str, waypoints: u64) -> Result<Vec<f64>, Failure> {
    let stage = Stage::new()?;
    let count = waypoints.to_string();
    let line = apart(Some(&stage), &["bench", "tower", "--only", part, "--waypoints", &count])?;
    let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
    numbers.map_err(|_| bug("a process of its own printed no numbers"))
}

fn tower(waypoints: u64) -> Result<Vec<f64>, Failure> {
    let mut climb = Climb::new(&std::env::current_dir()?.join("store"))?;
    let begun = Instant::now();
    climb.grow(waypoints)?;
    let per_second = waypoints as f64 / begun.elapsed().as_secs_f64();
    let height = climb.height();
    let (mut bytes, mut times) = (Vec::new(), Vec::new());
    for _ in 0..LOOKS {
        let seen = climb.seen()?;
        climb.grow(NEW)?;
        let (read, ms) = climb.glance(&seen)?;
        bytes.push(read as f64 / 1024.0);
        times.push(ms);
    }
    let step = (waypoints / ROOTS).max(1) as usize;
    let proof = climb.proof_bytes((1..waypoints).step_by(step))?;
    let (bytes, ms) = median(bytes).zip(median(times)).ok_or_else(|| bug("nothing was measured"))?;
    let again = height.written as f64 / height.bytes as f64;
    Ok(vec![per_second, height.stones as f64, again, bytes, ms, proof as f64 / 1024.0, peak_mb()?])
}

fn node(waypoints: u64) -> Result<Vec<f64>, Failure> {
    let begun = Instant::now();
    post_many(&std::env::current_dir()?.join("home"), waypoints)?;
    Ok(vec![waypoints as f64 / begun.elapsed().as_secs_f64(), peak_mb()?])
}

/// What is left of agents that wrote twenty waypoints each, all of them forgotten.
fn agents(waypoints: u64) -> Result<Vec<f64>, Failure> {
    let agents = (waypoints / 100).max(1);
    Ok(vec![agent_bytes(&std::env::current_dir()?.join("store"), agents, 20)?])
}
