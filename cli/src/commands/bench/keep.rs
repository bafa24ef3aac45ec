//! Cases that somebody should look at, one folder each.

use super::releases::Pair;
use super::rivals::Outcome;
use super::score::Class;
use super::split::Case;
use crate::error::Failure;
use std::fs;
use std::path::PathBuf;

/// A folder of cases.
pub(super) struct Keep {
    dir: PathBuf,
    kept: usize,
}

impl Keep {
    /// An empty one.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, kept: 0 }
    }

    /// Keeps what the sides did, what should have come of it, and what did.
    pub(super) fn case(
        &mut self,
        pair: &Pair,
        case: &Case,
        class: Class,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        self.kept += 1;
        let name = format!("{}-{:04}-{}", case.kind.word(), self.kept, pair.language);
        let dir = self.dir.join(class.word()).join(name);
        fs::create_dir_all(&dir)?;
        let sides = ["a", "b", "c"].into_iter().zip(&case.sides);
        for (name, bytes) in
            sides.chain([("base", &case.base), ("truth", &case.truth), ("cairn", &outcome.bytes)])
        {
            fs::write(dir.join(name), bytes)?;
        }
        if outcome.swapped != outcome.bytes {
            fs::write(dir.join("swapped"), &outcome.swapped)?;
        }
        fs::write(dir.join("from"), format!("{}\n{}\n", pair.old.display(), pair.new.display()))?;
        fs::write(dir.join("told"), if outcome.told { "an overlap\n" } else { "nothing\n" })?;
        Ok(())
    }
}
