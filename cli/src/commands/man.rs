//! `man`: the manual as pages, one a verb, made of the definitions that read the command line.

use crate::args;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::count;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::fs;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  cairn man ~/.local/share/man/man1
  cairn man man/man1 --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder; made when it is not there. A page of the same name is written over
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes the pages.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let dir = desk.path(&args.dir);
    fs::create_dir_all(&dir)?;
    // Building gives every verb its whole name, and the options that hold everywhere.
    let mut whole = args::Args::command();
    whole.build();
    let mut pages = Vec::new();
    write(&whole, &dir, &mut pages)?;
    let words = || format!("wrote {} to {}\n", count(pages.len() as u64, "page"), dir.display());
    desk.print(&serde_json::json!({ "dir": dir, "pages": pages }), words)
}

/// The page of a verb, and those of the verbs below it.
fn write(command: &Command, dir: &Path, pages: &mut Vec<String>) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let named = command.clone().display_name(name.to_owned());
    let page = Man::new(named).source(concat!("cairn ", env!("CARGO_PKG_VERSION"))).manual("cairn");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let text = String::from_utf8_lossy(&text).replace("\nExamples:\n", "\n.SH EXAMPLES\n");
    let text = text.replace(".SH EXTRA\n.SH", ".SH").replace(".SH EXTRA\n", ".SH NOTES\n");
    let file = page.get_filename();
    fs::write(dir.join(&file), text)?;
    pages.push(file);
    command.get_subcommands().try_for_each(|below| write(below, dir, pages))
}
