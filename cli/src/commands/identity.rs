//! `identity`: the device key: shown, named, backed up, restored, left for a new one.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short};
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
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let action = match args.action {
        None | Some(Action::Show) => verb::Action::Show,
        Some(Action::Name { name, mail }) => verb::Action::Name { name, mail },
        Some(Action::Backup { file }) => verb::Action::Backup { out: desk.path(&file) },
        Some(Action::Fork) => verb::Action::Fork,
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
