//! Two halves write for an hour without hearing each other.

use crate::world::{Act, World};

pub(super) fn play(world: &mut World) {
    world.invite_all();
    world.busy(3, 5_000);
    world.run_for(20_000);
    let half: Vec<usize> = (0..world.peers.len() / 2).collect();
    world.later(1, Act::Cut(half));
    world.busy(14, 3_600_000);
    world.run_for(3_600_000);
}
