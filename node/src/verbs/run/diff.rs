//! Two runs side by side: what went in, what came out, and what the code did in between.

use cairn_crdt::id::ArtifactId;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::Number;
use crate::runs::book::{Book, Run};
use crate::runs::compare::{Changed, Pair, changed, pairs};
use crate::runs::environment::Difference;
use crate::runs::record::{Item, Scalar};
use crate::verbs::artifact::shared;
use crate::verbs::{Network, Site, compare, diff};
use crate::worktree::link;

/// What `diff` answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The one run.
    pub then: String,
    /// The other.
    pub now: String,
    /// Parameters that differ.
    pub params: Vec<Changed<Scalar>>,
    /// Metrics that differ.
    pub metrics: Vec<Changed<Number>>,
    /// Facts of the environments that differ.
    pub environment: Vec<Difference>,
    /// Inputs that differ.
    pub inputs: Vec<Pair>,
    /// Outputs that differ.
    pub outputs: Vec<Pair>,
    /// What differs in the code; `null` where that cannot be told any more.
    pub code: Option<diff::Answer>,
    /// Whether the same command was run in the same folder.
    pub same_command: bool,
}

impl Compared {
    /// Whether anything but the environment differs.
    pub fn differs(&self) -> bool {
        let code = self.code.as_ref().is_none_or(|code| !code.files.is_empty());
        let lists = self.inputs.is_empty() && self.outputs.is_empty();
        !(self.params.is_empty() && self.metrics.is_empty() && lists && self.same_command && !code)
    }
}

/// Compares two runs that are named.
pub(super) fn diff(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &Site,
    then: &str,
    now: &str,
) -> Result<Compared, NodeError> {
    let book = Book::of_site(owner, site)?;
    between(owner, network, site, book.find(then)?, book.find(now)?)
}

/// Compares two runs.
pub(in crate::verbs) fn between(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &Site,
    one: &Run,
    other: &Run,
) -> Result<Compared, NodeError> {
    let (then, now) = (&one.record, &other.record);
    let code = |digits: &[String]| {
        link::frontier(digits).map_err(|why| NodeError::Refused(format!("the version of the code: {why}")))
    };
    let views = [code(&then.code.frontier)?, code(&now.code.frontier)?];
    let [old, new] = views.map(|frontier| site.place.view(owner, &frontier));
    let code = match (old, new) {
        (Ok(old), Ok(new)) => Some(compare::versions(owner, site.place, &old, &new, &|_| true)?),
        _ => None,
    };
    Ok(Compared {
        then: one.id.to_string(),
        now: other.id.to_string(),
        params: changed(&then.params, &now.params),
        metrics: changed(&then.metrics, &now.metrics),
        environment: then.environment.differences(&now.environment),
        inputs: differing(owner, network, site, (&then.inputs, &now.inputs))?,
        outputs: differing(owner, network, site, (&then.outputs, &now.outputs))?,
        code,
        same_command: then.command == now.command && then.cwd == now.cwd,
    })
}

/// The files that differ, each with the share of bytes that both have.
fn differing(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &Site,
    (then, now): (&[Item], &[Item]),
) -> Result<Vec<Pair>, NodeError> {
    let mut pairs = pairs(then, now);
    pairs.retain(|pair| !pair.same);
    for pair in &mut pairs {
        let artifact = |item: &Option<Item>| ArtifactId::from_hex(item.as_ref()?.artifact.as_deref()?);
        if let (Some(then), Some(now)) = (artifact(&pair.then), artifact(&pair.now)) {
            let shared = shared(owner, site, network, then, now)?.filter(|shared| shared.bytes_now > 0);
            pair.shared = shared.map(|shared| shared.bytes as f64 / shared.bytes_now as f64);
        }
    }
    Ok(pairs)
}
