//! `overlaps`: where concurrent edits met, with every alternative; and the choice of one.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{indented, short};
use cairn_node::verbs::overlaps as verb;
use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  cairn overlaps
  cairn overlaps take 0 1";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The version; what the worktree stands on when left out
    #[arg(value_name = "URI")]
    uri: Option<String>,
}

#[derive(Subcommand)]
enum Action {
    /// List all
    #[command(after_help = "Examples:\n  cairn overlaps list\n  cairn overlaps list ?main --json")]
    List {
        /// The version; what the worktree stands on when left out
        uri: Option<String>,
    },
    /// Show one, with every alternative
    #[command(after_help = "Examples:\n  cairn overlaps show 0\n  cairn overlaps show 2 ?main --json")]
    Show {
        /// Its number in the list
        index: usize,
        /// The version; what the worktree stands on when left out
        uri: Option<String>,
    },
    /// Settle one in favour of an alternative
    #[command(after_help = "Examples:\n  cairn overlaps take 0 1\n  cairn overlaps take 2 0 --json")]
    Take {
        /// Its number in the list
        index: usize,
        /// The number of the alternative; 0 is the one shown now
        alternative: usize,
    },
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let (uri, action) = match args.action {
        None => (args.uri, verb::Action::List),
        Some(Action::List { uri }) => (uri, verb::Action::List),
        Some(Action::Show { index, uri }) => (uri, verb::Action::Show { index }),
        Some(Action::Take { index, alternative }) => (None, verb::Action::Take { index, alternative }),
    };
    let whole = matches!(action, verb::Action::Show { .. });
    ask!(desk, Overlaps, verb::Args { here: desk.here(), uri, action }, |answer| words(answer, whole))
}

fn words(answer: &verb::Answer, whole: bool) -> String {
    let mut text: String = answer.overlaps.iter().map(|overlap| one(overlap, whole)).collect();
    if let Some(waypoint) = &answer.waypoint {
        text += &format!("settled by {}; root {}\n", short(waypoint), short(&answer.root));
    } else if answer.overlaps.is_empty() {
        text += "no overlaps\n";
    }
    text
}

/// One overlap: where it is, what met, and each alternative, whole or its first lines.
pub(crate) fn one(overlap: &verb::Overlap, whole: bool) -> String {
    let line = overlap.line.iter().map(|line| format!(":{line}")).collect::<String>();
    let symbol = overlap.symbol.iter().map(|symbol| format!(" in {symbol}")).collect::<String>();
    let mut text = format!("{} {} {}{line}{symbol}\n", overlap.index, overlap.kind, overlap.path);
    for (number, side) in overlap.alternatives.iter().enumerate() {
        text += &format!("  [{number}] {}\n", side.authors.join(", "));
        let shown = if whole { side.text.clone() } else { first_lines(&side.text) };
        text += &indented(&shown, "      ");
    }
    text
}

/// As much of an alternative as a list has room for.
fn first_lines(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().take(4).collect();
    if lines.len() < text.lines().count() {
        lines.push("…");
    }
    lines.join("\n")
}
