//! `held`: what is kept here and does not count.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{Look, short};
use cairn_node::verbs::held as verb;

const EXAMPLES: &str = "\
Nothing that was signed is dropped: what comes from a key without the right to write, or past a fork, is kept
and shows on no branch, until somebody grants the right or takes it in. So does what was written beside the
beginning of an epoch, until it is carried over.

Examples:
  cairn held
  cairn held --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args {} = args;
    ask!(desk, Held, verb::Args { here: desk.here() }, words)
}

fn words(answer: &verb::Answer) -> String {
    if answer.held.is_empty() {
        return "nothing is held\n".to_owned();
    }
    let look = Look::of_stdout(false);
    let told = |kept: &verb::Kept| {
        let line = kept.told.as_ref().map(|told| super::log::waypoint(told, look));
        let line = line.unwrap_or_else(|| format!("{}\n", short(&kept.waypoint)));
        let next = kept.next.replace("WAYPOINT", short(&kept.waypoint));
        format!("{line}  {}\n  next: {next}\n", kept.detail)
    };
    answer.held.iter().map(told).collect()
}
