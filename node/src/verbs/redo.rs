//! `redo`: brings back what `undo` took away last.

use crate::error::NodeError;
use crate::owner::Owner;
use crate::verbs::undo::{Way, last};
use crate::verbs::{Network, Site};

pub use crate::verbs::undo::{Answer, Args};

/// Brings back the last step that was undone.
pub fn run(owner: &mut Owner, args: &Args, network: &mut dyn Network) -> Result<Answer, NodeError> {
    if args.uri.is_some() {
        return Err(NodeError::Usage(
            "redo takes no version: it goes back along the undone steps".to_owned(),
        ));
    }
    let mut site = Site::open(owner, &args.here)?;
    site.finish(owner, network)?;
    last(owner, &mut site, network, Way::Redo)
}
