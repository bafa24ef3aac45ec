//! Verifying what a peer sends, before anything is stored or applied.

use std::sync::Arc;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{FeedId, ProjectId};

use super::Replica;
use super::project::{Feed, Known, Project};
use crate::effect::Accepted;
use crate::error::Reject;
use crate::feed::FeedName;
use crate::grant::Standing;
use crate::limits::WAITING_COUNT_MAX;
use crate::log::Log;
use crate::proof::ForkProof;
use crate::signed::{Signed, Verified};
use crate::top::Top;
use crate::waypoint::Waypoint;
use crate::wire::Segment;
use crate::wire::segment::Proven;

/// What a signed top says about a feed as it is held here.
#[derive(Debug, Clone)]
pub enum News {
    /// The author has written more than is held.
    More,
    /// All of it is held.
    Known,
    /// The author signed another history. The proof convinces anybody.
    Fork(Box<ForkProof>),
}

/// How a top that nobody has verified yet relates to what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It claims more than is held.
    More,
    /// What it claims is held.
    Same,
    /// It contradicts what is held; worth a closer look.
    Differs,
}

impl Replica {
    /// Compares a top, not verified yet, with what is held.
    pub fn compare(&self, top: &Top) -> Comparison {
        let Some(feed) = self.feed(top.feed.project, top.feed.id()) else { return Comparison::More };
        if top.n > feed.n() {
            return Comparison::More;
        }
        match feed.log.root_of(top.n) {
            Some(root) if root != top.root => Comparison::Differs,
            _ => Comparison::Same,
        }
    }

    /// Whether more of a feed would be taken: its key was given a right to write there, now or
    /// once, and it is not frozen.
    pub fn takes(&self, name: &FeedName, now_ms: u64) -> bool {
        self.is_granted(name, now_ms) && !self.is_frozen(name.project, name.id())
    }

    /// Whether nothing more is taken from a feed.
    pub fn is_frozen(&self, project: ProjectId, feed: FeedId) -> bool {
        self.feed(project, feed).is_some_and(|feed| feed.frozen.is_some())
    }

    /// How much of a feed can be shown to others: up to the highest top that is held in full.
    pub fn whole_length(&self, project: ProjectId, feed: FeedId) -> u64 {
        self.feed(project, feed).and_then(|feed| feed.whole.as_ref()).map_or(0, |top| top.n)
    }

    /// Every feed with how much of it can be shown to others.
    pub fn lengths(&self) -> impl Iterator<Item = (FeedId, ProjectId, u64)> + '_ {
        let feeds =
            self.projects.iter().flat_map(|(id, project)| project.feeds.keys().map(|feed| (*feed, *id)));
        feeds.map(|(feed, project)| (feed, project, self.whole_length(project, feed)))
    }

    fn is_granted(&self, name: &FeedName, now_ms: u64) -> bool {
        name.repo == self.repo
            && self.grants.standing(&name.key, name.project, 1, now_ms) != Standing::Ungranted
    }

    /// Verifies a run of waypoints from a peer. Nothing is changed. What is held already is passed over.
    pub fn ingest(&self, segment: Segment, now_ms: u64) -> Result<Accepted, Reject> {
        let name = segment.top.claimed().feed;
        let project = self.check_feed(&name, now_ms)?;
        let feed = project.feeds.get(&name.id());
        if let Some(reason) = feed.and_then(|feed| feed.frozen.clone()) {
            return Err(reason);
        }
        if project.waiting.len() >= WAITING_COUNT_MAX {
            return Err(Reject::Missing);
        }
        let empty = Log::new();
        let log = feed.map_or(&empty, |feed| &feed.log);
        let segment = without_held(segment, log.len())?;
        let proven = segment.verify(&name, log)?;
        check_waypoints(&proven)?;
        Ok(accept(name.project, proven))
    }

    /// Verifies waypoints that are held by name and whose bytes this node's disk lost. Nothing is changed.
    pub fn regain(&self, segment: &Segment) -> Result<Accepted, Reject> {
        let name = segment.top.claimed().feed;
        let feed = self.feed(name.project, name.id()).ok_or(Reject::Missing)?;
        let top = feed.whole.clone().ok_or(Reject::Missing)?;
        let mut waypoints = Vec::new();
        for (bytes, place) in segment.waypoints.iter().zip(segment.start..) {
            let waypoint = Waypoint::from_bytes(bytes)?;
            let known = usize::try_from(place).ok().and_then(|place| feed.ids.get(place));
            if known.ok_or(Reject::Missing)? != &waypoint.id() {
                return Err(Reject::Proof("a waypoint that is held by name"));
            }
            if !waypoint.is_whole() {
                return Err(Reject::Faded);
            }
            waypoints.push(Arc::new(waypoint));
        }
        if waypoints.is_empty() {
            return Err(Reject::Missing);
        }
        let (project, feed, key) = (name.project, name.id(), name.key);
        Ok(Accepted { project, feed, key, start: segment.start, waypoints, top })
    }

    /// What a signed top says about a feed as it is held here; refuses one of a key without rights.
    pub fn news(&self, top: Signed<Top>, now_ms: u64) -> Result<News, Reject> {
        let name = top.claimed().feed;
        let project = self.check_feed(&name, now_ms)?;
        let top = top.verify()?;
        let Some(feed) = project.feeds.get(&name.id()) else { return Ok(News::More) };
        if top.n > feed.n() {
            return Ok(News::More);
        }
        Ok(feed.contradiction(&top).map_or(News::Known, |proof| News::Fork(Box::new(proof))))
    }

    /// Takes note of a proven fork: nothing more of the feed is taken. False if it is no proof.
    pub fn freeze(&mut self, proof: &ForkProof) -> bool {
        let name = proof.longer.claimed().feed;
        let feed = self.projects.get_mut(&name.project).and_then(|project| project.feeds.get_mut(&name.id()));
        match feed {
            Some(feed) if feed.frozen.is_none() && proof.verify().is_ok() => {
                feed.frozen = Some(Reject::Fork);
                true
            }
            _ => false,
        }
    }

    /// The project of a feed whose key was given a right to write there, now or once.
    fn check_feed(&self, name: &FeedName, now_ms: u64) -> Result<&Project, Reject> {
        if name.repo != self.repo {
            return Err(Reject::Graft("repo"));
        }
        if !self.is_granted(name, now_ms) {
            return Err(Reject::Ungranted);
        }
        self.projects.get(&name.project).ok_or(Reject::Missing)
    }

    /// The waypoints `from ..` of a feed that is held, as a peer gets them. `waypoints` are their encodings.
    pub fn segment(
        &self,
        project: ProjectId,
        feed: FeedId,
        from: u64,
        waypoints: Vec<Vec<u8>>,
    ) -> Option<Segment> {
        let feed = self.feed(project, feed)?;
        let top = feed.whole.as_ref()?;
        let end = from.checked_add(waypoints.len() as u64).filter(|end| *end <= top.n)?;
        let proof = if end < top.n { Some(feed.log.consistency(end, top.n)?) } else { None };
        Some(Segment { top: top.signed().clone(), start: from, waypoints, proof })
    }
}

impl Feed {
    /// Proves that `top` and what is held contradict, if they do.
    fn contradiction(&self, top: &Verified<Top>) -> Option<ForkProof> {
        let held = self.whole.as_ref()?;
        ForkProof::find(held, top, &self.log)
    }
}

/// Drops the waypoints at the front that are held already.
fn without_held(mut segment: Segment, held: u64) -> Result<Segment, Reject> {
    if segment.start > held {
        return Err(Reject::Gap { expected: held, found: segment.start });
    }
    let known = held - segment.start;
    if known >= segment.waypoints.len() as u64 {
        return Err(Reject::Rollback { known: held, found: segment.start + segment.waypoints.len() as u64 });
    }
    segment.waypoints.drain(..known as usize);
    segment.start = held;
    Ok(segment)
}

fn check_waypoints(proven: &Proven) -> Result<(), Reject> {
    for waypoint in &proven.waypoints {
        if !waypoint.is_whole() {
            return Err(Reject::Faded);
        }
        Known::read(waypoint)?;
    }
    Ok(())
}

fn accept(project: ProjectId, proven: Proven) -> Accepted {
    Accepted {
        project,
        feed: proven.top.feed_id(),
        key: proven.top.feed.key,
        start: proven.start,
        waypoints: proven.waypoints.into_iter().map(Arc::new).collect(),
        top: proven.top,
    }
}
