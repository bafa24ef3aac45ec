//! `diff`: what differs between two versions, or a version and the worktree.

use super::{ask, is_uri};
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::diff as verb;

const EXAMPLES: &str = "\
Examples:
  cairn diff src/
  cairn diff ?release-1 ?main --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// No URI: where the worktree stands against the disk; one: it against the disk; two: the first against the
    /// second. Paths narrow it down
    #[arg(value_name = "URI|PATH")]
    words: Vec<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let (uris, paths) = args.words.into_iter().partition(|word| is_uri(word));
    ask!(desk, Diff, verb::Args { here: desk.here(), uris, paths }, words)
}

fn words(answer: &verb::Answer) -> String {
    answer.files.iter().map(file).collect()
}

/// One file's difference: unified where it is text, a line of words where it is not.
pub(crate) fn file(file: &verb::FileDiff) -> String {
    match &file.text {
        Some(text) => text.clone(),
        None => format!("{} {} (not text)\n", file.kind, file.path),
    }
}
