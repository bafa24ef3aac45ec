//! `undo` and `redo`.

use super::*;

impl World {
    fn undo(&mut self, at: &str) -> undo::Answer {
        let args = undo::Args { here: self.here(at), uri: None };
        undo::run(&mut self.owner, &args, &mut self.network).unwrap()
    }

    fn redo(&mut self, at: &str) -> undo::Answer {
        let args = redo::Args { here: self.here(at), uri: None };
        redo::run(&mut self.owner, &args, &mut self.network).unwrap()
    }

    fn now(&mut self, at: &str) -> String {
        self.root(at, None).unwrap().root
    }

    fn come(&mut self, at: &str, branch: &str) {
        let args = come::Args { here: self.here(at), branch: branch.into(), from: None };
        come::run(&mut self.owner, &args, &mut self.network).unwrap();
    }
}

#[test]
fn steps_are_taken_back_one_by_one_and_brought_back() {
    let mut world = World::new();
    let mut roots = vec![world.now("a")];
    world.write("a/src/lib.rs", "fn one() {\n    1\n}\n\nfn two() {}\n");
    roots.push(world.post("a").root);
    world.write("a/src/lib.rs", "fn one() {\n    2\n}\n\nfn two() {}\n");
    world.write("a/b", "b\n");
    roots.push(world.post("a").root);
    world.write("a/src/lib.rs", "fn one() {\n    3\n}\n\nfn zwei() {}\n");
    fs::rename(world.path("a/b"), world.path("a/c")).unwrap();
    roots.push(world.post("a").root);
    world.write("a/src/lib.rs", "unposted\n");
    world.write("a/d/e", "unposted\n");
    for round in 0..2 {
        // What was unposted is a step of its own, and comes back with the last `redo`.
        for root in roots.iter().rev() {
            let undone = world.undo("a");
            assert_eq!((&undone.root, undone.overlaps), (root, 0), "{round}");
            assert!(undone.waypoint.is_some() && undone.undone.is_some());
            assert!(world.changed("a").is_empty());
        }
        assert!(!world.path("a/src").exists(), "a folder goes with the file that brought it");
        assert_eq!(world.status("a").root, roots[0]);
        for root in roots.iter().skip(1) {
            assert_eq!(&world.redo("a").root, root, "{round}");
        }
        world.redo("a");
        assert_eq!(
            (world.read("a/d/e"), world.read("a/src/lib.rs")),
            ("unposted\n".into(), "unposted\n".into())
        );
    }
    let args = redo::Args { here: world.here("a"), uri: None };
    let nothing = redo::run(&mut world.owner, &args, &mut world.network);
    assert!(matches!(nothing, Err(NodeError::NothingLeft("redo"))));
}

#[test]
fn what_others_wrote_in_the_meantime_stays() {
    let mut world = World::new();
    world.write("a/m.rs", "fn f() {\n    one();\n}\n\nfn g() {\n    two();\n}\n");
    world.post("a");
    world.clone("b");
    world.write("a/m.rs", "fn f() {\n    uno();\n}\n\nfn g() {\n    two();\n}\n");
    let mine = world.post("a").waypoint;
    world.write("a/m.rs", "fn f() {\n    eins();\n}\n\nfn g() {\n    two();\n}\n");
    world.post("a");
    world.write("b/m.rs", "fn f() {\n    one();\n}\n\nfn g() {\n    due();\n}\n");
    world.write("b/n", "n\n");
    world.post("b");
    world.put("a", &[]);
    let first = world.undo("a");
    assert_eq!((first.step.as_str(), first.overlaps), ("post", 0));
    let second = world.undo("a");
    assert_eq!((second.undone, second.overlaps), (mine, 0));
    assert_eq!(world.read("a/m.rs"), "fn f() {\n    one();\n}\n\nfn g() {\n    due();\n}\n");
    assert_eq!(world.read("a/n"), "n\n");
    world.put("b", &[]);
    assert_eq!(world.now("b"), second.root);
    world.redo("a");
    world.redo("a");
    assert_eq!(world.read("a/m.rs"), "fn f() {\n    eins();\n}\n\nfn g() {\n    due();\n}\n");
    let args = log::Args { here: world.here("a"), ..log::Args::default() };
    let logged = log::run(&mut world.owner, &args).unwrap();
    assert_eq!(logged.waypoints[0].message.as_deref(), Some("redo: post"));
}

#[test]
fn where_others_wrote_over_it_the_overlap_is_reported_and_nothing_is_lost() {
    let mut world = World::new();
    world.write("a/t", "one\ntwo\n");
    world.post("a");
    world.write("a/t", "one\nzwei\n");
    world.post("a");
    world.clone("b");
    world.write("b/t", "one\ndrittens\n");
    world.post("b");
    world.put("a", &[]);
    let undone = world.undo("a");
    assert_eq!((undone.overlaps, undone.places.len()), (1, 1));
    assert!(Answer::Undo(undone).asks_attention());
    let args = overlaps::Args { here: world.here("a"), ..overlaps::Args::default() };
    let met = overlaps::run(&mut world.owner, &args, &mut world.network).unwrap().overlaps;
    let texts: Vec<_> = met[0].alternatives.iter().map(|side| side.text.trim().to_owned()).collect();
    assert!(texts.contains(&"two".to_owned()) && texts.contains(&"drittens".to_owned()), "{texts:?}");
    let redone = world.redo("a");
    assert_eq!((world.read("a/t").as_str(), redone.places.len()), ("one\ndrittens\n", 0));
}

#[test]
fn merges_choices_and_switches_are_steps_and_what_came_from_others_is_none() {
    let mut world = World::new();
    world.write("a/t", "1\n");
    world.post("a");
    world.clone("b");
    world.come("a", "side");
    world.write("a/s", "side\n");
    let side = world.post("a").root;
    world.get("a", &["?main"]);
    world.write("b/n", "n\n");
    let main = world.post("b").root;
    world.put("a", &[]);
    let put = world.put("a", &["?side"]);
    assert_eq!(world.undo("a").undone, put.waypoint);
    assert_eq!(world.now("a"), main, "what others wrote on the branch is not undone with it");
    let back = world.undo("a");
    assert_eq!((back.step.as_str(), back.branch.as_str(), back.root), ("get", "side", side));
    assert_eq!(back.waypoint, None);
    let posted = world.undo("a");
    assert_eq!((posted.step.as_str(), posted.branch.as_str()), ("post", "side"));
    assert_eq!(world.undo("a").branch, "main");
    assert_eq!(world.redo("a").branch, "side");
    world.redo("a");
    assert_eq!((world.read("a/s").as_str(), world.redo("a").branch.as_str()), ("side\n", "main"));
}

#[test]
fn any_waypoint_can_be_taken_back_by_name() {
    let mut world = World::new();
    world.write("a/t", "1\n");
    world.post("a");
    world.clone("b");
    world.write("b/n", "n\n");
    let theirs = world.post("b").waypoint.unwrap();
    world.write("b/m", "m\n");
    world.post("b");
    world.put("a", &[]);
    let args = undo::Args { here: world.here("a"), uri: Some(format!("?{}", &theirs[..16])) };
    let undone = undo::run(&mut world.owner, &args, &mut world.network).unwrap();
    assert_eq!(undone.undone, Some(theirs));
    assert!(!world.path("a/n").exists() && world.path("a/m").exists());
    let entry = world.owner.replica(RepoId::from_hex(&world.repo).unwrap()).unwrap();
    let (project, _) = entry.projects().next().unwrap();
    let id = cairn_crdt::id::WaypointId::from_hex(&undone.waypoint.unwrap()).unwrap();
    assert_eq!(entry.entry(project, id).unwrap().edges.len(), 1);
    world.undo("a");
    assert!(world.path("a/n").exists());
}

#[test]
fn a_post_larger_than_a_portion_is_one_version_and_one_step() {
    let mut world = World::new();
    let before = world.now("a");
    let text = |number: u64| format!("file {number}, a line of it\n").repeat(40_000);
    for number in 0..70 {
        world.write(&format!("a/f/{number}"), text(number));
    }
    let posted = world.post("a");
    assert_eq!(posted.files, 70);
    assert!(world.changed("a").is_empty());
    let args = log::Args { here: world.here("a"), ..log::Args::default() };
    let shown = log::run(&mut world.owner, &args).unwrap();
    assert_eq!(shown.waypoints.iter().filter(|one| one.branch.is_some()).count(), 1, "the labels come once");
    assert_eq!(world.undo("a").root, before);
    assert!(!world.path("a/f").exists());
    assert_eq!(world.redo("a").root, posted.root);
    assert_eq!(world.read("a/f/69"), text(69));
}
