//! `run`: runs a command and records all of it; lists, shows and compares what was run.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{Look, count, note, short, size};
use cairn_node::runs::begun::Place;
use cairn_node::runs::environment::Environment;
use cairn_node::runs::execute::Task;
use cairn_node::runs::record::{Item, Record, Scalar};
use cairn_node::runs::{Number, chart};
use cairn_node::verbs::run as verb;
use cairn_node::verbs::{Answer, Request};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

mod diff;

pub(super) use diff::{changed, environment, words as compared};

const AFTER: &str = "\
First the code is pinned: what is not posted is posted (kept as a local waypoint where you
may not write, or with --local), but for what rules ignore and for what --output and
--metrics name. Then CMD runs here, with your terminal and your environment. Recorded are
command, code, time, exit, machine, tools, lock files, some variables, inputs and outputs by
their hashes, and what CMD printed. Arguments are recorded as they are: put no secret there.

Inputs that the code does not hold, and outputs that --output names or that are large, are
kept as artifacts. --artifact data/model.bin=model@v3 fetches that version of an artifact into a
file, which is no part of the code, and records it by its hash. Other files that CMD wrote are recorded by their hashes. Patterns are
those of .gitignore, read from this folder; ignored files count.

Metrics are the numbers in the JSON file of --metrics (nested keys joined by dots), and the
lines that CMD prints in exactly this form, to stdout or stderr:
  cairn: acc=0.93 loss=0.11 step=12
A metric that comes several times is a series over `step`, which else counts from 0. CMD finds
the parameters in CAIRN_PARAMS, as a JSON object.

The record is a file on the branch `runs`, signed and shared as all else. Signals go on to
CMD, and what was ended by one is recorded as interrupted. Exit codes: that of CMD once it has run
(128 and the signal, where one ended it); those of cairn where it has not, or is not recorded.

Examples:
  cairn run --input 'data/*.csv' --output model.bin --param lr=1e-3 -- python train.py --lr 1e-3
  cairn run log --where 'metrics.acc > 0.9 and params.lr < 1e-2'";

/// How many parameters or metrics of a run are shown in a list.
const VALUES_SHOWN: usize = 6;
/// How many files, packages and the like of a run are shown.
const LINES_SHOWN: usize = 20;

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = AFTER, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    begin: Begin,
}

/// What is run, and what is known of it.
#[derive(clap::Args)]
struct Begin {
    /// Files that CMD reads; an error where there is none
    #[arg(long = "input", value_name = "PATTERN")]
    inputs: Vec<String>,
    /// An artifact that CMD reads: its bytes are put there before, unless they are there already
    #[arg(long = "artifact", value_name = "PATH=ARTIFACT")]
    artifacts: Vec<String>,
    /// Files that CMD writes, and that are to be kept
    #[arg(long = "output", value_name = "PATTERN")]
    outputs: Vec<String>,
    /// A parameter: a number, true, false or a text
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// The JSON file that CMD writes metrics to
    #[arg(long, value_name = "FILE")]
    metrics: Option<String>,
    /// What to call the run
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Record this variable too; names that look like secrets are refused
    #[arg(long = "env", value_name = "NAME")]
    env: Vec<String>,
    /// Keep code and record in this home alone
    #[arg(long)]
    local: bool,
    /// The program and its arguments
    #[arg(value_name = "CMD", last = true, required = true)]
    command: Vec<String>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List runs, the newest first
    #[command(after_help = LOG_AFTER)]
    Log {
        /// Only those that an expression means
        #[arg(long = "where", value_name = "EXPR")]
        filter: Option<String>,
    },
    /// Show one run: all that is recorded of it
    #[command(
        after_help = "Examples:\n  cairn run show 3fa9\n  cairn run show last --plot loss --svg loss.svg"
    )]
    Show {
        /// The first digits of its hash, its name, or `last`
        run: String,
        /// Draw the values of this metric instead
        #[arg(long, value_name = "METRIC")]
        plot: Option<String>,
        /// Write the picture to a file, as SVG
        #[arg(long, value_name = "FILE", requires = "plot")]
        svg: Option<PathBuf>,
    },
    /// Say a word of a run, for everybody: the record stays as it is
    #[command(
        after_help = "Examples:\n  cairn run tag 3fa9 baseline\n  cairn run tag last baseline --remove"
    )]
    Tag {
        /// The first digits of its hash, its name, or `last`
        run: String,
        /// The word
        tag: String,
        /// Take it back
        #[arg(long)]
        remove: bool,
    },
    /// Compare two runs: parameters, metrics, code, files; 1 where something differs
    #[command(after_help = "Examples:\n  cairn run diff 3fa9 c41d\n  cairn run diff baseline last --json")]
    Diff {
        /// The one
        #[arg(value_name = "RUN")]
        then: String,
        /// The other
        #[arg(value_name = "RUN")]
        now: String,
    },
}

const LOG_AFTER: &str = "\
EXPR compares columns with numbers, 'texts', true and false by = != < <= > >= and ~ (holds),
joined by and, or, not and brackets. Columns: branch command cpu_seconds exit local name run
seconds started state metrics.NAME params.NAME tag.NAME. What a run does not have compares as no.

Examples:
  cairn run log --where 'metrics.acc > 0.9 and not state = \"failed\"'
  cairn run log --where 'started > \"2026-11-20\" and command ~ \"train.py\"' --json";

/// Runs, lists, shows or compares.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    match args.action {
        None => begin(args.begin, desk),
        Some(Action::Log { filter }) => told(verb::Action::Log { filter }, desk),
        Some(Action::Show { run, plot: Some(metric), svg }) => plot(run, &metric, svg.as_deref(), desk),
        Some(Action::Show { run, .. }) => told(verb::Action::Show { run }, desk),
        Some(Action::Tag { run, tag, remove }) => told(verb::Action::Tag { run, tag, remove }, desk),
        Some(Action::Diff { then, now }) => told(verb::Action::Diff { then, now }, desk),
    }
}

fn told(action: verb::Action, desk: &Desk) -> Result<u8, Failure> {
    ask!(desk, Run, verb::Args { here: desk.here(), action }, words)
}

fn words(answer: &verb::Answer) -> String {
    match answer {
        verb::Answer::Listed(listed) => list(listed),
        verb::Answer::Shown(shown) => show(shown),
        verb::Answer::Tagged(tagged) => format!("run {}: {}\n", tagged.run, plain(&tagged.tags.join(" "))),
        verb::Answer::Compared(compared) => diff::words(compared),
        verb::Answer::Recorded(recorded) => told_recorded(recorded),
        verb::Answer::Begun(_) => String::new(),
    }
}

/// Pins, runs and records.
fn begin(args: Begin, desk: &Desk) -> Result<u8, Failure> {
    let environment = Environment::capture(&desk.worktree()?, desk.dir(), &args.command, &args.env)?;
    let Begin { inputs, artifacts, outputs, params, metrics, name, local, command, .. } = args;
    let pid = std::process::id();
    let words = command.clone();
    let begin =
        verb::Begin { command, inputs, artifacts, outputs, params, metrics, name, environment, local, pid };
    let begun = match ask_run(desk, verb::Action::Begin(Box::new(begin)))? {
        verb::Answer::Begun(begun) => begun,
        _ => return Err(Failure::unasked()),
    };
    let place = Place::of(Path::new(&begun.root), &begun.token)?;
    let task = Task { command: &words, dir: desk.dir(), variables: &begun.variables, aside: desk.json };
    place.carry_out(task)?;
    let answer = desk.ask(&request(desk, verb::Action::End { token: begun.token }))?;
    let Answer::Run(verb::Answer::Recorded(recorded)) = &answer else { return Err(Failure::unasked()) };
    match desk.json {
        true => drop(desk.tell(&answer, String::new)?),
        // What the command printed is alone on stdout.
        false => eprint!("{}", told_recorded(recorded)),
    }
    Ok(u8::try_from(recorded.exit.shell_code() & 0xff).unwrap_or(1))
}

fn request(desk: &Desk, action: verb::Action) -> Request {
    Request::Run(verb::Args { here: desk.here(), action })
}

fn ask_run(desk: &Desk, action: verb::Action) -> Result<verb::Answer, Failure> {
    match desk.ask(&request(desk, action))? {
        Answer::Run(answer) => Ok(answer),
        _ => Err(Failure::unasked()),
    }
}

fn told_recorded(recorded: &verb::Recorded) -> String {
    let (time, outputs) = (seconds(recorded.wall_ms), count(recorded.outputs, "output"));
    let kept = match recorded.stored_bytes {
        0 => String::new(),
        bytes => format!(" ({} kept)", size(bytes)),
    };
    let place = if recorded.local { ", in this worktree alone" } else { "" };
    let mut text = format!("run {}: {} after {time}, {outputs}{kept}{place}\n", recorded.run, recorded.state);
    if !recorded.metrics.is_empty() {
        text += &format!("  {}\n", values(&recorded.metrics));
    }
    recorded.notes.iter().for_each(|told| text += &format!("  note: {}\n", plain(told)));
    text
}

fn list(listed: &verb::Listed) -> String {
    let look = Look::of_stdout(false);
    let mut rows: Vec<[String; 7]> = listed.runs.iter().map(|row| cells(row, look)).collect();
    if !rows.is_empty() {
        rows.insert(0, ["RUN", "WHEN", "NAME", "EXIT", "TIME", "PARAMS", "METRICS"].map(str::to_owned));
    }
    let mut text = table(&rows);
    for begun in &listed.begun {
        let (when, command) = (look.moment(begun.begun_ms), plain(&begun.command.join(" ")));
        let state = begun.pid.map_or("never ended".to_owned(), |pid| format!("runs as process {pid}"));
        text += &format!("begun {when}, {state}: {command}\n");
    }
    for stray in &listed.strays {
        text += &format!("no record: {}: {}\n", plain(&stray.path), plain(&stray.why));
    }
    if text.is_empty() { "no runs\n".to_owned() } else { text }
}

fn cells(row: &verb::Row, look: Look) -> [String; 7] {
    let name = row.name.as_deref().map(plain).unwrap_or_default();
    let exit = match row.state.as_str() {
        "done" | "failed" => row.exit.to_string(),
        state => state.to_owned(),
    };
    let place = if row.local { "*" } else { "" };
    [
        format!("{}{place}", row.run),
        look.moment(row.started_ms),
        name,
        exit,
        seconds(row.wall_ms),
        values(&row.params),
        values(&row.metrics),
    ]
}

/// Columns as wide as they need to be.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
        let padded: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn values(values: &BTreeMap<String, impl Display>) -> String {
    let shown =
        values.iter().take(VALUES_SHOWN).map(|(name, value)| format!("{name}={}", plain(&value.to_string())));
    let more = values.len().saturating_sub(VALUES_SHOWN);
    shown.chain((more > 0).then(|| format!("… {more} more"))).collect::<Vec<_>>().join(" ")
}

pub(super) fn seconds(ms: u64) -> String {
    match ms / 1000 {
        0..60 => format!("{}.{:01} s", ms / 1000, ms % 1000 / 100),
        60..3_600 => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
        _ => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

/// A text of somebody else, without what would move the cursor.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

fn show(shown: &verb::Shown) -> String {
    let (record, look) = (&shown.record, Look::of_stdout(false));
    let name = record.name.as_deref().map(|name| format!(", {}", plain(name))).unwrap_or_default();
    let place = if shown.local { ", in this worktree alone" } else { "" };
    let mut text = format!("run {}{name}{place}\n", shown.run);
    let mut line = |what: &str, told: &str| text += &format!("  {what:<9} {}\n", plain(told));
    line("command", &super::reproduce::shell(&record.command));
    if !record.cwd.is_empty() {
        line("in", &record.cwd);
    }
    let heads: Vec<_> = record.code.frontier.iter().map(|head| short(head)).collect();
    let is_local = if record.code.local { ", local" } else { "" };
    line(
        "code",
        &format!(
            "{} on {}, root {}{is_local}",
            heads.join(" "),
            record.code.branch,
            short(&record.code.root)
        ),
    );
    let times = format!("{} ({} of processors)", seconds(record.wall_ms), seconds(record.cpu_ms));
    line("time", &format!("{}, {times}", look.moment(record.started_ms)));
    line("exit", &format!("{}, {}", record.exit.word(), record.exit.shell_code()));
    let all = |values: Vec<String>| values.join(" ");
    line(
        "params",
        &all(record.params.iter().map(|(name, value): (_, &Scalar)| format!("{name}={value}")).collect()),
    );
    line(
        "metrics",
        &all(record.metrics.iter().map(|(name, value): (_, &Number)| format!("{name}={value}")).collect()),
    );
    if !shown.series.is_empty() {
        let series = shown.series.iter().map(|(name, series)| format!("{name} ({})", series.len()));
        line("series", &all(series.collect()));
    }
    if !shown.tags.is_empty() {
        line("tags", &shown.tags.join(" "));
    }
    text + &facts(record)
        + &files("inputs", &record.inputs)
        + &files("outputs", &record.outputs)
        + &ending(shown)
}

fn facts(record: &Record) -> String {
    let environment = &record.environment;
    let host = &environment.host;
    let (cores, memory) = (count(host.cores, "core"), size(host.memory_bytes));
    let mut text = format!(
        "  machine   {}, {}, kernel {}, {}, {cores}, {memory}\n",
        plain(&host.os),
        plain(&host.arch),
        plain(&host.kernel),
        plain(&host.cpu)
    );
    let named = |(name, value): (&String, &String)| format!("{}={}", plain(name), plain(value));
    for (what, values) in [("tools", &environment.tools), ("variables", &environment.variables)] {
        if !values.is_empty() {
            text += &format!("  {what:<9} {}\n", values.iter().map(named).collect::<Vec<_>>().join(", "));
        }
    }
    if !environment.packages.is_empty() {
        let shown: Vec<_> =
            environment.packages.iter().take(LINES_SHOWN).map(|package| plain(package)).collect();
        let more = environment.packages.len().saturating_sub(LINES_SHOWN);
        let more = if more > 0 { format!(" … and {more} more") } else { String::new() };
        text += &format!("  packages  {}{more}\n", shown.join(" "));
    }
    text
}

fn files(what: &str, items: &[Item]) -> String {
    let one = |item: &Item| {
        let kept = if item.artifact.is_some() { "artifact" } else { "" };
        let told = if item.declared { "" } else { "found" };
        [
            String::new(),
            short(&item.content).to_owned(),
            size(item.bytes),
            kept.to_owned(),
            told.to_owned(),
            plain(&item.path),
        ]
    };
    if items.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = items.iter().take(LINES_SHOWN).map(one).collect();
    let mut text = format!("  {what}\n");
    table(&rows).lines().for_each(|line| text += &format!("    {}\n", line.trim_start()));
    let more = items.len().saturating_sub(LINES_SHOWN);
    if more > 0 { text + &format!("    … and {more} more\n") } else { text }
}

/// The notes, and the end of what was printed.
fn ending(shown: &verb::Shown) -> String {
    let notes = shown.record.notes.iter().map(|told| format!("  note: {}\n", plain(told)));
    let mut text: String = notes.collect();
    let Some(log) = &shown.log else { return text };
    let lines: Vec<_> = log.lines().collect();
    let more = lines.len().saturating_sub(LINES_SHOWN);
    text += "  printed\n";
    if more > 0 {
        text += &format!("    … {more} lines, all in --json\n");
    }
    lines.iter().skip(more).for_each(|line| text += &format!("    {}\n", plain(line)));
    text
}

/// Draws a series.
fn plot(run: String, metric: &str, svg: Option<&Path>, desk: &Desk) -> Result<u8, Failure> {
    let shown = match ask_run(desk, verb::Action::Show { run })? {
        verb::Answer::Shown(shown) => shown,
        _ => return Err(Failure::unasked()),
    };
    let Some(series) = shown.series.get(metric) else {
        let known: Vec<_> = shown.series.keys().map(|name| plain(name)).collect();
        let message = format!("run {} has no series {metric:?}; it has {}", shown.run, known.join(", "));
        let hint = "a metric is a series where the run told it more than once";
        return Err(Failure::new(crate::error::NOT_FOUND, "E_NOT_FOUND", message, hint));
    };
    if let Some(svg) = svg {
        std::fs::write(desk.path(svg), chart::svg(metric, series))?;
        note(&format!("wrote {}", svg.display()));
    }
    let answer = serde_json::json!({ "run": shown.run, "metric": metric, "series": series });
    desk.print(&answer, || if svg.is_some() { String::new() } else { chart::text(metric, series) })
}
