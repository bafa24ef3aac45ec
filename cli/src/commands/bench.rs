//! `bench`: measures what the README promises, against the programs that people use today.
//!
//! Figures are medians or shares of many runs; nothing here is asserted, and nothing is tuned to the machine.

mod blob;
mod chunks;
mod churn;
mod clone;
mod contest;
mod dice;
mod figure;
mod fleet;
mod git;
mod history;
mod home;
mod import;
mod items;
mod keep;
mod late;
mod lineage;
mod lines;
mod live;
mod memory;
mod noise;
mod pair;
mod post;
mod process;
mod proxy;
mod quality;
mod releases;
mod repository;
mod rivals;
mod score;
mod smallfiles;
mod speed;
mod split;
mod stage;
mod status;
mod steps;
mod tower;
mod tree;
mod words;

use crate::desk::Desk;
use crate::error::Failure;

const EXAMPLES: &str = "\
With --json, one line a figure that has a limit; else more, in tables.

Examples:
  cairn bench merge ~/releases --cases 400
  cairn bench post --files 5000";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    name: Name,
}

/// The benchmarks.
#[derive(clap::Subcommand)]
enum Name {
    /// Deal real edits to several sides, merge them, and compare with what is known to be right
    Merge(quality::Args),
    /// Time merges and posts of large files and of many files
    Speed(speed::Args),
    /// Grow one long feed on disk: speed, stones, memory, and what it takes to verify it
    Tower(tower::Args),
    /// Let many agents land edits of the same files at once, against git
    Fleet(fleet::Args),
    /// Weigh a real history and check out its marks, against git
    History(history::Args),
    /// Post a large tree, and then one changed file, against git's commits
    Post(post::Args),
    /// Look at a large tree in which nothing has changed, against git
    Status(status::Args),
    /// Fetch a large tree over loopback, against a clone from a git daemon
    Clone(clone::Args),
    /// Save files in two worktrees that are watched, and time how soon each is on the other's disk
    Live(live::Args),
    /// Import a git history, against a clone by git that is checked afterwards
    Import(import::Args),
    /// Move a large artifact between two processes, against a plain stream and sendme
    Blob(blob::Args),
    /// Take in a large file, and again with one part in a hundred changed
    Chunks(chunks::Args),
    /// Trace data through the runs that made it, three hops, where there are many
    Lineage(lineage::Args),
    /// Post many small files, against git and dvc
    Smallfiles(smallfiles::Args),
}

/// Measures.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    match args.name {
        Name::Merge(args) => quality::run(args, desk),
        Name::Speed(args) => speed::run(args, desk),
        Name::Tower(args) => tower::run(args, desk),
        Name::Fleet(args) => fleet::run(args, desk),
        Name::History(args) => history::run(args, desk),
        Name::Post(args) => post::run(args, desk),
        Name::Status(args) => status::run(args, desk),
        Name::Clone(args) => clone::run(args, desk),
        Name::Live(args) => live::run(args, desk),
        Name::Import(args) => import::run(args, desk),
        Name::Blob(args) => blob::run(args, desk),
        Name::Chunks(args) => chunks::run(args, desk),
        Name::Lineage(args) => lineage::run(args, desk),
        Name::Smallfiles(args) => smallfiles::run(args, desk),
    }
}
