//! A large worktree that is watched: each look finds what a walk over all of it finds.

use super::*;
use crate::entropy::Dice;
use crate::worktree::scan::{Change, Survey};

/// As many files as are watched.
const FILES: u64 = 1_100;

fn file(dice: &mut Dice) -> String {
    format!("a/f{}/{}.txt", dice.next(3), dice.next(30))
}

impl World {
    /// A worktree that is large enough to be watched, and is from now on.
    fn large() -> Self {
        let mut world = Self::new();
        for number in 0..FILES {
            world.write(&format!("a/f{}/{number}.txt", number % 3), format!("{number}\n"));
        }
        world.post("a");
        world.owner.keep_lookouts();
        world
    }

    /// What a look finds, which is what a walk over all of it finds.
    fn look(&mut self) -> Vec<Change> {
        let here = self.here("a");
        let mut site = Site::open(&self.owner, &here).unwrap();
        let found = site.changes(&mut self.owner).unwrap().0;
        let mut other = Site::open(&self.owner, &here).unwrap();
        let footing = other.footing(&mut self.owner).unwrap();
        assert_eq!(found, other.worktree.changes(&footing, None).unwrap());
        found
    }

    /// One of the things that people and programs do to a file or a folder.
    fn disturb(&self, dice: &mut Dice) {
        let (path, other) = (file(dice), file(dice));
        let at = self.path(&path);
        // Where there is nothing to work on, that is as good as any other case.
        match dice.next(12) {
            0 => drop(fs::remove_file(at)),
            1 => drop(fs::rename(at, self.path(&other))),
            2 => self.write(&format!("a/new{}/in.txt", dice.next(3)), "new"),
            3 => drop(fs::remove_dir_all(self.path(&format!("a/new{}", dice.next(3))))),
            4 => drop(fs::create_dir_all(self.path(&format!("a/new{}", dice.next(3))))),
            5 => drop(fs::remove_file(self.path(&format!("a/new{}/in.txt", dice.next(3))))),
            6 => drop(fs::remove_file(&at).and_then(|()| std::os::unix::fs::symlink("elsewhere", &at))),
            _ if at.symlink_metadata().is_ok_and(|facts| facts.is_file()) => {
                self.write(&path, format!("{}\n", dice.next(4)));
            }
            _ => {}
        }
    }

    fn run_some_verb(&mut self, dice: &mut Dice) {
        let paths = match dice.next(3) {
            0 => vec![self.path(&format!("a/f{}", dice.next(3))).to_string_lossy().into_owned()],
            _ => Vec::new(),
        };
        match dice.next(5) {
            0 => drop(self.undo_if_any()),
            1..4 => {
                let local = dice.next(6) == 0;
                let args = post::Args { here: self.here("a"), paths, local, ..post::Args::default() };
                post::run(&mut self.owner, &args, &mut self.network).unwrap();
            }
            _ => drop(self.put("a", &[])),
        }
    }

    fn undo_if_any(&mut self) -> Option<undo::Answer> {
        let args = undo::Args { here: self.here("a"), uri: None };
        undo::run(&mut self.owner, &args, &mut self.network).ok()
    }
}

#[test]
fn whatever_happens_to_a_watched_worktree_a_look_finds_what_a_walk_finds() {
    let mut world = World::large();
    let mut dice = Dice(11);
    for _ in 0..120 {
        (0..dice.next(4)).for_each(|_| world.disturb(&mut dice));
        world.look();
        if dice.next(2) == 0 {
            // Something may happen between the look and the verb.
            (0..dice.next(2)).for_each(|_| world.disturb(&mut dice));
            world.run_some_verb(&mut dice);
        }
    }
    assert!(world.post("a").waypoint.is_some() || world.look().is_empty());
}

#[test]
fn what_was_posted_is_not_looked_for_elsewhere() {
    let mut world = World::large();
    // One to watch its folders, one to know them.
    (0..2).for_each(|_| drop(world.look()));
    let but = |world: &mut World| {
        let site = Site::open(&world.owner, &world.here("a")).unwrap();
        match site.worktree.survey(world.owner.lookouts()) {
            Survey::Same(_) => Some(0),
            Survey::But { paths, .. } => Some(paths.len()),
            Survey::Found { .. } => None,
        }
    };
    if but(&mut world) != Some(0) {
        return; // The system cannot watch here.
    }
    for round in 0..3 {
        world.write("a/f1/1.txt", format!("round {round}\n"));
        assert_eq!(but(&mut world), Some(1));
        assert_eq!(world.post("a").files, 1);
        assert_eq!(but(&mut world), Some(1), "it may have been written since it was read");
        assert!(world.look().is_empty());
        assert_eq!(but(&mut world), Some(0));
    }
}
