//! The command line: syntax only. What a verb takes is written in its own file.

use crate::commands::*;
use crate::error::Failure;
use clap::{ArgAction, Parser, Subcommand, error::ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;

const AFTER: &str = "\
Four verbs give the direction in which data moves; URIs say the rest:
  get     repo -> worktree          put     other branches, repos or peers -> where you stand
  post    worktree -> repo          delete  a file or a label

A URI is [//repo][/@owner/project][/path][?ref]; the worktree supplies what is
left out. Shells treat `?` specially: quote it, or leave a leading `?` out where
no file has that name. A ref is a branch, a mark, the first digits of a hash, a
time, or words of a message:
  ?2026-11-20T15:50  ?2026-11-20  ?3d  ?head,15:50  ?main,2h   as it was then
  ?head,skiplist     ?main,\"skip list\"                         where a message says so
Times are UTC unless they end in an offset (+02:00); each stands for its last
moment, and is read against the clocks of those who wrote. What can mean several
things lists them and ends with 3.

Exit codes: 0 done, 1 done and there is something to look at, 2 usage,
3 not found, 4 refused, 5 network, 6 damaged data found, 70 a bug.

Examples:
  cairn init notes --project @me/notes
  cairn -C notes status --json";

/// Peer-to-peer version control: edits always merge, to the same bytes everywhere.
#[derive(Parser)]
#[command(name = "cairn", version, after_help = AFTER, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// What holds for every verb.
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What holds for every verb.
#[derive(clap::Args)]
pub(crate) struct Everywhere {
    /// The folder with the device key, the configuration and the stores
    #[arg(long, global = true, value_name = "DIR", env = "CAIRN_HOME", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Act as if started in DIR
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub(crate) start: Option<PathBuf>,
    /// Print one JSON document on one line
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Found a repo, and make a folder its worktree
    Init(init::Args),
    /// Repo to worktree: check out, switch, blend, or one file
    Get(get::Args),
    /// Worktree to repo: write a waypoint
    Post(post::Args),
    /// Merge branches, repos or a peer's state into where you stand
    Put(put::Args),
    /// Remove a file or a label
    Delete(delete::Args),
    /// Say where the worktree stands, and what changed in it
    Status(status::Args),
    /// Say what differs between versions, or a version and the worktree
    Diff(diff::Args),
    /// List the waypoints of a version, newest first
    Log(log::Args),
    /// Show one waypoint, one mark, or one file at a version
    Show(show::Args),
    /// Fork a branch and switch to it
    Come(come::Args),
    /// Print the hash of all files of a version
    Root(root::Args),
    /// List, show and settle the places where concurrent edits met
    Overlaps(overlaps::Args),
    /// Merge three loose files; no repo is needed
    MergeFile(merge_file::Args),
    /// Name a version, with a changelog entry, and pin it
    Mark(mark::Args),
    /// Take back the last step of this worktree
    Undo(undo::Args),
    /// Bring back what was undone last
    Redo(redo::Args),
    /// Serve every repo of the home to its peers
    Serve(serve::Args),
    /// Keep a worktree and its branch together as files change
    Watch(watch::Args),
    /// List the nodes that this home knows
    Peers(peers::Args),
    /// Make a link that lets another device in
    Invite(invite::Args),
    /// Give a key a right, or say who holds which
    Grant(grant::Args),
    /// Take back what a key may do
    Revoke(revoke::Args),
    /// List what is kept and does not count, and why
    Held(held::Args),
    /// Enter a repo by an invitation
    Join(join::Args),
    /// Copy a repo that this device may read
    Clone(clone::Args),
    /// Show, name, back up, restore or leave the device key
    Identity(identity::Args),
    /// Add, fetch, list, verify, compare and trace large contents
    Artifact(artifact::Args),
    /// Say what large contents take, and who needs them
    Du(du::Args),
    /// Run a command and record code, data, parameters, metrics and environment
    Run(run::Args),
    /// Make one link to a run or a version that others can reproduce
    Share(share::Args),
    /// Get the exact state of a run by its link, and compare what comes of it
    Reproduce(reproduce::Args),
    /// Read the store against what was signed
    Verify(verify::Args),
    /// Say what is not as it should be, and what to do about it
    Doctor(doctor::Args),
    /// Forget what nothing needs any more
    Fade(fade::Args),
    /// Write what a peer would be sent into one file
    Bundle(bundle::Args),
    /// Take in what such a file brings
    Unbundle(unbundle::Args),
    /// Take over the history of another system
    Import(import::Args),
    /// Hand the history on to another system
    Export(export::Args),
    /// Put right what can be derived again
    Fsck(fsck::Args),
    /// Watch three real nodes edit, part, meet and merge
    Demo(demo::Args),
    /// Measure what cairn promises, against other programs
    Bench(bench::Args),
    /// Print what a shell needs to complete command lines
    Completions(completions::Args),
    /// Write the manual as pages, one a verb
    Man(man::Args),
}

/// A command line of the one verb that is run again and again, once for each file that git merges: only
/// what this verb takes is put together, not what thirty take.
#[derive(Parser)]
#[command(name = "cairn")]
struct Alone {
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(subcommand)]
    verb: MergeFile,
}

#[derive(Subcommand)]
enum MergeFile {
    MergeFile(merge_file::Args),
}

impl Alone {
    /// The command line, if it is a sound one of this verb; else the whole of clap has the say.
    fn read() -> Option<Args> {
        let first = std::env::args_os().nth(1)?;
        let alone = (first == "merge-file").then(|| Alone::try_parse().ok()).flatten()?;
        let MergeFile::MergeFile(args) = alone.verb;
        Some(Args { everywhere: alone.everywhere, verb: Verb::MergeFile(args) })
    }
}

/// A number of bytes: 4096, 500k, 10M, 2G.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is no number of bytes; one looks like 4096, 500k, 10M or 2G");
    let (digits, unit) = match text.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Reads the command line. Help and version are answers; anything else that is not a command is a usage error.
pub(crate) fn read() -> Result<Args, ExitCode> {
    if let Some(args) = Alone::read() {
        return Ok(args);
    }
    Args::try_parse().map_err(|error| {
        let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        let json = std::env::args_os().any(|word| word == "--json");
        if help || !json {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(crate::error::USAGE));
        }
        let words = error.render().to_string();
        let message = words.lines().next().unwrap_or_default().trim_start_matches("error: ");
        ExitCode::from(Failure::usage(message).report(true))
    })
}
