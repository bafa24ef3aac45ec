//! Marks: signed tags with a changelog entry. They travel as entries, so a feed's top signs them.

use cairn_crdt::encoding::{Decode, Encoded, Reader, Writer};
use cairn_crdt::id::{FeedId, Root, WaypointId, derive};

use crate::grant::{read_option, write_option};
use crate::hash::LogHash;
use crate::limits::{FRONTIER_COUNT_MAX, LABEL_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::merkle::tree_root;
use crate::text::{read_label, read_text};

/// A state with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The name: `v1.0`.
    pub name: String,
    /// The changelog entry.
    pub message: String,
    /// The version that is marked; in order, each once.
    pub frontier: Vec<WaypointId>,
    /// The root of what the frontier shows.
    pub root: Root,
    /// The root over all feeds and how far they went: see [`feeds_root`].
    pub feeds: LogHash,
    /// For how long it is kept, in the words of whoever has to keep it: `release`, `10 years`.
    pub class: Option<String>,
    /// Why it must not be deleted, until an admin lifts the hold.
    pub hold: Option<String>,
}

/// The Merkle root over (feed, length, log root), which a mark absorbs; in the order of the feeds.
pub fn feeds_root(feeds: &[(FeedId, u64, LogHash)]) -> LogHash {
    let mut sorted = feeds.to_vec();
    sorted.sort();
    tree_root(
        sorted.iter().map(|(feed, n, root)| {
            LogHash(derive("cairn 1 marked feed", &[&feed.0, &n.to_le_bytes(), &root.0]))
        }),
    )
}

impl Encoded for Mark {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.name.as_bytes());
        out.bytes(self.message.as_bytes());
        out.list(&self.frontier);
        self.root.write(out);
        self.feeds.write(out);
        if self.class.is_some() || self.hold.is_some() {
            let text = |out: &mut Writer, text: &str| out.bytes(text.as_bytes());
            write_option(out, self.class.as_deref(), text);
            write_option(out, self.hold.as_deref(), text);
        }
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let name = read_label(input, LABEL_BYTES_MAX)?;
        let message = read_text(input, MESSAGE_BYTES_MAX)?;
        let at = input.clone();
        let frontier: Vec<WaypointId> = input.list(FRONTIER_COUNT_MAX)?;
        at.require(frontier.is_sorted_by(|a, b| a < b), "order of a frontier")?;
        let (root, feeds) = (Root::read(input)?, LogHash::read(input)?);
        let (class, hold) = if input.remaining() == 0 { (None, None) } else { read_keep(input)? };
        Ok(Self { name, message, frontier, root, feeds, class, hold })
    }
}

/// How a mark is kept; stands at its end, and only where there is something to say.
fn read_keep(input: &mut Reader<'_>) -> Decode<(Option<String>, Option<String>)> {
    let at = input.clone();
    let class = read_option(input, |input| read_label(input, LABEL_BYTES_MAX))?;
    let hold = read_option(input, |input| read_text(input, MESSAGE_BYTES_MAX))?;
    at.require(class.is_some() || hold.is_some(), "class and hold of a mark")?;
    Ok((class, hold))
}
