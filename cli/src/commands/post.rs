//! `post`: worktree to repo.

use super::{ask, is_uri, left_out};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
use cairn_node::verbs::post as verb;

const AFTER: &str = "\
With --from, nothing is read from the worktree: what the named waypoints did is done again, in the order of \
history, on top of the branch, or only the part that touches the named files and items. The waypoint names \
its sources. The worktree moves only where it follows that branch. Where something does not fit without a \
choice, the places are named and nothing is written.

With --local the waypoint is a checkpoint for this home alone. The worktree goes on standing where it stood; `log --local` lists \
such waypoints, and `get`, `show` and `diff` take them by ?hash, as ?local (the newest), ?local,15:50 and ?local,words.

Examples:
  cairn post -m \"parser: accept empty input\"
  cairn post --from 3fa9c1 c41d02 --to ?fixes -m \"parser: both fixes\" 'src/parse.rs#fn(parse)'";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Only these files and folders (all when left out; with --from also path#item), and ?branch to
    /// post on another branch
    #[arg(value_name = "PATH|URI")]
    words: Vec<String>,
    /// What the waypoint is about
    #[arg(short, long, value_name = "MESSAGE")]
    message: Option<String>,
    /// Gather these waypoints, ?hash or hash, instead of what changed on disk
    #[arg(long, value_name = "WAYPOINT", num_args = 1.., requires = "message")]
    from: Vec<String>,
    /// Keep it in this home: no branch moves, no peer and no bundle ever gets it, and the next post posts all
    /// of it
    #[arg(long, conflicts_with_all = ["from", "to"])]
    local: bool,
    /// Gather onto this branch
    #[arg(long, value_name = "?BRANCH", requires = "from")]
    to: Option<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let (mut uris, paths): (Vec<_>, Vec<_>) = args.words.into_iter().partition(|word| is_uri(word));
    uris.extend(args.to);
    if uris.len() > 1 {
        return Err(Failure::usage("post takes one URI at most"));
    }
    let uri = uris.pop();
    let (message, from, local) = (args.message, args.from, args.local);
    ask!(desk, Post, verb::Args { here: desk.here(), paths, uri, message, local, from }, words)
}

fn words(answer: &verb::Answer) -> String {
    let posted = answer.waypoint.as_ref().map(|waypoint| {
        let (files, waypoint) = (count(answer.files, "file"), short(waypoint));
        match answer.local {
            true => format!("kept {files} as {waypoint}, in this home alone; nothing was posted\n"),
            false => format!("posted {files} as {waypoint}; root {}\n", short(&answer.root)),
        }
    });
    posted.unwrap_or_else(|| "nothing to post\n".to_owned()) + &left_out(&answer.skipped)
}
