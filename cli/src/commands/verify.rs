//! `verify`: reads the store against what was signed.

mod proof;

use super::ask;
use crate::desk::Desk;
use crate::error::{DAMAGED, DONE, Failure};
use crate::output::{count, size};
use cairn_node::verbs::verify as verb;
use std::path::PathBuf;

const EXAMPLES: &str = "\
`--proof` checks a file of `cairn artifact prove`, and needs no repo and no home: that each
record of a run is signed by its author's feed and the author was allowed to write, and that
the runs lead from raw data to the artifact. That there was nothing else is the word of the
key that gathered it. Exit codes: 0 all holds, 6 something does not.

Examples:
  cairn verify --deep --json
  cairn verify --proof model.proof --artifact model.bin";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Read every byte, and derive every root again
    #[arg(long)]
    deep: bool,
    /// Check a file that says where an artifact came from
    #[arg(long, value_name = "FILE", conflicts_with = "deep")]
    proof: Option<PathBuf>,
    /// Check as well that this file holds the bytes that the proof speaks of
    #[arg(long, value_name = "FILE", requires = "proof")]
    artifact: Option<PathBuf>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Some(file) = &args.proof else {
        return ask!(desk, Verify, verb::Args { here: desk.here(), deep: args.deep }, words);
    };
    let artifact = args.artifact.map(|artifact| desk.path(&artifact));
    let chain = verb::proof::run(&verb::proof::Args { file: desk.path(file), artifact })?;
    desk.print(&chain, || proof::told(&chain))?;
    Ok(if chain.ok { DONE } else { DAMAGED })
}

fn words(answer: &verb::Answer) -> String {
    let (feeds, ssts) = (count(answer.feeds, "feed"), count(answer.ssts, "stone"));
    let verdict = if answer.ok { "all is as signed" } else { "damage found" };
    format!("{feeds}, {ssts}, {}: {verdict}\n", size(answer.bytes)) + &problems(&answer.problems)
}

/// One line a problem.
pub(crate) fn problems(problems: &[verb::Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("  {} {}: {}\n", problem.code, problem.place, problem.detail))
        .collect()
}
