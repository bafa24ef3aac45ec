//! `merge-file`: merges three loose files. It asks no owner, so that it is done in milliseconds.

use super::overlaps::listed;
use crate::desk::Desk;
use crate::error::{DONE, Failure, LOOK};
use crate::output;
use cairn_node::verbs::merge_file as verb;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Exit codes: 0 nothing met; 1 merged, and the places where edits met or stand side
by side are listed on stderr; anything else: OUT was not written. The second example is what git runs
as its merge driver, when it is the value of merge.cairn.driver.

Examples:
  cairn merge-file base.rs ours.rs theirs.rs -o merged.rs
  cairn merge-file %O %A %B -o %A --path %P";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file that both sides began with; an empty one if there was none
    base: PathBuf,
    /// One side
    ours: PathBuf,
    /// The other side; the sides swapped give the same bytes
    theirs: PathBuf,
    /// The merged file; may be one of the three
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// The name that tells the language, where those of the files do not
    #[arg(long, value_name = "NAME")]
    path: Option<PathBuf>,
}

/// Merges, writes, and tells what met.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let told = args.path.as_ref().unwrap_or(&args.out).to_string_lossy().into_owned();
    let [base, ours, theirs, out] =
        [args.base, args.ours, args.theirs, args.out].map(|path| desk.path(&path));
    let answer = verb::run(&verb::Args { base, ours, theirs, out, path: args.path, told })?;
    eprint!("{}", listed(&answer.overlaps, &answer.notes, false));
    if desk.json {
        output::line(&serde_json::json!({ "overlaps": answer.overlaps, "notes": answer.notes }).to_string());
    }
    Ok(if answer.overlaps.is_empty() { DONE } else { LOOK })
}
