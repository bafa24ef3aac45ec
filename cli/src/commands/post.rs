//! `post`: worktree to repo.

use super::{ask, is_uri};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
use cairn_node::verbs::post as verb;

const EXAMPLES: &str = "\
Examples:
  cairn post -m \"parser: accept empty input\"
  cairn post src/parse.rs ?parser-rewrite --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only these files and folders (all when left out), and ?branch to post on another branch
    #[arg(value_name = "PATH|URI")]
    words: Vec<String>,
    /// What the waypoint is about
    #[arg(short, long, value_name = "MESSAGE")]
    message: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let (mut uris, paths): (Vec<_>, Vec<_>) = args.words.into_iter().partition(|word| is_uri(word));
    if uris.len() > 1 {
        return Err(Failure::usage("post takes one URI at most"));
    }
    let uri = uris.pop();
    ask!(desk, Post, verb::Args { here: desk.here(), paths, uri, message: args.message }, words)
}

fn words(answer: &verb::Answer) -> String {
    let Some(waypoint) = &answer.waypoint else { return "nothing to post\n".to_owned() };
    format!("posted {} as {}; root {}\n", count(answer.files, "file"), short(waypoint), short(&answer.root))
}
