//! Marks that are held, deleted and listed, and waypoints that are gathered.

use super::*;

impl World {
    fn act(&mut self, at: &str, name: &str, action: mark::Action) -> Result<mark::Answer, NodeError> {
        let args = mark::Args {
            here: self.here(at),
            name: name.into(),
            message: "why".into(),
            action,
            ..mark::Args::default()
        };
        mark::run(&mut self.owner, &args)
    }

    fn gather(
        &mut self,
        at: &str,
        from: &[&str],
        paths: &[&str],
        to: Option<&str>,
    ) -> Result<post::Answer, NodeError> {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        let args = post::Args {
            here: self.here(at),
            paths: words(paths),
            uri: to.map(str::to_owned),
            message: Some("gathered".into()),
            local: false,
            from: words(from),
        };
        post::run(&mut self.owner, &args, &mut self.network)
    }

    fn posted(&mut self, at: &str, file: &str, text: &str) -> String {
        self.write(&format!("{at}/{file}"), text);
        self.post(at).waypoint.unwrap()
    }
}

#[test]
fn a_deleted_mark_names_its_tombstone_and_frees_its_name() {
    let mut world = World::new();
    let first = world.posted("a", "t", "1\n");
    world.mark("a", "v1").unwrap();
    world.posted("a", "t", "2\n");
    let deleted = world.act("a", "v1", mark::Action::Delete).unwrap();
    assert_eq!(deleted.frontier, [first]);
    let gone = world.root("a", Some("?v1")).unwrap_err();
    assert!(
        matches!(&gone, NodeError::Deleted(why) if why.contains("why") && why.contains(&deleted.waypoint.unwrap()[..12]))
    );
    assert!(matches!(world.act("a", "v1", mark::Action::Delete), Err(NodeError::Deleted(_))));
    world.mark("a", "v1").unwrap();
    assert_eq!(world.root("a", Some("?v1")).unwrap().root, world.root("a", None).unwrap().root);
    let args = delete::Args { here: world.here("a"), target: "?v1".into(), message: None };
    assert_eq!(delete::run(&mut world.owner, &args, &mut world.network).unwrap().kind, "mark");
    assert!(matches!(world.act("a", "never", mark::Action::Release), Err(NodeError::NotFound { .. })));
}

/// A mark, and an epoch, whose author signed another root than the version has.
#[test]
fn a_mark_or_an_epoch_that_states_another_root_is_found_and_named() {
    let mut world = World::new();
    world.posted("a", "t", "1\n");
    world.mark("a", "v1").unwrap();
    let verify = |world: &mut World| {
        let args = verify::Args { here: world.here("a"), deep: true };
        verify::run(&mut world.owner, &args).unwrap()
    };
    assert!(verify(&mut world).ok, "{:?}", verify(&mut world).problems);
    let site = Site::open(&world.owner, &world.here("a")).unwrap();
    let (frontier, root) = (site.frontier().clone(), cairn_crdt::id::Root([9; 32]));
    let heads = frontier.heads().to_vec();
    let feeds = cairn_protocol::mark::feeds_root(&[]);
    let (name, message) = ("lie".to_owned(), String::new());
    let mark =
        cairn_protocol::mark::Mark { name, message, frontier: heads, root, feeds, class: None, hold: None };
    let labels = cairn_protocol::Labels { mark: Some(mark), ..Default::default() };
    site.write(&mut world.owner, frontier.clone(), cairn_crdt::Draft::default(), labels).unwrap();
    let told = verify(&mut world);
    let codes: Vec<_> = told.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!((told.ok, codes), (false, vec!["E_MARK"]));
    assert!(told.problems[0].place.ends_with("?lie") && told.problems[0].detail.contains(&root.to_string()));
    // An epoch that leaves everything out, and says that it shows what was there.
    let shown = world.root("a", None).unwrap().root;
    let epoch = cairn_crdt::id::Root::from_hex(&shown);
    let epoch = epoch.map(cairn_protocol::Epoch::bare);
    let labels = cairn_protocol::Labels { epoch, branch: Some("main".into()), ..Default::default() };
    site.write(&mut world.owner, frontier, cairn_crdt::Draft::default(), labels).unwrap();
    let told = verify(&mut world);
    assert!(told.problems.iter().any(|problem| problem.code == "E_EPOCH"), "{:?}", told.problems);
}

#[test]
fn c14_waypoints_are_gathered_onto_another_branch() {
    let mut world = World::new();
    let base = "fn a() {\n    1\n}\n\nfn b() {\n    2\n}\n";
    world.posted("a", "m.rs", base);
    let args = come::Args { here: world.here("a"), branch: "other".into(), from: None };
    come::run(&mut world.owner, &args, &mut world.network).unwrap();
    world.posted("a", "o", "other\n");
    world.get("a", &["?main"]);
    let one = world.posted("a", "m.rs", &base.replace('1', "10"));
    world.posted("a", "n", "not wanted\n");
    let two = world.posted("a", "m.rs", &base.replace('1', "10").replace('2', "20"));
    let stand = world.root("a", None).unwrap();
    world.write("a/unposted", "u\n");
    // Named in any order, done in the order of history.
    let gathered = world.gather("a", &[&two[..12], &one[..12]], &[], Some("?other")).unwrap();
    assert_eq!((gathered.files, world.root("a", None).unwrap()), (1, stand));
    assert_eq!(world.changed("a"), [pair("added", "unposted")]);
    world.get("a", &["?other"]);
    assert_eq!(world.read("a/m.rs"), base.replace('1', "10").replace('2', "20"));
    assert!(world.path("a/o").exists() && !world.path("a/n").exists());
    let args = log::Args { here: world.here("a"), ..log::Args::default() };
    let log = log::run(&mut world.owner, &args).unwrap();
    assert_eq!(log.waypoints[0].message.as_deref(), Some("gathered"));
    let again = world.gather("a", &[&one[..12]], &[], None).unwrap();
    assert_eq!(again.waypoint, None, "what is there already is not written twice");
    // The branch joins what it was gathered from without an overlap.
    assert_eq!(world.put("a", &["?main"]).overlaps, 0);
    assert_eq!(world.read("a/m.rs"), base.replace('1', "10").replace('2', "20"));
}

#[test]
fn c14_only_the_wanted_files_and_items_are_gathered() {
    let mut world = World::new();
    let base = "fn a() {\n    1\n}\n\nfn b() {\n    2\n}\n";
    world.write("a/x", "x\n");
    world.posted("a", "m.rs", base);
    world.clone("b");
    let args = come::Args { here: world.here("b"), branch: "work".into(), from: None };
    come::run(&mut world.owner, &args, &mut world.network).unwrap();
    world.write("b/x", "xx\n");
    let work = world.posted("b", "m.rs", &base.replace('1', "10").replace('2', "20"));
    let gathered = world.gather("a", &[&work[..12], "m.rs#fn(b)"], &[], None).unwrap();
    assert_eq!(gathered.files, 1);
    assert_eq!((world.read("a/m.rs"), world.read("a/x")), (base.replace('2', "20"), "x\n".into()));
    world.gather("a", &[&work[..12]], &["x"], None).unwrap();
    assert_eq!((world.read("a/m.rs"), world.read("a/x")), (base.replace('2', "20"), "xx\n".into()));
    let undo = undo::Args { here: world.here("a"), uri: None };
    undo::run(&mut world.owner, &undo, &mut world.network).unwrap();
    assert_eq!(world.read("a/x"), "x\n", "gathering is a step like any other");
    world.posted("a", "m.rs", &base.replace('1', "11"));
    let before = world.root("a", None).unwrap();
    let misfit = world.gather("a", &[&work[..12]], &["m.rs#a"], None);
    assert!(matches!(&misfit, Err(NodeError::Refused(why)) if why.contains("m.rs")), "{misfit:?}");
    assert_eq!(world.root("a", None).unwrap(), before);
    assert!(world.gather("a", &[&work[..12]], &[], Some("?nowhere")).is_err());
    assert!(world.gather("a", &["x"], &[], None).is_err());
}
