//! What is known of large worktrees between two looks at them: the system tells a `serve` what changes, so that a verb in a large,
//! quiet worktree need not walk over all of it.
//!
//! Nothing is believed that is not certain. Before each look a cookie is written, and when the system has told of it, it has
//! told of all that came before. What it cannot say with a path, or says of a folder, or of a path that was not there, ends in
//! a walk. What differed from the version at the last look, and what was told since, is all that may differ from it now: nothing else
//! is compared, and where that is nothing, nothing at all. After a time all is walked over: what no system tells of, as a write through another name of the file or through mapped memory, is found
//! after [`AGE_MAX`] at the latest; and before a file is replaced it is looked at by itself, whatever is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cairn_crdt::Frontier;
use cairn_crdt::path::{PRIVATE_DIR, RepoPath};
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::beneath::{Beneath, Facts, Kind};
use super::footing::Summary;
use super::ignored::{RULES_FILE, is_temporary};
use super::on_disk;
use super::walk::Walked;

/// Smaller worktrees are walked over each time.
const FOUND_MIN: usize = 1_000;
/// Folders that are watched at most; larger worktrees are walked over each time.
const FOLDERS_MAX: usize = 30_000;
/// Worktrees that are watched at once; the one that nobody asked for the longest goes.
const LOOKOUTS_MAX: usize = 8;
/// Paths that are looked at one by one; where more were told of, a walk is not slower.
const TOLD_MAX: usize = 1_000;
/// After so long a walk finds what the system did not tell of.
const AGE_MAX: Duration = Duration::from_secs(30);
/// How long the system may take to tell of the cookie.
const COOKIE_MAX: Duration = Duration::from_millis(200);
/// How the files begin whose being told of says that all before was told.
const COOKIE: &str = "lookout-";

/// The worktrees that a `serve` keeps in sight.
#[derive(Debug, Default)]
pub(crate) struct Lookouts {
    by_root: BTreeMap<PathBuf, Sight>,
}

/// One worktree, and when it was asked for last.
#[derive(Debug)]
struct Sight {
    asked: Instant,
    /// None before the first look, and where the system cannot watch.
    lookout: Option<Lookout>,
    is_blind: bool,
}

impl Lookouts {
    /// The version from which nothing differs but at some paths, if that is known.
    pub(crate) fn same(&mut self, root: &Path, beneath: &Beneath) -> Option<&Same> {
        let sight = self.by_root.get_mut(root)?;
        sight.asked = Instant::now();
        if sight.lookout.as_mut()?.catch_up(beneath).is_err() {
            sight.lookout = None;
        }
        sight.lookout.as_ref()?.found.as_ref()?.same.as_ref()
    }

    /// Remembers what was found at the last look.
    pub(crate) fn note_same(&mut self, root: &Path, same: Same) {
        if let Some(found) = self.found(root) {
            found.same = Some(same).filter(|same| same.but.len() <= TOLD_MAX);
        }
    }

    /// Remembers that a version was posted which differs from the last one nowhere but where the files may.
    pub(crate) fn note_posted(&mut self, root: &Path, from: &Frontier, to: &Summary) {
        let same = self.found(root).and_then(|found| found.same.as_mut());
        if let Some(same) = same.filter(|same| same.version.frontier == *from) {
            same.version = to.clone();
        }
    }

    fn found(&mut self, root: &Path) -> Option<&mut Found> {
        self.by_root.get_mut(root)?.lookout.as_mut()?.found.as_mut()
    }

    /// What lies in a worktree: what `walk` finds, or what it would find.
    pub(crate) fn look(&mut self, root: &Path, beneath: &Beneath, walk: impl Fn() -> Walked) -> Walked {
        let first = || Sight { asked: Instant::now(), lookout: None, is_blind: false };
        let sight = self.by_root.entry(root.to_owned()).or_insert_with(first);
        sight.asked = Instant::now();
        match sight.lookout.as_mut().map(|lookout| lookout.known(beneath)) {
            Some(Ok(Some(walked))) => return walked,
            Some(Err(Lost)) => sight.lookout = None,
            Some(Ok(None)) | None => {}
        }
        let begun = Instant::now();
        let walked = walk();
        if !sight.is_blind && walked.found.len() >= FOUND_MIN {
            sight.keep(root, &walked, begun);
        }
        self.let_go();
        walked
    }

    fn let_go(&mut self) {
        while self.by_root.len() > LOOKOUTS_MAX {
            let oldest = self.by_root.iter().min_by_key(|(_, sight)| sight.asked);
            let Some(root) = oldest.map(|(root, _)| root.clone()) else { return };
            self.by_root.remove(&root);
        }
    }
}

impl Sight {
    fn keep(&mut self, root: &Path, walked: &Walked, begun: Instant) {
        let kept = match &mut self.lookout {
            Some(lookout) => lookout.keep(walked, begun),
            None => Lookout::start(root).and_then(|mut lookout| {
                lookout.keep(walked, begun)?;
                self.lookout = Some(lookout);
                Ok(())
            }),
        };
        if let Err(error) = kept {
            tracing::debug!(%error, root = %root.display(), "the worktree cannot be watched; it is walked over");
            (self.lookout, self.is_blind) = (None, true);
        }
    }
}

/// One worktree under watch.
#[derive(Debug)]
struct Lookout {
    root: PathBuf,
    /// The folder that is watched, should another one take its name.
    identity: (u64, u64),
    watcher: RecommendedWatcher,
    watched: BTreeSet<RepoPath>,
    told: Arc<Teller>,
    cookies: u64,
    found: Option<Found>,
}

/// What a walk found that began when all its folders were watched, and what was told since.
#[derive(Debug)]
struct Found {
    walked: Walked,
    /// When the walk began.
    begun: Instant,
    /// The version from which little of it differs, as far as that is known.
    same: Option<Same>,
}

/// A version from which the files differ nowhere but at some paths, if there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Same {
    /// The version.
    pub(crate) version: Summary,
    /// The paths.
    pub(crate) but: BTreeSet<RepoPath>,
}

/// The system does not tell what happened; all has to be watched anew.
#[derive(Debug)]
struct Lost;

/// What the system has told since the last look.
#[derive(Debug, Default)]
struct Told {
    paths: BTreeSet<PathBuf>,
    /// Something happened of which no path says what.
    is_vague: bool,
    cookie: u64,
}

#[derive(Debug, Default)]
struct Teller {
    told: Mutex<Told>,
    heard: Condvar,
}

impl Lookout {
    fn start(root: &Path) -> notify::Result<Self> {
        if !is_local(root) {
            return Err(notify::Error::generic("other machines may write to it"));
        }
        let told = Arc::new(Teller::default());
        let (teller, base) = (Arc::clone(&told), root.to_owned());
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<Event>| teller.hear(&base, event))?;
        watcher.watch(&root.join(PRIVATE_DIR), RecursiveMode::NonRecursive)?;
        watcher.watch(root, RecursiveMode::NonRecursive)?;
        let identity = identity(root).ok_or_else(notify::Error::path_not_found)?;
        let (root, watched) = (root.to_owned(), BTreeSet::new());
        Ok(Self { root, identity, watcher, watched, told, cookies: 0, found: None })
    }

    /// Remembers what a walk found, if all folders were watched before it began; else watches them for the next one.
    fn keep(&mut self, walked: &Walked, begun: Instant) -> notify::Result<()> {
        let folders = walked.found.iter().filter(|(_, facts)| facts.kind == Kind::Dir).map(|(path, _)| path);
        let new: Vec<&RepoPath> = folders.filter(|path| !self.watched.contains(*path)).collect();
        if self.watched.len() + new.len() > FOLDERS_MAX {
            return Err(notify::Error::generic("it has too many folders"));
        }
        self.found = new.is_empty().then(|| Found { walked: walked.clone(), begun, same: None });
        for folder in new {
            self.watcher.watch(&on_disk(&self.root, folder), RecursiveMode::NonRecursive)?;
            self.watched.insert(folder.clone());
        }
        Ok(())
    }

    /// What a walk would find now, where that is certain. An error where the system has lost count.
    fn known(&mut self, beneath: &Beneath) -> Result<Option<Walked>, Lost> {
        self.catch_up(beneath)?;
        Ok(self.found.as_ref().map(|found| found.walked.clone()))
    }

    /// Brings what was found up to date, as far as that is certain.
    fn catch_up(&mut self, beneath: &Beneath) -> Result<(), Lost> {
        let told = self.listen().filter(|told| !told.is_vague && told.paths.len() <= TOLD_MAX);
        let told = told.ok_or(Lost)?;
        if identity(&self.root) != Some(self.identity) {
            return Err(Lost);
        }
        let mut found = self.found.take().filter(|found| found.begun.elapsed() <= AGE_MAX);
        for path in &told.paths {
            // All of them, since folders that came and went have to be forgotten.
            let walked = found.as_mut().map(|found| &mut found.walked);
            let certain = self.look_again(path, beneath, walked);
            found = found.filter(|_| certain.is_some());
            let same = found.as_mut().and_then(|found| found.same.as_mut());
            if let Some((same, path)) = same.zip(certain) {
                same.but.insert(path);
            }
        }
        self.found = found;
        Ok(())
    }

    /// All that the system tells up to now; `None` where it takes too long.
    fn listen(&mut self) -> Option<Told> {
        self.cookies += 1;
        let cookie = self.root.join(PRIVATE_DIR).join(format!("{COOKIE}{}", self.cookies));
        fs::write(&cookie, "").ok()?;
        let told = self.told.wait_for(self.cookies);
        fs::remove_file(&cookie).ok()?;
        told
    }

    /// Brings one path up to date, and says it; `None` where only a walk can tell what became of it.
    fn look_again(
        &mut self,
        path: &Path,
        beneath: &Beneath,
        walked: Option<&mut Walked>,
    ) -> Option<RepoPath> {
        let below = path.strip_prefix(&self.root).ok().filter(|below| !below.as_os_str().is_empty())?;
        let name = below.file_name()?.as_bytes();
        let Ok(below) = RepoPath::new(below.as_os_str().as_bytes()) else { return None };
        let facts = beneath.facts(&below);
        let is_folder = matches!(facts, Ok(Some(Facts { kind: Kind::Dir, .. })));
        if is_folder || self.watched.contains(&below) {
            self.forget(&below);
            return None;
        }
        let (walked, facts) = (walked?, facts.ok()?);
        let at = walked.found.binary_search_by(|(known, _)| known.cmp(&below));
        match (at, facts) {
            _ if name == RULES_FILE.as_bytes() => None,
            (Ok(at), Some(facts)) if facts.kind != Kind::Other => {
                walked.found.get_mut(at)?.1 = facts;
                Some(below)
            }
            (Ok(at), _) => {
                walked.found.remove(at);
                Some(below)
            }
            (Err(_), None) => Some(below),
            // Whether rules name it, a walk says.
            (Err(_), Some(_)) => None,
        }
    }

    /// Whatever is watched under a name, and below, may be other folders now.
    fn forget(&mut self, folder: &RepoPath) {
        let (gone, rest) =
            std::mem::take(&mut self.watched).into_iter().partition(|path| path.is_within(folder));
        self.watched = rest;
        let gone: BTreeSet<RepoPath> = gone;
        for path in gone {
            // What is gone is not watched any more, which is what is wanted.
            self.watcher.unwatch(&on_disk(&self.root, &path)).ok();
        }
    }
}

impl Teller {
    fn hear(&self, root: &Path, event: notify::Result<Event>) {
        let mut told = self.lock();
        match event {
            Err(_) => told.is_vague = true,
            Ok(event) => told.hear(root, event),
        }
        drop(told);
        self.heard.notify_all();
    }

    fn wait_for(&self, cookie: u64) -> Option<Told> {
        let is_behind = |told: &mut Told| told.cookie < cookie;
        let waited = self.heard.wait_timeout_while(self.lock(), COOKIE_MAX, is_behind);
        let (mut told, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        let cookie = told.cookie;
        let taken = std::mem::replace(&mut *told, Told { cookie, ..Told::default() });
        (!waited.timed_out()).then_some(taken)
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn hear(&mut self, root: &Path, event: Event) {
        let is_written = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
        self.is_vague |= event.need_rescan() || (event.paths.is_empty() && !event.kind.is_access());
        if event.kind.is_access() && !is_written {
            return;
        }
        for path in event.paths {
            let private = path.strip_prefix(root.join(PRIVATE_DIR)).ok();
            let cookie = private.and_then(|below| below.to_str()?.strip_prefix(COOKIE)?.parse().ok());
            let is_temporary = path.file_name().is_some_and(|name| is_temporary(name.as_bytes()));
            if let Some(cookie) = cookie {
                self.cookie = self.cookie.max(cookie);
            } else if private.is_none() && !is_temporary && self.paths.len() <= TOLD_MAX {
                self.paths.insert(path);
            }
        }
    }
}

fn identity(root: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(root).ok().map(|facts| (facts.dev(), facts.ino()))
}

/// Whether all that happens in a folder's file system happens through this machine's kernel.
#[cfg(target_os = "linux")]
fn is_local(root: &Path) -> bool {
    /// NFS, SMB and CIFS, FUSE, 9P, Ceph, AFS, and folders of a virtual machine's host.
    const ELSEWHERE: [u32; 9] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x00c3_6400,
        0x5346_414f,
        0x786f_4256,
    ];
    rustix::fs::statfs(root).is_ok_and(|facts| !ELSEWHERE.contains(&(facts.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_local(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::entropy::Dice;
    use crate::worktree::walk::walk;

    struct Tree {
        dir: tempfile::TempDir,
        lookouts: Lookouts,
        walks: Cell<usize>,
        /// What was found last.
        seen: Vec<(RepoPath, Facts)>,
        /// How often nothing had happened since.
        sames: usize,
        /// How often it was certain where something had.
        told: usize,
    }

    impl Tree {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join(PRIVATE_DIR)).unwrap();
            for number in 0..FOUND_MIN {
                let folder = dir.path().join(format!("f{}", number % 10));
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(format!("{number}.txt")), "x").unwrap();
            }
            let (lookouts, walks, seen) = (Lookouts::default(), Cell::new(0), Vec::new());
            let mut tree = Self { dir, lookouts, walks, seen, sames: 0, told: 0 };
            // One to watch its folders, one to know them.
            (0..2).for_each(|_| tree.check());
            tree
        }

        /// What is told is what a walk finds, and nothing differs where that is told; how often there was a walk.
        fn look(&mut self) -> usize {
            let root = self.dir.path().canonicalize().unwrap();
            let beneath = Beneath::open(&root).unwrap();
            let walked = || walk(&beneath, &root, Path::new("/nowhere"));
            let before = self.walks.get();
            if let Some(same) = self.lookouts.same(&root, &beneath) {
                let but = |found: &[(RepoPath, Facts)]| -> Vec<_> {
                    found.iter().filter(|(path, _)| !same.but.contains(path)).cloned().collect()
                };
                assert_eq!(but(&self.seen), but(&walked().found));
                self.sames += usize::from(same.but.is_empty());
                self.told += usize::from(!same.but.is_empty());
            }
            let told = self.lookouts.look(&root, &beneath, || {
                self.walks.set(self.walks.get() + 1);
                walked()
            });
            assert_eq!(told.found, walked().found);
            self.seen = told.found;
            let (frontier, root_hash) = (cairn_crdt::Frontier::empty(), cairn_crdt::id::Root([0; 32]));
            let version = Summary { frontier, root: root_hash, is_quiet: true };
            self.lookouts.note_same(&root, Same { version, but: BTreeSet::new() });
            self.walks.get() - before
        }

        fn check(&mut self) {
            self.look();
        }

        fn at(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }
    }

    #[test]
    fn a_quiet_worktree_is_not_walked_over_and_one_file_is_looked_at_by_itself() {
        let mut tree = Tree::new();
        if !is_local(tree.dir.path()) {
            return;
        }
        assert_eq!((tree.look(), tree.sames, tree.told), (0, 1, 0));
        fs::write(tree.at("f3/3.txt"), "longer than before").unwrap();
        assert_eq!((tree.look(), tree.sames, tree.told), (0, 1, 1));
        assert_eq!((tree.look(), tree.sames, tree.told), (0, 2, 1));
        fs::write(tree.at("f3/.new"), "replaced").unwrap();
        fs::rename(tree.at("f3/.new"), tree.at("f3/13.txt")).unwrap();
        fs::remove_file(tree.at("f4/4.txt")).unwrap();
        assert_eq!(tree.look(), 0);
    }

    #[test]
    fn what_no_path_explains_ends_in_a_walk() {
        let mut tree = Tree::new();
        let moves: [fn(&Tree); 6] = [
            |tree| fs::write(tree.at("f1/new.txt"), "x").unwrap(),
            |tree| fs::write(tree.at(".gitignore"), "*.txt\n").unwrap(),
            |tree| fs::remove_file(tree.at(".gitignore")).unwrap(),
            |tree| fs::rename(tree.at("f5"), tree.at("g5")).unwrap(),
            |tree| fs::create_dir_all(tree.at("f5/deep/er")).unwrap(),
            |tree| fs::remove_dir_all(tree.at("f6")).unwrap(),
        ];
        for made in moves {
            made(&tree);
            assert_eq!(tree.look(), 1);
            fs::write(tree.at("f5").with_file_name("late.txt"), "x").unwrap();
            (0..3).for_each(|_| tree.check());
        }
        fs::write(tree.at("f5/deep/er/below.txt"), "x").unwrap();
        tree.check();
    }

    #[test]
    fn a_folder_that_took_anothers_name_is_watched_anew() {
        let mut tree = Tree::new();
        fs::create_dir_all(tree.at("f1/deep")).unwrap();
        fs::write(tree.at("f1/deep/a.txt"), "x").unwrap();
        (0..3).for_each(|_| tree.check());
        fs::rename(tree.at("f1"), tree.at("away")).unwrap();
        fs::create_dir_all(tree.at("f1/deep")).unwrap();
        (0..3).for_each(|_| tree.check());
        fs::write(tree.at("f1/deep/b.txt"), "x").unwrap();
        tree.check();
        fs::write(tree.at("f1/deep/b.txt"), "longer").unwrap();
        tree.check();
    }

    /// One of the things that people and programs do to a tree.
    fn disturb(tree: &Tree, dice: &mut Dice) {
        let folder = |number: u64| tree.at(["f0", "f1", "f1/deep", "f2", "new", "new/deep"][number as usize]);
        let (at, other, name) =
            (folder(dice.next(6)), folder(dice.next(6)), format!("{}.txt", dice.next(40)));
        // Most of them find nothing to work on, which is as good as any other case.
        match dice.next(18) {
            0 => fs::create_dir_all(&at).unwrap(),
            1 => drop(fs::remove_dir_all(&at)),
            2 => drop(fs::rename(&at, &other)),
            3 => drop(fs::remove_file(at.join(name))),
            4 => drop(
                fs::write(at.join(".new"), "y").and_then(|()| fs::rename(at.join(".new"), at.join(name))),
            ),
            5 => drop(std::os::unix::fs::symlink("elsewhere", at.join(name))),
            6 => drop(fs::write(at.join(".gitignore"), format!("{}*\n", dice.next(4)))),
            7 => drop(fs::rename(at.join(&name), other.join(&name))),
            8 => drop(fs::write(at.join(name), vec![b'x'; dice.next(90) as usize])),
            _ => {
                let number = dice.next(40);
                let known = tree.at(&format!("f{}/{number}.txt", number % 10));
                drop(fs::write(known, vec![b'x'; dice.next(90) as usize]));
            }
        }
    }

    #[test]
    fn whatever_happens_to_a_tree_a_walk_finds_nothing_else() {
        let mut tree = Tree::new();
        let mut dice = Dice(7);
        let mut walks = 0;
        for _ in 0..300 {
            (0..dice.next(4)).for_each(|_| disturb(&tree, &mut dice));
            walks += tree.look();
        }
        assert!(
            !is_local(tree.dir.path()) || (walks < 300 && tree.sames > 0 && tree.told > 0),
            "some of it was known"
        );
    }
}
