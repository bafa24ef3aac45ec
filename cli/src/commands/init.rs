//! `init`: founds a repo with one project, and makes a folder its worktree.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::init as verb;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cairn init notes
  cairn init . --project @me/notes --public --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder; made when it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The project's name, @owner/name; @me/ and the folder's name when left out
    #[arg(long, value_name = "@OWNER/NAME")]
    project: Option<String>,
    /// Let anyone read the repo; without it, holders of a grant only
    #[arg(long)]
    public: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let here = desk.here_in(&args.dir);
    ask!(desk, Init, verb::Args { here, project: args.project, public: args.public }, words)
}

fn words(answer: &verb::Answer) -> String {
    format!(
        "founded repo {} with project {}\nnothing is posted yet: cairn post\n",
        answer.repo, answer.project
    )
}
