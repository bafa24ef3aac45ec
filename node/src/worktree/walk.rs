//! A walk over a worktree: all that is not ignored, with what the file system says about it.
//!
//! Each folder is opened once, through its parent's handle and through no link, listed, and its files are looked at
//! by their names alone. A large tree is dealt to several threads, since nearly all of the time goes by in the kernel. What is left out without a word: what rules name, the worktree's own folder, git's,
//! other worktrees, and the home.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use cairn_crdt::path::{Name, PRIVATE_DIR, PathError, RepoPath};
use rustix::fs::{Dir, FileType};

use super::beneath::{Beneath, Facts, Kind, facts_in, folder_in, os};
use super::ignored::{RULES_FILE, Rules, is_temporary};

/// What a walk over a worktree came upon.
#[derive(Debug, Clone, Default)]
pub struct Walked {
    /// What a project can hold, folders included, in the order of the paths.
    pub found: Vec<(RepoPath, Facts)>,
    /// What was left out although nothing ignores it, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

/// How many folders there are to deal before more than one thread walks.
const DEALT_MIN: usize = 64;
/// The most threads that walk.
const THREADS_MAX: usize = 8;

/// Walks over what is not ignored; never follows links.
pub fn walk(beneath: &Beneath, root: &Path, home: &Path) -> Walked {
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    let mut walk = Walk { beneath, root, home: &home, walked: Walked::default(), later: Some(Vec::new()) };
    let mut waiting = vec![(None, Rules::default())];
    while !waiting.is_empty() && waiting.len() < DEALT_MIN {
        waiting.into_iter().for_each(|(path, rules)| walk.begin(path.as_ref(), &rules));
        waiting = walk.later.replace(Vec::new()).unwrap_or_default();
    }
    let mut walked = walk.walked;
    for share in deal(waiting, || Walk { beneath, root, home: &home, walked: Walked::default(), later: None })
    {
        walked.found.extend(share.found);
        walked.skipped.extend(share.skipped);
    }
    walked.found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    walked.skipped.sort();
    walked
}

/// A folder that is yet to be walked, and the rules above it.
type Waiting = (Option<RepoPath>, Rules);

/// Walks over folders with as many threads as the machine runs at once.
fn deal<'a>(waiting: Vec<Waiting>, walk: impl Fn() -> Walk<'a> + Sync) -> Vec<Walked> {
    if waiting.is_empty() {
        return Vec::new();
    }
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let queue = Mutex::new(waiting.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut walk = walk();
        while let Some((path, rules)) = next() {
            walk.begin(path.as_ref(), &rules);
        }
        walk.walked
    };
    thread::scope(|scope| {
        let others: Vec<_> =
            (1..threads).filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let own = work();
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.chain([own]).collect()
    })
}

struct Walk<'a> {
    beneath: &'a Beneath,
    root: &'a Path,
    home: &'a Path,
    walked: Walked,
    /// Folders below are put here, if anywhere, and not walked at once.
    later: Option<Vec<Waiting>>,
}

impl Walk<'_> {
    fn begin(&mut self, at: Option<&RepoPath>, above: &Rules) {
        match self.beneath.folder(at) {
            Ok(Some(folder)) => self.folder(folder, at, above),
            Ok(None) => {}
            Err(error) => self.closed(at, &error),
        }
    }

    /// Lists a folder; nothing of it is told where it is a worktree of its own.
    fn folder(&mut self, folder: OwnedFd, at: Option<&RepoPath>, above: &Rules) {
        let opened = Dir::new(folder).map_err(io::Error::from).and_then(|mut dir| Ok((list(&mut dir)?, dir)));
        let (listed, dir) = match &opened {
            Ok((listed, dir)) => (listed, dir),
            Err(error) => return self.closed(at, error),
        };
        let Ok(folder) = dir.fd() else { return };
        let has = |wanted: &str| listed.iter().any(|(name, _)| name.as_bytes() == wanted.as_bytes());
        if let Some(at) = at {
            if has(PRIVATE_DIR) && is_other(folder) {
                return;
            }
            self.walked.found.push((at.clone(), Facts::FOLDER));
        }
        let rules = if has(RULES_FILE) { self.rules(folder, at, above) } else { above.clone() };
        for (name, is_dir) in listed {
            self.entry(folder, at, name.as_bytes(), *is_dir, &rules);
        }
    }

    fn rules(&mut self, folder: BorrowedFd<'_>, at: Option<&RepoPath>, above: &Rules) -> Rules {
        above.within(relative(at), folder).unwrap_or_else(|error| {
            self.skip(at, &io::Error::other(format!("{RULES_FILE} is not heeded: {error}")));
            above.clone()
        })
    }

    fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        at: Option<&RepoPath>,
        name: &[u8],
        is_dir: bool,
        rules: &Rules,
    ) {
        if name == b".git" || is_temporary(name) {
            return;
        }
        let path = match path_of(at, name) {
            Ok(path) => path,
            Err(PathError::Private) => return,
            Err(error) => return self.skip_name(at, name, error),
        };
        if rules.name(relative(Some(&path)), is_dir)
            || (is_dir && self.root.join(relative(Some(&path))) == self.home)
        {
            return;
        }
        if !is_dir {
            return self.file(folder, path);
        }
        if let Some(later) = &mut self.later {
            return later.push((Some(path), rules.clone()));
        }
        match folder_in(folder, os(&path.name())) {
            Ok(Some(below)) => self.folder(below, Some(&path), rules),
            Ok(None) => {}
            Err(error) => self.closed(Some(&path), &error),
        }
    }

    /// A folder that cannot be looked into is there nevertheless.
    fn closed(&mut self, at: Option<&RepoPath>, error: &io::Error) {
        self.skip(at, error);
        self.walked.found.extend(at.map(|at| (at.clone(), Facts::FOLDER)));
    }

    fn file(&mut self, folder: BorrowedFd<'_>, path: RepoPath) {
        match facts_in(folder, os(&path.name())) {
            Ok(Some(facts)) if facts.kind != Kind::Other => self.walked.found.push((path, facts)),
            Ok(_) => {}
            Err(error) => self.skip(Some(&path), &error),
        }
    }

    fn skip(&mut self, at: Option<&RepoPath>, error: &io::Error) {
        self.walked.skipped.push((self.root.join(relative(at)), error.to_string()));
    }

    fn skip_name(&mut self, at: Option<&RepoPath>, name: &[u8], error: PathError) {
        let path = self.root.join(relative(at)).join(OsStr::from_bytes(name));
        self.walked.skipped.push((path, error.to_string()));
    }
}

/// Whether a folder below is a worktree of its own.
fn is_other(folder: BorrowedFd<'_>) -> bool {
    folder_in(folder, PRIVATE_DIR).is_ok_and(|private| private.is_some())
}

/// The names in a folder, and which are folders, in no order.
fn list(folder: &mut Dir) -> io::Result<Vec<(CString, bool)>> {
    let mut listed = Vec::new();
    while let Some(entry) = folder.read() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let is_dir = match entry.file_type() {
            FileType::Unknown => {
                let facts = facts_in(folder.fd()?, OsStr::from_bytes(name.to_bytes()))?;
                facts.is_some_and(|facts| facts.kind == Kind::Dir)
            }
            kind => kind == FileType::Directory,
        };
        listed.push((name.to_owned(), is_dir));
    }
    Ok(listed)
}

fn path_of(at: Option<&RepoPath>, name: &[u8]) -> Result<RepoPath, PathError> {
    let name = Name::new(name)?;
    at.map_or_else(|| Ok(RepoPath::root(&name)), |at| at.join(&name))
}

fn relative(path: Option<&RepoPath>) -> &Path {
    Path::new(OsStr::from_bytes(path.map_or(&[], RepoPath::as_bytes)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn walked(root: &Path, home: &Path) -> Walked {
        let root = root.canonicalize().unwrap();
        walk(&Beneath::open(&root).unwrap(), &root, home)
    }

    fn paths(root: &Path, home: &Path) -> Vec<String> {
        walked(root, home).found.iter().map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn gitignore_rules_hold_without_git() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in [".cairn", ".git", "src/deep", "target", "home/repos", "other/.cairn"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let files =
            [".gitignore", ".cairn/link.json", ".git/x", "src/a.rs", "src/b.o", "target/x", ".hidden"];
        let more = [
            "home/key",
            "other/x",
            ".cairn-tmp.1",
            "..cairn-tmp.1.2.1.cairn-part",
            "src/.gitignore",
            "src/keep.o",
            "src/deep/c.o",
            "src/deep/top",
        ];
        for path in files.iter().chain(&more) {
            fs::write(root.join(path), "").unwrap();
        }
        fs::write(root.join(".gitignore"), b"*.o\n/target\n\xff[\n/top\n").unwrap();
        fs::write(root.join("src/.gitignore"), "!keep.o\n").unwrap();
        let expected = [
            ".gitignore",
            ".hidden",
            "src",
            "src/.gitignore",
            "src/a.rs",
            "src/deep",
            "src/deep/top",
            "src/keep.o",
        ];
        assert_eq!(paths(root, &root.join("home")), expected);
    }

    #[test]
    fn what_several_threads_walk_is_what_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for number in 0..3 * DEALT_MIN {
            let folder = format!("f{number}");
            fs::create_dir_all(dir.path().join(&folder).join("deep")).unwrap();
            for file in ["a.rs", "b.o", "deep/c.rs"] {
                fs::write(dir.path().join(&folder).join(file), "").unwrap();
            }
            expected.extend(["", "/a.rs", "/deep", "/deep/c.rs"].map(|below| format!("{folder}{below}")));
        }
        fs::write(dir.path().join(".gitignore"), "*.o\n").unwrap();
        expected.push(".gitignore".to_owned());
        expected.sort();
        assert_eq!(paths(dir.path(), Path::new("/nowhere")), expected);
    }

    #[test]
    fn paths_come_in_their_own_order() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a")).unwrap();
        for path in ["a/b", "a-b", "a.b"] {
            fs::write(dir.path().join(path), "").unwrap();
        }
        assert_eq!(paths(dir.path(), Path::new("/nowhere")), ["a", "a-b", "a.b", "a/b"]);
    }

    #[test]
    fn b1_names_that_no_project_can_hold_are_left_out_and_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a\\b"), "").unwrap();
        fs::write(dir.path().join("ok"), "").unwrap();
        let walked = walked(dir.path(), Path::new("/nowhere"));
        assert_eq!(walked.found.len(), 1);
        assert_eq!(walked.skipped.len(), 1);
    }

    #[test]
    fn b2_neither_folders_nor_rules_are_reached_through_a_link() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "*\n").unwrap();
        symlink(outside.path(), dir.path().join("d")).unwrap();
        symlink(outside.path().join("secret"), dir.path().join(".gitignore")).unwrap();
        let walked = walked(dir.path(), Path::new("/nowhere"));
        let kinds: Vec<_> = walked.found.iter().map(|(path, facts)| (path.to_string(), facts.kind)).collect();
        assert_eq!(kinds, [(".gitignore".to_owned(), Kind::Link), ("d".to_owned(), Kind::Link)]);
        assert_eq!(walked.skipped.len(), 1, "rules behind a link are told");
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_there_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        let may_read_all = fs::read_dir(&closed).is_ok();
        let walked = walked(dir.path(), Path::new("/nowhere"));
        assert_eq!(walked.found.len(), 1);
        assert_eq!(walked.skipped.len(), usize::from(!may_read_all));
    }
}
