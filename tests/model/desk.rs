//! A worktree, and what an editor does to it.
//!
//! The editor remembers what it left at each path. What it finds changed it did not change itself: a verb did, and the
//! bytes that lay there before are *taken*. It looks right before each change of its own, so it never blames a
//! verb for what it did itself; in a race it may miss that a verb did something, never the other way round.

use super::disk::{Kind, State, walk};
use super::words::{Text, path};
use crate::harness::{Chance, Node};
use crate::watch::strings;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// A worktree, and what the editor knows of it.
pub(super) struct Desk {
    pub(super) node: Node,
    /// Which home it belongs to.
    pub(super) house: usize,
    /// What the link said last.
    link: Vec<u8>,
    seen: BTreeMap<PathBuf, State>,
    taken: Vec<(PathBuf, State)>,
}

/// One way to save.
#[derive(Debug, Clone, Copy)]
enum Save {
    InPlace,
    InPlaceKeepingTime,
    RenameOver,
    TruncateThenWrite,
    Append,
    Delete,
    Rename,
    Executable,
    Link,
    FolderToFile,
    RenameFolder,
}

const SAVES: [Save; 20] = [
    Save::InPlace,
    Save::InPlace,
    Save::InPlace,
    Save::InPlace,
    Save::InPlaceKeepingTime,
    Save::RenameOver,
    Save::RenameOver,
    Save::RenameOver,
    Save::RenameOver,
    Save::TruncateThenWrite,
    Save::TruncateThenWrite,
    Save::Append,
    Save::Append,
    Save::Append,
    Save::Delete,
    Save::Rename,
    Save::Executable,
    Save::Link,
    Save::FolderToFile,
    Save::RenameFolder,
];

impl Desk {
    pub(super) fn new(node: Node, house: usize) -> Self {
        let seen = walk(&node.tree);
        Self { node, house, link: Vec::new(), seen, taken: Vec::new() }
    }

    /// The versions on which the worktree stands or stood, if there are new ones.
    pub(super) fn stood(&mut self) -> Vec<Vec<String>> {
        let link = fs::read(self.node.tree.join(".cairn/link.json")).unwrap();
        if link == self.link {
            return Vec::new();
        }
        self.link = link;
        let told: Value = serde_json::from_slice(&self.link).unwrap();
        let steps =
            ["done", "undone"].map(|way| told["steps"][way].as_array().into_iter().flatten().rev().take(20));
        let stands = steps.into_iter().flatten().flat_map(|step| [&step["from"], &step["to"]]);
        stands.chain([&told, &told["underway"]]).map(|stand| strings(&stand["frontier"])).collect()
    }

    /// What verbs took since this was asked last.
    pub(super) fn taken(&mut self) -> Vec<(PathBuf, State)> {
        std::mem::take(&mut self.taken)
    }

    /// Every file as it was found last.
    pub(super) fn seen(&self) -> &BTreeMap<PathBuf, State> {
        &self.seen
    }

    /// Looks at everything.
    pub(super) fn look(&mut self) {
        let now = walk(&self.node.tree);
        for (path, state) in std::mem::replace(&mut self.seen, now.clone()) {
            if now.get(&path) != Some(&state) {
                self.taken.push((path, state));
            }
        }
    }

    fn look_at(&mut self, path: &Path) {
        let now = State::at(&self.on_disk(path));
        let before = match now {
            Some(now) => self.seen.insert(path.to_path_buf(), now),
            None => self.seen.remove(path),
        };
        self.taken
            .extend(before.filter(|before| Some(*before) != now).map(|before| (path.to_path_buf(), before)));
    }

    fn look_below(&mut self, folder: &Path) {
        let known: Vec<_> = self.seen.keys().filter(|path| path.starts_with(folder)).cloned().collect();
        known.iter().for_each(|path| self.look_at(path));
    }

    fn on_disk(&self, path: &Path) -> PathBuf {
        self.node.tree.join(path)
    }

    /// Saves something somehow, and says what. Where nobody else writes meanwhile, it must succeed.
    pub(super) fn save(&mut self, chance: &mut Chance, stamp: u64, is_alone: bool) -> String {
        let save = SAVES[chance.next(SAVES.len() as u64) as usize];
        let path = path(chance);
        let done = self.perform(save, &path, &mut Text { chance, stamp });
        if let Err(error) = &done {
            use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
            let no_file = matches!(error.kind(), NotFound | NotADirectory | IsADirectory);
            let expected = no_file && matches!(save, Save::Delete);
            assert!(!is_alone || expected, "{save:?} {}: {error}", path.display());
            self.look();
        }
        let failed = done.err().map(|error| format!(" ({error})")).unwrap_or_default();
        format!("{}: {save:?} {} {stamp}{failed}", self.node.name, path.display())
    }

    fn perform(&mut self, save: Save, path: &Path, text: &mut Text<'_>) -> io::Result<()> {
        match save {
            Save::InPlace => self.in_place(path, text, false),
            Save::InPlaceKeepingTime => self.keeping_time(path, text),
            Save::RenameOver => self.rename_over(path, text),
            Save::TruncateThenWrite => self.in_place(path, text, true),
            Save::Append => self.append(path, text),
            Save::Delete => self.delete(path),
            Save::Rename => self.rename(path, text),
            Save::Executable => self.executable(path),
            Save::Link => self.link(path, text),
            Save::FolderToFile => self.folder_to_file(path, text),
            Save::RenameFolder => self.rename_folder(),
        }
    }

    /// Makes the folders above a path, and takes what is no file out of its way.
    fn make_way(&mut self, path: &Path) -> io::Result<()> {
        for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            if State::at(&self.on_disk(folder)).is_some() {
                self.delete(folder)?;
            }
        }
        let full = self.on_disk(path);
        fs::create_dir_all(full.parent().unwrap())?;
        match fs::symlink_metadata(&full) {
            Ok(facts) if facts.is_dir() => {
                self.look_below(path);
                // Whatever comes of it in a race: what goes now, the editor took.
                self.seen.retain(|known, _| !known.starts_with(path));
                fs::remove_dir_all(&full)
            }
            Ok(facts) if facts.is_symlink() => self.delete(path),
            _ => Ok(()),
        }
    }

    /// What was written to an open file lies at the path, unless somebody put another file there meanwhile.
    fn wrote(&mut self, path: &Path, file: &mut File) -> io::Result<()> {
        let state = State::of(file)?;
        let ours = file.metadata()?.ino();
        let there = fs::symlink_metadata(self.on_disk(path)).map(|facts| facts.ino());
        let lies = match there {
            Ok(there) if there == ours => Some(state),
            _ => State::at(&self.on_disk(path)),
        };
        match lies {
            Some(state) => self.seen.insert(path.to_path_buf(), state),
            None => self.seen.remove(path),
        };
        Ok(())
    }

    fn in_place(&mut self, path: &Path, text: &mut Text<'_>, truncates: bool) -> io::Result<()> {
        self.make_way(path)?;
        self.look_at(path);
        let bytes = text.edited(path, &fs::read(self.on_disk(path)).unwrap_or_default());
        let mut options = File::options();
        let mut file =
            options.read(true).write(true).create(true).truncate(truncates).open(self.on_disk(path))?;
        if truncates {
            thread::sleep(Duration::from_millis(text.chance.next(8)));
        }
        file.write_all(&bytes)?;
        file.set_len(bytes.len() as u64)?;
        self.wrote(path, &mut file)
    }

    /// As some tools copy: other bytes, as many, and the time of before.
    fn keeping_time(&mut self, path: &Path, text: &mut Text<'_>) -> io::Result<()> {
        self.make_way(path)?;
        self.look_at(path);
        if !self.seen.contains_key(path) {
            return Ok(());
        }
        let mut file = File::options().read(true).write(true).open(self.on_disk(path))?;
        let time = file.metadata()?.modified()?;
        let bytes = text.as_long(&fs::read(self.on_disk(path))?);
        file.write_all(&bytes)?;
        file.set_modified(time)?;
        self.wrote(path, &mut file)
    }

    fn rename_over(&mut self, path: &Path, text: &mut Text<'_>) -> io::Result<()> {
        self.make_way(path)?;
        let bytes = text.edited(path, &fs::read(self.on_disk(path)).unwrap_or_default());
        let beside = path.with_extension(format!("{}~", text.stamp));
        let mut file = File::options().read(true).write(true).create_new(true).open(self.on_disk(&beside))?;
        file.write_all(&bytes)?;
        self.wrote(&beside, &mut file)?;
        self.look_at(path);
        self.move_file(&beside, path)
    }

    fn move_file(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.on_disk(from), self.on_disk(to))?;
        match self.seen.remove(from) {
            Some(state) => self.seen.insert(to.to_path_buf(), state),
            None => self.seen.remove(to),
        };
        Ok(())
    }

    fn append(&mut self, path: &Path, text: &mut Text<'_>) -> io::Result<()> {
        self.make_way(path)?;
        self.look_at(path);
        let mut file = File::options().read(true).append(true).create(true).open(self.on_disk(path))?;
        file.write_all(format!("// added {:08}\n", text.stamp).as_bytes())?;
        self.wrote(path, &mut file)
    }

    fn delete(&mut self, path: &Path) -> io::Result<()> {
        self.look_at(path);
        fs::remove_file(self.on_disk(path))?;
        self.seen.remove(path);
        Ok(())
    }

    fn rename(&mut self, from: &Path, text: &mut Text<'_>) -> io::Result<()> {
        let to = path(text.chance);
        if to.starts_with(from) || from.starts_with(&to) || State::at(&self.on_disk(from)).is_none() {
            return Ok(());
        }
        self.make_way(&to)?;
        self.look_at(from);
        self.look_at(&to);
        self.move_file(from, &to)
    }

    fn executable(&mut self, path: &Path) -> io::Result<()> {
        self.look_at(path);
        let Some(before) = self.seen.get(path).copied().filter(|state| state.kind != Kind::Link) else {
            return Ok(());
        };
        let mode = if before.kind == Kind::Plain { 0o755 } else { 0o644 };
        fs::set_permissions(self.on_disk(path), Permissions::from_mode(mode))?;
        match State::at(&self.on_disk(path)) {
            Some(now) if now.hash == before.hash => drop(self.seen.insert(path.to_path_buf(), now)),
            _ => self.look_at(path),
        }
        Ok(())
    }

    fn link(&mut self, path: &Path, text: &mut Text<'_>) -> io::Result<()> {
        self.make_way(path)?;
        if State::at(&self.on_disk(path)).is_some() {
            self.delete(path)?;
        }
        symlink(format!("nowhere/{}", text.stamp), self.on_disk(path))?;
        if let Some(state) = State::at(&self.on_disk(path)) {
            self.seen.insert(path.to_path_buf(), state);
        }
        Ok(())
    }

    /// A file where a folder was, or a folder where a file was.
    fn folder_to_file(&mut self, path: &Path, text: &mut Text<'_>) -> io::Result<()> {
        let top = PathBuf::from(path.components().next().unwrap().as_os_str());
        match self.on_disk(&top).is_dir() {
            true => self.rename_over(&top, text),
            false => self.rename_over(&top.join("below.txt"), text),
        }
    }

    fn rename_folder(&mut self) -> io::Result<()> {
        let (mut from, mut to) = (Path::new("d"), Path::new("moved"));
        if !self.on_disk(from).is_dir() {
            (from, to) = (to, from);
        }
        if !self.on_disk(from).is_dir() || fs::symlink_metadata(self.on_disk(to)).is_ok() {
            return Ok(());
        }
        self.look_below(from);
        fs::rename(self.on_disk(from), self.on_disk(to))?;
        let moved = |path: PathBuf| match path.strip_prefix(from) {
            Ok(below) => to.join(below),
            Err(_) => path,
        };
        self.seen =
            std::mem::take(&mut self.seen).into_iter().map(|(path, state)| (moved(path), state)).collect();
        Ok(())
    }
}
