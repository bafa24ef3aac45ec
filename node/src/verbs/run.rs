//! `run`: records of experiments: begun, ended, listed, shown, compared.
//!
//! The command itself is run by whoever asks, between `begin` and `end`: its terminal, its environment and its signals are there,
//! and not where the owner of the home is.

mod begin;
mod bring;
mod diff;
mod end;
mod show;
mod tag;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::book::{Run, Stray};
use crate::runs::environment::Environment;
use crate::runs::record::{Exit, Record, Scalar};
use crate::runs::{Number, metrics};
use crate::verbs::{Here, Network, Site};

pub(super) use begin::variables;
pub use diff::Compared;
pub(super) use diff::between;
pub(crate) use end::files;
pub(super) use end::{outputs, told};

/// What `run` is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to do.
    pub action: Action,
}

/// What to do with runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Pins the code and looks at the inputs, before the command is run.
    Begin(Box<Begin>),
    /// Records what came of it.
    End {
        /// What `begin` answered.
        token: String,
    },
    /// Lists runs.
    Log {
        /// Which; all when left out.
        filter: Option<String>,
    },
    /// Shows one run.
    Show {
        /// The first digits of its name, what it is called, or `last`.
        run: String,
    },
    /// Says something of a run, or takes it back.
    Tag {
        /// Which run.
        run: String,
        /// The word.
        tag: String,
        /// Whether it is taken back.
        remove: bool,
    },
    /// Compares two runs.
    Diff {
        /// The one.
        then: String,
        /// The other.
        now: String,
    },
}

/// What is going to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Patterns of files that it reads, as in `.gitignore`.
    pub inputs: Vec<String>,
    /// Artifacts that it reads and where, `path=artifact`.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// Patterns of files that it writes.
    pub outputs: Vec<String>,
    /// Parameters, `name=value`.
    pub params: Vec<String>,
    /// The JSON file that it writes metrics to.
    pub metrics: Option<String>,
    /// What to call the run.
    pub name: Option<String>,
    /// Where it runs.
    pub environment: Environment,
    /// Whether code and record stay here.
    pub local: bool,
    /// The process that runs it.
    pub pid: u32,
}

/// What `run` answers, by action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `begin`.
    Begun(Begun),
    /// To `end`.
    Recorded(Box<Recorded>),
    /// To `log`.
    Listed(Listed),
    /// To `show`.
    Shown(Box<Shown>),
    /// To `tag`.
    Tagged(Tagged),
    /// To `diff`.
    Compared(Box<Compared>),
}

/// What `begin` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// By which it is ended.
    pub token: String,
    /// The worktree.
    pub root: String,
    /// Variables that the command is to see.
    pub variables: BTreeMap<String, String>,
    /// Whether code and record stay here.
    pub local: bool,
}

/// What was recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The run.
    pub run: String,
    /// The waypoint that wrote the record; `null` where it is kept in the worktree alone.
    pub waypoint: Option<String>,
    /// `done`, `failed`, `killed` or `interrupted`.
    pub state: String,
    /// How the command ended.
    pub exit: Exit,
    /// How long it took.
    pub wall_ms: u64,
    /// The processor time.
    pub cpu_ms: u64,
    /// The version of the code.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// How many inputs.
    pub inputs: u64,
    /// How many outputs.
    pub outputs: u64,
    /// How many bytes of outputs are kept as artifacts.
    pub stored_bytes: u64,
    /// The last value of each metric.
    pub metrics: BTreeMap<String, Number>,
    /// What to know about it.
    pub notes: Vec<String>,
    /// Whether code and record stay here.
    pub local: bool,
}

/// What `log` answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The runs, the newest first.
    pub runs: Vec<Row>,
    /// Runs of this worktree that have begun and are not recorded.
    pub begun: Vec<Unended>,
    /// Files on the branch that are no records.
    pub strays: Vec<Stray>,
}

/// One run in a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name: the first digits of the hash of its record.
    pub run: String,
    /// What it is called.
    pub name: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// `done`, `failed`, `killed` or `interrupted`.
    pub state: String,
    /// Its exit code, as a shell tells it.
    pub exit: i32,
    /// How long it took.
    pub wall_ms: u64,
    /// The processor time.
    pub cpu_ms: u64,
    /// The parameters.
    pub params: BTreeMap<String, Scalar>,
    /// The last value of each metric.
    pub metrics: BTreeMap<String, Number>,
    /// The version of the code.
    pub frontier: Vec<String>,
    /// What was said of it.
    pub tags: Vec<String>,
    /// Whether it is kept in this worktree alone.
    pub local: bool,
}

impl Row {
    fn of(run: &Run) -> Self {
        let Run { id, record, local, tags } = run;
        Self {
            run: id.to_string(),
            name: record.name.clone(),
            started_ms: record.started_ms,
            state: record.exit.word().to_owned(),
            exit: record.exit.shell_code(),
            wall_ms: record.wall_ms,
            cpu_ms: record.cpu_ms,
            params: record.params.clone(),
            metrics: record.metrics.clone(),
            frontier: record.code.frontier.clone(),
            tags: tags.clone(),
            local: *local,
        }
    }
}

/// A run that has begun and is not recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unended {
    /// When it began, in milliseconds since 1970.
    pub begun_ms: u64,
    /// What it is called.
    pub name: Option<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The process that runs it, if it still does.
    pub pid: Option<u32>,
}

/// What `tag` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tagged {
    /// The run.
    pub run: String,
    /// What is said of it now.
    pub tags: Vec<String>,
    /// The waypoint that says so; `null` where it was said already.
    pub waypoint: Option<String>,
}

/// What `show` answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The run.
    pub run: String,
    /// Whether it is kept in this worktree alone.
    pub local: bool,
    /// What was said of it.
    pub tags: Vec<String>,
    /// What it says.
    pub record: Record,
    /// The values of metrics that were told more than once, each with its step.
    pub series: BTreeMap<String, metrics::Series>,
    /// What it printed, if that is here.
    pub log: Option<String>,
}

/// Begins, ends, lists, shows or compares.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let mut site = Site::open(owner, &args.here)?;
    match &args.action {
        Action::Begin(begin) => begin::begin(owner, network, &mut site, begin).map(Answer::Begun),
        Action::End { token } => {
            end::end(owner, network, &mut site, token).map(|recorded| Answer::Recorded(Box::new(recorded)))
        }
        Action::Log { filter } => show::list(owner, &site, filter.as_deref()).map(Answer::Listed),
        Action::Show { run } => show::show(owner, &site, run).map(|shown| Answer::Shown(Box::new(shown))),
        Action::Tag { run, tag, remove } => tag::tag(owner, &site, run, tag, *remove).map(Answer::Tagged),
        Action::Diff { then, now } => {
            diff::diff(owner, network, &site, then, now).map(|compared| Answer::Compared(Box::new(compared)))
        }
    }
}
