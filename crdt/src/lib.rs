//! What a state is, and how two become one.

pub mod encoding;
pub mod frontier;
pub mod hunk;
pub mod id;
pub mod op;
pub mod path;

pub use frontier::Frontier;
