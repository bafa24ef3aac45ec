//! How much memory a process has held.

use super::stage::{Stage, bug};
use crate::error::Failure;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The most memory that this process has held, in MB; nothing is known where the system keeps no such file.
pub(super) fn peak_mb() -> Result<f64, Failure> {
    field("self", "VmHWM:")
}

/// The most memory that a running process has held so far, in MB.
pub(super) fn peak_mb_of(process: u32) -> Result<f64, Failure> {
    field(&process.to_string(), "VmHWM:")
}

/// What a running process holds now, in MB.
pub(super) fn held_mb_of(process: u32) -> Result<f64, Failure> {
    field(&process.to_string(), "VmRSS:")
}

fn field(process: &str, name: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(Path::new("/proc").join(process).join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<f64> = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kib.map(|kib| kib * 1024.0 / 1e6).ok_or_else(|| bug("the system does not say how much memory was held"))
}

/// Runs this program once more, in a process of its own; what it printed.
pub(super) fn apart(stage: Option<&Stage>, words: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words);
    if let Some(stage) = stage {
        command.current_dir(stage.dir());
    }
    let output = command.output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(bug(String::from_utf8_lossy(&output.stderr).trim())),
    }
}
