//! `peers`: the nodes that this home knows.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{Look, Paint, short};
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
    let look = Look::of_stdout(false);
    if answer.peers.is_empty() {
        return "no peer is known yet: `cairn join`, `cairn put --peer ADDRESS` and `cairn serve` find them\n".to_owned();
    }
    answer.peers.iter().map(|peer| told(peer, answer.serving, look)).collect()
}

/// One peer, and below it why it is not connected.
fn told(peer: &verb::Peer, serving: bool, look: Look) -> String {
    let state = match peer.connected {
        true => look.paint(Paint::Green, "connected"),
        false => format!("{:<9}", "known"),
    };
    let name = peer.name.as_deref().unwrap_or("(no name yet)");
    let places: Vec<&str> = peer.addresses.iter().map(|address| place(address)).collect();
    let name = look.paint(Paint::Bold, name);
    let mut text = format!("{state} {name} {} {}", peer.peer, places.join(" ")).trim_end().to_owned() + "\n";
    if !peer.connected {
        let seen = peer.seen_ms.map_or_else(|| "never".to_owned(), |at| look.moment(at));
        text +=
            &format!("          seen last: {seen}\n          why not now: {}\n", why(peer, serving, look));
    }
    for apart in &peer.apart {
        text += &format!("          repo {} is not exchanged: {}\n", short(&apart.repo), apart.reason);
    }
    text
}

fn why(peer: &verb::Peer, serving: bool, look: Look) -> String {
    let failed = peer.failed.as_ref().map(|failed| {
        format!("{} ({}, {})", failed.reason, place(&failed.address), look.moment(failed.at_ms))
    });
    match (serving, failed) {
        (_, None) if peer.addresses.is_empty() => "no address of it is known: it has to call here".to_owned(),
        (true, Some(failed)) => failed,
        (true, None) => "it went away, or is being called just now".to_owned(),
        (false, Some(failed)) => format!("{failed}; now nothing calls it: `cairn serve` does"),
        (false, None) => "nothing calls it: `cairn serve` does".to_owned(),
    }
}

/// An address without the peer's name, which is told beside it.
fn place(address: &str) -> &str {
    address.split("/p2p/").next().unwrap_or(address)
}
