//! `clone`: copies a public repo, or one that this device may read, into a new worktree.

use cairn_protocol::Wanted;
use serde::{Deserialize, Serialize};

use super::join::{Door, enter};
use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::Uri;
pub use crate::verbs::join::Answer;
use crate::verbs::{Here, Network};

/// What `clone` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// A link: `cairn://<repo>/@owner/project?ref`, or a repo of this home, `//repo`.
    pub link: String,
    /// Peers to ask before those that the link names, as multiaddresses.
    pub peers: Vec<String>,
    /// Whether large files are left out until somebody asks for them.
    #[serde(default)]
    pub lazy: bool,
}

/// Fetches the repo and checks out.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    let uri = Uri::parse(&args.link)?;
    let name = uri
        .repo
        .clone()
        .ok_or_else(|| NodeError::Usage("a link names a repo: cairn://<repo>/…".to_owned()))?;
    if uri.invite.is_some() {
        return Err(NodeError::Usage("this is an invitation: `join` takes it".to_owned()));
    }
    let unknown = || NodeError::NotFound { what: "repo", name: name.clone() };
    let repo = owner.config().repo(&name).ok_or_else(unknown)?;
    let wanted = Wanted { repo, projects: uri.project.iter().cloned().collect(), grants: Vec::new() };
    enter(owner, &args.here, &Door { uri: &uri, peers: &args.peers, wanted, lazy: args.lazy }, network)
}
