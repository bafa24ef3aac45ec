//! `artifact`: large contents, named by hash.

use super::ask;
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use crate::output::{short, size};
use cairn_node::verbs::artifact as verb;
use clap::Subcommand;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cairn artifact add model.bin --name model
  cairn artifact get model -o model.bin";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Take a file into the store
    #[command(
        after_help = "Examples:\n  cairn artifact add model.bin\n  cairn artifact add model.bin --name model --json"
    )]
    Add {
        /// The file
        file: PathBuf,
        /// What to call it; the file's name when left out
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Write one to a file, after fetching it from known peers if it is not here
    #[command(
        after_help = "Examples:\n  cairn artifact get model -o model.bin\n  cairn artifact get 3fa94c -o out.bin --json"
    )]
    Get {
        /// A name or a hash
        artifact: String,
        /// The file to write; - for standard output, with --range
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
        /// Only these bytes of it: only what they touch is fetched, and it is not kept
        #[arg(long, value_name = "START..END", value_parser = range)]
        range: Option<(u64, u64)>,
        /// Fetch no faster than so many bytes a second: 500k, 10M
        #[arg(long, value_name = "BYTES", value_parser = crate::args::bytes)]
        limit: Option<u64>,
    },
    /// Fetch one from known peers and keep it, without writing a file
    #[command(
        after_help = "Examples:\n  cairn artifact fetch model\n  cairn artifact fetch 3fa94c --limit 10M --json"
    )]
    Fetch {
        /// A name or a hash
        artifact: String,
        /// Fetch no faster than so many bytes a second: 500k, 10M
        #[arg(long, value_name = "BYTES", value_parser = crate::args::bytes)]
        limit: Option<u64>,
    },
    /// List those of the project
    #[command(after_help = "Examples:\n  cairn artifact ls\n  cairn artifact ls --json")]
    Ls,
    /// Check the bytes of one, or of all that are here
    #[command(after_help = "Examples:\n  cairn artifact verify\n  cairn artifact verify model --json")]
    Verify {
        /// A name or a hash; all when left out
        artifact: Option<String>,
        /// Fetch again what is damaged or missing
        #[arg(long)]
        repair: bool,
    },
    /// Take away what nothing needs, in all repos of the home
    #[command(after_help = "Examples:\n  cairn artifact gc --dry-run\n  cairn artifact gc --json")]
    Gc {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}

/// Two numbers of bytes.
fn range(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("{text} is no range; one looks like 1000..2000, or 1M..2M");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (crate::args::bytes(from)?, crate::args::bytes(to)?);
    if from < to { Ok((from, to)) } else { Err(wrong()) }
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    if let Action::Get { artifact, out, range: Some(range), limit } = &args.action
        && out.as_os_str() == "-"
    {
        return piped(desk, artifact, *range, limit.unwrap_or(0));
    }
    let action = match args.action {
        Action::Add { file, name } => verb::Action::Add { file: desk.path(&file), name },
        Action::Get { artifact, out, range, limit } => {
            verb::Action::Get { artifact, out: desk.path(&out), range, bytes_per_s: limit.unwrap_or(0) }
        }
        Action::Fetch { artifact, limit } => {
            verb::Action::Fetch { artifact, bytes_per_s: limit.unwrap_or(0) }
        }
        Action::Ls => verb::Action::Ls,
        Action::Verify { artifact, repair } => verb::Action::Verify { artifact, repair },
        Action::Gc { dry_run } => verb::Action::Gc { dry_run },
    };
    ask!(desk, Artifact, verb::Args { here: desk.here(), action }, words)
}

/// Writes a part to standard output; it lies in a file of its own until it is whole and verified.
fn piped(desk: &Desk, artifact: &str, range: (u64, u64), bytes_per_s: u64) -> Result<u8, Failure> {
    let dir = std::env::temp_dir().join(format!("cairn-part-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let out = dir.join("part");
    let action = verb::Action::Get {
        artifact: artifact.to_owned(),
        out: out.clone(),
        range: Some(range),
        bytes_per_s,
    };
    let args = verb::Args { here: desk.here(), action };
    let got = desk.ask(&cairn_node::verbs::Request::Artifact(args));
    let copied = got.and_then(|_| {
        let mut part = std::fs::File::open(&out)?;
        std::io::copy(&mut part, &mut std::io::stdout().lock())?;
        Ok(DONE)
    });
    std::fs::remove_dir_all(&dir)?;
    copied
}

fn words(answer: &verb::Answer) -> String {
    match answer {
        verb::Answer::Added(added) => {
            let (bytes, stored) = (size(added.bytes), size(added.stored_bytes));
            format!("{}\n{bytes}, of which {stored} were new\n", added.artifact)
        }
        verb::Answer::Got(got) => {
            let from = if got.fetched { ", fetched from a peer" } else { "" };
            format!("wrote {} to {}{from}\n", size(got.bytes), got.path)
        }
        verb::Answer::Fetched(fetched) => match fetched.moved_bytes {
            0 => "all of it is here\n".to_owned(),
            bytes => format!("fetched {}\n", size(bytes)),
        },
        verb::Answer::Listed(listed) => listed.artifacts.iter().map(item).collect(),
        verb::Answer::Collected(collected) => {
            let verb::gc::Collected { unneeded, chunks, chunk_bytes, bytes_before, bytes_after } = collected;
            let (count, bytes) = (unneeded.len(), size(*chunk_bytes));
            let (before, after) = (size(*bytes_before), size(*bytes_after));
            format!("{count} artifacts that nothing needs, {chunks} chunks, {bytes}: {before} -> {after}\n")
        }
        verb::Answer::Verified(verified) => {
            let verdict = if verified.ok { "all is as named" } else { "damage found" };
            let text = format!("{} artifacts, {}: {verdict}\n", verified.artifacts, size(verified.bytes));
            text + &super::verify::problems(&verified.problems)
        }
    }
}

fn item(item: &verb::Item) -> String {
    let held = if item.held { "here" } else { "elsewhere" };
    format!("{} {:>10} {held:<9} {}\n", short(&item.artifact), size(item.bytes), item.name)
}
