//! `bundle`: writes what a peer would be sent into one file, which travels where no network does.

pub(in crate::verbs) mod artifacts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_crdt::id::FeedId;
use cairn_protocol::bundle::{Head, Part};
use cairn_protocol::input::Loaded;
use cairn_protocol::limits::{BUNDLE_LIST_COUNT_MAX, SEGMENT_COUNT_MAX};
use cairn_protocol::replica::Run;
use serde::{Deserialize, Serialize};

use crate::bundles::BundleSink;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network, Site, Version};
use crate::worktree::link::digits;

use artifacts::Shown;

/// The bytes of waypoints in one frame, unless one waypoint alone has more.
const RUN_BYTES_MAX: u64 = 4 << 20;

/// What `bundle` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The file to write; an absolute path.
    pub file: PathBuf,
    /// A version whose past the reader has already.
    pub since: Option<String>,
    /// Whether the file brings back what has faded where it is read.
    pub archive: bool,
    /// Whether the bytes of artifacts are left out.
    #[serde(default)]
    pub no_artifacts: bool,
}

/// What `bundle` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// The file.
    pub file: String,
    /// Whether it is an archive.
    pub archive: bool,
    /// The version whose past was left out.
    pub since: Vec<String>,
    /// How many feeds have waypoints in it.
    pub feeds: u64,
    /// How many waypoints.
    pub waypoints: u64,
    /// How many artifacts.
    #[serde(default)]
    pub artifacts: u64,
    /// How many bytes of artifacts, each chunk once.
    #[serde(default)]
    pub artifact_bytes: u64,
    /// The artifacts that branches or marks show and of which not all bytes are here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// How many bytes the file has.
    pub bytes: u64,
}

/// Writes the file: all of it, or nothing.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    if args.archive && args.since.is_some() {
        return Err(NodeError::Usage("an archive holds everything: leave --since out".to_owned()));
    }
    let site = Site::open(owner, &args.here)?;
    let repo = site.place.repo;
    let (mut known, mut since) = (BTreeMap::new(), Vec::new());
    let mut shown = if args.no_artifacts { Shown::new() } else { artifacts::shown(owner, repo)? };
    if let Some(word) = &args.since {
        let version = Version::in_site(owner, &site, word)?;
        known = owner.replica(repo)?.reached(version.place.project, &version.frontier);
        since = digits(&version.frontier);
        let there = artifacts::shown_by(owner, version.place, &version.frontier)?;
        shown.retain(|artifact| !there.contains(artifact));
    }
    let mut answer = Answer {
        repo: repo.to_string(),
        file: args.file.display().to_string(),
        archive: args.archive,
        since,
        ..Answer::default()
    };
    let head = Head { repo, archive: args.archive };
    let wanted = Wanted { known, shown };
    write(owner, network, &head, &args.file, &wanted, &mut answer)?;
    Ok(answer)
}

/// What a bundle is to hold.
struct Wanted {
    /// How much of each feed the reader has already.
    known: BTreeMap<FeedId, u64>,
    shown: Shown,
}

fn write(
    owner: &mut Owner,
    network: &mut dyn Network,
    head: &Head,
    file: &Path,
    wanted: &Wanted,
    answer: &mut Answer,
) -> Result<(), NodeError> {
    let files = Arc::clone(owner.home().files());
    let mut sink = BundleSink::create(&*files, file, head)?;
    for part in preface(owner, head, &wanted.known)? {
        if let Part::Feeds(stretches) = &part {
            answer.feeds += stretches.len() as u64;
        }
        sink.push(&part)?;
    }
    for run in owner.replica(head.repo)?.runs(&wanted.known) {
        answer.waypoints += run.to - run.from;
        write_run(owner, head, run, &mut sink)?;
    }
    artifacts::write(owner, network, head.repo, &wanted.shown, &mut sink, answer)?;
    answer.bytes = sink.finish()?;
    Ok(())
}

/// What stands before the runs.
fn preface(owner: &Owner, head: &Head, known: &BTreeMap<FeedId, u64>) -> Result<Vec<Part>, NodeError> {
    let replica = owner.replica(head.repo)?;
    let names: Vec<String> = replica.projects().map(|(_, name)| name.to_owned()).collect();
    let rights: Vec<_> = replica.grants().records().cloned().collect();
    let forks: Vec<_> = replica.forks().cloned().collect();
    let stretches = replica.stretches(known);
    let mut parts = vec![Part::Founding(replica.founding().signed().clone())];
    parts.extend(names.chunks(BUNDLE_LIST_COUNT_MAX).map(|some| Part::Projects(some.to_vec())));
    parts.extend(rights.chunks(BUNDLE_LIST_COUNT_MAX).map(|some| Part::Rights(some.to_vec())));
    parts.extend(forks.chunks(BUNDLE_LIST_COUNT_MAX).map(|some| Part::Forks(some.to_vec())));
    parts.extend(stretches.chunks(BUNDLE_LIST_COUNT_MAX).map(|some| Part::Feeds(some.to_vec())));
    Ok(parts)
}

/// Writes one run, in as many frames as its bytes need; memory holds one.
fn write_run(owner: &Owner, head: &Head, run: Run, sink: &mut BundleSink<'_>) -> Result<(), NodeError> {
    let (store, replica) = (owner.store(head.repo)?, owner.replica(head.repo)?);
    let mut from = run.from;
    while from < run.to {
        let to = run.to.min(from + SEGMENT_COUNT_MAX as u64);
        let pieces = store.pieces(run.project, run.feed, from, to, RUN_BYTES_MAX)?;
        let witnesses = store.witnesses(run.feed, &replica.witnesses(run.project, run.feed, from, to))?;
        let segment = replica.segment(run.project, run.feed, from, Loaded { pieces, witnesses });
        let segment = segment.filter(|segment| segment.end() > from);
        let segment = segment.ok_or(NodeError::Bug("a run that no top vouches for"))?;
        from = segment.end();
        sink.push(&Part::Run(segment))?;
    }
    Ok(())
}
