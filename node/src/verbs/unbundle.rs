//! `unbundle`: takes in what a bundle brings, as if a peer had sent it.
//!
//! Every record and run is verified, made durable and applied before the next is read. So whatever ends it half-way, what
//! was taken in stays, and the whole file goes on from there.

mod artifacts;

use std::collections::BTreeSet;
use std::path::PathBuf;

use cairn_crdt::id::{FeedId, RepoId};
use cairn_protocol::bundle::{BundleReader, Head, Intake, Lack, Next, Part, Preface};
use cairn_protocol::effect::{Accepted, Recalled};
use cairn_protocol::wire::Segment;
use cairn_protocol::{Batch, Reject};
use serde::{Deserialize, Serialize};

use super::verify::Problem;
use super::{DEFAULT_BRANCH, join};
use crate::bundles::BundleFile;
use crate::clock;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::{Here, Network, Place};
use crate::worktree::Link;

use artifacts::{Unpacked, Unpacking};

/// The bytes of waypoints that become durable together.
const BATCH_BYTES: usize = 8 << 20;

/// What `unbundle` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from; the folder that becomes a worktree, where `checkout`.
    pub here: Here,
    /// The file; an absolute path.
    pub file: PathBuf,
    /// Whether a folder becomes a worktree of what came.
    pub checkout: bool,
    /// The project of that worktree; the only one when left out.
    pub project: Option<String>,
}

/// What `unbundle` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// Whether the file is an archive.
    pub archive: bool,
    /// How many feeds grew.
    pub feeds: u64,
    /// How many waypoints are new here.
    pub waypoints: u64,
    /// How many waypoints had faded here and are back.
    pub recalled: u64,
    /// How many artifacts are whole now and were not.
    #[serde(default)]
    pub artifacts: u64,
    /// How many bytes of artifacts are new here.
    #[serde(default)]
    pub artifact_bytes: u64,
    /// The artifacts that the file names, that are shown here, and of which bytes are still missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_artifacts: Vec<String>,
    /// How many bytes were read and hold.
    pub bytes: u64,
    /// What the file says there is, and is not here now.
    pub missing: Vec<Missing>,
    /// Where the file ends too early, is damaged, or holds what was refused.
    pub problems: Vec<Problem>,
    /// The worktree that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<join::Answer>,
}

/// A part of a feed that is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The project; its hash where the name is not known.
    pub project: String,
    /// The feed.
    pub feed: String,
    /// The number of the first waypoint that is not here.
    pub from: u64,
    /// The number of the last.
    pub to: u64,
}

/// Takes in what holds and is new.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let file = BundleFile::open(&args.file)?;
    let mut reader = BundleReader::open(&file).map_err(|reject| unreadable(args, reject))?;
    let head = reader.head();
    check_place(args, &head)?;
    let mut load = Load::new(head);
    load.read_preface(owner, &mut reader, args)?;
    let mut bytes = reader.offset();
    let first = load.behind.take();
    while load.problem.is_none() && load.intake.reads_later() {
        let mut again = BundleReader::open(&file).map_err(|reject| unreadable(args, reject))?;
        load.read_runs(owner, &mut again, args)?;
    }
    if load.problem.is_none() && load.reads_again(owner)? {
        let mut again = BundleReader::open(&file).map_err(|reject| unreadable(args, reject))?;
        load.read_runs(owner, &mut again, args)?;
        bytes = bytes.max(again.offset());
    }
    let mut unpacked = Unpacked::default();
    if let Some(first) = first {
        unpacked = load.unpack(owner, network, &mut reader, first, args)?;
        bytes = reader.offset();
    }
    let mut answer = load.answer(owner, bytes, unpacked)?;
    if args.checkout && answer.problems.is_empty() {
        let place = Place::find(owner, head.repo, args.project.as_deref())?;
        answer.worktree = Some(join::settle(owner, &args.here, place, (DEFAULT_BRANCH, false), network)?);
    }
    Ok(answer)
}

/// Refuses what was probably not meant, before anything is taken in.
fn check_place(args: &Args, head: &Head) -> Result<(), NodeError> {
    if args.checkout {
        return match Link::load(&args.here.dir)? {
            Some(_) => Err(NodeError::Refused(format!("{} is a worktree already", args.here.dir.display()))),
            None => Ok(()),
        };
    }
    let mut above = args.here.dir.ancestors();
    let link = above.find_map(|folder| Link::load(folder).transpose()).transpose()?;
    match link.filter(|link| link.repo != head.repo) {
        Some(link) => Err(NodeError::Foreign { found: head.repo, expected: link.repo }),
        None => Ok(()),
    }
}

/// A bundle that is being taken in.
struct Load {
    repo: RepoId,
    preface: Preface,
    intake: Intake,
    archive: bool,
    batch: Batch,
    batch_bytes: usize,
    grown: BTreeSet<FeedId>,
    waypoints: u64,
    recalled: u64,
    problem: Option<Problem>,
    /// The first part behind the runs, if there is one.
    behind: Option<Part>,
}

impl Load {
    fn new(head: Head) -> Self {
        Self {
            repo: head.repo,
            preface: Preface::default(),
            intake: Intake::new(head.archive),
            archive: head.archive,
            batch: Batch::new(head.repo),
            batch_bytes: 0,
            grown: BTreeSet::new(),
            waypoints: 0,
            recalled: 0,
            problem: None,
            behind: None,
        }
    }

    /// Reads what stands before the runs, takes it in, and goes on with the runs.
    fn read_preface(
        &mut self,
        owner: &mut Owner,
        reader: &mut BundleReader<&BundleFile>,
        args: &Args,
    ) -> Result<(), NodeError> {
        let first = loop {
            match self.next(reader, args) {
                Some(part) => match self.preface.add(part) {
                    None => continue,
                    part => break part,
                },
                None => break None,
            }
        };
        self.begin(owner)?;
        match first {
            Some(Part::Run(segment)) => {
                self.take(owner, segment)?;
                self.read_runs(owner, reader, args)
            }
            behind => {
                self.behind = behind;
                Ok(())
            }
        }
    }

    /// The next part of the file; at its end, or where it is cut or damaged, nothing.
    fn next(&mut self, reader: &mut BundleReader<&BundleFile>, args: &Args) -> Option<Part> {
        self.problem = match reader.read() {
            Ok(Next::Part(part)) => return Some(part),
            Ok(Next::End) => None,
            Ok(Next::Cut) => Some(cut(args, reader.offset())),
            Err(reject) => Some(damaged(args, reader.offset(), &reject)),
        };
        None
    }

    /// Takes in founding, projects, rights and forks; refuses a bundle that begins later than what is here ends.
    fn begin(&mut self, owner: &mut Owner) -> Result<(), NodeError> {
        let replica = owner.known(self.repo)?;
        let gaps = self.preface.gaps(replica);
        if let Some(gap) = gaps.first() {
            return Err(NodeError::Lacks {
                feed: gap.top.feed_id(),
                key: gap.top.feed.key,
                held: gap.held,
                start: gap.start,
                others: gaps.len() - 1,
            });
        }
        if replica.is_none() && self.preface.founding.is_none() {
            return Ok(());
        }
        let records = self.preface.records(self.repo, replica, clock::now_ms())?;
        owner.take_in(records)?;
        let mut forks = Batch::new(self.repo);
        forks.forks = owner.replica(self.repo)?.new_forks(&self.preface.forks, clock::now_ms()).0;
        owner.take_in(forks)
    }

    fn read_runs(
        &mut self,
        owner: &mut Owner,
        reader: &mut BundleReader<&BundleFile>,
        args: &Args,
    ) -> Result<(), NodeError> {
        while let Some(part) = self.next(reader, args) {
            match part {
                Part::Run(segment) => self.take(owner, segment)?,
                part @ (Part::Manifest(_) | Part::Chunk(_)) => {
                    self.behind = Some(part);
                    break;
                }
                // At the second reading the records are known already.
                _ => {}
            }
        }
        self.flush(owner)
    }

    /// Takes in the artifacts that stand behind the runs.
    fn unpack(
        &mut self,
        owner: &mut Owner,
        network: &mut dyn Network,
        reader: &mut BundleReader<&BundleFile>,
        first: Part,
        args: &Args,
    ) -> Result<Unpacked, NodeError> {
        let mut unpacking = Unpacking::begin(owner, self.repo)?;
        let mut part = Some(first);
        while let Some(next) = part {
            unpacking.take(owner, network, next, reader.offset())?;
            part = self.next(reader, args);
        }
        unpacking.end(owner, network)
    }

    /// Verifies one run and adds what is new to what becomes durable next.
    fn take(&mut self, owner: &mut Owner, segment: Segment) -> Result<(), NodeError> {
        let feed = segment.top.claimed().feed_id();
        let waiting = self.batch.feeds.iter().any(|accepted| accepted.top.feed_id() == feed);
        if waiting || self.batch_bytes > BATCH_BYTES {
            self.flush(owner)?;
        }
        let bytes = segment.raw_bytes();
        let (accepted, recalled) = self.intake.run(owner.replica(self.repo)?, segment, clock::now_ms());
        if accepted.is_some() || !recalled.is_empty() {
            self.batch_bytes += bytes;
        }
        self.batch.feeds.extend(accepted);
        self.batch.recalled.extend(recalled);
        Ok(())
    }

    fn flush(&mut self, owner: &mut Owner) -> Result<(), NodeError> {
        self.batch_bytes = 0;
        let batch = std::mem::replace(&mut self.batch, Batch::new(self.repo));
        self.waypoints +=
            batch.feeds.iter().map(|run: &Accepted| run.waypoints().count() as u64).sum::<u64>();
        self.grown.extend(batch.feeds.iter().map(|run| run.feed));
        let recalled: &[Recalled] = &batch.recalled;
        self.recalled += recalled.len() as u64;
        owner.take_in(batch)
    }

    fn reads_again(&mut self, owner: &Owner) -> Result<bool, NodeError> {
        let Some(replica) = owner.known(self.repo)? else { return Ok(false) };
        Ok(self.intake.reads_again(replica, &self.preface))
    }

    fn answer(self, owner: &Owner, bytes: u64, unpacked: Unpacked) -> Result<Answer, NodeError> {
        let replica = owner.known(self.repo)?;
        let missing = self.preface.missing(replica).iter().map(|lack| missing(owner, lack)).collect();
        let refused = self.intake.refused().map(|refused| Problem {
            code: "E_REJECTED".to_owned(),
            place: format!("feed {} waypoint {}", refused.top.feed_id(), refused.place + 1),
            detail: refused.reason.to_string(),
        });
        Ok(Answer {
            repo: self.repo.to_string(),
            archive: self.archive,
            feeds: self.grown.len() as u64,
            waypoints: self.waypoints,
            recalled: self.recalled,
            bytes,
            missing,
            artifacts: unpacked.artifacts,
            artifact_bytes: unpacked.bytes,
            missing_artifacts: unpacked.missing,
            problems: self.problem.into_iter().chain(unpacked.problem).chain(refused).collect(),
            worktree: None,
        })
    }
}

fn missing(owner: &Owner, lack: &Lack) -> Missing {
    let project = lack.top.feed.project;
    let replica = owner.replica(lack.top.feed.repo).ok();
    let name = replica.and_then(|replica| replica.projects().find(|(id, _)| *id == project));
    Missing {
        project: name.map_or_else(|| project.to_string(), |(_, name)| name.to_owned()),
        feed: lack.top.feed_id().to_string(),
        from: lack.held.min(lack.top.n.saturating_sub(1)) + 1,
        to: lack.top.n,
    }
}

fn cut(args: &Args, offset: u64) -> Problem {
    let detail = format!("the file ends too early: what is whole of it ends at byte {offset}");
    Problem { code: "E_CUT".to_owned(), place: args.file.display().to_string(), detail }
}

fn damaged(args: &Args, offset: u64, reject: &Reject) -> Problem {
    let place = format!("{} byte {offset}", args.file.display());
    Problem { code: "E_DAMAGED".to_owned(), place, detail: reject.to_string() }
}

fn unreadable(args: &Args, reject: Reject) -> NodeError {
    match reject {
        Reject::Bundle { what, .. } => NodeError::Format { path: args.file.clone(), why: what.to_owned() },
        reject => reject.into(),
    }
}
