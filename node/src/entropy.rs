//! Randomness from the operating system: asked for here and nowhere else.

use crate::error::NodeError;

/// `N` bytes that nobody can guess.
pub fn random<const N: usize>() -> Result<[u8; N], NodeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NodeError::Bug("the system gives no randomness"))?;
    Ok(bytes)
}

/// Choices that are the same each time, for tests.
#[cfg(test)]
pub(crate) struct Dice(pub(crate) u64);

#[cfg(test)]
impl Dice {
    /// A number below `sides`.
    pub(crate) fn next(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
