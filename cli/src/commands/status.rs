//! `status`: where the worktree stands, and what changed in it.

use super::{ask, left_out, overlap_list};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{Look, Paint, count, short, size};
use cairn_node::verbs::status as verb;

/// How many files that were left out are named.
const ABSENT_SHOWN: usize = 10;

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
    text += &not_fetched(&answer.absent, &look);
    if answer.incoming > 0 {
        text += &format!("{} to merge: cairn put\n", count(answer.incoming, "waypoint"));
    }
    text + &overlap_list(&answer.places)
}

/// Files that are not on disk, and how they come; the first of them by name.
fn not_fetched(absent: &[verb::Absent], look: &Look) -> String {
    let kind = look.paint(Paint::Dim, "not fetched");
    let line = |file: &verb::Absent| format!("  {kind} {}, {}\n", file.path, size(file.bytes));
    let mut text: String = absent.iter().take(ABSENT_SHOWN).map(line).collect();
    if absent.len() > ABSENT_SHOWN {
        let bytes = size(absent.iter().map(|file| file.bytes).sum());
        text += &format!("  and {} more, {bytes} in all\n", absent.len() - ABSENT_SHOWN);
    }
    if !absent.is_empty() {
        text += "cairn get PATH fetches one, cairn get --whole all of them\n";
    }
    text
}
