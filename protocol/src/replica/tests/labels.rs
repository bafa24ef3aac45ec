//! Marks, branches and what takes them away.

use super::*;
use crate::entry::Profile;
use crate::hash::LogHash;
use crate::imported::Imported;
use crate::mark::Mark;
use crate::retire::{Retire, Retired};
use cairn_crdt::id::Root;

/// Writes labels on top of a version as key `seed`, and applies them.
fn say(replica: &mut Replica, seed: u8, parents: &Frontier, labels: Labels) -> (WaypointId, Batch) {
    let project = project_id(replica.id(), PROJECT);
    let key = keypair(seed);
    let (draft, parents) = (Draft::default(), parents.clone());
    let post = Post { project, key: &key, parents, draft, labels, now_ms: NOW_MS, entropy: [5; 32] };
    let batch = replica.write(post).unwrap();
    replica.apply(&batch, NOW_MS);
    (whole_of(&batch).id(), batch)
}

fn mark(frontier: &Frontier, hold: Option<&str>) -> Labels {
    let mark = Mark {
        name: "v1".into(),
        message: "words".into(),
        frontier: frontier.heads().to_vec(),
        root: Root([0; 32]),
        feeds: LogHash([0; 32]),
        class: Some("release".into()),
        hold: hold.map(str::to_owned),
    };
    Labels { mark: Some(mark), ..Labels::default() }
}

fn retire(what: Retired, name: &str) -> Labels {
    Labels { retire: Some(Retire { what, name: name.into(), message: "why".into() }), ..Labels::default() }
}

fn one(id: WaypointId) -> Frontier {
    Frontier::from_iter([id])
}

#[test]
fn a_deleted_mark_is_gone_and_its_tombstone_says_why() {
    let (mut a, project) = replica();
    let base = on(&mut a, project, "main", &Frontier::empty(), "one", NOW_MS);
    let (set, _) = say(&mut a, 1, &base, mark(&base, None));
    assert!(matches!(a.find(project, "v1"), Found::One(Candidate::Mark(..), _)));
    let (gone, _) = say(&mut a, 2, &one(set), retire(Retired::Mark, "v1"));
    assert_eq!((a.find(project, "v1"), a.pins(project).len()), (Found::Nothing, 0));
    let tombstones = a.tombstones(project);
    assert_eq!((tombstones[0].entry.id, tombstones[0].marks[0].0), (gone, set));
    assert_eq!((tombstones[0].entry.key, tombstones[0].retire.message.as_str()), (keypair(2).key(), "why"));
    let (again, _) = say(&mut a, 1, &base, mark(&base, None));
    assert_eq!(
        a.marks(project)[0].0,
        again,
        "the name is free again, though the version is as old as the first"
    );
}

#[test]
fn what_a_deletion_had_not_seen_stands_in_whatever_order_things_come() {
    let ((mut a, project), (mut b, _), (mut c, _)) = (replica(), replica(), replica());
    let mut batches = Vec::new();
    let (base, batch) =
        say(&mut a, 1, &Frontier::empty(), Labels { branch: Some("side".into()), ..Labels::default() });
    batches.push(batch);
    let base = one(base);
    let (first, batch) = say(&mut a, 1, &base, mark(&base, None));
    batches.push(batch);
    let seen: Frontier = [first].into_iter().chain(base.heads().iter().copied()).collect();
    let (_, batch) = say(&mut a, 2, &seen, retire(Retired::Mark, "v1"));
    batches.push(batch);
    let (_, batch) = say(&mut a, 2, &base, retire(Retired::Branch, "side"));
    batches.push(batch);
    assert!(a.branch(project, "side").is_empty());
    let (second, batch) = say(&mut a, 1, &base, mark(&base, None));
    batches.push(batch);
    let (tip, batch) = say(&mut a, 1, &base, Labels { branch: Some("side".into()), ..Labels::default() });
    batches.push(batch);
    // One feed after the other: the deletions come before or after what they had not seen.
    let of = |seed: u8| batches.iter().filter(move |batch| batch.feeds[0].key == keypair(seed).key());
    of(1).chain(of(2)).for_each(|batch| drop(b.apply(batch, NOW_MS)));
    of(2).chain(of(1)).for_each(|batch| drop(c.apply(batch, NOW_MS)));
    for replica in [&a, &b, &c] {
        assert_eq!(replica.marks(project).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [second]);
        assert_eq!(replica.branch(project, "side"), one(tip));
    }
}

#[test]
fn a_branch_that_was_taken_away_stays_away_when_what_it_stood_on_comes_last() {
    let (mut a, project) = replica();
    let side = || Labels { branch: Some("side".into()), ..Labels::default() };
    let (base, first) = say(&mut a, 1, &Frontier::empty(), side());
    let key = keypair(2);
    let draft = file(project, "f", b"1");
    let parents = one(base);
    let post = Post { project, key: &key, parents, draft, labels: side(), now_ms: NOW_MS, entropy: [5; 32] };
    let mut second = a.write(post).unwrap();
    a.apply(&second, NOW_MS);
    let tip = whole_of(&second).clone();
    let (_, third) = say(&mut a, 2, &one(tip.id()), retire(Retired::Branch, "side"));
    assert!(a.branch(project, "side").is_empty());
    // The tip has faded, so it waits for nothing; what it stood on has nothing that could fade.
    second.feeds[0].pieces = vec![Piece::Waypoint(tip.faded(&Default::default()).into())];
    let ((mut b, _), (mut c, _)) = (replica(), replica());
    [&second, &third, &first].iter().for_each(|batch| drop(b.apply(batch, NOW_MS)));
    assert!(b.branch(project, "side").is_empty(), "what comes last is in the past of what was taken away");
    let (two, three) = (&second.feeds[0], &third.feeds[0]);
    let pieces: Vec<Piece> = two.pieces.iter().chain(&three.pieces).cloned().collect();
    c.restore(PROJECT, two.feed, three.top.signed().clone(), pieces).unwrap();
    let one = &first.feeds[0];
    c.restore(PROJECT, one.feed, one.top.signed().clone(), one.pieces.clone()).unwrap();
    c.restored(NOW_MS);
    assert!(c.branch(project, "side").is_empty());
}

#[test]
fn b14_a_held_mark_stands_until_an_admin_lifts_the_hold() {
    let (mut a, project) = replica();
    let base = on(&mut a, project, "main", &Frontier::empty(), "one", NOW_MS);
    let (set, _) = say(&mut a, 1, &base, mark(&base, Some("case 7")));
    say(&mut a, 2, &one(set), retire(Retired::Mark, "v1"));
    assert_eq!(
        a.pins(project)[0].1.hold.as_deref(),
        Some("case 7"),
        "a record that ignores the hold does nothing"
    );
    assert!(a.tombstones(project)[0].marks.is_empty());
    say(&mut a, 2, &one(set), retire(Retired::Hold, "v1"));
    assert!(a.pins(project)[0].1.hold.is_some(), "only an admin lifts a hold");
    let (lifted, _) = say(&mut a, 1, &one(set), retire(Retired::Hold, "v1"));
    assert_eq!(a.pins(project)[0].1.hold, None);
    assert_eq!(a.pins(project)[0].1.class.as_deref(), Some("release"));
    assert_eq!(a.pins(project).len(), 1, "what was refused before is not done afterwards");
    say(&mut a, 2, &one(lifted), retire(Retired::Mark, "v1"));
    assert!(a.pins(project).is_empty());
}

#[test]
fn several_writes_are_signed_once_and_each_stands_on_the_one_before() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let key = keypair(2);
    let first = post(&a, project, &key, file(project, "one", b"one"));
    let labels = |words: &str| Labels { message: Some(words.into()), ..first.labels.clone() };
    let then = [("two", labels("second")), ("three", labels("third"))];
    let then =
        then.into_iter().map(|(name, labels)| (file(project, name, name.as_bytes()), labels)).collect();
    let batch = a.write_all(first, then).unwrap();
    assert_eq!((batch.feeds.len(), batch.feeds[0].pieces.len(), batch.feeds[0].top.n), (1, 3, 3));
    let mut stored = Batch::new(b.id());
    stored.feeds.push(b.ingest(segment(&batch), NOW_MS).unwrap());
    b.apply(&stored, NOW_MS);
    let log = b.log(project, &b.branch(project, "main"));
    let words: Vec<_> = log.iter().map(|entry| entry.message.as_deref().unwrap()).collect();
    assert_eq!(words, ["third", "second", "words"]);
    assert!(log.iter().all(|entry| !entry.continued && entry.branch.as_deref() == Some("main")));
    assert_eq!(log[0].parents, [log[1].id]);
}

#[test]
fn what_lies_on_a_stack_stands_on_it_and_is_drafted_on_before_it_is_signed() {
    let ((mut a, project), (mut b, _)) = (replica(), replica());
    let key = keypair(2);
    let labels = Labels { branch: Some("main".into()), ..Labels::default() };
    let mut stack = a.stack(project, key.key(), NOW_MS, &[3; 32], false).unwrap();
    let on = |heads: &[WaypointId]| heads.iter().copied().collect::<Frontier>();
    let first = a.lay(&mut stack, &on(&[]), &file(project, "one", b"one"), &labels).unwrap();
    a.foresee(&mut stack).unwrap();
    let shown = a.view(project, &on(&[first]), &cairn_crdt::Kept::new()).unwrap();
    assert_eq!(shown.files.len(), 1);
    assert!(a.branch(project, "main").is_empty(), "no label shows what is not signed");
    let sides = ["two", "six"];
    let sides =
        sides.map(|name| a.lay(&mut stack, &on(&[first]), &file(project, name, b"x"), &labels).unwrap());
    let joint = a.lay(&mut stack, &on(&sides), &Draft::default(), &labels).unwrap();
    let stranger = WaypointId([9; 32]);
    let refused = a.lay(&mut stack, &on(&[stranger]), &Draft::default(), &labels);
    assert_eq!(refused, Err(WriteError::NoParent(stranger)));
    let batch = a.seal(stack, &key).unwrap();
    assert_eq!((batch.feeds[0].pieces.len(), batch.feeds[0].top.n), (4, 4));
    assert!(matches!(a.stack(project, key.key(), NOW_MS, &[4; 32], false), Err(WriteError::Busy)));
    let mut stored = Batch::new(b.id());
    stored.feeds.push(b.ingest(segment(&batch), NOW_MS).unwrap());
    b.apply(&stored, NOW_MS);
    a.apply(&batch, NOW_MS);
    assert_eq!((a.branch(project, "main"), b.branch(project, "main")), (on(&[joint]), on(&[joint])));
}

#[test]
fn a_stack_is_sealed_by_its_own_key_alone() {
    let (mut a, project) = replica();
    let mut stack = a.stack(project, keypair(2).key(), NOW_MS, &[3; 32], false).unwrap();
    a.lay(&mut stack, &Frontier::empty(), &file(project, "one", b"one"), &Labels::default()).unwrap();
    assert!(matches!(a.seal(stack, &keypair(1)), Err(WriteError::Record(Reject::Misuse(_)))));
    let empty = a.stack(project, keypair(2).key(), NOW_MS, &[3; 32], false).unwrap();
    assert!(empty.is_empty() && a.seal(empty, &keypair(2)).is_err());
    assert!(matches!(
        a.stack(project, keypair(5).key(), NOW_MS, &[3; 32], false),
        Err(WriteError::Ungranted)
    ));
}

#[test]
fn where_a_waypoint_comes_from_is_told_without_the_record() {
    let (mut a, project) = replica();
    let key = keypair(2);
    let mut post = post(&a, project, &key, file(project, "one", b"one"));
    let author = Profile { name: "Ada".into(), mail: String::new() };
    let imported = Imported {
        system: "git".into(),
        name: vec![7; 20],
        author,
        written_s: -1,
        offset_minutes: 60,
        odd: Vec::new(),
        record: b"commit".to_vec(),
    };
    post.labels.imported = Some(Box::new(imported.clone()));
    let batch = a.write(post).unwrap();
    a.apply(&batch, NOW_MS);
    let log = a.log(project, &a.branch(project, "main"));
    assert_eq!(log[0].imported, Some(Imported { record: Vec::new(), ..imported }));
    let told: Vec<_> = a.imported(project, "git").collect();
    assert_eq!(told, [(log[0].id, &[7; 20][..])]);
    assert_eq!(a.imported(project, "svn").count(), 0);
}
