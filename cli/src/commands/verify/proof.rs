//! Where an artifact came from, and who says so, in words.

use super::problems;
use crate::output::{Look, count, short, size};
use cairn_node::runs::provenance::{Chain, Part, Step};
use std::fmt::Write as _;

/// The runs in order, with what went in and came out, and the verdict.
pub(super) fn told(chain: &Chain) -> String {
    let look = Look::of_stdout(false);
    let mut text = String::new();
    for step in chain.steps.iter().filter(|step| !step.run.is_empty()) {
        text += &told_step(step, look);
    }
    if !chain.content.is_empty() {
        let (bytes, content) = (size(chain.bytes), &chain.content);
        let _ = writeln!(text, "artifact {}\n  {}, {bytes}, {content}", chain.artifact, plain(&chain.path));
    }
    if !chain.gathered_by.is_empty() {
        let (project, repo) = (plain(&chain.project), short(&chain.repo));
        let (by, when) = (short(&chain.gathered_by), look.moment(chain.gathered_ms));
        let _ = writeln!(text, "in {project} of repo {repo}, gathered by {by} {when}");
    }
    let steps = count(chain.steps.len() as u64, "run");
    let verdict = if chain.ok { "all holds" } else { "damage found" };
    let _ = writeln!(text, "{steps}, {}: {verdict}", count(chain.raw.len() as u64, "raw file"));
    text + &problems(&chain.problems)
}

fn told_step(step: &Step, look: Look) -> String {
    let name = step.name.clone().unwrap_or_else(|| step.command.join(" "));
    let author = step.author.as_deref().map(|author| format!(" {}", plain(author))).unwrap_or_default();
    let right = if step.founder { "a founder" } else { "who may write" };
    let (key, when) = (short(&step.key), look.moment(step.written_ms));
    let mut text = format!("run {} {}\n", step.run, plain(&name));
    let _ = writeln!(text, "  signed by {key}{author}, {right}, {when}");
    let _ = writeln!(text, "  code {}", short(&step.code));
    for part in &step.read {
        let from = part.from.as_deref().map_or("raw".to_owned(), |run| format!("from run {run}"));
        let _ = writeln!(text, "  read {} {}, {from}", content(part), plain(&part.path));
    }
    for part in &step.made {
        let _ = writeln!(text, "  made {} {}", content(part), plain(&part.path));
    }
    text
}

fn content(part: &Part) -> &str {
    short(&part.content)
}

/// What a record says must not move the cursor.
fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}
