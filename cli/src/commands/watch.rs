//! `watch`: keeps a worktree and its branch together as files change.
//!
//! A file that comes to rest is posted; what a running `serve` takes in meanwhile is merged into
//! the worktree. It ends when it is told to: everything it does is safe to cut off.

use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, line, short};
use cairn_node::control::call;
use cairn_node::verbs::{Answer, Request, post, put, root, status};
use cairn_node::worktree::watch::Watcher;
use serde_json::json;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  cairn watch
  cairn -C notes watch --json";

/// How often the branch is looked at for what peers sent, where no `serve` runs that tells.
const LOOK: Duration = Duration::from_secs(1);

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Say on each waypoint what it is about
    #[arg(short, long, value_name = "MESSAGE")]
    message: Option<String>,
}

/// What woke the watch.
#[derive(PartialEq)]
enum Heard {
    /// Files of the worktree came to rest.
    Files,
    /// The branch may have moved.
    Branch,
}

/// Watches until it is told to stop.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let branch = branch(desk)?;
    let (sender, heard) = channel();
    let watcher = Watcher::start(desk.worktree()?.as_path())?;
    tell(desk, "ready", json!({ "branch": branch }), &format!("watching; posting to {branch}"));
    let mut shown = None;
    if let Some(posted) = post_changes(desk, args.message.as_deref())? {
        shown = Some(posted);
    }
    hear_files(watcher, sender.clone());
    hear_branch(desk.home()?.socket_path(), asked(desk, &branch), sender);
    loop {
        let there = frontier(desk, &branch)?;
        if shown.as_ref() != Some(&there) {
            merge(desk)?;
            // What came in while it merged is heard of next.
            shown = Some(there);
        }
        let Ok(first) = heard.recv() else { return Err(Failure::unasked()) };
        if first == Heard::Files || heard.try_iter().any(|heard| heard == Heard::Files) {
            // The worktree stands on what it posted: there is nothing to merge if the branch shows the same.
            shown = post_changes(desk, args.message.as_deref())?.or(shown);
        }
    }
}

/// Tells when files came to rest.
fn hear_files(watcher: Watcher, heard: Sender<Heard>) {
    std::thread::spawn(move || while !watcher.settled(LOOK) || heard.send(Heard::Files).is_ok() {});
}

/// Tells when the branch shows another version: a running `serve` answers then. Where none runs, tells again and again.
fn hear_branch(socket: PathBuf, mut asked: root::Args, heard: Sender<Heard>) {
    std::thread::spawn(move || {
        loop {
            let begun = Instant::now();
            match call(&socket, &Request::Root(asked.clone())) {
                Ok(Answer::Root(root)) if asked.unlike.as_ref() != Some(&root.frontier) => {
                    asked.unlike = Some(root.frontier);
                }
                // It was not kept waiting, so it waits by itself.
                _ => std::thread::sleep(LOOK.saturating_sub(begun.elapsed())),
            }
            if heard.send(Heard::Branch).is_err() {
                return;
            }
        }
    });
}

fn asked(desk: &Desk, branch: &str) -> root::Args {
    root::Args { here: desk.here(), uri: Some(format!("?{branch}")), unlike: None }
}

fn branch(desk: &Desk) -> Result<String, Failure> {
    match desk.ask(&Request::Status(status::Args { here: desk.here() }))? {
        Answer::Status(status) => Ok(status.branch),
        _ => Err(Failure::unasked()),
    }
}

fn frontier(desk: &Desk, branch: &str) -> Result<Vec<String>, Failure> {
    match desk.ask(&Request::Root(asked(desk, branch))) {
        Ok(Answer::Root(root)) => Ok(root.frontier),
        Ok(_) => Err(Failure::unasked()),
        // Before the first post there is no such branch.
        Err(failure) if failure.exit == crate::error::NOT_FOUND => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// Posts what changed; the version that the worktree stands on then, if anything was posted.
fn post_changes(desk: &Desk, message: Option<&str>) -> Result<Option<Vec<String>>, Failure> {
    let args = post::Args { here: desk.here(), message: message.map(str::to_owned), ..post::Args::default() };
    let Answer::Post(post) = desk.ask(&Request::Post(args))? else { return Err(Failure::unasked()) };
    if let Some(waypoint) = &post.waypoint {
        let words = format!("posted {} as {}", count(post.files, "file"), short(waypoint));
        tell(desk, "posted", json!({ "waypoint": waypoint, "files": post.files, "root": post.root }), &words);
        return Ok(Some(post.frontier));
    }
    Ok(None)
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
