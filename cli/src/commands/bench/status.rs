//! `bench status`: a look at a large tree in which nothing has changed, against `git status`.

use super::memory::held_mb_of;
use super::pair::{OURS, Pair, Source};
use super::repository::Repository;
use super::stage::bug;
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use std::time::Duration;

/// How many times as long `status` may take.
const TIMES_MAX: f64 = 1.0;
/// The most memory that an idle `serve` holds, in MB.
const IDLE_MB_MAX: f64 = 100.0;
/// How long `serve` is left alone before its memory is looked at.
const QUIET: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// How often each looks, in turn
    #[arg(long, default_value_t = 15)]
    runs: usize,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let pair = Pair::begin("status", &args.source, desk)?;
    let (_, repository) = pair.first()?;
    let alone = looks(&pair, &repository, args.runs)?;
    let serve = pair.home.serve()?;
    let served = looks(&pair, &repository, args.runs)?;
    std::thread::sleep(QUIET);
    let idle_mb = held_mb_of(serve.id())?;
    pair.contest.compare_both("status", &alone, &served, TIMES_MAX);
    pair.contest.memory("idle serve", &[idle_mb], IDLE_MB_MAX);
    Ok(DONE)
}

/// Looks over and over, by cairn and by git; how long each took, in milliseconds.
fn looks(pair: &Pair, repository: &Repository, runs: usize) -> Result<Vec<(f64, f64)>, Failure> {
    let look = |_| {
        let theirs = repository.run(&["status", "--porcelain"])?;
        let (ours, ours_ms) = pair.home.ask(&["-C", OURS, "status"])?;
        match theirs.text.is_empty() && ours["changed"].as_array().is_some_and(Vec::is_empty) {
            true => Ok((ours_ms, theirs.ms)),
            false => Err(bug(&format!("changes where there are none: {} {}", theirs.text, ours["changed"]))),
        }
    };
    // What a first look writes down is there for all that follow; people look more than once.
    (0..=runs.max(1)).map(look).skip(1).collect()
}
