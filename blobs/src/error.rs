//! What can go wrong with large bytes, and whose fault it is.

use std::io;
use std::path::PathBuf;

use crate::chunk::hex;

/// Who is to blame, which decides whether to try another source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The other side lied, stalled, or hung up.
    Peer,
    /// This machine: disk, space, permissions.
    Local,
    /// A mistake in this program.
    Bug,
}

/// Every way in which an operation on blobs fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobsError {
    /// The file system refused.
    #[error("{doing} {path}: {source}", path = path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The blob store itself failed.
    #[error("blob store, {doing}: {reason}")]
    Store {
        /// What was tried.
        doing: &'static str,
        /// What it answered.
        reason: String,
    },
    /// A chunk is not here.
    #[error("chunk {} is not in this store", hex(hash))]
    Missing {
        /// Which one.
        hash: [u8; 32],
    },
    /// Bytes in the store are not what their name says.
    #[error("chunk {} is damaged in this store", hex(hash))]
    Damaged {
        /// Which one.
        hash: [u8; 32],
    },
    /// The store would take more room than it may.
    #[error("the store may take {limit} bytes: {needed} are needed, {free} are free")]
    Quota {
        /// How many bytes are needed.
        needed: u64,
        /// How many are free of what it may take.
        free: u64,
        /// How many it may take.
        limit: u64,
    },
    /// A pin's file is not what was written.
    #[error("the pin {name} is damaged in this store")]
    DamagedPin {
        /// Its name.
        name: String,
    },
    /// A list of chunks names one that is larger than chunks may be.
    #[error("chunk {} claims {bytes} bytes, more than a chunk may have", hex(hash))]
    TooLarge {
        /// Which one.
        hash: [u8; 32],
        /// The claim.
        bytes: u64,
    },
    /// The provider sent bytes that do not belong to the hash.
    #[error("the peer sent wrong bytes for chunk {}: {reason}", hex(hash))]
    Lied {
        /// What was asked for.
        hash: [u8; 32],
        /// How it was noticed.
        reason: String,
    },
    /// The stream ended before the chunk was complete. What arrived is kept.
    #[error("the stream ended before chunk {} was complete: {reason}", hex(hash))]
    Truncated {
        /// What was asked for.
        hash: [u8; 32],
        /// How it ended.
        reason: String,
    },
    /// The provider does not have it, or does not give it to us.
    #[error("the peer does not give chunk {}", hex(hash))]
    Absent {
        /// What was asked for.
        hash: [u8; 32],
    },
    /// Nothing moved for too long.
    #[error("nothing moved on the stream for {seconds} s")]
    Stalled {
        /// How long was waited.
        seconds: u64,
    },
    /// The stream broke, or ended between two answers.
    #[error("the stream to the peer broke: {reason}")]
    Broken {
        /// How.
        reason: String,
    },
    /// A peer sent a request that cannot be read.
    #[error("the peer's request cannot be read: {reason}")]
    BadRequest {
        /// Why not.
        reason: String,
    },
}

impl BlobsError {
    /// Who is to blame.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Disk { .. }
            | Self::Store { .. }
            | Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::Quota { .. }
            | Self::DamagedPin { .. } => Fault::Local,
            Self::TooLarge { .. }
            | Self::Lied { .. }
            | Self::Truncated { .. }
            | Self::Stalled { .. }
            | Self::Absent { .. }
            | Self::Broken { .. }
            | Self::BadRequest { .. } => Fault::Peer,
        }
    }

    pub(crate) fn store(doing: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Store { doing, reason: format!("{reason:#}") }
    }

    pub(crate) fn disk(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { doing, path, source }
    }
}
