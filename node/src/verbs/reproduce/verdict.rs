//! What came of running it again, beside what came of it then.

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::Number;
use crate::runs::begun::{Begun, Place};
use crate::runs::compare::{Changed, Pair, changed, pairs};
use crate::runs::found;
use crate::runs::record::{Exit, Item};
use crate::verbs::{Site, run};

/// What `compare` answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The run.
    pub run: String,
    /// Whether it was reproduced: the command ended as then, every output that counts holds the same bytes, and every metric is the
    /// same number. Declared outputs count; where none was declared, all that were found.
    pub same: bool,
    /// How the command ended then.
    pub exit_then: Exit,
    /// How it ended now.
    pub exit_now: Exit,
    /// How long it took then, in milliseconds.
    pub wall_then_ms: u64,
    /// How long it took now.
    pub wall_now_ms: u64,
    /// The outputs that count.
    pub outputs: Vec<Pair>,
    /// Those that do not count and differ.
    pub others: Vec<Pair>,
    /// The metrics that differ.
    pub metrics: Vec<Changed<Number>>,
    /// How many metrics are the same.
    pub metrics_same: u64,
}

/// Compares.
pub(super) fn verdict(owner: &mut Owner, site: &mut Site, token: &str) -> Result<Verdict, NodeError> {
    let place = Place::of(site.root(), token)?;
    let (begun, (ran, _)) = (place.begun()?, place.ended()?);
    let then = &begun.record;
    let mut now = run::outputs(owner, None, site, then)?;
    written(site, &begun, &mut now)?;
    let (metrics, _) = run::told(site, then, &ran, &begun.before)?;
    let is_declared = |items: &[Item]| items.iter().any(|item| item.declared);
    let all = !is_declared(&then.outputs);
    let counts = |pair: &Pair| all || pair.then.iter().chain(&pair.now).any(|item| item.declared);
    let (outputs, mut others): (Vec<_>, Vec<_>) = pairs(&then.outputs, &now).into_iter().partition(counts);
    others.retain(|pair| !pair.same);
    let changed = changed(&then.metrics, &metrics);
    let ended = (then.exit.code, then.exit.signal) == (ran.exit.code, ran.exit.signal);
    let id = begun
        .again
        .as_ref()
        .ok_or_else(|| NodeError::Usage("this is a new run: it is recorded".to_owned()))?;
    place.remove()?;
    Ok(Verdict {
        run: id.to_string(),
        same: ended && changed.is_empty() && outputs.iter().all(|pair| pair.same),
        exit_then: then.exit,
        exit_now: ran.exit,
        wall_then_ms: then.wall_ms,
        wall_now_ms: ran.wall_ms,
        outputs,
        others,
        metrics_same: metrics.iter().filter(|(name, value)| then.metrics.get(*name) == Some(value)).count()
            as u64,
        metrics: changed,
    })
}

/// Leaves out what was not written: it lay there before, and is as it was.
fn written(site: &mut Site, begun: &Begun, now: &mut Vec<Item>) -> Result<(), NodeError> {
    let mut kept = Vec::new();
    for item in now.drain(..) {
        let path = super::repo_path(&item.path)?;
        let before = begun.before.get(&item.path);
        if before.is_none() || found::seen(site, &path)?.as_ref() != before {
            kept.push(item);
        }
    }
    *now = kept;
    Ok(())
}
