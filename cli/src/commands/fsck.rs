//! `fsck`: puts right what can be derived again.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::count;
use cairn_node::verbs::fsck as verb;

const EXAMPLES: &str = "\
Examples:
  cairn fsck
  cairn fsck --rebuild --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Throw the indexes away and make them again from the feeds
    #[arg(long)]
    rebuild: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Fsck, verb::Args { here: desk.here(), rebuild: args.rebuild }, words)
}

fn words(answer: &verb::Answer) -> String {
    let rebuilt = if answer.rebuilt { ", indexes made again" } else { "" };
    let verdict = if answer.ok { "nothing is wrong" } else { "damage found" };
    format!("{}{rebuilt}: {verdict}\n", count(answer.repos, "repo"))
        + &super::verify::problems(&answer.problems)
}
