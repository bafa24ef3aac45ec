//! Content-addressed store for large bytes, with verified transfer.
//!
//! A file is cut into chunks at borders that its content chooses, so that two versions of a
//! checkpoint share what they have in common. Each chunk is one blob, named by its BLAKE3 hash;
//! what the chunks mean together (the manifest) is not known here. Transfer runs over any pair of
//! byte streams and is verified while it arrives, so a liar is found after 16 KiB and a cut
//! connection costs nothing that was already received.
//!
//! This crate speaks hashes, paths and byte streams. Who may ask for what is decided by its caller.

mod chunk;
mod durable;
mod error;
mod export;
mod fetch;
mod import;
mod pin;
mod serve;
mod store;
mod streams;

pub use chunk::{CHUNK_BYTES_MAX, Chunk};
pub use error::{BlobsError, Fault};
pub use fetch::Fetched;
pub use import::Imported;
pub use store::Blobs;

#[cfg(test)]
mod tests;
