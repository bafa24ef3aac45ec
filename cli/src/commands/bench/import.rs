//! `bench import`: how long the import of a history takes, against a clone by git that is checked afterwards.
//!
//! Both read every object and write all of it down anew, and both know then that it is whole. The clone comes over a
//! transport, as from another machine, since between two folders git only links files.

use super::dice::Dice;
use super::figure::{Figure, Limit};
use super::git::{self, Git};
use super::releases;
use super::score::median;
use super::stage::Stage;
use super::steps::{Step, steps};
use crate::desk::Desk;
use crate::error::{DONE, Failure, NOT_FOUND};
use crate::output;
use cairn_node::measure::Files;
use std::fs;
use std::path::{Path, PathBuf};

/// How many times as long an import may take.
const TIMES_MAX: f64 = 3.0;

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

/// Measures, and prints the figure.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let stage = Stage::new()?;
    let name = git::name()?;
    let folders: Vec<PathBuf> = args.dirs.iter().map(|dir| desk.path(dir)).collect();
    let from = match folders.iter().find(|dir| is_repository(dir)) {
        Some(repository) => repository.clone(),
        None => made(&args, &folders, &stage)?,
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..args.runs.max(1) {
        theirs.push(git::clone_and_check(&from, &stage.path("theirs"))?);
        ours.push(imported(&from, &stage)?);
    }
    let runs = ours.len();
    let (Some(ours), Some(theirs)) = (median(ours), median(theirs)) else { return Ok(DONE) };
    if !desk.json {
        output::line(&format!("import: {ours:.0} ms; clone and fsck, {name}: {theirs:.0} ms"));
    }
    let figure = Figure {
        bench: "import",
        figure: "import over clone and fsck".to_owned(),
        unit: "x",
        cairn: ours / theirs,
        rival: Some((name, 1.0)),
        limit: Limit::AtMost(TIMES_MAX),
        runs,
    };
    figure.print(desk.json);
    Ok(DONE)
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

/// Imports into a home of its own; how long that took, in milliseconds.
fn imported(from: &Path, stage: &Stage) -> Result<f64, Failure> {
    for folder in ["home", "ours"] {
        let folder = stage.path(folder);
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
    }
    stage.cairn(&["init", "ours", "--project", "@bench/import"])?;
    stage.cairn(&["-C", "ours", "import", "git", &from.to_string_lossy()])
}
