//! `bench smallfiles`: many small files that share nothing: posted, against `git add` and `git commit`, and against `dvc add`
//! where that is on the path.

use super::figure::{Figure, Limit};
use super::git;
use super::home::Home;
use super::noise;
use super::process;
use super::repository::Repository;
use super::score::median;
use super::stage::Stage;
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// How many times as long as git `post` may take.
const GIT_TIMES_MAX: f64 = 1.0;
/// How many times as long as dvc.
const DVC_TIMES_MAX: f64 = 0.3;
/// How long an exchange may take in which there is nothing to do, in milliseconds.
const NOTHING_MS_MAX: f64 = 100.0;
/// Files of one folder.
const FOLDER_FILES: usize = 1000;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many files there are
    #[arg(long, default_value_t = 100_000)]
    files: usize,
    /// How large each is: 4k
    #[arg(long, default_value = "4k", value_parser = crate::args::bytes)]
    size: u64,
    /// How often each posts them, in turn
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let stage = Stage::new()?;
    let (home, git) = (Home::new(stage.dir(), "home"), git::name()?);
    let has_dvc = Command::new("dvc").arg("--version").output().is_ok();
    for folder in ["ours", "theirs"].into_iter().chain(has_dvc.then_some("dvc/data")) {
        files(&stage.path(folder), &args)?;
    }
    let (mut over_git, mut over_dvc) = (Vec::new(), Vec::new());
    for _ in 0..args.runs.max(1) {
        let theirs_ms = committed(&stage)?;
        let ours_ms = posted(&stage, &home)?;
        over_git.push(ours_ms / theirs_ms);
        if has_dvc {
            over_dvc.push(ours_ms / tracked(&stage)?);
        }
    }
    let print = |figure: &str, rival: &str, shares: Vec<f64>, limit: f64| {
        let runs = shares.len();
        if let Some(cairn) = median(shares) {
            let (rival, limit) = (Some((rival.to_owned(), 1.0)), Limit::AtMost(limit));
            let (bench, figure) = ("smallfiles", figure.to_owned());
            Figure { bench, figure, unit: "x", cairn, rival, limit, runs }.print(desk.json);
        }
    };
    print("post, over add and commit", &git, over_git, GIT_TIMES_MAX);
    print("post, over dvc add", "dvc", over_dvc, DVC_TIMES_MAX);
    let nothing = nothing_to_do(&stage, &home, args.runs.max(1))?;
    let (runs, cairn) = (nothing.len(), median(nothing).unwrap_or(f64::MAX));
    let (figure, limit) = ("sync with nothing to do".to_owned(), Limit::AtMost(NOTHING_MS_MAX));
    Figure { bench: "smallfiles", figure, unit: "ms", cairn, rival: None, limit, runs }.print(desk.json);
    Ok(DONE)
}

fn files(folder: &Path, args: &Args) -> Result<(), Failure> {
    for number in 0..args.files {
        let dir = folder.join(format!("{:04}", number / FOLDER_FILES));
        if number % FOLDER_FILES == 0 {
            fs::create_dir_all(&dir)?;
        }
        noise::write_quickly(&dir.join(format!("{number:06}.bin")), args.size, number as u64)?;
    }
    Ok(())
}

fn committed(stage: &Stage) -> Result<f64, Failure> {
    cleared(&[stage.path("theirs/.git")])?;
    let repository = Repository::begin(&stage.path("theirs"))?;
    rustix::fs::sync();
    let added = repository.run(&["add", "-A"])?;
    Ok(added.ms + repository.run(&["commit", "-q", "-m", "first"])?.ms)
}

fn posted(stage: &Stage, home: &Home) -> Result<f64, Failure> {
    cleared(&[home.path().to_owned(), stage.path("ours/.cairn")])?;
    home.run(&["init", "ours", "--project", "@bench/smallfiles"])?;
    rustix::fs::sync();
    Ok(home.run(&["-C", "ours", "post", "-m", "first"])?.ms)
}

fn tracked(stage: &Stage) -> Result<f64, Failure> {
    let dir = stage.path("dvc");
    cleared(&[dir.join(".dvc"), dir.join("data.dvc"), dir.join(".dvcignore")])?;
    let dvc = |words: &[&str]| process::run(Command::new("dvc").args(words).current_dir(&dir), false);
    dvc(&["init", "--no-scm", "-q"])?;
    rustix::fs::sync();
    Ok(dvc(&["add", "-q", "data"])?.ms)
}

fn cleared(paths: &[std::path::PathBuf]) -> Result<(), Failure> {
    for path in paths {
        match path.is_dir() {
            true => fs::remove_dir_all(path)?,
            false if path.exists() => fs::remove_file(path)?,
            false => {}
        }
    }
    Ok(())
}

/// Exchanges with a peer that holds the same; how long each time took, in milliseconds, as a whole process.
fn nothing_to_do(stage: &Stage, home: &Home, runs: usize) -> Result<Vec<f64>, Failure> {
    let _serving = home.serve()?;
    let invite = home.invite("ours", 1)?;
    let guest = Home::new(stage.dir(), "guest");
    guest.run(&["join", &invite, "joined"])?;
    let _guest_serving = guest.serve()?;
    // What a first look finds out is known for all that follow; people exchange more than once.
    (0..=runs).map(|_| Ok(guest.run(&["-C", "joined", "put", "--known"])?.ms)).skip(1).collect()
}
