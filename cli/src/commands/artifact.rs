//! `artifact`: large contents, named by hash.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{count, line, short, size, text};
use cairn_node::runs::lineage::Way;
use cairn_node::verbs::artifact as verb;
use cairn_node::verbs::{Answer, Request};
use clap::Subcommand;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cairn artifact add model.bin --name model
  cairn artifact get model -o model.bin";

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
    /// Write one to a file, after fetching it from known peers if it is not here
    #[command(
        after_help = "Examples:\n  cairn artifact get model -o model.bin\n  cairn artifact get 3fa94c -o out.bin --json"
    )]
    Get {
        /// A name or a hash
        artifact: String,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
    /// List those of the project
    #[command(
        after_help = "EXPR is that of `cairn run log --where`. Columns: artifact bytes held name; and those of the run\nthat made it: exit run seconds started state metrics.NAME params.NAME\n\nExamples:\n  cairn artifact ls\n  cairn artifact ls --where 'metrics.acc > 0.9 and bytes > 1e6' --json"
    )]
    Ls {
        /// Only those that an expression means
        #[arg(long = "where", value_name = "EXPR")]
        filter: Option<String>,
    },
    /// Tell size, chunks and names of one, and which runs made or read it
    #[command(after_help = "Examples:\n  cairn artifact show model\n  cairn artifact show 3fa9c1 --json")]
    Show {
        /// A name or a hash
        artifact: String,
    },
    /// Say how much of one another has
    #[command(
        after_help = "Examples:\n  cairn artifact diff model-1 model-2\n  cairn artifact diff 3fa9c1 77d0aa --json"
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
        /// text, json, dot (graphviz) or svg
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json", "dot", "svg"])]
        format: String,
    },
    /// Check the bytes of one, or of all that are here
    #[command(after_help = "Examples:\n  cairn artifact verify\n  cairn artifact verify model --json")]
    Verify {
        /// A name or a hash; all when left out
        artifact: Option<String>,
    },
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let action = match args.action {
        Action::Add { file, name } => verb::Action::Add { file: desk.path(&file), name },
        Action::Get { artifact, out } => verb::Action::Get { artifact, out: desk.path(&out) },
        Action::Ls { filter } => verb::Action::Ls { filter },
        Action::Show { artifact } => verb::Action::Show { artifact },
        Action::Diff { then, now } => verb::Action::Diff { then, now },
        Action::Lineage { what, up, down, format } => return lineage(what, (up, down), &format, desk),
        Action::Verify { artifact } => verb::Action::Verify { artifact },
    };
    ask!(desk, Artifact, verb::Args { here: desk.here(), action }, words)
}

/// Traces, and draws.
fn lineage(what: String, way: (bool, bool), format: &str, desk: &Desk) -> Result<u8, Failure> {
    let way = match way {
        (true, _) => Way::Up,
        (_, true) => Way::Down,
        _ => Way::Both,
    };
    let request =
        Request::Artifact(verb::Args { here: desk.here(), action: verb::Action::Lineage { what, way } });
    let answer = desk.ask(&request)?;
    let Answer::Artifact(verb::Answer::Traced(traced)) = &answer else { return Err(Failure::unasked()) };
    match format {
        "dot" => text(&traced.graph.dot()),
        "svg" => text(&traced.graph.svg()),
        "json" => line(&answer.json().map_err(|_| Failure::unasked())?),
        _ => return desk.tell(&answer, || traced.graph.text()),
    }
    Ok(crate::error::DONE)
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
    match compared.same {
        true => format!("the same bytes: {now}\n"),
        false => format!("{then} → {now}, {:.1} % of it in equal chunks\n", compared.shared * 100.0),
    }
}

fn words(answer: &verb::Answer) -> String {
    match answer {
        verb::Answer::Shown(answer) => shown(answer),
        verb::Answer::Compared(answer) => compared(answer),
        verb::Answer::Traced(traced) => traced.graph.text(),
        verb::Answer::Added(added) => {
            let (bytes, stored) = (size(added.bytes), size(added.stored_bytes));
            format!("{}\n{bytes}, of which {stored} were new\n", added.artifact)
        }
        verb::Answer::Got(got) => {
            let from = if got.fetched { ", fetched from a peer" } else { "" };
            format!("wrote {} to {}{from}\n", size(got.bytes), got.path)
        }
        verb::Answer::Listed(listed) => listed.artifacts.iter().map(item).collect(),
        verb::Answer::Verified(verified) => {
            let verdict = if verified.ok { "all is as named" } else { "damage found" };
            let text = format!("{} artifacts, {}: {verdict}\n", verified.artifacts, size(verified.bytes));
            text + &super::verify::problems(&verified.problems)
        }
    }
}

fn item(item: &verb::Item) -> String {
    let held = if item.held { "here" } else { "elsewhere" };
    format!("{} {:>10} {held:<9} {}\n", short(&item.artifact), size(item.bytes), item.name)
}
