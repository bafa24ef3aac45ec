//! `reproduce --rate`: how many of the tagged runs come out as they did, by a sample that is run again.

use super::{Again, arrived, request, run_again};
use crate::desk::Desk;
use crate::error::{DONE, Failure, LOOK, NOT_FOUND};
use crate::output::{count, text};
use cairn_node::runs::begun::Place;
use cairn_node::runs::record::hash;
use cairn_node::verbs::reproduce as verb;
use cairn_node::verbs::{Answer, Request, run};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What came of running one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Equal,
    Different,
    NotRun,
}

/// One run of the sample.
#[derive(Debug, Serialize)]
struct Tried {
    run: String,
    name: Option<String>,
    outcome: Outcome,
    /// What differs, or why it could not be run.
    why: Vec<String>,
}

/// What came of all.
#[derive(Debug, Default, Serialize)]
struct Rate {
    seed: String,
    /// How many runs could have been in the sample.
    of: u64,
    equal: u64,
    different: u64,
    not_run: u64,
    /// The share of equal ones: 0 to 1.
    rate: f64,
    runs: Vec<Tried>,
}

/// Runs a sample of so many again, one after the other, and tells what came of it.
pub(super) fn rate(desk: &Desk, runs: usize, seed: Option<String>) -> Result<u8, Failure> {
    let seed = seed.map_or_else(new_seed, Ok)?;
    let mut rows = tagged(desk)?;
    if rows.is_empty() {
        let message = "no shared run is tagged, so there is none to run again".to_owned();
        return Err(Failure::new(NOT_FOUND, "E_NOT_FOUND", message, "tag some: cairn run tag RUN WORD"));
    }
    let mut rate = Rate { seed, of: rows.len() as u64, ..Rate::default() };
    // The order is a matter of seed and hashes alone, so the same seed means the same runs wherever these are known.
    rows.sort_by_cached_key(|row| hash(format!("{} {}", rate.seed, row.run).as_bytes()));
    rows.truncate(runs);
    eprintln!("{} of {} tagged, seed {}", count(rows.len() as u64, "run"), rate.of, rate.seed);
    for (number, row) in rows.into_iter().enumerate() {
        let (outcome, why, interrupted) = try_again(desk, number, &row)?;
        let tried = Tried { run: row.run, name: row.name, outcome, why };
        if !desk.json {
            text(&told(&tried));
        }
        rate.add(tried);
        if interrupted {
            break;
        }
    }
    desk.print(&rate, || rate.words())?;
    Ok(if rate.equal == rate.runs.len() as u64 { DONE } else { LOOK })
}

impl Rate {
    fn add(&mut self, tried: Tried) {
        let of_outcome = match tried.outcome {
            Outcome::Equal => &mut self.equal,
            Outcome::Different => &mut self.different,
            Outcome::NotRun => &mut self.not_run,
        };
        *of_outcome += 1;
        self.runs.push(tried);
        self.rate = self.equal as f64 / self.runs.len() as f64;
    }

    fn words(&self) -> String {
        let Self { seed, equal, different, not_run, rate, runs, .. } = self;
        let share = rate * 100.0;
        format!(
            "{equal} of {} equal ({share:.1} %), {different} different, {not_run} could not run; seed {seed}\n",
            runs.len()
        )
    }
}

/// The runs that somebody said a word of, and that are shared.
fn tagged(desk: &Desk) -> Result<Vec<run::Row>, Failure> {
    let args = run::Args { here: desk.here(), action: run::Action::Log { filter: None } };
    match desk.ask(&Request::Run(args))? {
        Answer::Run(run::Answer::Listed(listed)) => {
            Ok(listed.runs.into_iter().filter(|row| !row.tags.is_empty() && !row.local).collect())
        }
        _ => Err(Failure::unasked()),
    }
}

/// Any seed: the time.
fn new_seed() -> Result<String, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Failure::unasked())?;
    Ok(since.as_millis().to_string())
}

/// Runs one again in a worktree of its own, which is gone afterwards; also whether somebody asked for the end.
fn try_again(desk: &Desk, number: usize, row: &run::Row) -> Result<(Outcome, Vec<String>, bool), Failure> {
    let room = Room::new(number)?;
    let tried = try_in(desk, &room.0, row);
    room.remove()?;
    Ok(match tried {
        Ok(again) if again.verdict.same => (Outcome::Equal, Vec::new(), false),
        Ok(again) if again.verdict.exit_now.interrupted => {
            (Outcome::NotRun, vec!["it was interrupted".to_owned()], true)
        }
        Ok(again) => (Outcome::Different, differing(&again.verdict), false),
        Err(failure) => (Outcome::NotRun, vec![failure.message], false),
    })
}

fn try_in(desk: &Desk, dir: &Path, row: &run::Row) -> Result<Again, Failure> {
    let set = verb::Set {
        target: row.run.clone(),
        dir: dir.to_owned(),
        pid: Some(std::process::id()),
        ..verb::Set::default()
    };
    let answer = desk.ask(&request(desk, desk.dir(), verb::Action::Set(set)))?;
    let Answer::Reproduce(verb::Answer::Ready(ready)) = &answer else { return Err(Failure::unasked()) };
    let (Some(record), Some(token)) = (&ready.record, &ready.token) else { return Err(Failure::unasked()) };
    eprintln!("run {}: {}", row.run, arrived(ready));
    run_again(ready, record, &Place::of(dir, token)?, desk)
}

/// What is not as it was.
fn differing(verdict: &verb::Verdict) -> Vec<String> {
    let (then, now) = (verdict.exit_then.shell_code(), verdict.exit_now.shell_code());
    let exit = (then != now).then(|| format!("exit: {then} then, {now} now"));
    let outputs =
        verdict.outputs.iter().filter(|pair| !pair.same).map(|pair| format!("output {}", pair.path));
    let metrics = verdict.metrics.iter().map(|changed| format!("metric {}", changed.name));
    exit.into_iter().chain(outputs).chain(metrics).collect()
}

fn told(tried: &Tried) -> String {
    let outcome = match tried.outcome {
        Outcome::Equal => "equal",
        Outcome::Different => "different",
        Outcome::NotRun => "could not run",
    };
    let name = tried.name.as_ref().map_or(String::new(), |name| format!(" {name}"));
    let why = if tried.why.is_empty() { String::new() } else { format!(": {}", tried.why.join(", ")) };
    super::plain(&format!("{}{name}: {outcome}{why}", tried.run)) + "\n"
}

/// A folder beside all worktrees that is removed, whatever happens.
struct Room(PathBuf);

impl Room {
    fn new(number: usize) -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("cairn-again-{}-{number}", std::process::id()));
        // One that is there already is somebody else's.
        std::fs::create_dir(&dir)?;
        Ok(Self(dir.canonicalize()?))
    }

    fn remove(&self) -> Result<(), Failure> {
        Ok(std::fs::remove_dir_all(&self.0)?)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // It is gone already where all went well.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
