//! `watch`: keeps a worktree and its branch together as files change.
//!
//! A file that comes to rest is posted; what a running `serve` takes in meanwhile is merged into
//! the worktree. It ends when it is told to: everything it does is safe to cut off.

use crate::desk::{Desk, wait_for_move};
use crate::error::Failure;
use crate::output::{count, is_watched, line, note, short};
use cairn_node::home::Home;
use cairn_node::verbs::{Answer, Request, post, put, root, status};
use cairn_node::worktree::watch::Watcher;
use serde_json::json;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  cairn watch
  cairn -C notes watch --json";

/// How long what fails is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// When what needs faded bodies is tried again: a peer that has them may be there then.
const MERGE_AGAIN: Duration = Duration::from_secs(10);
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

/// Watches until it is told to stop. What fails is told and tried again: a `serve` that stops or a disk that is full for a while
/// must not leave later saves unposted.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let branch = branch(desk)?;
    let (sender, heard) = channel();
    let watcher = Watcher::start(desk.worktree()?.as_path())?;
    tell(desk, "ready", json!({ "branch": branch }), &format!("watching; posting to {branch}"));
    if is_watched() && matches!(desk.is_served(), Ok(false)) {
        note(
            "nothing is served here: what is posted reaches others, and theirs comes, once `cairn serve` runs",
        );
    }
    hear_files(watcher, sender.clone());
    hear_branch(desk.home()?, asked(desk, &branch), sender);
    let mut hand = Hand { desk, branch, message: args.message, shown: None, unmerged: None, unposted: true };
    let mut failing = None;
    loop {
        match hand.bring_together() {
            Ok(()) => failing = None,
            Err(failure) if failing.get_or_insert_with(Instant::now).elapsed() > PATIENCE => {
                return Err(failure);
            }
            Err(failure) => {
                let told = json!({ "code": failure.code, "message": failure.message });
                tell(desk, "failed", told, &format!("{}; trying again", failure.message));
                std::thread::sleep(LOOK);
                continue;
            }
        }
        let first = hear(&heard, hand.merges_again_after())?;
        hand.unposted = first == Some(Heard::Files) || heard.try_iter().any(|heard| heard == Heard::Files);
    }
}

/// What keeps the two together, and what it knows of them.
struct Hand<'a> {
    desk: &'a Desk,
    branch: String,
    message: Option<String>,
    /// The version of the branch that the files show.
    shown: Option<Vec<String>>,
    /// When the branch showed what cannot be shown here; told once.
    unmerged: Option<Instant>,
    /// Whether files may have changed since the last post.
    unposted: bool,
}

impl Hand<'_> {
    /// Posts what changed, then merges what came.
    fn bring_together(&mut self) -> Result<(), Failure> {
        if self.unposted {
            // The worktree stands on what it posted: there is nothing to merge if the branch shows the same.
            let posted = post_changes(self.desk, self.message.as_deref())?;
            (self.shown, self.unposted) = (posted.or(self.shown.take()), false);
        }
        let there = frontier(self.desk, &self.branch)?;
        if self.shown.as_ref() == Some(&there) {
            self.unmerged = None;
        } else if self.merges_again_after().is_none_or(|after| after.is_zero()) {
            self.merge(there)?;
        }
        Ok(())
    }

    /// Merges what the branch shows. What somebody wrote on what has faded here must not keep later saves from being posted.
    fn merge(&mut self, there: Vec<String>) -> Result<(), Failure> {
        match merge(self.desk) {
            // What came in while it merged is heard of next.
            Ok(()) => (self.shown, self.unmerged) = (Some(there), None),
            Err(failure) if failure.code == "E_FADED" => {
                if self.unmerged.replace(Instant::now()).is_none() {
                    let told = json!({ "code": failure.code, "message": failure.message });
                    tell(self.desk, "unmerged", told, &format!("not merged yet: {}", failure.message));
                }
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// How long what could not be merged waits for the next try.
    fn merges_again_after(&self) -> Option<Duration> {
        self.unmerged.map(|at| MERGE_AGAIN.saturating_sub(at.elapsed()))
    }
}

/// What is heard next; nothing if it takes too long.
fn hear(heard: &Receiver<Heard>, within: Option<Duration>) -> Result<Option<Heard>, Failure> {
    match heard.recv_timeout(within.unwrap_or(Duration::MAX)) {
        Err(RecvTimeoutError::Timeout) => Ok(None),
        heard => heard.map(Some).map_err(|_| Failure::unasked()),
    }
}

/// Tells when files came to rest.
fn hear_files(watcher: Watcher, heard: Sender<Heard>) {
    std::thread::spawn(move || while !watcher.settled(LOOK) || heard.send(Heard::Files).is_ok() {});
}

/// Tells when the branch may show another version: a running `serve` answers then. Where none runs, it may once another process
/// has owned the home; to look before that would only keep others waiting.
fn hear_branch(home: Home, mut asked: root::Args, heard: Sender<Heard>) {
    std::thread::spawn(move || {
        loop {
            wait_for_move(&home.socket_path(), &mut asked, LOOK);
            let is_ours = home.last_owner() == Some(std::process::id());
            if !is_ours && heard.send(Heard::Branch).is_err() {
                return;
            }
        }
    });
}

fn asked(desk: &Desk, branch: &str) -> root::Args {
    root::Args { here: desk.here(), uri: Some(format!("?{branch}")), unlike: None }
}

/// The branch that the worktree follows. A `serve` that stops before it answers is no reason not to begin.
fn branch(desk: &Desk) -> Result<String, Failure> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match desk.ask(&Request::Status(status::Args { here: desk.here() })) {
            Ok(Answer::Status(status)) => return Ok(status.branch),
            Ok(_) => return Err(Failure::unasked()),
            Err(failure) if failure.code == "E_BROKEN" && Instant::now() < patience => {}
            Err(failure) => return Err(failure),
        }
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
    if let Some(waypoint) = &put.posted {
        // Saved since the last post, and kept before the merge.
        let words = format!("posted {}", short(waypoint));
        tell(desk, "posted", json!({ "waypoint": waypoint, "root": put.root }), &words);
    }
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
