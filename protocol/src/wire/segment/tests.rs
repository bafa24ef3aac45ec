use super::*;
use crate::entry::{Entry, OPTIONAL, Payload};
use crate::samples::{feed, keypair, labels, log_over, top, waypoints};
use crate::waypoint::Waypoint;
use crate::wire::{Announce, Request, Response};
use cairn_crdt::encoding::Problem;

fn segment(feed: FeedName, seed: u8, from: usize, to: usize, n: u64) -> Segment {
    let all = waypoints(feed, n);
    let log = log_over(&all);
    let proof = (to as u64 != n).then(|| log.consistency(to as u64, n).unwrap());
    let bodies = all[from..to].iter().map(Encoded::to_bytes).collect();
    Segment {
        top: top(feed, seed, &log).into_signed(),
        start: from as u64,
        pieces: bodies,
        proof,
        witnesses: Vec::new(),
    }
}

/// A one-waypoint segment that is honest but for what the waypoint says.
fn segment_of(feed: FeedName, seed: u8, waypoint: &Waypoint) -> Segment {
    let log = log_over(std::slice::from_ref(waypoint));
    let top = top(feed, seed, &log).into_signed();
    Segment { top, start: 0, pieces: vec![waypoint.to_bytes()], proof: None, witnesses: Vec::new() }
}

/// The waypoints of a proven segment in which nothing is gone.
fn all_of(proven: Proven) -> Vec<Waypoint> {
    proven.pieces.iter().map(|piece| (**piece.waypoint().unwrap()).clone()).collect()
}

#[test]
fn segments_extend_a_log_whole_and_in_parts() {
    let feed = feed(1, "p", 1);
    let all = waypoints(feed, 12);
    for from in 0..12 {
        let log = log_over(&all[..from]);
        for to in from..=12 {
            let proven = segment(feed, 1, from, to, 12).verify(&feed, &log).unwrap();
            assert_eq!(all_of(proven), all[from..to], "{from}..{to}");
        }
    }
}

#[test]
fn segments_round_trip_through_frames() {
    let feed = feed(1, "p", 1);
    let segment = segment(feed, 1, 2, 9, 12);
    let request = Request::Push { tag: crate::hash::RepoTag([3; 32]), segment: segment.clone() };
    assert_eq!(Request::from_frame(&request.to_frame().unwrap()), Ok(request));
    let response = Response::Segment(segment.clone());
    assert_eq!(Response::from_frame(&response.to_frame().unwrap()), Ok(response));
    let announce = Announce { segment };
    assert_eq!(Announce::from_frame(&announce.to_frame().unwrap()), Ok(announce));
}

#[test]
fn a1_a_segment_with_a_forged_top_is_refused() {
    let feed = feed(1, "p", 1);
    let mut segment = segment(feed, 1, 0, 3, 3);
    let claimed = segment.top.claimed().clone();
    segment.top = Signed::from_parts(claimed, crate::key::Signature([1; 64]));
    assert_eq!(segment.verify(&feed, &Log::new()), Err(Reject::Signature));
}

#[test]
fn a2_every_older_tower_is_refused_as_a_rollback() {
    let feed = feed(1, "p", 1);
    let held = log_over(&waypoints(feed, 9));
    for n in 1..9 {
        let old = segment(feed, 1, 0, n as usize, n).verify(&feed, &held);
        assert_eq!(old, Err(Reject::Rollback { known: 9, found: n }));
    }
}

#[test]
fn a3_a_frame_of_another_version_is_named_and_refused() {
    let mut frame = Response::Absent.to_frame().unwrap();
    frame[0] = 2;
    assert_eq!(Response::from_frame(&frame), Err(Reject::Level { found: 2, known: 1 }));
}

#[test]
fn a6_graft_cross_product() {
    let feeds = [feed(1, "p", 1), feed(2, "p", 1), feed(1, "q", 1), feed(1, "p", 2)];
    let seeds = [1, 1, 1, 2];
    let log = Log::new();
    for (from, seed) in feeds.iter().zip(seeds) {
        for into in &feeds {
            let verdict = segment(*from, seed, 0, 2, 2).verify(into, &log);
            assert_eq!(verdict.is_ok(), from == into);
            assert!(from == into || matches!(verdict, Err(Reject::Graft(_))));
        }
    }
    for ((into, seed), from) in feeds.iter().zip(seeds).flat_map(|pair| feeds.map(|from| (pair, from))) {
        let alien = waypoints(from, 1).remove(0);
        let verdict = segment_of(*into, seed, &alien).verify(into, &log);
        assert_eq!(verdict.is_ok(), from == *into, "{from:?}");
        assert!(from == *into || matches!(verdict, Err(Reject::Graft(_))));
    }
}

#[test]
fn a6_a_waypoint_at_another_place_is_refused() {
    let feed = feed(1, "p", 1);
    let second = waypoints(feed, 2).remove(1);
    let verdict = segment_of(feed, 1, &second).verify(&feed, &Log::new());
    assert_eq!(verdict, Err(Reject::Gap { expected: 1, found: 2 }));
    let gap = segment(feed, 1, 2, 4, 4).verify(&feed, &Log::new());
    assert_eq!(gap, Err(Reject::Gap { expected: 1, found: 3 }));
}

#[test]
fn a_waypoint_that_the_top_does_not_sign_is_refused() {
    let feed = feed(1, "p", 1);
    let mut segment = segment(feed, 1, 0, 3, 3);
    segment.pieces[1] = crate::samples::waypoint(feed, 2, b"other").to_bytes();
    assert_eq!(segment.verify(&feed, &Log::new()), Err(Reject::Proof("the feed's root")));
    let mut segment = self::segment(feed, 1, 0, 3, 7);
    segment.pieces[1] = crate::samples::waypoint(feed, 2, b"other").to_bytes();
    assert_eq!(segment.verify(&feed, &Log::new()), Err(Reject::Proof("consistency")));
}

#[test]
fn unknown_optional_entries_are_kept_and_required_ones_refused() {
    let feed = feed(1, "p", 1);
    let entry = |kind| Entry { kind, salt: [1; 16], payload: b"?".to_vec() };
    let waypoint = |kind| Waypoint::new(labels(feed, 1), vec![entry(kind)]).unwrap();
    let optional = waypoint(OPTIONAL | 77);
    let proven = segment_of(feed, 1, &optional).verify(&feed, &Log::new()).unwrap();
    assert_eq!(all_of(proven), std::slice::from_ref(&optional));
    let unknown = Payload::Unknown { kind: OPTIONAL | 77, bytes: b"?".to_vec() };
    assert_eq!(optional.payloads(), Ok(vec![unknown]));
    let verdict = segment_of(feed, 1, &waypoint(77)).verify(&feed, &Log::new());
    assert_eq!(verdict, Err(Reject::UnknownRequired(77)));
}

#[test]
fn an_erased_entry_leaves_a_waypoint_that_still_verifies() {
    let feed = feed(1, "p", 1);
    let whole = waypoints(feed, 1).remove(0);
    let erased = whole.without(|index, _| index == 1);
    assert_eq!(erased.id(), whole.id());
    assert!(erased.to_bytes().len() < whole.to_bytes().len());
    let proven = segment_of(feed, 1, &erased).verify(&feed, &Log::new()).unwrap();
    assert!(!all_of(proven)[0].is_whole());
}

fn frame_with(declared_raw: u64, packed: &[u8], declared_packed: u64) -> Vec<u8> {
    let feed = feed(1, "p", 1);
    let mut out = Writer::default();
    out.u8(1);
    out.u8(3);
    top(feed, 1, &log_over(&waypoints(feed, 1))).signed().write(&mut out);
    out.u64(0);
    out.count(1);
    out.u8(1);
    out.count(declared_raw);
    out.count(declared_packed);
    out.raw(packed);
    out.u8(0);
    out.into_bytes()
}

#[test]
fn a9_bombs_are_refused_at_the_cap() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    for declared in [1, 1 << 20, SEGMENT_BYTES_MAX as u64] {
        let frame = frame_with(declared, &bomb, bomb.len() as u64);
        let Err(Reject::Format(error)) = Response::from_frame(&frame) else { panic!("taken") };
        assert_eq!(error.problem, Problem::Invalid("compressed bytes"));
    }
}

#[test]
fn a10_lying_lengths_are_refused_before_they_are_believed() {
    let cap = SEGMENT_BYTES_MAX as u64;
    let packed = zstd::bulk::compress(&[0; 100], 3).unwrap();
    for declared in [cap + 1, u64::from(u32::MAX), u64::MAX] {
        for frame in [frame_with(declared, &packed, packed.len() as u64), frame_with(100, &packed, declared)]
        {
            let Err(Reject::Format(error)) = Response::from_frame(&frame) else { panic!("taken") };
            assert_eq!(error.problem, Problem::TooLarge { declared, limit: cap });
        }
    }
    for declared in [0, 1, 99, 101, cap - 1, cap] {
        let frame = frame_with(declared, &packed, packed.len() as u64);
        assert!(matches!(Response::from_frame(&frame), Err(Reject::Format(_))), "{declared}");
    }
}

#[test]
fn a10_frames_above_the_limit_are_refused_before_they_are_read() {
    use crate::limits::{ANNOUNCE_BYTES_MAX, FRAME_BYTES_MAX};
    for (extra, refused) in [(0, false), (1, true)] {
        let frame = vec![1; FRAME_BYTES_MAX + extra];
        let too_large = |error| matches!(error, Err(Reject::TooLarge { .. }));
        assert_eq!(too_large(Request::from_frame(&frame).map(|_| ())), refused);
        assert_eq!(too_large(Response::from_frame(&frame).map(|_| ())), refused);
        let frame = vec![1; ANNOUNCE_BYTES_MAX + extra];
        assert_eq!(too_large(Announce::from_frame(&frame).map(|_| ())), refused);
    }
    assert!(Request::from_frame(&[]).is_err());
}

#[test]
fn an_announcement_with_too_much_inline_is_refused() {
    let feed = feed(1, "p", 1);
    let text = vec![b'a'; crate::limits::INLINE_BYTES_MAX];
    let segment = segment_of(feed, 1, &crate::samples::waypoint(feed, 1, &text));
    assert!(matches!(Announce { segment: segment.clone() }.to_frame(), Err(Reject::TooLarge { .. })));
    let mut out = Writer::default();
    out.u8(1);
    segment.write(&mut out);
    let frame = out.into_bytes();
    assert!(frame.len() < crate::limits::ANNOUNCE_BYTES_MAX);
    assert!(Announce::from_frame(&frame).is_err());
}

#[test]
fn the_keys_of_the_samples_are_what_they_seem() {
    assert_eq!(feed(1, "p", 1).key, keypair(1).key());
}
