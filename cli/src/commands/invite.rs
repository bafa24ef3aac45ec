//! `invite`: a link that lets another device in.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::note;
use cairn_node::verbs::invite as verb;

const EXAMPLES: &str = "\
Examples:
  cairn invite --role write --expires 7d
  cairn invite --role read --uses 5 --json";

/// What to know about a link that does not say where to ask.
pub(super) const UNSERVED: &str =
    "nothing is served here now: run `cairn serve` and ask again, or give `join` an address by --peer";

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
    /// How many devices may join by it: one when left out, by an admin's link any number (a bound would hold for
    /// what the admin may give as well); `cairn revoke` closes a link
    #[arg(long, value_name = "N")]
    uses: Option<u32>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { role, expires, uses } = args;
    let admin = role.as_deref() == Some("admin");
    ask!(desk, Invite, verb::Args { here: desk.here(), role, expires, uses }, |answer| words(answer, admin))
}

fn words(answer: &verb::Answer, admin: bool) -> String {
    if admin {
        note(
            "whoever gets hold of this link becomes an admin; `cairn grant` lists it, `cairn revoke` closes it",
        );
    }
    if !answer.invite.contains("peer=") {
        note(UNSERVED);
    }
    format!("{}\n", answer.invite)
}
