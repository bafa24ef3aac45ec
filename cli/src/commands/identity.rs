//! `identity`: the device key: shown, named, backed up, restored, left for a new one, and joined by another device's.

use super::ask;
use super::invite::UNSERVED;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, is_watched, note, short};
use cairn_node::verbs::identity as verb;
use clap::Subcommand;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cairn identity
  cairn identity backup ~/cairn.key";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Show it
    #[command(after_help = "Examples:\n  cairn identity show\n  cairn identity show --json")]
    Show,
    /// Give it a name that others see beside what it wrote
    #[command(
        after_help = "Examples:\n  cairn identity name Ana\n  cairn identity name Ana --mail ana@example.org"
    )]
    Name {
        /// The name
        name: String,
        /// The mail address
        #[arg(long)]
        mail: Option<String>,
    },
    /// Write it to a file that only you can read
    #[command(
        after_help = "Examples:\n  cairn identity backup ~/cairn.key\n  cairn identity backup /media/stick/cairn.key --json"
    )]
    Backup {
        /// The file; it must not be there yet
        file: PathBuf,
    },
    /// Read it back from a file, into a home that has none
    #[command(
        after_help = "Examples:\n  cairn identity restore ~/cairn.key\n  cairn --home /srv/cairn identity restore cairn.key"
    )]
    Restore {
        /// The file
        file: PathBuf,
    },
    /// Leave it for a new one, because another machine writes with it too
    #[command(after_help = "Examples:\n  cairn identity fork\n  cairn identity fork --json")]
    Fork,
    /// Make a link by which another machine of yours comes in, with a key of its own and the same rights
    ///
    /// On the other machine `cairn join LINK DIR` brings every repo and makes a worktree of each project below DIR;
    /// your name is taken over, so that `cairn log` shows one person. Keep the link as you keep a key.
    #[command(
        after_help = "Examples:\n  cairn identity add-device\n  cairn identity add-device --out /media/stick/laptop.link"
    )]
    AddDevice {
        /// Write the link to a file that only you can read, which `cairn join FILE DIR` takes
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let action = match args.action {
        None | Some(Action::Show) => verb::Action::Show,
        Some(Action::Name { name, mail }) => {
            if is_watched() {
                note("others see it from your next post on");
            }
            verb::Action::Name { name, mail }
        }
        Some(Action::Backup { file }) => verb::Action::Backup { out: desk.path(&file) },
        Some(Action::Fork) => verb::Action::Fork,
        Some(Action::AddDevice { out }) => verb::Action::AddDevice { out: out.map(|out| desk.path(&out)) },
        Some(Action::Restore { file }) => restore(desk, desk.path(&file))?,
    };
    ask!(desk, Identity, verb::Args { here: desk.here(), action }, words)
}

/// A home without a key gets this one before anybody opens it: opening makes a new key.
fn restore(desk: &Desk, from: PathBuf) -> Result<verb::Action, Failure> {
    let home = desk.home()?;
    if !home.key_path().exists() {
        let _owned = home.lock()?;
        cairn_node::identity::restore(&home, &from)?;
    }
    Ok(verb::Action::Restore { from })
}

fn words(answer: &verb::Answer) -> String {
    if let Some(link) = &answer.link {
        return device(answer, link);
    }
    let mut text = format!("key  {}\npeer {}\n", answer.key, answer.peer);
    let rows = [("name", &answer.name), ("mail", &answer.mail), ("file", &answer.path)];
    for (row, value) in rows {
        value.iter().for_each(|value| text += &format!("{row} {value}\n"));
    }
    for repo in &answer.repos {
        let rights = if repo.granted { "the new key may write" } else { "the new key needs an invitation" };
        text += &format!(
            "repo {}: {rights}; {} that waited counts\n",
            short(&repo.repo),
            count(repo.kept.len() as u64, "waypoint")
        );
    }
    text
}

/// The link, or where it lies, on stdout; what to know about it beside that.
fn device(answer: &verb::Answer, link: &str) -> String {
    let (handed, left): (Vec<_>, Vec<_>) = answer.handed.iter().partition(|handed| handed.granted);
    let projects: Vec<&str> = handed.iter().flat_map(|handed| &handed.projects).map(String::as_str).collect();
    note(&format!("it brings {}", projects.join(" ")));
    for repo in left {
        let projects = repo.projects.join(" ");
        note(&format!(
            "{projects} (repo {}) it does not: an admin there lets the new device in with `cairn grant`",
            short(&repo.repo)
        ));
    }
    if answer.addresses.is_empty() {
        note(UNSERVED);
    }
    if answer.name.is_none() {
        note("you have no name yet that both could share: `cairn identity name NAME`, then ask again");
    }
    let key = short(answer.link_key.as_deref().unwrap_or_default());
    note(&format!(
        "whoever gets hold of it may do what you may; `cairn revoke {key} --keep --all-repos` closes it, and who came by it stays"
    ));
    match &answer.path {
        Some(path) => format!("wrote {path}; on the other machine: cairn join {path} DIR\n"),
        None => {
            note("on the other machine: cairn join LINK DIR");
            format!("{link}\n")
        }
    }
}
