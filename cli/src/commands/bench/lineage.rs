//! `bench lineage`: many artifacts that runs made of one another, and what three hops of their lineage take, as whole processes.
//!
//! The runs are recorded as `cairn run` does it, a waypoint each, but nothing is run; the bytes of the artifacts are elsewhere. The
//! runs lie in layers, and each reads outputs of several runs of the layer before, as many as it writes.

use super::figure::{Figure, Limit};
use super::home::Home;
use super::score::median;
use super::stage::{Stage, bug};
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use crate::output;
use cairn_node::measure::{Woven, weave};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The worktree.
const TREE: &str = "tree";
/// How long a question may take.
const MS_MAX: f64 = 100.0;
/// How many artifacts a run reads, and how many it writes.
const ITEMS: usize = 10;
/// How many runs a layer has.
const LAYER: usize = 200;
/// How far a question goes.
const HOPS: &str = "3";

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many artifacts there are; each run makes ten of them
    #[arg(long, default_value_t = 100_000)]
    artifacts: usize,
    /// How often each question is asked
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Make the home in this folder and leave it there; one that stands there is asked as it is
    #[arg(long = "in", value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let stage = Stage::new()?;
    let dir = args.dir.as_ref().map_or(stage.dir().to_owned(), |dir| desk.path(dir));
    let home = Home::new(&dir, "home");
    // One layer is read by the next, and the one in the middle by another one.
    let layers = args.artifacts.div_ceil(ITEMS * LAYER).max(3);
    if !home.path().exists() {
        fs::create_dir_all(&dir)?;
        made(&home, &dir.join(TREE), layers, desk)?;
    }
    let asked = Asked { home: &home, middle: layers / 2 * LAYER, runs: args.runs.max(1), json: desk.json };
    asked.all("alone")?;
    let _serve = home.serve()?;
    asked.all("served")?;
    Ok(DONE)
}

/// Makes the home, and says how long that took.
fn made(home: &Home, tree: &Path, layers: usize, desk: &Desk) -> Result<(), Failure> {
    home.run(&["init", TREE, "--project", "@bench/lineage"])?;
    let begun = Instant::now();
    let woven = |run| Woven { inputs: inputs(run), outputs: outputs(run) };
    let runs: Vec<Woven> = (0..layers * LAYER).map(woven).collect();
    weave(home.path(), tree, &name, &runs)?;
    if !desk.json {
        let (artifacts, seconds) = (runs.len() * ITEMS, begun.elapsed().as_secs_f64());
        output::line(&format!("{artifacts} artifacts of {} runs, made in {seconds:.0} s", runs.len()));
    }
    Ok(())
}

fn name(artifact: usize) -> String {
    format!("out/{artifact:07}.bin")
}

fn outputs(run: usize) -> Vec<usize> {
    (0..ITEMS).map(|item| run * ITEMS + item).collect()
}

/// One output of each of ten runs of the layer before; each output is read by one run.
fn inputs(run: usize) -> Vec<usize> {
    let Some(layer) = (run / LAYER).checked_sub(1) else { return Vec::new() };
    let of =
        |item: usize| (layer * LAYER + (run * ITEMS + item) % LAYER) * ITEMS + run % LAYER * ITEMS / LAYER;
    (0..ITEMS).map(of).collect()
}

/// Questions.
struct Asked<'a> {
    home: &'a Home,
    /// The first run of the layer in the middle.
    middle: usize,
    runs: usize,
    json: bool,
}

impl Asked<'_> {
    fn all(&self, how: &str) -> Result<(), Failure> {
        for (way, format) in
            [("--up", "text"), ("--down", "text"), ("--up", "json"), ("--up", "dot"), ("--up", "svg")]
        {
            let times =
                (0..self.runs).map(|run| self.one(run, way, format)).collect::<Result<Vec<_>, _>>()?;
            let (runs, cairn) = (times.len(), median(times).unwrap_or(f64::MAX));
            let figure = format!("three hops {} as {format}, {how}", way.trim_start_matches('-'));
            let limit = Limit::AtMost(MS_MAX);
            Figure { bench: "lineage", figure, unit: "ms", cairn, rival: None, limit, runs }.print(self.json);
        }
        Ok(())
    }

    fn one(&self, run: usize, way: &str, format: &str) -> Result<f64, Failure> {
        let artifact = name((self.middle + run % LAYER) * ITEMS);
        let words = ["-C", TREE, "artifact", "lineage", &artifact, way, "--format", format, "--hops", HOPS];
        let ran = self.home.run(&words)?;
        match ran.text.contains(&artifact) {
            true => Ok(ran.ms),
            false => Err(bug(&format!("{artifact} is not in its own lineage: {}", ran.text))),
        }
    }
}
