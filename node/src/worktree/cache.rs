//! Files in the worktree's own folder that may be lost: what they say can be found out again.
//!
//! They are neither made durable nor written all at once. A check sum ends each, so half of one counts as none.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use cairn_crdt::encoding::Encoded;

use super::link::private_dir;
use crate::error::NodeError;

/// From so many bytes on it takes longer to read such a file than to begin a thread that does.
const LARGE_BYTES: u64 = 256 << 10;

/// Reads such a file; `None` where there is none, or a damaged one.
pub(super) fn load<T: Encoded>(root: &Path, name: &str) -> Option<T> {
    load_about(root, name, &[])
}

/// The same where what is asked for begins with these bytes; `None` where the file is about something else.
pub(super) fn load_about<T: Encoded>(root: &Path, name: &str, head: &[u8]) -> Option<T> {
    let mut file = File::open(private_dir(root).join(name)).ok()?;
    let mut bytes = vec![0; head.len()];
    file.read_exact(&mut bytes).ok()?;
    if bytes != head {
        return None;
    }
    file.read_to_end(&mut bytes).ok()?;
    let (body, check) = bytes.split_last_chunk::<32>()?;
    (blake3::hash(body).as_bytes() == check).then(|| T::from_bytes(body).ok())?
}

/// Whether such a file takes long to read.
pub(super) fn is_large(root: &Path, name: &str) -> bool {
    fs::metadata(private_dir(root).join(name)).is_ok_and(|facts| facts.len() > LARGE_BYTES)
}

/// Writes such a file over the one before.
pub(super) fn save<T: Encoded>(root: &Path, name: &str, value: &T) -> Result<(), NodeError> {
    let mut bytes = value.to_bytes();
    let check = blake3::hash(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    let dir = private_dir(root);
    let path = dir.join(name);
    let written = fs::create_dir_all(&dir).and_then(|()| {
        let mut file = File::options().write(true).create(true).truncate(false).open(&path)?;
        file.write_all(&bytes)?;
        file.set_len(bytes.len() as u64)
    });
    written.map_err(|error| NodeError::io("write", &path, error))
}

#[cfg(test)]
mod tests {
    use cairn_crdt::path::RepoPath;

    use super::*;

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "x", &RepoPath::new(b"a/b").unwrap()).unwrap();
        let path = private_dir(dir.path()).join("x");
        let bytes = fs::read(&path).unwrap();
        assert_eq!(load(dir.path(), "x"), Some(RepoPath::new(b"a/b").unwrap()));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(load::<RepoPath>(dir.path(), "x").is_none());
            fs::write(&path, &bytes[..at]).unwrap();
            assert!(load::<RepoPath>(dir.path(), "x").is_none());
        }
    }
}
