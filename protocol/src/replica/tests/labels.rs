//! Marks, branches and what takes them away.

use super::*;
use crate::hash::LogHash;
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
