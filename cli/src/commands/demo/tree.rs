//! Trees on disk: copied, and compared byte by byte.

use crate::error::{DAMAGED, Failure};
use ignore::WalkBuilder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Copies what a project consists of: all that its ignore rules let through.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(u64, u64), Failure> {
    let (mut files, mut bytes) = (0, 0);
    fs::create_dir_all(to)?;
    let ours = |name: &std::ffi::OsStr| name != ".git" && name != ".cairn";
    let walk = WalkBuilder::new(from)
        .hidden(false)
        .require_git(false)
        .filter_entry(move |entry| ours(entry.file_name()))
        .build();
    for entry in walk {
        let entry = entry
            .map_err(|error| Failure::new(crate::error::NOT_FOUND, "E_IO", error.to_string(), "check DIR"))?;
        let Ok(path) = entry.path().strip_prefix(from) else { continue };
        let target = to.join(path);
        match entry.file_type() {
            Some(kind) if kind.is_dir() => fs::create_dir_all(&target)?,
            Some(kind) if kind.is_symlink() => symlink(fs::read_link(entry.path())?, &target)?,
            Some(kind) if kind.is_file() => {
                bytes += fs::copy(entry.path(), &target)?;
                files += 1;
            }
            _ => {}
        }
    }
    Ok((files, bytes))
}

/// Compares two worktrees, all but their `.cairn`; how many files are equal, or the first path that differs.
pub(super) fn compare(one: &Path, two: &Path) -> Result<u64, Failure> {
    let (ours, theirs) = (list(one)?, list(two)?);
    if let Some(path) = ours.keys().chain(theirs.keys()).find(|path| ours.get(*path) != theirs.get(*path)) {
        return Err(differs(one, two, path));
    }
    for (path, kind) in &ours {
        if *kind == Kind::File && !equal(&one.join(path), &two.join(path))? {
            return Err(differs(one, two, path));
        }
    }
    Ok(ours.len() as u64)
}

fn differs(one: &Path, two: &Path, path: &Path) -> Failure {
    let message = format!("{} and {} differ in {}", one.display(), two.display(), path.display());
    Failure::new(DAMAGED, "E_DIFFERS", message, "run with --keep and compare the worktrees")
}

#[derive(PartialEq)]
enum Kind {
    File,
    Link(PathBuf),
}

fn list(root: &Path) -> Result<BTreeMap<PathBuf, Kind>, Failure> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() && entry.file_name() != ".cairn" {
                open.push(path);
            } else if !kind.is_dir() {
                let kind = if kind.is_symlink() { Kind::Link(fs::read_link(&path)?) } else { Kind::File };
                found.insert(path.strip_prefix(root).unwrap_or(&path).to_path_buf(), kind);
            }
        }
    }
    Ok(found)
}

/// Whether two files have the same bytes.
pub(super) fn equal(one: &Path, two: &Path) -> Result<bool, Failure> {
    let (one, two) = (File::open(one)?, File::open(two)?);
    if one.metadata()?.len() != two.metadata()?.len() {
        return Ok(false);
    }
    let mut pair = (BufReader::with_capacity(1 << 16, one), BufReader::with_capacity(1 << 16, two));
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let got = pair.0.read(&mut left)?;
        let (left, right) = (left.get(..got).unwrap_or_default(), right.get_mut(..got).unwrap_or_default());
        pair.1.read_exact(right)?;
        if left != right {
            return Ok(false);
        }
        if got == 0 {
            return Ok(true);
        }
    }
}
