//! Verification: does the disk still say what the authors signed?
//!
//! The plain pass checks signatures, links and the chain of hashes from each top down to the
//! stones' indexes. The deep pass reads every byte, takes every waypoint apart and derives all hashes again.

use std::collections::BTreeSet;

use cairn_crdt::id::WaypointId;
use cairn_protocol::FeedName;
use cairn_protocol::grant::GrantRecord;
use cairn_protocol::log as merkle;
use cairn_protocol::stone::Stored;
use cairn_protocol::waypoint::Header;

use super::manifest::StoneRecord;
use super::recover::log_name;
use super::{Held, Place, Store, What, stones};
use crate::error::{NodeError, Range};

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many feeds there are.
    pub feeds: u64,
    /// How many stones there are.
    pub ssts: u64,
    /// How many bytes the stones have.
    pub bytes: u64,
    /// What is not as it must be.
    pub problems: Vec<Problem>,
}

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A stable word for programs.
    pub code: &'static str,
    /// The file, or the feed.
    pub place: String,
    /// What was found, and which waypoints it touches.
    pub detail: String,
    /// The waypoints that a peer should send again.
    pub range: Option<Range>,
}

impl Report {
    /// Whether all is as it must be.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// The report of a store that could not be opened.
    pub fn broken(error: &NodeError) -> Self {
        let mut report = Self::default();
        report.add_error("store", error);
        report
    }

    fn add(&mut self, code: &'static str, place: impl Into<String>, detail: impl Into<String>) {
        self.problems.push(Problem { code, place: place.into(), detail: detail.into(), range: None });
    }

    fn add_error(&mut self, place: &str, error: &NodeError) {
        let NodeError::Damaged(damage) = error else {
            return self.add(error.code(), place, error.to_string());
        };
        let waypoints = damage.range.map(|range| range.to_string()).unwrap_or_default();
        let detail = format!("{} at byte {} {waypoints}", damage.detail, damage.offset);
        let (place, range) = (damage.file.clone(), damage.range);
        self.problems.push(Problem { code: error.code(), place, detail, range });
    }
}

impl Store {
    /// Checks the store against what was signed; `deep` reads every byte.
    pub fn verify(&self, deep: bool) -> Report {
        let mut report = Report { feeds: self.feeds.len() as u64, ..Report::default() };
        self.verify_rights(&mut report);
        let mut known = BTreeSet::new();
        let mut headers = Vec::new();
        for held in self.feeds.values() {
            self.verify_feed(held, deep, &mut report, &mut known, &mut headers);
        }
        // Where waypoints were forgotten, what stood on them stands on nothing that is here.
        if !self.has_forgotten() {
            headers.iter().for_each(|header| verify_links(header, &known, &mut report));
        }
        report
    }

    /// The stones of every feed, as they lie now.
    pub(crate) fn stones(&self) -> Vec<(FeedName, StoneRecord)> {
        let stones =
            |held: &Held| held.all_stones().map(|stone| (held.name, stone.clone())).collect::<Vec<_>>();
        self.feeds.values().flat_map(stones).collect()
    }

    /// Reads every byte of one stone. What is damaged is remembered, so that peers are asked for it; a stone that
    /// has been merged away in the meantime is whole.
    pub(crate) fn scrub(&self, feed: FeedName, stone: &StoneRecord) -> Result<(), NodeError> {
        let mut held = self.feeds.values().filter(|held| held.name == feed);
        let Some(held) = held.find(|held| held.all_stones().any(|held| held == stone)) else { return Ok(()) };
        let read = self.stones.verify(feed, stone).map_err(|error| held.met(stone, error));
        read.inspect_err(|error| self.note(error))
    }

    /// Whether anything was forgotten as a whole; a stone that cannot be read has its own report.
    fn has_forgotten(&self) -> bool {
        let stones = self.feeds.values().flat_map(|held| held.stones.iter().map(|stone| (held.name, stone)));
        let gone = |(feed, stone): (FeedName, &StoneRecord)| {
            let has_gone = || self.stones.open(feed, stone).is_ok_and(|reader| reader.has_gone());
            stone.gone().is_some() || has_gone()
        };
        let pending = self.feeds.values().flat_map(|held| &held.pending);
        pending.into_iter().any(|pending| matches!(pending.what, What::Gone(_)))
            || stones.into_iter().any(gone)
    }

    fn verify_rights(&self, report: &mut Report) {
        if self.manifest.founding.clone().verify().is_err() {
            report.add("E_SIG", "manifest", "the founding record's signature does not hold");
        }
        for right in &self.manifest.rights {
            let holds = match right.clone() {
                GrantRecord::Grant(grant) => grant.verify().is_ok(),
                GrantRecord::Revocation(revocation) => revocation.verify().is_ok(),
            };
            if !holds {
                report.add("E_SIG", "manifest", format!("the signature of {} does not hold", right.id()));
            }
        }
    }

    fn verify_feed(
        &self,
        held: &Held,
        deep: bool,
        report: &mut Report,
        known: &mut BTreeSet<WaypointId>,
        headers: &mut Vec<Header>,
    ) {
        let mut log = merkle::Log::new();
        for stone in held.all_stones() {
            report.ssts += 1;
            report.bytes += stone.bytes;
            let read = self.verify_stone(held.name, stone, deep, known, headers);
            if let Err(error) = read.map_err(|error| held.met(stone, error)) {
                self.note(&error);
                report.add_error(&format!("{}/{}", stones::DIR, stone.file), &error);
            }
        }
        for stone in &held.stones {
            if log.append_subtree(stone.span.level, stone.subtree).is_err() {
                report.add("E_CHAIN", &stone.file, "it does not follow the stone before it");
            }
        }
        for pending in &held.pending {
            let (level, hash) = pending.node();
            if log.append_subtree(level, hash).is_err() {
                report.add(
                    "E_CHAIN",
                    log_name(self.manifest.log),
                    "a piece does not follow the one before it",
                );
            }
            let loaded = self.load(Place { feed: held.feed, place: pending.place });
            known.extend(loaded.iter().filter_map(Stored::id));
            match loaded.and_then(|stored| check_place(held.name, pending.place, &stored)) {
                Ok(header) => headers.extend(header),
                Err(error) => report.add_error(&log_name(self.manifest.log), &error),
            }
        }
        verify_top(held, &log, report);
    }

    fn verify_stone(
        &self,
        feed: FeedName,
        stone: &StoneRecord,
        deep: bool,
        known: &mut BTreeSet<WaypointId>,
        headers: &mut Vec<Header>,
    ) -> Result<(), NodeError> {
        self.stones.close(stone);
        self.stones.read_lean(feed, stone, &mut |stored| {
            known.extend(stored.id());
            Ok(())
        })?;
        if !deep {
            return Ok(());
        }
        self.stones.verify(feed, stone)?;
        let mut place = stone.span.start;
        self.stones.read_from(feed, stone, place, &mut |stored| {
            headers.extend(check_place(feed, place, &stored)?);
            place += stored.count();
            Ok(())
        })
    }
}

/// Checks that a waypoint is one of this place, and gives its header if it has a body.
fn check_place(feed: FeedName, place: u64, stored: &Stored) -> Result<Option<Header>, NodeError> {
    let Stored::Body(waypoint) = stored else { return Ok(None) };
    let header = waypoint.header();
    if header.feed == feed && header.seq == place + 1 {
        return Ok(Some(header.clone()));
    }
    Err(NodeError::Document(format!("another waypoint stands in the place of {}", place + 1)))
}

fn verify_top(held: &Held, log: &merkle::Log, report: &mut Report) {
    let top = held.top.claimed();
    let place = format!("feed {}", held.name.id());
    if held.top.clone().verify().is_err() {
        report.add("E_SIG", &place, "the top's signature does not hold");
    }
    // A longer top vouches for waypoints that are still to come.
    if top.n <= log.len() && log.root_of(top.n).is_some_and(|root| root != top.root) {
        report.add(
            "E_CHAIN",
            &place,
            format!("the first {} waypoints are not those that were signed", top.n),
        );
    }
}

fn verify_links(header: &Header, known: &BTreeSet<WaypointId>, report: &mut Report) {
    for parent in header.parents.iter().filter(|parent| !known.contains(parent)) {
        let detail = format!("waypoint {} stands on {parent}, which is not here", header.id());
        report.add("E_LINK", format!("feed {}", header.feed.id()), detail);
    }
}
