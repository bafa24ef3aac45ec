//! A book of every word that was written.
//!
//! It notes which waypoint took which word out of sight. So what a merge may hide is known without
//! asking the engine: a word is in a file, or in an alternative of an overlap, or some waypoint that saw
//! it took it away.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::id::WaypointId;

use super::Replica;

/// What became of every word.
#[derive(Default)]
pub struct Book {
    /// The waypoints that wrote each word.
    pub written: BTreeMap<String, WaypointId>,
    /// The waypoints that took it away, all of it or one of its copies.
    pub taken: BTreeMap<String, BTreeSet<WaypointId>>,
}

/// What a replica shows of each word: how often in files, and whether in any overlap.
pub struct Sight {
    files: BTreeMap<String, usize>,
    overlaps: BTreeSet<String>,
}

impl Sight {
    pub fn of(replica: &mut Replica) -> Self {
        let (mut files, mut overlaps) = (BTreeMap::new(), BTreeSet::new());
        for path in replica.paths() {
            for word in words(&replica.bytes(&path)) {
                *files.entry(word).or_insert(0) += 1;
            }
        }
        for overlap in &replica.view().overlaps {
            overlaps.extend(overlap.alternatives.iter().flat_map(|side| words(&side.bytes)));
        }
        Self { files, overlaps }
    }

    fn shows(&self, word: &str) -> bool {
        self.files.contains_key(word) || self.overlaps.contains(word)
    }

    fn all(&self) -> BTreeSet<String> {
        self.files.keys().chain(&self.overlaps).cloned().collect()
    }
}

/// The words in a text that acts have written, whatever stands around them.
fn words(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'w') {
        rest = &rest[at + 1..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 && rest.get(digits) == Some(&b'w') {
            found.push(format!("w{}w", String::from_utf8_lossy(&rest[..digits])));
            rest = &rest[digits + 1..];
        }
    }
    found
}

impl Book {
    /// Notes what a waypoint has written and taken away.
    pub fn note(&mut self, by: WaypointId, before: &Sight, after: &Sight) {
        for word in after.all() {
            if !before.shows(&word) {
                self.written.entry(word).or_insert(by);
            }
        }
        for word in before.all() {
            let count = |sight: &Sight| sight.files.get(&word).copied().unwrap_or(0);
            if count(after) < count(before) || !after.shows(&word) {
                self.taken.entry(word).or_default().insert(by);
            }
        }
    }

    /// The words that a replica should know of and does not show.
    pub fn lost(&self, replica: &mut Replica) -> Vec<String> {
        let sight = Sight::of(replica);
        let docs = &replica.docs;
        let heads = replica.tip.heads();
        let known = |by: &WaypointId| heads.iter().any(|head| docs.is_ancestor(by, head));
        let lost = self.written.iter().filter(|(word, by)| {
            let taken = self.taken.get(*word).is_some_and(|those| those.iter().any(known));
            known(by) && !sight.shows(word) && !taken
        });
        lost.map(|(word, _)| word.clone()).collect()
    }
}
