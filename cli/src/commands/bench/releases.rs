//! Releases of packages, and real edits: the files that two successive ones have in common.
//!
//! A release is a folder `NAME-1.2.3`, as cargo unpacks them, or `1.2.3` in a folder of its package.

use super::dice::Dice;
use crate::desk::Desk;
use cairn_node::measure::Files;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// How deep folders are searched for releases.
const SEARCH_DEPTH_MAX: usize = 4;
/// How deep a release's own folders are searched for files.
const RELEASE_DEPTH_MAX: usize = 16;
/// The most bytes of a file.
pub(super) const FILE_BYTES_MAX: u64 = 200_000;

/// The ends of file names that are looked at; those of one language have one name.
const LANGUAGES: [(&str, &[&str]); 22] = [
    ("rust", &["rs"]),
    ("python", &["py", "pyi"]),
    ("javascript", &["js", "mjs", "cjs", "jsx"]),
    ("typescript", &["ts", "mts", "cts"]),
    ("tsx", &["tsx"]),
    ("go", &["go"]),
    ("java", &["java"]),
    ("c", &["c", "h"]),
    ("cpp", &["cc", "cpp", "cxx", "hh", "hpp", "hxx"]),
    ("csharp", &["cs"]),
    ("ruby", &["rb"]),
    ("php", &["php"]),
    ("bash", &["sh", "bash"]),
    ("html", &["html", "htm"]),
    ("css", &["css"]),
    ("json", &["json"]),
    ("yaml", &["yml", "yaml"]),
    ("toml", &["toml"]),
    ("markdown", &["md", "markdown"]),
    ("scss", &["scss", "less"]),
    ("rst", &["rst"]),
    ("text", &["txt", "cfg", "ini"]),
];

/// Folders and files that hold what a program wrote.
const MADE: [&str; 12] = [
    "node_modules",
    "dist",
    "build",
    "umd",
    "esm",
    "cjs",
    "bundles",
    "locale",
    "locales",
    "Cargo.lock",
    "package-lock.json",
    "Cargo.toml",
];

/// One file in two successive releases.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// What it is written in.
    pub(super) language: &'static str,
    /// The older release's file.
    pub(super) old: PathBuf,
    /// The newer release's.
    pub(super) new: PathBuf,
}

/// Releases of one package, by version.
type Releases = BTreeMap<Vec<u64>, PathBuf>;

/// Releases of the package of which there are most below some folders, from the old to the new, with their versions.
pub(super) fn longest(folders: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let mut packages = BTreeMap::new();
    folders.iter().for_each(|folder| search(folder, SEARCH_DEPTH_MAX, &mut packages));
    let longest = packages.into_values().max_by_key(BTreeMap::len).unwrap_or_default();
    let word = |version: Vec<u64>| version.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    longest.into_iter().map(|(version, path)| (word(version), path)).collect()
}

/// The folders that were named, or where cargo unpacks what it downloads.
pub(super) fn folders(named: &[PathBuf], desk: &Desk) -> Vec<PathBuf> {
    if !named.is_empty() {
        return named.iter().map(|dir| desk.path(dir)).collect();
    }
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
    cargo.map(|cargo| cargo.join("registry/src")).into_iter().collect()
}

/// Every file of a release, by its path; links are left out.
pub(super) fn files(release: &Path) -> std::io::Result<Files> {
    let (mut all, mut open) = (Files::new(), vec![release.to_owned()]);
    while let Some(folder) = open.pop() {
        for (_, path) in entries(&folder).into_iter().filter(|(_, path)| !path.is_symlink()) {
            if path.is_dir() {
                open.push(path);
            } else if let Ok(within) = path.strip_prefix(release) {
                all.insert(within.as_os_str().as_encoded_bytes().to_vec(), fs::read(&path)?);
            }
        }
    }
    Ok(all)
}

/// All pairs below some folders, languages and packages taking turns.
pub(super) fn pairs(folders: &[PathBuf], dice: &mut Dice) -> Vec<Pair> {
    let mut packages = BTreeMap::new();
    folders.iter().for_each(|folder| search(folder, SEARCH_DEPTH_MAX, &mut packages));
    let mut languages: BTreeMap<&str, VecDeque<VecDeque<Pair>>> = BTreeMap::new();
    for releases in packages.values() {
        for (language, mut found) in of_package(releases) {
            dice.shuffle(&mut found);
            languages.entry(language).or_default().push_back(found.into());
        }
    }
    languages.values_mut().for_each(|packages| dice.shuffle(packages.make_contiguous()));
    in_turns(languages.into_values().map(in_turns).collect()).into()
}

/// One of each list, again and again.
fn in_turns<T>(mut lists: VecDeque<VecDeque<T>>) -> VecDeque<T> {
    let mut all = VecDeque::new();
    while let Some(mut list) = lists.pop_front() {
        if let Some(first) = list.pop_front() {
            all.push_back(first);
            lists.push_back(list);
        }
    }
    all
}

/// Finds releases below a folder, by package.
fn search(folder: &Path, depth: usize, packages: &mut BTreeMap<PathBuf, Releases>) {
    for (name, path) in folders_in(folder) {
        match release(&name) {
            Some((package, version)) => {
                packages.entry(folder.join(package)).or_default().insert(version, path);
            }
            None if depth > 0 => search(&path, depth - 1, packages),
            None => {}
        }
    }
}

fn folders_in(folder: &Path) -> Vec<(String, PathBuf)> {
    entries(folder).into_iter().filter(|(_, path)| path.is_dir() && !path.is_symlink()).collect()
}

/// What stands in a folder, in order; names that are no UTF-8 are left out.
pub(super) fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

/// The package and the version that a folder's name tells; releases before a release are left out.
fn release(name: &str) -> Option<(&str, Vec<u64>)> {
    let (package, version) = match name.starts_with(|letter: char| letter.is_ascii_digit()) {
        true => ("", name),
        false => name.rsplit_once('-')?,
    };
    let version = version.split('+').next().unwrap_or_default();
    let numbers: Option<Vec<u64>> = version.split('.').map(|number| number.parse().ok()).collect();
    numbers.filter(|numbers| numbers.len() > 1).map(|numbers| (package, numbers))
}

/// The pairs of one package, by language.
fn of_package(releases: &Releases) -> BTreeMap<&'static str, Vec<Pair>> {
    let mut pairs: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (old, new) in releases.values().zip(releases.values().skip(1)) {
        let mut files = Vec::new();
        files_in(old, RELEASE_DEPTH_MAX, &mut files);
        for (language, file) in files {
            let Ok(within) = file.strip_prefix(old) else { continue };
            let newer = new.join(within);
            if is_fit(&newer) {
                pairs.entry(language).or_default().push(Pair { language, old: file, new: newer });
            }
        }
    }
    pairs
}

fn files_in(folder: &Path, depth: usize, files: &mut Vec<(&'static str, PathBuf)>) {
    for (name, path) in entries(folder) {
        if MADE.contains(&name.as_str()) || name.contains(".min.") || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                files_in(&path, depth - 1, files);
            }
        } else if let Some(language) = language(&name)
            && is_fit(&path)
        {
            files.push((language, path));
        }
    }
}

fn is_fit(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && (40..FILE_BYTES_MAX).contains(&file.len()))
}

fn language(name: &str) -> Option<&'static str> {
    let end = name.rsplit_once('.')?.1.to_ascii_lowercase();
    LANGUAGES.iter().find(|(_, ends)| ends.contains(&end.as_str())).map(|(language, _)| *language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_by_their_folders() {
        assert_eq!(release("serde-1.0.9"), Some(("serde", vec![1, 0, 9])));
        assert_eq!(release("1.10.0"), Some(("", vec![1, 10, 0])));
        assert_eq!(release("a-b-0.2.1+c-9"), None);
        assert_eq!(release("zstd-sys-2.0.1+zstd.1.5.2"), Some(("zstd-sys", vec![2, 0, 1])));
        assert_eq!((release("src"), release("a-1.0.0-rc.1"), release("x-2024")), (None, None, None));
    }

    #[test]
    fn successive_releases_are_paired_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["p-1.9.0", "p-1.10.0", "p-1.2.0", "q-1.0.0"] {
            let src = folder.path().join(version).join("src");
            fs::create_dir_all(&src).unwrap();
            fs::write(src.join("a.rs"), "x".repeat(50)).unwrap();
        }
        let pairs = pairs(&[folder.path().to_owned()], &mut Dice::new(1));
        let mut olds: Vec<_> =
            pairs.iter().map(|pair| pair.old.strip_prefix(folder.path()).unwrap().to_owned()).collect();
        olds.sort();
        assert_eq!(olds, [Path::new("p-1.2.0/src/a.rs"), Path::new("p-1.9.0/src/a.rs")]);
        assert!(pairs.iter().all(|pair| pair.language == "rust"));
    }
}
