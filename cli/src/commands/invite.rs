//! `invite`: a link that lets another device in.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::invite as verb;

const EXAMPLES: &str = "\
Examples:
  cairn invite --role write --expires 7d
  cairn invite --role read --uses 5 --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What the guest may do: read, write or admin
    #[arg(long, value_name = "ROLE", value_parser = ["read", "write", "admin"])]
    role: Option<String>,
    /// How long the link may be used: 7d, 12h, 30m
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// How many devices may join by it
    #[arg(long, value_name = "N")]
    uses: Option<u32>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { role, expires, uses } = args;
    ask!(desk, Invite, verb::Args { here: desk.here(), role, expires, uses }, words)
}

fn words(answer: &verb::Answer) -> String {
    format!("{}\n", answer.invite)
}
