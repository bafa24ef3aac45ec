//! What is left of feeds once waypoints are forgotten as a whole.

use std::collections::BTreeSet;

use cairn_crdt::id::{Root, WaypointId};
use cairn_crdt::{Contents, Kept};

use super::*;
use crate::effect::Accepted;
use crate::feed::FeedName;
use crate::hash::LogHash;
use crate::input::Loaded;
use crate::mark::{Mark, feeds_root};
use crate::proof::InclusionProof;
use crate::replica::Fading;
use crate::retention::Thinning;
use crate::wire::Witness;

/// A repo in which keys 2 and 3 may write.
fn shared() -> (Replica, ProjectId) {
    let (mut replica, project) = replica();
    replica.admit_grants(&[grant(replica.id(), 3, None)], NOW_MS);
    (replica, project)
}

/// A replica, the bytes of its contents, and the pieces of its feeds as a disk would keep them.
struct Node {
    replica: Replica,
    project: ProjectId,
    contents: Kept,
    holders: BTreeMap<ContentHash, (FeedId, u64)>,
    feeds: BTreeMap<FeedId, (Signed<Top>, Vec<Piece>)>,
}

impl Node {
    fn new() -> Self {
        let (replica, project) = shared();
        Self { replica, project, contents: Kept::new(), holders: BTreeMap::new(), feeds: BTreeMap::new() }
    }

    fn store(&mut self, accepted: &Accepted) {
        let top = accepted.top.signed().clone();
        let (known, pieces) = self.feeds.entry(accepted.feed).or_insert_with(|| (top.clone(), Vec::new()));
        let held: u64 = pieces.iter().map(Piece::count).sum();
        let mut place = accepted.start;
        for piece in &accepted.pieces {
            if place + piece.count() > held {
                while pieces.iter().map(Piece::count).sum::<u64>() > place {
                    pieces.pop();
                }
                pieces.push(piece.clone());
            }
            place += piece.count();
        }
        *known = top;
        for waypoint in accepted.waypoints() {
            for (content, bytes) in waypoint.entries().filter_map(|entry| entry.content()) {
                self.contents.insert(content, bytes.into());
                self.holders.insert(content, (accepted.feed, waypoint.header().seq - 1));
            }
        }
    }

    fn take(&mut self, batch: &Batch) -> WaypointId {
        batch.feeds.iter().for_each(|accepted| self.store(accepted));
        assert!(self.replica.apply(batch, NOW_MS).refused.is_empty());
        batch.feeds.iter().flat_map(Accepted::waypoints).last().unwrap().id()
    }

    fn write(&mut self, seed: u8, draft: Draft, labels: Labels) -> WaypointId {
        self.write_on("main", seed, draft, labels)
    }

    fn write_on(&mut self, branch: &str, seed: u8, draft: Draft, labels: Labels) -> WaypointId {
        let (key, parents) = (keypair(seed), self.replica.branch(self.project, branch));
        let labels = Labels { branch: Some(branch.into()), ..labels };
        let (project, now_ms, entropy) = (self.project, NOW_MS, [seed; 32]);
        let batch =
            self.replica.write(Post { project, key: &key, parents, draft, labels, now_ms, entropy }).unwrap();
        self.take(&batch)
    }

    /// A nameless save of the one file that there is.
    fn save(&mut self, seed: u8, text: &str) -> WaypointId {
        self.write(seed, file(self.project, "file", text.as_bytes()), Labels::default())
    }

    fn saves(&mut self, seed: u8, names: &[&str]) {
        for name in names {
            self.save(seed, name);
        }
    }

    /// An admin's mark that begins an epoch.
    fn mark(&mut self, name: &str) -> WaypointId {
        self.mark_on("main", name)
    }

    fn mark_on(&mut self, branch: &str, name: &str) -> WaypointId {
        let frontier = self.replica.branch(self.project, branch);
        let root = self.replica.view(self.project, &frontier, &self.contents as &dyn Contents).unwrap().root;
        let documents = self.replica.documents_mut(self.project).unwrap();
        let draft = documents.snapshot(&frontier, &self.contents).unwrap();
        let epoch = self.replica.epoch_on(self.project, &frontier, root);
        let (name, frontier) = (name.to_owned(), frontier.heads().to_vec());
        let mark = Mark {
            name,
            message: "m".into(),
            frontier,
            root,
            feeds: feeds_root(&[]),
            class: None,
            hold: None,
        };
        self.write_on(branch, 1, draft, Labels { mark: Some(mark), epoch: Some(epoch), ..Labels::default() })
    }

    fn fade(&mut self) -> Fading {
        let retention = Retention { thinning: Thinning::all(0), names_ms: 0, pins: &[], elsewhere: None };
        let fading =
            self.replica.fading(self.project, retention, &self.holders, &self.contents, NOW_MS).unwrap();
        for (feed, (_, pieces)) in &mut self.feeds {
            *pieces = fading.left(*feed, 0, std::mem::take(pieces));
        }
        self.restart();
        fading
    }

    fn restart(&mut self) {
        self.replica = shared().0;
        for (feed, (top, pieces)) in &self.feeds {
            self.replica.restore(PROJECT, *feed, top.clone(), pieces.clone()).unwrap();
        }
        self.replica.restored(NOW_MS);
    }

    fn root(&mut self) -> Root {
        let frontier = self.replica.branch(self.project, "main");
        self.replica.view(self.project, &frontier, &self.contents as &dyn Contents).unwrap().root
    }

    /// What a peer would be sent of a feed of which it holds `from`.
    fn segment(&self, feed: FeedId, from: u64) -> Segment {
        let mut next = 0;
        let pieces = self.feeds[&feed].1.iter().filter(|piece| {
            next += piece.count();
            next > from
        });
        let pieces = pieces.map(Piece::to_bytes).collect();
        let places = self.replica.witnesses(self.project, feed, from, next);
        let held = placed(&self.feeds[&feed].1).filter(|(place, _)| places.contains(place));
        let witnesses = held.map(|(_, piece)| piece.waypoint().unwrap().faded(&BTreeSet::new())).collect();
        self.replica.segment(self.project, feed, from, Loaded { pieces, witnesses }).unwrap()
    }

    /// Takes from another node whatever it has more of, until nothing moves.
    fn pull(&mut self, other: &Node) {
        loop {
            let mut moved = false;
            for feed in other.feeds.keys() {
                let held = self.replica.feed_length(self.project, *feed);
                if held < other.replica.whole_length(other.project, *feed) {
                    moved |= self.pull_feed(other, *feed, held).is_ok();
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn pull_feed(&mut self, other: &Node, feed: FeedId, held: u64) -> Result<(), Reject> {
        let accepted = self.replica.ingest(other.segment(feed, held), NOW_MS)?;
        let mut batch = Batch::new(self.replica.id());
        batch.feeds.push(accepted);
        self.take(&batch);
        Ok(())
    }

    fn feed(&self, seed: u8) -> FeedId {
        FeedName { repo: self.replica.id(), project: self.project, key: keypair(seed).key() }.id()
    }

    fn counts(&self, seed: u8) -> Vec<u64> {
        self.feeds[&self.feed(seed)].1.iter().map(Piece::count).collect()
    }
}

/// Pieces with their places.
fn placed(pieces: &[Piece]) -> impl Iterator<Item = (u64, &Piece)> {
    pieces.iter().scan(0, |next, piece| {
        *next += piece.count();
        Some((*next - piece.count(), piece))
    })
}

/// Key 2 saves nine times, key 1 marks, key 2 saves twice more.
fn year() -> Node {
    let mut node = Node::new();
    node.saves(2, &["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    node.mark("v1");
    node.saves(2, &["j", "k"]);
    node
}

#[test]
fn nameless_waypoints_below_an_epoch_leave_one_hash_and_the_view_stays() {
    let mut node = year();
    let root = node.root();
    assert_eq!(node.fade().count(), 9);
    assert_eq!(node.counts(2), [8, 1, 1, 1]);
    assert_eq!(node.root(), root);
    assert_eq!(node.fade(), Fading { contents: node.fade().contents, ..Fading::default() });
    let next = node.save(2, "z");
    assert_eq!(node.replica.branch(node.project, "main").heads(), [next]);
    node.mark("v2");
    assert_eq!(node.fade().count(), 3);
    assert_eq!(node.replica.late(node.project, "main").len(), 0);
}

#[test]
fn a_feed_in_which_epochs_begin_shows_them_ahead_and_vouches_for_others() {
    let mut node = Node::new();
    node.saves(1, &["a", "b", "c", "d"]);
    node.saves(2, &["e", "f", "g", "h", "i"]);
    node.mark("v1");
    node.saves(1, &["j", "k", "l"]);
    node.mark("v2");
    node.save(1, "m");
    node.fade();
    assert_eq!((node.counts(1), node.counts(2)), (vec![4, 1, 1, 1, 1, 1, 1], vec![4, 1]));
    let segment = node.segment(node.feed(1), 0);
    assert_eq!(segment.witnesses.len(), 1, "the newest epoch has all that is gone");
    let mut late = Node::new();
    let bare = Segment { witnesses: Vec::new(), ..segment };
    assert_eq!(late.replica.ingest(bare, NOW_MS).unwrap_err(), Reject::Unabsorbed);
    late.pull_feed(&node, node.feed(1), 0).unwrap();
    late.pull_feed(&node, node.feed(2), 0).unwrap();
    assert_eq!((late.root(), late.counts(1)), (node.root(), node.counts(1)));
    late.restart();
    assert_eq!(late.root(), node.root());
}

#[test]
fn only_an_admins_own_epoch_in_the_same_log_is_a_witness() {
    let mut node = Node::new();
    node.saves(1, &["a", "b", "c", "d"]);
    node.mark("v1");
    node.fade();
    let segment = node.segment(node.feed(1), 0);
    let late = Node::new();
    let offer = |witness: Witness| {
        late.replica.ingest(Segment { witnesses: vec![witness], ..segment.clone() }, NOW_MS).map(drop)
    };
    let honest = segment.witnesses[0].clone();
    assert_eq!(offer(honest.clone()), Ok(()));
    let forged = InclusionProof { hashes: vec![LogHash([7; 32]); honest.proof.hashes.len()] };
    assert_eq!(offer(Witness { proof: forged, ..honest.clone() }), Err(Reject::Proof("inclusion")));
    let mut other = Node::new();
    other.saves(1, &["x"]);
    other.mark("v1");
    let foreign = other.feeds[&other.feed(1)].1.last().unwrap().to_bytes();
    assert_eq!(offer(Witness { waypoint: foreign, ..honest }), Err(Reject::Proof("inclusion")));
    // Key 2 is no admin: what it says of its own past counts for nothing.
    let mut node = Node::new();
    node.saves(2, &["a", "b", "c", "d"]);
    let (frontier, root) = (node.replica.branch(node.project, "main"), node.root());
    let epoch = node.replica.epoch_on(node.project, &frontier, root);
    node.write(2, Draft::default(), Labels { epoch: Some(epoch), ..Labels::default() });
    let feed = node.feed(2);
    let pieces = &mut node.feeds.get_mut(&feed).unwrap().1;
    let gone = Fading { gone: BTreeMap::from([(feed, (0..4).collect())]), ..Fading::default() };
    *pieces = gone.left(feed, 0, std::mem::take(pieces));
    let witness = pieces[1].waypoint().unwrap().faded(&BTreeSet::new());
    let pieces = pieces.iter().map(Piece::to_bytes).collect();
    let loaded = Loaded { pieces, witnesses: vec![witness] };
    let segment = node.replica.segment(node.project, feed, 0, loaded).unwrap();
    assert_eq!(segment.witnesses.len(), 1);
    assert_eq!(late.replica.ingest(segment, NOW_MS).unwrap_err(), Reject::Unabsorbed);
}

#[test]
fn what_several_epochs_have_between_them_may_be_one_gap() {
    let mut node = Node::new();
    let saves = [("main", "abc"), ("side", "defgh"), ("main", "i"), ("side", "j")];
    for (branch, text) in
        saves.into_iter().flat_map(|(branch, texts)| texts.chars().map(move |t| (branch, t)))
    {
        let draft = file(node.project, branch, text.to_string().as_bytes());
        node.write_on(branch, 2, draft, Labels::default());
    }
    for branch in ["main", "side"] {
        node.mark_on(branch, "v1");
    }
    node.fade();
    assert_eq!(node.counts(2), [8, 1, 1]);
    let mut late = Node::new();
    late.pull(&node);
    assert_eq!((late.root(), late.counts(2)), (node.root(), node.counts(2)));
}

#[test]
fn a_peer_that_comes_late_takes_what_is_left_and_shows_the_same() {
    let mut node = year();
    node.fade();
    let mut late = Node::new();
    late.pull(&node);
    assert_eq!(late.root(), node.root());
    assert_eq!(late.counts(2), node.counts(2));
    late.restart();
    assert_eq!(late.root(), node.root());
    late.save(2, "more");
    node.pull(&late);
    assert_eq!(late.root(), node.root());
}

#[test]
fn a_peer_that_held_a_part_goes_on_behind_what_was_forgotten() {
    let mut node = Node::new();
    node.saves(2, &["a", "b", "c", "d", "e"]);
    let mut away = Node::new();
    away.pull(&node);
    node.saves(2, &["f", "g", "h", "i"]);
    node.mark("v1");
    node.save(2, "j");
    node.fade();
    assert_eq!(node.counts(2), [8, 1, 1]);
    away.pull(&node);
    assert_eq!((away.root(), away.counts(2)), (node.root(), vec![8, 1, 1]));
    assert!(away.replica.late(away.project, "main").is_empty(), "what it held lies in the epoch's past");
    away.restart();
    assert_eq!(away.root(), node.root());
}

#[test]
fn forgotten_waypoints_that_no_epoch_is_known_to_have_are_not_taken() {
    let mut node = year();
    node.fade();
    let mut late = Node::new();
    let feed = node.feed(2);
    assert_eq!(late.pull_feed(&node, feed, 0), Err(Reject::Unabsorbed));
    assert_eq!(late.replica.feed_length(late.project, feed), 0);
    late.pull_feed(&node, node.feed(1), 0).unwrap();
    late.pull_feed(&node, feed, 0).unwrap();
    assert_eq!(late.root(), node.root());
}

#[test]
fn an_epoch_of_somebody_who_is_no_admin_has_nothing_in_its_past() {
    let mut node = Node::new();
    node.saves(1, &["a", "b", "c", "d"]);
    let frontier = node.replica.branch(node.project, "main");
    let root = node.root();
    let epoch = node.replica.epoch_on(node.project, &frontier, root);
    node.write(2, Draft::default(), Labels { epoch: Some(epoch), ..Labels::default() });
    assert_eq!(node.fade().count(), 0);
    let held = node.replica.held(node.project);
    assert!(matches!(held[..], [(_, HeldFor::Epoch)]));
}

#[test]
fn work_that_comes_late_is_told_from_work_that_the_epoch_has() {
    let mut node = Node::new();
    node.saves(2, &["a", "b", "c"]);
    let mut away = Node::new();
    away.pull(&node);
    let late = away.save(3, "y");
    node.saves(2, &["d", "e"]);
    node.mark("v1");
    node.save(2, "f");
    node.fade();
    away.pull(&node);
    assert_eq!(away.replica.late(away.project, "main").into_iter().collect::<Vec<_>>(), [late]);
    assert_eq!(away.root(), node.root(), "it does not enter by itself");
    node.pull(&away);
    assert_eq!(away.root(), node.root());
}

#[test]
fn what_a_name_or_a_mark_stands_on_stays_readable_as_history() {
    let mut node = Node::new();
    node.save(2, "a");
    let named = Labels { message: Some("why".into()), ..Labels::default() };
    let told = node.write(2, file(node.project, "file", b"b"), named);
    node.saves(2, &["c", "d", "e"]);
    node.mark("v1");
    node.fade();
    let frontier = node.replica.branch(node.project, "main");
    let log = node.replica.log(node.project, &frontier);
    let messages: Vec<_> = log.iter().filter_map(|entry| entry.message.clone()).collect();
    // The epoch, the one with a name, and the one that carries the bytes with which the epoch begins.
    assert_eq!((messages, log.len()), (vec!["why".to_owned()], 3));
    assert!(node.replica.entry(node.project, told).unwrap().faded);
}

#[test]
fn a_forged_hash_of_what_is_gone_is_refused() {
    let mut node = year();
    node.fade();
    let mut late = Node::new();
    late.pull_feed(&node, node.feed(1), 0).unwrap();
    let mut segment = node.segment(node.feed(2), 0);
    segment.pieces[0][5] ^= 1;
    assert_eq!(late.replica.ingest(segment, NOW_MS).unwrap_err(), Reject::Proof("the feed's root"));
    let mut high = node.segment(node.feed(2), 0);
    high.pieces.swap(0, 1);
    assert!(late.replica.ingest(high, NOW_MS).is_err());
}

#[test]
fn a_top_from_within_what_is_gone_is_old_news() {
    let mut node = Node::new();
    let mut tops = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        node.save(2, name);
        tops.push(node.feeds[&node.feed(2)].0.clone());
    }
    node.mark("v1");
    node.save(2, "f");
    node.fade();
    for top in tops {
        assert!(matches!(node.replica.news(top, NOW_MS), Ok(News::Known)));
    }
}
