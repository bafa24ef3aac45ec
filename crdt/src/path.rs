//! Paths inside a project: relative, made of plain names, in any bytes.
//!
//! A path is checked once, when it is made. What a hostile peer may have put into a
//! name (a parent folder, a separator, the worktree's own folder in any spelling) is
//! refused here, at ingest, and once more by the worktree before it touches a disk.

use std::fmt;
use std::sync::Arc;

use crate::encoding::{Decode, Encoded, Problem, Reader, Writer};

/// The most bytes in one name: what file systems allow.
pub const NAME_BYTES_MAX: usize = 255;
/// The most bytes in one path: what file systems allow.
pub const PATH_BYTES_MAX: usize = 4096;
/// The most names in one path.
pub const PATH_DEPTH_MAX: usize = 512;
/// The worktree's own folder, never part of a project.
pub const PRIVATE_DIR: &str = ".cairn";

/// Why a name or a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No bytes where a name should be.
    #[error("empty name")]
    Empty,
    /// `.` or `..`.
    #[error("a name that means another folder")]
    Dots,
    /// A byte that separates names somewhere: NUL, `/`, `\`.
    #[error("a separator or NUL inside a name")]
    Separator,
    /// The worktree's own folder, in some file system's spelling of it.
    #[error("a spelling of the private folder")]
    Private,
    /// A drive or a stream of another platform: `C:`, `name::$DATA`.
    #[error("a drive letter or an alternate stream")]
    Drive,
    /// More bytes or more names than allowed.
    #[error("too long")]
    TooLong,
}

/// One plain file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Checks `bytes` and takes them as a name.
    pub fn new(bytes: &[u8]) -> Result<Self, PathError> {
        check_name(bytes)?;
        Ok(Self(bytes.into()))
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Encoded for Name {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let bytes = input.bytes(NAME_BYTES_MAX)?;
        Self::new(bytes).map_err(|_| at.error(Problem::Invalid("file name")))
    }
}

/// A path from the root of a project to a file or folder; at least one name. Versions share their paths, so one is copied
/// without its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Arc<[u8]>);

impl RepoPath {
    /// Checks `bytes`, names separated by `/`, and takes them as a path.
    pub fn new(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        let mut depth = 0;
        for name in bytes.split(|&byte| byte == b'/') {
            check_name(name)?;
            depth += 1;
        }
        if depth > PATH_DEPTH_MAX { Err(PathError::TooLong) } else { Ok(Self(bytes.into())) }
    }

    /// The path's bytes, names separated by `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names, from the root down.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = Name> + '_ {
        self.0.split(|&byte| byte == b'/').map(|name| Name(name.into()))
    }

    /// The last name.
    pub fn name(&self) -> Name {
        Name(self.0.rsplit(|&byte| byte == b'/').next().unwrap_or_default().into())
    }

    /// The folder that holds this, `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let cut = self.0.iter().rposition(|&byte| byte == b'/')?;
        self.0.get(..cut).map(|bytes| Self(bytes.into()))
    }

    /// The path of `name` inside this folder.
    pub fn join(&self, name: &Name) -> Result<Self, PathError> {
        let path = [&self.0, &b"/"[..], name.as_bytes()].concat();
        let depth = 1 + path.iter().filter(|byte| **byte == b'/').count();
        let is_long = path.len() > PATH_BYTES_MAX || depth > PATH_DEPTH_MAX;
        if is_long { Err(PathError::TooLong) } else { Ok(Self(path.into())) }
    }

    /// The path of a name at the root.
    pub fn root(name: &Name) -> Self {
        Self(name.as_bytes().into())
    }

    /// Whether this is `folder` or lies below it.
    pub fn is_within(&self, folder: &RepoPath) -> bool {
        match self.0.strip_prefix(&*folder.0) {
            Some(rest) => rest.is_empty() || rest.starts_with(b"/"),
            None => false,
        }
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Encoded for RepoPath {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        let bytes = input.bytes(PATH_BYTES_MAX)?;
        Self::new(bytes).map_err(|_| at.error(Problem::Invalid("path")))
    }
}

fn check_name(name: &[u8]) -> Result<(), PathError> {
    if name.is_empty() {
        return Err(PathError::Empty);
    }
    if name == b"." || name == b".." {
        return Err(PathError::Dots);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    // Most names hold no byte that needs a second look; without a way out of it, that is found for many bytes at once.
    let is_odd = |byte: &u8| matches!(byte, 0 | b'/' | b'\\' | b':') || !byte.is_ascii();
    let is_odd = name.iter().fold(false, |odd, byte| odd | is_odd(byte));
    if is_odd && name.iter().any(|byte| matches!(byte, 0 | b'/' | b'\\')) {
        return Err(PathError::Separator);
    }
    if (is_odd || begins_privately(name)) && is_private(name) {
        return Err(PathError::Private);
    }
    if is_odd && is_drive(name) { Err(PathError::Drive) } else { Ok(()) }
}

/// Whether the first letters of a plain name are those of the private folder in any spelling.
fn begins_privately(name: &[u8]) -> bool {
    let is_short = |first: &[u8; 5]| first.eq_ignore_ascii_case(b"cairn");
    name.starts_with(b".") || name.first_chunk().is_some_and(is_short)
}

/// `C:` at the front of a path, or an alternate data stream behind any name.
fn is_drive(name: &[u8]) -> bool {
    let letter = name.first().is_some_and(u8::is_ascii_alphabetic);
    (letter && name.get(1) == Some(&b':')) || name.windows(2).any(|pair| pair == b":$")
}

/// Whether some file system would open the private folder under this name.
///
/// HFS+ ignores certain code points, NTFS ignores trailing dots and spaces, cuts names
/// at a colon and invents short names; both, and others, ignore case.
fn is_private(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    let seen: String = text.chars().filter(|c| !is_ignorable(*c)).collect();
    let seen = seen.split(':').next().unwrap_or_default();
    let seen = seen.trim_end_matches(['.', ' ']).to_lowercase();
    seen == PRIVATE_DIR || is_short_private(&seen)
}

/// The short names that NTFS may give to the private folder: `CAIRN~1`.
fn is_short_private(name: &str) -> bool {
    let Some(digits) = name.strip_prefix("cairn~") else { return false };
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Code points that HFS+ leaves out when it compares names.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_taken() {
        for path in ["a", "src/main.rs", ".gitignore", "a b/c", "...", "cairn", "\u{e9}", "a:b"] {
            let path = RepoPath::new(path.as_bytes());
            assert!(path.is_ok() || path == Err(PathError::Drive), "{path:?}");
        }
        assert!(RepoPath::new(b"\xff\xfe/x").is_ok());
    }

    #[test]
    fn b1_hostile_paths_are_refused() {
        let long = "a".repeat(256);
        let deep = vec!["a"; PATH_DEPTH_MAX + 1].join("/");
        for path in [
            "", "/", "/etc", "a//b", "a/", "..", "a/../b", ".", "a\\b", "C:", "c:/x", "x::$DATA", &long,
            &deep,
        ] {
            assert!(RepoPath::new(path.as_bytes()).is_err(), "{path}");
        }
        assert!(RepoPath::new(b"a\0b").is_err());
    }

    #[test]
    fn b3_every_spelling_of_the_private_folder_is_refused() {
        for name in [
            ".cairn",
            ".CAIRN",
            ".Cairn",
            ".cairn.",
            ".cairn ",
            ".cairn. .",
            "CAIRN~1",
            "cairn~12",
            ".cairn:x",
            ".cairn::$INDEX",
            ".ca\u{200c}irn",
            "\u{feff}.cairn",
            ".cai\u{202e}rn",
        ] {
            assert!(Name::new(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(Name::new(b".cairnignore").is_ok());
        assert!(Name::new(b"cairn~x").is_ok());
    }

    #[test]
    fn a_path_is_joined_within_the_limits() {
        let (a, deep) = (Name::new(b"a").unwrap(), vec!["a"; PATH_DEPTH_MAX].join("/"));
        let long = [vec!["b".repeat(255); 15].join("/"), "c".repeat(254)].join("/");
        assert_eq!(RepoPath::root(&a).join(&a).unwrap(), RepoPath::new(b"a/a").unwrap());
        for full in [deep, long] {
            let full = RepoPath::new(full.as_bytes()).unwrap();
            let longer = Name::new(&[b'd'; 255]).unwrap();
            assert_eq!(full.join(&longer), Err(PathError::TooLong));
        }
    }

    #[test]
    fn parents_and_names() {
        let path = RepoPath::new(b"a/b/c").unwrap();
        assert_eq!(path.parent().unwrap().as_bytes(), b"a/b");
        assert_eq!(path.name().as_bytes(), b"c");
        assert!(path.is_within(&RepoPath::new(b"a/b").unwrap()));
        assert!(!path.is_within(&RepoPath::new(b"a/bc").unwrap()));
    }
}
