//! One of the peers lies. It has no grant, but it is connected, and in a public repo it reads along.

use cairn_protocol::Wanted;

use super::PROJECT;
use crate::world::{Act, World};

pub(super) fn play(world: &mut World) {
    let liar = world.peers.len() - 1;
    world.peers[liar].liar = true;
    // A liar must not stand between honest peers: it is wired to the first and the last of them.
    world.network.link(liar, 0);
    world.connect_all();
    for peer in 1..liar {
        world.invite(peer, 100);
    }
    let wanted = Wanted { repo: world.repo, projects: vec![PROJECT.to_owned()], grants: Vec::new() };
    world.later(2_000, Act::Join(liar, 0, wanted));
    world.busy(12, 20_000);
    for _ in 0..25 {
        let delay_ms = world.rng.below(22_000);
        world.later(delay_ms, Act::Mischief(liar));
    }
    world.run_for(25_000);
}
