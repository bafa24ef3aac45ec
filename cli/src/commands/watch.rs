//! `watch`: keeps a worktree and its branch together as files change.

use crate::desk::Desk;
use crate::error::Failure;

const EXAMPLES: &str = "\
Examples:
  cairn watch
  cairn watch --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

/// Watches until it is told to stop.
pub(crate) fn run(_args: Args, _desk: &Desk) -> Result<u8, Failure> {
    Ok(0)
}
