//! `unbundle`: takes in what a bundle brings.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short, size};
use cairn_node::verbs::unbundle as verb;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Everything is verified as if a peer had sent it, and stored before it counts; what is here already is passed over. Worktrees
stay as they are: `cairn put` merges what came. A home that does not know the repo founds it. For a private repo no grant is
asked for: whoever holds the file can read it; to write, enter by an invitation (`cairn join`, which then needs no network).

A file that was cut short, or a command that was killed, leaves what was verified; the whole file goes on from there. An
archive brings back what has faded here, which stays until the next `cairn fade`. Of artifacts in the file those are kept that a branch or
a mark shows here.

Examples:
  cairn unbundle /media/stick/notes.bundle
  cairn unbundle notes.bundle notes --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file that `cairn bundle` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A folder that becomes a worktree of what came
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The project of that worktree, where the repo has several
    #[arg(long, value_name = "@OWNER/NAME", requires = "dir")]
    project: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { file, dir, project } = args;
    let here = dir.as_ref().map_or_else(|| desk.here(), |dir| desk.here_in(dir));
    let asked = verb::Args { here, file: desk.path(&file), checkout: dir.is_some(), project };
    ask!(desk, Unbundle, asked, words)
}

fn words(answer: &verb::Answer) -> String {
    let (waypoints, feeds) = (count(answer.waypoints, "new waypoint"), count(answer.feeds, "feed"));
    let mut text = format!("took in {waypoints} of {feeds} of repo {}\n", short(&answer.repo));
    if answer.archive {
        text += &format!("{} had faded and came back\n", count(answer.recalled, "waypoint"));
    }
    if answer.artifact_bytes > 0 {
        let artifacts = count(answer.artifacts, "artifact");
        text += &format!("took in {artifacts}, {}\n", size(answer.artifact_bytes));
    }
    for artifact in &answer.missing_artifacts {
        text += &format!("  missing: bytes of artifact {}\n", short(artifact));
    }
    for problem in &answer.problems {
        text += &format!("{}: {}\n", problem.place, problem.detail);
    }
    for missing in &answer.missing {
        let (feed, from, to) = (short(&missing.feed), missing.from, missing.to);
        text += &format!("  missing: waypoints {from} to {to} of feed {feed} in {}\n", missing.project);
    }
    if let Some(tree) = &answer.worktree {
        let files = count(tree.files, "file");
        text += &format!("{} is checked out: wrote {files}, root {}\n", tree.project, short(&tree.root));
    }
    text
}
