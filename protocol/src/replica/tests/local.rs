//! Waypoints that never leave this home.

use std::collections::BTreeMap;

use cairn_crdt::Kept;
use cairn_crdt::id::Root;

use super::*;
use crate::entry::{Edge, EdgeKind};
use crate::epoch::{Absorbed, Epoch};
use crate::mark::Mark;
use crate::retention::Thinning;
use crate::skeleton::Skeleton;

const WHO: u8 = 2;

fn labels(local: bool) -> Labels {
    Labels { branch: Some("main".into()), message: Some("words".into()), local, ..Labels::default() }
}

/// Writes and applies as key `seed`, under its local key where the labels say so; on these parents.
fn say(
    replica: &mut Replica,
    seed: u8,
    parents: &Frontier,
    name: &str,
    labels: Labels,
) -> Result<(WaypointId, Batch), WriteError> {
    let project = project_id(replica.id(), PROJECT);
    let key = if labels.local { keypair(seed).local() } else { keypair(seed) };
    let draft = file(project, name, name.as_bytes());
    let post = Post {
        project,
        key: &key,
        parents: parents.clone(),
        draft,
        labels,
        now_ms: NOW_MS,
        entropy: [6; 32],
    };
    let batch = replica.write(post)?;
    replica.apply(&batch, NOW_MS);
    Ok((whole_of(&batch).id(), batch))
}

/// A replica with a shared waypoint and a local one on top of it.
fn kept() -> (Replica, ProjectId, WaypointId, (WaypointId, Batch)) {
    let (mut a, project) = replica();
    let (shared, _) = say(&mut a, WHO, &Frontier::empty(), "shared", labels(false)).unwrap();
    let local = say(&mut a, WHO, &Frontier::from_iter([shared]), "local", labels(true)).unwrap();
    (a, project, shared, local)
}

#[test]
fn a_local_waypoint_shows_and_moves_nothing() {
    let (mut a, project, shared, (local, _)) = kept();
    let one = Frontier::from_iter([local]);
    assert_eq!(a.branch(project, "main"), Frontier::from_iter([shared]));
    assert!(a.held(project).is_empty());
    assert_eq!(a.shared(project, &one), Frontier::from_iter([shared]));
    assert!(matches!(a.find(project, &local.to_string()), Found::One(Candidate::Waypoint(_), _)));
    let mut contents = Kept::new();
    for name in ["shared", "local"] {
        contents.insert(ContentHash::of(name.as_bytes()), Arc::from(name.as_bytes()));
    }
    assert_eq!(a.view(project, &one, &contents).unwrap().files.len(), 2);
    let listed = a.locals(project, Some(&keypair(WHO).local().key()));
    assert_eq!(listed.iter().map(|entry| (entry.id, entry.local)).collect::<Vec<_>>(), [(local, true)]);
    assert!(a.locals(project, Some(&keypair(1).local().key())).is_empty());
    let words = a.saying(project, &Frontier::from_iter([shared]), "WORDS");
    assert_eq!(words.len(), 2, "the shared one and the local one on top of it");
}

#[test]
fn nothing_that_is_told_to_others_names_a_local_feed() {
    let (a, project, shared, (local, batch)) = kept();
    let (feed, top) = (batch.feeds[0].feed, batch.feeds[0].top.clone());
    let none = BTreeMap::new();
    assert!(a.feeds(project).iter().all(|info| info.feed != feed));
    assert!(a.tops(project).iter().all(|top| top.claimed().feed_id() != feed));
    assert!(a.lengths().all(|(known, _, _)| known != feed));
    assert!(a.stretches(&none).iter().all(|stretch| stretch.top.claimed().feed_id() != feed));
    assert!(a.runs(&none).iter().all(|run| run.feed != feed));
    assert_eq!((a.feed_length(project, feed), a.whole_length(project, feed)), (0, 0));
    assert!(a.segment(project, feed, 0, Vec::new()).is_none() && a.holding(&top).is_empty());
    assert!(a.tips(project, feed).is_empty());
    let tip = crate::wire::Tip { n: 1, root: top.root };
    assert!(a.side(project, feed, &tip, &[]).is_none());
    assert_eq!(a.kept_length(project, feed), 1);
    // An epoch that somebody begins on top of a local one, which no verb does, has it not in its map.
    let epoch = a.epoch_on(project, &Frontier::from_iter([shared, local]), Root([0; 32]));
    assert!(epoch.absorbed(&feed).is_none() && !epoch.absorbed.is_empty());
}

#[test]
fn what_is_shared_stands_on_nothing_local_and_names_none() {
    let (mut a, _, shared, (local, _)) = kept();
    let (one, on) = (Frontier::from_iter([local]), Frontier::from_iter([shared]));
    let refused = Err(WriteError::Local(local));
    assert_eq!(say(&mut a, WHO, &one, "x", labels(false)).map(drop), refused);
    let edges = vec![Edge { kind: EdgeKind::Origin, target: local }];
    assert_eq!(say(&mut a, WHO, &on, "x", Labels { edges, ..labels(false) }).map(drop), refused);
    let (name, message, frontier) = ("v1".to_owned(), String::new(), vec![local]);
    let (root, feeds) = (Root([0; 32]), crate::hash::LogHash([0; 32]));
    let mark = Some(Mark { name, message, frontier, root, feeds, class: None, hold: None });
    assert_eq!(say(&mut a, WHO, &on, "x", Labels { mark, ..labels(false) }).map(drop), refused);
    // Nor does a key write both.
    let project = project_id(a.id(), PROJECT);
    for (key, local) in [(keypair(WHO), true), (keypair(WHO).local(), false)] {
        let entropy = [6; 32];
        assert!(a.stack(project, key.key(), NOW_MS, &entropy, local).is_err(), "{local}");
    }
}

#[test]
fn nobody_needs_a_right_to_keep_something_and_nobody_takes_it() {
    let (mut a, project) = replica();
    let (_, batch) = say(&mut a, 9, &Frontier::empty(), "mine", labels(true)).unwrap();
    assert!(a.held(project).is_empty());
    let (mut b, _) = replica();
    assert_eq!(b.ingest(segment(&batch), NOW_MS).unwrap_err(), Reject::Ungranted);
    // Not even from a key that may write.
    let record = Grant { subject: keypair(9).local().key(), ..a_grant(&b) };
    b.admit_grants(&[record.sign(&keypair(1)).unwrap()], NOW_MS);
    assert_eq!(b.ingest(segment(&batch), NOW_MS).unwrap_err(), Reject::Local);
}

fn a_grant(replica: &Replica) -> Grant {
    let (repo, issuer) = (replica.id(), keypair(1).key());
    let (role, scope, nonce) = (Role::Write, Scope::All, [9; 16]);
    let (subject, delegable, depth) = (issuer, false, 1);
    Grant {
        repo,
        issuer,
        subject,
        role,
        scope,
        delegable,
        depth,
        not_after_ms: None,
        uses: None,
        parent: None,
        seen: Vec::new(),
        nonce,
    }
}

#[test]
fn that_it_is_local_comes_back_from_the_disk_also_when_it_has_faded() {
    let (a, project, shared, (local, batch)) = kept();
    let (feed, top) = (batch.feeds[0].feed, batch.feeds[0].top.clone().into_signed());
    let whole = whole_of(&batch);
    for piece in [Arc::clone(whole), Arc::new(whole.faded(&Default::default()))] {
        let (mut b, _) = replica();
        let bones = Skeleton::of(&Piece::Waypoint(piece));
        b.restore(PROJECT, feed, top.clone(), [bones]).unwrap();
        b.restored(NOW_MS);
        assert!(b.is_local_feed(project, feed) && b.is_local(project, &local));
        assert!(b.feeds(project).is_empty() && b.held(project).is_empty());
    }
    assert!(!a.is_local(project, &shared));
}

#[test]
fn it_fades_by_the_same_window_and_waits_for_no_peer() {
    let (a, project, shared, (_, batch)) = kept();
    let nobody = BTreeMap::from([(FeedId([9; 32]), 1)]);
    let fading = |all_ms, now_ms| {
        let (thinning, elsewhere) = (Thinning::all(all_ms), Some(&nobody));
        let retention = Retention { thinning, names_ms: 0, pins: &[], elsewhere };
        a.fading(project, retention, &BTreeMap::new(), &Kept::new(), now_ms).unwrap()
    };
    assert_eq!(fading(1000, NOW_MS).count(), 0);
    let later = fading(1000, NOW_MS + 2000);
    assert_eq!(later.places, [(batch.feeds[0].feed, [0].into())].into(), "the shared one nobody else has");
    assert!(later.gone.is_empty() && a.branch(project, "main") == Frontier::from_iter([shared]));
}

/// A feed of which no name is left would not be known as local any more.
#[test]
fn a_map_that_names_a_local_feed_takes_none_of_its_names() {
    let (mut a, project) = replica();
    let nameless = |local: bool| Labels { message: None, ..labels(local) };
    let (shared, _) = say(&mut a, 1, &Frontier::empty(), "shared", nameless(false)).unwrap();
    let (_, batch) = say(&mut a, WHO, &Frontier::from_iter([shared]), "local", nameless(true)).unwrap();
    let (feed, top) = (batch.feeds[0].feed, batch.feeds[0].top.clone());
    let absorbed = Absorbed { feed, n: 1, root: top.root, beside: Vec::new() };
    let epoch = Some(Epoch { root: Root([0; 32]), depth: 1, absorbed: vec![absorbed] });
    let labels = Labels { epoch, ..nameless(false) };
    say(&mut a, 1, &Frontier::from_iter([shared]), "epoch", labels).unwrap();
    let retention = Retention { thinning: Thinning::all(0), names_ms: 0, pins: &[], elsewhere: None };
    let later_ms = NOW_MS + 1;
    let fading = a.fading(project, retention, &BTreeMap::new(), &Kept::new(), later_ms).unwrap();
    assert!(fading.places.contains_key(&feed) && !fading.gone.contains_key(&feed), "{fading:?}");
}
