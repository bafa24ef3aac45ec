//! `bench post`: the first `post` of a large tree and the `post` of one changed file, against git's commits.

use super::figure::Limit;
use super::pair::{OURS, Pair, Source, THEIRS};
use super::repository::Repository;
use super::stage::bytes;
use crate::desk::Desk;
use crate::error::{DONE, Failure};

/// How many times as long the first `post` may take.
const FIRST_TIMES_MAX: f64 = 1.5;
/// How many times as large the store may be.
const STORE_TIMES_MAX: f64 = 1.0;
/// The most memory of the first `post`, in MB.
const PEAK_MB_MAX: f64 = 300.0;
/// How many times as long the `post` of one file may take.
const ONE_TIMES_MAX: f64 = 1.0;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// How often everything is posted from nothing, in turn with git
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// How often one changed file is posted, in turn with git
    #[arg(long, value_name = "N", default_value_t = 9)]
    edits: usize,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let pair = Pair::begin("post", &args.source, desk)?;
    let (mut times, mut peaks_mb) = (Vec::new(), Vec::new());
    let repository = loop {
        let (first, repository) = pair.first()?;
        times.push((first.ours_ms, first.theirs_ms));
        peaks_mb.push(first.peak_mb);
        if times.len() >= args.runs {
            break repository;
        }
    };
    pair.contest.compare("first post", &times, Limit::AtMost(FIRST_TIMES_MAX));
    let git = bytes(&pair.stage.path(THEIRS).join(".git"))?;
    weigh(&pair, "store", git, Limit::AtMost(STORE_TIMES_MAX))?;
    pair.contest.memory("first post, peak memory", &peaks_mb, PEAK_MB_MAX);
    let edits = args.edits.max(1);
    let alone = saves(&pair, &repository, 0..edits)?;
    let served = {
        let _serve = pair.home.serve()?;
        saves(&pair, &repository, edits..2 * edits)?
    };
    pair.contest.compare_both("post of one file", &alone, &served, ONE_TIMES_MAX);
    repository.run(&["gc", "--quiet", "--prune=now"])?;
    let git = bytes(&pair.stage.path(THEIRS).join(".git"))?;
    weigh(&pair, "store, over git's after gc", git, Limit::Nothing)?;
    Ok(DONE)
}

/// Edits a file and posts it, over and over, by cairn and by git; how long each took, in milliseconds.
fn saves(
    pair: &Pair,
    repository: &Repository,
    edits: std::ops::Range<usize>,
) -> Result<Vec<(f64, f64)>, Failure> {
    let save = |number| {
        pair.edit(number)?;
        let theirs = repository.run(&["commit", "-q", "-a", "-m", "edit"])?;
        let ours = pair.home.run(&["-C", OURS, "post", "-m", "edit"])?;
        Ok((ours.ms, theirs.ms))
    };
    edits.map(save).collect()
}

/// Weighs all that cairn has written, its home and what it keeps in the worktree, against git's folder.
fn weigh(pair: &Pair, name: &str, git: u64, limit: Limit) -> Result<(), Failure> {
    let ours = (bytes(pair.home.path())? + bytes(&pair.stage.path(OURS).join(".cairn"))?) as f64;
    pair.contest.tell(&format!("{name}: {:.1} MB, git: {:.1} MB", ours / 1e6, git as f64 / 1e6));
    pair.contest.ratio(name, ours / git as f64, limit, 1);
    Ok(())
}
