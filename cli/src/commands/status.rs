//! `status`: where the worktree stands, and what changed in it.

use super::{ask, overlap_list};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
use cairn_node::verbs::status as verb;

const EXAMPLES: &str = "\
Examples:
  cairn status
  cairn status --json | jq .changed";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args {} = args;
    ask!(desk, Status, verb::Args { here: desk.here() }, words)
}

fn words(answer: &verb::Answer) -> String {
    let mut text = format!("on {} of {} at root {}\n", answer.branch, answer.project, short(&answer.root));
    for changed in &answer.changed {
        text += &format!("  {:<9} {}\n", changed.kind, changed.path);
    }
    if answer.changed.is_empty() {
        text += "nothing to post\n";
    }
    if answer.incoming > 0 {
        text += &format!("{} to merge: cairn put\n", count(answer.incoming, "waypoint"));
    }
    text + &overlap_list(&answer.places)
}
