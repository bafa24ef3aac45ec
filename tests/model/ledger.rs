//! What a store owes: bytes that a verb took from a worktree. A version must show them.
//!
//! Whether it is, is asked of the store alone: its versions are checked out one after the other into a folder of their own,
//! and what lies there then is read. Each version is walked once; what is owed remembers where it was found, and can be
//! looked for there again. A version is one waypoint or, where a merge needed no word from anybody, several.

use super::disk::{State, walk};
use crate::harness::{Node, Out};
use crate::watch::strings;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The heads of a version, or its label, as `get` takes them.
pub(super) type Version = Vec<String>;

/// What one store owes.
pub(super) struct Ledger {
    /// A worktree of this home in which nobody works.
    proof: Node,
    owed: BTreeMap<State, String>,
    /// Of everything that was ever found in a version, the first such version.
    found: BTreeMap<State, Version>,
    /// And the last one.
    found_last: BTreeMap<State, Version>,
    /// Where things were found before the store forgot: there it is worth looking first.
    hints: Vec<BTreeMap<State, Version>>,
    /// Versions that were not walked yet.
    waiting: VecDeque<Version>,
    heard: BTreeSet<Version>,
    /// All that were heard of, the oldest first.
    all: Vec<Version>,
    waypoints: BTreeSet<String>,
    /// The marks whose past was heard of: it never changes.
    marks: BTreeSet<String>,
    /// What shows on no branch and whose past was heard of.
    held: BTreeSet<String>,
    /// What was owed and found since the store forgot last.
    paid: BTreeMap<State, Version>,
    pub(super) walked: u64,
    pub(super) settled: u64,
}

impl Ledger {
    pub(super) fn new(proof: Node) -> Self {
        let (owed, found, found_last, hints, paid) = Default::default();
        let (waiting, heard, all, waypoints, marks, held) = Default::default();
        Self {
            proof,
            owed,
            found,
            found_last,
            hints,
            waiting,
            heard,
            all,
            waypoints,
            marks,
            held,
            paid,
            walked: 0,
            settled: 0,
        }
    }

    /// Bytes that a version must show, and how they were taken.
    pub(super) fn owe(&mut self, state: State, why: impl FnOnce() -> String) {
        if let Some(version) = self.found.get(&state) {
            self.paid.insert(state, version.clone());
        } else {
            self.owed.entry(state).or_insert_with(why);
        }
    }

    /// A version that the store is said to have, by its heads.
    pub(super) fn hear<'a>(&mut self, heads: impl IntoIterator<Item = &'a str>) {
        let heads: BTreeSet<&str> = heads.into_iter().collect();
        if let Some(only) = heads.first().filter(|_| heads.len() == 1) {
            self.waypoints.insert((*only).to_owned());
        }
        let version: Version = heads.into_iter().map(|head| format!("?{head}")).collect();
        if !version.is_empty() && self.heard.insert(version.clone()) {
            self.waiting.push_back(version.clone());
            self.all.push(version);
        }
    }

    /// Every waypoint that was heard of.
    pub(super) fn waypoints(&self) -> &BTreeSet<String> {
        &self.waypoints
    }

    /// The newest waypoints in the version of a mark, unless they are known.
    pub(super) fn learn_mark(&mut self, name: &str) {
        if !self.marks.contains(name) && self.learn(&format!("?{name}")) {
            self.marks.insert(name.to_owned());
        }
    }

    /// A mark may have been set anew.
    pub(super) fn forget_mark(&mut self, name: &str) {
        self.marks.remove(name);
    }

    /// The newest waypoints in a version; whether there is one.
    pub(super) fn learn(&mut self, version: &str) -> bool {
        let log = self.proof.run(&["log", version, "-n", "3000"]);
        assert!(matches!(log.code, 0 | 3), "log {version}: {log:#?}");
        for told in log.json["waypoints"].as_array().into_iter().flatten() {
            self.hear(told["waypoint"].as_str());
        }
        log.code == 0
    }

    /// What shows on no branch, with its past: work that is late is there too.
    pub(super) fn learn_held(&mut self) {
        let held = self.proof.ok(&["held"]);
        for told in held["held"].as_array().into_iter().flatten().filter_map(|told| told["waypoint"].as_str())
        {
            self.hear([told]);
            if self.held.insert(told.to_owned()) {
                self.learn(&format!("?{told}"));
            }
        }
    }

    /// What a version shows once it is checked out; `None` where the store cannot show it.
    fn shown(&mut self, version: &[String]) -> Option<BTreeSet<State>> {
        let words: Vec<&str> = std::iter::once("get").chain(version.iter().map(String::as_str)).collect();
        let out = self.proof.run(&words);
        assert!(matches!(out.code, 0 | 1 | 3), "{words:?}: {out:#?}");
        self.walked += 1;
        (out.code != 3).then(|| walk(&self.proof.tree).into_values().collect())
    }

    /// Walks versions until all that is owed is found, and gives what is not. What still lies `on_disk` is not lost.
    pub(super) fn settle(&mut self, on_disk: &BTreeSet<State>) -> Vec<String> {
        for hints in self.hints.clone() {
            let hinted: BTreeSet<_> = self.owed.keys().filter_map(|state| hints.get(state)).collect();
            hinted.into_iter().for_each(|version| self.look_into(version));
        }
        while !self.owed.is_empty() {
            // The youngest first: what was taken lately was kept lately.
            let Some(version) = self.waiting.pop_back() else { break };
            self.look_into(&version);
        }
        self.owed.retain(|state, _| !on_disk.contains(state));
        std::mem::take(&mut self.owed).into_values().collect()
    }

    fn look_into(&mut self, version: &Version) {
        for state in self.shown(version).into_iter().flatten() {
            self.found.entry(state).or_insert_with(|| version.clone());
            self.found_last.insert(state, version.clone());
            if self.owed.remove(&state).is_some() {
                self.paid.insert(state, version.clone());
                self.settled += 1;
            }
        }
    }

    /// Looks once more for all that was found before, where it was found.
    pub(super) fn audit(&mut self) {
        let mut places = BTreeMap::<_, Vec<State>>::new();
        for (state, version) in &self.paid {
            places.entry(version.clone()).or_default().push(*state);
        }
        for (version, states) in places {
            let shown = self.shown(&version).unwrap_or_default();
            assert!(states.iter().all(|state| shown.contains(state)), "{version:?} shows something else now");
        }
    }

    /// What labels name now: versions, and their roots.
    pub(super) fn named<'a>(&self, labels: impl IntoIterator<Item = &'a String>) -> BTreeMap<Version, Value> {
        let told = |label: &String| self.proof.run(&["root", &format!("?{label}")]);
        let named = labels.into_iter().map(told).filter(|out| out.code == 0);
        let heads =
            |out: &Out| strings(&out.json["frontier"]).iter().map(|head| format!("?{head}")).collect();
        named.map(|out| (heads(&out), out.json["root"].clone())).collect()
    }

    /// The store may have forgotten anything by now but these versions.
    pub(super) fn forgot(&mut self, kept: &BTreeMap<Version, Value>) {
        self.hints = vec![std::mem::take(&mut self.found_last), std::mem::take(&mut self.found)];
        self.paid.clear();
        // The oldest first: each is worked out from what was for the one before it.
        self.waiting = self.all.iter().rev().cloned().collect();
        for (version, root) in kept {
            let words: Vec<&str> = std::iter::once("get").chain(version.iter().map(String::as_str)).collect();
            let out = self.proof.run(&words);
            assert_eq!(&out.json["root"], root, "what is pinned shows something else after a fade: {out:#?}");
            let shown = walk(&self.proof.tree).into_values();
            shown.for_each(|state| drop(self.found.insert(state, version.clone())));
        }
    }
}
