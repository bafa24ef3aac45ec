//! `status`: where the worktree stands, and what changed in it.

use std::collections::BTreeSet;
use std::path::Path;

use cairn_crdt::FileBody;
use cairn_crdt::path::RepoPath;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::peers::PeerBook;
use crate::uri::path_text;
use crate::verbs::overlaps::{Spot, spots};
use crate::verbs::{Here, Site};
use crate::worktree::Footing;
use crate::worktree::footing::Summary;
use crate::worktree::link::digits;
use crate::worktree::scan::{Change, Difference};

/// What `status` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
}

/// What `status` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// The project, `@owner/name`.
    pub project: String,
    /// The branch that the worktree follows.
    pub branch: String,
    /// The version that it stands on.
    pub frontier: Vec<String>,
    /// The root of that version.
    pub root: String,
    /// What differs from that version on disk.
    pub changed: Vec<Changed>,
    /// How many waypoints of the branch are not in the worktree yet.
    pub incoming: u64,
    /// How many overlaps the version shows.
    pub overlaps: u64,
    /// Where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Spot>,
    /// How many peers are known.
    pub peers: u64,
    /// What was left out although nothing ignores it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Files of the version that are not on disk, since nobody asked for them or their bytes were not to be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<Absent>,
    /// Whether large files are left out here until somebody asks for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lazy: bool,
}

/// A large file that the version shows and that is not on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// The path; bytes that are not UTF-8 as `%` and two digits.
    pub path: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The artifact.
    pub artifact: String,
}

/// What stands on disk and cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The path in the worktree; bytes that are not UTF-8 replaced.
    pub path: String,
    /// Why it cannot be kept.
    pub why: String,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The path; bytes that are not UTF-8 as `%` and two digits.
    pub path: String,
    /// `added`, `modified` or `removed`.
    pub kind: String,
}

/// Compares disk and version; writes nothing but the stat index.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    let mut site = Site::open(owner, &args.here)?;
    let (changes, footing) = site.changes(owner)?;
    if let Err(error) = site.worktree.save_index() {
        // What was seen is a cache; a full disk must not keep anyone from looking.
        tracing::warn!(%error, "the stat index could not be written");
    }
    let tips = site.place.branch(owner, site.branch())?;
    let all = site.place.blend(owner, [site.frontier(), &tips])?;
    let incoming = site.place.documents(owner)?.between(site.frontier(), &all).len() as u64;
    let shown = site.summary(owner)?;
    let (overlaps, places) = met(owner, &site, &shown)?;
    let absent = absent(owner, &site, &changes)?;
    let told =
        changes.iter().filter(|change| footing.as_ref().is_none_or(|footing| is_told(change, footing)));
    Ok(Answer {
        repo: site.place.repo.to_string(),
        project: site.worktree.link.project.clone(),
        branch: site.branch().to_owned(),
        frontier: digits(site.frontier()),
        root: shown.root.to_string(),
        changed: told.map(changed).collect(),
        incoming,
        overlaps,
        places,
        skipped: skipped(&site),
        absent,
        lazy: site.worktree.link.lazy,
        peers: PeerBook::load(owner.home()).iter().count() as u64,
    })
}

/// What the version shows and was left out, unless somebody put something there.
fn absent(owner: &mut Owner, site: &Site, changes: &[Change]) -> Result<Vec<Absent>, NodeError> {
    let left_out = &site.worktree.link.absent;
    if left_out.is_empty() {
        return Ok(Vec::new());
    }
    let view = site.view(owner)?;
    let taken: BTreeSet<_> = changes.iter().map(|change| &change.path).collect();
    let told = |path: &RepoPath| match view.files.get(path)?.body {
        FileBody::Artifact { artifact, bytes } => {
            Some(Absent { path: path_text(path), bytes, artifact: artifact.to_string() })
        }
        _ => None,
    };
    Ok(left_out.iter().filter(|path| !taken.contains(path)).filter_map(told).collect())
}

/// How many overlaps the version shows, and where something met.
fn met(owner: &mut Owner, site: &Site, shown: &Summary) -> Result<(u64, Vec<Spot>), NodeError> {
    if shown.is_quiet {
        return Ok((0, Vec::new()));
    }
    let view = site.view(owner)?;
    Ok((view.overlaps.len() as u64, spots(owner, site.place, &view)?))
}

/// A folder that went with its files is told by them.
pub(super) fn is_told(change: &Change, footing: &Footing) -> bool {
    change.difference != Difference::Removed
        || footing.has_file(&change.path)
        || !footing.has_below(&change.path)
}

/// What the last look at the files left out although nothing ignores it.
pub(super) fn skipped(site: &Site) -> Vec<Skipped> {
    let inside = |path: &Path| path.strip_prefix(site.root()).unwrap_or(path).display().to_string();
    let skipped = site.worktree.skipped.iter();
    skipped.map(|(path, why)| Skipped { path: inside(path), why: why.clone() }).collect()
}

fn changed(change: &Change) -> Changed {
    Changed { path: path_text(&change.path), kind: change.difference.word().to_owned() }
}
