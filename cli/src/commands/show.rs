//! `show`: one waypoint with its changes, one mark, or one file at a version.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{Look, short, shorts, size};
use cairn_node::verbs::show as verb;

const EXAMPLES: &str = "\
Examples:
  cairn show ?3fa94c
  cairn show src/lib.rs?release-1";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to show: ?hash, ?mark, ?branch, path?ref; what the worktree stands on when left out
    #[arg(value_name = "URI")]
    uri: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Show, verb::Args { here: desk.here(), uri: args.uri }, words)
}

fn words(answer: &verb::Answer) -> String {
    if let Some(file) = &answer.file {
        return shown(file);
    }
    if let Some(mark) = &answer.mark {
        return super::mark::told(mark);
    }
    let mut text = format!("frontier {}\nroot {}\n", shorts(&answer.frontier), short(&answer.root));
    if let Some(waypoint) = &answer.waypoint {
        text = super::log::waypoint(waypoint, Look::of_stdout(false));
    }
    answer.symbols.iter().for_each(|symbol| text += &super::diff::symbol(symbol));
    answer.changes.iter().for_each(|change| text += &super::diff::file(change));
    text
}

fn shown(file: &verb::Shown) -> String {
    match &file.text {
        Some(text) if file.kind == "text" => text.clone(),
        Some(text) => format!("{} {} -> {text}\n", file.kind, file.path),
        None => format!("{} {}, {}\n", file.kind, file.path, size(file.bytes)),
    }
}
