//! `du`: what large contents take on the disk, and who needs them.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{short, size};
use cairn_node::verbs::du as verb;
use std::fmt::Write as _;

const EXAMPLES: &str = "\
Examples:
  cairn du
  cairn du --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

/// Asks, and prints.
pub(crate) fn run(_: Args, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Du, verb::Args { here: desk.here() }, words)
}

fn words(answer: &verb::Answer) -> String {
    let mut text = String::new();
    for item in &answer.artifacts {
        let who = match (item.is_needed, item.needed_by.is_empty()) {
            (false, _) => "nothing needs it: cairn artifact gc".to_owned(),
            (true, true) => "older waypoints".to_owned(),
            (true, false) => item.needed_by.join(" "),
        };
        let (held, own) = (size(item.held_bytes), size(item.own_bytes));
        let _ = writeln!(text, "{} {held:>10} {own:>10} alone  {}  {who}", short(&item.artifact), item.name);
    }
    let (chunks, history) = (size(answer.chunk_store_bytes), size(answer.history_bytes));
    let quota = answer.chunk_quota_bytes.map_or(String::new(), |bytes| format!(" of {}", size(bytes)));
    let _ = writeln!(text, "chunks of all repos {chunks}{quota}, history of this one {history}");
    text
}
