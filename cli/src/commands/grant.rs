//! `grant`: gives a key a right, or says who holds which.

use super::ask;
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{moment, short};
use cairn_node::verbs::grant as verb;

const EXAMPLES: &str = "\
Rights add up; `cairn revoke` takes them back. What is given is signed and travels as everything else does; the
link that is printed is no secret, since it works for that key alone.

Examples:
  cairn grant
  cairn grant Ben --role admin";

/// The arguments.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Who gets it: a key as `cairn identity` prints it there, its first digits, a peer, or the name of somebody
    /// who wrote here; without it, who holds what is listed
    #[arg(value_name = "WHO")]
    who: Option<String>,
    /// What: read, write or admin, who gives rights to others; write when left out
    #[arg(long, value_name = "ROLE", value_parser = ["read", "write", "admin"], requires = "who")]
    role: Option<String>,
    /// How long it lasts: 7d, 12h, 30m; without end when left out
    #[arg(long, value_name = "DURATION", requires = "who")]
    expires: Option<String>,
    /// In every project of the repo, not only in this one
    #[arg(long, requires = "who")]
    all_projects: bool,
}

/// Asks, and prints.
pub(crate) fn run(args: Args, desk: &Desk) -> Result<u8, Failure> {
    let Args { who, role, expires, all_projects } = args;
    ask!(desk, Grant, verb::Args { here: desk.here(), who, role, expires, all_projects }, words)
}

fn words(answer: &verb::Answer) -> String {
    let Some(link) = &answer.link else {
        // A link that is closed or used up is of no interest any more.
        let shown = answer.rights.iter().filter(|right| right.state == "holds" || !right.link);
        return shown.map(right).collect();
    };
    let given: String = answer.rights.iter().map(right).collect();
    format!("{given}they come in by: cairn clone '{link}' DIR\n")
}

/// One right, on one line.
pub(super) fn right(right: &verb::Right) -> String {
    let name = match (&right.name, right.link) {
        (Some(name), _) => name,
        (None, true) => "a link",
        (None, false) if right.waypoints == 0 => "(wrote nothing yet)",
        (None, false) => "(no name)",
    };
    let mine = if right.mine { ", this device" } else { "" };
    let mut text = format!("{} {:<7} {name}{mine}", short(&right.key), right.role);
    match (&right.project, right.role.as_str()) {
        (_, "founder") => {}
        (Some(project), _) => text += &format!(", in {project}"),
        (None, _) => text += ", in every project",
    }
    if let Some(by) = &right.by {
        text += &format!(", by {}", right.by_name.as_deref().unwrap_or(short(by)));
    }
    if let Some(end) = right.expires_ms {
        text += &format!(", until {}", moment(end));
    }
    if right.state != "holds" {
        text += &format!(" [{}]", right.state);
    }
    text + "\n"
}
