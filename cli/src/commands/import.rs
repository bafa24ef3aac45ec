//! `import git`: takes the history of a git repository over, or what is new in it.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, shorts};
use cairn_node::verbs::import as verb;
use clap::Subcommand;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cairn import git ~/src/project
  cairn import git mirror.git --json";

/// How many refs that were left out are named.
const LEFT_OUT_SHOWN: usize = 20;

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    system: System,
}

#[derive(Subcommand)]
enum System {
    /// Take over all branches and tags of a git repository with their whole history; again, only what is new
    #[command(after_help = GIT)]
    Git {
        /// The repository, bare or with a worktree
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
}

const GIT: &str = "\
Every commit becomes a waypoint that shows the commit's tree to the byte, with its author, time, message and parents; it is signed
by the local key. Branches become branches, tags become marks. The worktree stays as it is: `cairn get ?main` shows what
came. A submodule becomes a file that names its commit. No git program is needed.

Examples:
  cairn import git ~/src/project && cairn get '?main'
  cairn import git mirror.git --json";

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let System::Git { path } = args.system;
    ask!(desk, Import, verb::Args { here: desk.here(), from: desk.path(&path) }, words)
}

fn words(answer: &verb::Answer) -> String {
    let mut text = format!("imported {}", count(answer.commits, "commit"));
    if answer.artifacts > 0 {
        text += &format!(", {} as artifacts", count(answer.artifacts, "large file"));
    }
    text.push('\n');
    let changed = |labels: &[verb::Label], kind: &str| -> String {
        let labels = labels.iter().filter(|label| label.changed);
        labels.map(|label| format!("{kind} {} {}\n", label.name, shorts(&label.version))).collect()
    };
    text += &changed(&answer.branches, "branch");
    text += &changed(&answer.marks, "mark");
    for left in answer.left_out.iter().take(LEFT_OUT_SHOWN) {
        text += &format!("left out {}: {}\n", left.name, left.why);
    }
    if answer.left_out.len() > LEFT_OUT_SHOWN {
        text += &format!("left out {} more\n", answer.left_out.len() - LEFT_OUT_SHOWN);
    }
    text
}
