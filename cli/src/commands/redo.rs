//! `redo`: brings back what `undo` took away last.

use super::ask;
use super::undo::words;
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::redo as verb;

const EXAMPLES: &str = "\
Examples:
  cairn redo
  cairn -C notes redo --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

/// Asks, and prints.
pub(crate) fn run(_: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Redo, verb::Args { here: desk.here(), uri: None }, |answer| words("brought back", answer))
}
