//! `status`: where the worktree stands, and what changed in it.

use super::{ask, left_out, overlap_list};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{Look, Paint, count, short};
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
    let look = Look::of_stdout(false);
    let branch = look.paint(Paint::Bold, &answer.branch);
    let root = look.paint(Paint::Dim, short(&answer.root));
    let mut text = format!("on {branch} of {} at root {root}\n", answer.project);
    for changed in &answer.changed {
        let paint = match changed.kind.as_str() {
            "added" => Paint::Green,
            "removed" => Paint::Red,
            _ => Paint::Yellow,
        };
        let kind = look.paint(paint, &format!("{:<9}", changed.kind));
        text += &format!("  {kind} {}\n", changed.path);
    }
    if answer.changed.is_empty() {
        text += "nothing to post\n";
    }
    text += &left_out(&answer.skipped);
    if answer.incoming > 0 {
        text += &format!("{} to merge: cairn put\n", count(answer.incoming, "waypoint"));
    }
    text + &overlap_list(&answer.places)
}
