//! What comes in a file, and bodies that come back.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::bundle::{Intake, Preface, Stretch};
use crate::effect::Recalled;
use crate::replica::Comparison;
use crate::waypoint::Waypoint;
use cairn_crdt::Kept;

/// Writes files one after the other as key 2, and applies them.
fn write(replica: &mut Replica, project: ProjectId, names: &[&str]) -> Vec<Batch> {
    let one = |name: &&str| {
        let batch = written(replica, project, 2, name);
        replica.apply(&batch, NOW_MS);
        batch
    };
    names.iter().map(one).collect()
}

fn bodies(batches: &[Batch]) -> Vec<Waypoint> {
    batches.iter().flat_map(|batch| batch.feeds[0].waypoints()).map(|waypoint| (**waypoint).clone()).collect()
}

/// The feed of key 2 in runs of one waypoint each.
fn single_runs(replica: &Replica, project: ProjectId, waypoints: &[Waypoint]) -> Vec<Segment> {
    let feed = replica.feeds(project)[0].feed;
    let run = |(from, waypoint): (u64, &Waypoint)| {
        replica.segment(project, feed, from, vec![waypoint.to_bytes()]).unwrap()
    };
    (0..).zip(waypoints).map(run).collect()
}

fn take(intake: &mut Intake, replica: &mut Replica, segments: &[Segment]) -> u64 {
    let mut taken = 0;
    for segment in segments {
        let (accepted, recalled) = intake.run(replica, segment.clone(), NOW_MS);
        let mut batch = Batch::new(replica.id());
        taken += accepted.iter().map(|accepted| accepted.pieces.len() as u64).sum::<u64>();
        batch.feeds.extend(accepted);
        batch.recalled = recalled;
        replica.apply(&batch, NOW_MS);
    }
    taken
}

#[test]
fn a4_another_history_in_a_file_is_taken_in_aside_at_a_second_reading() {
    let ((mut a, project), (mut b, _), (mut copy, _)) = (replica(), replica(), replica());
    let begun = write(&mut a, project, &["one", "two"]);
    for replica in [&mut b, &mut copy] {
        begun.iter().for_each(|batch| drop(replica.apply(batch, NOW_MS)));
    }
    write(&mut b, project, &["three"]);
    let mut all = bodies(&begun);
    all.extend(bodies(&write(&mut copy, project, &["other"])));
    let runs = single_runs(&copy, project, &all);
    let top = runs[0].top.clone();
    let preface = Preface { feeds: vec![Stretch { top: top.clone(), start: 0 }], ..Preface::default() };
    let mut intake = Intake::new(false);
    assert_eq!(take(&mut intake, &mut b, &runs), 0, "it is not the history that is held");
    assert!(intake.reads_again(&b, &preface));
    // What ended half-way goes on at the next reading.
    assert_eq!(take(&mut intake, &mut b, &runs[..2]), 2);
    let mut again = Intake::new(false);
    take(&mut again, &mut b, &runs);
    assert!(again.reads_again(&b, &preface) || b.compare(top.claimed()) == Comparison::Same);
    take(&mut again, &mut b, &runs);
    assert_eq!(b.compare(top.claimed()), Comparison::Same, "{:?}", again.refused().collect::<Vec<_>>());
    assert_eq!(b.feeds(project)[0].sides, 1);
    assert_eq!(take(&mut Intake::new(false), &mut b, &runs), 0, "twice is nothing new");
    assert_eq!(again.refused().count(), 0);
}

#[test]
fn c0_runs_of_a_key_without_rights_are_refused_and_the_others_go_on() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    a.admit_grants(&[grant(a.id(), 3, None)], NOW_MS);
    let stranger = written(&mut a, project, 3, "stone");
    a.apply(&stranger, NOW_MS);
    let mut intake = Intake::new(false);
    let good = write(&mut a, project, &["one"]);
    assert_eq!(take(&mut intake, &mut b, &[segment(&stranger), segment(&good[0])]), 1);
    let refused: Vec<_> = intake.refused().collect();
    assert_eq!((refused.len(), &refused[0].reason, refused[0].place), (1, &Reject::Ungranted, 0));
    assert_eq!(refused[0].top.feed.key, keypair(3).key());
}

/// A replica in which the bodies of two of three waypoints have faded, and what they were.
fn faded() -> (Replica, ProjectId, Vec<Waypoint>, Vec<Segment>) {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let whole = bodies(&write(&mut a, project, &["one", "two", "six"]));
    let runs = single_runs(&a, project, &whole);
    let less = |(at, waypoint): (usize, &Waypoint)| {
        if at < 2 { waypoint.faded(&BTreeSet::new()) } else { waypoint.clone() }
    };
    let held: Vec<Piece> =
        whole.iter().enumerate().map(less).map(|waypoint| Piece::Waypoint(waypoint.into())).collect();
    let top = runs[0].top.clone();
    b.restore(PROJECT, top.claimed().feed_id(), top, held).unwrap();
    b.restored(NOW_MS);
    (b, project, whole, runs)
}

#[test]
fn what_has_faded_comes_back_by_its_name_and_only_from_an_archive() {
    let (mut b, project, whole, runs) = faded();
    let version = b.branch(project, "main");
    let kept: Kept =
        ["one", "two", "six"].map(|text| (ContentHash::of(text.as_bytes()), text.as_bytes().into())).into();
    assert!(matches!(b.view(project, &version, &kept), Err(CrdtError::Faded(_))));
    let needed: Vec<_> = b.forgotten(project, &version, false).iter().map(|one| one.place).collect();
    assert_eq!(needed, [0, 1]);
    take(&mut Intake::new(false), &mut b, &runs);
    assert!(b.view(project, &version, &kept).is_err(), "a bundle brings nothing back");
    let less = whole[0].faded(&BTreeSet::new());
    assert!(b.recallable(&Segment { pieces: vec![less.to_bytes()], ..runs[0].clone() }).unwrap().is_empty());
    assert_eq!(take(&mut Intake::new(true), &mut b, &runs), 0);
    assert!(b.forgotten(project, &version, true).is_empty());
    assert_eq!(b.view(project, &version, &kept).unwrap().files.len(), 3);
    assert!(
        b.fading(
            project,
            crate::replica::Retention {
                thinning: crate::retention::Thinning::all(0),
                names_ms: 0,
                pins: &[],
                elsewhere: None,
            },
            &std::collections::BTreeMap::new(),
            &kept,
            NOW_MS
        )
        .unwrap()
        .places
        .is_empty()
    );
}

#[test]
fn a1_a_faded_body_that_is_offered_with_other_bytes_is_refused_and_named() {
    let (mut b, project, _, runs) = faded();
    let ((mut other, elsewhere), version) = (replica(), b.branch(project, "main"));
    let forged = bodies(&write(&mut other, elsewhere, &["one", "lie"]));
    let lie = Segment { pieces: vec![forged[1].to_bytes()], ..runs[1].clone() };
    assert!(matches!(b.recallable(&lie), Err((1, Reject::Proof(_)))));
    let mut bent = runs[1].clone();
    let last = bent.pieces[0].len() - 1;
    bent.pieces[0][last] ^= 1;
    assert!(matches!(b.recallable(&bent), Err((1, Reject::Format(_)))));
    let mut intake = Intake::new(true);
    take(&mut intake, &mut b, &[runs[0].clone(), lie, runs[2].clone()]);
    let refused: Vec<_> = intake.refused().map(|refused| refused.place).collect();
    assert_eq!(refused, [1]);
    assert_eq!(b.forgotten(project, &version, false).len(), 1, "the other one is back");
}

#[test]
fn runs_bring_parents_first_and_leave_out_what_is_known() {
    let (mut a, project) = replica();
    a.admit_grants(&[grant(a.id(), 3, None)], NOW_MS);
    for (seed, name) in [(2, "one"), (3, "two"), (2, "three"), (3, "four")] {
        let batch = written(&mut a, project, seed, name);
        a.apply(&batch, NOW_MS);
    }
    let runs = a.runs(&BTreeMap::new());
    assert_eq!(runs.iter().map(|run| run.to - run.from).sum::<u64>(), 4);
    assert_eq!(a.stretches(&BTreeMap::new()).len(), 2);
    let version = a.branch(project, "main");
    let known = a.reached(project, &version);
    assert!(a.runs(&known).is_empty() && a.stretches(&known).is_empty());
    let parent = a.log(project, &version)[1].id;
    let known = a.reached(project, &Frontier::from_iter([parent]));
    let runs = a.runs(&known);
    assert_eq!((runs.len(), runs[0].from, runs[0].to), (1, 1, 2));
    assert_eq!(a.stretches(&known)[0].start, 1);
}

#[test]
fn nothing_is_recalled_that_has_not_faded() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let batches = write(&mut a, project, &["one"]);
    batches.iter().for_each(|batch| drop(b.apply(batch, NOW_MS)));
    let runs = single_runs(&a, project, &bodies(&batches));
    let found: Vec<Recalled> = b.recallable(&runs[0]).unwrap();
    assert!(found.is_empty());
}

#[test]
fn e2_a_file_that_begins_later_than_what_is_held_ends_is_known_by_its_feed_and_place() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let batches = write(&mut a, project, &["one", "two", "three"]);
    let top = single_runs(&a, project, &bodies(&batches))[0].top.clone();
    let preface = |start| Preface { feeds: vec![Stretch { top: top.clone(), start }], ..Preface::default() };
    b.apply(&batches[0], NOW_MS);
    assert!(preface(0).gaps(None).is_empty() && preface(1).gaps(Some(&b)).is_empty());
    let gap = &preface(2).gaps(Some(&b))[0];
    assert_eq!((gap.top.feed_id(), gap.held, gap.start), (top.claimed().feed_id(), 1, 2));
    assert_eq!(preface(1).gaps(None).len(), 1, "where the repo is not known, nothing is");
    assert_eq!(preface(0).missing(Some(&b))[0].held, 1);
}
