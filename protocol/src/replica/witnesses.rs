//! What has to be shown with a run of which something is gone: the epochs of the same feed that have it in their past.
//!
//! Whoever comes late takes a gap only where an admitted epoch is known to have it. In a feed in which epochs begin those
//! stand above the gap, so they are shown ahead of their turn. Of all other feeds the gaps wait until the epochs have come.

use std::ops::Range;

use cairn_crdt::id::{FeedId, ProjectId};

use super::Replica;
use super::absorbed::without;
use super::project::{Project, Said};
use crate::epoch::Absorbed;
use crate::limits::WITNESSES_COUNT_MAX;
use crate::log::Log;
use crate::piece::Gone;
use crate::waypoint::Waypoint;

impl Replica {
    /// The places, from 0, of the waypoints that are to be shown with a run of a feed, from `from` to before `to`.
    pub fn witnesses(&self, project: ProjectId, feed: FeedId, from: u64, to: u64) -> Vec<u64> {
        self.projects.get(&project).map_or(Vec::new(), |project| project.witnesses(feed, from..to))
    }

    /// What a waypoint that was shown ahead of its turn says about its own feed, if its author was an admin there.
    pub(super) fn shown(&self, project: ProjectId, waypoint: &Waypoint) -> Option<Absorbed> {
        let header = waypoint.header();
        let at = (header.seq, header.stamp.wall_ms);
        own_line(waypoint).filter(|_| self.grants.is_admin(&header.feed.key, project, at))
    }
}

impl Project {
    fn witnesses(&self, feed: FeedId, run: Range<u64>) -> Vec<u64> {
        let Some(log) = self.feeds.get(&feed).map(|feed| &feed.log) else { return Vec::new() };
        let (mut gaps, mut places) = (gaps(log, run), Vec::new());
        if gaps.is_empty() {
            return places;
        }
        for (place, line) in self.own_epochs(feed).into_iter().rev().take(WITNESSES_COUNT_MAX) {
            let left = without(gaps.clone(), [line]);
            if left != gaps {
                gaps = left;
                places.push(place);
            }
        }
        places
    }

    /// The admitted epochs of a feed that are in it themselves, by their places, with what they say about it.
    pub(super) fn own_epochs(&self, feed: FeedId) -> Vec<(u64, &Absorbed)> {
        let known = self.epochs.iter().filter_map(|id| self.waypoints.get(id));
        let own = known.filter(|known| known.feed == feed && known.feed == known.origin);
        let lines = own.filter_map(|known| {
            let epoch = known.labels.epoch.as_ref().filter(|epoch| epoch.is_detached())?;
            Some((known.seq - 1, epoch.absorbed(&feed)?))
        });
        let mut lines: Vec<_> = lines.collect();
        lines.sort_by_key(|(place, _)| *place);
        lines
    }

    /// How many of a run's pieces may be sent with these waypoints: up to a gap that only another one of the feed's epochs has.
    pub(super) fn vouched(&self, feed: FeedId, start: u64, pieces: &[Vec<u8>], shown: &[Waypoint]) -> usize {
        if pieces.iter().all(|bytes| Gone::peek(bytes).is_none()) {
            return pieces.len();
        }
        let own: Vec<&Absorbed> = self.own_epochs(feed).into_iter().map(|(_, line)| line).collect();
        let lines: Vec<Absorbed> = shown.iter().filter_map(own_line).collect();
        let mut place = start;
        let is_vouched = |bytes: &&Vec<u8>| {
            let gone = Gone::peek(bytes).and_then(Result::ok);
            let run = place..place.saturating_add(gone.map_or(1, |gone| gone.count()));
            place = run.end;
            let lacking = without(gone.map(|_| run), &lines);
            lacking == without(lacking.clone(), own.iter().copied())
        };
        pieces.iter().take_while(is_vouched).count()
    }
}

/// What a waypoint that begins an epoch says about the feed in which it stands.
fn own_line(waypoint: &Waypoint) -> Option<Absorbed> {
    let entries = waypoint.entries().filter(|entry| !entry.is_content() && !entry.is_op());
    let said = Said::read(entries.map(|entry| (entry.kind, &entry.payload[..]))).ok()?.0;
    let epoch = said.epoch.as_ref().filter(|epoch| epoch.is_detached())?;
    epoch.absorbed(&waypoint.header().feed.id()).cloned()
}

/// The stretches of which no name is known that begin or end within a run.
fn gaps(log: &Log, run: Range<u64>) -> Vec<Range<u64>> {
    let is_gap = |place: &u64| *place < log.len() && log.id(*place).is_none();
    let before = (0..run.start).rev().take_while(is_gap).count() as u64;
    let behind = (run.end..log.len()).take_while(is_gap).count() as u64;
    let mut gaps: Vec<Range<u64>> = Vec::new();
    for place in run.start - before..(run.end + behind).min(log.len()) {
        match gaps.last_mut() {
            _ if !is_gap(&place) => {}
            Some(gap) if gap.end == place => gap.end += 1,
            _ => gaps.push(place..place + 1),
        }
    }
    gaps
}
