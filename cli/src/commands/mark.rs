//! `mark`: a signed name for a version, with a changelog entry.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{indented, short, shorts};
use cairn_node::verbs::mark as verb;

const AFTER: &str = "\
A mark is signed and does not move. With --hold nobody can delete it until an admin lifts the hold with \
--release. --delete leaves a signed tombstone that says who, when and why, and frees the name; \
whoever set the same name without having seen that keeps it.

Examples:
  cairn mark release-1 -m \"First release\" --class release
  cairn mark --delete before-rewrite -m \"the rewrite is done\" --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
    /// The changelog entry; with --delete and --release, why
    #[arg(short, long, value_name = "MESSAGE")]
    message: String,
    /// The version; what the worktree stands on when left out
    #[arg(value_name = "URI", conflicts_with_all = ["delete", "release"])]
    uri: Option<String>,
    /// How long it is to be kept, in your own words
    #[arg(long, value_name = "CLASS", conflicts_with_all = ["delete", "release"])]
    class: Option<String>,
    /// Why it must not be deleted
    #[arg(long, value_name = "REASON", conflicts_with_all = ["delete", "release"])]
    hold: Option<String>,
    /// Only pin it: begin no epoch, so that what lies below never fades
    #[arg(long, conflicts_with_all = ["delete", "release"])]
    pin: bool,
    /// Delete it, leaving a tombstone
    #[arg(long, conflicts_with = "release")]
    delete: bool,
    /// Lift the hold on it, as an admin
    #[arg(long)]
    release: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { name, message, uri, class, hold, pin, delete, release } = args;
    let action = match (delete, release) {
        (true, _) => verb::Action::Delete,
        (_, true) => verb::Action::Release,
        _ => verb::Action::Set,
    };
    ask!(desk, Mark, verb::Args { here: desk.here(), name, message, uri, class, hold, pin, action }, words)
}

fn words(answer: &verb::Answer) -> String {
    match (&answer.done, &answer.waypoint) {
        (Some(done), Some(waypoint)) => format!("{done} the mark {} by {}\n", answer.mark, short(waypoint)),
        _ => {
            let epoch = match &answer.pinned {
                Some(why) => format!("no epoch begins, so nothing below it fades: {why}"),
                None => "an epoch begins".to_owned(),
            };
            format!("marked root {} as {}; {epoch}\n", short(&answer.root), answer.mark)
        }
    }
}

/// One mark with all that it says.
pub(super) fn told(mark: &verb::Told) -> String {
    let mut text = format!("mark {}\n{}, {}\n", mark.mark, mark.date, mark.author);
    text += &format!("frontier {}\nroot {}\n", shorts(&mark.frontier), mark.root);
    text += &mark.class.iter().map(|class| format!("class {class}\n")).collect::<String>();
    text += &mark.hold.iter().map(|why| format!("held: {why}\n")).collect::<String>();
    text + "\n" + &indented(&mark.message, "    ")
}

/// Marks as a changelog in Markdown.
pub(super) fn changelog(marks: &[verb::Told]) -> String {
    let one = |mark: &verb::Told| {
        let author = mark.author.split_whitespace().collect::<Vec<_>>().join(" ");
        let date = mark.date.get(..10).unwrap_or(&mark.date);
        format!("\n## {} — {date}, {author}\n\n{}\n", mark.mark, mark.message.trim_end())
    };
    "# Changelog\n".to_owned() + &marks.iter().map(one).collect::<String>()
}
