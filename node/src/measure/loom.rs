//! Many runs that made artifacts of one another, recorded as `run` records them, without anybody having run anything.
//!
//! The bytes of the artifacts are elsewhere, as they are where somebody else ran all this. Each run is a waypoint of its own; each
//! is drafted on the first one, since it touches nothing that another one wrote, and stands on the one before.

use std::path::Path;

use cairn_crdt::Frontier;
use cairn_crdt::id::{ArtifactId, derive};
use cairn_protocol::Labels;

use crate::error::NodeError;
use crate::home::Home;
use crate::owner::Owner;
use crate::runs::record::{Code, Item, RECORD_LEVEL, Record, RunId, hash};
use crate::runs::{Problem, RUNS_BRANCH};
use crate::verbs::run::files;
use crate::verbs::{Here, Site};

/// How many runs are signed together.
const TOGETHER: usize = 100;

/// What a run read and wrote, by the numbers of the artifacts.
#[derive(Debug, Clone, Default)]
pub struct Woven {
    /// What it read.
    pub inputs: Vec<usize>,
    /// What it wrote.
    pub outputs: Vec<usize>,
}

/// Records runs in the project of a worktree.
pub fn weave(
    home: &Path,
    tree: &Path,
    path: &dyn Fn(usize) -> String,
    runs: &[Woven],
) -> Result<(), NodeError> {
    let mut owner = Owner::open(Home::open(home)?)?;
    let site = Site::open(&owner, &Here { dir: tree.to_owned(), key: None })?;
    let place = site.place;
    let (mut first, mut newest) = (None, Frontier::empty());
    for (number, together) in runs.chunks(TOGETHER).enumerate() {
        let mut stack = owner.stack(place, None)?;
        for (at, run) in together.iter().enumerate() {
            let (id, record) = recorded(number * TOGETHER + at, path, run)?;
            let bytes = record.bytes().map_err(Problem::from)?;
            let edits = files(&id, &record, vec![(".json", bytes)])?;
            let draft = place.draft(&mut owner, first.as_ref().unwrap_or(&newest), &edits)?;
            let labels = Labels { branch: Some(RUNS_BRANCH.to_owned()), ..Labels::default() };
            newest = Frontier::from_iter([owner.lay(place.repo, &mut stack, &newest, &draft, &labels)?]);
            first.get_or_insert_with(|| newest.clone());
        }
        owner.seal(place.repo, stack, None)?;
    }
    owner.close()
}

fn recorded(
    number: usize,
    path: &dyn Fn(usize) -> String,
    run: &Woven,
) -> Result<(RunId, Record), NodeError> {
    let items = |numbers: &[usize]| numbers.iter().map(|number| item(*number, path)).collect();
    let code = Code { branch: "main".to_owned(), root: hash(b"code"), ..Code::default() };
    let record = Record {
        level: RECORD_LEVEL,
        command: vec!["work".to_owned(), number.to_string()],
        code,
        started_ms: number as u64 * 1000,
        name: Some(format!("run {number}")),
        inputs: items(&run.inputs),
        outputs: items(&run.outputs),
        ..Record::default()
    };
    let bytes = record.bytes().map_err(Problem::from)?;
    Ok((RunId::of(&bytes), record))
}

fn item(number: usize, path: &dyn Fn(usize) -> String) -> Item {
    let artifact = ArtifactId(derive("cairn bench artifact", &[&number.to_le_bytes()]));
    let content = hash(&number.to_le_bytes());
    Item { artifact: Some(artifact.to_string()), bytes: 8, content, declared: true, path: path(number) }
}
