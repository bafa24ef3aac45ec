//! `verify`: reads the store against what was signed.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, size};
use cairn_node::verbs::verify as verb;

const EXAMPLES: &str = "\
Examples:
  cairn verify
  cairn verify --deep --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Read every byte, and derive every root again
    #[arg(long)]
    deep: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Verify, verb::Args { here: desk.here(), deep: args.deep }, words)
}

fn words(answer: &verb::Answer) -> String {
    let (feeds, ssts) = (count(answer.feeds, "feed"), count(answer.ssts, "stone"));
    let verdict = if answer.ok { "all is as signed" } else { "damage found" };
    format!("{feeds}, {ssts}, {}: {verdict}\n", size(answer.bytes)) + &problems(&answer.problems)
}

/// One line a problem.
pub(crate) fn problems(problems: &[verb::Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("  {} {}: {}\n", problem.code, problem.place, problem.detail))
        .collect()
}
