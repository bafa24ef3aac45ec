//! What is done after the command was run: its outputs are looked at, and all of it is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use cairn_crdt::FileEdit;
use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;
use cairn_protocol::Labels;

use super::Recorded;
use super::begin::standing;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::begun::Seen;
use crate::runs::book::Run;
use crate::runs::descent;
use crate::runs::execute::Ran;
use crate::runs::record::{Beside, ITEMS_MAX, Item, Record, RunId, hash};
use crate::runs::{INPUTS, Number, OUTPUTS, Patterns, Problem, RUNS_BRANCH, begun, file, found, metrics};
use crate::verbs::{Network, Site};
use crate::worktree::edits::FILE_BYTES_MAX;
use crate::worktree::link;
use crate::worktree::scan::Disk;

/// The most bytes of a metrics file.
const METRICS_BYTES_MAX: u64 = 1 << 20;

/// Records a run that has ended.
pub(super) fn end(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    token: &str,
) -> Result<Recorded, NodeError> {
    let place = begun::Place::of(site.root(), token)?;
    let (begun, (ran, log)) = (place.begun()?, place.ended()?);
    if let Some(id) = begun.again {
        return Err(NodeError::Usage(format!(
            "run {id} was run again to compare it: it is not recorded anew"
        )));
    }
    let mut record = begun.record;
    record.outputs = outputs(owner, Some(network), site, &record)?;
    let missing = missing(&record)?;
    record.notes.extend(missing.into_iter().map(|pattern| format!("no output is named by {pattern}")));
    record.notes.extend(over(&mut record.outputs));
    let (told, notes) = told(site, &record, &ran, &begun.before)?;
    (record.metrics, record.exit) = (told, ran.exit);
    record.notes.extend(notes);
    (record.started_ms, record.wall_ms, record.cpu_ms) = (ran.started_ms, ran.wall_ms, ran.cpu_ms);
    let series = serde_json::to_vec(&ran.metrics.repeated())
        .map_err(|_| NodeError::Bug("a series that is no JSON"))?;
    let series = (!ran.metrics.repeated().is_empty()).then_some(series);
    record.log = (!log.is_empty()).then(|| beside(&log, ran.cut));
    record.series = series.as_deref().map(|series| beside(series, ran.metrics.cut));
    let bytes = record.bytes().map_err(Problem::from)?;
    let id = RunId::of(&bytes);
    let mut files = vec![(".json", bytes)];
    files.extend(record.log.is_some().then_some((".log", log)));
    files.extend(series.map(|series| (".series.json", series)));
    let waypoint = match begun.local {
        true => begun::keep(site.root(), &id, &files).map(|()| None)?,
        false => Some(write(owner, site, (&id, &record), files)?),
    };
    place.remove()?;
    Ok(recorded(&id, record, waypoint))
}

fn recorded(id: &RunId, record: Record, waypoint: Option<String>) -> Recorded {
    let stored = record.outputs.iter().filter(|item| item.artifact.is_some());
    Recorded {
        run: id.to_string(),
        state: record.exit.word().to_owned(),
        exit: record.exit,
        wall_ms: record.wall_ms,
        cpu_ms: record.cpu_ms,
        frontier: record.code.frontier,
        root: record.code.root,
        inputs: record.inputs.len() as u64,
        stored_bytes: stored.map(|item| item.bytes).sum(),
        outputs: record.outputs.len() as u64,
        metrics: record.metrics,
        notes: record.notes,
        local: waypoint.is_none(),
        waypoint,
    }
}

fn beside(bytes: &[u8], cut: u64) -> Beside {
    Beside { bytes: bytes.len() as u64, content: hash(bytes), cut }
}

/// What the worktree holds that patterns name as outputs, and what else differs from the code. With a network, what is declared or large
/// is kept in the artifact store.
pub(in crate::verbs) fn outputs(
    owner: &mut Owner,
    mut network: Option<&mut dyn Network>,
    site: &mut Site,
    record: &Record,
) -> Result<Vec<Item>, NodeError> {
    let patterns = Patterns::new(&record.cwd, &record.declared.outputs)?;
    let declared: BTreeSet<RepoPath> = found::find(site.root(), &patterns)?.into_iter().collect();
    let mut paths: Vec<_> = declared.iter().map(|path| (path.clone(), true)).collect();
    for (path, bytes) in changed(owner, site, record)? {
        let is_metrics = record.declared.metrics.as_deref().map(str::as_bytes) == Some(path.as_bytes());
        if !declared.contains(&path) && !is_metrics {
            paths.push((path, bytes > FILE_BYTES_MAX));
        }
    }
    // What was read and is still as it was is no output, unless it is declared as one.
    let is_input = |item: &Item| {
        record.inputs.iter().any(|input| (&input.path, &input.content) == (&item.path, &item.content))
    };
    let mut items = Vec::new();
    for (path, is_kept) in paths.into_iter().take(ITEMS_MAX + 1) {
        let item = match network.as_deref_mut() {
            Some(network) if is_kept => found::store(owner, network, site, &path)?,
            _ => found::look(site, &path)?,
        };
        let item = item.map(|item| Item { declared: declared.contains(&path), ..item });
        items.extend(item.filter(|item| item.declared || !is_input(item)));
    }
    Ok(items)
}

/// The files that are not as the code shows them, with their sizes.
fn changed(owner: &mut Owner, site: &mut Site, record: &Record) -> Result<Vec<(RepoPath, u64)>, NodeError> {
    let bad = |why| NodeError::Refused(format!("the version of the code: {why}"));
    let frontier = link::frontier(&record.code.frontier).map_err(bad)?;
    let code = standing(owner, site, &frontier)?;
    let changes = site.worktree.changes(&code, None)?;
    let file = |(path, disk): (RepoPath, Option<Disk>)| match disk {
        Some(Disk::File { bytes, .. }) => Some((path, bytes)),
        _ => None,
    };
    Ok(changes.into_iter().filter_map(|change| file((change.path, change.disk))).collect())
}

/// The patterns that name no output.
fn missing(record: &Record) -> Result<Vec<String>, NodeError> {
    let mut missing = Vec::new();
    for pattern in &record.declared.outputs {
        let one = Patterns::new(&record.cwd, std::slice::from_ref(pattern))?;
        let names = |item: &Item| RepoPath::new(item.path.as_bytes()).is_ok_and(|path| one.name(&path));
        if !record.outputs.iter().any(names) {
            missing.push(pattern.clone());
        }
    }
    Ok(missing)
}

/// Leaves out what a record has no room for, and says so.
fn over(outputs: &mut Vec<Item>) -> Option<String> {
    let over = outputs.len() > ITEMS_MAX;
    outputs.truncate(ITEMS_MAX);
    outputs.sort_by(|a, b| a.path.cmp(&b.path));
    over.then(|| format!("only {ITEMS_MAX} of the outputs are listed"))
}

/// Metrics, and what to know about them.
type Told = (BTreeMap<String, Number>, Vec<String>);

/// The metrics that were printed, and those of the file; what to know about them.
pub(in crate::verbs) fn told(
    site: &mut Site,
    record: &Record,
    ran: &Ran,
    before: &BTreeMap<String, Seen>,
) -> Result<Told, NodeError> {
    let (mut metrics, mut notes) = (ran.metrics.last.clone(), Vec::new());
    if ran.metrics.cut > 0 {
        notes.push(format!("{} values of metrics are not kept", ran.metrics.cut));
    }
    let Some(name) = &record.declared.metrics else { return Ok((metrics, notes)) };
    let (read, note) = of_file(site, name, before)?;
    metrics.extend(read);
    notes.extend(note);
    Ok((metrics, notes))
}

/// The metrics that the program wrote to a file; or why there are none.
fn of_file(
    site: &mut Site,
    name: &str,
    before: &BTreeMap<String, Seen>,
) -> Result<(BTreeMap<String, Number>, Option<String>), NodeError> {
    let path = RepoPath::new(name.as_bytes()).map_err(|_| NodeError::Bug("a metrics file without a path"))?;
    let seen = found::seen(site, &path)?;
    if seen.is_none() || seen.as_ref() == before.get(name) {
        return Ok((BTreeMap::new(), Some(format!("the run did not write {name}"))));
    }
    let mut bytes = Vec::new();
    let file = site.worktree.read(&path);
    let read = file.and_then(|file| file.take(METRICS_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| NodeError::io("read", &site.worktree.on_disk(&path), error))?;
    Ok(match metrics::of_file(&bytes) {
        Ok(read) => (read, None),
        Err(error) => (BTreeMap::new(), Some(format!("{name} tells no metrics: {error}"))),
    })
}

/// Writes the files of a run on their branch; the waypoint.
fn write(
    owner: &mut Owner,
    site: &Site,
    (id, record): (&RunId, &Record),
    beside: Vec<(&str, Vec<u8>)>,
) -> Result<String, NodeError> {
    let edits = files(id, record, beside)?;
    let content = edits.iter().find_map(|edit| match edit {
        FileEdit::Write { bytes, .. } => Some(ContentHash::of(bytes)),
        _ => None,
    });
    let base = site.place.branch(owner, RUNS_BRANCH)?;
    let draft = site.place.draft(owner, &base, &edits)?;
    let message = record.name.as_ref().map(|name| format!("run {name}"));
    let labels = Labels { branch: Some(RUNS_BRANCH.to_owned()), message, ..Labels::default() };
    let written = site.write(owner, base.clone(), draft, labels)?;
    let run = Run { id: id.clone(), record: record.clone(), local: false, tags: Vec::new() };
    descent::grown(owner, site.place, &base, content.map(|content| (&run, content)));
    Ok(written.waypoint.to_string())
}

/// The files that a run is on their branch: the record, what stands beside it, and its artifacts.
pub(crate) fn files(
    id: &RunId,
    record: &Record,
    beside: Vec<(&str, Vec<u8>)>,
) -> Result<Vec<FileEdit>, NodeError> {
    let mut edits = Vec::new();
    for (ending, bytes) in beside {
        edits.push(FileEdit::Write { path: file(id, ending)?, bytes: bytes.into(), executable: false });
    }
    for (folder, items) in [(INPUTS, &record.inputs), (OUTPUTS, &record.outputs)] {
        for item in items {
            let Some(artifact) = item.artifact.as_deref().and_then(ArtifactId::from_hex) else { continue };
            let path = file(id, &format!("/{folder}/{}", item.path))?;
            edits.push(FileEdit::Artifact { path, artifact, bytes: item.bytes, executable: false });
        }
    }
    Ok(edits)
}
