//! `demo`: three real nodes on this machine import a project, edit it together and apart, and show
//! that they end at the same bytes.
//!
//! Everything is done by child processes of this very binary, over real sockets and real disks, so
//! what the demo shows is what a user gets. It ends only processes that it started.

pub(crate) mod node;
mod story;
mod table;
mod texts;
mod tree;
mod year;

use crate::desk::Desk;
use crate::error::{DONE, Failure, REFUSED};
use std::fs;
use std::path::PathBuf;
use story::Story;
use table::Table;
use year::Year;

const EXAMPLES: &str = "\
Examples:
  cairn demo --fade
  cairn demo ~/src/some-project --keep";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The tree to import; by default the one that the command stands in. It is copied, never written to
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Show forgetting instead: a year of work fades, its marks stay, a node that slept through it joins
    #[arg(long, conflicts_with = "dir")]
    fade: bool,
    /// Leave the homes and worktrees of the three nodes where they are
    #[arg(long)]
    keep: bool,
}

/// Plays the story, and prints a table of its steps.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let source = args.dir.map_or_else(|| desk.dir().to_path_buf(), |dir| desk.path(&dir));
    let place = Place::make(args.keep)?;
    let mut table = Table::new(desk.json);
    let played = match args.fade {
        true => Year::begin(&place.dir).play(&mut table),
        false => Story::begin(&place.dir, source).and_then(|mut story| story.play(&mut table)),
    };
    table.end(played.is_ok(), place.keep.then_some(place.dir.as_path()));
    played.map(|()| DONE)
}

/// The folder that the demo lives in; gone afterwards, unless it is kept.
struct Place {
    dir: PathBuf,
    keep: bool,
}

impl Place {
    fn make(keep: bool) -> Result<Self, Failure> {
        let name = |number: u32| format!("cairn-demo-{}-{number}", std::process::id());
        for number in 0..100 {
            let dir = std::env::temp_dir().join(name(number));
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(Self { dir, keep }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::new(
            REFUSED,
            "E_IO",
            "no folder for the demo could be made",
            "clean the temporary folder",
        ))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}
