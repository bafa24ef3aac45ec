//! `share`: one link to a run or a version, by which others get and reproduce it.

use cairn_crdt::encoding::Encoded;
use cairn_crdt::id::hex;
use cairn_protocol::grant::Role;
use serde::{Deserialize, Serialize};

use super::invite::{invitation, link};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::runs::Problem;
use crate::runs::book::{Book, Run, Shelf};
use crate::runs::record::hash;
use crate::uri::{Ref, Uri};
use crate::verbs::{Here, Network, Site, Version};
use crate::worktree::link as tie;

/// What `share` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// A run, or a version: `?mark`.
    pub what: String,
    /// Addresses that the link is to name beside those where this home is served.
    pub peers: Vec<String>,
    /// How long the right lasts that the link of a private repo carries; without end when left out.
    pub expires: Option<String>,
    /// How many devices may come by it; one when left out.
    pub uses: Option<u32>,
}

/// What `share` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The link: `cairn:…`.
    pub link: String,
    /// The run, if it is one.
    pub run: Option<String>,
    /// Whether it carries a right to read, since the repo is private.
    pub invites: bool,
}

/// The question of a link that names a run.
const RUN_QUESTION: &str = "run(";

/// The run that the question of a link names.
pub(super) fn run_of(uri: &Uri) -> Option<&str> {
    uri.query.as_deref()?.strip_prefix(RUN_QUESTION)?.strip_suffix(')')
}

/// Makes the link.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let site = Site::open(owner, &args.here)?;
    let mut uri = link(owner, site.place, site.branch())?;
    let mut told = None;
    match named(owner, &site, &args.what)? {
        Some(run) => {
            uri.query = Some(format!("{RUN_QUESTION}{})", checked(owner, &site, &run)?));
            uri.refs = vec![Ref { name: run.record.code.branch.clone(), at: None }];
            told = Some(run.id.to_string());
        }
        None => uri.refs = vec![version(owner, &site, &args.what)?],
    }
    uri.peers = network.addresses().into_iter().chain(args.peers.iter().cloned()).collect();
    let is_public = owner.replica(site.place.repo)?.is_public();
    if !is_public {
        let invitation = invitation(owner, site.place, Role::Read, args.expires.as_deref(), args.uses)?;
        uri.invite = Some(hex(&invitation.to_bytes()));
    }
    Ok(Answer { link: uri.to_string(), run: told, invites: !is_public })
}

/// The run that a word means; `None` where it is none.
fn named(owner: &mut Owner, site: &Site, word: &str) -> Result<Option<Run>, NodeError> {
    if word.starts_with('?') {
        return Ok(None);
    }
    match Book::of_site(owner, site)?.find(word) {
        Ok(run) => Ok(Some(run.clone())),
        Err(NodeError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole hash of a run that others can have.
fn checked(owner: &mut Owner, site: &Site, run: &Run) -> Result<String, NodeError> {
    if run.local {
        return Err(Problem::LocalRun(run.id.clone()).into());
    }
    check_code(run)?;
    let bad = |why| NodeError::Refused(format!("the version of the code: {why}"));
    site.place.view(owner, &tie::frontier(&run.record.code.frontier).map_err(bad)?)?;
    let bytes = Shelf::open(owner, site.place)?.bytes(owner, &run.id, ".json")?;
    bytes.map(|bytes| hash(&bytes)).ok_or(NodeError::Bug("a run without a record"))
}

/// Refuses a run of which nobody else can have the code.
pub(super) fn check_code(run: &Run) -> Result<(), NodeError> {
    match run.record.code.local {
        false => Ok(()),
        true => Err(Problem::LocalCode(run.id.clone()).into()),
    }
}

fn version(owner: &mut Owner, site: &Site, word: &str) -> Result<Ref, NodeError> {
    let text = if word.starts_with('?') { word.to_owned() } else { format!("?{word}") };
    let version = Version::find(owner, &site.here(), Some(&text)).map_err(|error| match error {
        NodeError::NotFound { .. } => NodeError::NotFound { what: "run or version", name: word.to_owned() },
        error => error,
    })?;
    site.check_shared(owner, &version.frontier)?;
    let heads = tie::digits(&version.frontier);
    let name = match (version.branch.is_some() || version.mark.is_some(), heads.as_slice()) {
        (true, _) => text.trim_start_matches('?').to_owned(),
        (false, [one]) => one.clone(),
        (false, _) => {
            return Err(NodeError::Usage(format!("{word} is a blend: mark it, and share the mark")));
        }
    };
    Ok(Ref { name, at: None })
}
