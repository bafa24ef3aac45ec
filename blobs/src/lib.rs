//! Content-addressed store for large bytes, with verified transfer.
//!
//! A file is cut into chunks at borders that its content chooses, so that two versions of a
//! checkpoint share what they have in common. Each chunk is named by its BLAKE3 hash and lies in a pack with others;
//! what the chunks mean together (the manifest) is not known here. Transfer runs over any pair of
//! byte streams and is verified by iroh-blobs while it arrives, so a liar is found after 16 KiB and a cut
//! connection costs less than that.
//!
//! This crate speaks hashes, paths and byte streams. Who may ask for what is decided by its caller.

mod block;
mod chunk;
mod durable;
mod error;
mod export;
mod fetch;
mod import;
mod pace;
mod pack;
mod part;
mod piece;
mod pin;
mod quota;
mod serve;
mod store;
mod streams;
mod sweep;

pub use chunk::{CHUNK_BYTES_MAX, Chunk};
pub use error::{BlobsError, Fault};
pub use export::touched;
pub use fetch::{Lane, Short};
pub use import::Imported;
pub use pace::Pace;
pub use piece::{Piece, QUESTION_BYTES};
pub use store::{Blobs, Hold};
pub use sweep::Swept;

#[cfg(test)]
mod tests;
