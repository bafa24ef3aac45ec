//! `artifact get --follow`: what comes to a name, until this is interrupted.

use crate::desk::{Desk, wait_for_move};
use crate::error::{Failure, NETWORK, NOT_FOUND, USAGE};
use crate::output::{line, size};
use cairn_node::verbs::artifact as verb;
use cairn_node::verbs::{Answer, Request, root};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How often peers are asked where no `serve` runs that hears of what comes, and how soon what failed is tried again.
const LOOK: Duration = Duration::from_secs(1);

/// Writes the newest version, and then what comes. Where there is no file, to standard output.
pub(super) fn follow(desk: &Desk, name: &str, out: Option<&Path>, bytes_per_s: u64) -> Result<u8, Failure> {
    if desk.json && out.is_none() {
        let message = "--json tells of parts on standard output, so the bytes need a file".to_owned();
        return Err(Failure::new(USAGE, "E_USAGE", message, "add -o FILE, or leave --json out"));
    }
    // Here it is removed as soon as it is open; in the worktree's own folder it is never posted.
    let part = desk.worktree()?.join(".cairn").join(format!("follow-{}", std::process::id()));
    let (mut seen, mut failing) = (Vec::new(), false);
    loop {
        let is_served = desk.is_served()?;
        let action = verb::Action::Tail {
            name: name.to_owned(),
            seen: seen.clone(),
            out: part.clone(),
            sync: !is_served,
            bytes_per_s,
        };
        let asked = desk.ask(&Request::Artifact(verb::Args { here: desk.here(), action }));
        let tailed = match asked {
            Ok(Answer::Artifact(verb::Answer::Tailed(tailed))) => tailed,
            Ok(_) => return Err(Failure::unasked()),
            Err(failure) if may_pass(&failure, !seen.is_empty()) => {
                if !std::mem::replace(&mut failing, true) {
                    eprintln!("{}; trying again", failure.message);
                }
                std::thread::sleep(LOOK);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        failing = false;
        match &tailed.part {
            Some(written) => deliver(desk, written, &part, out)?,
            None if is_served => wait(desk, tailed.frontier.clone())?,
            None => std::thread::sleep(LOOK),
        }
        seen = tailed.seen;
    }
}

/// Whether it may be otherwise in a while: a peer comes back, or one that has the bytes; `serve` is started again.
fn may_pass(failure: &Failure, is_begun: bool) -> bool {
    failure.exit == NETWORK || failure.code == "E_BROKEN" || failure.exit == NOT_FOUND && is_begun
}

/// Hands on the bytes of a part.
fn deliver(desk: &Desk, written: &verb::Part, part: &Path, out: Option<&Path>) -> Result<(), Failure> {
    if written.from < written.to {
        let mut bytes = File::open(part)?;
        std::fs::remove_file(part)?;
        copy(&mut bytes, written.anew, out)?;
    } else {
        copy(&mut std::io::empty(), true, out)?;
    }
    if desk.json {
        let told = serde_json::to_string(written).map_err(|_| Failure::unasked())?;
        line(&told);
    } else if out.is_some() || written.anew {
        eprint!("{}", told(written));
    }
    Ok(())
}

fn copy(bytes: &mut impl std::io::Read, anew: bool, out: Option<&Path>) -> Result<(), Failure> {
    let Some(out) = out else {
        let mut stdout = std::io::stdout().lock();
        std::io::copy(bytes, &mut stdout)?;
        return Ok(stdout.flush()?);
    };
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(anew).append(!anew);
    let mut file = options.open(out)?;
    std::io::copy(bytes, &mut file)?;
    Ok(file.sync_data()?)
}

/// A part in words.
pub(super) fn told(part: &verb::Part) -> String {
    let bytes = size(part.to - part.from);
    match part.anew {
        true => format!("v{}, from its beginning: {bytes}\n", part.version),
        false => format!("v{}: {bytes} more\n", part.version),
    }
}

/// Returns when the branch of names may show something else: a running `serve` answers then.
fn wait(desk: &Desk, frontier: Vec<String>) -> Result<(), Failure> {
    let uri = Some(format!("?{}", verb::NAMES_BRANCH));
    let mut asked = root::Args { here: desk.here(), uri, unlike: Some(frontier) };
    wait_for_move(&desk.home()?.socket_path(), &mut asked, LOOK);
    Ok(())
}
