//! `overlaps edit`: the place in the user's editor; what they leave there is posted.

use super::asked;
use crate::commands::overlap_note;
use crate::desk::Desk;
use crate::error::{DONE, Failure, LOOK, NOT_FOUND, REFUSED};
use crate::output;
use cairn_node::verbs::{Answer, Request, overlaps as verb, post};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Editors that go to a line when asked by `+LINE`.
const LINED: [&str; 13] =
    ["vi", "vim", "nvim", "view", "nano", "pico", "emacs", "emacsclient", "micro", "kak", "joe", "ne", "mg"];

/// Opens the file of an overlap, waits, and posts the file if it was changed.
pub(super) fn run(index: usize, desk: &Desk) -> Result<u8, Failure> {
    let before = asked(desk, verb::Action::Show { index })?;
    let overlap = before.overlaps.first().ok_or_else(Failure::unasked)?;
    let file = desk.worktree()?.join(&overlap.path);
    if !file.is_file() {
        let message = format!("{} is not a file that can be edited", file.display());
        return Err(Failure::new(NOT_FOUND, "E_NOT_FOUND", message, "settle it with cairn overlaps take"));
    }
    open(&file, overlap.line)?;
    let paths = vec![file.to_string_lossy().into_owned()];
    let message = Some(format!("edit {} where edits met", overlap.path));
    let request = post::Args { here: desk.here(), paths, message, ..post::Args::default() };
    let Answer::Post(posted) = desk.ask(&Request::Post(request))? else { return Err(Failure::unasked()) };
    let after = asked(desk, verb::Action::List)?;
    let told = verb::Answer { waypoint: posted.waypoint.clone(), ..after };
    if desk.json {
        let text = serde_json::to_string(&told).map_err(|_| Failure::unasked())?;
        output::line(&text);
    } else {
        match &posted.waypoint {
            Some(waypoint) => output::line(&format!("posted {}", output::short(waypoint))),
            None => output::line(&format!("nothing was changed; cairn overlaps take {index} 0 keeps it so")),
        }
        output::text(&overlap_note(told.overlaps.len() as u64));
    }
    Ok(if told.overlaps.is_empty() { DONE } else { LOOK })
}

/// Runs the editor, which may be a command with words of its own.
fn open(file: &Path, line: Option<usize>) -> Result<(), Failure> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os).find(|name| !name.is_empty());
    let editor = named.unwrap_or_else(|| OsString::from("vi"));
    let words = editor.to_string_lossy().into_owned();
    let program = words.split_whitespace().next().map(PathBuf::from).unwrap_or_default();
    let lined = program.file_name().is_some_and(|name| LINED.iter().any(|known| name == *known));
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{words} \"$@\"")).arg("editor");
    command.args(line.filter(|_| lined).map(|line| format!("+{line}"))).arg(file);
    let status = command.stdin(Stdio::inherit()).status()?;
    if status.success() {
        return Ok(());
    }
    let message = format!("the editor `{words}` ended with {status}");
    Err(Failure::new(REFUSED, "E_EDITOR", message, "nothing was posted; set VISUAL or EDITOR"))
}
