//! Randomness from the operating system: asked for here and nowhere else.

use crate::error::NodeError;

/// `N` bytes that nobody can guess.
pub fn random<const N: usize>() -> Result<[u8; N], NodeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NodeError::Bug("the system gives no randomness"))?;
    Ok(bytes)
}
