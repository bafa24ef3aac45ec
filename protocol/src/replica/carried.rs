//! What a bundle carries: which runs of which feeds, in an order in which a reader can take them in.
//!
//! A waypoint waits in memory until what it stands on is there, and how many may wait is limited. A file that brought
//! one feed after the other would let a whole feed wait for the next. So the runs follow the order in which the
//! waypoints were applied here, parents first, cut into windows: no more waypoints than one window ever wait.

use std::collections::BTreeMap;

use cairn_crdt::Frontier;
use cairn_crdt::id::{FeedId, ProjectId};

use super::Replica;
use super::project::Project;
use crate::bundle::Stretch;
use crate::grant::{GrantRecord, Standing};
use crate::limits::WAITING_COUNT_MAX;
use crate::signed::Signed;
use crate::top::Top;

/// The waypoints of one window: far from the most that may wait.
const WINDOW_COUNT: usize = WAITING_COUNT_MAX / 8;

/// A run of waypoints of one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The project.
    pub project: ProjectId,
    /// The feed, or the local name of a side of one.
    pub feed: FeedId,
    /// The place of the first waypoint, from 0.
    pub from: u64,
    /// The place after the last.
    pub to: u64,
}

impl Replica {
    /// How much of each feed whoever has a version has too: feeds are held from their beginning without gaps.
    pub fn reached(&self, project: ProjectId, version: &Frontier) -> BTreeMap<FeedId, u64> {
        let mut reached = BTreeMap::new();
        let Some(project) = self.projects.get(&project) else { return reached };
        for known in project.documents.ancestors(version).filter_map(|id| project.waypoints.get(&id)) {
            let n = reached.entry(known.feed).or_insert(0);
            *n = known.seq.max(*n);
        }
        reached
    }

    /// Every history of every feed that is held in full up to a top, but for what `known` says is known.
    pub fn stretches(&self, known: &BTreeMap<FeedId, u64>) -> Vec<Stretch> {
        let feeds = self.projects.values().flat_map(Project::shared_feeds);
        let stretch = |(id, feed): (&FeedId, &super::project::Feed)| {
            let (top, start) = (feed.whole.as_ref()?, known.get(id).copied().unwrap_or(0));
            (start < top.n).then(|| Stretch { top: top.signed().clone(), start })
        };
        feeds.filter_map(stretch).collect()
    }

    /// The waypoints of these stretches as runs, parents first.
    pub fn runs(&self, known: &BTreeMap<FeedId, u64>) -> Vec<Run> {
        self.projects.values().flat_map(|project| project.runs(known)).collect()
    }

    /// How many waypoints the longest history of a feed has that is held here.
    pub fn longest(&self, project: ProjectId, feed: FeedId) -> u64 {
        let project = self.projects.get(&project);
        project.and_then(|known| known.histories(feed).map(|(_, feed)| feed.n()).max()).unwrap_or(0)
    }

    /// Those of `names` that are no projects here, and in which `tops` show a feed that may be, once `rights` are known.
    pub fn new_projects(
        &self,
        names: &[String],
        tops: &[Signed<Top>],
        rights: &[GrantRecord],
        now_ms: u64,
    ) -> Vec<String> {
        let mut grants = self.grants.clone();
        for record in rights {
            // An invalid record gives no right, which is all that matters here.
            let _ = grants.add(record.clone());
        }
        let shown = |name: &&String| {
            let project = crate::feed::project_id(self.repo, name);
            let may = |top: &&Signed<Top>| {
                let feed = top.claimed().feed;
                let granted = grants.standing(&feed.key, project, 1, now_ms) != Standing::Ungranted;
                feed.repo == self.repo && feed.project == project && granted
            };
            let mut shown = tops.iter().filter(may);
            !self.projects.contains_key(&project) && shown.any(|top| top.clone().verify().is_ok())
        };
        names.iter().filter(shown).cloned().collect()
    }
}

impl Project {
    fn runs(&self, known: &BTreeMap<FeedId, u64>) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut ends: BTreeMap<FeedId, u64> = BTreeMap::new();
        for window in self.order.chunks(WINDOW_COUNT) {
            let mut reached: BTreeMap<FeedId, u64> = BTreeMap::new();
            for known in window.iter().filter_map(|id| self.waypoints.get(id)) {
                reached.insert(known.feed, known.seq);
            }
            reached.into_iter().for_each(|(feed, to)| self.run_on(feed, to, known, &mut ends, &mut runs));
        }
        // What is held and not applied, and the histories whose beginning another one brought.
        for (feed, held) in self.shared_feeds() {
            self.run_on(*feed, held.whole_n(), known, &mut ends, &mut runs);
        }
        runs
    }

    /// Adds the run of a feed from where it has come to.
    fn run_on(
        &self,
        feed: FeedId,
        to: u64,
        known: &BTreeMap<FeedId, u64>,
        ends: &mut BTreeMap<FeedId, u64>,
        runs: &mut Vec<Run>,
    ) {
        let shared = self.feeds.get(&feed).filter(|feed| !feed.local);
        let to = to.min(shared.map_or(0, super::project::Feed::whole_n));
        let end = ends.entry(feed).or_insert_with(|| known.get(&feed).copied().unwrap_or(0));
        if *end < to {
            runs.push(Run { project: self.id(), feed, from: *end, to });
            *end = to;
        }
    }
}
