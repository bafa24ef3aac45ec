//! Replicas that edit, begin epochs, forget, part, meet and come late: what they show at one frontier is one
//! root, or is refused with the name of what has faded; and every mark can be restored.
#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use std::collections::BTreeSet;

use cairn_crdt::id::{Root, WaypointId};
use cairn_crdt::{CrdtError, Frontier};
use proptest::prelude::*;
use world::{Replica, remove, write};

const REPLICAS: usize = 5;
const FILES: [&str; 3] = ["a.rs", "b.txt", "dir/c.txt"];

#[derive(Debug, Clone)]
enum Act {
    /// Writes one line of a file, or makes the file.
    Edit { replica: usize, file: usize, line: usize, word: u8 },
    /// Removes a file.
    Remove { replica: usize, file: usize },
    /// Begins an epoch, where nothing is unsettled.
    Mark { replica: usize },
    /// Forgets what no mark, tip or late work needs.
    Fade { replica: usize },
    /// Takes in what another has, carrying its own late work over.
    Pull { replica: usize, from: usize },
    /// Starts again from nothing but another's store.
    Join { replica: usize, from: usize },
}

fn act() -> impl Strategy<Value = Act> {
    let replica = 0..REPLICAS;
    prop_oneof![
        6 => (replica.clone(), 0..FILES.len(), 0..4usize, any::<u8>())
            .prop_map(|(replica, file, line, word)| Act::Edit { replica, file, line, word }),
        1 => (replica.clone(), 0..FILES.len()).prop_map(|(replica, file)| Act::Remove { replica, file }),
        2 => replica.clone().prop_map(|replica| Act::Mark { replica }),
        2 => replica.clone().prop_map(|replica| Act::Fade { replica }),
        5 => (replica.clone(), replica.clone()).prop_map(|(replica, from)| Act::Pull { replica, from }),
        1 => (replica.clone(), replica).prop_map(|(replica, from)| Act::Join { replica, from }),
    ]
}

/// A replica, and what it remembers of its own.
struct Peer {
    replica: Replica,
    /// Waypoints whose operations are not here any more.
    faded: BTreeSet<WaypointId>,
    /// All tips that were ever met and that nobody has carried over.
    tips: BTreeSet<WaypointId>,
}

impl Peer {
    fn new(name: u8) -> Self {
        Self { replica: Replica::new(name), faded: BTreeSet::new(), tips: BTreeSet::new() }
    }

    fn edit(&mut self, file: usize, line: usize, word: u8) {
        let path = FILES[file];
        let shown = self.replica.view();
        let text = match shown.files.contains_key(&world::path(path)) {
            true => self.replica.read(path),
            false => "one 0\n\ntwo 0\n\nthree 0\n\nfour 0\n".to_owned(),
        };
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = (line * 2).min(lines.len().saturating_sub(1));
        if let Some(line) = lines.get_mut(at) {
            *line = format!("{} {word}", line.split(' ').next().unwrap_or_default());
        }
        self.post(&[write(path, lines.join("\n") + "\n")]);
    }

    fn post(&mut self, edits: &[cairn_crdt::FileEdit]) {
        let id = self.replica.post(edits);
        self.advance(id);
    }

    fn advance(&mut self, id: WaypointId) {
        let docs = &self.replica.docs;
        self.tips.retain(|tip| !docs.is_ancestor(tip, &id));
        self.tips.insert(id);
        self.show();
    }

    /// Stands where the epoch in force does.
    fn show(&mut self) {
        self.replica.tip = self.replica.docs.in_force(&self.tips).into_iter().collect();
    }

    fn mark(&mut self, marks: &mut Vec<(WaypointId, Root)>) {
        let replica = &mut self.replica;
        if replica.docs.snapshot(&replica.tip, &replica.store).is_err() {
            return;
        }
        let root = replica.view().root;
        let id = replica.restart();
        assert_eq!(replica.view().root, root, "an epoch shows what was there");
        marks.push((id, root));
        self.advance(id);
    }

    /// Forgets, by starting again with what is left.
    fn fade(&mut self, marks: &[(WaypointId, Root)]) {
        let docs = &self.replica.docs;
        let heads: Vec<WaypointId> =
            marks.iter().map(|(id, _)| *id).chain(self.tips.iter().copied()).collect();
        let heads: Vec<WaypointId> = heads.into_iter().filter(|id| docs.contains(id)).collect();
        let needed = docs.needed(&heads);
        let named = docs.named(&needed, &self.replica.store).unwrap();
        self.replica.store.retain(|content, _| named.contains(content));
        let changes = std::mem::take(&mut self.replica.changes);
        self.faded.extend(changes.iter().map(|change| change.id).filter(|id| !needed.contains(id)));
        let mut fresh = Replica::new(self.replica.name);
        fresh.store = std::mem::take(&mut self.replica.store);
        fresh.count = self.replica.count;
        let old = std::mem::replace(&mut self.replica, fresh);
        changes.iter().for_each(|change| self.take(change, old.restarts.contains(&change.id)));
        self.show();
    }

    fn take(&mut self, change: &cairn_crdt::Change, restarts: bool) {
        let replica = &mut self.replica;
        if replica.docs.contains(&change.id) {
            return;
        }
        if restarts {
            replica.restarts.insert(change.id);
        }
        match (self.faded.contains(&change.id), restarts) {
            (true, _) => replica.docs.insert_faded(change.id, &change.parents, restarts.then_some(0)),
            (false, true) => replica.docs.restart(change.clone(), 0),
            (false, false) => replica.docs.insert(change.clone()),
        }
        .unwrap();
        replica.changes.push(change.clone());
    }

    /// Takes in what another has; what is late of one's own is carried over.
    fn pull(&mut self, other: &Peer) {
        for change in &other.replica.changes {
            if !self.replica.docs.contains(&change.id) && other.faded.contains(&change.id) {
                self.faded.insert(change.id);
            }
            self.take(change, other.replica.restarts.contains(&change.id));
        }
        self.replica.store.extend(other.replica.store.clone());
        let all: Vec<WaypointId> = self.tips.union(&other.tips).copied().collect();
        self.tips = self.replica.docs.frontier_of(all).heads().iter().copied().collect();
        self.carry();
        self.show();
    }

    fn carry(&mut self) {
        let shown = self.replica.docs.in_force(&self.tips);
        let late: Vec<WaypointId> = self.tips.difference(&shown).copied().collect();
        for late in late {
            let docs = &mut self.replica.docs;
            let epoch = docs.epoch(shown.first().unwrap()).unwrap();
            let marked: Frontier = docs.parents(&epoch).iter().copied().collect();
            let onto = Frontier::from_iter([epoch]);
            let from = Frontier::from_iter([late]);
            match docs.carry(&from, &marked, &onto, &self.replica.store) {
                Ok(carried) => {
                    self.replica.tip = onto;
                    let id = self.replica.commit(carried.draft);
                    self.tips.remove(&late);
                    self.tips.insert(id);
                }
                // Somebody who holds what is missing carries it over.
                Err(CrdtError::Faded(_) | CrdtError::Absent(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn run(acts: &[Act]) {
    let mut peers: Vec<Peer> = (0..REPLICAS).map(|name| Peer::new(name as u8 + 1)).collect();
    let mut marks = Vec::new();
    for act in acts {
        match *act {
            Act::Edit { replica, file, line, word } => peers[replica].edit(file, line, word),
            Act::Remove { replica, file } => {
                if peers[replica].replica.view().files.contains_key(&world::path(FILES[file])) {
                    peers[replica].post(&[remove(FILES[file])]);
                }
            }
            Act::Mark { replica } => peers[replica].mark(&mut marks),
            Act::Fade { replica } => peers[replica].fade(&marks),
            Act::Pull { replica, from } if replica != from => {
                let other = std::mem::replace(&mut peers[from], Peer::new(0));
                peers[replica].pull(&other);
                peers[from] = other;
            }
            Act::Join { replica, from } if replica != from && peers[replica].tips.is_empty() => {
                let other = std::mem::replace(&mut peers[from], Peer::new(0));
                peers[replica].pull(&other);
                peers[from] = other;
            }
            Act::Pull { .. } | Act::Join { .. } => {}
        }
    }
    check(&mut peers, &marks);
}

/// At every frontier that anybody stands on, all who know it show one root or name what has faded; marks restore.
fn check(peers: &mut [Peer], marks: &[(WaypointId, Root)]) {
    let frontiers: BTreeSet<Vec<WaypointId>> =
        peers.iter().map(|peer| peer.replica.tip.heads().to_vec()).collect();
    for heads in frontiers {
        let frontier: Frontier = heads.iter().copied().collect();
        let mut roots = BTreeSet::new();
        for peer in peers.iter_mut() {
            let Replica { docs, store, .. } = &mut peer.replica;
            match docs.view(&frontier, store) {
                Ok(view) => drop(roots.insert(view.root)),
                Err(CrdtError::Faded(id)) => assert!(peer.faded.contains(&id)),
                Err(CrdtError::UnknownWaypoint(_) | CrdtError::Absent(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(roots.len(), 1, "one frontier, one root");
    }
    for (id, root) in marks {
        let mut restored = 0;
        for peer in peers.iter_mut().filter(|peer| peer.replica.docs.contains(id)) {
            let Replica { docs, store, .. } = &mut peer.replica;
            let view = docs.view(&Frontier::from_iter([*id]), store).unwrap();
            assert_eq!(view.root, *root);
            for path in view.files.keys() {
                docs.bytes(&view, path, store).unwrap();
            }
            restored += 1;
        }
        assert!(restored > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_frontier_has_one_root_and_every_mark_restores(acts in proptest::collection::vec(act(), 1..40)) {
        run(&acts);
    }
}
