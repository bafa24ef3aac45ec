//! `get`: repo to worktree.

use super::{absent_note, ask, overlap_note};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, kept_note, short};
use cairn_node::verbs::get as verb;

const EXAMPLES: &str = "\
In a lazy worktree large files are left out until `cairn get PATH` asks for them; one that is there goes along with the version
from then on. `cairn status` names those that are not fetched, and no post takes them away. Where nobody has the bytes of PATH, this
ends with 5 or 3 and the file stays out.

What has faded here of a version is fetched from peers that still have it. Where nobody has it, this ends with 3 and says
who wrote it and which peers held it.

Examples:
  cairn get ?release-1
  cairn get data/model.bin";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to get: ?branch, ?mark, ?hash, path?ref; the worktree's own branch when left out
    #[arg(value_name = "URI")]
    uris: Vec<String>,
    /// From now on leave large files out of this worktree until somebody asks for them; what is here stays
    #[arg(long, conflicts_with = "whole")]
    lazy: bool,
    /// From now on write all files, those that were left out too
    #[arg(long)]
    whole: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(
        desk,
        Get,
        verb::Args { here: desk.here(), uris: args.uris, lazy: args.lazy, whole: args.whole },
        words
    )
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
    text += &absent_note(answer.absent);
    text + &overlap_note(answer.overlaps)
}
