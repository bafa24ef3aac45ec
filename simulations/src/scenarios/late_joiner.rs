//! A peer joins when much has happened, and then two of the others leave.

use crate::world::{Act, World};

pub(super) fn play(world: &mut World) {
    let late = world.peers.len() - 1;
    for peer in 1..late {
        world.invite(peer, 100);
    }
    world.busy(14, 20_000);
    world.run_for(25_000);
    world.invite(late, 100);
    world.busy(4, 5_000);
    world.run_for(3_000);
    world.later(10, Act::Crash(0));
    world.run_for(5_000);
}
