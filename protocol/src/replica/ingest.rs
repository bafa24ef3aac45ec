//! Verifying what a peer sends, before anything is stored or applied.

use std::sync::Arc;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{FeedId, ProjectId};

use super::Replica;
use super::forks::side_name;
use super::project::{Feed, Project, Said};
use crate::effect::Accepted;
use crate::error::Reject;
use crate::feed::FeedName;
use crate::grant::Standing;
use crate::input::Loaded;
use crate::limits::{SIDES_COUNT_MAX, WAITING_COUNT_MAX, WITNESSES_BYTES_MAX};
use crate::log::Log;
use crate::piece::{Piece, count_in, start_of};
use crate::proof::ForkProof;
use crate::signed::{Signed, Verified};
use crate::top::Top;
use crate::waypoint::Waypoint;
use crate::wire::segment::Proven;
use crate::wire::{Segment, Witness};

/// What a signed top says about a feed as it is held here.
#[derive(Debug, Clone)]
pub enum News {
    /// The author has written more than is held.
    More,
    /// All of it is held.
    Known,
    /// The author signed another history, or continued one that is not here. The proof, where there is one,
    /// convinces anybody.
    Side(Option<Box<ForkProof>>),
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
    /// The feed is forked, and what it claims is in none of the histories that are held.
    Side,
}

impl Replica {
    /// Compares a top, not verified yet, with what is held.
    pub fn compare(&self, top: &Top) -> Comparison {
        let (project, id) = (top.feed.project, top.feed.id());
        if !self.holding(top).is_empty() {
            return Comparison::Same;
        }
        match self.is_contested(project, id) {
            true => Comparison::Side,
            false if top.n > self.feed_length(project, id) => Comparison::More,
            // What it says about has been forgotten, so it can neither be told from what was held nor matter.
            false if self.is_gone(project, id, top.n) => Comparison::Same,
            false => Comparison::Differs,
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
        let feeds = self
            .projects
            .iter()
            .flat_map(|(id, project)| project.shared_feeds().map(|(feed, _)| (*feed, *id)));
        feeds.map(|(feed, project)| (feed, project, self.whole_length(project, feed)))
    }

    /// Whether what a feed's log came to at `n` was forgotten.
    fn is_gone(&self, project: ProjectId, feed: FeedId, n: u64) -> bool {
        self.feed(project, feed).is_some_and(|feed| n <= feed.n() && feed.log.root_of(n).is_none())
    }

    fn is_granted(&self, name: &FeedName, now_ms: u64) -> bool {
        name.repo == self.repo
            && self.grants.standing(&name.key, name.project, 1, now_ms) != Standing::Ungranted
    }

    /// Verifies a run of waypoints from a peer. Nothing is changed. What is held already is passed over.
    ///
    /// The run goes to the history that it continues; one that contradicts every history and comes
    /// from its beginning is a side.
    pub fn ingest(&self, segment: Segment, now_ms: u64) -> Result<Accepted, Reject> {
        let name = segment.top.claimed().feed;
        let project = self.check_feed(&name, now_ms)?;
        if project.waiting.len() >= WAITING_COUNT_MAX {
            return Err(Reject::Missing);
        }
        let mut refused = None;
        let mut held = 0;
        for (id, feed) in project.histories(name.id()) {
            held += 1;
            match continued(feed, &name, segment.clone()) {
                Ok(proven) => return self.accept(name.project, id, proven),
                Err(reject @ Reject::Rollback { .. }) => return self.ingest_begun(&name, segment, reject),
                Err(reject @ Reject::Format(_)) => return Err(reject),
                Err(reject) => refused = refused.or(Some(reject)),
            }
        }
        if let Some(reject) = refused.filter(|_| segment.start > 0 || held > SIDES_COUNT_MAX) {
            return Err(reject);
        }
        self.begin(&name, held > 0, segment)
    }

    /// Verifies a run of which a history holds everything, for the side that its top began and that has not come to the
    /// fork yet; where there is none, nothing of it is new.
    fn ingest_begun(&self, name: &FeedName, segment: Segment, known: Reject) -> Result<Accepted, Reject> {
        let side = side_name(name.id(), &segment.top.claimed().root);
        let Some(begun) = self.feed(name.project, side) else { return Err(known) };
        let proven = continued(begun, name, segment).map_err(|_| known)?;
        self.accept(name.project, side, proven)
    }

    /// Verifies a run of waypoints of a history that this node asked for. Nothing is changed. One from
    /// the history's beginning is a side, also where it has not come to the fork yet.
    pub fn ingest_side(&self, segment: Segment, now_ms: u64) -> Result<Accepted, Reject> {
        let name = segment.top.claimed().feed;
        let held = self.check_feed(&name, now_ms)?.histories(name.id()).count();
        if segment.start > 0 || held == 0 {
            return self.ingest(segment, now_ms);
        }
        if held > SIDES_COUNT_MAX {
            return Err(Reject::Fork);
        }
        let accepted = self.begin(&name, true, segment)?;
        let known = self.feed_length(name.project, accepted.feed);
        if accepted.end() <= known {
            // The asker told that it holds this.
            return Err(Reject::Rollback { known, found: accepted.end() });
        }
        Ok(accepted)
    }

    /// Verifies a run as the beginning of a history.
    fn begin(&self, name: &FeedName, aside: bool, segment: Segment) -> Result<Accepted, Reject> {
        if segment.start > 0 {
            return Err(Reject::Gap { expected: 0, found: segment.start });
        }
        let id = if aside { side_name(name.id(), &segment.top.claimed().root) } else { name.id() };
        let proven = segment.verify(name, &Log::new())?;
        check_waypoints(&proven)?;
        self.accept(name.project, id, proven)
    }

    fn accept(&self, project: ProjectId, feed: FeedId, proven: Proven) -> Result<Accepted, Reject> {
        self.check_gone(&proven)?;
        let (key, start, pieces, top) = (proven.top.feed.key, proven.start, proven.pieces, proven.top);
        Ok(Accepted { project, feed, key, start, pieces, top })
    }

    /// Verifies waypoints that are held by name and whose bytes this node's disk lost. Nothing is changed.
    pub fn regain(&self, segment: &Segment) -> Result<Accepted, Reject> {
        let name = segment.top.claimed().feed;
        let feed = self.feed(name.project, name.id()).ok_or(Reject::Missing)?;
        let top = feed.whole.clone().ok_or(Reject::Missing)?;
        let mut pieces = Vec::new();
        for (bytes, place) in segment.pieces.iter().zip(segment.start..) {
            let waypoint = Waypoint::from_bytes(bytes)?;
            if feed.log.id(place).ok_or(Reject::Missing)? != waypoint.id() {
                return Err(Reject::Proof("a waypoint that is held by name"));
            }
            if !waypoint.is_whole() && !self.is_forgotten(name.project, &waypoint) {
                return Err(Reject::Faded);
            }
            pieces.push(Piece::Waypoint(Arc::new(waypoint)));
        }
        if pieces.is_empty() {
            return Err(Reject::Missing);
        }
        let (project, feed, key) = (name.project, name.id(), name.key);
        Ok(Accepted { project, feed, key, start: segment.start, pieces, top })
    }

    /// Whether a waypoint is as much as this node wants of it: its operations have faded here too.
    fn is_forgotten(&self, project: ProjectId, waypoint: &Waypoint) -> bool {
        let documents = self.documents(project);
        !waypoint.is_erased() && documents.is_some_and(|documents| documents.is_faded(&waypoint.id()))
    }

    /// What a signed top says about a feed as it is held here; refuses one of a key without rights.
    pub fn news(&self, top: Signed<Top>, now_ms: u64) -> Result<News, Reject> {
        let name = top.claimed().feed;
        let project = self.check_feed(&name, now_ms)?;
        let top = top.verify()?;
        match self.compare(&top) {
            Comparison::More => Ok(News::More),
            Comparison::Same => Ok(News::Known),
            Comparison::Side => Ok(News::Side(None)),
            Comparison::Differs => {
                let feed = project.feeds.get(&name.id());
                Ok(News::Side(feed.and_then(|feed| feed.contradiction(&top)).map(Box::new)))
            }
        }
    }

    /// The project of a feed whose key was given a right to write there, now or once.
    pub(super) fn check_feed(&self, name: &FeedName, now_ms: u64) -> Result<&Project, Reject> {
        if name.repo != self.repo {
            return Err(Reject::Graft("repo"));
        }
        if !self.is_granted(name, now_ms) {
            return Err(Reject::Ungranted);
        }
        self.projects.get(&name.project).ok_or(Reject::Missing)
    }

    /// The waypoints `from ..` of a feed that is held, as a peer gets them, and those that are shown with them. `pieces` are
    /// their encodings; the first may be a subtree that begins before. What nothing that is shown vouches for is left out.
    pub fn segment(
        &self,
        project: ProjectId,
        feed: FeedId,
        from: u64,
        loaded: impl Into<Loaded>,
    ) -> Option<Segment> {
        let Loaded { mut pieces, mut witnesses } = loaded.into();
        let mut room = WITNESSES_BYTES_MAX;
        witnesses.retain(|waypoint| takes(&mut room, waypoint.to_bytes().len()));
        let start = start_of(&pieces, from);
        let vouched = self.projects.get(&project)?.vouched(feed, start, &pieces, &witnesses);
        if vouched == 0 && !pieces.is_empty() {
            return None;
        }
        pieces.truncate(vouched);
        let feed = self.feed(project, feed)?;
        let top = feed.whole.as_ref()?;
        let end = start.checked_add(count_in(&pieces)).filter(|end| *end <= top.n)?;
        let proof = if end < top.n { Some(feed.log.consistency(end, top.n)?) } else { None };
        let witnesses =
            witnesses.iter().map(|waypoint| feed.witness(waypoint, top.n)).collect::<Option<_>>()?;
        Some(Segment { top: top.signed().clone(), start, pieces, proof, witnesses })
    }
}

/// Takes room for one more; whether there was enough.
fn takes(room: &mut usize, bytes: usize) -> bool {
    let left = room.checked_sub(bytes);
    *room = left.unwrap_or(0);
    left.is_some()
}

impl Feed {
    /// A waypoint, and that it is in the log of the first `n`.
    fn witness(&self, waypoint: &Waypoint, n: u64) -> Option<Witness> {
        let place = waypoint.header().seq.checked_sub(1)?;
        Some(Witness { waypoint: waypoint.to_bytes(), proof: self.log.inclusion(place, n)? })
    }

    /// Whether a piece is not what is held at its place, as far as that is still known.
    fn contradicts(&self, start: u64, piece: &Piece) -> bool {
        let (level, hash) = piece.node();
        self.log.subtree(level, start >> level).is_some_and(|known| known != hash)
    }

    /// Proves that `top` and what is held contradict, if they do.
    fn contradiction(&self, top: &Verified<Top>) -> Option<ForkProof> {
        let held = self.whole.as_ref()?;
        ForkProof::find(held, top, &self.log)
    }
}

/// Verifies a run as one that continues a history.
fn continued(feed: &Feed, name: &FeedName, segment: Segment) -> Result<Proven, Reject> {
    if let Some(reason) = &feed.frozen {
        return Err(reason.clone());
    }
    let segment = without_held(segment, feed)?;
    let proven = segment.verify(name, &feed.log)?;
    check_waypoints(&proven)?;
    Ok(proven)
}

/// Drops the waypoints at the front that are held already.
fn without_held(mut segment: Segment, feed: &Feed) -> Result<Segment, Reject> {
    let held = feed.n();
    if segment.start > held {
        return Err(Reject::Gap { expected: held, found: segment.start });
    }
    let mut known = 0;
    for bytes in &segment.pieces {
        let piece = Piece::from_bytes(bytes)?;
        let end = segment.start.saturating_add(piece.count());
        if end > held {
            break;
        }
        if feed.contradicts(segment.start, &piece) {
            return Err(Reject::Fork);
        }
        (segment.start, known) = (end, known + 1);
    }
    segment.pieces.drain(..known);
    if segment.pieces.is_empty() {
        return Err(Reject::Rollback { known: held, found: segment.start });
    }
    Ok(segment)
}

fn check_waypoints(proven: &Proven) -> Result<(), Reject> {
    for waypoint in proven.pieces.iter().filter_map(Piece::waypoint) {
        if waypoint.is_erased() {
            return Err(Reject::Faded);
        }
        let entries = waypoint.entries().filter(|entry| !entry.is_content());
        if Said::read(entries.map(|entry| (entry.kind, &entry.payload[..])))?.0.local {
            return Err(Reject::Local);
        }
    }
    Ok(())
}
