//! `log`: the waypoints of a version, newest first; of a file or an item, those that wrote it.

mod graph;

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{Look, Paint, short};
use cairn_node::verbs::log as verb;
use graph::Graph;

const EXAMPLES: &str = "\
Examples:
  cairn log --graph -n 20
  cairn log 'src/lib.rs#fn(parse)'";

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
    /// List the local waypoints of this home instead (see `post --local`)
    #[arg(long, conflicts_with_all = ["uri", "changelog", "graph"])]
    local: bool,
    /// Print the marks of the version instead, newest first, as a changelog in Markdown
    #[arg(long)]
    changelog: bool,
    /// Draw beside them which stands on which
    #[arg(long, conflicts_with = "changelog")]
    graph: bool,
    /// Say how long ago each was written, also where that does not go to a terminal
    #[arg(long)]
    relative: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { uri, limit, local, changelog, graph, relative } = args;
    let look = Look::of_stdout(relative);
    ask!(desk, Log, verb::Args { here: desk.here(), uri, limit, local, changelog, graph }, |answer| words(
        answer, look
    ))
}

fn words(answer: &verb::Answer, look: Look) -> String {
    if let Some(marks) = &answer.changelog {
        return super::mark::changelog(marks);
    }
    let mut graph = Graph::default();
    let one = |one: &verb::Logged| match &one.stands_on {
        Some(parents) => beside(&graph.draw(&one.waypoint, parents), &waypoint(one, look), look),
        None => waypoint(one, look),
    };
    answer.waypoints.iter().map(one).collect()
}

/// A waypoint with the lines of the graph on its left.
fn beside(rows: &graph::Rows, text: &str, look: Look) -> String {
    let mut drawn: String = rows.above.iter().map(|row| format!("{row}\n")).collect();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let star = rows.beside.replace('*', &look.paint(Paint::Bold, "*"));
    drawn += &format!("{star} {first}\n");
    rows.below.iter().for_each(|row| drawn += &format!("{row}\n"));
    lines.for_each(|line| drawn += &format!("{}{line}\n", rows.after));
    drawn
}

/// One waypoint, on one line.
pub(crate) fn waypoint(waypoint: &verb::Logged, look: Look) -> String {
    let author = waypoint.author.as_deref().unwrap_or(short(&waypoint.key));
    let message = waypoint.message.as_deref().and_then(|message| message.lines().next());
    let message = message.map_or_else(|| look.paint(Paint::Dim, "(no message)"), str::to_owned);
    let marks: String =
        waypoint.marks.iter().map(|mark| look.paint(Paint::Green, &format!(" [{mark}]"))).collect();
    let deleted: String = waypoint.deleted.iter().map(|deleted| format!("  {deleted}\n")).collect();
    // Of what was imported, when it was written there.
    let imported = waypoint.imported.as_ref().and_then(|imported| u64::try_from(imported.written_s).ok());
    let written_ms = imported.map_or(waypoint.stamp.wall_ms, |seconds| seconds.saturating_mul(1000));
    let id = look.paint(Paint::Yellow, short(&waypoint.waypoint));
    let local = if waypoint.local { " (local)" } else { "" };
    let moment = look.paint(Paint::Dim, &look.moment(written_ms));
    let author = look.paint(Paint::Bold, author);
    format!("{id} {moment} {author}{local}{marks} {message}\n{deleted}")
}
