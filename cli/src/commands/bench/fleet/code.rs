//! The shared files: a function for each agent, or for each pair, four lines apart from the next.

use crate::commands::bench::stage::bug;
use crate::error::Failure;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// How many files all share.
const FILES: usize = 4;

/// Which functions there are.
pub(super) struct Code {
    /// How many agents work.
    pub(super) agents: usize,
    /// How many agents share a function.
    pub(super) share: usize,
}

impl Code {
    /// Writes the files as they are at the beginning.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Failure> {
        for file in 0..FILES {
            let mut text = String::from("//! Work that many do.\n");
            for function in (0..self.agents.div_ceil(self.share)).filter(|number| number % FILES == file) {
                let _ = write!(
                    text,
                    "\n/// What agent {function} does.\nfn {} {{\n    begin();\n}}\n",
                    name(function)
                );
            }
            fs::write(dir.join(path(file)), text)?;
        }
        Ok(())
    }

    /// Puts a line at the end of an agent's function.
    pub(super) fn add(&self, dir: &Path, agent: usize, line: &str) -> Result<(), Failure> {
        let function = agent / self.share;
        let path = dir.join(path(function % FILES));
        let mut text = fs::read_to_string(&path)?;
        let gone = || bug("an agent's function is gone");
        let start = text.find(&format!("fn {} {{", name(function))).ok_or_else(gone)?;
        let end = text.get(start..).and_then(|rest| rest.find("\n}")).ok_or_else(gone)?;
        text.insert_str(start + end + 1, line);
        Ok(fs::write(path, text)?)
    }

    /// All lines of the files.
    pub(super) fn read(&self, dir: &Path) -> Result<BTreeSet<String>, Failure> {
        let mut lines = BTreeSet::new();
        for file in 0..FILES {
            let text = fs::read_to_string(dir.join(path(file)))?;
            lines.extend(text.split_inclusive('\n').map(str::to_owned));
        }
        Ok(lines)
    }
}

fn path(file: usize) -> String {
    format!("shared{file}.rs")
}

fn name(function: usize) -> String {
    format!("work_{function:04}()")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_adds_to_its_own_function() {
        let dir = tempfile::tempdir().unwrap();
        let code = Code { agents: 9, share: 1 };
        code.write(dir.path()).unwrap();
        code.add(dir.path(), 4, "    one();\n").unwrap();
        code.add(dir.path(), 4, "    two();\n").unwrap();
        let text = fs::read_to_string(dir.path().join("shared0.rs")).unwrap();
        assert!(text.contains("fn work_0004() {\n    begin();\n    one();\n    two();\n}\n\n"), "{text}");
        assert!(code.read(dir.path()).unwrap().contains("    two();\n"));
    }
}
