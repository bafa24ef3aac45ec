//! What a service says to whom, and when.

use cairn_crdt::{Draft, Frontier};

use super::*;
use crate::effect::{Batch, Verdict};
use crate::founding::FoundingRecord;
use crate::hash::RepoTag;
use crate::input::{GossipId, ReplyId};
use crate::key::Keypair;
use crate::replica::{Labels, Post};
use crate::samples::keypair;
use crate::stamp::Stamp;
use crate::wire::{Announce, Request, Response, Segment, repo_tag};

const NOW_MS: u64 = 1_700_000_000_000;

fn replica(public: bool) -> Replica {
    let founding = FoundingRecord {
        name: "test".into(),
        public,
        founders: vec![keypair(1).key(), keypair(2).key()],
        nonce: [7; 16],
        stamp: Stamp::default(),
    };
    let mut replica = Replica::open(founding.sign(&keypair(1)).unwrap().into_signed()).unwrap();
    replica.add_project("@me/trail").unwrap();
    replica
}

/// A service of key 1 with one repo, connected to the key `peer`.
fn service(public: bool, peer: u8) -> (Service, RepoId) {
    let mut service = Service::new(keypair(1).key(), Config::default());
    let replica = replica(public);
    let repo = replica.id();
    service.add(replica, NOW_MS);
    service.handle(Input::PeerConnected { peer: keypair(peer).key() }, NOW_MS);
    drain(&mut service);
    (service, repo)
}

fn drain(service: &mut Service) -> Vec<Effect> {
    std::iter::from_fn(|| service.poll()).collect()
}

fn request(service: &mut Service, peer: u8, request: &Request) -> Vec<Effect> {
    let bytes = request.to_frame().unwrap();
    service.handle(Input::Request { peer: keypair(peer).key(), reply: ReplyId(1), bytes }, NOW_MS);
    drain(service)
}

fn answer(effects: &[Effect]) -> Option<Response> {
    effects.iter().find_map(|effect| match effect {
        Effect::Respond { bytes, .. } => Response::from_frame(bytes).ok(),
        _ => None,
    })
}

/// One waypoint that says nothing, as key 2 would push or announce it.
fn run(public: bool) -> Segment {
    let mut replica = replica(public);
    let project = replica.project("@me/trail").unwrap();
    let key: Keypair = keypair(2);
    let labels = Labels { branch: Some("main".into()), ..Labels::default() };
    let (parents, draft) = (Frontier::empty(), Draft::default());
    let post = Post { project, key: &key, parents, draft, labels, now_ms: NOW_MS, entropy: [1; 32] };
    let batch: Batch = replica.write(post).unwrap();
    let accepted = &batch.feeds[0];
    let pieces = accepted.pieces.iter().map(crate::piece::Piece::to_bytes).collect();
    Segment { top: accepted.top.signed().clone(), start: 0, pieces, proof: None, witnesses: Vec::new() }
}

#[test]
fn c7_a_private_repo_looks_like_none_to_a_stranger() {
    let (mut service, repo) = service(false, 9);
    let tag = repo_tag(repo, &keypair(9).key(), &keypair(1).key());
    let known = request(&mut service, 9, &Request::Open { tag, grants: Vec::new() });
    let unknown = request(&mut service, 9, &Request::Open { tag: RepoTag([0; 32]), grants: Vec::new() });
    assert_eq!((answer(&known), answer(&unknown)), (Some(Response::Absent), Some(Response::Absent)));
    let fetch = |tag| {
        let project = crate::project_id(repo, "@me/trail");
        Request::Fetch { tag, project, feed: FeedId([1; 32]), from: 0, bytes_max: 100 }
    };
    let known = request(&mut service, 9, &fetch(tag));
    assert_eq!(answer(&known), Some(Response::Absent));
    let push = Request::Push { tag, segment: run(false) };
    assert_eq!(answer(&request(&mut service, 9, &push)), Some(Response::Absent));
}

#[test]
fn a_repo_is_shown_to_those_who_may_read() {
    let (mut service, repo) = service(false, 2);
    let tag = repo_tag(repo, &keypair(2).key(), &keypair(1).key());
    let effects = request(&mut service, 2, &Request::Open { tag, grants: Vec::new() });
    assert!(matches!(answer(&effects), Some(Response::Opened { .. })));
}

#[test]
fn a_push_is_answered_once_it_is_durable_and_not_before() {
    let (mut service, repo) = service(true, 2);
    let tag = repo_tag(repo, &keypair(2).key(), &keypair(1).key());
    let effects = request(&mut service, 2, &Request::Push { tag, segment: run(true) });
    assert_eq!(answer(&effects), None, "nothing is said before the batch is durable");
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Persist { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let publishes = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::Publish { .. }));
    assert!(!publishes(&effects));
    service.handle(Input::Persisted { ticket: ticket.unwrap() }, NOW_MS);
    let effects = drain(&mut service);
    assert_eq!(answer(&effects), Some(Response::Pushed { n: 1 }));
    assert!(publishes(&effects), "neighbours learn of it");
}

#[test]
fn a_push_that_is_not_durable_is_not_acknowledged() {
    let (mut service, repo) = service(true, 2);
    let tag = repo_tag(repo, &keypair(2).key(), &keypair(1).key());
    let effects = request(&mut service, 2, &Request::Push { tag, segment: run(true) });
    let Some(Effect::Persist { ticket, .. }) =
        effects.into_iter().find(|e| matches!(e, Effect::Persist { .. }))
    else {
        panic!("a batch")
    };
    service.handle(Input::PersistFailed { ticket }, NOW_MS);
    assert!(matches!(answer(&drain(&mut service)), Some(Response::Rejected { .. })));
    let project = crate::project_id(repo, "@me/trail");
    assert!(service.replica(repo).unwrap().branch(project, "main").is_empty());
}

fn gossip(service: &mut Service, repo: RepoId, bytes: Vec<u8>) -> Vec<Effect> {
    let (peer, message) = (keypair(9).key(), GossipId(vec![1]));
    service.handle(Input::Gossip { peer, message, topic: topic(repo), bytes }, NOW_MS);
    drain(service)
}

fn verdict(effects: &[Effect]) -> Option<Verdict> {
    effects.iter().find_map(|effect| match effect {
        Effect::Judge { verdict, .. } => Some(*verdict),
        _ => None,
    })
}

#[test]
fn a11_gossip_is_judged_before_it_is_passed_on() {
    let (mut service, repo) = service(true, 9);
    let mut broken = Announce { segment: run(true) }.to_frame().unwrap();
    broken.pop();
    let effects = gossip(&mut service, repo, broken);
    assert_eq!(verdict(&effects), Some(Verdict::Reject));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Penalise { .. })));
    let bytes = Announce { segment: run(true) }.to_frame().unwrap();
    let effects = gossip(&mut service, repo, bytes.clone());
    assert_eq!(verdict(&effects), None, "no verdict before it is durable");
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Persist { ticket, .. } => Some(*ticket),
        _ => None,
    });
    service.handle(Input::Persisted { ticket: ticket.unwrap() }, NOW_MS);
    assert_eq!(verdict(&drain(&mut service)), Some(Verdict::Accept));
    assert_eq!(verdict(&gossip(&mut service, repo, bytes)), Some(Verdict::Ignore), "it is known by now");
}

#[test]
fn what_is_only_unknown_is_ignored_and_nobody_is_blamed() {
    let (mut service, repo) = service(true, 9);
    let mut segment = run(true);
    let mut top = segment.top.claimed().clone();
    top.feed.key = keypair(8).key();
    segment.top = top.sign(&keypair(8)).unwrap().into_signed();
    let effects = gossip(&mut service, repo, Announce { segment }.to_frame().unwrap());
    assert_eq!(verdict(&effects), Some(Verdict::Ignore));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Penalise { .. })));
}

#[test]
fn a_request_without_an_answer_is_tried_again_later() {
    let (mut service, repo) = service(true, 2);
    service.handle(Input::Synchronise { peer: keypair(2).key(), repo }, NOW_MS);
    drain(&mut service);
    let at_ms = service.next_wake().unwrap();
    service.handle(Input::Tick, at_ms);
    let failed = |effect: &Effect| matches!(effect, Effect::Notify(Event::SyncFailed { .. }));
    assert!(drain(&mut service).iter().any(failed));
    let again_ms = service.next_wake().unwrap();
    assert!(again_ms > at_ms);
    service.handle(Input::Tick, again_ms);
    assert!(drain(&mut service).iter().any(|effect| matches!(effect, Effect::Request { .. })));
}

/// Two histories of the feed of key 2, and what they prove.
fn fork(public: bool) -> crate::proof::ForkProof {
    let mut replica = replica(public);
    let project = replica.project("@me/trail").unwrap();
    let key: Keypair = keypair(2);
    let mut tops = [1, 2].map(|entropy| {
        let labels = Labels { branch: Some("main".into()), ..Labels::default() };
        let (parents, draft) = (Frontier::empty(), Draft::default());
        let post =
            Post { project, key: &key, parents, draft, labels, now_ms: NOW_MS, entropy: [entropy; 32] };
        let mut payload = post;
        payload.labels.message = Some(format!("history {entropy}"));
        let batch = replica.write(payload).unwrap();
        replica.abandon(&batch);
        batch.feeds[0].top.clone()
    });
    tops.sort_by_key(|top| top.root);
    crate::proof::ForkProof::find(&tops[0], &tops[1], &crate::log::Log::new()).unwrap()
}

#[test]
fn a4_a_fork_is_durable_before_it_is_answered_and_is_told_to_every_peer() {
    let (mut service, repo) = service(false, 2);
    let gone = service.asked.keys().next().copied().unwrap();
    let absent = Response::Absent.to_frame().unwrap();
    service.handle(Input::Response { peer: keypair(2).key(), request: gone, result: Ok(absent) }, NOW_MS);
    let tag = repo_tag(repo, &keypair(2).key(), &keypair(1).key());
    request(&mut service, 2, &Request::Open { tag, grants: Vec::new() });
    let proof = fork(false);
    service
        .handle(Input::Written { batch: Batch { forks: vec![proof.clone()], ..Batch::new(repo) } }, NOW_MS);
    let effects = drain(&mut service);
    let told = |effect: &Effect| match effect {
        Effect::Request { bytes, .. } => {
            matches!(Request::from_frame(bytes), Ok(Request::Forks { proofs, .. }) if proofs == [proof.clone()])
        }
        _ => false,
    };
    let forked = |effect: &Effect| matches!(effect, Effect::Notify(Event::Forked { .. }));
    assert_eq!(effects.iter().filter(|effect| told(effect)).count(), 1, "{effects:?}");
    assert_eq!(effects.iter().filter(|effect| forked(effect)).count(), 1);

    let (mut other, _) = self::service(false, 2);
    let note = Request::Forks { tag, proofs: vec![proof.clone()] };
    let effects = request(&mut other, 2, &note);
    assert_eq!(answer(&effects), None, "nothing is said before the proof is durable");
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Persist { ticket, .. } => Some(*ticket),
        _ => None,
    });
    other.handle(Input::Persisted { ticket: ticket.unwrap() }, NOW_MS);
    let effects = drain(&mut other);
    assert_eq!(answer(&effects), Some(Response::Pushed { n: 1 }));
    assert_eq!(effects.iter().filter(|effect| forked(effect)).count(), 1);
    assert_eq!(answer(&request(&mut other, 2, &note)), Some(Response::Pushed { n: 0 }), "it is known by now");
}

/// Who shows a top, sends waypoints, asks from a place or took a push has what that says; who only announces, not.
#[test]
fn what_another_peer_has_is_known_from_what_it_shows_sends_and_asks() {
    let (mut service, repo) = service(true, 2);
    let tag = repo_tag(repo, &keypair(2).key(), &keypair(1).key());
    let segment = run(true);
    let (feed, project) = (segment.top.claimed().feed_id(), segment.top.claimed().feed.project);
    assert!(service.elsewhere(repo).is_empty(), "nobody ever asked");
    let hint = Segment { start: 1, pieces: Vec::new(), ..segment.clone() };
    let topic = service.topic(repo);
    let bytes = Announce { segment: hint }.to_frame().unwrap();
    let message = GossipId(vec![1]);
    service.handle(Input::Gossip { peer: keypair(2).key(), message, topic, bytes }, NOW_MS);
    drain(&mut service);
    assert!(service.elsewhere(repo).is_empty(), "what is announced is not there yet");
    let effects = request(&mut service, 2, &Request::Push { tag, segment });
    let ticket = effects.iter().find_map(|effect| match effect {
        Effect::Persist { ticket, .. } => Some(*ticket),
        _ => None,
    });
    assert!(service.elsewhere(repo).is_empty(), "and what was refused is not known at all");
    service.handle(Input::Persisted { ticket: ticket.unwrap() }, NOW_MS);
    drain(&mut service);
    assert_eq!(service.elsewhere(repo), [(feed, 1)].into(), "who sends it has it");
    let fetch = |from| Request::Fetch { tag, project, feed, from, bytes_max: 100 };
    request(&mut service, 2, &fetch(5));
    assert_eq!(service.elsewhere(repo), [(feed, 1)].into(), "nobody has what is not there");
    // Another service learns it from its driver, and never less than it knew.
    let (mut later, _) = self::service(true, 2);
    later.note_elsewhere(repo, feed, 1);
    later.note_elsewhere(repo, feed, 0);
    assert_eq!(later.elsewhere(repo), [(feed, 1)].into());
}

/// To a peer that may read everything and asks for a local feed by its name, it is a feed that does not exist.
#[test]
fn a_local_feed_is_not_told_of_and_asked_for_it_is_not_there() {
    for public in [true, false] {
        let (mut service, repo) = service(public, 2);
        let tag = repo_tag(repo, &keypair(2).key(), &keypair(1).key());
        request(&mut service, 2, &Request::Open { tag, grants: Vec::new() });
        let project = crate::project_id(repo, "@me/trail");
        let labels = Labels { local: true, ..Labels::default() };
        let (parents, draft, key) = (Frontier::empty(), Draft::default(), keypair(1).local());
        let post = Post { project, key: &key, parents, draft, labels, now_ms: NOW_MS, entropy: [1; 32] };
        let batch = service.replica_mut(repo).unwrap().write(post).unwrap();
        let (feed, top) = (batch.feeds[0].feed, batch.feeds[0].top.clone());
        service.handle(Input::Written { batch }, NOW_MS);
        service.handle(Input::Tick, NOW_MS + 60_000);
        let told = drain(&mut service);
        assert!(!told.iter().any(|effect| matches!(effect, Effect::Publish { .. })), "{told:?}");
        let named = |effect: &Effect| format!("{effect:?}").contains(&feed.to_string());
        assert!(!told.iter().any(named), "{told:?}");
        assert_eq!(service.replica(repo).unwrap().kept_length(project, feed), 1);
        let Some(Response::Opened { tops, .. }) =
            answer(&request(&mut service, 2, &Request::Open { tag, grants: Vec::new() }))
        else {
            panic!("a repo that may be read")
        };
        assert!(tops.is_empty());
        let tip = crate::wire::Tip { n: top.n, root: top.root };
        let asks = |feed| {
            let fetch = |from| Request::Fetch { tag, project, feed, from, bytes_max: 1 << 20 };
            let side = Request::Side { tag, project, feed, top: tip, known: Vec::new(), bytes_max: 1 << 20 };
            [fetch(0), fetch(1), side]
        };
        for (known, unknown) in asks(feed).iter().zip(&asks(FeedId([1; 32]))) {
            let effects = request(&mut service, 2, known);
            assert_eq!(answer(&effects), Some(Response::Absent), "nothing is even read from the disk");
            assert_eq!(answer(&effects), answer(&request(&mut service, 2, unknown)));
        }
    }
}

/// What key 2 wrote: so many waypoints that say nothing.
fn author(count: u8) -> (Replica, Vec<Vec<u8>>) {
    let mut replica = replica(true);
    let project = replica.project("@me/trail").unwrap();
    let (key, mut pieces) = (keypair(2), Vec::new());
    for entropy in 1..=count {
        let labels = Labels { branch: Some("main".into()), ..Labels::default() };
        let (parents, draft) = (replica.branch(project, "main"), Draft::default());
        let post =
            Post { project, key: &key, parents, draft, labels, now_ms: NOW_MS, entropy: [entropy; 32] };
        let batch = replica.write(post).unwrap();
        pieces.extend(batch.feeds[0].pieces.iter().map(crate::piece::Piece::to_bytes));
        replica.apply(&batch, NOW_MS);
    }
    (replica, pieces)
}

/// The places from which a service asks for a feed, and the batches that are to become durable.
fn asked_and_stored(service: &mut Service) -> (Vec<(u64, RequestId)>, Vec<Ticket>) {
    let (mut asked, mut stored) = (Vec::new(), Vec::new());
    for effect in drain(service) {
        match effect {
            Effect::Request { request, bytes, .. } => {
                if let Ok(Request::Fetch { from, .. }) = Request::from_frame(&bytes) {
                    asked.push((from, request));
                }
            }
            Effect::Persist { ticket, .. } => stored.push(ticket),
            _ => {}
        }
    }
    (asked, stored)
}

#[test]
fn the_next_waypoints_are_asked_for_while_the_last_go_to_the_disk() {
    let ((author, pieces), (mut service, repo)) = (author(4), service(true, 2));
    let project = author.project("@me/trail").unwrap();
    let feed = author.lengths().next().unwrap().0;
    let respond = |service: &mut Service, request: RequestId, response: Response| {
        let result = Ok(response.to_frame().unwrap());
        service.handle(Input::Response { peer: keypair(2).key(), request, result }, NOW_MS);
        asked_and_stored(service)
    };
    let one = |from: u64| {
        let piece = vec![pieces[from as usize].clone()];
        Response::Segment(author.segment(project, feed, from, piece).unwrap())
    };
    let opening = service.asked.keys().next().copied().unwrap();
    let opened = || Response::Opened {
        founding: author.founding().signed().clone(),
        grants: Vec::new(),
        projects: vec![("@me/trail".into(), project)],
        tops: author.tops(project),
    };
    let (asked, _) = respond(&mut service, opening, opened());
    assert_eq!(asked.iter().map(|(from, _)| *from).collect::<Vec<_>>(), [0]);
    let (next, first) = respond(&mut service, asked[0].1, one(0));
    assert_eq!((next[0].0, first.len()), (1, 1), "asked before the first is durable");
    // An answer that comes before that is kept, and nobody is asked for the feed meanwhile.
    let (asked, stored) = respond(&mut service, next[0].1, one(1));
    assert!(asked.is_empty() && stored.is_empty());
    service.handle(Input::Persisted { ticket: first[0] }, NOW_MS);
    let (next, second) = asked_and_stored(&mut service);
    assert_eq!((next.len(), next[0].0, second.len()), (1, 2, 1));
    // Where the disk fails, what waited for it is let go of, and asked for again later.
    respond(&mut service, next[0].1, one(2));
    service.handle(Input::PersistFailed { ticket: second[0] }, NOW_MS);
    let (asked, stored) = asked_and_stored(&mut service);
    assert!(asked.is_empty() && stored.is_empty() && service.under_way.asked.is_empty());
    assert_eq!(service.replica(repo).unwrap().feed_length(project, feed), 1);
    service.handle(Input::Synchronise { peer: keypair(2).key(), repo }, NOW_MS);
    let opening = service.asked.keys().next().copied().unwrap();
    let (asked, _) = respond(&mut service, opening, opened());
    assert_eq!(asked.iter().map(|(from, _)| *from).collect::<Vec<_>>(), [1]);
}
