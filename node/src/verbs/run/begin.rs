//! What is done before the command is run: the code becomes a version, and the inputs are looked at.

use std::collections::BTreeMap;

use cairn_crdt::Frontier;
use cairn_crdt::path::RepoPath;

use super::{Begin, Begun, bring};
use crate::clock;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::environment::{is_secret, locks};
use crate::runs::record::{
    Code, Declared, ITEMS_MAX, Item, NAME_CHARS_MAX, RECORD_LEVEL, Record, RecordError, Scalar, check_key,
};
use crate::runs::{Patterns, Problem, begun, found};
use crate::verbs::site::Posting;
use crate::verbs::{Network, Site};
use crate::worktree::Footing;
use crate::worktree::footing::Standing;
use crate::worktree::link::digits;

/// The variable in which a command finds its parameters, as a JSON object.
pub(crate) const PARAMS_VARIABLE: &str = "CAIRN_PARAMS";

/// Pins the code, looks at the inputs, and writes down that the run has begun.
pub(super) fn begin(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    args: &Begin,
) -> Result<Begun, NodeError> {
    let mut record = asked(site, args)?;
    let inputs = Patterns::new(&record.cwd, &args.inputs)?;
    let outputs = Patterns::new(&record.cwd, &args.outputs)?;
    let metrics = record.declared.metrics.as_deref().map(path).transpose()?;
    site.finish(owner, network)?;
    let may_write =
        owner.replica(site.place.repo)?.may_write(&site.key(owner), site.place.project, clock::now_ms());
    let local = args.local || !may_write;
    let message = message(args);
    let posting = Posting { message: Some(&message), local, ..Posting::default() };
    // What a run writes is none of its code, unless it reads it as well.
    let brought = bring::bring(owner, network, site, &args.artifacts)?;
    let leave = |path: &RepoPath| {
        let is_written = outputs.name(path) || metrics.as_ref() == Some(path);
        is_written && !inputs.name(path) || brought.contains_key(path)
    };
    let (frontier, is_local) = site.pin(owner, network, &posting, &leave)?;
    let standing = standing(owner, site, &frontier)?;
    let branch = site.branch().to_owned();
    record.code = Code {
        branch,
        frontier: digits(&frontier),
        root: standing.summary.root.to_string(),
        local: is_local,
    };
    let read = read(owner, network, site, &standing, (&inputs, args))?;
    let is_brought = |item: &Item| brought.values().any(|brought| brought.path == item.path);
    record.inputs = read.into_iter().filter(|item| !is_brought(item)).collect();
    record.inputs.extend(brought.values().cloned());
    record.inputs.sort_by(|a, b| a.path.cmp(&b.path));
    let mut begun = begun::Begun::by(args.pid, record, local);
    if let Some(path) = metrics {
        begun.before.extend(found::seen(site, &path)?.map(|seen| (path.to_string(), seen)));
    }
    let variables = variables(&begun.record.params)?;
    let place = begun::Place::begin(site.root(), &begun)?;
    let root = site.root().display().to_string();
    Ok(Begun { token: place.token().to_owned(), root, variables, local })
}

/// What was asked, as the beginning of a record.
fn asked(site: &Site, args: &Begin) -> Result<Record, NodeError> {
    let usage = |error: &dyn std::fmt::Display| NodeError::Usage(error.to_string());
    let mut params = BTreeMap::new();
    for word in &args.params {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| NodeError::Usage(format!("the parameter {word:?} is not name=value")))?;
        check_key(name).map_err(|error| usage(&error))?;
        if is_secret(name) {
            return Err(Problem::Secret(format!("the parameter {name}")).into());
        }
        if params.insert(name.to_owned(), Scalar::parse(value)).is_some() {
            return Err(NodeError::Usage(format!("the parameter {name} is given twice")));
        }
    }
    let name = args.name.clone();
    let is_plain = |name: &String| {
        !name.trim().is_empty()
            && name.chars().count() <= NAME_CHARS_MAX
            && !name.chars().any(char::is_control)
    };
    if let Some(name) = name.as_ref().filter(|name| !is_plain(name)) {
        return Err(NodeError::Usage(format!("a run cannot be called {name:?}")));
    }
    let metrics = args.metrics.as_deref().map(|word| {
        let path =
            site.path(word)?.ok_or_else(|| NodeError::Usage("the metrics file is a folder".to_owned()))?;
        found::text(&path)
    });
    let declared = Declared {
        inputs: args.inputs.clone(),
        outputs: args.outputs.clone(),
        metrics: metrics.transpose()?,
    };
    let cwd = site.path(".")?.map(|path| found::text(&path)).transpose()?.unwrap_or_default();
    let (command, environment) = (args.command.clone(), args.environment.clone());
    let record = Record {
        level: RECORD_LEVEL,
        command,
        cwd,
        declared,
        environment,
        name,
        params,
        ..Record::default()
    };
    // What could not be read again is refused before anything is run.
    record.bytes().map_err(Problem::from)?;
    Ok(record)
}

fn path(text: &str) -> Result<RepoPath, NodeError> {
    RepoPath::new(text.as_bytes()).map_err(|error| NodeError::Refused(format!("the path {text}: {error}")))
}

fn message(args: &Begin) -> String {
    let words = args.command.join(" ");
    let line = args.name.as_ref().unwrap_or(&words);
    format!(
        "run: {}",
        line.chars().filter(|char| !char.is_control()).take(NAME_CHARS_MAX).collect::<String>()
    )
}

/// What a version shows, path by path.
pub(super) fn standing(owner: &mut Owner, site: &Site, frontier: &Frontier) -> Result<Footing, NodeError> {
    match frontier == site.frontier() {
        true => site.footing(owner),
        false => Ok(Footing::of(&*site.place.view(owner, frontier)?)),
    }
}

/// What the run reads: what is declared, and what pins the tools. What the code does not show becomes an artifact.
fn read(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    code: &Footing,
    (patterns, args): (&Patterns, &Begin),
) -> Result<Vec<Item>, NodeError> {
    let declared = found::find(site.root(), patterns)?;
    let cwd = site.path(".")?.map(|path| found::text(&path)).transpose()?.unwrap_or_default();
    for pattern in &args.inputs {
        let one = Patterns::new(&cwd, std::slice::from_ref(pattern))?;
        if !declared.iter().any(|path| one.name(path)) {
            return Err(NodeError::NotFound { what: "input", name: pattern.clone() });
        }
    }
    if declared.len() > ITEMS_MAX {
        return Err(Problem::from(RecordError::Count("inputs")).into());
    }
    let mut items = Vec::new();
    for path in &declared {
        let item = keep(owner, network, site, code, path)?;
        items.extend(item.map(|item| Item { declared: true, ..item }));
    }
    let folders = if cwd.is_empty() { vec![String::new()] } else { vec![String::new(), format!("{cwd}/")] };
    for folder in folders {
        let names: Vec<_> = locks(&site.root().join(&folder)).collect();
        for name in names {
            let path = path(&format!("{folder}{name}"))?;
            if !declared.contains(&path) {
                items.extend(keep(owner, network, site, code, &path)?);
            }
        }
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// A file as an input: as it stands in the code, or else in the artifact store.
fn keep(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    code: &Footing,
    path: &RepoPath,
) -> Result<Option<Item>, NodeError> {
    let Some(item) = found::look(site, path)? else { return Ok(None) };
    match code.standing.get(path) {
        Some(Standing::File { content, .. }) if content.to_string() == item.content => Ok(Some(item)),
        _ => found::store(owner, network, site, path),
    }
}

/// The variables that a command finds its parameters in.
pub(crate) fn variables(params: &BTreeMap<String, Scalar>) -> Result<BTreeMap<String, String>, NodeError> {
    let text = serde_json::to_string(params).map_err(|_| NodeError::Bug("parameters that are no JSON"))?;
    Ok([(PARAMS_VARIABLE.to_owned(), text)].into())
}
