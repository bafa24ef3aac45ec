//! Bad weather, now and then a cut or a crash: what a network of laptops does to itself.

use crate::world::{Act, World};

pub(super) fn play(world: &mut World) {
    world.invite_all();
    world.busy(4, 4_000);
    world.run_for(5_000);
    world.busy(12, 20_000);
    let count = world.peers.len() as u64;
    let cut = world.rng.below(count) as usize;
    let crash = world.rng.below(count) as usize;
    let (cut_ms, crash_ms) = (world.rng.below(10_000), world.rng.below(15_000));
    world.later(cut_ms, Act::Cut(vec![cut]));
    world.later(cut_ms + 5_000, Act::Heal);
    world.later(crash_ms, Act::Crash(crash));
    world.later(crash_ms + 3_000, Act::Start(crash));
    world.run_for(25_000);
}
