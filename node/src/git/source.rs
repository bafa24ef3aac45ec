//! A repository that is read: its refs, and objects by name.

use std::path::{Path, PathBuf};

use gix::objs::Kind;

use super::{Oid, Problem};

/// The most bytes of a commit or a tag.
pub(crate) const RECORD_BYTES_MAX: u64 =
    cairn_protocol::limits::IMPORTED_RECORD_BYTES_MAX as u64 - (64 << 10);
/// The most bytes of one tree: names of a folder of a million files.
const TREE_BYTES_MAX: u64 = 256 << 20;
/// The most bytes of one file: what is larger is not read into memory.
const BLOB_BYTES_MAX: u64 = 2 << 30;
/// What is kept of objects that were read lately, in bytes: neighbouring versions are made from each other.
const CACHE_BYTES: usize = 64 << 20;

/// A repository that is read.
pub(crate) struct Source {
    path: PathBuf,
    repo: gix::Repository,
}

/// A ref.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ref {
    /// The whole name: `refs/heads/main`.
    pub(crate) name: Vec<u8>,
    /// What it names.
    pub(crate) target: Oid,
}

impl Source {
    /// Opens a repository, bare or with a worktree. Nothing but its own folder is looked at: no environment, no
    /// configuration of the user.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        let path = path.to_owned();
        let mut repo = gix::open_opts(&path, gix::open::Options::isolated())
            .map_err(|error| Problem::NoRepository { path: path.clone(), why: error.to_string() })?;
        if repo.is_shallow().map_err(refs)? {
            return Err(Problem::Shallow { path });
        }
        repo.object_cache_size_if_unset(CACHE_BYTES);
        Ok(Self { path, repo })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The branch that `HEAD` names, born or not; `None` where it names a commit.
    pub(crate) fn head(&self) -> Result<Option<Vec<u8>>, Problem> {
        let head = self.repo.head_name().map_err(refs)?;
        Ok(head.map(|name| name.as_bstr().to_vec()))
    }

    /// All refs, in the order of their names; symbolic ones are passed over, since what they name is a ref itself.
    pub(crate) fn refs(&self) -> Result<Vec<Ref>, Problem> {
        let platform = self.repo.references().map_err(refs)?;
        let mut found = Vec::new();
        for reference in platform.all().map_err(refs)? {
            let reference = reference.map_err(refs)?;
            if let Some(target) = reference.target().try_id() {
                found.push(Ref { name: reference.name().as_bstr().to_vec(), target: target.to_owned() });
            }
        }
        found.sort();
        Ok(found)
    }

    /// The kind of an object.
    pub(crate) fn kind(&self, id: Oid) -> Result<Kind, Problem> {
        self.header(id).map(|(kind, _)| kind)
    }

    fn header(&self, id: Oid) -> Result<(Kind, u64), Problem> {
        let header = self.repo.try_find_header(id).map_err(|error| damaged(id, error))?;
        let header = header.ok_or_else(|| Problem::Missing { id: id.to_string() })?;
        Ok((header.kind(), header.size()))
    }

    /// The bytes of a commit.
    pub(crate) fn commit(&self, id: Oid) -> Result<Vec<u8>, Problem> {
        self.read(id, Kind::Commit, RECORD_BYTES_MAX)
    }

    /// The bytes of a tag.
    pub(crate) fn tag(&self, id: Oid) -> Result<Vec<u8>, Problem> {
        self.read(id, Kind::Tag, RECORD_BYTES_MAX)
    }

    /// The bytes of a tree.
    pub(crate) fn tree(&self, id: Oid) -> Result<Vec<u8>, Problem> {
        self.read(id, Kind::Tree, TREE_BYTES_MAX)
    }

    /// The bytes of a file.
    pub(crate) fn blob(&self, id: Oid) -> Result<Vec<u8>, Problem> {
        self.read(id, Kind::Blob, BLOB_BYTES_MAX)
    }

    /// Reads an object against its name. What it says of its size is looked at before it is unpacked.
    fn read(&self, id: Oid, kind: Kind, limit: u64) -> Result<Vec<u8>, Problem> {
        let (_, size) = self.header(id)?;
        if size > limit {
            let why = format!("it has {size} bytes, and at most {limit} are read");
            return Err(Problem::Damaged { id: id.to_string(), why });
        }
        let object = self.repo.try_find_object(id).map_err(|error| damaged(id, error))?;
        let object = object.ok_or_else(|| Problem::Missing { id: id.to_string() })?;
        if object.kind != kind {
            let why = format!("it is a {}, and a {kind} is asked for", object.kind);
            return Err(Problem::Damaged { id: id.to_string(), why });
        }
        let bytes = object.detach().data;
        let found = gix::objs::compute_hash(id.kind(), kind, &bytes).map_err(|error| damaged(id, error))?;
        if found != id {
            return Err(Problem::Damaged {
                id: id.to_string(),
                why: format!("its bytes are those of {found}"),
            });
        }
        Ok(bytes)
    }
}

fn damaged(id: Oid, error: impl std::fmt::Display) -> Problem {
    Problem::Damaged { id: id.to_string(), why: error.to_string() }
}

fn refs(error: impl std::fmt::Display) -> Problem {
    Problem::Refs { why: error.to_string() }
}
