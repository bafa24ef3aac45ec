//! `delete`: removes a file, or a label.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::short;
use cairn_node::verbs::delete as verb;

const EXAMPLES: &str = "\
Examples:
  cairn delete src/old.rs
  cairn delete ?parser-rewrite";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A path, or a label ?name
    #[arg(value_name = "PATH|URI")]
    target: String,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Delete, verb::Args { here: desk.here(), target: args.target }, words)
}

fn words(answer: &verb::Answer) -> String {
    let kept =
        answer.waypoint.iter().map(|waypoint| format!("; its last bytes are kept below {}", short(waypoint)));
    format!("deleted {} {}{}\n", answer.kind, answer.deleted, kept.collect::<String>())
}
