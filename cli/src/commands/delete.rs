//! `delete`: removes a file, or a label.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::short;
use cairn_node::verbs::delete as verb;

const EXAMPLES: &str = "\
Examples:
  cairn delete src/old.rs
  cairn delete ?parser-rewrite -m \"merged into main\"";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A path, or a label ?name
    #[arg(value_name = "PATH|URI")]
    target: String,
    /// Why a label is deleted
    #[arg(short, long, value_name = "MESSAGE")]
    message: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { target, message } = args;
    ask!(desk, Delete, verb::Args { here: desk.here(), target, message }, words)
}

fn words(answer: &verb::Answer) -> String {
    if answer.kind != "file" {
        let tombstone = answer.waypoint.as_deref().map(short).unwrap_or_default();
        return format!("deleted the {} {}; tombstone {tombstone}\n", answer.kind, answer.deleted);
    }
    let kept =
        answer.waypoint.iter().map(|waypoint| format!("; its last bytes are kept below {}", short(waypoint)));
    format!("deleted {} {}{}\n", answer.kind, answer.deleted, kept.collect::<String>())
}
