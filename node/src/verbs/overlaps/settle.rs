//! Settling one overlap: by taking an alternative, or by a text that someone or some program gives.
//!
//! What is settled is named by what met, not by its number: a list is read, a program thinks
//! for minutes, and meanwhile other edits come in. If it is still there, it is the same one; if it is
//! not, nothing is written.

use cairn_crdt::{Draft, FileBody, FileEdit, Frontier, Overlap as Met, OverlapKind, View};
use cairn_protocol::Labels;
use serde::{Deserialize, Serialize};

use super::tell::{self, Overlap};
use super::{Answer, Args, list};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::site::{Posting, Target};
use crate::verbs::{Network, Site};
use crate::worktree::Stand;
use crate::worktree::link::digits;

/// How an overlap is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// By this alternative; 0 is the one that is shown.
    Take(usize),
    /// By this text in the place of what is shown.
    Text(String),
}

/// Settles the overlap that `wanted` tells of, on top of whatever the worktree shows by now.
pub(super) fn settle(
    owner: &mut Owner,
    args: &Args,
    wanted: &Overlap,
    settlement: &Settlement,
    message: Option<&str>,
    network: &mut dyn Network,
) -> Result<Answer, NodeError> {
    let mut site = Site::open(owner, &args.here)?;
    site.finish(owner, network)?;
    site.post(owner, network, &Posting::default())?;
    let gone = || NodeError::NotFound { what: "overlap, as it was told,", name: spell(wanted) };
    let before = find(owner, &site, wanted)?;
    let draft = draft(owner, &site, *before.first().ok_or_else(gone)?, settlement)?;
    let mut waypoint = write(owner, &mut site, draft, message, network)?;
    let after = find(owner, &site, wanted)?;
    if let Some(index) = after.first().filter(|_| after.len() == before.len()) {
        // The text was written beside what met, not onto it: what is shown now is what was asked for.
        let draft = draft_of(owner, &site, *index, &Settlement::Take(0))?;
        waypoint = write(owner, &mut site, draft, message, network)?;
    }
    let frontier = digits(site.frontier());
    let rest = list(owner, &Args { here: args.here.clone(), ..Args::default() }, None)?;
    Ok(Answer { waypoint: Some(waypoint), frontier, ..rest })
}

/// An overlap as one word.
fn spell(overlap: &Overlap) -> String {
    let symbol = overlap.symbol.iter().map(|symbol| format!("#{symbol}")).collect::<String>();
    format!("{}{symbol}", overlap.path)
}

/// The numbers of the overlaps that say the same now, the one on the same line first.
fn find(owner: &mut Owner, site: &Site, wanted: &Overlap) -> Result<Vec<usize>, NodeError> {
    let view = site.view(owner)?;
    let all = tell::overlaps(owner, site.place, &view, |_, _| true)?;
    let same = |other: &&Overlap| {
        let place = (&other.kind, &other.path, &other.symbol) == (&wanted.kind, &wanted.path, &wanted.symbol);
        place && other.alternatives == wanted.alternatives
    };
    let mut same: Vec<_> = all.iter().filter(same).collect();
    same.sort_by_key(|other| other.line != wanted.line);
    Ok(same.into_iter().map(|other| other.index).collect())
}

/// What to write to settle an overlap; an error where it would settle nothing.
fn draft(owner: &mut Owner, site: &Site, index: usize, settlement: &Settlement) -> Result<Draft, NodeError> {
    let draft = draft_of(owner, site, index, settlement)?;
    let soft = site.view(owner)?.overlaps.get(index).is_some_and(|met| met.kind.is_soft());
    // Where nothing is hidden, to have seen both sides is all that there is to say.
    if draft.is_empty() && !soft {
        let why = "this place is settled by editing the file and posting it; nothing was written";
        return Err(NodeError::Usage(why.to_owned()));
    }
    Ok(draft)
}

fn draft_of(
    owner: &mut Owner,
    site: &Site,
    index: usize,
    settlement: &Settlement,
) -> Result<Draft, NodeError> {
    let view = site.view(owner)?;
    let missing = || NodeError::NotFound { what: "overlap", name: index.to_string() };
    let met = view.overlaps.get(index).ok_or_else(missing)?;
    match settlement {
        Settlement::Text(text) => {
            let draft = text_draft(owner, site, &view, met, text.as_bytes())?;
            if draft.is_empty() { draft_of(owner, site, index, &Settlement::Take(0)) } else { Ok(draft) }
        }
        Settlement::Take(_) if met.kind.is_soft() => Ok(Draft::default()),
        Settlement::Take(alternative) => {
            let draft = take(owner, site, index, *alternative)?;
            let side = met.alternatives.get(*alternative).filter(|_| draft.is_empty() && is_text(met.kind));
            match side {
                Some(side) => text_draft(owner, site, &view, met, &side.bytes),
                None => Ok(draft),
            }
        }
    }
}

fn take(owner: &mut Owner, site: &Site, index: usize, alternative: usize) -> Result<Draft, NodeError> {
    let base = site.frontier().clone();
    let (replica, store) = owner.with(site.place.repo)?;
    let documents =
        replica.documents_mut(site.place.project).ok_or(NodeError::Bug("a site without documents"))?;
    Ok(documents.take(&base, index, alternative, store)?)
}

/// The file with `text` where the overlap lies.
fn text_draft(
    owner: &mut Owner,
    site: &Site,
    view: &View,
    met: &Met,
    text: &[u8],
) -> Result<Draft, NodeError> {
    let file = view.files.get(&met.path).filter(|_| is_text(met.kind));
    let Some((file, FileBody::Bytes { .. })) = file.map(|file| (file, &file.body)) else {
        let why = "this place holds no text: it is settled by taking an alternative";
        return Err(NodeError::Usage(why.to_owned()));
    };
    let shown = site.place.bytes(owner, view, &met.path)?;
    let (start, end) = met.range.unwrap_or((0, shown.len()));
    let parts = [shown.get(..start), Some(text), shown.get(end..)];
    let bytes: Option<Vec<&[u8]>> = parts.into_iter().collect();
    let bytes = bytes.ok_or(NodeError::Bug("an overlap lies outside of its file"))?.concat();
    let edit = FileEdit::Write { path: met.path.clone(), bytes: bytes.into(), executable: file.executable };
    site.place.draft(owner, site.frontier(), &[edit])
}

/// Whether the alternatives are texts, and not names, places or bits.
fn is_text(kind: OverlapKind) -> bool {
    !matches!(kind, OverlapKind::Move | OverlapKind::Cycle | OverlapKind::NameCollision | OverlapKind::Mode)
}

/// Writes a draft on top of the version stood on, and shows it.
fn write(
    owner: &mut Owner,
    site: &mut Site,
    draft: Draft,
    message: Option<&str>,
    network: &mut dyn Network,
) -> Result<String, NodeError> {
    let message = message.map(str::to_owned);
    let labels = Labels { branch: Some(site.branch().to_owned()), message, ..Labels::default() };
    let written = site.write(owner, site.frontier().clone(), draft, labels)?;
    let target = Frontier::from_iter([written.waypoint]);
    let to = Stand { frontier: target.clone(), branch: site.branch().to_owned() };
    site.note("settle", to, Some(written.waypoint));
    site.move_to(owner, network, Target::merging(target))?;
    Ok(written.waypoint.to_string())
}

/// Settles the overlap of this number by one of its alternatives.
pub(super) fn take_number(
    owner: &mut Owner,
    args: &Args,
    index: usize,
    alternative: usize,
    network: &mut dyn Network,
) -> Result<Answer, NodeError> {
    let listed = list(owner, args, Some(index))?;
    let missing = || NodeError::NotFound { what: "overlap", name: index.to_string() };
    let wanted = listed.overlaps.first().ok_or_else(missing)?;
    if alternative >= wanted.alternatives.len() {
        return Err(NodeError::NotFound { what: "alternative", name: alternative.to_string() });
    }
    let message = format!("take {alternative} in {}", spell(wanted));
    settle(owner, args, wanted, &Settlement::Take(alternative), Some(&message), network)
}
