//! What the store promises, tried against disks that fail in every way at every step.

use std::path::PathBuf;

use cairn_crdt::Absent;
use cairn_crdt::id::ContentHash;
use cairn_protocol::Skeleton;

use super::fixture::{Author, create, dir, open};
use super::*;
use crate::files::fault::{FaultFiles, Kept, Plan};

const KEPT: [Kept; 5] = [Kept::None, Kept::All, Kept::Some(1), Kept::Some(2), Kept::Some(3)];

/// A store that holds the author's first waypoints, `closed` in stones.
fn filled(batches: &[u64]) -> (FaultFiles, Author) {
    let files = FaultFiles::default();
    let mut author = Author::new(1);
    let mut store = create(&files, &author).unwrap();
    for count in batches {
        store.commit(&author.batch(*count)).unwrap();
    }
    store.close().unwrap();
    (files, author)
}

fn stone_paths(files: &FaultFiles) -> Vec<PathBuf> {
    files.paths().into_iter().filter(|path| path.starts_with(dir().join("stones"))).collect()
}

#[test]
fn what_was_committed_is_there_when_the_store_is_opened_again() {
    let files = FaultFiles::default();
    let mut author = Author::new(1);
    let mut store = create(&files, &author).unwrap();
    store.commit(&author.batch(3)).unwrap();
    author.check(&store, 3);
    drop(store);
    let (mut store, recovered) = open(&files).unwrap();
    author.check(&store, 3);
    assert_eq!(recovered.projects, [super::fixture::PROJECT]);
    assert_eq!(recovered.feeds[0].skeletons.len(), 3);
    let ids: Vec<_> =
        recovered.feeds[0].skeletons.iter().filter_map(Skeleton::waypoint).map(|bones| bones.id).collect();
    assert_eq!(ids, author.ids);
    store.commit(&author.batch(2)).unwrap();
    store.close().unwrap();
    let (store, recovered) = open(&files).unwrap();
    author.check(&store, 5);
    assert_eq!(recovered.feeds[0].skeletons.len(), 5);
    assert_eq!(recovered.feeds[0].top.claimed().n, 5);
    assert!(store.verify(true).is_ok());
}

#[test]
fn a_closed_store_has_its_bodies_in_few_stones_and_nothing_else_lies_there() {
    let (files, author) = filled(&[1; 13]);
    let (store, _) = open(&files).unwrap();
    author.check(&store, 13);
    let stones = stone_paths(&files);
    assert!((1..=4).contains(&stones.len()), "{stones:?}");
    assert!(stones.iter().all(|path| path.extension().unwrap() == "sst"));
    let report = store.verify(true);
    assert_eq!((report.feeds, report.ssts), (1, stones.len() as u64));
    assert!(report.is_ok());
}

#[test]
fn e7_a_damaged_stone_becomes_no_part_of_another_and_stops_no_cut() {
    let (files, mut author) = filled(&[4]);
    files.rot(&stone_paths(&files)[0], 200);
    let (mut store, _) = open(&files).unwrap();
    store.commit(&author.batch(4)).unwrap();
    assert_eq!(store.cut().unwrap(), 1);
    assert_eq!((stone_paths(&files).len(), store.damages().len()), (2, 1));
    files.rot(&stone_paths(&files)[0], 200);
    author.check(&open(&files).unwrap().0, 8);
}

#[test]
fn a_commit_that_leaves_a_gap_is_refused() {
    let files = FaultFiles::default();
    let mut author = Author::new(1);
    let mut store = create(&files, &author).unwrap();
    author.batch(1);
    assert!(store.commit(&author.batch(1)).is_err());
    assert_eq!(store.feed_length(author.feed.id()), 0);
}

#[test]
fn the_index_may_be_thrown_away_or_be_another_stores() {
    let (files, author) = filled(&[3, 4]);
    let (other, _) = filled(&[5]);
    let index = dir().join(index::NAME);
    files.remove(&index).unwrap();
    author.check(&open(&files).unwrap().0, 7);
    let foreign = other.bytes(&index);
    files.create(&index).unwrap().write_at(0, &foreign).unwrap();
    let (mut store, recovered) = open(&files).unwrap();
    assert_eq!(recovered.feeds[0].skeletons.len(), 7);
    author.check(&store, 7);
    store.rebuild_index().unwrap();
    author.check(&store, 7);
    drop(store);
    files.create(&index).unwrap().write_at(0, b"not an index at all").unwrap();
    author.check(&open(&files).unwrap().0, 7);
}

#[test]
fn e1_cuts_that_find_no_room_leave_no_more_with_each_try() {
    let files = FaultFiles::default();
    let mut author = Author::new(1);
    let mut store = create(&files, &author).unwrap();
    store.commit(&author.batch(4)).unwrap();
    files.plan(Plan { room: Some(64), ..Plan::default() });
    for _ in 0..10 {
        assert_eq!(store.cut().unwrap_err().code(), "E_FULL");
    }
    let left = files.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "new"));
    assert!(left.count() <= 2, "a full disk is filled further");
    files.plan(Plan::default());
    store.cut().unwrap();
    author.check(&store, 4);
}

#[test]
fn e1_full_disk_refuses_the_write_keeps_what_is_there_and_goes_on_when_there_is_room() {
    let batch = 4;
    for room in (0..4000).step_by(97) {
        let files = FaultFiles::default();
        let mut author = Author::new(1);
        let mut store = create(&files, &author).unwrap();
        store.commit(&author.batch(batch)).unwrap();
        files.plan(Plan { room: Some(room), ..Plan::default() });
        let next = author.batch(batch);
        let before = match store.commit(&next) {
            Ok(()) => 2 * batch,
            Err(error) => {
                assert_eq!(error.code(), "E_FULL", "{error}");
                batch
            }
        };
        author.check(&store, before);
        let cut = store.cut();
        assert!(cut.is_ok() || cut.unwrap_err().code() == "E_FULL");
        author.check(&store, before);
        files.plan(Plan::default());
        if before == batch && !store.is_poisoned() {
            store.commit(&next).unwrap();
            author.check(&store, 2 * batch);
        }
        let (store, _) = open(&files).unwrap();
        assert!(store.feed_length(author.feed.id()) >= before);
        assert!(store.verify(true).is_ok());
    }
}

/// Commits, cuts, reopens and commits again; says how much was acknowledged and how much was tried.
fn story(files: &FaultFiles, author: &mut Author) -> (u64, u64) {
    let (mut acknowledged, mut tried) = (0, 0);
    let _ = (|| -> Result<(), NodeError> {
        let mut store = create(files, author)?;
        for (round, count) in [2, 1, 3, 1, 1, 2].into_iter().enumerate() {
            let batch = author.batch(count);
            tried += count;
            store.commit(&batch)?;
            acknowledged += count;
            match round {
                1 | 4 => drop(store.cut()?),
                2 => store = open(files)?.0,
                _ => {}
            }
        }
        store.close()
    })();
    (acknowledged, tried)
}

/// Opens what a crash left, checks it against what was acknowledged, and goes on writing.
fn check_survivor(files: &FaultFiles, acknowledged: u64, tried: u64, told: &str) -> u64 {
    if !Store::exists(files, &dir()).unwrap() {
        assert_eq!(acknowledged, 0, "{told}: the store is gone");
        return 0;
    }
    let (mut store, _) = open(files).unwrap_or_else(|error| panic!("{told}: {error}"));
    let mut author = Author::new(1);
    let batches = [2, 1, 3, 1, 1, 2];
    let n = store.feed_length(author.feed.id());
    assert!(n == acknowledged || n == tried, "{told}: {n}, acknowledged {acknowledged}, tried {tried}");
    for count in batches {
        if author.ids.len() as u64 + count <= n {
            author.batch(count);
        }
    }
    author.check(&store, n);
    let report = store.verify(true);
    assert!(report.is_ok(), "{told}: {report:?}");
    store.commit(&author.batch(1)).unwrap();
    author.check(&store, n + 1);
    n
}

#[test]
fn e2_kill_nine_and_e3_power_loss_at_every_operation_lose_nothing_acknowledged() {
    let files = FaultFiles::default();
    story(&files, &mut Author::new(1));
    let steps = files.steps();
    assert!(steps > 50, "{steps}");
    for step in 1..=steps {
        let files = FaultFiles::default();
        files.plan(Plan { crash_at: Some(step), ..Plan::default() });
        let (acknowledged, tried) = story(&files, &mut Author::new(1));
        for kept in KEPT {
            let told = format!("crash at {step}, kept {kept:?}");
            check_survivor(&files.crash(kept), acknowledged, tried, &told);
        }
    }
}

#[test]
fn e5_a_failed_sync_poisons_the_store_and_reopening_tells_what_is_there() {
    let files = FaultFiles::default();
    story(&files, &mut Author::new(1));
    for sync in 1..=files.syncs() {
        let files = FaultFiles::default();
        files.plan(Plan { fail_sync_at: Some(sync), ..Plan::default() });
        let (acknowledged, tried) = story(&files, &mut Author::new(1));
        files.plan(Plan::default());
        for kept in KEPT {
            check_survivor(&files.crash(kept), acknowledged, tried, &format!("sync {sync}, kept {kept:?}"));
        }
    }
}

#[test]
fn e5_a_poisoned_store_takes_nothing_more() {
    let files = FaultFiles::default();
    let mut author = Author::new(1);
    let mut store = create(&files, &author).unwrap();
    files.plan(Plan { fail_sync_at: Some(1), ..Plan::default() });
    assert_eq!(store.commit(&author.batch(1)).unwrap_err().code(), "E_IO");
    assert!(store.is_poisoned());
    assert_eq!(store.commit(&author.again(0, 1)).unwrap_err().code(), "E_POISONED");
    assert_eq!(store.cut().unwrap_err().code(), "E_POISONED");
}

#[test]
fn e6_a_crash_while_opening_after_a_crash_loses_nothing_either() {
    let files = FaultFiles::default();
    story(&files, &mut Author::new(1));
    for step in (1..=files.steps()).step_by(2) {
        let files = FaultFiles::default();
        files.plan(Plan { crash_at: Some(step), ..Plan::default() });
        let (acknowledged, tried) = story(&files, &mut Author::new(1));
        for kept in [Kept::All, Kept::Some(9)] {
            let first = files.crash(kept);
            let Ok(_) = open(&first) else { continue };
            for second in 1..=first.steps() {
                let again = files.crash(kept);
                again.plan(Plan { crash_at: Some(second), ..Plan::default() });
                // Where only the index could not be written, the store opens all the same.
                drop(open(&again));
                let told = format!("crash at {step}, then at {second} while opening");
                check_survivor(&again.crash(Kept::Some(second)), acknowledged, tried, &told);
            }
        }
    }
}

#[test]
fn e7_every_flipped_byte_of_a_stone_is_found_and_never_served() {
    let (files, author) = filled(&[2, 1]);
    let stones = stone_paths(&files);
    for path in stones {
        let whole = files.bytes(&path);
        for offset in 0..whole.len() {
            files.rot(&path, offset);
            let (store, _) = open(&files).unwrap();
            for content in author.contents.iter().flatten() {
                match store.content(ContentHash::of(content)) {
                    Ok(bytes) => assert_eq!(*bytes, content[..]),
                    Err(absent) => assert!(matches!(absent, Absent::Missing(_))),
                }
            }
            let report = store.verify(true);
            assert!(!report.is_ok(), "byte {offset} of {path:?}");
            let file = path.file_name().unwrap().to_str().unwrap();
            assert!(report.problems[0].place.ends_with(file), "{report:?}");
            assert!(report.problems[0].range.is_some());
            files.rot(&path, offset);
        }
    }
    assert!(open(&files).unwrap().0.verify(true).is_ok());
}

#[test]
fn e7_a_damaged_or_lost_stone_is_healed_from_a_peer_and_kept_in_quarantine() {
    for lost in [false, true] {
        let (files, author) = filled(&[4, 2, 1]);
        let path = stone_paths(&files).remove(0);
        if lost {
            files.remove(&path).unwrap()
        } else {
            files.rot(&path, 200)
        };
        let (mut store, _) = open(&files).unwrap();
        assert!(!store.verify(true).is_ok());
        let wanted = store.wanted();
        assert_eq!((wanted[0].first, wanted[0].count), (1, 4));
        store.commit(&author.again(0, 2)).unwrap();
        assert!(!store.wanted().is_empty());
        drop(store);
        let (mut store, _) = open(&files).unwrap();
        store.verify(true);
        store.commit(&author.again(2, 2)).unwrap();
        assert_eq!(store.take_repaired(), wanted);
        assert!(store.wanted().is_empty());
        author.check(&store, 7);
        store.close().unwrap();
        let (store, _) = open(&files).unwrap();
        author.check(&store, 7);
        assert!(store.verify(true).is_ok());
        let kept = files.paths().iter().filter(|path| path.starts_with(dir().join("quarantine"))).count();
        assert_eq!(kept, usize::from(!lost));
    }
}

#[test]
fn e7_a_damaged_content_that_opening_does_not_read_is_asked_for_once_it_was_verified() {
    let (files, _) = filled(&[4, 2, 1]);
    let path = stone_paths(&files).remove(0);
    files.rot(&path, files.bytes(&path).len() / 2);
    let (store, _) = open(&files).unwrap();
    assert!(store.wanted().is_empty());
    assert!(!store.verify(true).is_ok());
    let wanted = store.wanted();
    assert_eq!((wanted[0].first, wanted[0].count), (1, 4));
}

#[test]
fn e7_a_store_without_its_index_and_with_a_damaged_stone_tells_what_is_left() {
    let (files, _) = filled(&[4, 2, 1]);
    files.rot(&stone_paths(&files)[1], 200);
    files.remove(&dir().join(index::NAME)).unwrap();
    let (store, recovered) = open(&files).unwrap();
    assert_eq!(recovered.feeds[0].skeletons.len(), 4);
    assert_eq!(recovered.damages.len(), 1);
    assert_eq!(store.wanted()[0].first, 5);
}

#[test]
fn a_bad_record_in_the_middle_of_the_log_is_reported_and_salvaged_only_when_asked() {
    let files = FaultFiles::default();
    let mut author = Author::new(1);
    let mut store = create(&files, &author).unwrap();
    for _ in 0..3 {
        store.commit(&author.batch(1)).unwrap();
    }
    drop(store);
    let log = dir().join("log.1");
    let second = files.bytes(&log).len() / 2;
    files.rot(&log, second);
    assert!(matches!(open(&files), Err(NodeError::Damaged(_))));
    assert!(files.paths().contains(&dir().join("quarantine/log.1.0")));
    let files_dyn: Arc<dyn Files> = Arc::new(files.clone());
    let (kept, lost) = Store::salvage(&files_dyn, &dir()).unwrap();
    assert_eq!((kept, lost), (2, 2));
    let (store, _) = open(&files).unwrap();
    author.check(&store, 1);
}

#[test]
fn a8_hostile_manifests_and_logs_give_typed_errors() {
    let (files, _) = filled(&[2, 1]);
    for name in ["manifest", "log.2", "FORMAT"] {
        let path = dir().join(name);
        let whole = files.bytes(&path);
        for offset in 0..whole.len() {
            files.rot(&path, offset);
            if let Err(error) = open(&files) {
                assert_eq!(error.exit_code(), 6, "{name} byte {offset}: {error}");
            }
            files.rot(&path, offset);
        }
        for len in 0..whole.len() as u64 {
            files.open(&path).unwrap().set_len(len).unwrap();
            let error = open(&files).unwrap_err();
            assert_eq!(error.exit_code(), 6, "{name} cut to {len}: {error}");
            files.open(&path).unwrap().write_at(0, &whole).unwrap();
        }
    }
}
