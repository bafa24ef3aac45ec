//! Runs as people look at them: a list, or one of them.

use super::{Listed, Row, Shown, Unended};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::book::{Book, Run, Shelf};
use crate::runs::filter::Filter;
use crate::runs::metrics::read_series;
use crate::runs::record::{Beside, hash};
use crate::runs::{Problem, begun};
use crate::verbs::Site;

/// The runs that a filter lets through, the newest first.
pub(super) fn list(owner: &mut Owner, site: &Site, filter: Option<&str>) -> Result<Listed, NodeError> {
    let filter =
        filter.map(Filter::parse).transpose().map_err(|error| NodeError::Usage(error.to_string()))?;
    let book = Book::of_site(owner, site)?;
    let mut runs = Vec::new();
    for run in book.runs.iter().rev() {
        let passes = filter.as_ref().map_or(Ok(true), |filter| filter.passes(run));
        if passes.map_err(Problem::from)? {
            runs.push(Row::of(run));
        }
    }
    let begun = begun::Place::all(site.root())?.into_iter().filter_map(|(_, begun)| begun);
    let begun = begun.map(|begun| Unended {
        begun_ms: begun.begun_ms,
        pid: begun.is_alive().then_some(begun.pid),
        name: begun.record.name,
        command: begun.record.command,
    });
    Ok(Listed { runs, begun: begun.collect(), strays: book.strays })
}

/// One run, with its series and its log where they are what the record names.
pub(super) fn show(owner: &mut Owner, site: &Site, word: &str) -> Result<Shown, NodeError> {
    let book = Book::of_site(owner, site)?;
    let run = book.find(word)?;
    let mut shown = Shown {
        run: run.id.to_string(),
        local: run.local,
        tags: run.tags.clone(),
        record: run.record.clone(),
        ..Shown::default()
    };
    if let Some(named) = &run.record.series
        && let Some(bytes) = beside(owner, site, run, ".series.json", named)?
    {
        shown.series = read_series(&bytes).unwrap_or_default();
    }
    if let Some(named) = &run.record.log {
        let log = beside(owner, site, run, ".log", named)?;
        shown.log = log.map(|log| String::from_utf8_lossy(&log).into_owned());
    }
    Ok(shown)
}

/// A file beside a record, if it is the one that the record names.
fn beside(
    owner: &mut Owner,
    site: &Site,
    run: &Run,
    ending: &str,
    named: &Beside,
) -> Result<Option<Vec<u8>>, NodeError> {
    let bytes = match run.local {
        true => Some(begun::kept_bytes(site.root(), &run.id, ending)?),
        false => Shelf::open(owner, site.place)?.bytes(owner, &run.id, ending)?,
    };
    Ok(bytes.filter(|bytes| hash(bytes) == named.content))
}
