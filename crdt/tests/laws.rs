//! What must hold whatever anybody writes: one frontier, one view; nothing lost in silence.
//!
//! A sample runs here; `PROPTEST_CASES` asks for more.

mod world;

use cairn_crdt::{Change, Draft, Frontier};
use proptest::prelude::*;
use world::program::{Act, World, programs};
use world::{Replica, Store};

/// Every change that any replica has, and the bytes that they name.
fn everything(replicas: &[Replica]) -> (Vec<Change>, Store) {
    let (mut changes, mut store) = (Vec::<Change>::new(), Store::default());
    for replica in replicas {
        store.extend(replica.store.clone());
        for change in &replica.changes {
            if !changes.iter().any(|other| other.id == change.id) {
                changes.push(change.clone());
            }
        }
    }
    (changes, store)
}

/// A reader that gets everything in an order that `seed` chooses, and looks now and then.
fn reader(changes: &[Change], store: &Store, seed: u64) -> Replica {
    let mut reader = Replica::new(50);
    reader.store = store.clone();
    let mut left = changes.to_vec();
    let mut state = seed;
    while !left.is_empty() {
        let is_ready = |n: &usize| left[*n].parents.iter().all(|parent| reader.docs.contains(parent));
        let ready: Vec<_> = (0..left.len()).filter(is_ready).collect();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let change = left.remove(ready[(state >> 33) as usize % ready.len()]);
        reader.docs.insert(change.clone()).expect("parents are here");
        let heads = reader.tip.heads().iter().copied().chain([change.id]);
        reader.tip = reader.docs.frontier_of(heads.collect::<Vec<_>>());
        reader.changes.push(change);
        if state & 0x300 == 0 {
            reader.view();
        }
    }
    reader
}

/// Everything that anybody wrote is shown alike by readers that got it in different orders and
/// groups, by one that gets it twice, and by those who wrote it. A reader comes back.
fn agree(world: &mut World, seed: u64) -> Replica {
    let (changes, store) = everything(&world.replicas);
    let mut first = reader(&changes, &store, seed);
    let view = first.view();
    let heads: Vec<_> = changes.iter().map(|change| change.id).collect();
    assert_eq!(first.tip, first.docs.frontier_of(heads));
    let mut second = reader(&changes, &store, seed ^ 0x9e37_79b9_7f4a_7c15);
    assert_eq!(view, second.view());
    for change in &changes {
        second.docs.insert(change.clone()).expect("it was taken before");
    }
    assert_eq!(view, second.view());
    for replica in &mut world.replicas {
        replica.pull(&first);
        assert_eq!(view, replica.view());
        for path in view.files.keys() {
            assert_eq!(first.bytes(&path.to_string()), replica.bytes(&path.to_string()));
        }
    }
    first
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_frontier_has_one_view_and_nothing_is_lost((count, program) in programs(), seed: u64) {
        let mut world = World::run(count, &program);
        let mut reader = agree(&mut world, seed);
        let lost = world.book.lost(&mut reader);
        prop_assert!(lost.is_empty(), "{lost:?} are gone");
        let lost = reader.docs.lost(&reader.tip, &reader.store).expect("the view was read");
        prop_assert!(lost.is_empty(), "{lost:?} are not accounted for");
    }

    #[test]
    fn a_merge_that_says_nothing_shows_the_same_whatever_was_read_before((count, program) in programs(), seed: u64) {
        let mut world = World::run(count, &program);
        let (changes, store) = everything(&world.replicas);
        let mut merged = reader(&changes, &store, seed);
        merged.commit(Draft::default());
        let shown = merged.fork(60).view();
        for replica in &mut world.replicas {
            replica.view();
            replica.docs_only(&merged);
            replica.tip = merged.tip.clone();
            prop_assert_eq!(&shown, &replica.view());
        }
    }

    #[test]
    fn a_draft_on_any_merge_shows_what_was_asked_for((count, program) in programs(), f in 0usize..40, l in 0usize..40) {
        let mut world = World::run(count, &program);
        let reader = agree(&mut world, 7);
        world.replicas = vec![reader];
        for (number, act) in [Act::Insert(f, l), Act::Shuffle(f, l, 3), Act::Carry(f, l, 3), Act::Remove(l)].iter().enumerate() {
            world.act(0, act, 900 + number);
        }
        prop_assert!(world.replicas[0].tip != Frontier::empty());
    }
}
