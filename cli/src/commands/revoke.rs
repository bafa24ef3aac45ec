//! `revoke`: takes back what a key may do.

use super::ask;
use super::grant::right;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
use cairn_node::verbs::revoke as verb;

const EXAMPLES: &str = "\
What the key wrote until now stays; what it writes from now on is held at every peer that knows, and
`cairn doctor` lists it. Whoever came in by its invitations loses the same right, unless --keep is given:
so a link is closed behind those who came by it.

Examples:
  cairn revoke Ben
  cairn revoke 9f2c41 --all-repos";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Whose: a key or its first digits as `cairn grant` lists them, a peer, or a name
    #[arg(value_name = "WHO")]
    who: String,
    /// Those whom it let in stay: this device gives them the same right
    #[arg(long)]
    keep: bool,
    /// In every repo of this home, not only here: a device that was lost
    #[arg(long)]
    all_repos: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { who, keep, all_repos } = args;
    ask!(desk, Revoke, verb::Args { here: desk.here(), who, keep, all_repos }, words)
}

fn words(answer: &verb::Answer) -> String {
    let mut text = in_repo(answer);
    for other in &answer.others {
        text += &format!("in repo {}:\n{}", short(&other.repo), in_repo(other));
    }
    for missed in &answer.missed {
        text += &format!("not in repo {}: {}\n", short(&missed.repo), missed.reason);
    }
    text
}

fn in_repo(answer: &verb::Answer) -> String {
    let mut text: String = answer.revoked.iter().map(right).collect();
    text += &format!("{} until now go on to count\n", count(answer.waypoints, "waypoint"));
    for (what, rights) in [("ended with it", &answer.lost), ("given again by this device", &answer.kept)] {
        if !rights.is_empty() {
            text += &format!("{what}:\n");
            rights.iter().for_each(|one| text += &format!("  {}", right(one)));
        }
    }
    text
}
