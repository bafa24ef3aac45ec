//! `undo`: takes back the last step of a worktree, or one waypoint.

use super::{ask, overlap_list};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, kept_note, short};
use cairn_node::verbs::undo as verb;

const AFTER: &str = "\
Steps are what was done in this worktree: post, put of other branches, get and come, choices in \
overlaps. They are kept over restarts. What is unposted is posted first, so that redo brings it back. \
History only grows: the inverse of the step is written as a new waypoint, and what others wrote in the \
meantime stays. Where they wrote over it, the overlap is reported, and undo ends with 1.

Examples:
  cairn undo
  cairn undo ?3fa94c --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The waypoint to take back, ?hash; the last step of this worktree when left out
    #[arg(value_name = "URI")]
    uri: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Undo, verb::Args { here: desk.here(), uri: args.uri }, |answer| words("undid", answer))
}

/// What was taken back or brought back, in words.
pub(super) fn words(done: &str, answer: &verb::Answer) -> String {
    let what = answer.undone.as_deref().map(|waypoint| format!(" {}", short(waypoint))).unwrap_or_default();
    let files = count(answer.files, "file");
    let text = format!(
        "{done} {}{what}: changed {files}; on {} at root {}\n",
        answer.step,
        answer.branch,
        short(&answer.root)
    );
    kept_note(None, &answer.kept) + &text + &overlap_list(&answer.places)
}
