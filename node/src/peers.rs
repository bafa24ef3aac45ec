//! The peers that a home remembers, so that it finds them again after a restart.
//!
//! `<home>/peers.json`: for each peer the last addresses that worked and the repos that were exchanged.
//! A convenience, not a truth: a file that cannot be read is set aside and begun anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cairn_crdt::id::RepoId;
use cairn_protocol::key::DeviceKey;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::files;
use crate::home::Home;
use crate::net::Address;

/// The most bytes of the file.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Peers that are remembered; those without an address, and then those not seen for longest, are forgotten.
const PEERS_MAX: usize = 256;
/// Addresses of one peer: a laptop has a few, and ports change with every start.
const ADDRESSES_MAX: usize = 6;
/// Repos that are written down for one peer.
const REPOS_MAX: usize = 256;

/// How far the time at which a peer was seen may lie behind in the file, in milliseconds.
const SEEN_MS: u64 = 60_000;

/// What is remembered of one peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    addresses: Vec<String>,
    repos: BTreeSet<String>,
    seen_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<Failed>,
}

/// The last call that did not come through, since one did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Where.
    pub address: String,
    /// Why not.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// The remembered peers of one home.
#[derive(Debug)]
pub struct PeerBook {
    home: Home,
    entries: BTreeMap<String, Entry>,
    changed: bool,
}

impl PeerBook {
    /// Reads what the home remembers.
    pub fn load(home: &Home) -> Self {
        let entries = read(home).unwrap_or_else(|why| {
            tracing::warn!(%why, "the remembered peers are not readable; beginning anew");
            BTreeMap::new()
        });
        Self { home: home.clone(), entries, changed: false }
    }

    /// A connection to `address` came about.
    pub fn reached(&mut self, key: DeviceKey, address: &Address, now_ms: u64) {
        let text = address.to_string();
        let entry = self.entries.entry(key.to_string()).or_default();
        entry.seen_ms = now_ms;
        self.changed |= entry.failed.take().is_some();
        if entry.addresses.first() != Some(&text) {
            entry.addresses.retain(|known| *known != text);
            entry.addresses.insert(0, text);
            entry.addresses.truncate(ADDRESSES_MAX);
            self.changed = true;
        }
        self.forget_oldest();
    }

    /// A call did not come through. The file is written when it says something else than before.
    pub fn failed(&mut self, address: &Address, reason: &str, now_ms: u64) {
        let entry = address.peer().and_then(|key| self.entries.get_mut(&key.to_string()));
        let Some(entry) = entry else { return };
        let failed = Failed { address: address.to_string(), reason: reason.to_owned(), at_ms: now_ms };
        let same = entry.failed.as_ref().is_some_and(|last| last.reason == reason);
        self.changed |= !same;
        entry.failed = Some(failed);
    }

    /// When a peer was seen last, and the last call that failed since.
    pub fn last(&self, key: DeviceKey) -> (Option<u64>, Option<&Failed>) {
        let entry = self.entries.get(&key.to_string());
        (entry.map(|entry| entry.seen_ms), entry.and_then(|entry| entry.failed.as_ref()))
    }

    /// `repo` was exchanged with a peer. One that only ever calls here has no address, and is known too.
    pub fn exchanged(&mut self, key: DeviceKey, repo: RepoId, now_ms: u64) {
        let entry = self.entries.entry(key.to_string()).or_default();
        self.changed |= now_ms.saturating_sub(entry.seen_ms) > SEEN_MS;
        entry.seen_ms = now_ms;
        self.changed |= entry.failed.take().is_some();
        if entry.repos.len() < REPOS_MAX {
            self.changed |= entry.repos.insert(repo.to_string());
        }
        self.forget_oldest();
    }

    /// Every address of peers with whom `repo` was exchanged; of all peers where `None`.
    pub fn addresses(&self, repo: Option<RepoId>) -> Vec<Address> {
        let repo = repo.map(|repo| repo.to_string());
        let shares = |entry: &&Entry| repo.as_ref().is_none_or(|repo| entry.repos.contains(repo));
        let entries = self.entries.values().filter(shares);
        entries.flat_map(|entry| &entry.addresses).filter_map(|text| text.parse().ok()).collect()
    }

    /// The peers with whom `repo` was exchanged, and when each was seen last.
    pub fn sharing(&self, repo: RepoId) -> impl Iterator<Item = (DeviceKey, u64)> + '_ {
        let repo = repo.to_string();
        let entries = self.entries.iter().filter(move |(_, entry)| entry.repos.contains(&repo));
        entries.filter_map(|(key, entry)| Some((DeviceKey::from_hex(key)?, entry.seen_ms)))
    }

    /// Every remembered peer with its addresses.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceKey, &[String])> + '_ {
        self.entries.iter().filter_map(|(key, entry)| Some((DeviceKey::from_hex(key)?, &entry.addresses[..])))
    }

    /// Writes the file if anything changed since it was read or written.
    pub fn save(&mut self) -> Result<(), NodeError> {
        if !self.changed {
            return Ok(());
        }
        let path = path(&self.home);
        let bytes = serde_json::to_vec_pretty(&self.entries)
            .map_err(|_| NodeError::Bug("remembered peers without a form"))?;
        files::replace(&**self.home.files(), &path.with_extension("json.new"), &path, &bytes)
            .map_err(|error| NodeError::io("write", &path, error))?;
        self.changed = false;
        Ok(())
    }

    fn forget_oldest(&mut self) {
        while self.entries.len() > PEERS_MAX {
            // Whoever only calls here never costs the address of somebody else.
            let worth = |entry: &Entry| (!entry.addresses.is_empty(), entry.seen_ms);
            let oldest = self.entries.iter().min_by_key(|(_, entry)| worth(entry));
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.entries.remove(&oldest);
            self.changed = true;
        }
    }
}

fn read(home: &Home) -> Result<BTreeMap<String, Entry>, String> {
    let path = path(home);
    match home.files().len(&path) {
        Ok(None) => return Ok(BTreeMap::new()),
        Ok(Some(_)) => {}
        Err(error) => return Err(error.to_string()),
    }
    let bytes = files::read(&**home.files(), &path, FILE_BYTES_MAX).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

fn path(home: &Home) -> PathBuf {
    home.dir().join("peers.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_protocol::key::Keypair;

    fn key(seed: u8) -> DeviceKey {
        Keypair::from_secret(&[seed; 32]).key()
    }

    fn address(port: u16) -> Address {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn what_was_reached_is_remembered_with_its_repos() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let mut book = PeerBook::load(&home);
        let (mine, other) = (RepoId([1; 32]), RepoId([2; 32]));
        book.exchanged(key(1), mine, 5);
        book.reached(key(1), &address(1), 5);
        book.reached(key(1), &address(2), 6);
        book.reached(key(2), &address(3), 6);
        book.exchanged(key(1), mine, 7);
        book.save().unwrap();
        let book = PeerBook::load(&home);
        assert_eq!(book.addresses(Some(mine)), [address(2), address(1)]);
        assert!(book.addresses(Some(other)).is_empty());
        assert_eq!(book.addresses(None).len(), 3);
        assert_eq!(book.iter().count(), 2);
    }

    #[test]
    fn a_call_that_failed_is_told_until_one_comes_through() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let mut book = PeerBook::load(&home);
        let at = |port| -> Address {
            let peer = crate::net::peer_name(key(1)).unwrap();
            format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}").parse().unwrap()
        };
        book.failed(&at(1), "nobody knows this peer", 4);
        assert_eq!(book.last(key(1)), (None, None));
        book.reached(key(1), &at(1), 5);
        book.failed(&at(1), "nothing listens there", 9);
        book.save().unwrap();
        let mut book = PeerBook::load(&home);
        let (seen, failed) = book.last(key(1));
        assert_eq!(
            (seen, failed.map(|failed| (failed.reason.as_str(), failed.at_ms))),
            (Some(5), Some(("nothing listens there", 9)))
        );
        book.reached(key(1), &at(1), 10);
        assert_eq!(book.last(key(1)), (Some(10), None));
    }

    #[test]
    fn memory_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut book = PeerBook::load(&Home::open(dir.path()).unwrap());
        for port in 1..40 {
            book.reached(key(1), &address(port), 1);
        }
        assert_eq!(book.addresses(None).len(), ADDRESSES_MAX);
        assert_eq!(book.addresses(None)[0], address(39));
    }

    #[test]
    fn who_only_calls_here_is_known_and_costs_nobody_an_address() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let mut book = PeerBook::load(&home);
        book.reached(key(0), &address(1), 1);
        for number in 0..2 * PEERS_MAX {
            let mut secret = [9; 32];
            secret[..8].copy_from_slice(&number.to_le_bytes());
            book.exchanged(Keypair::from_secret(&secret).key(), RepoId([1; 32]), 2);
        }
        book.save().unwrap();
        let book = PeerBook::load(&home);
        assert_eq!(book.iter().count(), PEERS_MAX);
        assert_eq!(book.addresses(None), [address(1)]);
        assert_eq!(book.sharing(RepoId([1; 32])).count(), PEERS_MAX - 1);
    }

    #[test]
    fn a_damaged_file_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("peers.json"), b"{not json").unwrap();
        assert!(PeerBook::load(&home).addresses(None).is_empty());
    }
}
