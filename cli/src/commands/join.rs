//! `join`: enters a repo by an invitation.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
use cairn_node::verbs::join as verb;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cairn join cairn:invite-link notes
  cairn join cairn:invite-link --peer /ip4/192.0.2.7/tcp/4000/p2p/12D3KooWAbc notes";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The link that `cairn invite` printed
    #[arg(value_name = "INVITE")]
    invite: String,
    /// The folder that becomes the worktree
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Ask this peer before those that the link names
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let here = desk.here_in(&args.dir);
    ask!(desk, Join, verb::Args { here, invite: args.invite, peers: args.peers }, words)
}

pub(crate) fn words(answer: &verb::Answer) -> String {
    let files = count(answer.files, "file");
    let agreed = match answer.agreed {
        0 => String::new(),
        1 => "one peer was asked; a second one would tell whether it is the newest state\n".to_owned(),
        n => format!("{n} peers agree that this is the newest state\n"),
    };
    format!(
        "joined {} of repo {}: wrote {files}, root {}\n",
        answer.project,
        short(&answer.repo),
        short(&answer.root)
    ) + &agreed
}
