//! Writing stones.

use crate::error::Reject;
use crate::stone::{StoneName, Stored};

/// The file of a stone. `stored` has one item for each waypoint of the span, in order.
pub fn write_stone(name: &StoneName, stored: &[Stored]) -> Result<Vec<u8>, Reject> {
    let _ = (name, stored);
    todo!()
}
