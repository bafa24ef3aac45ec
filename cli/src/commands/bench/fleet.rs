//! `bench fleet`: many agents that commit to the same files at once, as whole processes, in cairn and in git.
//!
//! Each agent has a worktree and a key of its own, adds a line to its own function in one of four shared
//! files, lands it on the one branch and takes in what the others landed, over and over. With cairn one `put` does
//! both. With git an agent commits and pushes; where the push is rejected it rebases and tries again; then it pulls.

mod cairn;
mod code;
mod git;

use super::figure::{Figure, Limit};
use super::score::percentile;
use super::stage::{Stage, bug};
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use code::Code;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The most agents; each is a process most of the time.
const AGENTS_MAX: usize = 1024;

/// The arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many agents work at once
    #[arg(long, default_value_t = 32)]
    agents: usize,
    /// For how many seconds they work on each side
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Two agents share each function
    #[arg(long)]
    same: bool,
    /// Leave git out
    #[arg(long)]
    alone: bool,
    /// How many nodes the agents are dealt to; each has a home of its own
    #[arg(long, default_value_t = 1)]
    nodes: usize,
}

/// Where a fleet works.
trait Ground: Sync {
    /// The agent's worktree.
    fn tree(&self, agent: usize) -> PathBuf;
    /// Lands what the agent's worktree holds; `edit` writes it there, and again where that was undone.
    /// How often it was turned away.
    fn land(&self, agent: usize, edit: &dyn Fn() -> Result<(), Failure>) -> Result<u64, Failure>;
    /// Takes in what the others landed.
    fn refresh(&self, agent: usize) -> Result<(), Failure>;
    /// Folders each of which shows all that has landed.
    fn end(&self) -> Result<Vec<PathBuf>, Failure>;
}

/// What became of a fleet's work.
#[derive(Default)]
struct Tally {
    /// The lines that landed.
    landed: Vec<String>,
    /// How often one was turned away.
    rejected: u64,
    /// How long each took to land, in milliseconds.
    latencies_ms: Vec<f64>,
    /// When each had landed, in seconds since the fleet began.
    times_s: Vec<f64>,
}

/// What a fleet came to.
struct Outcome {
    landed_per_s: f64,
    rejected: u64,
    /// Lines that had landed and are not there at the end.
    lost: usize,
    /// How many landed in the last third of the time, over those of the first.
    late: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Measures, and prints the figures.
pub(super) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let agents = args.agents.clamp(1, AGENTS_MAX);
    let code = Code { agents, share: if args.same { 2 } else { 1 } };
    let time = Duration::from_secs(args.seconds.max(1));
    let stage = Stage::new()?;
    let nodes = args.nodes.clamp(1, agents);
    let ours = fleet(&cairn::Cairn::begin(&stage, &code, nodes)?, &code, time)?;
    let theirs = match args.alone {
        true => None,
        false => Some((super::git::name()?, fleet(&git::Git::begin(&stage, &code)?, &code, time)?)),
    };
    for figure in figures(agents, &ours, theirs.as_ref()) {
        figure.print(desk.json);
    }
    Ok(DONE)
}

fn figures(agents: usize, ours: &Outcome, theirs: Option<&(String, Outcome)>) -> [Figure; 6] {
    let figure = |name: &str, unit, value: fn(&Outcome) -> f64, limit| Figure {
        bench: "fleet",
        figure: format!("{agents} agents: {name}"),
        unit,
        cairn: value(ours),
        rival: theirs.map(|(rival, theirs)| (rival.clone(), value(theirs))),
        limit,
        runs: 1,
    };
    // With few agents git has nobody to wait for.
    let times = if agents < 32 { 2.0 } else { 50.0 };
    let least = Limit::AtLeast(times * theirs.map_or(0.0, |(_, theirs)| theirs.landed_per_s));
    let none = Limit::AtMost(0.0);
    [
        figure("landed", "/s", |fleet| fleet.landed_per_s, least),
        figure("last third / first", "", |fleet| fleet.late, Limit::AtLeast(0.5)),
        figure("rejected", "", |fleet| fleet.rejected as f64, none),
        figure("lost", "", |fleet| fleet.lost as f64, none),
        figure("landing, median", "ms", |fleet| fleet.p50_ms, Limit::AtMost(1000.0)),
        figure("landing, p99", "ms", |fleet| fleet.p99_ms, Limit::AtMost(1000.0)),
    ]
}

/// Lets all agents work for a time, and counts.
fn fleet(ground: &dyn Ground, code: &Code, time: Duration) -> Result<Outcome, Failure> {
    let begun = Instant::now();
    let agent = |number: usize| move || work(ground, code, number, begun, time);
    let tallies = std::thread::scope(|scope| {
        let agents: Vec<_> = (0..code.agents).map(|number| scope.spawn(agent(number))).collect();
        let ended =
            agents.into_iter().map(|agent| agent.join().unwrap_or_else(|_| Err(bug("an agent broke off"))));
        ended.collect::<Result<Vec<Tally>, Failure>>()
    })?;
    let took = begun.elapsed().as_secs_f64();
    let shown = ground.end()?.iter().map(|dir| code.read(dir)).collect::<Result<Vec<_>, Failure>>()?;
    let is_shown = |line: &String| shown.iter().all(|lines| lines.contains(line));
    let landed: Vec<&String> = tallies.iter().flat_map(|tally| &tally.landed).collect();
    let times_s = tallies.iter().flat_map(|tally| &tally.times_s);
    let (first, last): (Vec<f64>, Vec<f64>) = times_s
        .filter(|time| !(took / 3.0..took / 1.5).contains(*time))
        .partition(|time| **time < took / 2.0);
    let latencies_ms: Vec<f64> = tallies.iter().flat_map(|tally| &tally.latencies_ms).copied().collect();
    let at = |share| percentile(latencies_ms.clone(), share).ok_or_else(|| bug("nothing landed"));
    Ok(Outcome {
        landed_per_s: landed.len() as f64 / took,
        rejected: tallies.iter().map(|tally| tally.rejected).sum(),
        lost: landed.iter().filter(|line| !is_shown(line)).count(),
        late: last.len() as f64 / first.len().max(1) as f64,
        p50_ms: at(0.5)?,
        p99_ms: at(0.99)?,
    })
}

/// What one agent does until the time is over.
fn work(
    ground: &dyn Ground,
    code: &Code,
    agent: usize,
    begun: Instant,
    time: Duration,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let tree = ground.tree(agent);
    while begun.elapsed() < time {
        let line = format!("    step({agent}, {});\n", tally.landed.len());
        let edit = || code.add(&tree, agent, &line);
        edit()?;
        let edited = Instant::now();
        tally.rejected += ground.land(agent, &edit)?;
        tally.latencies_ms.push(edited.elapsed().as_secs_f64() * 1000.0);
        tally.times_s.push(begun.elapsed().as_secs_f64());
        tally.landed.push(line);
        ground.refresh(agent)?;
    }
    Ok(tally)
}

/// A name in the stage for what belongs to one agent.
fn own(dir: &Path, what: &str, agent: usize) -> PathBuf {
    dir.join(format!("{what}-{agent}"))
}
