//! `share`: one link to a run or a version.

use super::ask;
use super::invite::UNSERVED;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::note;
use cairn_node::verbs::share as verb;

const EXAMPLES: &str = "\
The link names the repo, where to ask for it, and what to reproduce. In a private repo it
carries a right to read the project, as `cairn invite --role read` gives one: hand it only to
whom you mean. A link to a public repo lets nobody in.

Examples:
  cairn share last --expires 7d
  cairn share ?v1 --peer /ip4/192.0.2.7/tcp/4000/p2p/12D3KooWAbc --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run (the first digits of its hash, its name, `last`), or a version: a mark, a branch, a hash
    #[arg(value_name = "RUN|MARK")]
    what: String,
    /// Another address under which this home may be asked, ending in /p2p/PEER
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
    /// How long the link may be used: 7d, 12h, 30m
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// How many devices may come by it: one when left out
    #[arg(long, value_name = "N")]
    uses: Option<u32>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { what, peers, expires, uses } = args;
    ask!(desk, Share, verb::Args { here: desk.here(), what, peers, expires, uses }, words)
}

fn words(answer: &verb::Answer) -> String {
    if !answer.link.contains("peer=") {
        note(UNSERVED);
    }
    format!("{}\n", answer.link)
}
