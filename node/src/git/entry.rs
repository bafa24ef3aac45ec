//! What may stand at a path of a git tree, and what cairn shows there.

/// A mode as a tree has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mode(pub(crate) u32);

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tree,
    File {
        executable: bool,
    },
    Link,
    /// A commit of another repository.
    Submodule,
}

impl Mode {
    pub(crate) const TREE: Mode = Mode(0o040_000);
    pub(crate) const FILE: Mode = Mode(0o100_644);
    pub(crate) const EXECUTABLE: Mode = Mode(0o100_755);
    pub(crate) const LINK: Mode = Mode(0o120_000);

    /// What old tools put before a mode: a zero.
    const PADDED: u32 = 1 << 31;

    /// Reads octal digits as tools wrote them. What would not come back to the digit is refused.
    pub(crate) fn read(digits: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(digits).ok()?;
        let padded = if text.starts_with('0') { Self::PADDED } else { 0 };
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o177_777)?;
        let mode = Mode(bits | padded);
        let known = matches!(bits & 0o170_000, 0o040_000 | 0o100_000 | 0o120_000 | 0o160_000);
        (known && mode.digits() == digits).then_some(mode)
    }

    /// As the tool wrote it.
    pub(crate) fn digits(self) -> Vec<u8> {
        let padding = if self.0 & Self::PADDED == 0 { "" } else { "0" };
        format!("{padding}{:o}", self.0 & !Self::PADDED).into_bytes()
    }

    pub(crate) fn kind(self) -> Kind {
        match self.0 & 0o170_000 {
            0o040_000 => Kind::Tree,
            0o120_000 => Kind::Link,
            0o160_000 => Kind::Submodule,
            _ => Kind::File { executable: self.0 & 0o100 != 0 },
        }
    }

    /// Whether a view does not show all that the mode says. A folder is odd only where it holds nothing.
    pub(crate) fn is_odd(self) -> bool {
        ![Self::TREE, Self::FILE, Self::EXECUTABLE, Self::LINK].contains(&self)
    }
}

/// What stands in the place of a submodule, so that it is seen, merged and restored: its commit, in the words that
/// `git diff` uses.
pub(crate) fn pointer(commit: super::Oid) -> Vec<u8> {
    format!("Subproject commit {commit}\n").into_bytes()
}

/// The commit that such a text names.
pub(crate) fn pointed(text: &[u8]) -> Option<super::Oid> {
    let digits = text.strip_prefix(b"Subproject commit ")?.strip_suffix(b"\n")?;
    super::Oid::from_hex(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_come_back_as_they_were() {
        for digits in ["100644", "100755", "100664", "100600", "40000", "120000", "160000", "040000"] {
            assert_eq!(Mode::read(digits.as_bytes()).unwrap().digits(), digits.as_bytes());
        }
        for digits in ["", "0040000", "0", "777", "100648", "1006440000000", "-1", "20000", "60000"] {
            assert_eq!(Mode::read(digits.as_bytes()), None, "{digits}");
        }
        assert_eq!(Mode(0o100_711).kind(), Kind::File { executable: true });
        assert!(Mode(0o100_664).is_odd() && Mode(0o160_000).is_odd() && !Mode::LINK.is_odd());
    }

    #[test]
    fn a_submodule_comes_back() {
        let id = super::super::Oid::from_bytes_or_panic(&[0xab; 20]);
        assert_eq!(pointed(&pointer(id)), Some(id));
        assert_eq!(pointed(b"Subproject commit main\n"), None);
    }
}
