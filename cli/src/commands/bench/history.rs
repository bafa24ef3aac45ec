//! `bench history`: how large a history is and how fast its marks are checked out, against git.
//!
//! Successive releases of one package are the marks, and between two of them lie many small waypoints. git gets the same
//! history, a commit for each waypoint and a tag for each mark, and packs it as tightly as it can.

use super::churn::{self, Work};
use super::contest::Contest;
use super::dice::Dice;
use super::figure::Limit;
use super::git::{self, Git};
use super::home::Home;
use super::late;
use super::releases;
use super::stage::{Stage, bug, bytes};
use super::steps::{Step, steps};
use crate::desk::Desk;
use crate::error::{DONE, Failure, NOT_FOUND};
use cairn_node::measure::{Edits, Files, Trail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How many times as long as git's a checkout may take.
const CHECKOUT_TIMES_MAX: f64 = 1.5;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders with releases of one package, as NAME-1.2.3 or NAME/1.2.3; of several packages, the one with most is taken
    #[arg(value_name = "DIR", required_unless_present_any = ["churn", "late"])]
    dirs: Vec<PathBuf>,
    /// About how many waypoints lie between two releases
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// How many marks are checked out, each into an empty folder and over a neighbouring one
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// What the dice begin with; the same seed makes the same waypoints
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measure a year of edits to 1,000 files instead, with a mark each week after which the rest fades
    #[arg(long, conflicts_with_all = ["dirs", "late"])]
    churn: bool,
    /// Measure instead how a peer joins that wrote by itself while the others wrote and marked
    #[arg(long, conflicts_with = "dirs")]
    late: bool,
    /// With --churn or --late, how many waypoints are written
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    waypoints: usize,
    /// With --churn, how many files are edited
    #[arg(long, value_name = "N", default_value_t = 1000)]
    files: usize,
    /// With --churn, how many weeks pass
    #[arg(long, value_name = "N", default_value_t = 52)]
    weeks: usize,
    /// With --late, how many edits the peer makes by itself
    #[arg(long, value_name = "N", default_value_t = 500)]
    edits: usize,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    if args.churn {
        let work = Work { files: args.files, weeks: args.weeks, waypoints: args.waypoints };
        churn::run(work, args.seed, desk.json)?;
        return Ok(DONE);
    }
    if args.late {
        late::run(args.waypoints, args.edits, args.seed, desk.json)?;
        return Ok(DONE);
    }
    let folders: Vec<PathBuf> = args.dirs.iter().map(|dir| desk.path(dir)).collect();
    let releases = releases::longest(&folders);
    if releases.len() < 2 {
        let message = "fewer than two releases of a package were found";
        let hint = "name a folder with several releases of one package; the README says how to get some";
        return Err(Failure::new(NOT_FOUND, "E_NOT_FOUND", message, hint));
    }
    let stage = Stage::new()?;
    fs::create_dir(stage.path("tree"))?;
    let mut run = Run { stage, releases, runs: args.runs.max(1), contest: Contest::begin("history", desk)? };
    run.all(&args)?;
    Ok(DONE)
}

/// One measurement of everything.
struct Run {
    stage: Stage,
    releases: Vec<(String, PathBuf)>,
    runs: usize,
    contest: Contest,
}

/// How long checkouts took, in milliseconds: cairn's, then git's.
type Times = Vec<(f64, f64)>;

impl Run {
    fn all(&mut self, args: &Args) -> Result<(), Failure> {
        let mut trail = Trail::begin(&self.stage.path("home"), &self.stage.path("tree"))?;
        let (repo, store) = (trail.repo(), trail.dir()?);
        let mut git = Git::begin(&self.stage.path("git"))?;
        let waypoints = self.write(args, &mut trail, &mut git)?;
        trail.close()?;
        let packed = git.finish()? as f64;
        self.contest.tell(&format!("{waypoints} waypoints, {} marks", self.releases.len()));
        self.weigh("store", &store, packed, 1.0)?;
        self.check_out(&repo, "")?;
        self.stage.cairn(&["-C", "tree", "fade", "--keep", "0s"])?;
        self.weigh("store after fading", &store, packed, 0.6)?;
        self.check_out(&repo, " after fading")
    }

    /// Writes the history twice; how many waypoints it has beside the marks.
    fn write(&self, args: &Args, trail: &mut Trail, git: &mut Git) -> Result<usize, Failure> {
        let (mut shown, mut dice, mut waypoints) = (Files::new(), Dice::new(args.seed), 0);
        for (number, (version, folder)) in self.releases.iter().enumerate() {
            let files = releases::files(folder)?;
            let first =
                |(path, bytes): (&Vec<u8>, &Vec<u8>)| Step { path: path.clone(), bytes: Some(bytes.clone()) };
            let saves: Vec<Vec<Step>> = match number {
                0 => vec![files.iter().map(first).collect()],
                _ => {
                    steps(&shown, &files, args.steps, &mut dice).into_iter().map(|step| vec![step]).collect()
                }
            };
            for save in &saves {
                trail.post(&edits(save))?;
                git.commit(save)?;
            }
            waypoints += saves.len();
            trail.mark(version)?;
            git.tag(version)?;
            shown = files;
        }
        Ok(waypoints)
    }

    /// Prints what the whole store comes to.
    fn weigh(&self, name: &str, store: &Path, packed: f64, limit: f64) -> Result<(), Failure> {
        let all = bytes(store)? as f64;
        for part in ["stones", "index.redb", "manifest"] {
            let part_mb = bytes(&store.join(part))? as f64 / 1e6;
            self.contest.tell(&format!("{name}: {part_mb:.2} MB {part}"));
        }
        self.contest.tell(&format!(
            "{name}: {:.2} MB, {}: {:.2} MB",
            all / 1e6,
            self.contest.git(),
            packed / 1e6
        ));
        self.contest.ratio(name, all / packed, Limit::AtMost(limit), 1);
        Ok(())
    }

    /// Checks marks out with both, by itself and through a running `serve`.
    fn check_out(&self, repo: &str, when: &str) -> Result<(), Failure> {
        let (empty, switch) = self.checkouts(repo)?;
        let _serve = Home::new(self.stage.dir(), "home").serve()?;
        let (empty_served, switch_served) = self.checkouts(repo)?;
        self.contest.compare_both(&format!("checkout{when}"), &empty, &empty_served, CHECKOUT_TIMES_MAX);
        self.contest.compare_both(&format!("switch{when}"), &switch, &switch_served, CHECKOUT_TIMES_MAX);
        Ok(())
    }

    /// Checks marks out, into an empty folder and over a neighbouring one, and compares every file.
    fn checkouts(&self, repo: &str) -> Result<(Times, Times), Failure> {
        let (mut empty, mut switch) = (Times::new(), Times::new());
        let pairs = self.releases.len() - 1;
        let step = pairs.div_ceil(self.runs).max(1);
        for at in (0..pairs).step_by(step) {
            let Some([first, second]) = self.releases.get(at..at + 2) else { break };
            let tree = self.fresh("ours")?;
            let link = format!("//{repo}?{}", first.0);
            let ours = self.stage.cairn(&["clone", &link, "ours"])?;
            same(&tree, &first.1)?;
            let ours_over = self.stage.cairn(&["-C", "ours", "get", &format!("?{}", second.0)])?;
            same(&tree, &second.1)?;
            let tree = self.fresh("theirs")?;
            let index = self.stage.path("theirs.index");
            let _ = fs::remove_file(&index);
            let checkout = |tag: &str| git::checkout(&self.stage.path("git"), &tree, &index, tag);
            empty.push((ours, timed(|| checkout(&first.0))?));
            switch.push((ours_over, timed(|| checkout(&second.0))?));
        }
        Ok((empty, switch))
    }

    fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        let tree = self.stage.path(name);
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        fs::create_dir(&tree)?;
        Ok(tree)
    }
}

fn edits(save: &[Step]) -> Edits {
    save.iter().map(|step| (step.path.clone(), step.bytes.clone())).collect()
}

fn timed(work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

/// Refuses a checkout that is not the release to the byte.
fn same(tree: &Path, release: &Path) -> Result<(), Failure> {
    let mut shown = releases::files(tree)?;
    shown.retain(|path, _| !path.starts_with(b".cairn/"));
    match shown == releases::files(release)? {
        true => Ok(()),
        false => Err(bug(&format!("the checkout differs from {}", release.display()))),
    }
}
