//! `overlaps`: where concurrent edits met, with every alternative; and the choice of one.

mod edit;
mod resolve;

use super::{WORTH_A_LOOK, ask};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{indented, short};
use cairn_node::verbs::overlaps as verb;
use cairn_node::verbs::{Answer, Request};
use clap::Subcommand;

/// How many lines of an alternative a list shows.
const LINES_SHOWN: usize = 4;
/// How many characters of each.
const CHARS_SHOWN: usize = 200;

const EXAMPLES: &str = "\
Examples:
  cairn overlaps
  cairn overlaps resolve --with ./decide.py";

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
    /// Open the place in $VISUAL or $EDITOR, and post what was changed
    #[command(
        after_help = "Examples:\n  cairn overlaps edit 0\n  EDITOR='code --wait' cairn overlaps edit 2"
    )]
    Edit {
        /// Its number in the list
        index: usize,
    },
    /// Let a program decide
    #[command(after_help = RESOLVE)]
    Resolve(resolve::Args),
}

const RESOLVE: &str = "\
The program is run by the shell, once for each overlap. On its stdin it finds one
JSON document: index, kind, path, line, symbol, alternatives (text, authors,
waypoints; the first is what is shown), before and after (what stands around the
place in the file), base (the file as it was when the sides parted, or null).
On its stdout it answers with one of
  {\"text\": \"…\"}      what is to stand in the place of the alternatives
  {\"take\": 1}          the number of an alternative
  {\"refuse\": \"why\"}   nothing is changed
An exit code other than 0, or any other answer, is a refusal too. Each answer is
posted as a waypoint that names the program, on top of all sides.

Examples:
  cairn overlaps resolve --with ./decide.py
  cairn overlaps resolve --with 'jq -c \"{take: 1}\"' 0 2 --json";

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let (uri, action) = match args.action {
        Some(Action::Edit { index }) => return edit::run(index, desk),
        Some(Action::Resolve(args)) => return resolve::run(&args, desk),
        None => (args.uri, verb::Action::List),
        Some(Action::List { uri }) => (uri, verb::Action::List),
        Some(Action::Show { index, uri }) => (uri, verb::Action::Show { index }),
        Some(Action::Take { index, alternative }) => (None, verb::Action::Take { index, alternative }),
    };
    let whole = matches!(action, verb::Action::Show { .. });
    ask!(desk, Overlaps, verb::Args { here: desk.here(), uri, action }, |answer| words(answer, whole))
}

/// Asks the owner something about overlaps.
fn asked(desk: &Desk, action: verb::Action) -> Result<verb::Answer, Failure> {
    match desk.ask(&Request::Overlaps(verb::Args { here: desk.here(), uri: None, action }))? {
        Answer::Overlaps(answer) => Ok(answer),
        _ => Err(Failure::unasked()),
    }
}

fn words(answer: &verb::Answer, whole: bool) -> String {
    let mut text = listed(&answer.overlaps, &answer.notes, whole);
    if let Some(waypoint) = &answer.waypoint {
        text += &format!("settled by {}; root {}\n", short(waypoint), short(&answer.root));
    } else if answer.overlaps.is_empty() {
        text += "no overlaps\n";
    }
    text
}

/// Overlaps in which a choice is open, then those where nothing is hidden, and what is only noted.
pub(crate) fn listed(overlaps: &[verb::Overlap], notes: &[verb::Overlap], whole: bool) -> String {
    let (soft, hard): (Vec<_>, Vec<_>) = overlaps.iter().partition(|overlap| overlap.soft);
    let mut text: String = hard.into_iter().map(|overlap| one(overlap, whole)).collect();
    if !soft.is_empty() || !notes.is_empty() {
        text += WORTH_A_LOOK;
    }
    soft.into_iter().for_each(|overlap| text += &one(overlap, whole));
    for note in notes {
        let place = place(&note.path, note.line, note.symbol.as_deref());
        text += &format!("- {} {place}\n", note.kind);
    }
    text
}

/// One overlap: where it is, what met, and each alternative, whole or its first lines.
fn one(overlap: &verb::Overlap, whole: bool) -> String {
    let place = place(&overlap.path, overlap.line, overlap.symbol.as_deref());
    let mut text = format!("{} {} {place}\n", overlap.index, overlap.kind);
    for (number, side) in overlap.alternatives.iter().enumerate() {
        text += &format!("  [{number}] {}\n", side.authors.join(", "));
        let shown = if whole { side.text.clone() } else { first_lines(&side.text) };
        text += &indented(&harmless(&shown), "      ");
    }
    text
}

/// A place in words: `src/a.rs:12 in parse`.
pub(crate) fn place(path: &str, line: Option<usize>, symbol: Option<&str>) -> String {
    let line = line.iter().map(|line| format!(":{line}")).collect::<String>();
    let symbol = symbol.iter().map(|symbol| format!(" in {symbol}")).collect::<String>();
    format!("{path}{line}{symbol}")
}

/// As much of an alternative as a list has room for.
fn first_lines(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().take(LINES_SHOWN).map(first_chars).collect();
    if lines.len() < text.lines().count() {
        lines.push("…".to_owned());
    }
    lines.join("\n")
}

fn first_chars(line: &str) -> String {
    match line.char_indices().nth(CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// A text that a terminal shows and does not obey: what others wrote may hold anything.
fn harmless(text: &str) -> String {
    let shown = |char: char| match char {
        '\n' | '\t' => char,
        char if char.is_control() => char::REPLACEMENT_CHARACTER,
        char => char,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_short_and_harmless_in_a_list() {
        assert_eq!(first_lines("a\nb\nc\nd\n"), "a\nb\nc\nd");
        assert_eq!(first_lines("a\nb\nc\nd\ne\n"), "a\nb\nc\nd\n…");
        assert_eq!(first_lines(&"ä".repeat(1000)).chars().count(), CHARS_SHOWN + 1);
        assert_eq!(harmless("a\tb\x1b[2Jc\r\n"), "a\tb\u{fffd}[2Jc\n");
    }
}
