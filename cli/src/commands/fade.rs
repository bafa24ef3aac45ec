//! `fade`: forgets what nothing needs any more.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::count;
use cairn_node::verbs::fade as verb;

const EXAMPLES: &str = "\
Never forgotten: marks, tips of branches, what worktrees stand on, work that nobody has carried over,
and everything since the last epoch (an epoch begins with an admin's `cairn mark`).
Who wrote what, when and why stays in the log; only what the files held goes. `cairn bundle --archive FILE` keeps that for
later; what `cairn unbundle` or `cairn get ?HASH` brought back goes with the next fade.

Examples:
  cairn fade --keep 7d --dry-run --json
  cairn fade --keep 30d --auto";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Keep everything younger than this: 45s, 30m, 12h, 7d, 2w; 30d when left out
    #[arg(long, value_name = "DURATION")]
    keep: Option<String>,
    /// Say what would go, and forget nothing
    #[arg(long)]
    dry_run: bool,
    /// Let `cairn serve` fade this project by itself from now on, keeping as much
    #[arg(long)]
    auto: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { keep, dry_run, auto } = args;
    let asked = verb::Args { here: desk.here(), keep, dry_run, auto };
    ask!(desk, Fade, asked, |answer| words(answer, dry_run))
}

fn words(answer: &verb::Answer, dry_run: bool) -> String {
    let verb = if dry_run { "would fade" } else { "faded" };
    let sizes = format!("{} -> {} bytes", answer.bytes_before, answer.bytes_after);
    let marks = count(answer.marks, "mark");
    format!("{} {verb}: {sizes}; {marks} kept\n", count(answer.waypoints, "waypoint"))
}
