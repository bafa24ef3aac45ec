//! What a state is, and how two become one.

pub mod diff;
pub mod encoding;
pub mod frontier;
pub mod hunk;
pub mod id;
pub mod leaf;
pub mod op;
pub mod path;
pub mod token;

pub use frontier::Frontier;
