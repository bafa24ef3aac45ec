//! `clone`: copies a repo that this device may read.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use cairn_node::verbs::clone as verb;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cairn clone cairn://REPO/@me/notes --peer /ip4/192.0.2.7/tcp/4000/p2p/12D3KooWAbc notes
  cairn clone //notes second-worktree";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// cairn://REPO/@owner/project?ref, or a repo of this home, //REPO
    #[arg(value_name = "LINK")]
    link: String,
    /// The folder that becomes the worktree
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Ask this peer before those that the link names
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
    /// Leave large files out until `cairn get PATH` asks for them
    #[arg(long)]
    lazy: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let here = desk.here_in(&args.dir);
    ask!(
        desk,
        Clone,
        verb::Args { here, link: args.link, peers: args.peers, lazy: args.lazy },
        super::join::words
    )
}
