//! `come`: forks a branch where one stands, and switches to it.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{kept_note, short};
use cairn_node::verbs::come as verb;

const EXAMPLES: &str = "\
Examples:
  cairn come parser-rewrite
  cairn come fix-1 ?release-1";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The branch; when it is there already, come only switches
    #[arg(value_name = "BRANCH")]
    branch: String,
    /// Where to fork; what the worktree stands on when left out
    #[arg(value_name = "URI")]
    from: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Come, verb::Args { here: desk.here(), branch: args.branch, from: args.from }, words)
}

fn words(answer: &verb::Answer) -> String {
    let began = if answer.waypoint.is_some() { "began" } else { "switched to" };
    let kept = kept_note(answer.saved.as_ref(), &answer.kept);
    kept + &format!("{began} {} at root {}\n", answer.branch, short(&answer.root))
}
