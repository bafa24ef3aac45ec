//! Several worktrees that land at once.

use super::*;
use crate::uri::Uri;
use crate::verbs::land::{Errand, together};
use cairn_crdt::Frontier;

impl World {
    /// Worktrees `b`, `c` … with keys of their own, beside `a`.
    fn let_in(&mut self, names: &[&str]) {
        let uses = Some(names.len() as u32);
        let args = invite::Args { here: self.here("a"), uses, ..invite::Args::default() };
        let invite = invite::run(&mut self.owner, &args, &mut self.network).unwrap().invite;
        // The repo is here: nobody has to be asked.
        let invite = Uri { peers: Vec::new(), ..Uri::parse(&invite).unwrap() }.to_string();
        for name in names {
            let here = Here { key: Some(self.path(&format!("{name}.key"))), ..self.here(name) };
            let args = join::Args { here, invite: invite.clone(), ..join::Args::default() };
            join::run(&mut self.owner, &args, &mut self.network).unwrap();
        }
    }

    fn land(&mut self, requests: &[Request]) -> Vec<Result<Answer, NodeError>> {
        let errands: Vec<Errand<'_>> = requests.iter().map(|request| Errand::of(request).unwrap()).collect();
        together(&mut self.owner, &mut self.network, &errands)
    }

    fn putting(&self, name: &str) -> Request {
        Request::Put(put::Args { here: self.here(name), ..put::Args::default() })
    }

    fn posting(&self, name: &str, paths: &[&str]) -> Request {
        let paths = paths.iter().map(ToString::to_string).collect();
        Request::Post(post::Args { here: self.here(name), paths, ..post::Args::default() })
    }

    fn frontier(&self, name: &str) -> Frontier {
        crate::worktree::Link::load(&self.path(name)).unwrap().unwrap().frontier
    }
}

fn put_of(answer: &Result<Answer, NodeError>) -> &put::Answer {
    match answer {
        Ok(Answer::Put(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_who_land_at_once_show_what_all_wrote_and_a_bad_one_is_told_alone() {
    let mut world = World::new();
    world.write("a/shared.txt", "one\ntwo\nthree\nfour\nfive\nsix\n");
    world.post("a");
    world.let_in(&["b", "c", "d"]);
    world.write("a/shared.txt", "ONE\ntwo\nthree\nfour\nfive\nsix\n");
    world.write("b/shared.txt", "one\ntwo\nthree\nfour\nfive\nSIX\n");
    world.write("c/new.txt", "of c\n");
    fs::write(world.path("d/.cairn/link.json"), "{}").unwrap();
    let requests = [
        world.putting("a"),
        world.posting("b", &["nowhere"]),
        world.putting("d"),
        world.putting("b"),
        world.putting("c"),
    ];
    let answers = world.land(&requests);
    assert_eq!(answers[1].as_ref().unwrap_err().code(), "E_NOT_FOUND");
    assert_eq!(answers[2].as_ref().unwrap_err().code(), "E_FORMAT");
    let root = &put_of(&answers[0]).root;
    for (at, name) in [(0, "a"), (4, "c")] {
        assert_eq!(&put_of(&answers[at]).root, root, "{name}");
        assert_eq!(world.read(&format!("{name}/new.txt")), "of c\n");
    }
    // Two errands of `b` were asked for: the second one came after the others, and has all of it too.
    assert_eq!(&put_of(&world.land(&[world.putting("a")])[0]).root, &put_of(&answers[3]).root);
    for name in ["a", "b"] {
        assert_eq!(world.read(&format!("{name}/shared.txt")), "ONE\ntwo\nthree\nfour\nfive\nSIX\n");
    }
    assert_eq!(world.frontier("a"), world.frontier("b"));
}

#[test]
fn a_second_errand_of_a_worktree_stands_on_the_first() {
    let mut world = World::new();
    world.write("a/x.txt", "x\n");
    world.write("a/y.txt", "y\n");
    let requests = [world.posting("a", &["x.txt"]), world.posting("a", &["y.txt"])];
    let answers = world.land(&requests);
    let [Ok(Answer::Post(first)), Ok(Answer::Post(second))] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((first.seq, second.seq), (Some(1), Some(2)));
    assert_eq!(world.post("a").waypoint, None, "both files are in it");
}

#[test]
fn what_stands_in_the_way_of_one_is_kept_and_artifacts_come_too() {
    let mut world = World::new();
    world.write("a/.gitignore", "log.txt\n");
    world.post("a");
    world.let_in(&["b", "c"]);
    world.write("b/log.txt", "a log of b\n");
    world.write("a/.gitignore", "");
    world.write("a/log.txt", "a log of a\n");
    world.write("a/large.bin", vec![7; 5 << 20]);
    world.post("a");
    let answers = world.land(&[world.putting("b"), world.putting("c")]);
    assert!(put_of(&answers[0]).overlaps > 0, "{answers:?}");
    assert_eq!(put_of(&answers[1]).overlaps, 0);
    let args = overlaps::Args { here: world.here("b"), ..overlaps::Args::default() };
    let told = overlaps::run(&mut world.owner, &args, &mut world.network);
    assert!(format!("{told:?}").contains("a log of b"), "{told:?}");
    assert_eq!(world.read("c/log.txt"), "a log of a\n");
    for name in ["b", "c"] {
        assert_eq!(fs::read(world.path(&format!("{name}/large.bin"))).unwrap(), vec![7; 5 << 20]);
    }
}

#[test]
fn more_tips_than_a_waypoint_can_stand_on_are_joined_by_several() {
    let mut world = World::new();
    world.write("a/first.txt", "first\n");
    world.post("a");
    let base = world.frontier("a");
    let site = Site::open(&world.owner, &world.here("a")).unwrap();
    for number in 0..130 {
        let path = cairn_crdt::path::RepoPath::new(format!("{number}.txt").as_bytes()).unwrap();
        let edit = cairn_crdt::FileEdit::Write { path, bytes: b"x\n"[..].into(), executable: false };
        let draft = site.place.draft(&mut world.owner, &base, &[edit]).unwrap();
        let labels = cairn_protocol::Labels { branch: Some("main".to_owned()), ..Default::default() };
        site.write(&mut world.owner, base.clone(), draft, labels).unwrap();
    }
    assert_eq!(world.put("a", &[]).files, 130);
    assert_eq!(world.frontier("a").heads().len(), 1);
}
