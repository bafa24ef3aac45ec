//! `fade`: forgets what nothing needs any more.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
use cairn_node::verbs::fade as verb;

const EXAMPLES: &str = "\
Never forgotten: marks, tips of branches, what worktrees stand on, work that nobody has carried over,
what no other peer has yet, and everything since the last epoch (an epoch begins with an admin's `cairn mark`).
Who wrote what, when and why stays; of waypoints below an epoch that nobody gave a message, only as long as --names says,
then nothing but a hash over all of them.
`cairn bundle --archive FILE` keeps what they held for later; what `cairn unbundle` or `cairn get ?HASH` brought back goes with the
next fade.

Without --keep, --hourly, --daily and --weekly the project's own times count, which --auto sets; else 30d, then
--hourly 7d --daily 90d --weekly 2y. With one of them, those left out keep nothing; --keep 0s alone keeps only
what is never forgotten. A version that stays needs all that was written since the beginning of its epoch.

As soon as another peer has asked for the repo or sent something of it, what no other peer has stays; --alone
forgets it all the same. A repo that is only here fades without it.

Durations: 45s, 30m, 12h, 7d, 2w, 1y.

Examples:
  cairn fade --keep 7d --daily 90d --dry-run --json
  cairn fade --keep 30d --auto";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Keep everything younger than this
    #[arg(long, value_name = "DURATION")]
    keep: Option<String>,
    /// Then, for this long, the newest version of each hour on each branch
    #[arg(long, value_name = "DURATION")]
    hourly: Option<String>,
    /// Then, for this long, the newest version of each day
    #[arg(long, value_name = "DURATION")]
    daily: Option<String>,
    /// Then, for this long, the newest version of each week
    #[arg(long, value_name = "DURATION")]
    weekly: Option<String>,
    /// Keep the names of faded waypoints that are younger than this, so that peers can be asked for them [default: 30d]
    #[arg(long, value_name = "DURATION")]
    names: Option<String>,
    /// Forget also what no other peer is known to have
    #[arg(long)]
    alone: bool,
    /// Say what would go, and forget nothing
    #[arg(long, group = "action")]
    dry_run: bool,
    /// Let `cairn serve` fade this project by itself from now on, keeping as much
    #[arg(long, group = "action", conflicts_with = "alone")]
    auto: bool,
    /// Let `cairn serve` fade it no more, and forget nothing now
    #[arg(long, group = "action")]
    by_hand: bool,
    /// Say how long what is kept, and forget nothing
    #[arg(long, group = "action")]
    status: bool,
    /// As an admin: have every node keep everything for at least this long; 0s lifts that
    #[arg(long, group = "action", value_name = "DURATION", conflicts_with_all = ["keep", "hourly", "daily", "weekly"])]
    floor: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { keep, hourly, daily, weekly, names, alone, dry_run, auto, by_hand, status, floor } = args;
    let action = match floor {
        Some(floor) => verb::Action::Floor(floor),
        None if dry_run => verb::Action::DryRun,
        None if auto => verb::Action::Auto,
        None if by_hand => verb::Action::ByHand,
        None if status => verb::Action::Status,
        None => verb::Action::Fade,
    };
    let did = match action {
        verb::Action::DryRun => Some("would fade"),
        verb::Action::Fade | verb::Action::Auto => Some("faded"),
        _ => None,
    };
    let asked = verb::Args { here: desk.here(), keep, hourly, daily, weekly, names, alone, action };
    ask!(desk, Fade, asked, |answer| words(answer, did))
}

fn words(answer: &verb::Answer, did: Option<&str>) -> String {
    let Some(did) = did else { return kept(&answer.policy) };
    let mut lines = String::new();
    let policy = &answer.policy;
    if policy.raised {
        lines += &format!("everything younger than {} stays: the project's floor\n", span(policy.keep_ms));
    }
    if answer.unshared > 0 {
        let stay = count(answer.unshared, "more waypoint");
        lines += &format!("{stay} stay until another peer has them; --alone forgets them\n");
    }
    let sizes = format!("{} -> {} bytes", answer.bytes_before, answer.bytes_after);
    let marks = count(answer.marks, "mark");
    format!("{lines}{} {did}: {sizes}; {marks} kept\n", count(answer.waypoints, "waypoint"))
}

/// How long what is kept.
fn kept(policy: &verb::Policy) -> String {
    let steps = [
        (policy.hourly_ms, "of each hour"),
        (policy.daily_ms, "of each day"),
        (policy.weekly_ms, "of each week"),
    ];
    let mut lines = format!("{}: everything\n", span(policy.keep_ms));
    for (ms, what) in steps.into_iter().filter(|(ms, _)| *ms > 0) {
        lines += &format!("then {}: the newest version {what}, on each branch\n", span(ms));
    }
    if let Some(floor) = &policy.floor {
        lines += &format!(
            "floor: {}, set by {} in {}\n",
            span(floor.keep_ms),
            short(&floor.key),
            short(&floor.waypoint)
        );
    }
    lines += if policy.shared { "what no other peer has stays\n" } else { "no other peer has the repo\n" };
    lines += if policy.auto { "`cairn serve` fades it by itself\n" } else { "it fades by hand\n" };
    lines
}

/// A duration in the largest unit that it is a whole number of.
fn span(ms: u64) -> String {
    let units = [(31_536_000, 'y'), (604_800, 'w'), (86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let seconds = ms / 1_000;
    let unit = units.into_iter().find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size));
    match unit {
        Some((size, unit)) => format!("{}{unit}", seconds / size),
        None => format!("{seconds}s"),
    }
}
