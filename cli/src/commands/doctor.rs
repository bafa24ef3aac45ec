//! `doctor`: what is not as it should be, and what to do next.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::doctor as verb;

const EXAMPLES: &str = "\
Examples:
  cairn doctor
  cairn doctor --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

/// Asks, and prints.
pub(crate) fn run(_: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Doctor, verb::Args { here: desk.here() }, words)
}

fn words(answer: &verb::Answer) -> String {
    if answer.ok {
        return "all is well\n".to_owned();
    }
    let told = |problem: &verb::Problem| {
        format!("{} {}: {}\n  next: {}\n", problem.code, problem.place, problem.detail, problem.next)
    };
    answer.problems.iter().map(told).collect()
}
