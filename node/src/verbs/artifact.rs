//! `artifact`: large contents, named by hash: added, fetched, listed, verified, compared, and traced through runs.

mod about;
mod append;
mod check;
mod compare;
mod inside;
pub(crate) mod policy;
mod prove;
pub(crate) mod quota;
mod tail;
mod versions;

pub mod gc;
pub mod range;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cairn_crdt::id::ArtifactId;
use cairn_crdt::path::RepoPath;
use cairn_crdt::{FileBody, Frontier};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::net::Haul;
use crate::owner::Owner;
use crate::runs::RUNS_BRANCH;
use crate::runs::lineage::Way;
use crate::uri::path_text;
use crate::verbs::{Here, Imported, Network, Site};

pub use about::{Shown, Traced};
pub use append::Appended;
pub use check::Verified;
pub use compare::Compared;
pub(in crate::verbs) use compare::shared;
pub use policy::{Missing, Pinned, Policy, Setting, Supplied};
pub use prove::Proven;
pub use quota::{Limit, Quota};
pub use tail::{Part, Tailed};
pub use versions::Aliased;
use versions::Named;

/// What `artifact` is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// What to do.
    pub action: Action,
}

/// Where the names of artifacts are kept: a branch on which each version of a name is a file.
///
/// So names travel, merge and are kept like everything else, and need no format of their own.
pub const NAMES_BRANCH: &str = "artifacts";

/// A hash needs so many digits to be taken for one.
const PREFIX_DIGITS_MIN: usize = 6;

/// Artifacts by name.
type Names = BTreeMap<RepoPath, (ArtifactId, u64)>;

/// What to do with artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Takes a file into the store.
    Add {
        /// The file; an absolute path.
        file: PathBuf,
        /// What to call it; the file's name when left out.
        name: Option<String>,
    },
    /// Makes a version of a name that has more bytes at its end.
    Append {
        /// The name.
        name: String,
        /// What is appended: a file; an absolute path.
        file: PathBuf,
        /// The version that must be the newest one, if it must be a certain one.
        on: Option<String>,
    },
    /// Writes what has come to a name since it was last asked about to a file.
    Tail {
        /// The name.
        name: String,
        /// What was written before, as it was answered then; empty at first.
        seen: Vec<String>,
        /// The file; an absolute path.
        out: PathBuf,
        /// Whether peers are asked first.
        sync: bool,
        /// How many bytes may come a second; any number for zero.
        #[serde(default)]
        bytes_per_s: u64,
    },
    /// Writes an artifact to a file, after fetching it if it is not here.
    Get {
        /// A name or a hash.
        artifact: String,
        /// The file to write; an absolute path.
        out: PathBuf,
        /// The part of it that is wanted: where it begins and ends, in bytes. All when left out.
        #[serde(default)]
        range: Option<(u64, u64)>,
        /// How many bytes may come a second; any number for zero.
        #[serde(default)]
        bytes_per_s: u64,
    },
    /// Fetches an artifact and keeps it, without writing a file.
    Fetch {
        /// A name or a hash.
        artifact: String,
        /// How many bytes may come a second; any number for zero.
        #[serde(default)]
        bytes_per_s: u64,
    },
    /// Lists the artifacts of the project, or the versions of one name.
    Ls {
        /// The name; all artifacts when left out.
        #[serde(default)]
        name: Option<String>,
        /// Which; all when left out.
        filter: Option<String>,
    },
    /// Lets another word mean a version of a name.
    Alias {
        /// The name.
        name: String,
        /// The word.
        alias: String,
        /// The version; none takes the word away.
        version: Option<String>,
    },
    /// Tells what is known of one.
    Show {
        /// A name or a hash.
        artifact: String,
    },
    /// Says how much of one another has, how what they say of themselves differs, and how the runs that made them do.
    Diff {
        /// The one: a name or a hash.
        then: String,
        /// The other.
        now: String,
    },
    /// Says where something came from and what became of it, as the runs tell it.
    Lineage {
        /// An artifact, a file of a run, or a run.
        what: String,
        /// Which way to look.
        way: Way,
        /// Through how many runs, one after the other; any number when left out.
        #[serde(default)]
        hops: Option<usize>,
    },
    /// Writes the chain of runs that led to one into a file that is checked without the repo.
    Prove {
        /// An output of a run by its path, a name or a hash.
        artifact: String,
        /// The file to write; an absolute path.
        out: PathBuf,
    },
    /// Says or sets which bytes come by themselves.
    Policy {
        /// To what it is set; it stays as it is when left out.
        set: Option<Setting>,
        /// Whether the home is meant, and not the project.
        home: bool,
    },
    /// Has one come by itself, and stay.
    Pin {
        /// A name or a hash.
        artifact: String,
        /// Whether it is let go of instead.
        remove: bool,
    },
    /// Says or sets how many bytes those of the home may take.
    Quota {
        /// To what it is set; it stays as it is when left out.
        set: Option<Limit>,
    },
    /// Takes away what nothing needs, in all repos of the home.
    Gc {
        /// Whether it only says what would go.
        dry_run: bool,
    },
    /// Checks the bytes held of one, or of all.
    Verify {
        /// A name or a hash; all when left out.
        artifact: Option<String>,
        /// Whether what is damaged or missing is fetched again.
        #[serde(default)]
        repair: bool,
    },
}

/// What `artifact` answers, by action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `add`.
    Added(Added),
    /// To `append`.
    Appended(Appended),
    /// To `get`.
    Got(Got),
    /// To `fetch`.
    Fetched(range::Fetched),
    /// To `ls`.
    Listed(Listed),
    /// To `alias`.
    Aliased(Aliased),
    /// To `tail`.
    Tailed(Tailed),
    /// To `policy`.
    Policy(Policy),
    /// To `pin`.
    Pinned(Pinned),
    /// To `quota`.
    Quota(Quota),
    /// To `gc`.
    Collected(gc::Collected),
    /// To `verify`.
    Verified(Verified),
    /// To `show`.
    Shown(Shown),
    /// To `diff`.
    Compared(Compared),
    /// To `lineage`.
    Traced(Traced),
    /// To `prove`.
    Proven(Proven),
}

/// What `artifact add` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Added {
    /// Its hash.
    pub artifact: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many bytes this call added to the store.
    pub stored_bytes: u64,
}

/// What `artifact get` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Got {
    /// Its hash.
    pub artifact: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Where it was written.
    pub path: String,
    /// Whether it came over the network.
    pub fetched: bool,
    /// How many bytes of content did.
    pub moved_bytes: u64,
}

/// What `artifact ls` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// One entry an artifact.
    pub artifacts: Vec<Item>,
}

/// One artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its hash.
    pub artifact: String,
    /// What it is called.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether all its bytes are here.
    pub held: bool,
    /// Which version of the name it is; `null` where the name comes from a file or a run.
    #[serde(default)]
    pub version: Option<u64>,
    /// Other words for that version.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// Adds, gets, lists or verifies.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    match &args.action {
        Action::Add { file, name } => add(owner, &site, network, file, name.as_deref()).map(Answer::Added),
        Action::Append { name, file, on } => {
            append::append(owner, &site, network, (name, on.as_deref()), file).map(Answer::Appended)
        }
        Action::Tail { name, seen, out, sync, bytes_per_s } => {
            if *sync {
                network.sync(owner, site.place.repo, &[])?;
            }
            tail::tail(owner, &site, network, (name, seen), out, *bytes_per_s).map(Answer::Tailed)
        }
        Action::Get { artifact, out, range: None, bytes_per_s } => {
            get(owner, &site, network, artifact, out, *bytes_per_s).map(Answer::Got)
        }
        Action::Get { artifact, out, range: Some((from, to)), bytes_per_s } => {
            range::get(owner, &site, network, artifact, (*from..*to, out), *bytes_per_s).map(Answer::Got)
        }
        Action::Fetch { artifact, bytes_per_s } => {
            range::fetch(owner, &site, network, artifact, *bytes_per_s).map(Answer::Fetched)
        }
        Action::Policy { set, home } => policy::policy(owner, &site, *set, *home).map(Answer::Policy),
        Action::Pin { artifact, remove } => policy::pin(owner, &site, artifact, *remove).map(Answer::Pinned),
        Action::Quota { set } => quota::run(owner, network, *set).map(Answer::Quota),
        Action::Gc { dry_run } => gc::run(owner, network, *dry_run).map(Answer::Collected),
        Action::Verify { artifact, repair } => {
            check::verify(owner, &site, network, artifact.as_deref(), *repair).map(Answer::Verified)
        }
        Action::Ls { name, filter } => {
            list(owner, &site, network, name.as_deref(), filter.as_deref()).map(Answer::Listed)
        }
        Action::Alias { name, alias, version } => {
            versions::alias(owner, &site, (name, alias), version.as_deref()).map(Answer::Aliased)
        }
        Action::Show { artifact } => about::show(owner, &site, network, artifact).map(Answer::Shown),
        Action::Diff { then, now } => compare::diff(owner, &site, network, (then, now)).map(Answer::Compared),
        Action::Prove { artifact, out } => prove::prove(owner, &site, artifact, out).map(Answer::Proven),
        Action::Lineage { what, way, hops } => {
            about::lineage(owner, &site, network, what, (*way, *hops)).map(Answer::Traced)
        }
    }
}

fn add(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    file: &Path,
    name: Option<&str>,
) -> Result<Added, NodeError> {
    let own_name = file.file_name().unwrap_or_default();
    let bytes = name.map_or(own_name.as_encoded_bytes(), str::as_bytes);
    let path = versions::check_name(bytes)?;
    let imported = network.import_artifact(owner, site.place.repo, file, &path.name().to_string())?;
    version(owner, site, &path, imported, (None, None))?;
    let Imported { artifact, bytes, stored_bytes } = imported;
    Ok(Added { artifact: artifact.to_string(), bytes, stored_bytes })
}

/// Writes down what was taken in as the next version of a name, unless it is the newest one already; its number.
fn version(
    owner: &mut Owner,
    site: &Site,
    name: &RepoPath,
    imported: Imported,
    from: versions::From,
) -> Result<u64, NodeError> {
    let named = Named::of(owner, site)?;
    let known = named.0.get(name).cloned().unwrap_or_default();
    let Imported { artifact, bytes, .. } = imported;
    let mut number = known.list.len() as u64;
    if known.latest().is_none_or(|latest| latest.artifact != artifact) {
        versions::write(owner, site, name, &known.next(artifact, bytes, from))?;
        number += 1;
    }
    Ok(number)
}

fn get(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    word: &str,
    out: &Path,
    bytes_per_s: u64,
) -> Result<Got, NodeError> {
    let artifact = find(owner, site, word)?;
    let repo = site.place.repo;
    let haul = Haul { part: None, bytes_per_s };
    let mut moved_bytes = network.haul_artifact(owner, repo, artifact, &haul)?.bytes;
    let bytes = match network.export_artifact(owner, repo, artifact, out) {
        Err(NodeError::Damaged(_)) => {
            moved_bytes += range::mend(owner, site, network, artifact, bytes_per_s)?;
            network.export_artifact(owner, repo, artifact, out)?
        }
        written => written?,
    };
    let (path, fetched) = (out.display().to_string(), moved_bytes > 0);
    Ok(Got { artifact: artifact.to_string(), bytes, path, fetched, moved_bytes })
}

fn list(
    owner: &mut Owner,
    site: &Site,
    network: &mut dyn Network,
    name: Option<&str>,
    filter: Option<&str>,
) -> Result<Listed, NodeError> {
    let mut listed = Vec::new();
    let item = |name: &RepoPath, (artifact, bytes): (ArtifactId, u64)| {
        let told = Item { artifact: artifact.to_string(), name: path_text(name), bytes, ..Item::default() };
        (artifact, told)
    };
    let named = Named::of(owner, site)?;
    if let Some(name) = name {
        let (name, versions) = named.versions(name)?;
        for (at, version) in versions.list.iter().enumerate() {
            let (artifact, told) = item(&name, (version.artifact, version.bytes));
            let aliases = versions.aliases_of(artifact);
            listed.push((artifact, Item { version: Some(at as u64 + 1), aliases, ..told }));
        }
    } else {
        let mut items: BTreeMap<_, _> = of_files(owner, site)?
            .into_iter()
            .map(|(path, known)| (path.clone(), item(&path, known)))
            .collect();
        for (name, versions, latest) in named.latest() {
            let (artifact, told) = item(name, (latest.artifact, latest.bytes));
            let (aliases, version) = (versions.aliases_of(artifact), versions.list.len() as u64);
            items.insert(name.clone(), (artifact, Item { version: Some(version), aliases, ..told }));
        }
        listed.extend(items.into_values());
    }
    let mut artifacts = Vec::with_capacity(listed.len());
    for (artifact, told) in listed {
        let held = network.holds_artifact(owner, site.place.repo, artifact)?;
        artifacts.push(Item { held, ..told });
    }
    if let Some(filter) = filter {
        artifacts = about::meant(owner, site, artifacts, filter)?;
    }
    Ok(Listed { artifacts })
}

/// The artifacts of a project: those with a name, by each of its versions, those of runs, and the large files that the
/// worktree stands on.
fn names(owner: &mut Owner, site: &Site) -> Result<Names, NodeError> {
    let (mut names, named) = (of_files(owner, site)?, Named::of(owner, site)?);
    names.extend(named.latest().map(|(name, _, latest)| (name.clone(), (latest.artifact, latest.bytes))));
    names.extend(named.numbered());
    Ok(names)
}

/// Those of runs, and the large files that the worktree stands on.
fn of_files(owner: &mut Owner, site: &Site) -> Result<Names, NodeError> {
    let mut names = Names::new();
    let of_runs = site.place.branch(owner, RUNS_BRANCH)?;
    for frontier in [site.frontier().clone(), of_runs] {
        names.extend(artifacts_of(owner, site, &frontier)?);
    }
    Ok(names)
}

fn artifacts_of(owner: &mut Owner, site: &Site, frontier: &Frontier) -> Result<Names, NodeError> {
    let view = site.place.view(owner, frontier)?;
    let artifact = |(path, file): (&RepoPath, &cairn_crdt::File)| match file.body {
        FileBody::Artifact { artifact, bytes } => Some((path.clone(), (artifact, bytes))),
        _ => None,
    };
    Ok(view.files.iter().filter_map(artifact).collect())
}

/// The artifact with this name, perhaps of a certain version, or whose hash begins like this.
pub(in crate::verbs) fn find(owner: &mut Owner, site: &Site, word: &str) -> Result<ArtifactId, NodeError> {
    if let Some(artifact) = ArtifactId::from_hex(word) {
        return Ok(artifact);
    }
    if word.contains(versions::AT)
        && let Some(artifact) = Named::of(owner, site)?.find(word)
    {
        return Ok(artifact);
    }
    let names = names(owner, site)?;
    let named = RepoPath::new(word.as_bytes()).ok().and_then(|path| names.get(&path));
    if let Some((artifact, _)) = named {
        return Ok(*artifact);
    }
    let begins =
        |artifact: &ArtifactId| word.len() >= PREFIX_DIGITS_MIN && artifact.to_string().starts_with(word);
    let found: BTreeSet<_> = names.values().map(|(artifact, _)| *artifact).filter(begins).collect();
    match found.iter().collect::<Vec<_>>().as_slice() {
        [] => Err(NodeError::NotFound { what: "artifact", name: word.to_owned() }),
        [one] => Ok(**one),
        many => {
            let candidates = many.iter().map(|artifact| artifact.to_string()).collect();
            Err(NodeError::Ambiguous { name: word.to_owned(), candidates })
        }
    }
}
