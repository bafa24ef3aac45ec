//! A bare repository that is written: objects first, then, once they are on the disk, refs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gix::objs::{Kind, Write as _};
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target as Points};

use super::source::Source;
use super::{Oid, Problem};

/// A bare repository that is written.
pub(crate) struct Target {
    repo: gix::Repository,
    path: PathBuf,
    /// The objects that are known to be there.
    here: BTreeSet<Oid>,
    /// Whether it was made just now.
    pub(crate) is_new: bool,
}

impl Target {
    /// Opens a bare repository, or makes one in a folder that is empty or not there.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        let path = path.to_owned();
        let is_new = match std::fs::read_dir(&path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(_) => return Err(Problem::Occupied { path }),
        };
        let repo = if is_new { create(&path)? } else { existing(&path)? };
        Ok(Self { repo, path, here: BTreeSet::new(), is_new })
    }

    /// The same repository, to be read.
    pub(crate) fn source(&self) -> Result<Source, Problem> {
        Source::open(&self.path)
    }

    /// Whether an object is there.
    pub(crate) fn has(&self, id: Oid) -> bool {
        self.here.contains(&id) || self.repo.has_object(id)
    }

    /// Writes an object, unless it is there; its name.
    pub(crate) fn put(&mut self, kind: Kind, bytes: &[u8]) -> Result<Oid, Problem> {
        let id = gix::objs::compute_hash(self.repo.object_hash(), kind, bytes).map_err(unwritten)?;
        // The empty tree is known everywhere, so to be known is not to be there.
        let is_empty = id == Oid::empty_tree(id.kind());
        if self.here.insert(id) && (is_empty || !self.repo.has_object(id)) {
            self.repo.objects.write_buf_with_known_id(kind, bytes, id).map_err(unwritten)?;
        }
        Ok(id)
    }

    /// Makes everything durable that was written.
    pub(crate) fn sync(&self) -> Result<(), Problem> {
        let folder = std::fs::File::open(&self.path).map_err(unwritten)?;
        rustix::fs::syncfs(&folder).map_err(unwritten)
    }

    /// Makes a ref name an object; a word on why not, where git would not have it.
    pub(crate) fn point(
        &self,
        name: &str,
        old: Option<Oid>,
        new: Oid,
    ) -> Result<Result<(), String>, Problem> {
        let expected =
            old.map_or(PreviousValue::MustNotExist, |old| PreviousValue::MustExistAndMatch(old.into()));
        self.edit(name, expected, Points::Object(new))
    }

    /// Makes `HEAD` name a branch.
    pub(crate) fn head(&self, branch: &str) -> Result<Result<(), String>, Problem> {
        match full_name(&format!("refs/heads/{branch}")) {
            Ok(name) => self.edit("HEAD", PreviousValue::Any, Points::Symbolic(name)),
            Err(why) => Ok(Err(why)),
        }
    }

    fn edit(&self, name: &str, expected: PreviousValue, new: Points) -> Result<Result<(), String>, Problem> {
        let name = match full_name(name) {
            Ok(name) => name,
            Err(why) => return Ok(Err(why)),
        };
        let log = LogChange {
            mode: RefLog::AndReference,
            force_create_reflog: false,
            message: "cairn export".into(),
        };
        let edit = RefEdit::new(name, Change::Update { log, expected, new });
        Ok(self.repo.edit_references_as([edit], None).map(|_| ()).map_err(|error| error.to_string()))
    }
}

fn full_name(name: &str) -> Result<FullName, String> {
    FullName::try_from(name).map_err(|error| format!("git takes no such name: {error}"))
}

fn create(path: &Path) -> Result<gix::Repository, Problem> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(unwritten)?;
    }
    let options = gix::create::Options { object_hash: Some(gix::hash::Kind::Sha1), ..Default::default() };
    let open = gix::open::Options::isolated();
    let made = gix::ThreadSafeRepository::init_opts(path, gix::create::Kind::Bare, options, open);
    made.map(|repo| repo.to_thread_local()).map_err(unwritten)
}

fn existing(path: &Path) -> Result<gix::Repository, Problem> {
    let repo = gix::open_opts(path, gix::open::Options::isolated().open_path_as_is(true));
    let repo = repo.map_err(|_| Problem::Occupied { path: path.to_owned() })?;
    if repo.is_bare() { Ok(repo) } else { Err(Problem::Occupied { path: path.to_owned() }) }
}

fn unwritten(error: impl std::fmt::Display) -> Problem {
    Problem::Unwritten { why: error.to_string() }
}
