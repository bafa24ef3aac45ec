//! `bench clone`: a large tree comes to another home over loopback, against `git clone` from a git daemon.

use super::figure::Limit;
use super::home::Home;
use super::memory::peak_mb_of;
use super::pair::{OURS, Pair, Source, THEIRS};
use super::process::{self, weighed};
use super::repository;
use crate::desk::Desk;
use crate::error::{DONE, Failure};

/// How many times as long `join` may take.
const TIMES_MAX: f64 = 1.0;
/// The most memory of either side, in MB.
const PEAK_MB_MAX: f64 = 400.0;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// How often each clones, in turn
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let pair = Pair::begin("clone", &args.source, desk)?;
    let (_, repository) = pair.first()?;
    // A repository that is cloned from has been tidied up, and sends what lies packed.
    repository.run(&["gc", "--quiet", "--prune=now"])?;
    let (_daemon, address) = repository.serve()?;
    let serve = pair.home.serve()?;
    let runs = args.runs.max(1);
    let invite = pair.home.invite(OURS, runs)?;
    let (mut times, mut peaks_mb) = (Vec::new(), Vec::new());
    // Nothing is removed before the end: for minutes after, some file systems search long for places of new files.
    for run in 0..runs {
        let theirs_ms = cloned(&pair, &address, run)?;
        let (ours_ms, peak_mb) = joined(&pair, &invite, run)?;
        times.push((ours_ms, theirs_ms));
        peaks_mb.push(peak_mb);
    }
    pair.contest.compare("join over clone", &times, Limit::AtMost(TIMES_MAX));
    pair.contest.memory("join, peak memory", &peaks_mb, PEAK_MB_MAX);
    pair.contest.memory("serve, peak memory", &[peak_mb_of(serve.id())?], PEAK_MB_MAX);
    Ok(DONE)
}

/// Clones by git; how long that took, in milliseconds.
fn cloned(pair: &Pair, address: &str, run: usize) -> Result<f64, Failure> {
    let folder = format!("cloned.{run}");
    rustix::fs::sync();
    let ran =
        process::run(&mut repository::command(pair.stage.dir(), &["clone", "-q", address, &folder]), false)?;
    pair.tree.check(&pair.stage.path(THEIRS), &pair.stage.path(&folder))?;
    Ok(ran.ms)
}

/// Joins with a home of its own; how long that took, in milliseconds, and the most memory that it held, in MB.
fn joined(pair: &Pair, invite: &str, run: usize) -> Result<(f64, f64), Failure> {
    let folder = format!("joined.{run}");
    let guest = Home::new(pair.stage.dir(), &format!("guest.{run}"));
    rustix::fs::sync();
    let (ran, peak_mb) = weighed(&mut guest.command(&["join", invite, &folder])?)?;
    pair.tree.check(&pair.stage.path(OURS), &pair.stage.path(&folder))?;
    Ok((ran.ms, peak_mb))
}
