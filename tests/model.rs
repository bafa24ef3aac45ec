//! A model of what a worktree must never lose, and random programs of saves, verbs and kills against it.
//!
//! The law, without `watch`: whenever a verb changes or removes a file, the bytes that lay there can be had from the store
//! afterwards. With `watch`: so can all bytes that lay on the disk when `watch` had told of them. Real processes, a
//! real disk, an editor that saves as editors do, also while verbs run; `CAIRN_STEPS=10000` goes on for longer, `CAIRN_SEED`
//! makes other choices (which are the same again each time; when a process runs is not), `CAIRN_TRACE=1` tells each step,
//! `CAIRN_KEEP=DIR` keeps what a failure left, `CAIRN_BIN` names another binary.

mod desk;
mod disk;
mod ledger;
mod verbs;
mod words;
mod world;

use world::World;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn no_verb_takes_bytes_that_are_in_no_waypoint() {
    World::new(number("CAIRN_SEED", 1), false).run(number("CAIRN_STEPS", 80));
}

#[test]
fn with_watch_nothing_that_lay_still_is_lost() {
    World::new(number("CAIRN_SEED", 1), true).run(number("CAIRN_STEPS", 50));
}
