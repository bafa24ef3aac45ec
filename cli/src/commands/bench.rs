//! `bench`: measures what the README promises, against the programs that people use today.
//!
//! Figures are medians or shares of many runs; nothing here is asserted, and nothing is tuned to the machine.

mod dice;
mod figure;
mod history;
mod items;
mod keep;
mod lines;
mod memory;
mod quality;
mod rivals;
mod score;
mod speed;
mod split;
mod stage;
mod tower;

use crate::desk::Desk;
use crate::error::Failure;

const EXAMPLES: &str = "\
With --json, one line a figure that has a limit; else more, in tables.

Examples:
  cairn bench merge ~/releases --cases 400
  cairn bench speed --json
  cairn bench tower --waypoints 100000";

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
}

/// Measures.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    match args.name {
        Name::Merge(args) => quality::run(args, desk),
        Name::Speed(args) => speed::run(args, desk),
        Name::Tower(args) => tower::run(args, desk),
    }
}
