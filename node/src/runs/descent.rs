//! Descent: which runs read, wrote and ran what, asked without a look at every record.
//!
//! Beside the store lies a file that says so of the runs that the branch shows (`shelved`); those that a worktree keeps for itself are
//! added in memory. It only says where to look: each record is read, and compared with its name, before anything of it is told.

use std::collections::{BTreeMap, BTreeSet};

use cairn_crdt::Contents;
use cairn_crdt::id::{ArtifactId, ContentHash};

use super::begun;
use super::book::{LAST, PREFIX_DIGITS_MIN, Run};
use super::lineage::{Kind, Name, label};
use super::record::{ID_DIGITS, Item, Record, RunId};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::Site;

mod shelved;

use shelved::Shelved;
pub(crate) use shelved::grown;

/// The most things that one word means.
const MEANT_COUNT_MAX: usize = 256;

/// Keys in order, with what they lead to.
type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a key is about: its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum About {
    /// A run's name, to the hash of its record.
    Run = b'r',
    /// When a run began, and the run.
    Begun = b't',
    /// What a run is called, and the run.
    Called = b'n',
    /// A content, and a run that wrote it.
    Made = b'w',
    /// A content, and a run that read it.
    Read = b'd',
    /// The root of a code, and a run of it.
    Code = b'c',
    /// An artifact, and the content that it has.
    Artifact = b'a',
    /// A path, and a content that a run has there.
    Path = b'p',
    /// A number of bytes, and a content of so many.
    Size = b's',
}

impl About {
    fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        [&[self as u8][..], &parts.concat()].concat()
    }
}

/// Runs are told in the order in which they began.
fn order(run: &Run) -> Vec<u8> {
    [&run.record.started_ms.to_be_bytes()[..], run.id.as_str().as_bytes()].concat()
}

/// The run that a key ends with.
fn run_in(key: &[u8]) -> Option<RunId> {
    RunId::parse(std::str::from_utf8(key.get(key.len().checked_sub(ID_DIGITS)?..)?).ok()?)
}

/// A word of any length.
fn word_key(word: &str) -> [u8; 32] {
    ContentHash::of(word.as_bytes()).0
}

/// Everything that is said of one run, whose record has this hash.
fn keys_of(run: &Run, content: ContentHash) -> Keys {
    let (order, record) = (order(run), &run.record);
    let mut keys = Keys::new();
    let mut say = |about: About, parts: &[&[u8]]| drop(keys.insert(about.key(parts), Vec::new()));
    say(About::Begun, &[&order]);
    say(About::Called, &[&word_key(&label(record)), &order]);
    if let Some(root) = ContentHash::from_hex(&record.code.root) {
        say(About::Code, &[&root.0, &order]);
    }
    for (about, items) in [(About::Read, &record.inputs), (About::Made, &record.outputs)] {
        for item in items {
            let Some(content) = ContentHash::from_hex(&item.content) else { continue };
            say(about, &[&content.0, &order]);
            say(About::Path, &[&word_key(&item.path), &content.0]);
            say(About::Size, &[&item.bytes.to_be_bytes(), &content.0]);
            if let Some(artifact) = item.artifact.as_deref().and_then(ArtifactId::from_hex) {
                say(About::Artifact, &[&artifact.0, &content.0]);
            }
        }
    }
    keys.insert(About::Run.key(&[run.id.as_str().as_bytes()]), content.0.to_vec());
    keys
}

/// Which runs read, wrote and ran what.
#[derive(Default)]
pub struct Descent {
    shelved: Option<Shelved>,
    /// What is not shelved.
    keys: Keys,
    /// The runs that the worktree keeps for itself.
    local: BTreeMap<RunId, Run>,
}

impl Descent {
    /// That of the runs of a project, and of those that the worktree keeps for itself.
    pub fn of_site(owner: &mut Owner, site: &Site) -> Result<Self, NodeError> {
        let (shelved, keys) = shelved::of(owner, site.place)?;
        let mut descent = Self { shelved, keys, local: BTreeMap::new() };
        for id in begun::kept(site.root())? {
            let bytes = begun::kept_bytes(site.root(), &id, ".json")?;
            if let Ok(record) = Record::named(&id, &bytes) {
                descent.add(Run { id, record, local: true, tags: Vec::new() }, ContentHash::of(&bytes));
            }
        }
        Ok(descent)
    }

    /// Adds a run that lies nowhere but here. What the branch has as well stays shared.
    pub(super) fn add(&mut self, run: Run, content: ContentHash) {
        self.keys.extend(keys_of(&run, content));
        self.local.insert(run.id.clone(), run);
    }

    /// The keys that begin like this, in order, and what they lead to; at most so many.
    fn beginning(&self, prefix: &[u8], count_max: usize) -> Result<Keys, NodeError> {
        let mut found: Keys = match &self.shelved {
            Some(shelved) => shelved.beginning(prefix, count_max)?,
            None => Keys::new(),
        };
        let own = self.keys.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        found.extend(own.take(count_max).map(|(key, told)| (key.clone(), told.clone())));
        while found.len() > count_max {
            found.pop_last();
        }
        Ok(found)
    }

    /// A run, read and compared with its name.
    pub fn run(&self, contents: &dyn Contents, id: &RunId) -> Result<Option<Run>, NodeError> {
        let found = self.beginning(&About::Run.key(&[id.as_str().as_bytes()]), 1)?;
        let Some(content) = found.into_values().next().and_then(|told| told.try_into().ok()) else {
            return Ok(None);
        };
        if let Some(run) = self.local.get(id) {
            return Ok(Some(run.clone()));
        }
        let bytes = contents.get(ContentHash(content))?;
        let read = Record::named(id, &bytes).ok();
        Ok(read.map(|record| Run { id: id.clone(), record, local: false, tags: Vec::new() }))
    }

    /// The runs behind some keys, the first one first.
    fn runs(&self, about: About, parts: &[&[u8]], count_max: usize) -> Result<Vec<RunId>, NodeError> {
        let keys = self.beginning(&about.key(parts), count_max)?;
        Ok(keys.keys().filter_map(|key| run_in(key)).collect())
    }

    fn runs_of(&self, about: About, hash: &str, count_max: usize) -> Result<Vec<RunId>, NodeError> {
        ContentHash::from_hex(hash).map_or(Ok(Vec::new()), |hash| self.runs(about, &[&hash.0], count_max))
    }

    /// The runs that wrote a content, the first one first.
    pub fn makers(&self, content: &str, count_max: usize) -> Result<Vec<RunId>, NodeError> {
        self.runs_of(About::Made, content, count_max)
    }

    /// Those of them that began before another run, the last one first.
    pub fn makers_before(&self, content: &str, run: &Run) -> Result<Vec<RunId>, NodeError> {
        let Some(hash) = ContentHash::from_hex(content) else { return Ok(Vec::new()) };
        let prefix = About::Made.key(&[&hash.0]);
        let end = [prefix.clone(), order(run)].concat();
        let keys = self.beginning(&prefix, usize::MAX)?;
        Ok(keys.range(..end).rev().filter_map(|(key, _)| run_in(key)).collect())
    }

    /// Whether a run is kept in this worktree alone.
    pub fn is_local(&self, id: &RunId) -> bool {
        self.local.contains_key(id)
    }

    /// The runs that read a content.
    pub fn readers(&self, content: &str, count_max: usize) -> Result<Vec<RunId>, NodeError> {
        self.runs_of(About::Read, content, count_max)
    }

    /// The runs of a version of the code.
    pub fn runs_of_code(&self, root: &str, count_max: usize) -> Result<Vec<RunId>, NodeError> {
        self.runs_of(About::Code, root, count_max)
    }

    /// The contents that an artifact has, as the runs say.
    pub fn contents_of(&self, artifact: ArtifactId) -> Result<Vec<Name>, NodeError> {
        self.ends(About::Artifact, &[&artifact.0], Kind::Data)
    }

    /// Whether a run read or wrote anything of so many bytes.
    pub fn knows_size(&self, bytes: u64) -> Result<bool, NodeError> {
        Ok(!self.beginning(&About::Size.key(&[&bytes.to_be_bytes()]), 1)?.is_empty())
    }

    /// Whether a run read or wrote a content.
    pub fn knows(&self, content: &ContentHash) -> Result<bool, NodeError> {
        let any = |about: About| self.beginning(&about.key(&[&content.0]), 1);
        Ok(!any(About::Made)?.is_empty() || !any(About::Read)?.is_empty())
    }

    /// What stands behind some keys.
    fn ends(&self, about: About, parts: &[&[u8]], kind: Kind) -> Result<Vec<Name>, NodeError> {
        let keys = self.beginning(&about.key(parts), MEANT_COUNT_MAX)?;
        let end = |key: &Vec<u8>| {
            Some(Name::new(kind, &ContentHash(key.get(key.len().checked_sub(32)?..)?.try_into().ok()?)))
        };
        Ok(keys.keys().filter_map(end).collect())
    }

    /// What a word means: a run, a hash or an artifact by their first digits, or a path.
    pub fn find(&self, word: &str) -> Result<BTreeSet<Name>, NodeError> {
        let word = word.trim();
        let of = |runs: Vec<RunId>| runs.into_iter().map(|run| Name::run(&run)).collect::<BTreeSet<_>>();
        if word == LAST {
            return Ok(of(self.newest()?.into_iter().collect()));
        }
        let digits = Digits::of(word);
        let by_name = digits.as_ref().map_or(Ok(BTreeSet::new()), |_| self.by_digits(word).map(of))?;
        let runs = match by_name.is_empty() {
            true => of(self.runs(About::Called, &[&word_key(word)], MEANT_COUNT_MAX)?),
            false => by_name,
        };
        if runs.len() > 1 {
            let candidates = runs.iter().map(|run| format!("run {}", run.id)).collect();
            return Err(NodeError::Ambiguous { name: word.to_owned(), candidates });
        }
        if !runs.is_empty() {
            return Ok(runs);
        }
        let mut found: BTreeSet<Name> =
            self.ends(About::Path, &[&word_key(word)], Kind::Data)?.into_iter().collect();
        if let Some(digits) = digits {
            found.extend(self.hashes(&digits)?);
        }
        Ok(found)
    }

    /// The runs whose names begin like this; a link gives the whole hash.
    fn by_digits(&self, word: &str) -> Result<Vec<RunId>, NodeError> {
        let digits = word.get(..ID_DIGITS).unwrap_or(word);
        let keys = self.beginning(&About::Run.key(&[digits.as_bytes()]), MEANT_COUNT_MAX)?;
        Ok(keys.keys().filter_map(|key| run_in(key)).collect())
    }

    /// Contents, artifacts and code whose hashes begin like this.
    fn hashes(&self, digits: &Digits) -> Result<BTreeSet<Name>, NodeError> {
        let mut found = BTreeSet::new();
        for (about, kind, at) in [
            (About::Made, Kind::Data, 1),
            (About::Read, Kind::Data, 1),
            (About::Code, Kind::Code, 1),
            (About::Artifact, Kind::Data, 33),
        ] {
            for key in self.beginning(&about.key(&[&digits.whole]), MEANT_COUNT_MAX)?.keys() {
                let hash = key.get(at..at + 32).and_then(|hash| hash.try_into().ok());
                let is_it = key.get(1..33).is_some_and(|hash| digits.begin(hash));
                found.extend(hash.filter(|_| is_it).map(|hash| Name::new(kind, &ContentHash(hash))));
            }
        }
        Ok(found)
    }

    fn newest(&self) -> Result<Option<RunId>, NodeError> {
        let prefix = About::Begun.key(&[]);
        let own = self.keys.keys().rfind(|key| key.starts_with(&prefix)).cloned();
        let shelved = self.shelved.as_ref().map(|shelved| shelved.last(&prefix)).transpose()?.flatten();
        Ok(own.max(shelved).and_then(|key| run_in(&key)))
    }

    /// The outputs of runs that lie there, or whose hash begins like this, and that an artifact keeps.
    pub fn outputs(&self, contents: &dyn Contents, word: &str) -> Result<BTreeSet<ArtifactId>, NodeError> {
        let mut names: BTreeSet<Name> =
            self.ends(About::Path, &[&word_key(word)], Kind::Data)?.into_iter().collect();
        if let Some(digits) = Digits::of(word) {
            names.extend(self.hashes(&digits)?);
        }
        let mut found = BTreeSet::new();
        for name in names.iter().filter(|name| name.kind == Kind::Data) {
            for id in self.makers(&name.id, MEANT_COUNT_MAX)? {
                let Some(run) = self.run(contents, &id)? else { continue };
                let is_it = |item: &&Item| {
                    item.content == name.id && (item.path == word || item.content.starts_with(word))
                };
                let items = run.record.outputs.iter().filter(is_it);
                found.extend(items.filter_map(|item| ArtifactId::from_hex(item.artifact.as_ref()?)));
            }
        }
        Ok(found)
    }
}

/// The first digits of a hash.
struct Digits {
    whole: Vec<u8>,
    word: String,
}

impl Digits {
    /// Those that a word is, if it is any.
    fn of(word: &str) -> Option<Self> {
        let is_hash = (PREFIX_DIGITS_MIN..=64).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let nibble = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = word.as_bytes().chunks_exact(2);
        let whole = pairs.map(|pair| Some(nibble(*pair.first()?)? << 4 | nibble(*pair.last()?)?));
        is_hash.then(|| whole.collect()).flatten().map(|whole| Self { whole, word: word.to_owned() })
    }

    fn begin(&self, hash: &[u8]) -> bool {
        cairn_crdt::id::hex(hash).starts_with(&self.word)
    }
}

#[cfg(test)]
mod tests {
    use cairn_crdt::Kept;

    use super::*;
    use crate::runs::record::{Code, RECORD_LEVEL, hash};

    fn run(name: &str, started_ms: u64, output: &str) -> (Run, Vec<u8>) {
        let item =
            Item { path: format!("out/{output}"), content: hash(output.as_bytes()), ..Item::default() };
        let record = Record {
            level: RECORD_LEVEL,
            command: vec![name.to_owned()],
            started_ms,
            outputs: vec![item],
            code: Code { root: hash(b"code"), ..Code::default() },
            ..Record::default()
        };
        let bytes = record.bytes().unwrap();
        (Run { id: RunId::of(&bytes), record, local: false, tags: Vec::new() }, bytes)
    }

    fn descent(runs: &[(Run, Vec<u8>)]) -> (Descent, Kept) {
        let (mut descent, mut contents) = (Descent::default(), Kept::new());
        for (run, bytes) in runs {
            let content = ContentHash::of(bytes);
            descent.keys.extend(keys_of(run, content));
            contents.insert(content, bytes.as_slice().into());
        }
        (descent, contents)
    }

    #[test]
    fn words_mean_runs_paths_and_hashes_by_their_first_digits() {
        let runs = [run("one", 1, "a"), run("two", 2, "b"), run("three", 3, "b")];
        let (descent, contents) = descent(&runs);
        let found =
            |word: &str| descent.find(word).unwrap().into_iter().map(|name| name.id).collect::<Vec<_>>();
        let ids: Vec<&str> = runs.iter().map(|(run, _)| run.id.as_str()).collect();
        assert_eq!((found("last"), found("two")), (vec![ids[2].to_owned()], vec![ids[1].to_owned()]));
        for digits in 4..=ID_DIGITS {
            assert_eq!(found(&ids[0][..digits]), [ids[0]]);
        }
        let data = hash(b"b");
        for digits in 4..=64 {
            assert_eq!(found(&data[..digits]), [data.as_str()]);
        }
        assert_eq!(found("out/b"), [data.as_str()]);
        assert!(found("out").is_empty() && found("").is_empty() && found(&"0".repeat(64)).is_empty());
        let makers = descent.makers(&data, 9).unwrap();
        assert_eq!(makers.iter().map(RunId::as_str).collect::<Vec<_>>(), ids[1..]);
        let before = descent.makers_before(&data, &runs[2].0).unwrap();
        assert_eq!(before.iter().map(RunId::as_str).collect::<Vec<_>>(), [ids[1]]);
        assert_eq!(descent.run(&contents, &runs[1].0.id).unwrap().unwrap(), runs[1].0);
    }

    #[test]
    fn a_record_is_told_only_under_its_own_name() {
        let runs = [run("one", 1, "a"), run("two", 2, "b")];
        let (mut descent, contents) = descent(&runs);
        let other = ContentHash::of(&runs[1].1).0.to_vec();
        descent.keys.insert(About::Run.key(&[runs[0].0.id.as_str().as_bytes()]), other);
        assert_eq!(descent.run(&contents, &runs[0].0.id).unwrap(), None);
        assert!(descent.run(&contents, &runs[1].0.id).unwrap().is_some());
    }
}
