//! `reproduce`: the exact state of a run in a folder of its own, and what comes of running it again.

mod rate;

use super::run::{changed, environment, plain, seconds};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, short, size};
use cairn_node::runs::begun::Place;
use cairn_node::runs::compare::Pair;
use cairn_node::runs::environment::{Difference, Environment};
use cairn_node::runs::execute::Task;
use cairn_node::runs::record::{Item, Record};
use cairn_node::verbs::reproduce as verb;
use cairn_node::verbs::{Answer, Request};
use std::path::{Path, PathBuf};

const AFTER: &str = "\
Fetches what the link or run names into DIR: the code as it was, inputs and lock files, each
compared with its hash. Then it says how this machine differs from the one of the run, and
prints the command. Nothing is run without --verify; what you run is somebody's program.

With --verify the command runs in DIR, with the recorded variables, and what comes of it is
compared: how it ended, the declared outputs by hash (all outputs, where none was declared)
and every metric. 0: all is the same; 1: something differs, and is named. Tools are those
of this machine: set up an environment in DIR first if the command needs one, and call again.

With --rate, runs that `run tag` has said a word of are run again, N of them (10 when left out), each in a
folder of its own that is removed afterwards; what they print goes to stderr. For each it says whether
it was equal, different or could not run, and at the end how many were equal. Which ones are taken
depends on the seed, which is told, and on their hashes. The commands are those of whoever recorded
them. 0: all were equal.

Examples:
  cairn reproduce 'cairn://REPO/@me/model?main&peer=…#run(3fa9…)' model
  cairn reproduce --rate 20 --seed 7 --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A link from `cairn share`, or a run of this project
    #[arg(value_name = "LINK|RUN", required_unless_present = "rate")]
    target: Option<String>,
    /// A new folder, or one that was made by this before; `reproduced` or `run-RUN` when left out
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Run the command, and compare what comes of it
    #[arg(long)]
    verify: bool,
    /// Run N of the tagged runs again, and say how many come out as they did
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "10",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with_all = ["target", "dir", "verify", "peers"]
    )]
    rate: Option<u32>,
    /// Which ones: the same word takes the same runs
    #[arg(long, value_name = "WORD", requires = "rate")]
    seed: Option<String>,
    /// Ask this peer before those that the link names
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
}

/// Sets up; runs and compares where that is asked.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { target, dir, verify, peers, rate, seed } = args;
    if let Some(runs) = rate {
        return rate::rate(desk, runs as usize, seed);
    }
    let target = target.unwrap_or_default();
    let dir = desk.path(&dir.unwrap_or_else(|| default_dir(&target)));
    let set = verb::Set { target, dir, peers, pid: verify.then(std::process::id) };
    let answer = desk.ask(&request(desk, desk.dir(), verb::Action::Set(set)))?;
    let Answer::Reproduce(verb::Answer::Ready(ready)) = &answer else { return Err(Failure::unasked()) };
    match (&ready.record, &ready.token) {
        (Some(record), Some(token)) => again(ready, record, token, desk),
        (Some(record), None) => {
            let differences = differences(ready, record, false)?;
            let told = serde_json::json!({ "ready": ready, "environment": differences });
            desk.print(&told, || set_up(ready, record, &differences))
        }
        (None, _) => desk.tell(&answer, || format!("{} at root {}\n", arrived(ready), short(&ready.root))),
    }
}

fn default_dir(target: &str) -> PathBuf {
    let run = target.split_once("#run(").map_or(target, |(_, run)| run);
    let word: String = run.chars().take(8).filter(char::is_ascii_alphanumeric).collect();
    let is_link = target.starts_with("cairn:") && run == target;
    if is_link || word.is_empty() {
        PathBuf::from("reproduced")
    } else {
        PathBuf::from(format!("run-{word}"))
    }
}

fn request(desk: &Desk, dir: &Path, action: verb::Action) -> Request {
    Request::Reproduce(verb::Args { here: desk.here_in(dir), action })
}

/// The folder in which the command runs.
fn folder(ready: &verb::Ready, record: &Record) -> PathBuf {
    let dir = PathBuf::from(&ready.dir);
    if record.cwd.is_empty() { dir } else { dir.join(&record.cwd) }
}

/// How this machine differs from the one of the run. Variables that are set for the command do not.
fn differences(ready: &verb::Ready, record: &Record, set: bool) -> Result<Vec<Difference>, Failure> {
    let names: Vec<String> = record.environment.variables.keys().cloned().collect();
    let dir = folder(ready, record);
    let mut now = Environment::capture(Path::new(&ready.dir), &dir, &record.command, &names)?;
    if set {
        now.variables.extend(record.environment.variables.clone());
    }
    Ok(record.environment.differences(&now))
}

fn arrived(ready: &verb::Ready) -> String {
    let inputs =
        if ready.inputs > 0 { format!(" and {}", count(ready.inputs, "input")) } else { String::new() };
    format!("{}: wrote {}{inputs}", ready.dir, count(ready.files, "file"))
}

fn set_up(ready: &verb::Ready, record: &Record, differences: &[Difference]) -> String {
    let run = ready.run.as_deref().unwrap_or_default();
    let variables = record.environment.variables.iter();
    let variables: String = variables.map(|(name, value)| format!("{name}={} ", word(value))).collect();
    let dir = folder(ready, record);
    format!(
        "run {run} is in {}\n{}to run it and compare: cairn -C {} reproduce {run} . --verify\n  cd {} && {}{}\n",
        arrived(ready),
        environment(differences),
        word(&ready.dir),
        word(&dir.display().to_string()),
        plain(&variables),
        plain(&shell(&record.command)),
    )
}

/// A command as one would type it.
pub(super) fn shell(command: &[String]) -> String {
    command.iter().map(|part| word(part)).collect::<Vec<_>>().join(" ")
}

fn word(text: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || "_-./=:,@+%".contains(char);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// What came of running it again.
struct Again {
    verdict: verb::Verdict,
    differences: Vec<Difference>,
}

/// Runs the command and compares.
fn run_again(ready: &verb::Ready, record: &Record, place: &Place, desk: &Desk) -> Result<Again, Failure> {
    let differences = differences(ready, record, true)?;
    let dir = folder(ready, record);
    let task = Task { command: &record.command, dir: &dir, variables: &ready.variables, aside: true };
    place.carry_out(task)?;
    let compare = verb::Action::Compare { token: place.token().to_owned() };
    match desk.ask(&request(desk, Path::new(&ready.dir), compare))? {
        Answer::Reproduce(verb::Answer::Verdict(verdict)) => Ok(Again { verdict: *verdict, differences }),
        _ => Err(Failure::unasked()),
    }
}

/// Runs the command, compares, and tells.
fn again(ready: &verb::Ready, record: &Record, token: &str, desk: &Desk) -> Result<u8, Failure> {
    eprintln!("{}\nrunning: {}", arrived(ready), plain(&shell(&record.command)));
    let place = Place::of(Path::new(&ready.dir), token)?;
    let Again { verdict, differences } = run_again(ready, record, &place, desk)?;
    let told = serde_json::json!({
        "dir": ready.dir, "run": ready.run, "verdict": verdict, "environment": differences,
    });
    desk.print(&told, || words(&verdict, &differences))?;
    Ok(if verdict.same { crate::error::DONE } else { crate::error::LOOK })
}

fn words(verdict: &verb::Verdict, differences: &[Difference]) -> String {
    let told = if verdict.same { "reproduced" } else { "differs" };
    let equal = verdict.outputs.iter().filter(|pair| pair.same).count();
    let mut text = format!(
        "run {}: {told}: {equal} of {} and {} the same; {} then, {} now\n",
        verdict.run,
        count(verdict.outputs.len() as u64, "output"),
        count(verdict.metrics_same, "metric"),
        seconds(verdict.wall_then_ms),
        seconds(verdict.wall_now_ms),
    );
    let (then, now) = (verdict.exit_then, verdict.exit_now);
    if (then.code, then.signal) != (now.code, now.signal) {
        text += &format!("exit: {} then, {} now\n", then.shell_code(), now.shell_code());
    }
    let counted = verdict.outputs.iter().filter(|pair| !pair.same);
    counted.for_each(|pair| text += &format!("output {}\n", told_pair(pair)));
    for pair in &verdict.others {
        text += &format!("not declared, and does not count: {}\n", told_pair(pair));
    }
    text + &changed("metrics", &verdict.metrics) + &environment(differences)
}

fn told_pair(pair: &Pair) -> String {
    let told = |item: &Item| format!("{} ({})", short(&item.content), size(item.bytes));
    let path = plain(&pair.path);
    match (&pair.then, &pair.now) {
        (Some(then), Some(now)) => format!("{path}: {} then, {} now", told(then), told(now)),
        (Some(then), None) => format!("{path}: {} then, not written now", told(then)),
        (None, Some(now)) => format!("{path}: not there then, {} now", told(now)),
        (None, None) => path,
    }
}
