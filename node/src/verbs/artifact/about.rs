//! What is known of an artifact beside its bytes: its chunks, its names, the runs that made or read it, and where it came from.

use std::collections::BTreeSet;

use cairn_crdt::id::{ArtifactId, ContentHash};
use serde::{Deserialize, Serialize};

use super::{Item, find, names};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::Problem;
use crate::runs::book::{Book, Run};
use crate::runs::descent::Descent;
use crate::runs::filter::{Cell, Columns, FilterError};
use crate::runs::lineage::{Graph, Kind, Name, Way};
use crate::uri::path_text;
use crate::verbs::{Network, Site};

/// The columns of an artifact; those of the run that made it come with them.
const COLUMNS: [&str; 12] = [
    "artifact",
    "bytes",
    "exit",
    "held",
    "metrics.NAME",
    "name",
    "params.NAME",
    "run",
    "seconds",
    "started",
    "state",
    "version",
];

/// What `artifact show` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Its hash.
    pub artifact: String,
    /// How many bytes it has; `null` where no name and no chunk is here.
    pub bytes: Option<u64>,
    /// How many chunks; `null` where not all of them are here.
    pub chunks: Option<u64>,
    /// What it is called.
    pub names: Vec<String>,
    /// The BLAKE3 hash of all its bytes, if a run says so.
    pub content: Option<String>,
    /// The runs that wrote it.
    pub made_by: Vec<String>,
    /// The runs that read it.
    pub read_by: Vec<String>,
}

/// What `artifact lineage` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traced {
    /// The nodes, and which led to which.
    pub graph: Graph,
}

/// An artifact, and the run that made it.
pub(super) struct Made<'a> {
    pub(super) item: &'a Item,
    pub(super) run: Option<&'a Run>,
}

impl Columns for Made<'_> {
    fn cell(&self, column: &str) -> Result<Option<Cell>, FilterError> {
        let Item { artifact, name, bytes, held, version, .. } = self.item;
        Ok(Some(match column {
            "artifact" => Cell::Text(artifact.clone()),
            "name" => Cell::Text(name.clone()),
            "bytes" => Cell::Number(*bytes as f64),
            "held" => Cell::Flag(*held),
            "version" => return Ok(version.map(|version| Cell::Number(version as f64))),
            other => {
                let of_run = ["metrics.", "params."].iter().any(|prefix| other.starts_with(prefix));
                if !of_run && !COLUMNS.contains(&other) {
                    return Err(FilterError::Column { name: other.to_owned(), columns: &COLUMNS });
                }
                return self.run.map_or(Ok(None), |run| run.cell(other));
            }
        }))
    }
}

/// The run that made an artifact; the last one, where several did.
pub(super) fn maker<'a>(book: &'a Book, artifact: &str) -> Option<&'a Run> {
    let made = |run: &&Run| run.record.outputs.iter().any(|item| item.artifact.as_deref() == Some(artifact));
    book.runs.iter().rev().find(made)
}

/// What is known of it.
pub(super) fn show(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    word: &str,
) -> Result<Shown, NodeError> {
    let artifact = find(owner, site, word)?;
    let manifest = network.whole_artifact(owner, site.place.repo, artifact)?;
    let names = names(owner, site)?;
    let called = names.iter().filter(|(_, (known, _))| *known == artifact);
    let book = Book::of_site(owner, site)?;
    let digits = artifact.to_string();
    let mut shown = Shown {
        bytes: manifest.as_ref().map(|manifest| manifest.bytes),
        chunks: manifest.map(|manifest| manifest.chunks.len() as u64),
        ..Shown::default()
    };
    for (path, (_, bytes)) in called {
        shown.names.push(path_text(path));
        shown.bytes = shown.bytes.or(Some(*bytes));
    }
    for run in &book.runs {
        let lists = [(&run.record.outputs, &mut shown.made_by), (&run.record.inputs, &mut shown.read_by)];
        for (items, told) in lists {
            if let Some(item) = items.iter().find(|item| item.artifact.as_deref() == Some(&digits)) {
                told.push(run.id.to_string());
                shown.content = Some(item.content.clone());
            }
        }
    }
    Ok(Shown { artifact: digits, ..shown })
}

/// Where an artifact, a file or a run came from, and what became of it.
pub(super) fn lineage(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    word: &str,
    how: (Way, Option<usize>),
) -> Result<Traced, NodeError> {
    let descent = Descent::of_site(owner, site)?;
    let mut starts = descent.find(word)?;
    if starts.is_empty() {
        let artifact = find(owner, site, word).map_err(|error| match error {
            NodeError::NotFound { name, .. } => {
                NodeError::NotFound { what: "run, artifact or file of a run", name }
            }
            error => error,
        })?;
        starts = contents_of(owner, site, network, &descent, artifact)?;
    }
    let store = owner.store(site.place.repo)?;
    Ok(Traced { graph: Graph::around(&descent, store, &starts, how)? })
}

/// The contents that runs know an artifact by. One that was added by itself is another one than what a run kept of the same bytes, since
/// each bears its name: so its bytes are hashed, where a run knows any of that size.
pub(super) fn contents_of(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    descent: &Descent,
    artifact: ArtifactId,
) -> Result<BTreeSet<Name>, NodeError> {
    let known: BTreeSet<Name> = descent.contents_of(artifact)?.into_iter().collect();
    if !known.is_empty() {
        return Ok(known);
    }
    let Some(manifest) = network.whole_artifact(owner, site.place.repo, artifact)? else {
        return Ok(known);
    };
    if !descent.knows_size(manifest.bytes)? {
        return Ok(known);
    }
    let mut hasher = blake3::Hasher::new();
    for chunk in &manifest.chunks {
        hasher.update(&network.read_chunk(owner, chunk)?);
    }
    let content = ContentHash(*hasher.finalize().as_bytes());
    Ok(descent.knows(&content)?.then(|| Name::new(Kind::Data, &content)).into_iter().collect())
}

/// Those that an expression means.
pub(super) fn meant(
    owner: &mut Owner,
    site: &Site,
    items: Vec<Item>,
    expression: &str,
) -> Result<Vec<Item>, NodeError> {
    let filter = crate::runs::filter::Filter::parse(expression).map_err(Problem::from)?;
    let book = Book::of_site(owner, site)?;
    let mut kept = Vec::new();
    for item in items {
        let made = Made { item: &item, run: maker(&book, &item.artifact) };
        if filter.passes(&made).map_err(Problem::from)? {
            kept.push(item);
        }
    }
    Ok(kept)
}
