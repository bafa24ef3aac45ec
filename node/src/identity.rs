//! Device keys on disk: made, read, backed up and restored here and nowhere else.
//!
//! A key file is one line, `cairn key 1 <64 hex digits of the secret>`, that only its owner
//! may read. Agents on one machine share a home and have a key each: `CAIRN_KEY` names the file.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use cairn_crdt::id::{from_hex, hex};
use cairn_protocol::key::Keypair;

use crate::entropy;
use crate::error::NodeError;
use crate::home::Home;

const WORDS: &str = "cairn key 1 ";
/// The most bytes of a key file.
const KEY_BYTES_MAX: u64 = 256;

/// The key that this process acts with: that of `CAIRN_KEY`, else the home's; made when there is none.
pub fn acting(home: &Home) -> Result<Keypair, NodeError> {
    match std::env::var_os("CAIRN_KEY").filter(|value| !value.is_empty()) {
        Some(path) => load_or_make(Path::new(&path)),
        None => device(home),
    }
}

/// The home's device key; made when there is none.
pub fn device(home: &Home) -> Result<Keypair, NodeError> {
    load_or_make(&home.key_path())
}

/// Reads a key file; makes it, with a new key, when it is not there.
pub fn load_or_make(path: &Path) -> Result<Keypair, NodeError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        _ => load(path),
    }
}

/// Reads a key file; refuses one that others may read.
pub fn load(path: &Path) -> Result<Keypair, NodeError> {
    let io = |error| NodeError::io("read", path, error);
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(NodeError::Exposed(path.to_owned()));
    }
    let format = || NodeError::Format { path: path.to_owned(), why: "not a key file".to_owned() };
    if metadata.len() > KEY_BYTES_MAX {
        return Err(format());
    }
    let text = fs::read_to_string(path).map_err(io)?;
    let secret = text.strip_prefix(WORDS).and_then(|digits| from_hex(digits.trim_end()));
    Ok(Keypair::from_secret(&secret.ok_or_else(format)?))
}

/// Copies the device key to a new file, which whoever holds it can act with.
pub fn backup(home: &Home, to: &Path) -> Result<(), NodeError> {
    let from = home.key_path();
    load(&from)?;
    let words = fs::read(&from).map_err(|error| NodeError::io("read", &from, error))?;
    write_new(to, &words)
}

/// Puts a backed-up key into a home that has none, or the same one.
///
/// The old device must not write any more: two machines with one key fork their feeds.
pub fn restore(home: &Home, from: &Path) -> Result<Keypair, NodeError> {
    let restored = load(from)?;
    let path = home.key_path();
    if path.exists() {
        return if load(&path)?.key() == restored.key() {
            Ok(restored)
        } else {
            Err(NodeError::Refused(format!("{} holds another key already", path.display())))
        };
    }
    let words = fs::read(from).map_err(|error| NodeError::io("read", from, error))?;
    write_new(&path, &words)?;
    Ok(restored)
}

/// Puts a new device key in the place of the present one, which is kept beside it.
///
/// For a key that was copied to two machines: what it wrote stays, what comes is another feed's. The
/// secret is the caller's, who may have to grant its key something before the old one is gone.
pub fn renew(home: &Home, secret: &[u8; 32]) -> Result<(Keypair, PathBuf), NodeError> {
    let path = home.key_path();
    let old = load(&path)?.key();
    let kept = path.with_file_name(format!("key.{}", old.short()));
    fs::rename(&path, &kept).map_err(|error| NodeError::io("rename", &path, error))?;
    Ok((put_new(&path, secret)?, kept))
}

fn make(path: &Path) -> Result<Keypair, NodeError> {
    put_new(path, &entropy::random()?)
}

fn put_new(path: &Path, secret: &[u8; 32]) -> Result<Keypair, NodeError> {
    write_new(path, format!("{WORDS}{}\n", hex(secret)).as_bytes())?;
    Ok(Keypair::from_secret(secret))
}

/// Writes a file that is not there yet, durably; a crash leaves all of it or nothing under its name.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    let io = |error| NodeError::io("write", path, error);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temp).map_err(io)?;
    io::Write::write_all(&mut file, bytes).and_then(|()| file.sync_all()).map_err(io)?;
    // A link, and not a rename, so that a file which came there in between is not lost.
    let linked = fs::hard_link(&temp, path);
    fs::remove_file(&temp).map_err(io)?;
    linked.map_err(io)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path().join("home")).unwrap();
        (dir, home)
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let (_dir, home) = home();
        let key = device(&home).unwrap().key();
        assert_eq!(device(&home).unwrap().key(), key);
        let mode = fs::metadata(home.key_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(home.key_path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(device(&home), Err(NodeError::Exposed(_))));
    }

    #[test]
    fn a_backup_restores_the_same_key_and_never_over_another() {
        let (dir, first) = home();
        let key = device(&first).unwrap().key();
        let copy = dir.path().join("copy");
        backup(&first, &copy).unwrap();
        assert!(backup(&first, &copy).is_err());
        let second = Home::open(dir.path().join("second")).unwrap();
        assert_eq!(restore(&second, &copy).unwrap().key(), key);
        let third = Home::open(dir.path().join("third")).unwrap();
        device(&third).unwrap();
        assert!(matches!(restore(&third, &copy), Err(NodeError::Refused(_))));
    }

    #[test]
    fn a_renewed_key_is_another_and_the_old_one_is_kept() {
        let (_dir, home) = home();
        let old = device(&home).unwrap().key();
        let (new, kept) = renew(&home, &[9; 32]).unwrap();
        assert_ne!(new.key(), old);
        assert_eq!(load(&kept).unwrap().key(), old);
    }
}
