//! From a word on the command line to a version: which project, which frontier, which path.

use std::path::{Component, Path, PathBuf};

use cairn_crdt::Frontier;
use cairn_crdt::id::WaypointId;
use cairn_crdt::path::RepoPath;
use cairn_protocol::replica::Candidate;
use cairn_protocol::{DeviceKey, LogEntry};

use super::{Here, Place, Site};
use crate::clock;
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::{Ref, Uri, when};
use crate::worktree::Stand;

/// The branch that a worktree follows unless told otherwise.
pub const DEFAULT_BRANCH: &str = "main";
/// How many meanings of an ambiguous ref are listed.
const CANDIDATES_TOLD: usize = 20;

/// What a URI stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The project.
    pub place: Place,
    /// The version.
    pub frontier: Frontier,
    /// The branch, if the URI names one and nothing else.
    pub branch: Option<String>,
    /// The waypoint that set the mark, if the URI names one and nothing else.
    pub mark: Option<WaypointId>,
    /// A file or folder in it.
    pub path: Option<RepoPath>,
    /// How many refs were named.
    pub refs: usize,
}

impl Version {
    /// Finds what `text` stands for; where one stands when there is none.
    pub fn find(owner: &mut Owner, here: &Here, text: Option<&str>) -> Result<Self, NodeError> {
        let text = text.unwrap_or_default();
        let uri = Uri::parse(text)?;
        if let Some(repo) = &uri.repo {
            let unknown = || NodeError::NotFound { what: "repo", name: repo.clone() };
            let repo = owner.config().repo(repo).ok_or_else(unknown)?;
            let place = Place::find(owner, repo, uri.project.as_deref())?;
            let frontier = place.branch(owner, DEFAULT_BRANCH)?;
            let stand = Stand { frontier, branch: DEFAULT_BRANCH.to_owned() };
            return Self::of(owner, place, &Ground { stand, local: None }, &uri);
        }
        let site = Site::open(owner, here)?;
        Self::in_site(owner, &site, text)
    }

    /// Finds what `text`, which names no repo, stands for in a worktree.
    pub fn in_site(owner: &mut Owner, site: &Site, text: &str) -> Result<Self, NodeError> {
        let mut uri = Uri::parse(text)?;
        let place = match &uri.project {
            Some(project) => Place::find(owner, site.place.repo, Some(project))?,
            None => site.place,
        };
        let stand = if place == site.place {
            site.stand()
        } else {
            let frontier = place.branch(owner, DEFAULT_BRANCH)?;
            Stand { frontier, branch: DEFAULT_BRANCH.to_owned() }
        };
        let ground = Ground { stand, local: Some(site.local_key(owner).key()) };
        if uri.path.is_some() && uri.project.is_none() {
            let words = text.split(['?', '#']).next().unwrap_or_default();
            match site.path(words) {
                Ok(path) => uri.path = path,
                Err(error) if uri.refs.is_empty() => {
                    return Self::bare(owner, place, &ground, text).map_err(|_| error);
                }
                Err(error) => return Err(error),
            }
            if uri.refs.is_empty() && !is_shown(owner, place, &ground.stand.frontier, uri.path.as_ref())? {
                // A leading `?` may be left out where no file has that name.
                let path = text.to_owned();
                return Self::bare(owner, place, &ground, text).map_err(|error| match error {
                    NodeError::NotFound { .. } => {
                        NodeError::NotFound { what: "file, branch, mark or waypoint", name: path }
                    }
                    error => error,
                });
            }
        }
        Self::of(owner, place, &ground, &uri)
    }

    fn bare(owner: &mut Owner, place: Place, ground: &Ground, text: &str) -> Result<Self, NodeError> {
        let uri = Uri::parse(&format!("?{text}"))?;
        Self::of(owner, place, ground, &uri)
    }

    fn of(owner: &mut Owner, place: Place, ground: &Ground, uri: &Uri) -> Result<Self, NodeError> {
        if uri.query.is_some() {
            return Err(NodeError::Usage(
                "questions about structure (`#…`) are not answered by this verb".to_owned(),
            ));
        }
        let path = uri.path.clone();
        let (frontier, refs) = (ground.stand.frontier.clone(), uri.refs.len());
        let mut version = Self { place, frontier, branch: None, mark: None, path, refs };
        let mut named = Vec::new();
        for reference in &uri.refs {
            let (what, frontier) = one(owner, place, ground, reference)?;
            (version.branch, version.mark) = match what {
                Some(Candidate::Branch(name)) => (Some(name), None),
                Some(Candidate::Mark(_, set)) => (None, Some(set)),
                _ => (None, None),
            };
            named.push(frontier);
        }
        if !named.is_empty() {
            version.frontier = place.blend(owner, &named)?;
        }
        if named.len() > 1 {
            (version.branch, version.mark) = (None, None);
        }
        Ok(version)
    }
}

/// Where references are read from.
struct Ground {
    stand: Stand,
    /// The key under which local waypoints are kept there.
    local: Option<DeviceKey>,
}

/// What one ref stands for, and which label it is, if it is one and nothing more.
///
/// A name that is there wins over a time. What is narrowed (`main,3d`, `main,"skip list"`) is a version of
/// that branch or of that past; without a name before it, of where one stands.
fn one(
    owner: &Owner,
    place: Place,
    ground: &Ground,
    reference: &Ref,
) -> Result<(Option<Candidate>, Frontier), NodeError> {
    let (Ref { name, at }, stand) = (reference, &ground.stand);
    let here = (None, stand.frontier.clone());
    let found = match (place.reference(owner, name), at) {
        (Err(NodeError::NotFound { .. }), _) if name == "head" => here,
        (Err(NodeError::NotFound { .. }), at) if name == "local" => {
            return local(owner, place, ground, at.as_deref()).map(|frontier| (None, frontier));
        }
        (Err(NodeError::NotFound { .. }), None) if moment(name).is_some() || quoted(name).is_some() => {
            return narrowed(owner, place, stand, here, name).map(|frontier| (None, frontier));
        }
        (Ok((Candidate::Waypoint(waypoint), _)), None) if moment(name).is_some() => {
            let candidates = vec![format!("waypoint ?{waypoint}"), format!("time ?head,{name}")];
            return Err(NodeError::Ambiguous { name: format!("?{name}"), candidates });
        }
        (found, _) => {
            let (what, frontier) = found?;
            (Some(what), frontier)
        }
    };
    match at {
        None => Ok(found),
        Some(at) => narrowed(owner, place, stand, found, at).map(|frontier| (None, frontier)),
    }
}

/// What a version was at a time, or where in its past somebody said these words.
fn narrowed(
    owner: &Owner,
    place: Place,
    stand: &Stand,
    (label, frontier): (Option<Candidate>, Frontier),
    at: &str,
) -> Result<Frontier, NodeError> {
    let replica = owner.replica(place.repo)?;
    let branch = if let Some(Candidate::Branch(name)) = &label { name } else { &stand.branch };
    if let Some(wall_ms) = moment(at) {
        let none =
            || NodeError::NotFound { what: "state", name: format!("{branch} at {}", when::spell(wall_ms)) };
        return replica.as_of(place.project, &frontier, branch, wall_ms).ok_or_else(none);
    }
    let words = quoted(at).unwrap_or(at);
    only(words, replica.saying(place.project, &frontier, words))
}

/// The newest local waypoint that was written here on the branch stood on; as of a time, or the one that says these words.
fn local(owner: &Owner, place: Place, ground: &Ground, at: Option<&str>) -> Result<Frontier, NodeError> {
    let mut locals = owner.replica(place.repo)?.locals(place.project, ground.local.as_ref());
    locals.retain(|entry| entry.branch.as_ref() == Some(&ground.stand.branch));
    let version = |entry: &LogEntry| Frontier::from_iter([entry.id]);
    let until_ms = match at.map(|at| (at, moment(at))) {
        Some((_, Some(wall_ms))) => wall_ms,
        None => u64::MAX,
        Some((words, None)) => {
            let words = quoted(words).unwrap_or(words);
            let says = |entry: LogEntry| {
                let message = entry
                    .message
                    .clone()
                    .filter(|text| text.to_lowercase().contains(&words.to_lowercase()))?;
                Some((Candidate::Waypoint(entry.id), version(&entry), message))
            };
            return only(words, locals.into_iter().filter_map(says).collect());
        }
    };
    let name = || match at {
        Some(at) => format!("local waypoint as of {at}, on {}", ground.stand.branch),
        None => format!("local waypoint, on {}", ground.stand.branch),
    };
    let newest = locals.iter().find(|entry| entry.stamp.wall_ms <= until_ms);
    newest.map(version).ok_or_else(|| NodeError::NotFound { what: "state", name: name() })
}

/// The one of several that is meant, if it is only one.
fn only(words: &str, mut said: Vec<(Candidate, Frontier, String)>) -> Result<Frontier, NodeError> {
    match said.len() {
        0 => Err(NodeError::NotFound { what: "mark or message with the words", name: words.to_owned() }),
        1 => Ok(said.remove(0).1),
        more => {
            let line = |message: &str| message.lines().next().unwrap_or_default().to_owned();
            let told = |(what, _, message): &(Candidate, Frontier, String)| match what {
                Candidate::Mark(name, _) => format!("mark ?{name} ({})", line(message)),
                Candidate::Waypoint(waypoint) => {
                    format!("waypoint ?{} ({})", waypoint.short(), line(message))
                }
                Candidate::Branch(name) => format!("branch ?{name}"),
            };
            let mut candidates: Vec<String> = said.iter().take(CANDIDATES_TOLD).map(told).collect();
            if more > CANDIDATES_TOLD {
                candidates.push(format!("{} more", more - CANDIDATES_TOLD));
            }
            Err(NodeError::Ambiguous { name: format!("words {words:?}"), candidates })
        }
    }
}

fn moment(text: &str) -> Option<u64> {
    when::moment(text, clock::now_ms())
}

/// What stands between quotation marks.
fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"').filter(|words| !words.is_empty())
}

fn is_shown(
    owner: &mut Owner,
    place: Place,
    stand: &Frontier,
    path: Option<&RepoPath>,
) -> Result<bool, NodeError> {
    let Some(path) = path else { return Ok(true) };
    let view = place.view(owner, stand)?;
    Ok(view.files.contains_key(path) || view.dirs.contains(path))
}

/// The path in the project that a word means: from the folder one is in, or, with a leading
/// `/`, from the top of the project. `None` is the project itself.
pub(super) fn path_of(root: &Path, dir: &Path, word: &str) -> Result<Option<RepoPath>, NodeError> {
    let full = if Path::new(word).starts_with(root) {
        PathBuf::from(word)
    } else if let Some(below) = word.strip_prefix('/') {
        root.join(below.trim_start_matches('/'))
    } else {
        dir.join(word)
    };
    let full = normal(&full);
    let below = full.strip_prefix(root);
    let below = below
        .map_err(|_| NodeError::Usage(format!("{word} lies outside of the worktree {}", root.display())))?;
    if below.as_os_str().is_empty() {
        return Ok(None);
    }
    RepoPath::new(below.as_os_str().as_encoded_bytes())
        .map(Some)
        .map_err(|error| NodeError::Refused(format!("the path {word}: {error}")))
}

/// Resolves `.` and `..` by the letters alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(word: &str) -> Option<String> {
        path_of(Path::new("/w"), Path::new("/w/src"), word)
            .ok()
            .map(|path| path.map_or(String::new(), |p| p.to_string()))
    }

    #[test]
    fn words_mean_paths_from_where_one_is() {
        assert_eq!(path("a.rs").as_deref(), Some("src/a.rs"));
        assert_eq!(path("../a.rs").as_deref(), Some("a.rs"));
        assert_eq!(path("/a.rs").as_deref(), Some("a.rs"));
        assert_eq!(path("/w/src/a.rs").as_deref(), Some("src/a.rs"));
        assert_eq!(path("..").as_deref(), Some(""));
        assert_eq!(path(".").as_deref(), Some("src"));
    }

    #[test]
    fn b1_words_lead_nowhere_else() {
        for word in ["../../etc", "../../../x", "/../x", ".cairn/link.json", "/.CAIRN/x", "a\\b"] {
            assert_eq!(path(word), None, "{word}");
        }
    }
}
