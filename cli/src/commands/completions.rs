//! `completions`: what a shell needs to complete a command line, made of the definitions that read it.

use crate::args;
use crate::desk::Desk;
use crate::error::Failure;
use clap::{CommandFactory, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  cairn completions bash > ~/.local/share/bash-completion/completions/cairn
  cairn completions fish > ~/.config/fish/completions/cairn.fish";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// A shell that is known.
#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    /// Of a folder that bash-completion reads
    Bash,
    /// Of a folder in `fpath`, as `_cairn`
    Zsh,
    /// Of `~/.config/fish/completions`
    Fish,
}

/// Prints the script.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::Args::command(), "cairn", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    desk.print(&serde_json::json!({ "shell": shell.to_string(), "script": script }), || script.clone())
}
