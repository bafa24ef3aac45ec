//! Five real replicas on disks in memory that edit, mark, fade, compact, part, sleep and start again: at equal
//! versions they show equal roots or say what has faded, every mark restores to the byte, and no proof
//! ever contradicts what was seen before.
//!
//! `CAIRN_CASES=20000 cargo test -p cairn-protocol --release --test forgetting` tries more.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "tests")]

#[path = "forgetful/disk.rs"]
mod disk;
#[path = "forgetful/peer.rs"]
mod peer;

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::FileEdit;
use cairn_crdt::id::{FeedId, WaypointId};
use cairn_crdt::path::RepoPath;
use cairn_protocol::replica::{Candidate, Found};
use cairn_protocol::retention::Thinning;
use cairn_protocol::tower::Policy;
use disk::placed;
use peer::{NOW_MS, Peer, Restored, is_refusal};
use proptest::prelude::*;

const PEERS: usize = 5;
const FILES: [&str; 3] = ["a.rs", "b.txt", "dir/c.txt"];
const HOUR_MS: u64 = 3_600_000;

#[derive(Debug, Clone)]
enum Act {
    /// Writes one line of a file, or makes the file.
    Edit { peer: usize, file: usize, line: usize, word: u8 },
    /// Removes a file.
    Remove { peer: usize, file: usize },
    /// Marks; an epoch begins with an admin's mark that does more than pin.
    Mark { peer: usize, pin: bool },
    /// Forgets.
    Fade { peer: usize, hours: u64, thin: u64, alone: bool },
    /// Cuts and merges stones.
    Compact { peer: usize, count: u64, level: u8 },
    /// Takes in what another has, if nothing lies between the two; the first time, that is to join.
    Pull { peer: usize, from: usize, run: u64 },
    /// Cuts the wires between two groups, or mends them.
    Part { groups: u8 },
    /// Starts again from the disk.
    Restart { peer: usize },
    /// Time passes.
    Wait { hours: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let peer = 0..PEERS;
    prop_oneof![
        7 => (peer.clone(), 0..FILES.len(), 0..4usize, any::<u8>())
            .prop_map(|(peer, file, line, word)| Act::Edit { peer, file, line, word }),
        1 => (peer.clone(), 0..FILES.len()).prop_map(|(peer, file)| Act::Remove { peer, file }),
        2 => (0..2usize).prop_map(|peer| Act::Mark { peer, pin: false }),
        1 => peer.clone().prop_map(|peer| Act::Mark { peer, pin: true }),
        3 => (peer.clone(), 0..40u64, 0..40u64, any::<bool>())
            .prop_map(|(peer, hours, thin, alone)| Act::Fade { peer, hours, thin, alone }),
        2 => (peer.clone(), 1..4u64, 0..4u8).prop_map(|(peer, count, level)| Act::Compact { peer, count, level }),
        7 => (peer.clone(), peer.clone(), 1..4u64).prop_map(|(peer, from, run)| Act::Pull { peer, from, run }),
        1 => any::<u8>().prop_map(|groups| Act::Part { groups }),
        1 => Just(Act::Part { groups: 0 }),
        1 => peer.prop_map(|peer| Act::Restart { peer }),
        2 => (1..30u64).prop_map(|hours| Act::Wait { hours }),
    ]
}

/// A mark, and what it must restore.
struct Marked {
    name: String,
    by: usize,
    restored: Restored,
}

struct World {
    peers: Vec<Peer>,
    /// On which side of a cut each peer is.
    groups: u8,
    now_ms: u64,
    marks: Vec<Marked>,
    /// How much of each feed anybody but its author has taken in.
    taken: BTreeMap<FeedId, BTreeMap<usize, u64>>,
}

impl World {
    fn new() -> Self {
        let peers = (1..=PEERS as u8).map(Peer::new).collect();
        Self { peers, groups: 0, now_ms: NOW_MS, marks: Vec::new(), taken: BTreeMap::new() }
    }

    fn edit(&mut self, peer: usize, file: usize, line: usize, word: u8) {
        let (now_ms, peer) = (self.now_ms, &mut self.peers[peer]);
        let path = RepoPath::new(FILES[file].as_bytes()).unwrap();
        let (_, files) = peer.restore(&peer.tip()).unwrap();
        let begun = b"one 0\n\ntwo 0\n\nthree 0\n\nfour 0\n".to_vec();
        let text = String::from_utf8(files.get(&path).cloned().unwrap_or(begun)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = (line * 2).min(lines.len().saturating_sub(1));
        if let Some(line) = lines.get_mut(at) {
            *line = format!("{} {word}", line.split(' ').next().unwrap_or_default());
        }
        let bytes = (lines.join("\n") + "\n").into_bytes().into();
        peer.post(&[FileEdit::Write { path, bytes, executable: false }], now_ms);
    }

    fn remove(&mut self, peer: usize, file: usize) {
        let (now_ms, peer) = (self.now_ms, &mut self.peers[peer]);
        let path = RepoPath::new(FILES[file].as_bytes()).unwrap();
        if peer.restore(&peer.tip()).unwrap().1.contains_key(&path) {
            peer.post(&[FileEdit::Remove { path }], now_ms);
        }
    }

    fn mark(&mut self, peer: usize, pin: bool) {
        let name = format!("v{}", self.marks.len());
        if let Some(restored) = self.peers[peer].mark(&name, pin, self.now_ms) {
            self.marks.push(Marked { name, by: peer, restored });
        }
    }

    fn fade(&mut self, peer: usize, hours: u64, thin: u64, alone: bool) {
        let (all_ms, thin_ms) = (hours * HOUR_MS, thin * HOUR_MS);
        let thinning = Thinning { all_ms, hourly_ms: thin_ms, daily_ms: 2 * thin_ms, weekly_ms: 0 };
        let others =
            |held: &BTreeMap<usize, u64>| held.iter().filter(|(who, _)| **who != peer).map(|(_, n)| *n).max();
        let elsewhere: BTreeMap<FeedId, u64> =
            self.taken.iter().map(|(feed, held)| (*feed, others(held).unwrap_or(0))).collect();
        let before = self.unfaded(peer);
        self.peers[peer].fade(thinning, (!alone).then_some(&elsewhere), self.now_ms);
        if !alone {
            let gone: Vec<_> = before.difference(&self.unfaded(peer)).copied().collect();
            let is_held = |(feed, place): &(FeedId, u64)| elsewhere.get(feed).is_some_and(|n| place < n);
            assert!(gone.iter().all(is_held), "what nobody else has stays");
        }
    }

    fn unfaded(&self, peer: usize) -> BTreeSet<(FeedId, u64)> {
        let feeds = self.peers[peer].disk.feeds.iter();
        let places = feeds.flat_map(|(feed, held)| {
            placed(&held.read())
                .filter(|(_, waypoint)| !waypoint.is_faded())
                .map(|(place, _)| (*feed, place))
                .collect::<Vec<_>>()
        });
        places.collect()
    }

    fn pull(&mut self, peer: usize, from: usize, run: u64) {
        let side = |peer: usize| self.groups >> peer & 1;
        if peer == from || side(peer) != side(from) {
            return;
        }
        let Ok([one, other]) = self.peers.get_disjoint_mut([peer, from]) else { return };
        one.pull(other, run, self.now_ms);
        for who in [peer, from] {
            for (feed, held) in &self.peers[who].disk.feeds {
                let known = self.taken.entry(*feed).or_default().entry(who).or_insert(0);
                *known = held.len().max(*known);
            }
        }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Edit { peer, file, line, word } => self.edit(peer, file, line, word),
            Act::Remove { peer, file } => self.remove(peer, file),
            Act::Mark { peer, pin } => self.mark(peer, pin),
            Act::Fade { peer, hours, thin, alone } => self.fade(peer, hours, thin, alone),
            Act::Compact { peer, count, level } => {
                self.peers[peer].disk.compact(Policy {
                    cut_count_min: count,
                    level_max: level,
                    doubling_level_max: 2,
                    step_levels: 2,
                });
            }
            Act::Pull { peer, from, run } => self.pull(peer, from, run),
            Act::Part { groups } => self.groups = groups,
            Act::Restart { peer } => self.peers[peer].restart(self.now_ms),
            Act::Wait { hours } => self.now_ms += hours * HOUR_MS,
        }
        self.now_ms += 1_000;
    }

    /// Lets everybody meet until nothing is new to anybody.
    fn meet(&mut self) {
        self.groups = 0;
        for _ in 0..12 {
            let lengths = |world: &Self| -> Vec<u64> {
                world.peers.iter().flat_map(|peer| peer.disk.feeds.values().map(disk::Held::len)).collect()
            };
            let before = lengths(self);
            for peer in 0..PEERS {
                for from in 0..PEERS {
                    self.pull(peer, from, 3);
                }
            }
            if lengths(self) == before {
                return;
            }
        }
        panic!("the peers never come to rest");
    }

    /// At every version that anybody stands on, all who know it show the same bytes, or name what has faded.
    fn check_versions(&mut self) {
        let tips: BTreeSet<Vec<WaypointId>> =
            self.peers.iter().map(|peer| peer.tip().heads().to_vec()).collect();
        for heads in tips {
            let version = heads.into_iter().collect();
            let shown: Vec<_> = self.peers.iter_mut().map(|peer| peer.restore(&version)).collect();
            let refused = shown.iter().filter_map(|shown| shown.as_ref().err());
            refused.for_each(|error| assert!(is_refusal(error), "{error}"));
            let mut shown = shown.iter().filter_map(|shown| shown.as_ref().ok());
            let first = shown.next().expect("whoever stands on a version can show it");
            assert!(shown.all(|other| other == first), "one version, one root");
        }
    }

    /// Every mark restores, root and bytes, for whoever held its version when it was set; others say what has faded.
    fn check_marks(&mut self) {
        for Marked { name, by, restored } in &self.marks {
            for (index, peer) in self.peers.iter_mut().enumerate() {
                let found = peer.replica.find(peer.project, name);
                let Found::One(Candidate::Mark(..), version) = found else {
                    assert_ne!(index, *by, "who set a mark has it");
                    continue;
                };
                match peer.restore(&version) {
                    Ok(shown) => assert!(shown == *restored, "{name} restores something else"),
                    Err(error) => assert!(index != *by && is_refusal(&error), "{name}: {error}"),
                }
            }
        }
    }
}

fn run(acts: &[Act]) {
    let mut world = World::new();
    for act in acts {
        world.act(act);
    }
    world.check_versions();
    world.check_marks();
    world.meet();
    let tip = world.peers[0].tip();
    assert!(world.peers.iter().all(|peer| peer.tip() == tip), "who has met stands on one version");
    world.check_versions();
    world.check_marks();
    for peer in 0..PEERS {
        world.fade(peer, 0, 0, true);
        world.peers[peer].disk.compact(Policy {
            cut_count_min: 1,
            level_max: 6,
            doubling_level_max: 2,
            step_levels: 2,
        });
    }
    world.check_versions();
    world.check_marks();
}

fn cases() -> u32 {
    std::env::var("CAIRN_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_forgotten_changes_nothing_that_is_kept(acts in proptest::collection::vec(act(), 1..60)) {
        run(&acts);
    }
}

#[test]
fn a_mark_whose_past_an_epoch_has_is_there_whatever_came_first() {
    run(&[
        Act::Edit { peer: 2, file: 0, line: 0, word: 0 },
        Act::Pull { peer: 4, from: 2, run: 1 },
        Act::Edit { peer: 2, file: 0, line: 0, word: 1 },
        Act::Mark { peer: 4, pin: true },
        Act::Pull { peer: 3, from: 2, run: 1 },
        Act::Pull { peer: 0, from: 2, run: 1 },
        Act::Compact { peer: 0, count: 1, level: 1 },
        Act::Mark { peer: 0, pin: false },
        Act::Fade { peer: 0, hours: 0, thin: 0, alone: false },
    ]);
}
