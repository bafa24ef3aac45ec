//! `bundle`: writes what a peer would be sent into one file.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, size};
use cairn_node::verbs::bundle as verb;
use std::path::PathBuf;

const EXAMPLES: &str = "\
The file holds the whole repo: its projects, rights and signed history, as far as this home has them. Whoever holds the
file can read it, also where the repo is private: give it to nobody who may not. Behind the history travel the artifacts that branches
and marks show and of which this home has all bytes, unless --no-artifacts leaves them out.

--since leaves out what the past of a version holds in each feed; a home that lacks some of that refuses the file.
--archive makes a file that also brings back what has faded where it is taken in; keep one before `cairn fade`.

Examples:
  cairn bundle --since ?v1 /media/stick/notes.bundle
  cairn bundle --archive notes-2026.archive --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file to write; one that is there is replaced
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Leave out what whoever has this version has already
    #[arg(long, value_name = "REF", conflicts_with = "archive")]
    since: Option<String>,
    /// Everything that this home holds, to bring back what will have faded
    #[arg(long)]
    archive: bool,
    /// Leave out the bytes of artifacts
    #[arg(long)]
    no_artifacts: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { file, since, archive, no_artifacts } = args;
    let asked = verb::Args { here: desk.here(), file: desk.path(&file), since, archive, no_artifacts };
    ask!(desk, Bundle, asked, words)
}

fn words(answer: &verb::Answer) -> String {
    let kind = if answer.archive { "archived" } else { "bundled" };
    let (waypoints, feeds) = (count(answer.waypoints, "waypoint"), count(answer.feeds, "feed"));
    let mut text = format!("{kind} {waypoints} of {feeds}");
    if answer.artifacts > 0 {
        let artifacts = count(answer.artifacts, "artifact");
        text += &format!(" and {artifacts} of {}", size(answer.artifact_bytes));
    }
    text += &format!(" in {}\n", size(answer.bytes));
    if !answer.left_out.is_empty() {
        let left_out = count(answer.left_out.len() as u64, "artifact");
        text += &format!("{left_out} left out: not all bytes are here\n");
    }
    text
}
