//! `root`: the hash of every file of a version.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::root as verb;

const EXAMPLES: &str = "\
Examples:
  cairn root
  cairn root ?release-1 --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The version; what the worktree stands on when left out
    #[arg(value_name = "URI")]
    uri: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Root, verb::Args { here: desk.here(), uri: args.uri, unlike: None }, words)
}

fn words(answer: &verb::Answer) -> String {
    format!("{}\n", answer.root)
}
