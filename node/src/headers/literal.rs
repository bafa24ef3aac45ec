//! Literals of Python, as far as headers of NumPy have them: texts, whole numbers, flags, lists and a table.

use super::HeaderError;

/// How deep lists may nest.
const DEPTH_MAX: usize = 16;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// In single or double quotes.
    Text(String),
    /// From zero.
    Number(u64),
    /// `True` or `False`.
    Flag(bool),
    /// A list or a tuple.
    List(Vec<Literal>),
    /// Keys and values.
    Table(Vec<(Literal, Literal)>),
}

/// Reads a literal that takes the whole text, but for white space around it.
pub(super) fn read(text: &str) -> Result<Literal, HeaderError> {
    let mut rest = Rest(text);
    let literal = rest.value(0)?;
    rest.space();
    if rest.0.is_empty() { Ok(literal) } else { Err(rest.wrong()) }
}

/// What is not read yet.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn wrong(&self) -> HeaderError {
        HeaderError::Shape(format!("at {:?}", self.0.chars().take(20).collect::<String>()))
    }

    fn space(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn take(&mut self, word: &str) -> bool {
        self.space();
        match self.0.strip_prefix(word) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Literal, HeaderError> {
        if depth > DEPTH_MAX {
            return Err(HeaderError::Shape(format!("it nests deeper than {DEPTH_MAX} levels")));
        }
        if self.take("True") {
            return Ok(Literal::Flag(true));
        }
        if self.take("False") {
            return Ok(Literal::Flag(false));
        }
        for (open, close) in [("(", ")"), ("[", "]")] {
            if self.take(open) {
                return self.items(close, |rest| rest.value(depth + 1)).map(Literal::List);
            }
        }
        if self.take("{") {
            return self.items("}", |rest| rest.pair(depth + 1)).map(Literal::Table);
        }
        for quote in ["'", "\""] {
            if self.take(quote) {
                return self.text(quote);
            }
        }
        self.number()
    }

    fn pair(&mut self, depth: usize) -> Result<(Literal, Literal), HeaderError> {
        let key = self.value(depth)?;
        if self.take(":") { Ok((key, self.value(depth)?)) } else { Err(self.wrong()) }
    }

    fn items<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, HeaderError>,
    ) -> Result<Vec<T>, HeaderError> {
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(item(self)?);
            if !self.take(",") {
                return if self.take(close) { Ok(items) } else { Err(self.wrong()) };
            }
        }
        Ok(items)
    }

    /// Names with escapes are not written by NumPy; they are refused rather than misread.
    fn text(&mut self, quote: &str) -> Result<Literal, HeaderError> {
        let (text, rest) = self.0.split_once(quote).ok_or_else(|| self.wrong())?;
        if text.contains('\\') {
            return Err(self.wrong());
        }
        let text = text.to_owned();
        self.0 = rest;
        Ok(Literal::Text(text))
    }

    fn number(&mut self) -> Result<Literal, HeaderError> {
        self.space();
        let end = self.0.find(|char: char| !char.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        let number = digits.parse().map_err(|_| self.wrong())?;
        // Python 2 wrote whole numbers with a letter behind them.
        self.0 = rest.strip_prefix('L').unwrap_or(rest);
        Ok(Literal::Number(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_whole_or_refused() {
        let read_all = |text: &str| read(text).ok();
        let one = || Literal::Number(1);
        assert_eq!(read_all(" (1,) "), Some(Literal::List(vec![one()])));
        assert_eq!(read_all("[1L, True]"), Some(Literal::List(vec![one(), Literal::Flag(true)])));
        assert_eq!(
            read_all("{'a': \"b'\", }"),
            Some(Literal::Table(vec![(Literal::Text("a".into()), Literal::Text("b'".into()))]))
        );
        for wrong in ["", "(1", "1 2", "{1}", "'a", "-1", "(,)", "99999999999999999999", "'\\x41'", "None"] {
            assert_eq!(read_all(wrong), None, "{wrong}");
        }
        assert!(matches!(read(&"(".repeat(1 << 20)), Err(HeaderError::Shape(why)) if why.contains("deeper")));
    }
}
