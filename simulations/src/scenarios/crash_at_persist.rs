//! Processes die while batches reach the disk: some batches made it and nobody was told.

use crate::world::{Act, World};

pub(super) fn play(world: &mut World) {
    world.invite_all();
    world.busy(16, 25_000);
    for _ in 0..6 {
        let peer = world.rng.below(world.peers.len() as u64) as usize;
        let delay_ms = world.rng.below(22_000);
        world.later(delay_ms, Act::CrashAtPersist(peer));
    }
    world.run_for(30_000);
}
