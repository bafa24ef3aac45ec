//! Versions of a name, and aliases of versions, as the branch of names shows them.
//!
//! A version is a file of its own, `@versions/NAME/ORDER-HASH`, and so is an alias, `@aliases/NAME/ALIAS`. Two who add a
//! version at once write two files, so both stay. ORDER is the number that whoever added it gave it, one more than all that
//! were known there. Numbers are counted in the order of (ORDER, HASH): the same on every node, and without a clock. Where
//! two gave the same number, the later one in that order, and those after it, move up. The file of a version that was
//! appended says by hash what to, and which other version it has taken up: `ORDER-HASH+BASE+JOINED`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cairn_crdt::id::ArtifactId;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{File, FileBody, FileEdit};
use cairn_protocol::Labels;
use serde::{Deserialize, Serialize};

use super::{NAMES_BRANCH, Names};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::path_text;
use crate::verbs::Site;

/// The folder of the versions.
const VERSIONS: &str = "@versions";
/// The folder of the aliases.
const ALIASES: &str = "@aliases";
/// What stands between a name and a version of it.
pub(super) const AT: char = '@';
/// The newest version of any name.
const LATEST: &str = "latest";
/// Digits of an order, so that files lie in that order.
const ORDER_DIGITS: usize = 10;
/// The largest order.
const ORDER_MAX: u64 = 9_999_999_999;

/// One version of a name. They compare in the order in which they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    /// What number it was given when it was added; 0 for what was named before there were versions.
    pub(super) order: u64,
    /// What it is.
    pub(super) artifact: ArtifactId,
    /// The version that it was appended to.
    pub(super) base: Option<ArtifactId>,
    /// The version beside that one whose own bytes it adds to it, and nothing else.
    pub(super) joined: Option<ArtifactId>,
    /// How many bytes it has.
    pub(super) bytes: u64,
}

impl Version {
    /// What it was made of.
    fn from(&self) -> impl Iterator<Item = ArtifactId> + use<> {
        self.base.into_iter().chain(self.joined)
    }
}

/// What a version was appended to, and which other one it takes up.
pub(super) type From = (Option<ArtifactId>, Option<ArtifactId>);

/// All versions and aliases of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Versions {
    /// The versions, in order; the first one is number 1.
    pub(super) list: Vec<Version>,
    /// Which artifact an alias means.
    pub(super) aliases: BTreeMap<String, ArtifactId>,
}

impl Versions {
    /// The newest.
    pub(super) fn latest(&self) -> Option<&Version> {
        self.list.last()
    }

    /// The number of an artifact; the last one, where it came several times.
    pub(super) fn number(&self, artifact: ArtifactId) -> Option<u64> {
        let at = self.list.iter().rposition(|version| version.artifact == artifact)?;
        Some(at as u64 + 1)
    }

    /// The version that a word means: `v3`, `latest`, an alias.
    pub(super) fn find(&self, word: &str) -> Option<&Version> {
        if word == LATEST {
            return self.latest();
        }
        match number_of(word) {
            Some(number) => self.list.get(usize::try_from(number).ok()?.checked_sub(1)?),
            None => {
                let artifact = *self.aliases.get(word)?;
                self.list.iter().rfind(|version| version.artifact == artifact)
            }
        }
    }

    /// The aliases of an artifact.
    pub(super) fn aliases_of(&self, artifact: ArtifactId) -> Vec<String> {
        let meant = self.aliases.iter().filter(|(_, known)| **known == artifact);
        meant.map(|(alias, _)| alias.clone()).collect()
    }

    /// A version that comes after all that are known.
    pub(super) fn next(&self, artifact: ArtifactId, bytes: u64, from: From) -> Version {
        let known = self.latest().map_or(0, |latest| latest.order.max(self.list.len() as u64));
        let (base, joined) = from;
        Version { order: (known + 1).min(ORDER_MAX), artifact, base, joined, bytes }
    }

    /// A version by its hash.
    pub(super) fn version(&self, artifact: ArtifactId) -> Option<&Version> {
        self.list.iter().rfind(|version| version.artifact == artifact)
    }

    /// All whose bytes these versions have: themselves, what they were appended to, and so on.
    pub(super) fn within(&self, of: &[ArtifactId]) -> BTreeSet<ArtifactId> {
        let (mut within, mut open) = (BTreeSet::new(), of.to_vec());
        let known: BTreeMap<_, _> = self.list.iter().map(|version| (version.artifact, version)).collect();
        while let Some(artifact) = open.pop() {
            if within.insert(artifact) {
                open.extend(known.get(&artifact).into_iter().flat_map(|version| version.from()));
            }
        }
        within
    }

    /// The first version that was appended beside the newest one and is taken up by none, and how many bytes of it the newest one has.
    pub(super) fn beside(&self) -> Option<(&Version, u64)> {
        let latest = self.latest()?;
        let has = self.within(&[latest.artifact]);
        let used: BTreeSet<_> = self.list.iter().flat_map(Version::from).collect();
        let is_end =
            |version: &&Version| !has.contains(&version.artifact) && !used.contains(&version.artifact);
        self.list.iter().filter(is_end).find_map(|version| Some((version, self.common(version, &has)?)))
    }

    /// How many bytes a version has of others.
    pub(super) fn common(&self, version: &Version, others: &BTreeSet<ArtifactId>) -> Option<u64> {
        let mut at = version;
        // What claims to be its own base ends here as well.
        for _ in 0..self.list.len() {
            at = self.version(at.base?)?;
            if others.contains(&at.artifact) {
                return Some(at.bytes);
            }
        }
        None
    }
}

/// What each name of the project means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Named(pub(super) BTreeMap<RepoPath, Versions>);

impl Named {
    /// What the branch of names shows.
    pub(super) fn of(owner: &mut Owner, site: &Site) -> Result<Self, NodeError> {
        let frontier = site.place.branch(owner, NAMES_BRANCH)?;
        let view = site.place.view(owner, &frontier)?;
        Ok(Self::read(view.files.iter()))
    }

    /// The same of files. A file that is no name, version or alias is passed over.
    fn read<'a>(files: impl Iterator<Item = (&'a RepoPath, &'a File)>) -> Self {
        let mut named = Self::default();
        for (path, file) in files {
            let FileBody::Artifact { artifact, bytes } = file.body else { continue };
            match Place::parse(path) {
                Some(Place::Plain) => {
                    let version = Version { order: 0, artifact, base: None, joined: None, bytes };
                    named.0.entry(path.clone()).or_default().list.push(version);
                }
                // A version never changes: what has been given other bytes is none.
                Some(Place::Version { name, version }) if version.artifact == artifact => {
                    named.0.entry(name).or_default().list.push(Version { bytes, ..version });
                }
                Some(Place::Alias { name, alias }) => {
                    named.0.entry(name).or_default().aliases.insert(alias, artifact);
                }
                _ => {}
            }
        }
        named.0.values_mut().for_each(|versions| versions.list.sort());
        named.0.retain(|_, versions| !versions.list.is_empty());
        named
    }

    /// The versions of a name.
    pub(super) fn versions(&self, name: &str) -> Result<(RepoPath, &Versions), NodeError> {
        let absent = || NodeError::NotFound { what: "name of an artifact", name: name.to_owned() };
        let path = RepoPath::new(name.as_bytes()).map_err(|_| absent())?;
        let versions = self.0.get(&path).ok_or_else(absent)?;
        Ok((path, versions))
    }

    /// The newest version of each name.
    pub(super) fn latest(&self) -> impl Iterator<Item = (&RepoPath, &Versions, &Version)> {
        self.0.iter().filter_map(|(name, versions)| Some((name, versions, versions.latest()?)))
    }

    /// Every version by its number and its aliases: `model@v3`, `model@best`.
    pub(super) fn numbered(&self) -> Names {
        let mut names = Names::new();
        for (name, versions) in &self.0 {
            let mut tell = |word: &str, version: &Version| {
                let path = RepoPath::new(format!("{}{AT}{word}", path_text(name)).as_bytes());
                names.extend(path.ok().map(|path| (path, (version.artifact, version.bytes))));
            };
            for (at, version) in versions.list.iter().enumerate() {
                tell(&format!("v{}", at + 1), version);
            }
            for alias in versions.aliases.keys() {
                versions.find(alias).into_iter().for_each(|version| tell(alias, version));
            }
        }
        names
    }

    /// The version that `NAME@VERSION` means, if that name is there.
    pub(super) fn find(&self, word: &str) -> Option<ArtifactId> {
        let (name, version) = word.rsplit_once(AT)?;
        let (_, versions) = self.versions(name).ok()?;
        versions.find(version).map(|version| version.artifact)
    }
}

/// What a file on the branch of names is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A name with one meaning, as it was written before there were versions.
    Plain,
    /// A version.
    Version { name: RepoPath, version: Version },
    /// An alias.
    Alias { name: RepoPath, alias: String },
}

impl Place {
    /// Reads a path; `None` for what is nothing of it.
    fn parse(path: &RepoPath) -> Option<Self> {
        let text = std::str::from_utf8(path.as_bytes()).ok();
        let (folder, rest) = match text.and_then(|text| text.split_once('/')) {
            Some((folder @ (VERSIONS | ALIASES), rest)) => (folder, rest),
            _ => return Some(Self::Plain),
        };
        let (name, last) = rest.rsplit_once('/')?;
        let name = RepoPath::new(name.as_bytes()).ok()?;
        match folder {
            ALIASES => check_alias(last).ok().map(|()| Self::Alias { name, alias: last.to_owned() }),
            _ => version_of(last).map(|version| Self::Version { name, version }),
        }
    }
}

/// A version from the name of its file; how many bytes it has is not told there.
fn version_of(text: &str) -> Option<Version> {
    let (order, hashes) = text.split_once('-')?;
    let is_order = order.len() == ORDER_DIGITS && order.bytes().all(|byte| byte.is_ascii_digit());
    // A hash that is none makes the file no version.
    let hashes = hashes.split('+').map(ArtifactId::from_hex).collect::<Option<Vec<_>>>()?;
    let (artifact, base, joined) = match *hashes {
        [artifact] => (artifact, None, None),
        [artifact, base] => (artifact, Some(base), None),
        [artifact, base, joined] => (artifact, Some(base), Some(joined)),
        _ => return None,
    };
    is_order.then(|| order.parse().ok())?.map(|order| Version { order, artifact, base, joined, bytes: 0 })
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0ORDER_DIGITS$}-{}", self.order, self.artifact)?;
        self.from().try_for_each(|from| write!(f, "+{from}"))
    }
}

/// The number in `v3`.
fn number_of(word: &str) -> Option<u64> {
    let digits = word.strip_prefix('v')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// A name for a new artifact: an `@` would stand before a version.
pub(super) fn check_name(bytes: &[u8]) -> Result<RepoPath, NodeError> {
    if bytes.contains(&(AT as u8)) {
        let name = String::from_utf8_lossy(bytes);
        let why =
            format!("{name}: in the name of an artifact, {AT} stands before a version; give another --name");
        return Err(NodeError::Usage(why));
    }
    RepoPath::new(bytes).map_err(|error| NodeError::Refused(format!("the artifact's name: {error}")))
}

fn check_alias(word: &str) -> Result<(), NodeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_plain = word.bytes().all(plain) && word.bytes().any(|byte| byte.is_ascii_alphanumeric());
    if !is_plain || word.len() > 64 || word == LATEST || number_of(word).is_some() {
        return Err(NodeError::Usage(format!(
            "{word:?} is no alias: letters, digits, - _ and . make one, but neither {LATEST} nor v and a number"
        )));
    }
    Ok(())
}

fn path_in(folder: &str, name: &RepoPath, last: &str) -> Result<RepoPath, NodeError> {
    let path = [folder.as_bytes(), b"/", name.as_bytes(), b"/", last.as_bytes()].concat();
    RepoPath::new(&path).map_err(|error| NodeError::Refused(format!("the artifact's name: {error}")))
}

/// Writes down a version of a name.
pub(super) fn write(
    owner: &mut Owner,
    site: &Site,
    name: &RepoPath,
    version: &Version,
) -> Result<(), NodeError> {
    let path = path_in(VERSIONS, name, &version.to_string())?;
    let Version { artifact, bytes, .. } = *version;
    edit(owner, site, FileEdit::Artifact { path, artifact, bytes, executable: false }).map(drop)
}

fn edit(owner: &mut Owner, site: &Site, edit: FileEdit) -> Result<Option<String>, NodeError> {
    let base = site.place.branch(owner, NAMES_BRANCH)?;
    let draft = site.place.draft(owner, &base, &[edit])?;
    if draft.is_empty() {
        return Ok(None);
    }
    let labels = Labels { branch: Some(NAMES_BRANCH.to_owned()), ..Labels::default() };
    Ok(Some(site.write(owner, base, draft, labels)?.waypoint.to_string()))
}

/// What `artifact alias` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aliased {
    /// The name.
    pub name: String,
    /// The alias.
    pub alias: String,
    /// The version that it means; `null` where it was taken away.
    pub version: Option<u64>,
    /// The same by its hash.
    pub artifact: Option<String>,
    /// What was written; `null` where it was so already.
    pub waypoint: Option<String>,
}

/// Lets an alias mean a version, or takes it away where none is given.
pub(super) fn alias(
    owner: &mut Owner,
    site: &Site,
    (name, alias): (&str, &str),
    version: Option<&str>,
) -> Result<Aliased, NodeError> {
    check_alias(alias)?;
    let named = Named::of(owner, site)?;
    let (name, versions) = named.versions(name)?;
    let path = path_in(ALIASES, &name, alias)?;
    let told = path_text(&name);
    let Some(word) = version else {
        if !versions.aliases.contains_key(alias) {
            return Err(NodeError::NotFound { what: "alias", name: format!("{told}{AT}{alias}") });
        }
        let waypoint = edit(owner, site, FileEdit::Remove { path })?;
        return Ok(Aliased { name: told, alias: alias.to_owned(), waypoint, ..Aliased::default() });
    };
    let absent = || NodeError::NotFound { what: "version", name: format!("{told}{AT}{word}") };
    let Version { artifact, bytes, .. } = *versions.find(word).ok_or_else(absent)?;
    let number = versions.number(artifact);
    let waypoint = edit(owner, site, FileEdit::Artifact { path, artifact, bytes, executable: false })?;
    let artifact = Some(artifact.to_string());
    Ok(Aliased { name: told, alias: alias.to_owned(), version: number, artifact, waypoint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(artifact: u8) -> File {
        let body = FileBody::Artifact { artifact: ArtifactId([artifact; 32]), bytes: u64::from(artifact) };
        File { node: cairn_crdt::id::NodeId([0; 32]), executable: false, body }
    }

    fn version(order: u64, artifact: u8) -> Version {
        let bytes = u64::from(artifact);
        Version { order, artifact: ArtifactId([artifact; 32]), base: None, joined: None, bytes }
    }

    fn named(files: &[(String, u8)]) -> Named {
        let files: Vec<_> =
            files.iter().map(|(path, body)| (RepoPath::new(path.as_bytes()).unwrap(), file(*body))).collect();
        Named::read(files.iter().map(|(path, file)| (path, file)))
    }

    fn at(order: u64, artifact: u8) -> (String, u8) {
        (format!("{VERSIONS}/a/model/{}", version(order, artifact)), artifact)
    }

    #[test]
    fn versions_are_counted_by_number_and_then_by_hash() {
        let files = [at(1, 9), at(2, 7), at(2, 5), at(3, 1), (format!("{ALIASES}/a/model/best"), 7)];
        let named = named(&files);
        let (_, versions) = named.versions("a/model").unwrap();
        let order: Vec<u8> = versions.list.iter().map(|version| version.artifact.0[0]).collect();
        assert_eq!(order, [9, 5, 7, 1]);
        assert_eq!(versions.next(ArtifactId([3; 32]), 3, (None, None)).order, 5, "after all that are known");
        let found = |word: &str| named.find(word).map(|artifact| artifact.0[0]);
        for (word, artifact) in [("v1", 9), ("v3", 7), ("v4", 1), ("latest", 1), ("best", 7)] {
            assert_eq!(found(&format!("a/model@{word}")), Some(artifact), "{word}");
        }
        for word in ["v0", "v5", "v", "v-1", "worst", "", "v99999999999999999999"] {
            assert_eq!(found(&format!("a/model@{word}")), None, "{word}");
        }
        assert!(named.numbered().contains_key(&RepoPath::new(b"a/model@best").unwrap()));
    }

    #[test]
    fn what_is_no_version_is_passed_over_and_what_was_named_before_comes_first() {
        let files = [
            ("model".to_owned(), 8),
            (format!("{VERSIONS}/model/{}", version(2, 3)), 3),
            // Given other bytes than it was named for.
            (format!("{VERSIONS}/model/{}", version(3, 4)), 5),
            (format!("{VERSIONS}/model/3-{}", ArtifactId([6; 32])), 6),
            (format!("{VERSIONS}/model/0000000004-77"), 7),
            (format!("{ALIASES}/model/v9"), 3),
            (format!("{ALIASES}/other/best"), 3),
        ];
        let named = named(&files);
        let (_, versions) = named.versions("model").unwrap();
        assert_eq!(versions.list, [version(0, 8), version(2, 3)]);
        assert!(versions.aliases.is_empty() && named.0.len() == 1);
    }

    #[test]
    fn the_file_of_a_version_says_what_it_was_appended_to() {
        let appended = Version { base: Some(ArtifactId([2; 32])), bytes: 0, ..version(7, 1) };
        let joining = Version { joined: Some(ArtifactId([3; 32])), ..appended };
        for version in [appended, joining] {
            assert_eq!(version_of(&version.to_string()), Some(version));
        }
        assert_eq!(version_of(&format!("{joining}+")), None);
        for bad in ["", "-", "0000000001-", "00000000x1-", "0000000001"] {
            assert_eq!(version_of(&format!("{bad}{}", &appended.to_string()[11..40])), None, "{bad}");
        }
    }

    #[test]
    fn what_was_appended_beside_the_newest_is_found_with_what_is_its_own() {
        let on = |order, artifact, base| Version {
            base: Some(ArtifactId([base; 32])),
            ..version(order, artifact)
        };
        // 10 <- 20 <- 30, and beside it 10 <- 25 <- 40; 50 is nobody's.
        let list =
            vec![version(1, 50), version(2, 10), on(3, 20, 10), on(3, 25, 10), on(4, 30, 20), on(5, 40, 25)];
        let mut versions = Versions { list, ..Versions::default() };
        let (beside, common) = versions.beside().unwrap();
        assert_eq!((beside.artifact.0[0], common), (30, 10));
        let joined = Version { joined: Some(ArtifactId([30; 32])), ..on(6, 60, 40) };
        versions.list.push(joined);
        assert_eq!(versions.beside(), None);
        // What is its own base, or goes round, has an end.
        versions.list = vec![on(1, 10, 20), on(2, 20, 10), version(3, 30)];
        assert_eq!(versions.beside(), None);
        assert_eq!(versions.within(&[ArtifactId([10; 32])]).len(), 2);
    }

    #[test]
    fn names_and_aliases_that_would_be_mistaken_are_refused() {
        assert!(check_name(b"a/model").is_ok() && check_name(b"a@v1").is_err() && check_name(b"..").is_err());
        assert!(check_alias("best-1.0").is_ok());
        for bad in ["latest", "v3", "", "a/b", "a@b", "..", "-", &"x".repeat(65)] {
            assert!(check_alias(bad).is_err(), "{bad}");
        }
    }
}
