//! `diff`: what differs between two versions, or a version and the worktree: items first, then lines.

use super::{ask, is_uri};
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::diff as verb;

/// How many characters of a value are shown.
const VALUE_CHARS_SHOWN: usize = 100;

const EXAMPLES: &str = "\
Before the lines that differ come the items that do: changed, added, removed, moved
or renamed, as path#fn(name); and in JSON, YAML and TOML the keys, old → new. Items
are read from the two sides as they are: they are for reading, and no part of what
merges.

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
    let symbols = answer.symbols.iter().map(symbol);
    symbols.chain(answer.files.iter().map(file)).collect()
}

/// One file's difference: unified where it is text, a line of words where it is not.
pub(crate) fn file(file: &verb::FileDiff) -> String {
    let name = match &file.from {
        Some(from) => format!("{from} → {}", file.path),
        None => file.path.clone(),
    };
    match &file.text {
        None => format!("{} {name} (not text)\n", file.kind),
        Some(text) if file.from.is_some() || text.is_empty() => format!("{} {name}\n{text}", file.kind),
        Some(text) => text.clone(),
    }
}

/// One item or key: what became of it.
pub(crate) fn symbol(symbol: &verb::SymbolDiff) -> String {
    let name = |at: &verb::SymbolAt| format!("{}#{}", at.path, at.symbol);
    let mut text = format!("{:<8} ", symbol.change);
    text += &match &symbol.from {
        None => name(&symbol.at),
        Some(from) if name(from) == name(&symbol.at) => {
            format!("{}, line {} → {}", name(from), from.line, symbol.at.line)
        }
        Some(from) => format!("{} → {}", name(from), name(&symbol.at)),
    };
    text += match symbol.edited {
        true => ", edited",
        false => "",
    };
    text += &match (&symbol.old, &symbol.new) {
        (Some(old), Some(new)) => format!(": {} → {}", value(old), value(new)),
        (None, Some(one)) | (Some(one), None) => format!(": {}", value(one)),
        (None, None) => String::new(),
    };
    text + "\n"
}

/// As much of a value as a line has room for.
fn value(value: &str) -> String {
    match value.char_indices().nth(VALUE_CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}
