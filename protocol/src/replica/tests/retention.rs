//! What stays, and what its admins say about it.

use std::collections::BTreeMap;

use super::*;
use cairn_crdt::Kept;
use cairn_crdt::id::Root;

use crate::entry::{Edge, EdgeKind, Entry, Payload};
use crate::epoch::Epoch;
use crate::error::ErrorKind;
use crate::grant::{GrantRecord, Revocation};
use crate::retention::{Floor, Thinning};

const HOUR_MS: u64 = 3_600_000;

fn admin(repo: RepoId, subject: u8) -> GrantRecord {
    let grant = Grant {
        repo,
        issuer: keypair(1).key(),
        subject: keypair(subject).key(),
        role: Role::Admin,
        scope: Scope::All,
        delegable: false,
        depth: 1,
        not_after_ms: None,
        uses: None,
        parent: None,
        seen: Vec::new(),
        nonce: [subject; 16],
    };
    grant.sign(&keypair(1)).unwrap()
}

/// Writes and applies as key `seed` at `now_ms`.
fn say(
    replica: &mut Replica,
    seed: u8,
    parents: &Frontier,
    (draft, labels): (Draft, Labels),
    now_ms: u64,
) -> (WaypointId, Batch) {
    let project = project_id(replica.id(), PROJECT);
    let key = keypair(seed);
    let post = Post { project, key: &key, parents: parents.clone(), draft, labels, now_ms, entropy: [6; 32] };
    let batch = replica.write(post).unwrap();
    replica.apply(&batch, NOW_MS);
    (whole_of(&batch).id(), batch)
}

fn floor(all_ms: u64, seen: &[WaypointId]) -> (Draft, Labels) {
    let mut seen = seen.to_vec();
    seen.sort();
    (Draft::default(), Labels { floor: Some(Floor { all_ms, seen }), ..Labels::default() })
}

/// An epoch that writes down the one file that there is.
fn epoch(project: ProjectId, text: &[u8]) -> (Draft, Labels) {
    let labels =
        Labels { branch: Some("main".into()), epoch: Some(Epoch::bare(Root([0; 32]))), ..Labels::default() };
    (file(project, "f", text), labels)
}

fn one(id: WaypointId) -> Frontier {
    Frontier::from_iter([id])
}

/// Forty posts of key 1, a quarter of an hour apart and the last one now; then an epoch. The posts.
fn churned(a: &mut Replica, project: ProjectId) -> Vec<WaypointId> {
    let (mut tip, mut posts) = (Frontier::empty(), Vec::new());
    for n in 0..40u64 {
        let labels = Labels { branch: Some("main".into()), ..Labels::default() };
        let draft = file(project, "f", &n.to_le_bytes());
        let (id, _) = say(a, 1, &tip, (draft, labels), NOW_MS - (39 - n) * HOUR_MS / 4);
        (tip, posts) = (one(id), [posts, vec![id]].concat());
    }
    say(a, 1, &tip, epoch(project, &39u64.to_le_bytes()), NOW_MS);
    posts
}

fn fades(a: &Replica, project: ProjectId, thinning: Thinning) -> Vec<u64> {
    let fading = a.fading(
        project,
        Retention { thinning, names_ms: 0, pins: &[], elsewhere: None },
        &BTreeMap::new(),
        &Kept::new(),
        NOW_MS,
    );
    fading.unwrap().places.into_values().flatten().collect()
}

#[test]
fn a_window_and_then_one_version_an_hour_stay_with_all_that_they_need() {
    let (mut a, project) = replica();
    churned(&mut a, project);
    assert_eq!(fades(&a, project, Thinning::all(0)), (0..40).collect::<Vec<_>>());
    assert_eq!(
        fades(&a, project, Thinning::all(HOUR_MS)),
        Vec::<u64>::new(),
        "a young one needs all before it"
    );
    let hourly = Thinning { hourly_ms: 100 * HOUR_MS, ..Thinning::all(0) };
    assert_eq!(fades(&a, project, hourly), [39], "the epoch is the newest of the last hour");
}

#[test]
fn an_epoch_between_two_that_stay_lets_go_what_lies_between() {
    let (mut a, project) = replica();
    let mut tip = Frontier::empty();
    // One file anew in every waypoint: each begins an epoch, and needs nothing but itself.
    for n in 0..40u64 {
        let (id, _) = say(&mut a, 1, &tip, epoch(project, &n.to_le_bytes()), NOW_MS - (39 - n) * HOUR_MS / 4);
        tip = one(id);
    }
    let thinning = Thinning { hourly_ms: 4 * HOUR_MS, ..Thinning::all(HOUR_MS) };
    let gone = fades(&a, project, thinning);
    let stays: Vec<u64> = (0..40).filter(|place| !gone.contains(place)).collect();
    let hour = |place: &u64| (NOW_MS - (39 - place) * HOUR_MS / 4) / HOUR_MS;
    let newest = |place: &u64| *place == 39 || hour(place) != hour(&(place + 1));
    let want: Vec<u64> = (0..40).filter(|place| *place >= 36 || (*place >= 20 && newest(place))).collect();
    assert_eq!(stays, want);
}

#[test]
fn what_nobody_else_has_stays_as_long_as_that_counts() {
    let (mut a, project) = replica();
    churned(&mut a, project);
    let feed = a.feeds(project)[0].feed;
    let fades = |elsewhere: Option<&BTreeMap<FeedId, u64>>| {
        let retention = Retention { thinning: Thinning::all(0), names_ms: 0, pins: &[], elsewhere };
        a.fading(project, retention, &BTreeMap::new(), &Kept::new(), NOW_MS).unwrap().count()
    };
    assert_eq!(fades(None), 40);
    assert_eq!(fades(Some(&BTreeMap::new())), 0, "nobody has anything");
    assert_eq!(fades(Some(&BTreeMap::from([(feed, 39)]))), 0, "the last needs all before it");
    assert_eq!(fades(Some(&BTreeMap::from([(feed, 40)]))), 40);
}

#[test]
fn late_work_stays_when_it_was_carried_over_until_the_next_epoch() {
    let (mut a, project) = replica();
    let main = || Labels { branch: Some("main".into()), ..Labels::default() };
    let (base, _) = say(&mut a, 1, &Frontier::empty(), (file(project, "f", b"1"), main()), NOW_MS);
    let (late, _) = say(&mut a, 2, &one(base), (file(project, "f", b"late"), main()), NOW_MS);
    let (began, _) = say(&mut a, 1, &one(base), epoch(project, b"1"), NOW_MS);
    assert_eq!(a.branch(project, "main"), one(began));
    let gone = |a: &Replica| fades(a, project, Thinning::all(0)).len();
    assert_eq!(gone(&a), 0, "late work needs what it stands on");
    let edges = vec![Edge { kind: EdgeKind::Translates, target: late }];
    let carries = Labels { edges, ..main() };
    let (over, _) = say(&mut a, 2, &one(began), (file(project, "f", b"both"), carries), NOW_MS);
    assert!(a.late(project, "main").is_empty());
    assert_eq!(gone(&a), 0, "where it met something, nothing else says what it had written");
    say(&mut a, 1, &one(over), epoch(project, b"both"), NOW_MS);
    assert_eq!(gone(&a), 4, "an admin has marked what came of it");
}

#[test]
fn held_work_stays() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let main = || Labels { branch: Some("main".into()), ..Labels::default() };
    let (base, first) = say(&mut a, 1, &Frontier::empty(), (file(project, "f", b"1"), main()), NOW_MS);
    b.apply(&first, NOW_MS);
    b.admit_grants(&[grant(b.id(), 4, Some(NOW_MS + 1))], NOW_MS);
    let (held, batch) = say(&mut b, 4, &one(base), (file(project, "f", b"2"), main()), NOW_MS);
    a.admit_grants(&[grant(a.id(), 4, Some(NOW_MS - 1))], NOW_MS);
    a.apply(&batch, NOW_MS);
    say(&mut a, 1, &one(base), epoch(project, b"1"), NOW_MS);
    assert_eq!(a.held(project).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [held]);
    assert_eq!(fades(&a, project, Thinning::all(0)).len(), 0);
}

#[test]
fn only_an_admins_floor_counts_and_of_two_that_do_not_know_of_each_other_the_longer() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let admins = [admin(a.id(), 3)];
    for replica in [&mut a, &mut b] {
        replica.admit_grants(&admins, NOW_MS);
    }
    let nothing = Frontier::empty();
    say(&mut a, 2, &nothing, floor(900, &[]), NOW_MS);
    assert_eq!(a.floor_ms(project), 0, "a writer sets none");
    let (first, one) = say(&mut a, 1, &nothing, floor(100, &[]), NOW_MS);
    let (other, two) = say(&mut b, 3, &nothing, floor(300, &[]), NOW_MS);
    a.apply(&two, NOW_MS);
    b.apply(&one, NOW_MS);
    assert_eq!((a.floor_ms(project), b.floor_ms(project)), (300, 300));
    assert_eq!(a.floors(project).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [other, first]);
    let (lower, _) = say(&mut a, 1, &nothing, floor(50, &[first, other]), NOW_MS);
    assert_eq!(a.floors(project).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [lower]);
    assert_eq!(a.floor_ms(project), 50, "who has seen the others may lower it");
    say(&mut a, 2, &nothing, floor(0, &[lower]), NOW_MS);
    assert_eq!(a.floor_ms(project), 50, "a writer lifts none");
    let cut = Revocation {
        repo: a.id(),
        issuer: keypair(1).key(),
        grant: admins[0].id(),
        authority: None,
        cut: Vec::new(),
        seen: Vec::new(),
        nonce: [1; 16],
    };
    b.admit_grants(&[cut.sign(&keypair(1)).unwrap()], NOW_MS);
    assert_eq!(b.floor_ms(project), 100, "what an admin set who is none any more does not count");
}

#[test]
fn a_floor_keeps_what_was_to_go() {
    let (mut a, project) = replica();
    churned(&mut a, project);
    assert_eq!(fades(&a, project, Thinning::all(0)).len(), 40);
    say(&mut a, 1, &Frontier::empty(), floor(HOUR_MS, &[]), NOW_MS);
    assert_eq!(fades(&a, project, Thinning::all(0)).len(), 0);
    let set = a.floors(project)[0].0;
    say(&mut a, 1, &Frontier::empty(), floor(0, &[set]), NOW_MS);
    let gone = fades(&a, project, Thinning::all(0));
    assert_eq!(gone[..40], (0..40).collect::<Vec<_>>());
}

/// A program that knows no floors keeps such an entry; so does one that cannot read it.
#[test]
fn a_floor_that_does_not_read_is_kept_and_says_nothing() {
    let good = Entry::new([1; 16], &Payload::Floor(Floor { all_ms: 7, seen: Vec::new() }));
    let bad = Entry { payload: vec![1, 2], ..good.clone() };
    assert!(matches!(good.payload(), Ok(Payload::Floor(_))));
    assert!(bad.check().is_ok() && matches!(bad.payload(), Ok(Payload::Unknown { .. })));
}

#[test]
fn a_faded_body_offered_again_with_other_bytes_is_refused_and_changes_nothing() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let main = || Labels { branch: Some("main".into()), ..Labels::default() };
    let (base, first) = say(&mut a, 1, &Frontier::empty(), (file(project, "f", b"1"), main()), NOW_MS);
    let (began, second) = say(&mut a, 1, &one(base), epoch(project, b"1"), NOW_MS);
    // The other node got the first without its operations.
    let top = second.feeds[0].top.signed().clone();
    let waypoint = whole_of(&first);
    let faded = Piece::Waypoint(waypoint.faded(&Default::default()).into());
    let begin = Piece::Waypoint(whole_of(&second).clone());
    b.restore(PROJECT, first.feeds[0].feed, top.clone(), vec![faded, begin]).unwrap();
    b.restored(NOW_MS);
    let tip = b.branch(project, "main");
    assert_eq!(tip, one(began));
    let bytes = waypoint.to_bytes();
    let offer = |bytes: Vec<u8>| Segment {
        top: top.clone(),
        start: 0,
        pieces: vec![bytes],
        proof: None,
        witnesses: Vec::new(),
    };
    // Any byte changed: it is another waypoint, or none at all.
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let refused = b.ingest(offer(other.clone()), NOW_MS).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Peer, "byte {at}: {refused}");
        assert!(!matches!(refused, Reject::Rollback { .. }), "byte {at} is not what is known");
        assert!(b.regain(&offer(other)).is_err(), "byte {at}");
    }
    // As it was, it is nothing new.
    assert!(matches!(b.ingest(offer(bytes), NOW_MS), Err(Reject::Rollback { known: 2, found: 1 })));
    assert_eq!((b.branch(project, "main"), b.entry(project, base).unwrap().faded), (tip, true));
}
