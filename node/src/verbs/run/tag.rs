//! Words about a run, in a file beside its record: the record itself never changes.

use std::collections::BTreeSet;

use cairn_crdt::FileEdit;
use cairn_protocol::Labels;

use super::Tagged;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::book::{Book, Shelf, read_tags, write_tags};
use crate::runs::record::check_key;
use crate::runs::{Problem, RUNS_BRANCH, descent, file};
use crate::verbs::Site;

/// The ending of the file with what is said of a run.
const TAGS_ENDING: &str = ".tags.json";

/// Says a word of a run, or takes it back.
pub(super) fn tag(
    owner: &mut Owner,
    site: &Site,
    word: &str,
    tag: &str,
    remove: bool,
) -> Result<Tagged, NodeError> {
    check_key(tag).map_err(|_| NodeError::Usage(format!("a run cannot be tagged {tag:?}")))?;
    let run = Book::of_site(owner, site)?.find(word)?.clone();
    if run.local {
        return Err(Problem::LocalRun(run.id).into());
    }
    let bytes = Shelf::open(owner, site.place)?.bytes(owner, &run.id, TAGS_ENDING)?.unwrap_or_default();
    let mut tags: BTreeSet<String> = read_tags(&bytes).into_iter().collect();
    match remove {
        true => tags.remove(tag),
        false => tags.insert(tag.to_owned()),
    };
    let (path, bytes) = (file(&run.id, TAGS_ENDING)?, write_tags(&tags));
    let edit = FileEdit::Write { path, bytes: bytes.into(), executable: false };
    let base = site.place.branch(owner, RUNS_BRANCH)?;
    let draft = site.place.draft(owner, &base, &[edit])?;
    let waypoint = match draft.is_empty() {
        true => None,
        false => {
            let labels = Labels { branch: Some(RUNS_BRANCH.to_owned()), ..Labels::default() };
            let written = site.write(owner, base.clone(), draft, labels)?;
            descent::grown(owner, site.place, &base, None);
            Some(written.waypoint.to_string())
        }
    };
    Ok(Tagged { run: run.id.to_string(), tags: tags.into_iter().collect(), waypoint })
}
