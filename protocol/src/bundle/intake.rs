//! Taking a bundle in: every record and run goes through the checks that a peer's go through.
//!
//! A file cannot be asked for another part, as a peer can. So it is read once, and where a run contradicts
//! what is held its history is read once more from the beginning, as a side. What is refused stops its own history
//! and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::{FeedId, RepoId};

use super::{Part, Stretch};
use crate::effect::{Accepted, Batch, Recalled};
use crate::error::Reject;
use crate::founding::FoundingRecord;
use crate::grant::GrantRecord;
use crate::hash::LogHash;
use crate::proof::ForkProof;
use crate::replica::{Comparison, Replica};
use crate::signed::Signed;
use crate::top::Top;
use crate::wire::Segment;

/// What comes before the runs.
#[derive(Debug, Clone, Default)]
pub struct Preface {
    /// The founding record.
    pub founding: Option<Signed<FoundingRecord>>,
    /// Names of projects.
    pub projects: Vec<String>,
    /// Grants and revocations.
    pub rights: Vec<GrantRecord>,
    /// Proofs of forks.
    pub forks: Vec<ForkProof>,
    /// The feeds that follow.
    pub feeds: Vec<Stretch>,
}

/// A history that a bundle holds and that is not here up to its top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The top that the bundle shows, not verified.
    pub top: Top,
    /// How many waypoints are held here.
    pub held: u64,
    /// How many the bundle leaves out at the beginning.
    pub start: u64,
}

/// Why a history was not taken in any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The top that came with it, not verified.
    pub top: Top,
    /// The place of the first waypoint that was refused, or of the run that holds it; from 0.
    pub place: u64,
    /// Why.
    pub reason: Reject,
}

/// One history of one feed: two of one feed differ in their root.
type History = (FeedId, LogHash);

/// What became of the runs of a bundle so far.
#[derive(Debug)]
pub struct Intake {
    archive: bool,
    /// The histories that are read again, as sides. Empty at the first reading.
    aside: BTreeSet<History>,
    doubted: BTreeSet<History>,
    refused: BTreeMap<History, Refused>,
    /// The histories of which something was forgotten that no epoch is known to have: one may follow in the file.
    later: BTreeMap<History, Refused>,
    /// Whether anything was taken since the last reading for those began.
    moved: bool,
}

impl Preface {
    /// Takes a part that comes before the runs; gives back any other.
    pub fn add(&mut self, part: Part) -> Option<Part> {
        match part {
            Part::Founding(founding) => self.founding = Some(founding),
            Part::Projects(names) => self.projects.extend(names),
            Part::Rights(records) => self.rights.extend(records),
            Part::Forks(proofs) => self.forks.extend(proofs),
            Part::Feeds(stretches) => self.feeds.extend(stretches),
            part => return Some(part),
        }
        None
    }

    /// What begins later than what is held here ends.
    pub fn gaps(&self, replica: Option<&Replica>) -> Vec<Lack> {
        let lacks = self.feeds.iter().filter(|stretch| stretch.start > 0);
        lacks.map(|stretch| lack(replica, stretch)).filter(|lack| lack.start > lack.held).collect()
    }

    /// What is not here up to its top.
    pub fn missing(&self, replica: Option<&Replica>) -> Vec<Lack> {
        let whole = |stretch: &Stretch| {
            replica.is_some_and(|replica| replica.compare(stretch.top.claimed()) == Comparison::Same)
        };
        self.feeds.iter().filter(|stretch| !whole(stretch)).map(|stretch| lack(replica, stretch)).collect()
    }

    /// What of this is new here: the founding, the projects and the rights. Proofs of forks come later, when it is known
    /// who may write.
    pub fn records(&self, repo: RepoId, replica: Option<&Replica>, now_ms: u64) -> Result<Batch, Reject> {
        let mut batch = Batch::new(repo);
        if let Some(replica) = replica {
            batch.grants = replica.new_grants(&self.rights).0;
            let tops: Vec<Signed<Top>> = self.feeds.iter().map(|stretch| stretch.top.clone()).collect();
            batch.projects = replica.new_projects(&self.projects, &tops, &batch.grants, now_ms);
            return Ok(batch);
        }
        let founding = self.founding.clone().ok_or(Reject::Missing)?;
        batch.grants = Replica::open(founding.clone())?.new_grants(&self.rights).0;
        batch.founding = Some(founding);
        batch.projects = self.projects.clone();
        Ok(batch)
    }
}

fn lack(replica: Option<&Replica>, stretch: &Stretch) -> Lack {
    let top = stretch.top.claimed().clone();
    let held = replica.map_or(0, |replica| replica.longest(top.feed.project, top.feed_id()));
    Lack { top, held, start: stretch.start }
}

impl Intake {
    /// Nothing was taken in yet. From an archive, bodies that have faded here come back.
    pub fn new(archive: bool) -> Self {
        Self {
            archive,
            aside: BTreeSet::new(),
            doubted: BTreeSet::new(),
            refused: BTreeMap::new(),
            later: BTreeMap::new(),
            moved: false,
        }
    }

    /// Verifies one run: what of it is new, and what comes back. Nothing is changed but what is known of the bundle.
    pub fn run(
        &mut self,
        replica: &Replica,
        segment: Segment,
        now_ms: u64,
    ) -> (Option<Accepted>, Vec<Recalled>) {
        let top = segment.top.claimed().clone();
        let history = (top.feed_id(), top.root);
        let reads_again = !self.aside.is_empty();
        let skips = self.refused.contains_key(&history)
            || self.doubted.contains(&history)
            || self.later.contains_key(&history);
        if skips || (reads_again && !self.aside.contains(&history)) {
            return (None, Vec::new());
        }
        let mut recalled = Vec::new();
        if self.archive {
            match replica.recallable(&segment) {
                Ok(found) => recalled = found,
                Err((place, reason)) => {
                    self.refused.insert(history, Refused { top, place, reason });
                    return (None, Vec::new());
                }
            }
        }
        (self.accept(replica, segment, now_ms), recalled)
    }

    fn accept(&mut self, replica: &Replica, segment: Segment, now_ms: u64) -> Option<Accepted> {
        let (top, place) = (segment.top.claimed().clone(), segment.start);
        if replica.compare(&top) == Comparison::Same {
            return None;
        }
        let history = (top.feed_id(), top.root);
        let aside = self.aside.contains(&history);
        let accepted =
            if aside { replica.ingest_side(segment, now_ms) } else { replica.ingest(segment, now_ms) };
        match accepted {
            Ok(accepted) => {
                self.moved = true;
                return Some(accepted);
            }
            Err(reason @ Reject::Unabsorbed) => {
                drop(self.later.insert(history, Refused { top, place, reason }))
            }
            Err(Reject::Rollback { .. }) => {}
            Err(Reject::Fork | Reject::Proof(_))
                if !aside && replica.longest(top.feed.project, top.feed_id()) > 0 =>
            {
                self.doubted.insert(history);
            }
            Err(reason) => drop(self.refused.insert(history, Refused { top, place, reason })),
        }
        None
    }

    /// Whether the whole file is to be read once more, for histories that could not be told from incomplete ones before
    /// something else had come.
    pub fn reads_later(&mut self) -> bool {
        let again = std::mem::take(&mut self.moved) && !self.later.is_empty();
        if again {
            self.later.clear();
        }
        again
    }

    /// Whether the whole file is to be read once more, for histories that contradict those held here.
    pub fn reads_again(&mut self, replica: &Replica, preface: &Preface) -> bool {
        if !self.aside.is_empty() {
            return false;
        }
        let lacks = |stretch: &&Stretch| {
            let top = stretch.top.claimed();
            let differs = replica.compare(top) != Comparison::Same;
            differs && stretch.start == 0 && replica.longest(top.feed.project, top.feed_id()) > 0
        };
        let lacking = preface.feeds.iter().filter(lacks).map(|stretch| stretch.top.claimed());
        let lacking = lacking.map(|top| (top.feed_id(), top.root));
        self.aside = lacking.filter(|history| !self.refused.contains_key(history)).collect();
        self.doubted.clear();
        !self.aside.is_empty()
    }

    /// What was refused.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> + '_ {
        self.refused.values().chain(self.later.values())
    }
}
