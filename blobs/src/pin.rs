//! Names that keep chunks: nothing that a pin names is ever collected.
//!
//! A pin is a small file: the hashes that it keeps, and the BLAKE3 of them. Its name is a path of plain words.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::error::BlobsError;
use crate::store::Blobs;

impl Blobs {
    /// Keeps `hashes` under `name`, durably, in place of what the name kept before. The chunks are to be durable before.
    pub fn pin(&self, name: &str, hashes: &[[u8; 32]]) -> Result<(), BlobsError> {
        let path = self.pin_path(name)?;
        let list = hashes.concat();
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            make_folders(folder, &self.place("pins"))?;
        }
        durable::write_whole(&path, &[&list, blake3::hash(&list).as_bytes()])
    }

    /// What `name` keeps.
    pub fn pinned(&self, name: &str) -> Result<Option<Vec<[u8; 32]>>, BlobsError> {
        let path = self.pin_path(name)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BlobsError::disk("read", &path)(error)),
        };
        let damaged = || BlobsError::DamagedPin { name: name.to_owned() };
        let (list, sum) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
        match blake3::hash(list).as_bytes() == sum {
            true => Ok(Some(list.as_chunks().0.to_vec())),
            false => Err(damaged()),
        }
    }

    /// Lets go of `name`, durably.
    pub fn unpin(&self, name: &str) -> Result<(), BlobsError> {
        let path = self.pin_path(name)?;
        match durable::remove(&path)? {
            true => durable::sync_folder_of(&path),
            false => Ok(()),
        }
    }

    /// Every name in a folder of names, which is given without a slash at its end; all of them for "".
    pub fn pins(&self, folder: &str) -> Result<Vec<String>, BlobsError> {
        let top = self.place("pins");
        let mut open = vec![if folder.is_empty() { top.clone() } else { self.pin_path(folder)? }];
        let mut names = Vec::new();
        while let Some(dir) = open.pop() {
            let entries = match fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(BlobsError::disk("list", &dir)(error)),
            };
            for entry in entries {
                let entry = entry.map_err(BlobsError::disk("list", &dir))?;
                let path = entry.path();
                match entry.file_type().map_err(BlobsError::disk("look at", &path))?.is_dir() {
                    true => open.push(path),
                    false => names.extend(name_of(&path, &top)),
                }
            }
        }
        names.sort();
        Ok(names)
    }

    fn pin_path(&self, name: &str) -> Result<PathBuf, BlobsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let mut words = name.split('/');
        match words.all(|word| !word.is_empty() && word.bytes().all(plain)) {
            true => Ok(self.place("pins").join(name)),
            false => Err(BlobsError::store("pin", format!("{name} is no name for a pin"))),
        }
    }
}

/// The name of a pin; none for what was not finished.
fn name_of(path: &Path, top: &Path) -> Option<String> {
    let name = path.strip_prefix(top).ok()?.to_str()?;
    (!name.ends_with(durable::PART_ENDING)).then(|| name.to_owned())
}

/// Creates folders so that their names survive a power cut.
fn make_folders(folder: &Path, top: &Path) -> Result<(), BlobsError> {
    fs::create_dir_all(folder).map_err(BlobsError::disk("create", folder))?;
    for made in folder.ancestors().skip(1).take_while(|dir| dir.starts_with(top)) {
        durable::sync_folder(made)?;
    }
    Ok(())
}
