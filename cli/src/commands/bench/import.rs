//! `bench import`: how long the import of a history takes, against a clone by git that is checked afterwards.
//!
//! Both read every object and write all of it down anew, and both know then that it is whole. The clone comes over a
//! transport, as from another machine, since between two folders git only links files. What was imported is exported again
//! at the end, and has to have the same commits with the same trees.

use super::dice::Dice;
use super::figure::{Figure, Limit};
use super::git::{self, Git};
use super::home::Home;
use super::process::weighed;
use super::releases;
use super::score::median;
use super::stage::{Stage, bug};
use super::steps::{Step, steps};
use crate::desk::Desk;
use crate::error::{DONE, Failure, NOT_FOUND};
use crate::output;
use cairn_node::measure::Files;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many times as long an import may take.
const TIMES_MAX: f64 = 3.0;

/// How many commits a history has at least for which that is promised.
const COMMITS_MIN: usize = 2000;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A git repository; or folders with releases of one package, as NAME-1.2.3 or NAME/1.2.3, of which a history is made
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// About how many commits the history that is made has
    #[arg(long, value_name = "N", default_value_t = 2000)]
    commits: usize,
    /// How often each is done, in turn
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// What the dice begin with; the same seed makes the same commits
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How long an import took, and the most memory that it held.
struct Imported {
    ms: f64,
    peak_mb: f64,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let stage = Stage::new()?;
    let name = git::name()?;
    let folders: Vec<PathBuf> = args.dirs.iter().map(|dir| desk.path(dir)).collect();
    let from = match folders.iter().find(|dir| is_repository(dir)) {
        Some(repository) => repository.clone(),
        None => made(&args, &folders, &stage)?,
    };
    let commits = git::trees(&from)?;
    if commits.len() < COMMITS_MIN {
        let count = commits.len();
        output::note(&format!("the history has {count} commits; the limit is for {COMMITS_MIN} or more"));
    }
    let (mut ours, mut theirs, mut peak_mb) = (Vec::new(), Vec::new(), 0.0f64);
    for _ in 0..args.runs.max(1) {
        theirs.push(git::clone_and_check(&from, &stage.path("theirs"))?);
        let imported = imported(&from, &stage)?;
        ours.push(imported.ms);
        peak_mb = peak_mb.max(imported.peak_mb);
    }
    check(&commits, &stage)?;
    let runs = ours.len();
    let (Some(ours), Some(theirs)) = (median(ours), median(theirs)) else { return Ok(DONE) };
    if !desk.json {
        let count = commits.len();
        output::line(&format!(
            "{count} commits: import {ours:.0} ms; clone and fsck, {name}: {theirs:.0} ms"
        ));
    }
    let limit = if commits.len() < COMMITS_MIN { Limit::Nothing } else { Limit::AtMost(TIMES_MAX) };
    let (ratio, rival) = (ours / theirs, Some((name, 1.0)));
    figure("import over clone and fsck", "x", (ratio, rival), limit, runs).print(desk.json);
    figure("memory of an import", "MB", (peak_mb, None), Limit::Nothing, runs).print(desk.json);
    Ok(DONE)
}

fn figure(
    name: &str,
    unit: &'static str,
    (cairn, rival): (f64, Option<(String, f64)>),
    limit: Limit,
    runs: usize,
) -> Figure {
    Figure { bench: "import", figure: name.to_owned(), unit, cairn, rival, limit, runs }
}

/// Exports what was imported last: every commit must be there, with the tree that it had.
fn check(commits: &BTreeSet<String>, stage: &Stage) -> Result<(), Failure> {
    let to = stage.path("exported.git");
    stage.cairn(&["-C", "ours", "export", "git", &to.to_string_lossy()])?;
    let exported = git::trees(&to)?;
    match commits.difference(&exported).next() {
        None if exported.len() == commits.len() => Ok(()),
        None => Err(bug("an export has commits that the history has not")),
        Some(lost) => Err(bug(&format!("an export has not the commit with this tree: {lost}"))),
    }
}

fn is_repository(dir: &Path) -> bool {
    dir.join(".git").exists() || (dir.join("HEAD").is_file() && dir.join("objects").is_dir())
}

/// A history of releases with steps between them.
fn made(args: &Args, folders: &[PathBuf], stage: &Stage) -> Result<PathBuf, Failure> {
    let releases = releases::longest(folders);
    if releases.len() < 2 {
        let message = "no git repository, and fewer than two releases of a package, were found";
        let hint = "name a repository, or a folder with several releases of one package";
        return Err(Failure::new(NOT_FOUND, "E_NOT_FOUND", message, hint));
    }
    let dir = stage.path("history.git");
    let (mut git, mut dice, mut shown) = (Git::begin(&dir)?, Dice::new(args.seed), Files::new());
    let between = (args.commits / (releases.len() - 1)).max(1);
    for (number, (version, folder)) in releases.iter().enumerate() {
        let files = releases::files(folder)?;
        let first =
            |(path, bytes): (&Vec<u8>, &Vec<u8>)| Step { path: path.clone(), bytes: Some(bytes.clone()) };
        match number {
            0 => git.commit(&files.iter().map(first).collect::<Vec<_>>())?,
            _ => steps(&shown, &files, between, &mut dice)
                .into_iter()
                .try_for_each(|step| git.commit(&[step]))?,
        }
        git.tag(version)?;
        shown = files;
    }
    git.finish()?;
    Ok(dir)
}

/// Imports into a home of its own.
fn imported(from: &Path, stage: &Stage) -> Result<Imported, Failure> {
    for folder in ["home", "ours"] {
        let folder = stage.path(folder);
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
    }
    stage.cairn(&["init", "ours", "--project", "@bench/import"])?;
    let home = Home::new(stage.dir(), "home");
    let mut command = home.command(&["-C", "ours", "import", "git", &from.to_string_lossy()])?;
    let (ran, peak_mb) = weighed(&mut command)?;
    Ok(Imported { ms: ran.ms, peak_mb })
}
