//! `put`: merges into where one stands.

use super::{absent_note, ask, overlap_list};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, is_watched, note, short, size};
use cairn_node::verbs::put as verb;

const EXAMPLES: &str = "\
Examples:
  cairn put ?parser-rewrite
  cairn put --known";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to merge: branches, marks, hashes; what the store holds of the worktree's branch when left out
    #[arg(value_name = "URI")]
    uris: Vec<String>,
    /// Exchange with this peer first
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
    /// Exchange with every peer that `cairn peers` lists first, and again where something was written
    #[arg(long)]
    known: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { uris, peers, known } = args;
    if uris.is_empty() && peers.is_empty() && !known && is_watched() && !desk.is_served()? {
        note(
            "no peer was asked, only what is here is merged: `--known` asks those that `cairn peers` lists, `cairn serve` keeps in touch",
        );
    }
    ask!(desk, Put, verb::Args { here: desk.here(), uris, peers, known }, words)
}

fn words(answer: &verb::Answer) -> String {
    let mut text = String::new();
    if answer.received > 0 {
        text += &format!("received {}\n", count(answer.received, "waypoint"));
    }
    if let Some(posted) = &answer.posted {
        text += &format!("what was unposted is kept in {}\n", short(posted));
    }
    if !answer.carried.is_empty() {
        text += &format!("carried late work over in {}\n", count(answer.carried.len() as u64, "waypoint"));
    }
    for met in &answer.met {
        text += &format!("  met what was there: {} ({})\n", met.path, count(met.places, "place"));
    }
    if answer.supplied.artifacts > 0 {
        let (artifacts, bytes) = (count(answer.supplied.artifacts, "artifact"), size(answer.supplied.bytes));
        text += &format!("fetched {artifacts}, {bytes}, as the project's policy has it\n");
    }
    for missing in &answer.supplied.missing {
        text += &format!("artifact {} did not come: {}\n", short(&missing.artifact), missing.message);
    }
    text += &format!("changed {}; root {}\n", count(answer.files, "file"), short(&answer.root));
    text += &absent_note(answer.absent);
    text + &overlap_list(&answer.places)
}
