//! One file a verb: its arguments (whose comments are the help text), the question it asks of the
//! owner of the home, and the words it prints.

pub(crate) mod artifact;
pub(crate) mod bench;
pub(crate) mod bundle;
pub(crate) mod clone;
pub(crate) mod come;
pub(crate) mod completions;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod du;
pub(crate) mod export;
pub(crate) mod fade;
pub(crate) mod fsck;
pub(crate) mod get;
pub(crate) mod grant;
pub(crate) mod held;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod mark;
pub(crate) mod merge_file;
pub(crate) mod overlaps;
pub(crate) mod peers;
pub(crate) mod post;
pub(crate) mod put;
pub(crate) mod redo;
pub(crate) mod reproduce;
pub(crate) mod revoke;
pub(crate) mod root;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod share;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod unbundle;
pub(crate) mod undo;
pub(crate) mod verify;
pub(crate) mod watch;

use crate::args::{Args, Verb};
use crate::desk::Desk;
use crate::error::Failure;
use crate::output::{Look, Paint};
use cairn_node::verbs::overlaps::Spot;
use cairn_node::verbs::status::Skipped;

/// How many places where edits met are named in a summary.
const SPOTS_SHOWN: usize = 10;

/// What stands above places where nothing is hidden.
const WORTH_A_LOOK: &str = "worth a look:\n";

/// Asks the owner one verb, prints its answer as JSON or in the words that a function makes of it,
/// and gives the exit code.
macro_rules! ask {
    ($desk:expr, $verb:ident, $args:expr, $words:expr) => {{
        let answer = $desk.ask(&cairn_node::verbs::Request::$verb($args))?;
        let cairn_node::verbs::Answer::$verb(told) = &answer else {
            return Err(crate::error::Failure::unasked());
        };
        $desk.tell(&answer, || $words(told))
    }};
}
pub(crate) use ask;

/// Does what the command line says; the exit code, or why not.
pub(crate) fn run(args: Args) -> Result<u8, Failure> {
    let everywhere = &args.everywhere;
    let desk = Desk::new(everywhere.json, everywhere.start.as_deref(), everywhere.home.as_deref())?;
    match args.verb {
        Verb::Init(args) => init::run(args, &desk),
        Verb::Get(args) => get::run(args, &desk),
        Verb::Post(args) => post::run(args, &desk),
        Verb::Put(args) => put::run(args, &desk),
        Verb::Delete(args) => delete::run(args, &desk),
        Verb::Status(args) => status::run(args, &desk),
        Verb::Diff(args) => diff::run(args, &desk),
        Verb::Log(args) => log::run(args, &desk),
        Verb::Show(args) => show::run(args, &desk),
        Verb::Come(args) => come::run(args, &desk),
        Verb::Root(args) => root::run(args, &desk),
        Verb::Overlaps(args) => overlaps::run(args, &desk),
        Verb::MergeFile(args) => merge_file::run(args, &desk),
        Verb::Mark(args) => mark::run(args, &desk),
        Verb::Undo(args) => undo::run(args, &desk),
        Verb::Redo(args) => redo::run(args, &desk),
        Verb::Serve(args) => serve::run(args, &desk),
        Verb::Watch(args) => watch::run(args, &desk),
        Verb::Peers(args) => peers::run(args, &desk),
        Verb::Invite(args) => invite::run(args, &desk),
        Verb::Grant(args) => grant::run(args, &desk),
        Verb::Revoke(args) => revoke::run(args, &desk),
        Verb::Held(args) => held::run(args, &desk),
        Verb::Join(args) => join::run(args, &desk),
        Verb::Clone(args) => clone::run(args, &desk),
        Verb::Identity(args) => identity::run(args, &desk),
        Verb::Artifact(args) => artifact::run(args, &desk),
        Verb::Run(args) => run::run(args, &desk),
        Verb::Share(args) => share::run(args, &desk),
        Verb::Reproduce(args) => reproduce::run(args, &desk),
        Verb::Verify(args) => verify::run(args, &desk),
        Verb::Doctor(args) => doctor::run(args, &desk),
        Verb::Du(args) => du::run(args, &desk),
        Verb::Fade(args) => fade::run(args, &desk),
        Verb::Bundle(args) => bundle::run(args, &desk),
        Verb::Unbundle(args) => unbundle::run(args, &desk),
        Verb::Export(args) => export::run(args, &desk),
        Verb::Import(args) => import::run(args, &desk),
        Verb::Fsck(args) => fsck::run(args, &desk),
        Verb::Demo(args) => demo::run(args, &desk),
        Verb::Bench(args) => bench::run(args, &desk),
        Verb::Completions(args) => completions::run(args, &desk),
        Verb::Man(args) => man::run(args, &desk),
    }
}

/// Whether a word of a list of paths and URIs is a URI: a leading `?`, `//` or `cairn:`.
pub(crate) fn is_uri(word: &str) -> bool {
    word.starts_with('?') || word.starts_with("//") || word.starts_with("cairn:")
}

/// The line that points at overlaps, where there are some.
pub(crate) fn overlap_note(overlaps: u64) -> String {
    match overlaps {
        0 => String::new(),
        n => format!("edits met in {}: cairn overlaps\n", crate::output::count(n, "place")),
    }
}

/// The line that points at files that were left out, where there are some.
pub(crate) fn absent_note(absent: u64) -> String {
    match absent {
        0 => String::new(),
        n => format!("{} not fetched: cairn status\n", crate::output::count(n, "large file")),
    }
}

/// What stands on disk and cannot be kept, a line each.
pub(crate) fn left_out(skipped: &[Skipped]) -> String {
    let look = Look::of_stdout(false);
    let kind = look.paint(Paint::Red, "left out ");
    skipped.iter().map(|skipped| format!("  {kind} {}: {}\n", skipped.path, skipped.why)).collect()
}

/// The same, with the first of the places, and those where edits stand side by side.
pub(crate) fn overlap_list(places: &[Spot]) -> String {
    let (soft, hard): (Vec<_>, Vec<_>) = places.iter().partition(|spot| spot.soft);
    let mut text = overlap_note(hard.len() as u64) + &spots(&hard);
    if !soft.is_empty() {
        text += WORTH_A_LOOK;
        text += &spots(&soft);
    }
    text
}

fn spots(spots: &[&Spot]) -> String {
    let one = |spot: &&Spot| {
        let place = overlaps::place(&spot.path, spot.line, spot.symbol.as_deref());
        format!("  {} {place}\n", spot.kind)
    };
    let mut text: String = spots.iter().take(SPOTS_SHOWN).map(one).collect();
    if spots.len() > SPOTS_SHOWN {
        text += &format!("  … and {} more\n", spots.len() - SPOTS_SHOWN);
    }
    text
}
