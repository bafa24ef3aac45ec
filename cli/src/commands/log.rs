//! `log`: the waypoints of a version, newest first; of a file or an item, those that wrote it.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{moment, short};
use cairn_node::verbs::log as verb;

const EXAMPLES: &str = "\
Examples:
  cairn log 'src/lib.rs#fn(parse)' -n 10
  cairn log --changelog ?main > CHANGELOG.md";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The version; what the worktree stands on when left out. With a path, only what wrote it; with
    /// path#item or path#key, only what wrote that
    #[arg(value_name = "URI")]
    uri: Option<String>,
    /// List at most so many
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// Print the marks of the version instead, newest first, as a changelog in Markdown
    #[arg(long)]
    changelog: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { uri, limit, changelog } = args;
    ask!(desk, Log, verb::Args { here: desk.here(), uri, limit, changelog }, words)
}

fn words(answer: &verb::Answer) -> String {
    if let Some(marks) = &answer.changelog {
        return super::mark::changelog(marks);
    }
    answer.waypoints.iter().map(waypoint).collect()
}

/// One waypoint, on one line.
pub(crate) fn waypoint(waypoint: &verb::Logged) -> String {
    let author = waypoint.author.as_deref().unwrap_or(short(&waypoint.key));
    let message = waypoint.message.as_deref().and_then(|message| message.lines().next()).unwrap_or_default();
    let marks: String = waypoint.marks.iter().map(|mark| format!(" [{mark}]")).collect();
    let deleted: String = waypoint.deleted.iter().map(|deleted| format!("  {deleted}\n")).collect();
    // Of what was imported, when it was written there.
    let imported = waypoint.imported.as_ref().and_then(|imported| u64::try_from(imported.written_s).ok());
    let moment = moment(imported.map_or(waypoint.stamp.wall_ms, |seconds| seconds.saturating_mul(1000)));
    format!("{} {moment} {author}{marks} {message}\n{deleted}", short(&waypoint.waypoint))
}
