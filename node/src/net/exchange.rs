//! One exchange with peers that a verb waits for: whom to ask, whom to ask again, and when it is over.
//!
//! Pure: it sees the wire, hears events, and says what to put to the core.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cairn_crdt::id::RepoId;
use cairn_protocol::effect::{Event, SyncFailure};
use cairn_protocol::input::{Input, Wanted};
use cairn_protocol::key::DeviceKey;

use super::Address;
use super::session::{REACH_MAX, REFUSED_MAX};
use super::wire::Wire;
use crate::error::NodeError;

/// How often one peer is asked, when the line breaks.
const TRIES_MAX: u32 = 3;
/// How long the others may take to be reached after the first has been exchanged with.
const GRACE: Duration = Duration::from_secs(2);
/// How long nothing may be heard of the repo while a peer is asked. Requests have a shorter limit of
/// their own; this is the last resort.
const SILENCE_MAX: Duration = Duration::from_secs(180);

/// What came of an exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Waypoints that came in.
    pub received: u64,
    /// The peers that hold the same now.
    pub peers: Vec<DeviceKey>,
}

/// An exchange that is under way.
pub(crate) struct Exchange {
    repo: RepoId,
    wanted: Option<Wanted>,
    /// Only these are asked; anybody where empty.
    named: Vec<Address>,
    remembered: Vec<Address>,
    begun: Instant,
    tries: BTreeMap<DeviceKey, u32>,
    under_way: BTreeSet<DeviceKey>,
    synced: BTreeMap<DeviceKey, Instant>,
    failed: BTreeMap<DeviceKey, SyncFailure>,
    heard: Option<Instant>,
}

impl Exchange {
    /// Brings both sides to the same state: with every named peer, or with everybody remembered
    /// and connected.
    pub(crate) fn sync(repo: RepoId, named: Vec<Address>, remembered: Vec<Address>, begun: Instant) -> Self {
        Self {
            repo,
            wanted: None,
            named,
            remembered,
            begun,
            tries: BTreeMap::new(),
            under_way: BTreeSet::new(),
            synced: BTreeMap::new(),
            failed: BTreeMap::new(),
            heard: None,
        }
    }

    /// Gets a repo from the first named peer that shows it.
    pub(crate) fn join(wanted: Wanted, named: Vec<Address>, begun: Instant) -> Self {
        let exchange = Self::sync(wanted.repo, named, Vec::new(), begun);
        Self { wanted: Some(wanted), ..exchange }
    }

    /// Whom to call.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.named.iter().chain(&self.remembered).cloned().collect()
    }

    /// What to put to the core now.
    pub(crate) fn ask(&mut self, wire: &Wire, now: Instant) -> Vec<Input> {
        // A repo that is not here yet is asked for at one peer at a time.
        let one_at_a_time = self.wanted.is_some();
        let mut inputs = Vec::new();
        for peer in self.askable(wire) {
            if one_at_a_time && !self.under_way.is_empty() {
                break;
            }
            *self.tries.entry(peer).or_default() += 1;
            self.under_way.insert(peer);
            self.failed.remove(&peer);
            self.heard = Some(now);
            inputs.push(self.input(peer));
        }
        inputs
    }

    fn input(&self, peer: DeviceKey) -> Input {
        match &self.wanted {
            Some(wanted) => Input::Join { peer, wanted: wanted.clone() },
            None => Input::Synchronise { peer, repo: self.repo },
        }
    }

    fn askable(&self, wire: &Wire) -> Vec<DeviceKey> {
        let again = |peer: &DeviceKey| match self.failed.get(peer) {
            Some(SyncFailure::Disconnected) => self.tries.get(peer).is_none_or(|tries| *tries < TRIES_MAX),
            Some(_) => false,
            None => true,
        };
        let idle = |peer: &DeviceKey| !self.under_way.contains(peer) && !self.synced.contains_key(peer);
        let fits = |peer: &DeviceKey| {
            self.named.is_empty() || self.named.iter().any(|address| is_at(wire, peer, address))
        };
        wire.connected.iter().filter(|peer| idle(peer) && again(peer) && fits(peer)).copied().collect()
    }

    /// Takes note of an event.
    pub(crate) fn hear(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Synced { repo, peer } if *repo == self.repo && self.under_way.remove(peer) => {
                self.synced.insert(*peer, now);
            }
            Event::SyncFailed { repo, peer, reason } if *repo == self.repo && self.under_way.remove(peer) => {
                self.failed.insert(*peer, reason.clone());
            }
            Event::Received { repo, .. } | Event::Joined { repo } if *repo == self.repo => {
                self.heard = Some(now);
            }
            _ => {}
        }
    }

    /// What came of it, once it is over.
    pub(crate) fn outcome(&self, wire: &Wire, now: Instant) -> Option<Result<Exchanged, NodeError>> {
        let silent = self.heard.is_some_and(|heard| now > heard + SILENCE_MAX);
        if !self.under_way.is_empty() && !silent {
            return None;
        }
        if self.is_done(wire, now) || silent {
            let peers = self.synced.keys().copied().collect::<Vec<_>>();
            let exchanged = Exchanged { received: 0, peers };
            return Some(if exchanged.peers.is_empty() { Err(self.failure(wire)) } else { Ok(exchanged) });
        }
        None
    }

    fn is_done(&self, wire: &Wire, now: Instant) -> bool {
        if !self.askable(wire).is_empty() {
            return self.wanted.is_some() && !self.synced.is_empty();
        }
        let first = self.synced.values().min();
        let answered = |address: &Address| {
            self.tries.keys().any(|peer| is_at(wire, peer, address) && !self.may_come_back(peer))
        };
        let all_answered = self.addresses().iter().all(answered) && !self.tries.is_empty();
        let late = now > self.begun + REACH_MAX || first.is_some_and(|first| now > *first + GRACE);
        let refused = self.addresses().iter().all(|address| wire.unreachable.contains_key(address));
        let nobody =
            wire.connected.is_empty() && refused && (self.addresses().is_empty() || self.has_waited(now));
        late || nobody || all_answered || (self.wanted.is_some() && first.is_some())
    }

    /// Whether peers have had time to start; one that is asked for a repo for the first time has longer.
    fn has_waited(&self, now: Instant) -> bool {
        self.wanted.is_none() && now > self.begun + REFUSED_MAX
    }

    /// Whether a peer that was lost may be called again within the limits.
    fn may_come_back(&self, peer: &DeviceKey) -> bool {
        matches!(self.failed.get(peer), Some(SyncFailure::Disconnected))
            && self.tries.get(peer).is_some_and(|tries| *tries < TRIES_MAX)
    }

    fn failure(&self, wire: &Wire) -> NodeError {
        if let Some((peer, reason)) = self.failed.iter().max_by_key(|(_, reason)| weight(reason)) {
            return blame(self.repo, *peer, reason);
        }
        let tried = self.addresses();
        let why = tried.iter().find_map(|address| Some((address, wire.unreachable.get(address)?)));
        match why {
            Some((address, why)) => NodeError::Network(format!("{address} could not be reached: {why}")),
            None if tried.is_empty() => NodeError::Network("no peer is known for this repo".to_owned()),
            None => NodeError::Network("no peer answered in time".to_owned()),
        }
    }
}

/// Whether `peer` is the one that answers at `address`.
fn is_at(wire: &Wire, peer: &DeviceKey, address: &Address) -> bool {
    address.peer() == Some(*peer)
        || wire.reached.iter().any(|(reached, who)| who == peer && reached.starts_with(address))
}

/// A graver failure is told rather than a lighter one.
fn weight(reason: &SyncFailure) -> u8 {
    match reason {
        SyncFailure::Disconnected => 0,
        SyncFailure::Absent => 1,
        SyncFailure::Rejected(_) => 2,
        SyncFailure::Refused(_) => 3,
        _ => 4,
    }
}

fn blame(repo: RepoId, peer: DeviceKey, reason: &SyncFailure) -> NodeError {
    let told = format!("peer {}: {reason}", peer.short());
    match reason {
        SyncFailure::Disconnected => NodeError::Network(told),
        SyncFailure::Absent => {
            NodeError::NotFound { what: "repo that this key may read at that peer", name: repo.to_string() }
        }
        SyncFailure::Rejected(_) => NodeError::Peer(told),
        SyncFailure::Refused(_) => NodeError::Refused(told),
        _ => NodeError::Refused(told),
    }
}
