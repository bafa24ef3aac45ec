//! What a replica refuses, holds and shows.

use std::sync::Arc;

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::{ContentHash, NodeId};
use cairn_crdt::op::{NodeKind, Place};

use super::*;
use crate::effect::Batch;
use crate::grant::{Grant, Role, Scope};
use crate::key::{Keypair, Signature};
use crate::limits::STAMP_AHEAD_MS_MAX;
use crate::piece::Piece;
use crate::samples::keypair;
use crate::waypoint::Waypoint;
use crate::wire::Segment;
use cairn_crdt::op::{Body, Op};

#[cfg(test)]
mod carried;
#[cfg(test)]
mod forgotten;
#[cfg(test)]
mod labels;
#[cfg(test)]
mod local;
#[cfg(test)]
mod retention;

const NOW_MS: u64 = 1_700_000_000_000;
const PROJECT: &str = "@me/trail";

/// A repo of key 1, in which key 2 may write.
fn replica() -> (Replica, ProjectId) {
    let founding = FoundingRecord {
        name: "test".into(),
        public: false,
        founders: vec![keypair(1).key()],
        nonce: [7; 16],
        stamp: Stamp::default(),
    };
    let founding = founding.sign(&keypair(1)).unwrap();
    let mut replica = Replica::open(founding.into_signed()).unwrap();
    let project = replica.add_project(PROJECT).unwrap();
    let grant = grant(replica.id(), 2, None);
    assert_eq!(replica.admit_grants(&[grant], NOW_MS), Applied::default());
    (replica, project)
}

fn grant(repo: RepoId, subject: u8, not_after_ms: Option<u64>) -> crate::grant::GrantRecord {
    let grant = Grant {
        repo,
        issuer: keypair(1).key(),
        subject: keypair(subject).key(),
        role: Role::Write,
        scope: Scope::All,
        delegable: false,
        depth: 1,
        not_after_ms,
        uses: None,
        parent: None,
        seen: Vec::new(),
        nonce: [subject; 16],
    };
    grant.sign(&keypair(1)).unwrap()
}

/// A file of the project's root, with these bytes.
fn file(project: ProjectId, name: &str, bytes: &[u8]) -> Draft {
    let node = NodeId([name.as_bytes()[0]; 32]);
    let parent = NodeId::project_root(project);
    let place = Place { parent, position: Vec::new(), name: name.into(), kind: NodeKind::File };
    let content = ContentHash::of(bytes);
    let body = Body::Opaque { content, bytes: bytes.len() as u64 };
    let ops = vec![Op::Place { node, place: Some(place) }, Op::Body { node, body }];
    Draft { ops, contents: vec![(content, Arc::from(bytes))] }
}

fn post<'a>(replica: &Replica, project: ProjectId, key: &'a Keypair, draft: Draft) -> Post<'a> {
    let labels = Labels { branch: Some("main".into()), message: Some("words".into()), ..Labels::default() };
    let parents = replica.branch(project, "main");
    Post { project, key, parents, draft, labels, now_ms: NOW_MS, entropy: [3; 32] }
}

/// Writes one small file as key `seed`, without applying it.
fn written(replica: &mut Replica, project: ProjectId, seed: u8, name: &str) -> Batch {
    let key = keypair(seed);
    let post = post(replica, project, &key, file(project, name, name.as_bytes()));
    replica.write(post).unwrap()
}

/// The first waypoint of a batch.
fn whole_of(batch: &Batch) -> &Arc<Waypoint> {
    batch.feeds[0].waypoints().next().unwrap()
}

/// A waypoint as the disk brings it back: without the bytes of its contents.
fn skeleton(waypoint: &Waypoint) -> Piece {
    Piece::Waypoint(Arc::new(waypoint.without(|_, entry| entry.content().is_some())))
}

/// The only run of a batch, as a peer would send it.
fn segment(batch: &Batch) -> Segment {
    let accepted = &batch.feeds[0];
    Segment {
        top: accepted.top.signed().clone(),
        start: accepted.start,
        pieces: accepted.pieces.iter().map(Piece::to_bytes).collect(),
        proof: None,
        witnesses: Vec::new(),
    }
}

#[test]
fn what_one_writes_another_takes() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let batch = written(&mut a, project, 2, "stone");
    let accepted = b.ingest(segment(&batch), NOW_MS).unwrap();
    assert!(b.branch(project, "main").is_empty(), "nothing shows before it is applied");
    let mut stored = Batch::new(b.id());
    stored.feeds.push(accepted);
    a.apply(&batch, NOW_MS);
    let applied = b.apply(&stored, NOW_MS);
    assert_eq!(a.branch(project, "main"), b.branch(project, "main"));
    assert_eq!(applied.branches.len(), 1);
    let log = b.log(project, &b.branch(project, "main"));
    assert_eq!((log.len(), log[0].message.as_deref()), (1, Some("words")));
    assert!(matches!(b.find(project, "main"), Found::One(Candidate::Branch(_), _)));
    assert!(matches!(b.find(project, &log[0].id.short()), Found::One(Candidate::Waypoint(_), _)));
    assert_eq!(b.find(project, "nothing"), Found::Nothing);
}

#[test]
fn ungranted_waypoints_are_refused() {
    let ((mut a, project), (b, _)) = (replica(), replica());
    a.admit_grants(&[grant(a.id(), 3, None)], NOW_MS);
    let batch = written(&mut a, project, 3, "stone");
    assert_eq!(b.ingest(segment(&batch), NOW_MS).unwrap_err(), Reject::Ungranted);
    assert!(matches!(b.news(segment(&batch).top, NOW_MS), Err(Reject::Ungranted)));
}

#[test]
fn a_key_without_a_grant_cannot_write() {
    let (mut a, project) = replica();
    let key = keypair(9);
    let post = post(&a, project, &key, file(project, "x", b"x"));
    assert_eq!(a.write(post).unwrap_err(), WriteError::Ungranted);
}

#[test]
fn forged_and_grafted_runs_are_refused() {
    let ((mut a, project), (b, _)) = (replica(), replica());
    let good = segment(&written(&mut a, project, 2, "stone"));
    let mut forged = good.clone();
    forged.top = Signed::from_parts(good.top.claimed().clone(), Signature([5; 64]));
    assert_eq!(b.ingest(forged, NOW_MS).unwrap_err(), Reject::Signature);
    let mut elsewhere = good.top.claimed().clone();
    elsewhere.feed.repo = RepoId([9; 32]);
    let mut grafted = good.clone();
    grafted.top = elsewhere.sign(&keypair(2)).unwrap().into_signed();
    assert_eq!(b.ingest(grafted, NOW_MS).unwrap_err(), Reject::Graft("repo"));
    let mut short = good;
    short.pieces.clear();
    assert!(b.ingest(short, NOW_MS).is_err());
}

#[test]
fn a2_gaps_and_rollbacks_change_nothing() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let first = written(&mut a, project, 2, "a");
    a.apply(&first, NOW_MS);
    let second = written(&mut a, project, 2, "b");
    a.apply(&second, NOW_MS);
    assert_eq!(b.ingest(segment(&second), NOW_MS).unwrap_err(), Reject::Gap { expected: 0, found: 1 });
    b.apply(&first, NOW_MS);
    b.apply(&second, NOW_MS);
    let reject = b.ingest(segment(&first), NOW_MS).unwrap_err();
    assert_eq!(reject, Reject::Rollback { known: 2, found: 1 });
    assert!(matches!(b.news(segment(&first).top, NOW_MS), Ok(News::Known)));
    assert_eq!(b.compare(first.feeds[0].top.signed().claimed()), Comparison::Same);
}

/// Every top that a key ever signed, in every order, with a restart between any two: nothing goes back.
#[test]
fn a2_every_older_tower_in_every_order_moves_nothing_back_over_restarts() {
    let (mut a, project) = replica();
    let batches: Vec<Batch> = ["a", "b", "c", "d"]
        .into_iter()
        .map(|name| {
            let batch = written(&mut a, project, 2, name);
            a.apply(&batch, NOW_MS);
            batch
        })
        .collect();
    let feed = batches[0].feeds[0].feed;
    let old = |n: usize| Segment {
        start: 0,
        pieces: batches[..n].iter().flat_map(|batch| segment(batch).pieces).collect(),
        ..segment(&batches[n - 1])
    };
    let restarted = || {
        let mut b = replica().0;
        let pieces = batches.iter().map(|batch| skeleton(whole_of(batch)));
        let top = batches[3].feeds[0].top.signed().clone();
        b.restore(PROJECT, feed, top, pieces).unwrap();
        b.restored(NOW_MS);
        b
    };
    for order in 0..24 {
        let (mut left, mut code) = (vec![1, 2, 3, 4], order);
        while !left.is_empty() {
            let n = left.remove(code % left.len());
            code /= left.len() + 1;
            let b = restarted();
            let reject = b.ingest(old(n), NOW_MS).unwrap_err();
            assert_eq!(reject, Reject::Rollback { known: 4, found: n as u64 });
            assert!(matches!(b.news(old(n).top, NOW_MS), Ok(News::Known)));
            assert_eq!(
                (b.feed_length(project, feed), b.branch(project, "main")),
                (4, a.branch(project, "main"))
            );
        }
    }
}

/// A peer may know more of this device's feed than this device does: its store was put back.
#[test]
fn a5_what_a_peer_shows_of_our_own_feed_must_come_before_we_write() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let first = written(&mut a, project, 2, "a");
    a.apply(&first, NOW_MS);
    b.apply(&first, NOW_MS);
    let second = written(&mut a, project, 2, "b");
    b.note_signed(&second.feeds[0].top);
    let key = keypair(2);
    let early = post(&b, project, &key, file(project, "c", b"c"));
    assert_eq!(b.write(early).unwrap_err(), WriteError::Behind { held: 1, signed: 2 });
    b.apply(&second, NOW_MS);
    let found = post(&b, project, &key, file(project, "c", b"c"));
    assert_eq!(b.write(found).unwrap().feeds[0].start, 2);
}

#[test]
fn a_second_write_waits_for_the_first() {
    let (mut a, project) = replica();
    let batch = written(&mut a, project, 2, "a");
    let key = keypair(2);
    let again = post(&a, project, &key, file(project, "b", b"b"));
    assert_eq!(a.write(again).unwrap_err(), WriteError::Busy);
    a.abandon(&batch);
    written(&mut a, project, 2, "b");
}

/// Applies a history as it came from a peer, and proves what that shows.
fn take(replica: &mut Replica, history: &Segment) -> Applied {
    let mut stored = Batch::new(replica.id());
    stored.feeds.push(replica.ingest(history.clone(), NOW_MS).unwrap());
    let mut applied = replica.apply(&stored, NOW_MS);
    let mut proven = Batch::new(replica.id());
    proven.forks.extend(replica.unproven(&history.top.claimed().feed));
    applied.forked.extend(replica.apply(&proven, NOW_MS).forked);
    applied
}

#[test]
fn a4_a_key_that_signed_two_histories_signs_no_more_and_is_told_of_once() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let one = written(&mut a, project, 2, "a");
    let other = written(&mut b, project, 2, "b");
    a.apply(&one, NOW_MS);
    let News::Side(Some(proof)) = a.news(segment(&other).top, NOW_MS).unwrap() else { panic!("a fork") };
    let feed = one.feeds[0].feed;
    assert_eq!(a.admit_forks(&[(*proof).clone()], NOW_MS).forked, [(project, feed)]);
    assert!(a.admit_forks(&[(*proof).clone()], NOW_MS).forked.is_empty());
    assert!(a.new_forks(&[*proof], NOW_MS).0.is_empty());
    let key = keypair(2);
    let again = post(&a, project, &key, file(project, "c", b"c"));
    assert_eq!(a.write(again).unwrap_err(), WriteError::Frozen(Reject::Fork));
}

#[test]
fn a4_past_a_fork_only_what_others_built_on_counts_whatever_came_first() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let shared = written(&mut a, project, 2, "s");
    a.apply(&shared, NOW_MS);
    b.apply(&shared, NOW_MS);
    let (left, right) = (written(&mut a, project, 2, "l"), written(&mut b, project, 2, "r"));
    a.apply(&left, NOW_MS);
    b.apply(&right, NOW_MS);
    let honest = written(&mut a, project, 1, "h");
    a.apply(&honest, NOW_MS);
    let whole = |last: &Batch| {
        let pieces = [segment(&shared).pieces, segment(last).pieces].concat();
        Segment { start: 0, pieces, ..segment(last) }
    };
    let (l, r, h) = (whole(&left), whole(&right), segment(&honest));
    let orders = [[&l, &r, &h], [&r, &l, &h], [&l, &h, &r]];
    let mut ends = Vec::new();
    for order in orders {
        let mut c = replica().0;
        c.apply(&shared, NOW_MS);
        let forked: Vec<_> = order.iter().flat_map(|history| take(&mut c, history).forked).collect();
        assert_eq!(forked, [(project, shared.feeds[0].feed)], "told once");
        assert_eq!(c.fork_place(project, shared.feeds[0].feed), Some(1));
        let held = |batch: &Batch| c.documents(project).unwrap().contains(&whole_of(batch).id());
        assert!([&left, &right, &honest].into_iter().all(held), "nothing is lost");
        ends.push((c.branch(project, "main"), c.held(project)));
    }
    let (honest, right) = (whole_of(&honest).id(), whole_of(&right).id());
    let end = (Frontier::from_iter([honest]), vec![(right, HeldFor::Forked)]);
    assert!(ends.iter().all(|found| *found == end), "{ends:?}");
}

#[test]
fn a4_a_fork_by_a_key_without_rights_is_nobodys_business() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    for replica in [&mut a, &mut b] {
        replica.admit_grants(&[grant(replica.id(), 3, None)], NOW_MS);
    }
    let (one, other) = (written(&mut a, project, 3, "a"), written(&mut b, project, 3, "b"));
    a.apply(&one, NOW_MS);
    let News::Side(Some(proof)) = a.news(segment(&other).top, NOW_MS).unwrap() else { panic!("a fork") };
    let (c, _) = replica();
    assert_eq!(c.new_forks(&[(*proof).clone()], NOW_MS), (Vec::new(), None));
    let mut forged = *proof;
    forged.longer = Signed::from_parts(forged.longer.claimed().clone(), Signature([5; 64]));
    assert_eq!(b.new_forks(&[forged], NOW_MS), (Vec::new(), Some(Reject::Signature)));
}

#[test]
fn a4_more_histories_than_a_feed_may_have_are_not_kept() {
    let (mut a, project) = replica();
    for seed in 0..crate::limits::SIDES_COUNT_MAX as u8 + 3 {
        let other = written(&mut replica().0, project, 2, &char::from(b'a' + seed).to_string());
        match a.ingest(segment(&other), NOW_MS) {
            Ok(accepted) => {
                let feeds = vec![accepted];
                a.apply(&Batch { feeds, ..Batch::new(a.id()) }, NOW_MS);
            }
            Err(reject) => assert_eq!(reject, Reject::Fork),
        }
    }
    assert_eq!(a.feeds(project)[0].sides, crate::limits::SIDES_COUNT_MAX);
}

#[test]
fn c1_what_was_written_after_a_grant_ended_is_held() {
    let (mut a, project) = replica();
    a.admit_grants(&[grant(a.id(), 4, Some(NOW_MS + 1000))], NOW_MS);
    let batch = written(&mut a, project, 4, "a");
    let (mut b, _) = replica();
    b.admit_grants(&[grant(b.id(), 4, Some(NOW_MS - 1000))], NOW_MS);
    let accepted = b.ingest(segment(&batch), NOW_MS).unwrap();
    let mut stored = Batch::new(b.id());
    stored.feeds.push(accepted);
    let applied = b.apply(&stored, NOW_MS);
    assert_eq!((applied.held.len(), applied.branches.len()), (1, 0));
    assert_eq!(b.held(project).len(), 1);
    assert!(b.branch(project, "main").is_empty());
}

#[test]
fn what_lies_in_the_future_waits_for_it() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let key = keypair(2);
    let mut early = post(&a, project, &key, file(project, "a", b"a"));
    early.now_ms = NOW_MS + 2 * STAMP_AHEAD_MS_MAX;
    let batch = a.write(early).unwrap();
    b.apply(&batch, NOW_MS);
    assert!(b.branch(project, "main").is_empty());
    assert!(matches!(b.held(project)[0].1, HeldFor::Future(_)));
    assert_eq!(b.clock, Stamp::default(), "a clock that runs ahead is not believed");
    let at_ms = b.next_release().unwrap();
    assert_eq!(b.release(at_ms).branches.len(), 1);
    assert_eq!((b.next_release(), b.held(project).len()), (None, 0));
}

#[test]
fn a_large_write_is_cut_and_shows_only_as_a_whole() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let mut draft = Draft::default();
    for name in ["a", "b", "c", "d", "e"] {
        let part = file(project, name, &name.as_bytes().repeat(PART_BYTES_TARGET / 2));
        draft.ops.extend(part.ops);
        draft.contents.extend(part.contents);
    }
    let key = keypair(2);
    let batch = a.write(post(&a, project, &key, draft)).unwrap();
    let waypoints: Vec<_> = batch.feeds[0].waypoints().collect();
    assert!(waypoints.len() > 1);
    let (last, parts) = waypoints.split_last().unwrap();
    assert!(parts.iter().all(|part| part.header().is_continued()) && !last.header().is_continued());
    assert!(waypoints.windows(2).all(|pair| pair[1].header().parents == [pair[0].id()]));
    a.apply(&batch, NOW_MS);
    let bytes: Vec<Vec<u8>> = parts.iter().map(|part| part.to_bytes()).collect();
    let some = a.segment(project, batch.feeds[0].feed, 0, bytes).unwrap();
    let accepted = b.ingest(some, NOW_MS).unwrap();
    let mut stored = Batch::new(b.id());
    stored.feeds.push(accepted);
    b.apply(&stored, NOW_MS);
    assert!(b.branch(project, "main").is_empty(), "a part of a write is no version");
    b.apply(&batch, NOW_MS);
    assert_eq!(b.branch(project, "main").heads(), [last.id()]);
}

#[test]
fn feeds_may_come_in_any_order() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    a.admit_grants(&[grant(a.id(), 3, None)], NOW_MS);
    b.admit_grants(&[grant(b.id(), 3, None)], NOW_MS);
    let first = written(&mut a, project, 2, "a");
    a.apply(&first, NOW_MS);
    let second = written(&mut a, project, 3, "b");
    a.apply(&second, NOW_MS);
    assert!(b.apply(&second, NOW_MS).branches.is_empty());
    b.apply(&first, NOW_MS);
    assert_eq!(a.branch(project, "main"), b.branch(project, "main"));
    assert_eq!(b.branch(project, "main").heads(), [whole_of(&second).id()]);
}

#[test]
fn a_restart_finds_what_was_there() {
    let (mut a, project) = replica();
    for name in ["a", "b", "c"] {
        let batch = written(&mut a, project, 2, name);
        a.apply(&batch, NOW_MS);
    }
    let version = a.branch(project, "main");
    let top = a.feeds(project)[0].top.clone().unwrap().into_signed();
    let (mut b, _) = replica();
    let mut replay = replica().0;
    let mut pieces = Vec::new();
    for name in ["a", "b", "c"] {
        let batch = written(&mut replay, project, 2, name);
        replay.apply(&batch, NOW_MS);
        pieces.push(skeleton(whole_of(&batch)));
    }
    b.restore(PROJECT, top.claimed().feed_id(), top, pieces).unwrap();
    b.restored(NOW_MS);
    assert_eq!(b.branch(project, "main"), version);
    assert_eq!(b.log(project, &version).len(), 3);
}

#[test]
fn a5_a_key_signs_no_place_twice_after_its_store_was_damaged() {
    let (mut a, project) = replica();
    let first = written(&mut a, project, 1, "a");
    a.apply(&first, NOW_MS);
    let second = written(&mut a, project, 1, "b");
    a.apply(&second, NOW_MS);

    let (mut b, _) = replica();
    let top = second.feeds[0].top.signed().clone();
    let held = first.feeds[0].pieces.clone();
    b.restore(PROJECT, top.claimed().feed_id(), top, held).unwrap();
    b.restored(NOW_MS);
    let key = keypair(1);
    let lost = post(&b, project, &key, file(project, "c", b"c"));
    assert_eq!(b.write(lost).unwrap_err(), WriteError::Behind { held: 1, signed: 2 });

    b.apply(&second, NOW_MS);
    let found = post(&b, project, &key, file(project, "c", b"c"));
    assert_eq!(b.write(found).unwrap().feeds[0].start, 2);
}

/// Writes one file on a branch at a time and applies it.
fn on(
    replica: &mut Replica,
    project: ProjectId,
    branch: &str,
    from: &Frontier,
    name: &str,
    now_ms: u64,
) -> Frontier {
    let key = keypair(1);
    let mut post = post(replica, project, &key, file(project, name, name.as_bytes()));
    post.labels.branch = Some(branch.to_owned());
    post.labels.message = Some(format!("about {name}"));
    (post.parents, post.now_ms) = (from.clone(), now_ms);
    let batch = replica.write(post).unwrap();
    replica.apply(&batch, NOW_MS);
    replica.branch(project, branch)
}

#[test]
fn c20_a_branch_as_of_a_time_and_what_said_some_words() {
    let (mut replica, project) = replica();
    let one = on(&mut replica, project, "main", &Frontier::empty(), "one", NOW_MS - 900);
    let two = on(&mut replica, project, "main", &one, "two", NOW_MS - 700);
    let side = on(&mut replica, project, "side", &one, "side", NOW_MS - 800);
    let both: Frontier = two.heads().iter().chain(side.heads()).copied().collect();
    let three = on(&mut replica, project, "main", &both, "three", NOW_MS - 500);
    let as_of = |frontier, branch, age_ms| replica.as_of(project, frontier, branch, NOW_MS - age_ms);
    assert_eq!(as_of(&three, "main", 0), Some(three.clone()));
    assert_eq!(as_of(&three, "main", 600), Some(two.clone()), "what was merged later was not there yet");
    assert_eq!(as_of(&three, "main", 800), Some(one.clone()));
    assert_eq!(
        as_of(&side, "side", 850),
        Some(one.clone()),
        "before it began, a branch is what it was forked from"
    );
    assert_eq!(as_of(&three, "main", 901), None);
    assert_eq!(as_of(&three, "none", 0), None);
    let said = |words: &str| replica.saying(project, &three, words).len();
    assert_eq!((said("ABOUT"), said("about two"), said("nothing")), (4, 1, 0));
    assert_eq!(replica.saying(project, &one, "about").len(), 1, "only the past of the version is asked");
}
