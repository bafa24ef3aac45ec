//! `artifact`: large contents, named by hash.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
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
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
    /// List those of the project
    #[command(after_help = "Examples:\n  cairn artifact ls\n  cairn artifact ls --json")]
    Ls,
    /// Check the bytes of one, or of all that are here
    #[command(after_help = "Examples:\n  cairn artifact verify\n  cairn artifact verify model --json")]
    Verify {
        /// A name or a hash; all when left out
        artifact: Option<String>,
    },
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let action = match args.action {
        Action::Add { file, name } => verb::Action::Add { file: desk.path(&file), name },
        Action::Get { artifact, out } => verb::Action::Get { artifact, out: desk.path(&out), range: None, bytes_per_s: 0 },
        Action::Ls => verb::Action::Ls,
        Action::Verify { artifact } => verb::Action::Verify { artifact, repair: false },
    };
    ask!(desk, Artifact, verb::Args { here: desk.here(), action }, words)
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
        verb::Answer::Listed(listed) => listed.artifacts.iter().map(item).collect(),
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
