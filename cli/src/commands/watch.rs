//! `watch`: keeps a worktree and its branch together as files change.
//!
//! A file that comes to rest is posted; what a running `serve` takes in meanwhile is merged into
//! the worktree. It ends when it is told to: everything it does is safe to cut off.

use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, line, short};
use cairn_node::verbs::{Answer, Request, post, put, root, status};
use cairn_node::worktree::watch::Watcher;
use serde_json::json;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  cairn watch
  cairn -C notes watch --json";

/// How often the branch is looked at for what peers sent.
const LOOK: Duration = Duration::from_secs(1);

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Say on each waypoint what it is about
    #[arg(short, long, value_name = "MESSAGE")]
    message: Option<String>,
}

/// Watches until it is told to stop.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let branch = branch(desk)?;
    let watcher = Watcher::start(desk.worktree()?.as_path())?;
    tell(desk, "ready", json!({ "branch": branch }), &format!("watching; posting to {branch}"));
    let mut shown = None;
    let mut changed = true;
    loop {
        if changed {
            post_changes(desk, args.message.as_deref())?;
        }
        let there = frontier(desk, &branch)?;
        if shown.as_ref() != Some(&there) {
            merge(desk)?;
            // What came in while it merged is seen at the next look.
            shown = Some(there);
        }
        changed = watcher.settled(LOOK);
    }
}

fn branch(desk: &Desk) -> Result<String, Failure> {
    match desk.ask(&Request::Status(status::Args { here: desk.here() }))? {
        Answer::Status(status) => Ok(status.branch),
        _ => Err(Failure::unasked()),
    }
}

fn frontier(desk: &Desk, branch: &str) -> Result<Vec<String>, Failure> {
    let uri = Some(format!("?{branch}"));
    match desk.ask(&Request::Root(root::Args { here: desk.here(), uri })) {
        Ok(Answer::Root(root)) => Ok(root.frontier),
        Ok(_) => Err(Failure::unasked()),
        // Before the first post there is no such branch.
        Err(failure) if failure.exit == crate::error::NOT_FOUND => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

fn post_changes(desk: &Desk, message: Option<&str>) -> Result<(), Failure> {
    let args = post::Args { here: desk.here(), message: message.map(str::to_owned), ..post::Args::default() };
    let Answer::Post(post) = desk.ask(&Request::Post(args))? else { return Err(Failure::unasked()) };
    if let Some(waypoint) = &post.waypoint {
        let words = format!("posted {} as {}", count(post.files, "file"), short(waypoint));
        tell(desk, "posted", json!({ "waypoint": waypoint, "files": post.files, "root": post.root }), &words);
    }
    Ok(())
}

fn merge(desk: &Desk) -> Result<(), Failure> {
    let args = put::Args { here: desk.here(), ..put::Args::default() };
    let Answer::Put(put) = desk.ask(&Request::Put(args))? else { return Err(Failure::unasked()) };
    if put.files > 0 {
        let words = format!("merged: changed {}, root {}", count(put.files, "file"), short(&put.root));
        let told = json!({ "files": put.files, "root": put.root, "frontier": put.frontier, "overlaps": put.overlaps });
        tell(desk, "merged", told, &words);
    }
    Ok(())
}

/// One line an event.
fn tell(desk: &Desk, event: &str, mut told: serde_json::Value, words: &str) {
    if desk.json {
        if let Some(fields) = told.as_object_mut() {
            fields.insert("event".to_owned(), event.into());
        }
        line(&told.to_string());
    } else {
        line(words);
    }
}
