use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cairn_crdt::id::{ContentHash, NodeId, RepoId, Root};
use cairn_crdt::{File, FileBody, Frontier};
use proptest::prelude::*;

use super::*;
use crate::worktree::scan::Difference;
use crate::worktree::{Demand, Footing, Link};

/// Versions made by hand, and their bytes.
#[derive(Default)]
struct Bytes(BTreeMap<RepoPath, Vec<u8>>);

impl Source for Bytes {
    fn bytes(&mut self, path: &RepoPath) -> Result<Vec<u8>, NodeError> {
        Ok(self.0[path].clone())
    }

    fn export(&mut self, artifact: ArtifactId, out: &Path) -> Result<bool, NodeError> {
        if artifact.0[0] == 0 {
            return Ok(false);
        }
        fs::write(out, artifact.as_bytes()).unwrap();
        Ok(true)
    }
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text.as_bytes()).unwrap()
}

fn empty() -> View {
    View {
        frontier: Frontier::empty(),
        root: Root([0; 32]),
        files: BTreeMap::new(),
        dirs: BTreeSet::new(),
        overlaps: Vec::new(),
        notes: Vec::new(),
    }
}

fn add(view: &mut View, path: &RepoPath, body: FileBody, executable: bool) {
    let mut above = path.parent();
    while let Some(dir) = above {
        above = dir.parent();
        view.dirs.insert(dir);
    }
    view.files.insert(path.clone(), File { node: NodeId([0; 32]), executable, body });
}

fn version(files: &[(&str, &str)]) -> (View, Bytes) {
    let (mut view, mut source) = (empty(), Bytes::default());
    for (name, text) in files {
        write(&mut view, &mut source, &path(name), text.as_bytes());
    }
    (view, source)
}

fn write(view: &mut View, source: &mut Bytes, path: &RepoPath, bytes: &[u8]) {
    let body = FileBody::Bytes { content: ContentHash::of(bytes), bytes: bytes.len() as u64, opaque: false };
    add(view, path, body, false);
    source.0.insert(path.clone(), bytes.to_vec());
}

fn worktree() -> (tempfile::TempDir, Worktree) {
    let dir = tempfile::tempdir().unwrap();
    let link = Link {
        home: "/nowhere".into(),
        repo: RepoId([0; 32]),
        project: "@me/x".into(),
        branch: "main".into(),
        frontier: Frontier::empty(),
        underway: None,
        unsynced: None,
        absent: BTreeSet::new(),
        lazy: false,
        asked: BTreeSet::new(),
        key: None,
        steps: crate::worktree::Steps::default(),
        local: None,
    };
    let worktree = Worktree::create(dir.path(), link).unwrap();
    (dir, worktree)
}

/// Everything on disk but the private folder.
fn on_disk(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in
            fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != ".cairn")
        {
            let name = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                waiting.push(entry.path());
                found.insert(name, "/".to_owned());
            } else if kind.is_symlink() {
                found.insert(name, format!("-> {}", fs::read_link(entry.path()).unwrap().display()));
            } else {
                found.insert(name, String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned());
            }
        }
    }
    found
}

#[test]
fn a_version_becomes_another_and_only_what_differs_is_touched() {
    let (dir, mut worktree) = worktree();
    let (one, mut source) = version(&[("a", "1"), ("d/b", "2"), ("d/e/c", "3")]);
    let outcome = worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    assert_eq!((outcome.written, outcome.removed, outcome.surprises.len()), (3, 0, 0));
    assert!(worktree.changes(&Footing::of(&one), None).unwrap().is_empty());
    let kept = fs::metadata(dir.path().join("a")).unwrap();
    let (two, mut source) = version(&[("a", "1"), ("d/b", "two"), ("f/g", "4")]);
    let outcome = worktree.checkout(&[&one], &two, &mut source).unwrap();
    assert_eq!((outcome.written, outcome.removed, outcome.surprises.len()), (2, 1, 0));
    assert!(worktree.changes(&Footing::of(&two), None).unwrap().is_empty());
    assert!(!dir.path().join("d/e").exists());
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(dir.path().join("a")).unwrap().ino(), kept.ino());
    assert_eq!(on_disk(dir.path()).len(), 5);
}

#[test]
fn e7_a_folder_where_a_file_was_and_a_file_where_a_folder_was() {
    let (dir, mut worktree) = worktree();
    let (one, mut source) = version(&[("x", "file"), ("y/a", "1"), ("y/b/c", "2")]);
    worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    let (two, mut source) = version(&[("x/a", "1"), ("y", "file")]);
    let outcome = worktree.checkout(&[&one], &two, &mut source).unwrap();
    assert!(outcome.surprises.is_empty());
    assert_eq!(on_disk(dir.path())["y"], "file");
    assert_eq!(on_disk(dir.path())["x/a"], "1");
    assert!(worktree.changes(&Footing::of(&two), None).unwrap().is_empty());
}

#[test]
fn what_nobody_knows_is_left_alone() {
    let (dir, mut worktree) = worktree();
    let (one, mut source) = version(&[("a", "1"), ("b", "1"), ("d/x", "1")]);
    worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    fs::write(dir.path().join("a"), "mine").unwrap();
    fs::remove_file(dir.path().join("b")).unwrap();
    fs::write(dir.path().join("d/new"), "mine").unwrap();
    fs::write(dir.path().join("c"), "mine").unwrap();
    let (two, mut source) = version(&[("a", "2"), ("b", "2"), ("c", "2"), ("d", "2")]);
    let outcome = worktree.checkout(&[&one], &two, &mut source).unwrap();
    let surprises: Vec<_> = outcome.surprises.iter().map(RepoPath::to_string).collect();
    assert_eq!(surprises, ["a", "b", "c", "d/new"]);
    let disk = on_disk(dir.path());
    assert_eq!((&*disk["a"], &*disk["c"], &*disk["d/new"]), ("mine", "mine", "mine"));
    assert!(!disk.contains_key("b"));
}

#[test]
fn b2_a_link_and_then_a_file_through_it() {
    let outside = tempfile::tempdir().unwrap();
    let (dir, mut worktree) = worktree();
    let target = outside.path().to_str().unwrap().as_bytes().to_vec();
    let mut one = empty();
    add(&mut one, &path("d"), FileBody::Link { target }, false);
    worktree.checkout(&[&empty()], &one, &mut Bytes::default()).unwrap();
    assert!(dir.path().join("d").is_symlink());
    // A view never holds both; a file below a link that the user made is the same thing.
    let (two, mut source) = version(&[("d/owned", "evil"), ("ok", "1")]);
    let outcome = worktree.checkout(&[&empty()], &two, &mut source).unwrap();
    assert_eq!(outcome.written, 1);
    assert_eq!(outcome.surprises.len(), 1);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    let outcome = worktree.checkout(&[&one], &two, &mut source).unwrap();
    assert_eq!((outcome.written, outcome.removed), (1, 1));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(on_disk(dir.path())["d/owned"], "evil");
}

#[test]
fn b2_a_folder_swapped_for_a_link_meanwhile_leads_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    let (dir, mut worktree) = worktree();
    let names: Vec<_> = (0..40).map(|n| format!("d/{n}")).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let racer = std::thread::spawn({
        let (stop, d, side) = (stop.clone(), dir.path().join("d"), dir.path().join("side"));
        let outside = outside.path().to_owned();
        move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::rename(&d, &side);
                let _ = symlink(&outside, &d);
                std::thread::yield_now();
                let _ = fs::remove_file(&d);
                let _ = fs::rename(&side, &d);
            }
        }
    });
    let mut known = empty();
    for round in 0..20 {
        let text = round.to_string();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), text.as_str())).collect();
        let (next, mut source) = version(&files);
        // Whatever the race does to this worktree, it may fail; it must not lead outside.
        let _ = worktree.checkout(&[&known, &empty()], &next, &mut source);
        known = next;
    }
    stop.store(true, Ordering::Relaxed);
    racer.join().unwrap();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn modes_links_and_absent_artifacts() {
    let (dir, mut worktree) = worktree();
    let (mut one, mut source) = version(&[("run", "#!")]);
    one.files.get_mut(&path("run")).unwrap().executable = true;
    add(&mut one, &path("l"), FileBody::Link { target: b"../any\xff".to_vec() }, false);
    add(&mut one, &path("big"), FileBody::Artifact { artifact: ArtifactId([7; 32]), bytes: 32 }, false);
    add(&mut one, &path("away"), FileBody::Artifact { artifact: ArtifactId([0; 32]), bytes: 32 }, false);
    worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    assert_eq!(fs::metadata(dir.path().join("run")).unwrap().permissions().mode() & 0o100, 0o100);
    assert_eq!(fs::read(dir.path().join("big")).unwrap(), [7; 32]);
    assert!(!dir.path().join("away").exists());
    assert!(
        worktree.changes(&Footing::of(&one), None).unwrap().is_empty(),
        "what could not be had is not removed"
    );
    fs::remove_file(dir.path().join("big")).unwrap();
    let changes = worktree.changes(&Footing::of(&one), None).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].difference, Difference::Removed);
}

/// An artifact that source gives, unless its number is 0.
fn large(view: &mut View, name: &str, number: u8) {
    add(view, &path(name), FileBody::Artifact { artifact: ArtifactId([number; 32]), bytes: 32 }, false);
}

#[test]
fn b10_old_bytes_do_not_stand_for_new_ones_that_nobody_has() {
    let (dir, mut worktree) = worktree();
    let (mut one, mut source) = version(&[("text", "small")]);
    large(&mut one, "big", 7);
    worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    let (mut two, mut source) = version(&[]);
    large(&mut two, "big", 0);
    large(&mut two, "text", 0);
    worktree.checkout(&[&one], &two, &mut source).unwrap();
    assert!(worktree.changes(&Footing::of(&two), None).unwrap().is_empty(), "the old ones would be posted");
    assert!(on_disk(dir.path()).is_empty() && worktree.link.absent.len() == 2);
    let written = Link::load(dir.path()).unwrap().unwrap();
    assert_eq!(written.absent, worktree.link.absent, "also for whoever opens it after a crash");
    // What somebody wrote there meanwhile stays.
    let (one, mut source) = (one, version(&[("text", "small")]).1);
    worktree.checkout(&[&two], &one, &mut source).unwrap();
    assert!(worktree.link.absent.is_empty());
    fs::write(dir.path().join("big"), "mine").unwrap();
    let outcome = worktree.checkout(&[&one], &two, &mut source).unwrap();
    assert_eq!(outcome.surprises, [path("big")].into());
    assert_eq!(fs::read(dir.path().join("big")).unwrap(), b"mine");
}

#[test]
fn b10_a_lazy_worktree_writes_what_stands_there_or_was_asked_for() {
    let (dir, mut worktree) = worktree();
    worktree.link.lazy = true;
    let (mut one, mut source) = version(&[("a", "1")]);
    ["x", "d/y", "d/z"].into_iter().for_each(|name| large(&mut one, name, 1));
    worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    assert_eq!(worktree.link.absent.len(), 3);
    assert!(worktree.changes(&Footing::of(&one), None).unwrap().is_empty(), "absence is no removal");
    worktree.ask_for(&one, &path("d"));
    worktree.checkout(&[&one], &one, &mut source).unwrap();
    assert_eq!((worktree.link.absent.len(), fs::read(dir.path().join("d/y")).unwrap()), (1, vec![1; 32]));
    worktree.demand = Demand::Again;
    let mut two = one.clone();
    ["x", "d/y", "new"].into_iter().for_each(|name| large(&mut two, name, 2));
    two.files.remove(&path("d/z"));
    worktree.checkout(&[&one], &two, &mut source).unwrap();
    assert_eq!(fs::read(dir.path().join("d/y")).unwrap(), [2; 32], "it goes along");
    assert_eq!(worktree.link.absent, [path("new"), path("x")].into());
    worktree.checkout(&[&two], &one, &mut source).unwrap();
    assert!(dir.path().join("d/z").exists(), "what was asked for comes back");
    // A small file where one was left out is one like any other: to remove it is a change.
    let (mut three, mut small) = version(&[("x", "small")]);
    large(&mut three, "d/y", 1);
    worktree.checkout(&[&one], &three, &mut small).unwrap();
    fs::remove_file(dir.path().join("x")).unwrap();
    let changes = worktree.changes(&Footing::of(&three), None).unwrap();
    assert_eq!((changes.len(), changes[0].difference), (1, Difference::Removed));
    // Whole again, it holds all of them.
    fs::write(dir.path().join("x"), "small").unwrap();
    worktree.checkout(&[&three], &two, &mut source).unwrap();
    worktree.be_whole();
    worktree.checkout(&[&two], &two, &mut source).unwrap();
    assert!(worktree.link.absent.is_empty() && dir.path().join("new").exists());
}

#[test]
fn a_checkout_that_was_cut_off_is_no_change_of_the_users() {
    let (dir, mut worktree) = worktree();
    let (one, mut source) = version(&[("a", "1"), ("b", "1"), ("c", "1")]);
    worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    let (two, mut source) = version(&[("a", "2"), ("b", "2"), ("d", "2")]);
    fs::write(dir.path().join("a"), "2").unwrap();
    fs::remove_file(dir.path().join("c")).unwrap();
    assert!(worktree.changes(&Footing::of(&one), Some(&two)).unwrap().is_empty());
    let outcome = worktree.checkout(&[&one, &two], &two, &mut source).unwrap();
    assert_eq!((outcome.written, outcome.surprises.len()), (2, 0));
    assert!(worktree.changes(&Footing::of(&two), None).unwrap().is_empty());
}

/// Whenever somebody saves while a file is replaced or removed, the save stays.
#[test]
fn e7_a_save_during_a_checkout_stays() {
    let (dir, mut worktree) = worktree();
    let (one, mut bytes_one) = version(&[("a", "one"), ("b", "one")]);
    let (two, mut bytes_two) = version(&[("a", "two")]);
    let mut chance = 88_172_645_463_325_252_u64;
    for round in 0..500 {
        for path in ["a", "b"] {
            let _ = fs::remove_file(dir.path().join(path));
        }
        worktree.index.forget_all();
        worktree.checkout(&[&empty()], &one, &mut bytes_one).unwrap();
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let (root, pause) = (dir.path().to_owned(), std::time::Duration::from_nanos(chance % 400_000));
        let saved = if round % 2 == 0 { "a" } else { "b" };
        let editor = std::thread::spawn(move || {
            fs::write(root.join("mine"), "mine").unwrap();
            let begun = std::time::Instant::now();
            while begun.elapsed() < pause {}
            fs::rename(root.join("mine"), root.join(saved)).unwrap();
        });
        worktree.checkout(&[&one], &two, &mut bytes_two).unwrap();
        editor.join().unwrap();
        assert_eq!(fs::read(dir.path().join(saved)).unwrap(), b"mine", "round {round}: {saved}");
    }
    let left = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| [".cairn", "a", "b"].iter().any(|known| name == *known)));
}

/// Somebody saves a file just when its bytes are brought.
struct Saved<'a>(Bytes, &'a Path);

impl Source for Saved<'_> {
    fn bytes(&mut self, path: &RepoPath) -> Result<Vec<u8>, NodeError> {
        fs::write(self.1.join(path.to_string()), "mine").unwrap();
        self.0.bytes(path)
    }

    fn export(&mut self, artifact: ArtifactId, out: &Path) -> Result<bool, NodeError> {
        self.0.export(artifact, out)
    }
}

#[test]
fn e7_what_comes_where_nothing_stood_stays() {
    let (dir, mut worktree) = worktree();
    let (one, source) = version(&[("new", "one"), ("d/new", "one")]);
    let outcome = worktree.checkout(&[&empty()], &one, &mut Saved(source, dir.path())).unwrap();
    let surprises: Vec<_> = outcome.surprises.iter().map(RepoPath::to_string).collect();
    assert_eq!(surprises, ["d/new", "new"]);
    assert_eq!((&*on_disk(dir.path())["new"], &*on_disk(dir.path())["d/new"]), ("mine", "mine"));
}

/// Some tools copy a file's time along with its bytes: the system knows better.
#[test]
fn e7_other_bytes_under_the_same_time_are_seen() {
    let (dir, mut worktree) = worktree();
    let (one, mut source) = version(&[("a", "one")]);
    worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(80));
    assert!(
        worktree.changes(&Footing::of(&one), None).unwrap().is_empty(),
        "what was seen is trusted from now on"
    );
    let file = fs::File::options().write(true).open(dir.path().join("a")).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    std::io::Write::write_all(&mut &file, b"two").unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(worktree.changes(&Footing::of(&one), None).unwrap().len(), 1);
}

/// What a checkout that was killed left in a folder is in nobody's way.
#[test]
fn a_half_written_file_does_not_keep_a_folder() {
    let (dir, mut worktree) = worktree();
    let (one, mut source) = version(&[("x/a", "1")]);
    worktree.checkout(&[&empty()], &one, &mut source).unwrap();
    fs::write(dir.path().join("x/.cairn-tmp.7.1"), "half").unwrap();
    let (two, mut source) = version(&[("x", "file")]);
    let outcome = worktree.checkout(&[&one], &two, &mut source).unwrap();
    assert!(outcome.surprises.is_empty(), "{outcome:?}");
    assert_eq!(on_disk(dir.path())["x"], "file");
}

/// Names in any bytes, the hostile ones among them.
fn names() -> impl Strategy<Value = Vec<u8>> {
    let odd: Vec<&[u8]> =
        vec![b"\xff\xfe", b"a\nb", b" ", b"-rf", b"NUL", b"\xc3\xa9", b".cairn-tmp.1", b"a:b", b"%41"];
    prop_oneof![prop::sample::select(odd).prop_map(<[u8]>::to_vec), prop::collection::vec(1..=255u8, 1..8)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn b6_any_bytes_under_any_name_come_back(files in prop::collection::btree_map(names(), prop::collection::vec(any::<u8>(), 0..200), 0..8)) {
        let (_dir, mut worktree) = worktree();
        let (mut view, mut source) = (empty(), Bytes::default());
        for (name, bytes) in &files {
            if let Ok(path) = RepoPath::new(name) {
                write(&mut view, &mut source, &path, bytes);
            }
        }
        let outcome = worktree.checkout(&[&empty()], &view, &mut source).unwrap();
        prop_assert!(outcome.surprises.is_empty());
        prop_assert!(worktree.changes(&Footing::of(&view), None).unwrap().is_empty());
        for (path, bytes) in &source.0 {
            prop_assert_eq!(&fs::read(worktree.on_disk(path)).unwrap(), bytes);
        }
        let all = worktree.changes(&Footing::of(&empty()), None).unwrap();
        prop_assert!(all.iter().all(|change| view.files.contains_key(&change.path)));
    }

    #[test]
    fn b1_no_byte_is_written_outside(names in prop::collection::vec("[a./\\\\]{1,6}", 1..6)) {
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        fs::create_dir(&root).unwrap();
        let beneath = crate::worktree::beneath::Beneath::open(&root).unwrap();
        for name in &names {
            if let Ok(path) = RepoPath::new(name.as_bytes()) {
                drop(beneath.make_folder(Some(&path)));
            }
        }
        prop_assert_eq!(fs::read_dir(around.path()).unwrap().count(), 1);
    }
}
