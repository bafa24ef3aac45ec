//! `join`: enters a repo by an invitation, and makes a folder its worktree.

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::RepoId;
use cairn_protocol::Wanted;
use serde::{Deserialize, Serialize};

use super::identity::{Handover, Missed};
use super::invite::Invitation;
use crate::error::NodeError;
use crate::identity;
use crate::net::peer_name;
use crate::owner::Owner;
use crate::progress::Load;
use crate::uri::Uri;
use crate::verbs::site::Target;
use crate::verbs::site::load::announce_new;
use crate::verbs::{DEFAULT_BRANCH, Here, Network, Place, Site};
use crate::worktree::Link;
use crate::worktree::link::digits;

/// What `join` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The link from `invite`.
    pub invite: String,
    /// Peers to ask before those that the link names, as multiaddresses.
    pub peers: Vec<String>,
    /// Whether large files are left out until somebody asks for them.
    #[serde(default)]
    pub lazy: bool,
}

/// What `join` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The repo.
    pub repo: String,
    /// The project, `@owner/name`.
    pub project: String,
    /// The feed that this device will write there.
    pub feed: String,
    /// The branch that the worktree follows.
    pub branch: String,
    /// The version that it stands on.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
    /// How many files were written.
    pub files: u64,
    /// How many were left out, since nobody asked for them or their bytes were not to be had.
    #[serde(default)]
    pub absent: u64,
    /// What was to be fetched.
    #[serde(default, skip_serializing_if = "Load::is_empty")]
    pub fetch: Load,
    /// How many peers were asked and hold the same: a device that is new here has seen nothing itself
    /// by which it could tell an old state from the newest.
    pub agreed: u64,
    /// The folder, where the link named several projects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// What came beside it by the link of a device: one entry a project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Answer>,
    /// The repos of such a link that could not be brought; the same command tries again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<Missed>,
}

/// Signs a delegation from the one-time key to the device key, fetches, and checks out.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    if let Some(handover) = Handover::read(&args.invite)? {
        return handover.enter(owner, &args.here, (&args.peers, args.lazy), network);
    }
    let uri = Uri::parse(&args.invite)?;
    let wanted = invited(owner, &args.here, &uri)?;
    enter(owner, &args.here, &Door { uri: &uri, peers: &args.peers, wanted, lazy: args.lazy }, network)
}

/// The repo that an invitation is to, and the rights that this device signs itself from it.
pub(super) fn invited(owner: &Owner, here: &Here, uri: &Uri) -> Result<Wanted, NodeError> {
    let bad = || NodeError::Usage("this is no invitation: it has no repo, project or key".to_owned());
    let repo = uri.repo.as_deref().and_then(RepoId::from_hex).ok_or_else(bad)?;
    let (project, invite) = (uri.project.clone().ok_or_else(bad)?, uri.invite.as_deref().ok_or_else(bad)?);
    let invitation =
        bytes_of_hex(invite).and_then(|bytes| Invitation::from_bytes(&bytes).ok()).ok_or_else(bad)?;
    let acting = here.keypair(owner.home())?.key();
    let device = identity::device(owner.home())?.key();
    let mut grants = invitation.accept(acting)?;
    if acting != device && owner.replica(repo).is_err() {
        // Peers know this node by the home's own key: that one has to be let in too.
        grants.extend(invitation.accept(device)?);
    }
    Ok(Wanted { repo, projects: vec![project], grants })
}

/// What is needed to enter a repo.
pub(super) struct Door<'a> {
    /// The link.
    pub(super) uri: &'a Uri,
    /// Peers that were named beside it.
    pub(super) peers: &'a [String],
    /// The repo, and the rights to it.
    pub(super) wanted: Wanted,
    /// Whether large files are left out.
    pub(super) lazy: bool,
}

/// Gets a repo, or what is new in it, and makes a folder its worktree.
pub(super) fn enter(
    owner: &mut Owner,
    here: &Here,
    door: &Door<'_>,
    network: &mut dyn Network,
) -> Result<Answer, NodeError> {
    if Link::load(&here.dir)?.is_some() {
        return Err(NodeError::Refused(format!("{} is a worktree already", here.dir.display())));
    }
    let agreed = bring(owner, door, network)?;
    let place = Place::find(owner, door.wanted.repo, door.uri.project.as_deref())?;
    let branch = door.uri.refs.first().map_or(DEFAULT_BRANCH, |reference| &reference.name);
    let answer = settle(owner, here, place, (branch, door.lazy), network)?;
    Ok(Answer { agreed: agreed as u64, ..answer })
}

/// Gets a repo, or what is new in it; how many peers hold the same.
pub(super) fn bring(
    owner: &mut Owner,
    door: &Door<'_>,
    network: &mut dyn Network,
) -> Result<usize, NodeError> {
    let repo = door.wanted.repo;
    let own = format!("/p2p/{}", peer_name(identity::device(owner.home())?.key())?);
    let linked = door.uri.peers.iter().filter(|peer| !peer.ends_with(&own));
    let peers: Vec<String> = door.peers.iter().chain(linked).cloned().collect();
    let mut agreed = 0;
    if owner.replica(repo).is_err() {
        agreed = network.join(owner, door.wanted.clone(), &peers)?.peers.len();
        if peers.len() > 1 {
            // The first that answered gave the repo; what the others know is newer, or the same.
            agreed = network.sync(owner, repo, &peers)?.peers.len().max(agreed);
        }
    } else {
        if !door.wanted.grants.is_empty() {
            owner.grant(repo, door.wanted.grants.clone())?;
        }
        if !peers.is_empty() {
            agreed = network.sync(owner, repo, &peers)?.peers.len();
        }
    }
    Ok(agreed)
}

/// Makes a folder the worktree of a project, on a branch, with or without large files.
pub(super) fn settle(
    owner: &mut Owner,
    here: &Here,
    place: Place,
    (branch, lazy): (&str, bool),
    network: &mut dyn Network,
) -> Result<Answer, NodeError> {
    let (branch, target) = match place.branch(owner, branch)? {
        tips if tips.is_empty() && branch != DEFAULT_BRANCH => {
            (DEFAULT_BRANCH, place.reference(owner, branch)?.1)
        }
        tips => (branch, tips),
    };
    let to = place.view(owner, &target)?;
    let fetch = match lazy {
        true => Load::default(),
        false => announce_new(owner, network, place, &to, &here.dir)?,
    };
    let mut site = Site::create(owner, here, place, branch)?;
    site.worktree.link.lazy = lazy;
    let moved = site.move_to(owner, network, Target::merging(target))?;
    Ok(Answer {
        repo: place.repo.to_string(),
        project: place.name(owner)?,
        feed: site.feed(owner).to_string(),
        branch: branch.to_owned(),
        frontier: digits(site.frontier()),
        root: site.view(owner)?.root.to_string(),
        files: moved.written,
        absent: site.worktree.link.absent.len() as u64,
        fetch,
        ..Answer::default()
    })
}

pub(super) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
