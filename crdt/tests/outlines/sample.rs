//! A module that counts.

use std::collections::BTreeMap;
use std::fmt;

/// How many there are at most.
pub const MOST: usize = 8;

/// A counter.
#[derive(Debug, Default)]
pub struct Counter {
    /// By word.
    words: BTreeMap<String, usize>,
    total: usize,
}

pub enum Answer {
    Many,
    Few(usize), // how few
}

impl Counter {
    /// Counts one.
    pub fn count(&mut self, word: &str) {
        *self.words.entry(word.to_owned()).or_default() += 1;
    }

    // Not public.
    fn total(&self) -> usize { self.total } // a trailing comment
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.total)
    }
}

pub trait Count {
    type Word;
    fn one(&self);
}

macro_rules! twice { ($x:expr) => { $x + $x } }

fn a() {} fn b() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {}
}
