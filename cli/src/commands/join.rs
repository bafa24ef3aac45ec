//! `join`: enters a repo by an invitation.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
use cairn_node::verbs::join as verb;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most bytes of a file with a link.
const LINK_BYTES_MAX: u64 = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  cairn join cairn:invite-link notes
  cairn join /media/stick/laptop.link ~/projects --peer /ip4/192.0.2.7/tcp/4000";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The link that `cairn invite` or `cairn identity add-device` printed, or a file with it
    #[arg(value_name = "INVITE")]
    invite: String,
    /// The folder that becomes the worktree; by the link of a device, each project gets a folder in it
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
    let invite = read(args.invite, desk)?;
    ask!(desk, Join, verb::Args { here, invite, peers: args.peers, lazy: args.lazy }, words)
}

/// The link, out of a file where one is named.
fn read(invite: String, desk: &Desk) -> Result<String, Failure> {
    if invite.starts_with("cairn:") {
        return Ok(invite);
    }
    let path = desk.path(Path::new(&invite));
    let mut text = String::new();
    match File::open(&path) {
        Ok(file) => file.take(LINK_BYTES_MAX).read_to_string(&mut text)?,
        Err(error) => {
            let message = format!("{} is neither a link nor a file with one: {error}", path.display());
            return Err(Failure::usage(message));
        }
    };
    Ok(text.trim().to_owned())
}

pub(crate) fn words(answer: &verb::Answer) -> String {
    let mut text: String = [answer].into_iter().chain(&answer.others).map(joined).collect();
    text += &super::absent_note([answer].into_iter().chain(&answer.others).map(|one| one.absent).sum());
    text += &match answer.agreed {
        0 => String::new(),
        1 => "one peer was asked; a second one would tell whether it is the newest state\n".to_owned(),
        n => format!("{n} peers agree that this is the newest state\n"),
    };
    for missed in &answer.missed {
        text += &format!("repo {} did not come: {}\n", short(&missed.repo), missed.reason);
    }
    text
}

fn joined(answer: &verb::Answer) -> String {
    let files = count(answer.files, "file");
    let place = answer.dir.as_ref().map(|dir| format!(" to {dir}")).unwrap_or_default();
    if answer.root.is_empty() {
        return format!(
            "{} is there already, in {}\n",
            answer.project,
            answer.dir.as_deref().unwrap_or_default()
        );
    }
    format!(
        "joined {} of repo {}: wrote {files}{place}, root {}\n",
        answer.project,
        short(&answer.repo),
        short(&answer.root)
    )
}
