//! A year of work that fades in front of the viewer: marks stay, the disk does not grow with the churn, and a
//! node that slept through it comes back.

use super::node::{Node, number, text};
use super::story::broken;
use super::table::Table;
use super::tree;
use crate::error::Failure;
use crate::output::{count, short, size};
use std::fs;
use std::path::Path;

/// Weeks of work; each ends with a mark.
const WEEKS: usize = 52;
/// Waypoints in a week.
const POSTS: usize = 4;
/// Files that are worked on.
const FILES: usize = 12;
/// Old weeks fade this often.
const FADE_WEEKS: usize = 13;

/// Two nodes, and the roots that the marks must restore.
pub(super) struct Year {
    ana: Node,
    ben: Node,
    roots: Vec<String>,
}

type Told = Result<String, Failure>;

impl Year {
    /// Sets the stage in `place`.
    pub(super) fn begin(place: &Path) -> Self {
        Self { ana: Node::new("ana", place), ben: Node::new("ben", place), roots: Vec::new() }
    }

    /// Plays it; stops at the first thing that is not as it must be.
    pub(super) fn play(&mut self, table: &mut Table) -> Result<(), Failure> {
        table.step("ana founds a repo", || self.found())?;
        table.step("ben joins, edits alone and falls asleep", || self.sleep())?;
        for quarter in 0..WEEKS / FADE_WEEKS {
            let first = quarter * FADE_WEEKS;
            let name = format!("ana works from week {} to {}", first + 1, first + FADE_WEEKS);
            table.step(&name, || self.work(first))?;
            table.step("old waypoints fade", || self.fade())?;
        }
        table.step("ben wakes up, and his edit is carried over", || self.wake())?;
        table.step("every mark restores the state that it names", || self.restore())?;
        table.step("every byte of both stores is verified", || self.verify())
    }

    fn found(&mut self) -> Told {
        for file in 0..FILES {
            write(&self.ana, file, 0)?;
        }
        let repo = self.ana.ask(&["init", ".", "--project", "@ana/year"])?;
        self.ana.ask(&["post", "-m", "the beginning"])?;
        Ok(format!("repo {}", short(&text(&repo, "repo"))))
    }

    fn sleep(&mut self) -> Told {
        self.ana.serve()?;
        let peer = self.ana.address.clone().unwrap_or_default();
        let invite = text(&self.ana.ask(&["invite", "--role", "write"])?, "invite");
        let tree = self.ben.tree.to_string_lossy().into_owned();
        self.ben.ask(&["join", &invite, "--peer", &peer, &tree])?;
        self.ana.stop()?;
        fs::write(self.ben.tree.join("ben.txt"), "written before he fell asleep\n")?;
        self.ben.ask(&["post", "-m", "ben's own"])?;
        Ok(String::new())
    }

    fn work(&mut self, first: usize) -> Told {
        for week in first..first + FADE_WEEKS {
            for post in 0..POSTS {
                let turn = week * POSTS + post;
                write(&self.ana, turn % FILES, turn + 1)?;
                self.ana.ask(&["post", "-m", &format!("turn {turn}")])?;
            }
            let name = format!("week-{:02}", week + 1);
            let mark = self.ana.ask(&["mark", &name, "-m", "a week of work"])?;
            self.roots.push(text(&mark, "root"));
        }
        Ok(format!(
            "{}, {}",
            count((FADE_WEEKS * POSTS) as u64, "waypoint"),
            count(FADE_WEEKS as u64, "mark")
        ))
    }

    fn fade(&mut self) -> Told {
        let told = self.ana.ask(&["fade", "--keep", "0s", "--alone"])?;
        let (before, after) = (number(&told, "bytes_before"), number(&told, "bytes_after"));
        if after >= before {
            return Err(broken(format!("nothing went: {before} -> {after} bytes")));
        }
        let gone = count(number(&told, "waypoints"), "waypoint");
        Ok(format!(
            "{gone}, {} -> {}; {} kept",
            size(before),
            size(after),
            count(number(&told, "marks"), "mark")
        ))
    }

    fn wake(&mut self) -> Told {
        self.ana.serve()?;
        let peer = self.ana.address.clone().unwrap_or_default();
        let put = self.ben.ask(&["put", "--peer", &peer])?;
        self.ana.ask(&["put"])?;
        let files = tree::compare(&self.ana.tree, &self.ben.tree)?;
        if !self.ana.tree.join("ben.txt").is_file() {
            return Err(broken("what ben wrote is lost".to_owned()));
        }
        self.ana.stop()?;
        Ok(format!("{} received, {} equal byte by byte", number(&put, "received"), count(files, "file")))
    }

    fn restore(&mut self) -> Told {
        for (week, root) in self.roots.iter().enumerate() {
            for node in [&self.ana, &self.ben] {
                let found = text(&node.ask(&["root", &format!("?week-{:02}", week + 1)])?, "root");
                if found != *root {
                    return Err(broken(format!("{}: week {} is {found}, not {root}", node.name, week + 1)));
                }
            }
        }
        Ok(count(self.roots.len() as u64, "mark"))
    }

    fn verify(&mut self) -> Told {
        let mut bytes = 0;
        for node in [&self.ana, &self.ben] {
            let report = node.ask(&["verify", "--deep"])?;
            if report.get("ok").and_then(serde_json::Value::as_bool) != Some(true) {
                return Err(broken(format!("{}: {report}", node.name)));
            }
            bytes += number(&report, "bytes");
        }
        Ok(size(bytes))
    }
}

/// One file of the project as it is at a turn: every turn writes other words into it.
fn write(node: &Node, file: usize, turn: usize) -> Result<(), Failure> {
    let word = |line: usize| format!("word {} of turn {turn}", (line * 7_919 + turn * 104_729) % 65_536);
    let lines: String = (0..200).map(|line| format!("line {line}: {}\n", word(line))).collect();
    fs::create_dir_all(&node.tree)?;
    Ok(fs::write(node.tree.join(format!("file-{file:02}.txt")), lines)?)
}
