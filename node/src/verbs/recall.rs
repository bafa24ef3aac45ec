//! Old versions whose bodies have faded here: fetched from a peer that still has them, or refused with the names of those
//! who had them last.

use std::collections::BTreeMap;
use std::fmt;

use cairn_crdt::id::ProjectId;
use cairn_crdt::{Absent, Frontier};
use cairn_protocol::replica::Forgotten;
use serde::{Deserialize, Serialize};

use crate::error::{NodeError, Range};
use crate::owner::Owner;
use crate::uri::when;
use crate::verbs::{Network, Place};
use crate::worktree::link::digits;

/// Digits of a hash that people read.
const DIGITS: usize = 12;

/// A version that needs what has faded here, and that nobody who answered still has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The version.
    pub version: Vec<String>,
    /// How many waypoints it needs that have faded here.
    pub waypoints: u64,
    /// The first of them.
    pub first: String,
    /// Who wrote them.
    pub authors: Vec<Author>,
    /// The peers that hold, or are said to hold, the feeds as far as they are needed.
    pub peers: Vec<Holder>,
    /// Why nobody could be asked, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<String>,
}

/// Who wrote waypoints that are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The device key.
    pub key: String,
    /// What its owner is called, where that is known.
    pub name: Option<String>,
    /// The feed.
    pub feed: String,
    /// The numbers of the first and the last waypoint that are needed.
    pub from: u64,
    /// See `from`.
    pub to: u64,
    /// When the last of them was written, in milliseconds since 1970.
    pub written_ms: u64,
}

/// A peer that may still have the bodies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its name on the network.
    pub peer: String,
    /// Its device key.
    pub key: String,
    /// When it was seen last, in milliseconds since 1970.
    pub seen_ms: u64,
    /// Whether it is connected now.
    pub connected: bool,
    /// Whether it claims to hold every feed as far as it is needed. One that is not connected claims nothing: it had
    /// exchanged this repo when it was seen.
    pub claims: bool,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version: Vec<&str> = self.version.iter().map(|id| short(id)).collect();
        let waypoints = if self.waypoints == 1 { "waypoint" } else { "waypoints" };
        write!(f, "version {} needs {} {waypoints} that faded here, ", version.join(" "), self.waypoints)?;
        write!(f, "the first is {}; ", short(&self.first))?;
        match &self.unreached {
            None => write!(f, "no peer that answered still has them")?,
            Some(why) => write!(f, "no peer could be asked ({why})")?,
        }
        for author in &self.authors {
            let name = author.name.as_deref().unwrap_or("somebody");
            let (key, Author { from, to, .. }) = (short(&author.key), author);
            write!(
                f,
                "; {name} (key {key}) wrote {from} to {to}, the last at {}",
                when::spell(author.written_ms)
            )?;
        }
        for peer in &self.peers {
            let how = if peer.claims { "claims to hold that much" } else { "exchanged this repo" };
            write!(f, "; peer {} {how}, seen {}", peer.peer, when::spell(peer.seen_ms))?;
        }
        if self.peers.is_empty() { write!(f, "; no peer is known that held them") } else { Ok(()) }
    }
}

fn short(hash: &str) -> &str {
    hash.get(..DIGITS).unwrap_or(hash)
}

/// Makes sure that everything which a version needs is here, or says who had it last. `stand` is a version that is whole here.
///
/// First the operations that are needed; then, where bytes are still missing that they name, all that has faded in the
/// version's past, since nobody can tell any more which waypoint brought those bytes.
pub(super) fn ensure(
    owner: &mut Owner,
    network: &mut dyn Network,
    place: Place,
    version: &Frontier,
    stand: &Frontier,
) -> Result<(), NodeError> {
    let mut unreached = None;
    for deep in [false, true] {
        if is_here(owner, place, version, stand)? {
            return Ok(());
        }
        let wanted = owner.replica(place.repo)?.forgotten(place.project, version, deep);
        if wanted.is_empty() {
            continue;
        }
        match network.recall(owner, place.repo, &ranges(place.project, &wanted)) {
            Ok(()) => {}
            Err(NodeError::Network(why)) => unreached = Some(why),
            Err(error) => return Err(error),
        }
        let left = owner.replica(place.repo)?.forgotten(place.project, version, deep);
        // Of the whole past not everything need come back: what the version names may be here already.
        let may_go_on = left.is_empty() || (deep && is_here(owner, place, version, stand)?);
        if !may_go_on {
            return Err(gone(owner, network, place, version, &left, unreached)?);
        }
    }
    // Nothing of it has faded: if it cannot be shown, the reason is another one, and whoever shows it says which.
    Ok(())
}

/// Whether a version can be shown with every byte of its files.
fn is_here(owner: &mut Owner, place: Place, version: &Frontier, stand: &Frontier) -> Result<bool, NodeError> {
    let faded = |error: &NodeError| {
        matches!(error, NodeError::Faded(_) | NodeError::Absent(Absent::Faded(_) | Absent::Missing(_)))
    };
    let view = match place.view(owner, version) {
        Ok(view) => view,
        Err(error) if faded(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    let documents = place.documents(owner)?;
    let epoch = |version: &Frontier| version.heads().first().and_then(|head| documents.epoch(head));
    if epoch(version) == epoch(stand)
        || owner.replica(place.repo)?.forgotten(place.project, version, true).is_empty()
    {
        // Bytes that operations name which are here stay as long as those.
        return Ok(true);
    }
    for path in place.by_disk(owner, &view, view.files.keys().collect())? {
        match place.bytes(owner, &view, path) {
            Ok(_) => {}
            Err(error) if faded(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Waypoints as runs of neighbours.
fn ranges(project: ProjectId, wanted: &[Forgotten]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for one in wanted {
        match ranges.last_mut() {
            Some(range) if range.feed == one.feed && range.first + range.count == one.place + 1 => {
                range.count += 1
            }
            _ => ranges.push(Range { project, feed: one.feed, first: one.place + 1, count: 1 }),
        }
    }
    ranges
}

fn gone(
    owner: &Owner,
    network: &dyn Network,
    place: Place,
    version: &Frontier,
    left: &[Forgotten],
    unreached: Option<String>,
) -> Result<NodeError, NodeError> {
    let replica = owner.replica(place.repo)?;
    let mut feeds: BTreeMap<_, Author> = BTreeMap::new();
    for one in left {
        let author = feeds.entry(one.feed).or_insert_with(|| Author {
            key: one.key.to_string(),
            name: replica.profile(place.project, one.key).map(|profile| profile.name),
            feed: one.feed.to_string(),
            from: one.place + 1,
            ..Author::default()
        });
        author.to = one.place + 1;
        author.written_ms = author.written_ms.max(one.stamp.wall_ms);
    }
    let mut peers = network.holders(place.repo);
    for peer in &mut peers {
        let holds = |(feed, author): (&_, &Author)| {
            let claims = owner.service().claims(place.repo, *feed);
            claims.iter().any(|(key, n)| *n >= author.to && key.to_string() == peer.key)
        };
        peer.claims = feeds.iter().all(holds);
    }
    Ok(NodeError::Gone(Box::new(Gone {
        version: digits(version),
        waypoints: left.len() as u64,
        first: left.first().map(|one| one.id.to_string()).unwrap_or_default(),
        authors: feeds.into_values().collect(),
        peers,
        unreached,
    })))
}
