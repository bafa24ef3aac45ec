//! `artifact prove`: the chain of runs from raw data to an artifact, as one file that is checked without the repo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cairn_crdt::Contents;
use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ArtifactId, ContentHash, FeedId};
use cairn_protocol::entry::Payload;
use cairn_protocol::limits::{PROVENANCE_STEPS_COUNT_MAX, WAYPOINT_BYTES_MAX};
use cairn_protocol::provenance::{Provenance, ProvenanceFile, Step};
use cairn_protocol::replica::Holders as _;
use cairn_protocol::waypoint::Waypoint;
use serde::{Deserialize, Serialize};

use super::find;
use crate::error::NodeError;
use crate::files::replace;
use crate::owner::Owner;
use crate::runs::book::{Run, Shelf};
use crate::runs::descent::Descent;
use crate::runs::provenance::check;
use crate::runs::{Problem, RUNS_BRANCH};
use crate::verbs::Site;
use crate::{clock, runs};

/// What `artifact prove` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// The artifact.
    pub artifact: String,
    /// The file that was written.
    pub file: String,
    /// How many runs lead to it.
    pub steps: u64,
    /// How many files they read that no run made.
    pub raw: u64,
    /// How many bytes the file has.
    pub bytes: u64,
}

/// Writes the file: all of it, or nothing.
pub(super) fn prove(owner: &mut Owner, site: &Site, word: &str, out: &Path) -> Result<Proven, NodeError> {
    let descent = Descent::of_site(owner, site)?;
    let artifact = meant(owner, site, &descent, word)?;
    let (runs, raw) = chain(&descent, owner.store(site.place.repo)?, artifact)?;
    let provenance = gathered(owner, site, artifact, (&runs, raw))?;
    let key = site.own_key();
    let signed = provenance.sign(key.as_ref().unwrap_or(owner.key())).map_err(NodeError::Rejected)?;
    let checked = check(signed.signed());
    if let Some(problem) = checked.problems.first() {
        let why = format!("what proves it does not hold: {}: {}", problem.place, problem.detail);
        return Err(NodeError::Refused(why));
    }
    let bytes = ProvenanceFile(signed.into_signed()).to_bytes();
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let temporary = out.with_file_name(format!(".{name}.new"));
    replace(&**owner.home().files(), &temporary, out, &bytes)
        .map_err(|error| NodeError::io("write", out, error))?;
    Ok(Proven {
        artifact: artifact.to_string(),
        file: out.display().to_string(),
        steps: checked.steps.len() as u64,
        raw: checked.raw.len() as u64,
        bytes: bytes.len() as u64,
    })
}

/// The artifact that a word means: an output of a run by its path or hash, or else any artifact.
fn meant(owner: &mut Owner, site: &Site, descent: &Descent, word: &str) -> Result<ArtifactId, NodeError> {
    let found = descent.outputs(owner.store(site.place.repo)?, word)?;
    match found.iter().collect::<Vec<_>>().as_slice() {
        [] => find(owner, site, word),
        [one] => Ok(**one),
        many => {
            let candidates = many.iter().map(|artifact| artifact.to_string()).collect();
            Err(NodeError::Ambiguous { name: word.to_owned(), candidates })
        }
    }
}

/// The runs that led to an artifact, in order, and what they read that no run made. Of several runs that made the same bytes it is the
/// last one before those were read: so nothing goes in a circle.
fn chain(
    descent: &Descent,
    contents: &dyn Contents,
    artifact: ArtifactId,
) -> Result<(Vec<Run>, BTreeSet<ContentHash>), NodeError> {
    let (mut open, mut steps) = (vec![last(descent, contents, artifact)?], BTreeMap::new());
    let mut raw = BTreeSet::new();
    while let Some(run) = open.pop() {
        let at = (run.record.started_ms, run.id.clone());
        if steps.contains_key(&at) {
            continue;
        }
        if run.local {
            return Err(Problem::LocalRun(run.id).into());
        }
        for item in &run.record.inputs {
            let before = descent.makers_before(&item.content, &run)?;
            let shared = before.iter().find(|maker| !descent.is_local(maker));
            match shared.or(before.first()).map(|maker| descent.run(contents, maker)).transpose()?.flatten() {
                Some(maker) => open.push(maker),
                None => raw.extend(ContentHash::from_hex(&item.content)),
            }
        }
        steps.insert(at, run);
        if steps.len() > PROVENANCE_STEPS_COUNT_MAX {
            return Err(NodeError::Refused(format!(
                "more than {PROVENANCE_STEPS_COUNT_MAX} runs lead to it"
            )));
        }
    }
    Ok((steps.into_values().collect(), raw))
}

/// The last run that made an artifact; one that is shared, if any is.
fn last(descent: &Descent, contents: &dyn Contents, artifact: ArtifactId) -> Result<Run, NodeError> {
    let digits = artifact.to_string();
    let mut found: Vec<Run> = Vec::new();
    for name in descent.contents_of(artifact)? {
        for maker in descent.makers(&name.id, usize::MAX)? {
            let run = descent.run(contents, &maker)?;
            let made =
                |run: &Run| run.record.outputs.iter().any(|item| item.artifact.as_ref() == Some(&digits));
            found.extend(run.filter(made));
        }
    }
    let last = found.into_iter().max_by_key(|run| (!run.local, run.record.started_ms, run.id.clone()));
    last.ok_or(NodeError::NotFound { what: "run that made an artifact", name: digits })
}

/// What proves the runs: waypoints, tops, rights.
fn gathered(
    owner: &mut Owner,
    site: &Site,
    artifact: ArtifactId,
    (runs, raw): (&[Run], BTreeSet<ContentHash>),
) -> Result<Provenance, NodeError> {
    let place = site.place;
    let shelf = Shelf::open(owner, place)?;
    let (mut tops, mut steps, mut rights) = (Vec::new(), Vec::new(), Vec::new());
    let (mut places, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for run in runs {
        let (feed, waypoint) = written(owner, site, &shelf, run)?;
        let header = waypoint.header();
        let replica = owner.replica(place.repo)?;
        let (top, proof) = replica.vouch(place.project, feed, header.seq).ok_or_else(|| unproven(run))?;
        let at = *places.entry(feed).or_insert_with(|| {
            tops.push(top);
            tops.len() - 1
        });
        if seen.insert(header.feed.key) {
            for record in replica.grants().evidence(&header.feed.key) {
                if !rights.contains(&record) {
                    rights.push(record);
                }
            }
        }
        let top = u32::try_from(at).map_err(|_| NodeError::Bug("more tops than steps"))?;
        steps.push(Step { top, proof, waypoint });
    }
    let replica = owner.replica(place.repo)?;
    let project = replica.projects().find(|(id, _)| *id == place.project);
    Ok(Provenance {
        founding: replica.founding().signed().clone(),
        project: project
            .map(|(_, name)| name.to_owned())
            .ok_or(NodeError::Bug("a place without a project"))?,
        artifact,
        rights,
        tops,
        steps,
        raw: raw.into_iter().collect(),
        gathered_ms: clock::now_ms(),
        key: site.key(owner),
    })
}

fn unproven(run: &Run) -> NodeError {
    NodeError::Refused(format!("nothing that is held here proves where the record of run {} lies", run.id))
}

/// The waypoint that holds the record of a run, without what the record does not need, and its feed.
fn written(
    owner: &mut Owner,
    site: &Site,
    shelf: &Shelf,
    run: &Run,
) -> Result<(FeedId, Waypoint), NodeError> {
    let bytes = shelf.bytes(owner, &run.id, ".json")?.ok_or_else(|| unproven(run))?;
    let content = ContentHash::of(&bytes);
    if let Some((feed, place)) = owner.store(site.place.repo)?.holder(content)
        && let Some(waypoint) = lean(owner, site, (feed, place), content)?
    {
        return Ok((feed, waypoint));
    }
    // The same bytes lie somewhere else as well: the history of the file says where it got them.
    for id in shelf.writers(owner, &runs::file(&run.id, ".json")?, content)? {
        let Some(entry) = owner.replica(site.place.repo)?.entry(site.place.project, id) else { continue };
        if let Some(waypoint) = lean(owner, site, (entry.feed, entry.seq - 1), content)? {
            return Ok((entry.feed, waypoint));
        }
    }
    Err(unproven(run))
}

/// A waypoint with no other content than this one; `None` where it is not on the branch of runs, or does not hold it.
fn lean(
    owner: &Owner,
    site: &Site,
    (feed, place): (FeedId, u64),
    content: ContentHash,
) -> Result<Option<Waypoint>, NodeError> {
    let store = owner.store(site.place.repo)?;
    let pieces = store.pieces(site.place.project, feed, place, place + 1, WAYPOINT_BYTES_MAX as u64)?;
    let Some(Ok(waypoint)) = pieces.first().map(|bytes| Waypoint::from_bytes(bytes)) else { return Ok(None) };
    let mut is_found = false;
    let lean = waypoint.without(|_, entry| match entry.content() {
        Some((found, _)) if found == content => std::mem::replace(&mut is_found, true),
        Some(_) => true,
        None => !matches!(entry.payload(), Ok(Payload::Branch(_) | Payload::Profile(_))),
    });
    let is_run = lean
        .payloads()
        .map_err(NodeError::Rejected)?
        .iter()
        .any(|payload| matches!(payload, Payload::Branch(name) if name == RUNS_BRANCH));
    Ok(Some(lean).filter(|_| is_found && is_run))
}
