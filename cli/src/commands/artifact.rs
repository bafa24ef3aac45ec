//! `artifact`: large contents, named by hash.

mod follow;
mod inside;

use super::ask;
use crate::desk::Desk;
use crate::error::{DONE, Failure};
use crate::output::{count, line, short, size, text};
use cairn_node::config::Fetching;
use cairn_node::runs::lineage::Way;
use cairn_node::verbs::artifact as verb;
use cairn_node::verbs::{Answer, Request, run};
use clap::Subcommand;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Each `add` under a name makes a version of it: wherever an artifact is named, `model@v3` is the
third one, `model@latest` and `model` are the newest, and `model@best` is what `artifact alias`
says. A version is never lost or changed. Where two add one at once, both are kept: each has the
number that it was given, and of those with the same number the one with the smaller hash comes
first, and all after it move up. So, once both know of it, the numbers are the same on every node;
aliases and what a run records mean bytes and never move.

Examples:
  cairn artifact add model.bin --name model
  cairn artifact get model -o model.bin";

const APPEND_AFTER: &str = "\
The new version shares the chunks of the one before, but for the last; so what it costs follows
what is appended, with some 40 bytes for each chunk of the whole. Earlier versions stay and have
the hashes that they had: what a run says of NAME@v3 stays true.

Where two append to one version at once, both are kept, as two versions of it. The next one who
appends and knows of both first puts behind the newest what the other one has of its own, as a
version that is the same whoever makes it. So nothing is lost, every writer's bytes keep their order,
and the order of all is the same on every node; lines are not mixed, if what is appended ends
with one. With --on VERSION you are told instead (exit code 4), and nothing is written.

Examples:
  cairn artifact append train.log today.log
  ./measure | cairn artifact append metrics.jsonl - --on v7";

const POLICY_AFTER: &str = "\
What names a large file always travels with the waypoint. Its bytes come
  eager   as soon as `cairn serve`, or `cairn put` after an exchange, hears that a branch shows them
  lazy    when a worktree shows the file, or somebody asks for it (the default)
  pinned  by themselves only where a mark shows them or `artifact pin` names them; a worktree
          leaves the others out until `cairn get PATH` asks for them
Somebody asks by `cairn get PATH`, `artifact get` and `artifact fetch`. What is here is never taken away
by another policy.

Examples:
  cairn artifact policy
  cairn artifact policy eager --all-projects";

const QUOTA_AFTER: &str = "\
It holds for the chunks of all repos together, as `cairn du` shows them. What would pass it is refused
before anything is stored, and the refusal says what is needed, what is free and what
`cairn artifact gc` could free. Of transfers that pass it only together, one ends; what came of it
stays, and it goes on where it stopped once there is room. What is here already is never taken away.

Examples:
  cairn artifact quota 20G
  cairn artifact quota off --json";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Take a file into the store
    #[command(
        after_help = "Examples:\n  cairn artifact add model.bin\n  cairn artifact add model.bin --name model --json"
    )]
    Add {
        /// The file
        file: PathBuf,
        /// What to call it; the file's name when left out
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Add bytes to the end of one, as a new version of its name
    #[command(after_help = APPEND_AFTER)]
    Append {
        /// The name; one that nobody has yet begins with an empty first version
        name: String,
        /// What is appended: a file, or - for standard input up to its end
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
        /// Only if this is still the newest version: v and a number, or an alias
        #[arg(long, value_name = "VERSION")]
        on: Option<String>,
    },
    /// Write one to a file, after fetching it from known peers if it is not here
    #[command(
        after_help = "--follow writes the newest version of a name and then each appended part once, as it comes. Of two who append\nat once both parts come, the one that is known here first being first; a version that continues none is\nwritten from its beginning, and told on stderr. Without a running `serve`, peers are asked each second.\n\nExamples:\n  cairn artifact get model -o model.bin\n  cairn artifact get train.log --follow"
    )]
    Get {
        /// A name or a hash
        artifact: String,
        /// The file to write; - for standard output, with --range or --follow
        #[arg(short, long, value_name = "FILE", required_unless_present = "follow")]
        out: Option<PathBuf>,
        /// Go on with what is appended to the name, from whoever has it, until interrupted
        #[arg(long, conflicts_with = "range")]
        follow: bool,
        /// Only these bytes of it: only what they touch is fetched, and it is not kept
        #[arg(long, value_name = "START..END", value_parser = range)]
        range: Option<(u64, u64)>,
        /// Fetch no faster than so many bytes a second: 500k, 10M
        #[arg(long, value_name = "BYTES", value_parser = crate::args::bytes)]
        limit: Option<u64>,
    },
    /// Fetch one from known peers and keep it, without writing a file
    #[command(
        after_help = "Examples:\n  cairn artifact fetch model\n  cairn artifact fetch 3fa94c --limit 10M --json"
    )]
    Fetch {
        /// A name or a hash
        artifact: String,
        /// Fetch no faster than so many bytes a second: 500k, 10M
        #[arg(long, value_name = "BYTES", value_parser = crate::args::bytes)]
        limit: Option<u64>,
    },
    /// List those of the project, or the versions of one
    #[command(
        after_help = "EXPR is that of `cairn run log --where`. Columns: artifact bytes held name version; and those of the run\nthat made it: exit run seconds started state metrics.NAME params.NAME\n\nExamples:\n  cairn artifact ls model\n  cairn artifact ls --where 'metrics.acc > 0.9 and bytes > 1e6' --json"
    )]
    Ls {
        /// A name; its versions are listed, the oldest first
        name: Option<String>,
        /// Only those that an expression means
        #[arg(long = "where", value_name = "EXPR")]
        filter: Option<String>,
    },
    /// Let another word mean a version: model@best
    #[command(
        after_help = "Of two who give one alias two meanings at once, one wins, the same on every node.\n\nExamples:\n  cairn artifact alias model best v3\n  cairn artifact alias model best --remove"
    )]
    Alias {
        /// The name
        name: String,
        /// The word: letters, digits, - _ and .
        alias: String,
        /// v and a number, latest, or another alias; the newest when left out
        version: Option<String>,
        /// Take the word away
        #[arg(long, conflicts_with = "version")]
        remove: bool,
    },
    /// Tell size, chunks and names of one, and which runs made or read it
    #[command(after_help = "Examples:\n  cairn artifact show model\n  cairn artifact show 3fa9c1 --json")]
    Show {
        /// A name or a hash
        artifact: String,
    },
    /// Say how much of one another has, which arrays or columns differ, and how the runs that made them do
    #[command(
        after_help = "Where each was made by a run of its own, parameters, metrics, files and code of the two are\ncompared as by `run diff`. Files of safetensors, NumPy (.npy, .npz) and CSV are compared by\nwhat their headers say; of a CSV the rows are counted up to 64 MiB.\n\nExamples:\n  cairn artifact diff model-1 model-2\n  cairn artifact diff 3fa9c1 77d0aa --json"
    )]
    Diff {
        /// The one: a name or a hash
        #[arg(value_name = "ARTIFACT")]
        then: String,
        /// The other
        #[arg(value_name = "ARTIFACT")]
        now: String,
    },
    /// Trace data through runs: where it came from, and what became of it
    #[command(
        after_help = "Examples:\n  cairn artifact lineage model.bin --up\n  cairn artifact lineage last --format svg > lineage.svg"
    )]
    Lineage {
        /// An artifact, a file of a run by its path or hash, or a run
        #[arg(value_name = "ARTIFACT|FILE|RUN")]
        what: String,
        /// Only what it came from
        #[arg(long, conflicts_with = "down")]
        up: bool,
        /// Only what became of it
        #[arg(long)]
        down: bool,
        /// Through at most so many runs, one after the other
        #[arg(long, value_name = "N")]
        hops: Option<usize>,
        /// text, json, dot (graphviz) or svg
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json", "dot", "svg"])]
        format: String,
    },
    /// Write the chain of runs that led to one, back to raw data, into a file that anybody can check
    #[command(
        after_help = "`cairn verify --proof FILE` checks it on any machine, without the repo: signatures,\nlogs, rights, records and how they hang together. It holds the records of the runs, no data and no code.\n\nExamples:\n  cairn artifact prove model.bin -o model.proof\n  cairn artifact prove 3fa9c1 -o model.proof --json"
    )]
    Prove {
        /// An output of a run by its path, a name or a hash
        artifact: String,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check the bytes of one, or of all that are here
    #[command(after_help = "Examples:\n  cairn artifact verify\n  cairn artifact verify model --json")]
    Verify {
        /// A name or a hash; all when left out
        artifact: Option<String>,
        /// Fetch again what is damaged or missing
        #[arg(long)]
        repair: bool,
    },
    /// Say or set which bytes come by themselves
    #[command(after_help = POLICY_AFTER)]
    Policy {
        /// eager, lazy or pinned; default takes the project's own word away, or makes the home's lazy
        #[arg(value_name = "POLICY", value_parser = setting)]
        set: Option<verb::Setting>,
        /// For all projects of the home that have none of their own
        #[arg(long)]
        all_projects: bool,
    },
    /// Have one come by itself under `eager` and `pinned`, and keep `gc` from it
    #[command(
        after_help = "Nothing is fetched at once: `cairn serve`, and `cairn put` after an exchange, do that.\n\nExamples:\n  cairn artifact pin model@v3\n  cairn artifact pin 3fa9c1 --remove --json"
    )]
    Pin {
        /// A name, a hash, or a large file of the version that the worktree stands on
        artifact: String,
        /// Let go of it
        #[arg(long)]
        remove: bool,
    },
    /// Say or set how many bytes the large contents of the home may take
    #[command(after_help = QUOTA_AFTER)]
    Quota {
        /// 4096, 500M or 20G; off for any number
        #[arg(value_name = "SIZE|off", value_parser = limit)]
        set: Option<verb::Limit>,
    },
    /// Take away what nothing needs, in all repos of the home
    #[command(after_help = "Examples:\n  cairn artifact gc --dry-run\n  cairn artifact gc --json")]
    Gc {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}

/// A policy.
fn setting(text: &str) -> Result<verb::Setting, String> {
    Ok(match text {
        "eager" => verb::Setting::Of(Fetching::Eager),
        "lazy" => verb::Setting::Of(Fetching::Lazy),
        "pinned" => verb::Setting::Of(Fetching::Pinned),
        "default" => verb::Setting::Default,
        _ => return Err(format!("{text} is no policy; there are eager, lazy, pinned and default")),
    })
}

/// A number of bytes, or none.
fn limit(text: &str) -> Result<verb::Limit, String> {
    match text {
        "off" => Ok(verb::Limit::Off),
        text => crate::args::bytes(text).map(verb::Limit::Bytes),
    }
}

/// Two numbers of bytes.
fn range(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("{text} is no range; one looks like 1000..2000, or 1M..2M");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (crate::args::bytes(from)?, crate::args::bytes(to)?);
    if from < to { Ok((from, to)) } else { Err(wrong()) }
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let is_piped = |out: &PathBuf| out.as_os_str() == "-";
    match args.action {
        Action::Get { artifact, out, follow: true, limit, .. } => {
            let out = out.filter(|out| !is_piped(out)).map(|out| desk.path(&out));
            follow::follow(desk, &artifact, out.as_deref(), limit.unwrap_or(0))
        }
        Action::Get { artifact, out: Some(out), range: Some(range), limit, .. } if is_piped(&out) => {
            piped(desk, &artifact, range, limit.unwrap_or(0))
        }
        Action::Append { name, file, on } if is_piped(&file) => append_input(desk, name, on),
        Action::Lineage { what, up, down, hops, format } => lineage(what, (up, down), hops, &format, desk),
        action => asked(action, desk),
    }
}

/// Asks what needs nothing of this process.
fn asked(action: Action, desk: &Desk) -> Result<u8, Failure> {
    let action = match action {
        Action::Add { file, name } => verb::Action::Add { file: desk.path(&file), name },
        Action::Append { name, file, on } => verb::Action::Append { name, file: desk.path(&file), on },
        Action::Get { artifact, out, range, limit, .. } => {
            let out = desk.path(&out.unwrap_or_default());
            verb::Action::Get { artifact, out, range, bytes_per_s: limit.unwrap_or(0) }
        }
        Action::Fetch { artifact, limit } => {
            verb::Action::Fetch { artifact, bytes_per_s: limit.unwrap_or(0) }
        }
        Action::Policy { set, all_projects } => verb::Action::Policy { set, home: all_projects },
        Action::Pin { artifact, remove } => verb::Action::Pin { artifact, remove },
        Action::Quota { set } => verb::Action::Quota { set },
        Action::Gc { dry_run } => verb::Action::Gc { dry_run },
        Action::Ls { name, filter } => verb::Action::Ls { name, filter },
        Action::Alias { name, alias, version, remove } => {
            let version = (!remove).then(|| version.unwrap_or_else(|| "latest".to_owned()));
            verb::Action::Alias { name, alias, version }
        }
        Action::Show { artifact } => verb::Action::Show { artifact },
        Action::Diff { then, now } => verb::Action::Diff { then, now },
        Action::Prove { artifact, out } => verb::Action::Prove { artifact, out: desk.path(&out) },
        Action::Lineage { what, .. } => verb::Action::Lineage { what, way: Way::Both, hops: None },
        Action::Verify { artifact, repair } => verb::Action::Verify { artifact, repair },
    };
    ask!(desk, Artifact, verb::Args { here: desk.here(), action }, words)
}

/// Writes a part to standard output; it lies in a file of its own until it is whole and verified.
fn piped(desk: &Desk, artifact: &str, range: (u64, u64), bytes_per_s: u64) -> Result<u8, Failure> {
    let dir = std::env::temp_dir().join(format!("cairn-part-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let out = dir.join("part");
    let action = verb::Action::Get {
        artifact: artifact.to_owned(),
        out: out.clone(),
        range: Some(range),
        bytes_per_s,
    };
    let args = verb::Args { here: desk.here(), action };
    let got = desk.ask(&cairn_node::verbs::Request::Artifact(args));
    let copied = got.and_then(|_| {
        let mut part = std::fs::File::open(&out)?;
        std::io::copy(&mut part, &mut std::io::stdout().lock())?;
        Ok(DONE)
    });
    std::fs::remove_dir_all(&dir)?;
    copied
}

/// Appends standard input; it lies in a file of its own until it has ended.
fn append_input(desk: &Desk, name: String, on: Option<String>) -> Result<u8, Failure> {
    let dir = std::env::temp_dir().join(format!("cairn-input-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let file = dir.join("input");
    let read = std::fs::File::create(&file)
        .and_then(|mut input| std::io::copy(&mut std::io::stdin().lock(), &mut input));
    let action = verb::Action::Append { name, file, on };
    let answer = read
        .map_err(Failure::from)
        .and_then(|_| desk.ask(&Request::Artifact(verb::Args { here: desk.here(), action })));
    std::fs::remove_dir_all(&dir)?;
    let answer = answer?;
    let Answer::Artifact(told) = &answer else { return Err(Failure::unasked()) };
    desk.tell(&answer, || words(told))
}

/// Traces, and draws.
fn lineage(
    what: String,
    way: (bool, bool),
    hops: Option<usize>,
    format: &str,
    desk: &Desk,
) -> Result<u8, Failure> {
    let way = match way {
        (true, _) => Way::Up,
        (_, true) => Way::Down,
        _ => Way::Both,
    };
    let request = Request::Artifact(verb::Args {
        here: desk.here(),
        action: verb::Action::Lineage { what, way, hops },
    });
    let answer = desk.ask(&request)?;
    let Answer::Artifact(verb::Answer::Traced(traced)) = &answer else { return Err(Failure::unasked()) };
    match format {
        "dot" => text(&traced.graph.dot()),
        "svg" => text(&traced.graph.svg()),
        "json" => line(&answer.json().map_err(|_| Failure::unasked())?),
        _ => return desk.tell(&answer, || traced.graph.text()),
    }
    Ok(DONE)
}

fn shown(shown: &verb::Shown) -> String {
    let bytes = shown.bytes.map_or("unknown".to_owned(), size);
    let chunks = shown.chunks.map_or("not all here".to_owned(), |chunks| count(chunks, "chunk"));
    let mut text = format!("{}\n{bytes}, {chunks}\n", shown.artifact);
    let lists = [("named", &shown.names), ("made by run", &shown.made_by), ("read by run", &shown.read_by)];
    for (what, list) in lists {
        list.iter().for_each(|one| text += &format!("{what} {one}\n"));
    }
    text
}

fn compared(compared: &verb::Compared) -> String {
    let (then, now) = (size(compared.bytes_then), size(compared.bytes_now));
    let text = match compared.same {
        true => format!("the same bytes: {now}\n"),
        false => format!("{then} → {now}, {:.1} % of it in equal chunks\n", compared.shared * 100.0),
    };
    let inside = compared.inside.as_ref().map(inside::told).unwrap_or_default();
    let made = |runs: &run::Compared| {
        format!("made by run {} → {}\n{}", short(&runs.then), short(&runs.now), super::run::compared(runs))
    };
    text + &inside + &compared.runs.as_deref().map(made).unwrap_or_default()
}

fn words(answer: &verb::Answer) -> String {
    match answer {
        verb::Answer::Shown(answer) => shown(answer),
        verb::Answer::Compared(answer) => compared(answer),
        verb::Answer::Traced(traced) => traced.graph.text(),
        verb::Answer::Proven(proven) => {
            let (steps, raw) = (count(proven.steps, "run"), count(proven.raw, "raw file"));
            format!("{steps} from {raw}: wrote {} to {}\n", size(proven.bytes), proven.file)
        }
        verb::Answer::Added(added) => {
            let (bytes, stored) = (size(added.bytes), size(added.stored_bytes));
            format!("{}\n{bytes}, of which {stored} were new\n", added.artifact)
        }
        verb::Answer::Appended(appended) => {
            let verb::Appended { name, version, artifact, bytes, stored_bytes } = appended;
            let (bytes, stored) = (size(*bytes), size(*stored_bytes));
            format!("{artifact}\n{name}@v{version}: {bytes}, of which {stored} were new\n")
        }
        verb::Answer::Got(got) => {
            let from = if got.fetched { ", fetched from a peer" } else { "" };
            format!("wrote {} to {}{from}\n", size(got.bytes), got.path)
        }
        verb::Answer::Fetched(fetched) => match fetched.moved_bytes {
            0 => "all of it is here\n".to_owned(),
            bytes => format!("fetched {}\n", size(bytes)),
        },
        verb::Answer::Policy(policy) => policed(policy),
        verb::Answer::Quota(quota) => {
            let used = size(quota.used_bytes);
            match quota.quota_bytes {
                Some(bytes) => format!("{used} of {} are taken\n", size(bytes)),
                None => format!("{used} are taken; there is no quota\n"),
            }
        }
        verb::Answer::Pinned(pinned) => {
            let word = if pinned.pinned { "pinned" } else { "pinned no more" };
            format!("{} is {word}\n", short(&pinned.artifact))
        }
        verb::Answer::Listed(listed) => listed.artifacts.iter().map(item).collect(),
        verb::Answer::Tailed(tailed) => tailed.part.as_ref().map_or(String::new(), follow::told),
        verb::Answer::Aliased(aliased) => match aliased.version {
            Some(version) => format!("{0}@{1} is {0}@v{version}\n", aliased.name, aliased.alias),
            None => format!("{}@{} means nothing any more\n", aliased.name, aliased.alias),
        },
        verb::Answer::Collected(collected) => {
            let verb::gc::Collected { unneeded, chunks, chunk_bytes, bytes_before, bytes_after } = collected;
            let (count, bytes) = (unneeded.len(), size(*chunk_bytes));
            let (before, after) = (size(*bytes_before), size(*bytes_after));
            format!("{count} artifacts that nothing needs, {chunks} chunks, {bytes}: {before} -> {after}\n")
        }
        verb::Answer::Verified(verified) => {
            let verdict = if verified.ok { "all is as named" } else { "damage found" };
            let text = format!("{} artifacts, {}: {verdict}\n", verified.artifacts, size(verified.bytes));
            text + &super::verify::problems(&verified.problems)
        }
    }
}

fn policed(policy: &verb::Policy) -> String {
    let whose = if policy.project.is_some() { "of the project" } else { "of the home" };
    let mut text = format!("{}: the policy {whose}\n", policy.policy.word());
    if policy.project.is_some() {
        text += &format!("{}: the policy of the home\n", policy.home.word());
    }
    policy.pinned.iter().for_each(|artifact| text += &format!("pinned {}\n", short(artifact)));
    text
}

fn item(item: &verb::Item) -> String {
    let held = if item.held { "here" } else { "elsewhere" };
    let version = item.version.map_or(String::new(), |version| format!("@v{version}"));
    let aliases: String = item.aliases.iter().map(|alias| format!(" @{alias}")).collect();
    let (hash, bytes) = (short(&item.artifact), size(item.bytes));
    format!("{hash} {bytes:>10} {held:<9} {}{version}{aliases}\n", item.name)
}
