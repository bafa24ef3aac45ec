//! Worktrees that stand on one side of the beginning of an epoch and go to the other.

use cairn_crdt::Frontier;

use super::*;

/// Two lines that stand far from each other.
fn text(first: &str, last: &str) -> String {
    format!("{first}\n\none\n\ntwo\n\n{last}\n")
}

impl World {
    /// Two worktrees on one version, and an epoch that begins above the second one.
    fn behind() -> (Self, Frontier) {
        let mut world = Self::new();
        world.write("a/t", text("1", "end"));
        world.write("a/u", "1\n");
        world.post("a");
        world.clone("b");
        world.write("a/t", text("2", "end"));
        world.post("a");
        world.mark("a", "v1").unwrap();
        let began = Site::open(&world.owner, &world.here("a")).unwrap().frontier().clone();
        (world, began)
    }

    fn held(&mut self, at: &str) -> Vec<held::Kept> {
        let args = held::Args { here: self.here(at) };
        held::run(&mut self.owner, &args).unwrap().held
    }

    /// As a crash leaves a worktree that was going to a version: no file is written yet, and the link says where it was going.
    fn cut_off(&mut self, at: &str, frontier: Frontier) {
        let mut site = Site::open(&self.owner, &self.here(at)).unwrap();
        let branch = site.branch().to_owned();
        site.worktree.link.underway = Some(crate::worktree::Stand { frontier, branch });
        site.worktree.save().unwrap();
    }
}

#[test]
fn edits_made_after_a_checkout_was_cut_off_are_carried_into_the_epoch_where_it_went() {
    let (mut world, began) = World::behind();
    world.cut_off("b", began);
    // Where it goes this file is another one, so it stands in the way.
    world.write("b/t", text("1", "mine"));
    world.get("b", &[]);
    assert_eq!(world.read("b/t"), text("2", "mine"));
    assert!(world.changed("b").is_empty());
    world.get("a", &[]);
    assert_eq!(world.read("a/t"), text("2", "mine"), "it is on the branch");
}

#[test]
fn edits_made_after_a_checkout_of_an_earlier_epoch_was_cut_off_bring_the_worktree_back_to_where_it_was() {
    let (mut world, _) = World::behind();
    let old = Site::open(&world.owner, &world.here("b")).unwrap().frontier().clone();
    world.get("b", &[]);
    world.cut_off("b", old);
    world.write("b/t", "mine\n");
    world.post("b");
    assert_eq!(world.read("b/t"), "mine\n");
    assert!(world.changed("b").is_empty());
    world.get("a", &[]);
    assert_eq!(world.read("a/t"), "mine\n", "it was posted on the branch");
}

#[test]
fn what_is_unposted_below_an_epoch_is_carried_into_it_by_get() {
    let (mut world, _) = World::behind();
    world.write("b/u", "mine\n");
    world.get("b", &[]);
    assert_eq!((world.read("b/t"), world.read("b/u").as_str()), (text("2", "end"), "mine\n"));
    assert!(world.changed("b").is_empty());
}

#[test]
fn versions_of_different_epochs_blend_to_none_and_the_hint_says_what_does() {
    let (mut world, _) = World::behind();
    world.write("b/u", "mine\n");
    world.post("b");
    let late = world.post("b").frontier[0].clone();
    let told = world.held("b");
    assert_eq!((told[0].waypoint.as_str(), told[0].reason.as_str()), (late.as_str(), "late"));
    let refused = world.try_get("b", &["?v1", &format!("?{late}")]).unwrap_err();
    assert!(matches!(refused, NodeError::Epochs) && refused.hint().contains("put"), "{refused:?}");
    world.put("b", &[]);
    assert_eq!((world.read("b/t"), world.read("b/u").as_str()), (text("2", "end"), "mine\n"));
    let told = world.held("b");
    assert!(told.is_empty(), "{told:?}");
}
