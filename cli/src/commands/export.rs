//! `export git`: writes branches and marks, and what lies below them, into a bare git repository.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
use cairn_node::verbs::export as verb;
use clap::Subcommand;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cairn export git ../project.git
  cairn export git /srv/git/project.git --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    system: System,
}

#[derive(Subcommand)]
enum System {
    /// Write all branches and marks to a bare git repository; again, only what is new
    #[command(after_help = GIT)]
    Git {
        /// The bare repository; made where there is none
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
}

const GIT: &str = "\
Commits that were imported come out as they were, under the same names. What was posted since becomes one commit for each version that
a branch or a mark names; waypoints between those stay here. Branches move only forward and tags not at all: what git has
and cairn does not is left as it is, and named.

Examples:
  cairn export git ../project.git
  cairn export git /srv/git/project.git --json";

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let System::Git { path } = args.system;
    ask!(desk, Export, verb::Args { here: desk.here(), to: desk.path(&path) }, words)
}

fn words(answer: &verb::Answer) -> String {
    let mut text = format!("exported {}\n", count(answer.commits, "commit"));
    for (labels, kind) in [(&answer.branches, "branch"), (&answer.marks, "tag")] {
        for label in labels.iter().filter(|label| label.changed) {
            text += &format!("{kind} {} {}\n", label.name, short(&label.commit));
        }
    }
    for commit in &answer.changed {
        text +=
            &format!("another name for commit {}: what it stands on did not come out equal\n", short(commit));
    }
    answer.left_out.iter().for_each(|left| text += &format!("left out {}: {}\n", left.name, left.why));
    text
}
