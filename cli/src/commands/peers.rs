//! `peers`: the nodes that this home knows.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::peers as verb;

const EXAMPLES: &str = "\
Examples:
  cairn peers
  cairn peers --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args {} = args;
    ask!(desk, Peers, verb::Args { here: desk.here() }, words)
}

fn words(answer: &verb::Answer) -> String {
    let line = |peer: &verb::Peer| {
        let now = if peer.connected { "connected" } else { "known" };
        format!("{now:<9} {} {}\n", peer.peer, peer.addresses.join(" "))
    };
    answer.peers.iter().map(line).collect()
}
