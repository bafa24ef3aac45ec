//! The wall clock: read here and nowhere else, and passed on as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, as this machine believes them to be.
///
/// A clock before 1970 counts as 1970: the hybrid clock of the protocol orders by cause
/// and only leans on this number.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
