//! `cairn`: words in, words out, exit codes.
//!
//! This crate reads the command line, asks the owner of a home, and prints what comes back.
//! It knows no store, no network and no merge; everything it does it asks of `cairn-node`.

mod args;
mod bar;
mod commands;
mod desk;
mod error;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::read() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let json = args.everywhere.json;
    let done = commands::run(args);
    ExitCode::from(done.unwrap_or_else(|failure| failure.report(json)))
}
