//! Clocks that are ten years ahead or behind, and are set right in the end.

use crate::world::{Act, World};

/// Ten years.
const YEARS_MS: i64 = 10 * 365 * 86_400_000;

pub(super) fn play(world: &mut World) {
    world.invite_all();
    world.busy(6, 10_000);
    world.run_for(20_000);
    let last = world.peers.len() - 1;
    world.later(1, Act::SetClock(last, YEARS_MS));
    world.later(1, Act::SetClock(0, -YEARS_MS));
    world.later(500, Act::Edit(last));
    world.later(600, Act::Edit(0));
    world.busy(10, 20_000);
    world.run_for(30_000);
    for peer in [0, last] {
        world.later(1, Act::SetClock(peer, 0));
        // A timer of the wrong clock may be years away: what sets a clock starts its programs again.
        world.later(2, Act::Crash(peer));
    }
    world.busy(4, 5_000);
    world.run_for(10_000);
}
