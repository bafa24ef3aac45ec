//! `mark`: a signed name for a version, with a changelog entry.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::short;
use cairn_node::verbs::mark as verb;

const EXAMPLES: &str = "\
Examples:
  cairn mark release-1 -m \"First release\"
  cairn mark before-rewrite -m \"Last state of the old parser\" ?3fa94c --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
    /// The changelog entry
    #[arg(short, long, value_name = "MESSAGE")]
    message: String,
    /// The version; what the worktree stands on when left out
    #[arg(value_name = "URI")]
    uri: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { name, message, uri } = args;
    ask!(desk, Mark, verb::Args { here: desk.here(), name, message, uri }, words)
}

fn words(answer: &verb::Answer) -> String {
    format!("marked root {} as {}\n", short(&answer.root), answer.mark)
}
