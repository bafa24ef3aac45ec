//! Files of a run: what patterns name, whether rules leave it alone or not, and what it holds.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use cairn_crdt::path::RepoPath;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::Problem;
use super::begun::Seen;
use super::record::Item;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Network;
use crate::verbs::Site;
use crate::verbs::site::Imports;
use crate::worktree::link::private_dir;
use crate::worktree::scan::Disk;

/// Patterns as in `.gitignore`, read from a folder of the worktree.
#[derive(Debug)]
pub struct Patterns {
    rules: Gitignore,
    folder: PathBuf,
}

impl Patterns {
    /// Patterns that are read from `folder`, which is relative to the worktree.
    ///
    /// # Errors
    /// Where one is no pattern, or leads out of the folder.
    pub fn new(folder: &str, patterns: &[String]) -> Result<Self, NodeError> {
        let folder = PathBuf::from(folder);
        let mut rules = GitignoreBuilder::new(&folder);
        for pattern in patterns {
            let leads_out = Path::new(pattern).is_absolute() || pattern.split('/').any(|part| part == "..");
            if leads_out || pattern.starts_with('!') || pattern.trim().is_empty() {
                return Err(NodeError::Usage(format!(
                    "{pattern:?} names nothing in this folder of the worktree"
                )));
            }
            let pattern = pattern.strip_prefix("./").unwrap_or(pattern).replace('#', "\\#");
            let bad = |error: ignore::Error| NodeError::Usage(format!("the pattern {pattern:?}: {error}"));
            rules.add_line(None, &pattern).map_err(bad)?;
        }
        let bad = |error: ignore::Error| NodeError::Usage(format!("the patterns: {error}"));
        Ok(Self { rules: rules.build().map_err(bad)?, folder })
    }

    /// Whether they name a file, or a folder that it lies in.
    pub fn name(&self, path: &RepoPath) -> bool {
        let path = on_disk(path);
        path.starts_with(&self.folder) && self.rules.matched_path_or_any_parents(&path, false).is_ignore()
    }
}

fn on_disk(path: &RepoPath) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(path.as_bytes()))
}

/// The files of a worktree that patterns name, in order; also those that rules leave alone. Links are not followed, and other worktrees are left out.
pub fn find(root: &Path, patterns: &Patterns) -> Result<Vec<RepoPath>, NodeError> {
    if patterns.rules.is_empty() {
        return Ok(Vec::new());
    }
    let top = root.to_owned();
    let mut walk = ignore::WalkBuilder::new(root.join(&patterns.folder));
    walk.standard_filters(false).follow_links(false);
    walk.filter_entry(move |entry| {
        let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
        let is_own = matches!(entry.file_name().to_str(), Some(".git" | cairn_crdt::path::PRIVATE_DIR));
        let is_other = entry.path() != top && private_dir(entry.path()).is_dir();
        !is_dir || !(is_own || is_other)
    });
    let mut found = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|error| NodeError::Refused(format!("what patterns name: {error}")))?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let below = entry.path().strip_prefix(root).ok().filter(|_| is_file);
        // What a project cannot hold has no name in a record either.
        let path = below.and_then(|below| RepoPath::new(below.as_os_str().as_encoded_bytes()).ok());
        found.extend(path.filter(|path| patterns.name(path)));
    }
    found.sort();
    Ok(found)
}

/// What a file holds now; `None` where no file stands.
pub fn look(site: &mut Site, path: &RepoPath) -> Result<Option<Item>, NodeError> {
    let Some(Disk::File { content, bytes, .. }) = site.worktree.look(path)? else { return Ok(None) };
    let path = text(path)?;
    Ok(Some(Item { bytes, content: content.to_string(), path, ..Item::default() }))
}

/// What a file holds, and when it was written: one that is still so after a run was not written by it.
pub fn seen(site: &mut Site, path: &RepoPath) -> Result<Option<Seen>, NodeError> {
    let Some(item) = look(site, path)? else { return Ok(None) };
    let modified = site.worktree.on_disk(path).symlink_metadata().and_then(|facts| facts.modified());
    let since = modified.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
    Ok(Some((item.content, nanos)))
}

/// A path as records write it.
pub fn text(path: &RepoPath) -> Result<String, NodeError> {
    let words = std::str::from_utf8(path.as_bytes());
    words.map(str::to_owned).map_err(|_| NodeError::Refused(format!("the name {path} is no UTF-8")))
}

/// How often a file that changes is taken in again.
const ATTEMPTS_MAX: usize = 3;

/// Takes a file into the artifact store; what it held then.
pub fn store(
    owner: &mut Owner,
    network: &mut dyn Network,
    site: &mut Site,
    path: &RepoPath,
) -> Result<Option<Item>, NodeError> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(before) = look(site, path)? else { return Ok(None) };
        let mut imports = Imports { owner, network, repo: site.place.repo };
        let Some((artifact, _)) = site.worktree.import(path, &mut imports)? else { return Ok(None) };
        if look(site, path)?.is_some_and(|after| after.content == before.content) {
            return Ok(Some(Item { artifact: Some(artifact.to_string()), ..before }));
        }
    }
    Err(Problem::Changing(path.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(folder: &str, patterns: &[&str], path: &str) -> bool {
        let patterns: Vec<_> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        Patterns::new(folder, &patterns).unwrap().name(&RepoPath::new(path.as_bytes()).unwrap())
    }

    #[test]
    fn patterns_name_files_as_rules_do() {
        assert!(named("", &["*.csv"], "data/a.csv") && named("", &["data/"], "data/deep/a.bin"));
        assert!(named("", &["data/*.csv"], "data/a.csv") && !named("", &["data/*.csv"], "x/data/a.csv"));
        assert!(named("sub", &["./out/*"], "sub/out/x") && !named("sub", &["*.csv"], "a.csv"));
        assert!(!named("sub", &["*.csv"], "subx/a.csv") && named("", &["#1"], "#1"));
        for bad in ["../x", "/etc/*", "!x", "a/../../b", "", "{"] {
            assert!(Patterns::new("", &[bad.to_owned()]).is_err() || bad == "{", "{bad}");
        }
    }

    #[test]
    fn what_is_ignored_is_found_and_links_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        [
            "data/a.csv",
            "data/.hidden.csv",
            ".gitignore",
            "other/.cairn/link.json",
            "other/b.csv",
            ".cairn/c.csv",
        ]
        .into_iter()
        .for_each(write);
        std::fs::write(dir.path().join(".gitignore"), "data\n").unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("etc.csv")).unwrap();
        let patterns = Patterns::new("", &["*.csv".to_owned()]).unwrap();
        let found: Vec<_> = find(dir.path(), &patterns).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["data/.hidden.csv", "data/a.csv"]);
    }
}
