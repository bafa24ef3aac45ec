//! `mark`: a signed name for a version, with a changelog entry; marked versions never fade.

use cairn_crdt::Draft;
use cairn_crdt::id::FeedId;
use cairn_protocol::Labels;
use cairn_protocol::hash::LogHash;
use cairn_protocol::mark::{Mark, feeds_root};
use cairn_protocol::replica::FeedInfo;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::owner::Owner;
use crate::uri::check_label;
use crate::verbs::{Here, Site, Version};
use crate::worktree::link::digits;

/// What `mark` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Args {
    /// Where it starts from.
    pub here: Here,
    /// The name.
    pub name: String,
    /// The changelog entry.
    pub message: String,
    /// The version; what the worktree stands on when left out.
    pub uri: Option<String>,
}

/// What `mark` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The name.
    pub mark: String,
    /// The version it names.
    pub frontier: Vec<String>,
    /// Its root.
    pub root: String,
}

/// Writes the mark.
pub fn run(owner: &mut Owner, args: &Args) -> Result<Answer, NodeError> {
    check_label(&args.name)?;
    let version = Version::find(owner, &args.here, args.uri.as_deref())?;
    let place = version.place;
    let site = Site::open(owner, &args.here)?;
    if site.place != place {
        return Err(NodeError::Usage("a mark is made in a worktree of the same project".to_owned()));
    }
    let root = place.view(owner, &version.frontier)?.root;
    let replica = owner.replica(place.repo)?;
    if version.frontier.is_empty() {
        return Err(NodeError::Usage("nothing was posted yet, so there is nothing to mark".to_owned()));
    }
    if replica.marks(place.project).iter().any(|(_, mark)| mark.name == args.name) {
        return Err(NodeError::Refused(format!(
            "the mark {} is there already, and marks do not move",
            args.name
        )));
    }
    let feeds: Vec<_> = replica.feeds(place.project).iter().filter_map(absorbed).collect();
    let mark = Mark {
        name: args.name.clone(),
        message: args.message.clone(),
        frontier: version.frontier.heads().to_vec(),
        root,
        feeds: feeds_root(&feeds),
    };
    let labels = Labels { mark: Some(mark), ..Labels::default() };
    site.write(owner, version.frontier.clone(), Draft::default(), labels)?;
    Ok(Answer { mark: args.name.clone(), frontier: digits(&version.frontier), root: root.to_string() })
}

/// How far a feed has come, as a mark takes it in.
fn absorbed(feed: &FeedInfo) -> Option<(FeedId, u64, LogHash)> {
    let top = feed.top.as_ref()?;
    Some((feed.feed, top.n, top.root))
}
