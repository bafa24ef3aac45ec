//! `get`: repo to worktree.

use super::{ask, overlap_note};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, kept_note, short};
use cairn_node::verbs::get as verb;

const EXAMPLES: &str = "\
What has faded here of a version is fetched from peers that still have it. Where nobody has it, this ends with 3 and says
who wrote it and which peers held it.

Examples:
  cairn get ?release-1
  cairn get src/lib.rs?main";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to get: ?branch, ?mark, ?hash, path?ref; the worktree's own branch when left out
    #[arg(value_name = "URI")]
    uris: Vec<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Get, verb::Args { here: desk.here(), uris: args.uris }, words)
}

fn words(answer: &verb::Answer) -> String {
    let mut text = kept_note(answer.saved.as_ref(), &answer.kept);
    let (written, removed) = (count(answer.written, "file"), count(answer.removed, "file"));
    text += &format!(
        "wrote {written}, removed {removed}; on {} at root {}\n",
        answer.branch,
        short(&answer.root)
    );
    if let Some(local) = &answer.local {
        text += &format!("the files show {}, which is local: what it changed is unposted\n", short(local));
    }
    text + &overlap_note(answer.overlaps)
}
