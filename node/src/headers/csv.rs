//! CSV: the first record names the columns. What each column holds is hashed while the records go by, so that a column that only
//! got another name is known by what it holds.

use super::{Failure, HeaderError, NAME_BYTES_MAX, Source};

/// The most bytes of the first record.
const NAMES_BYTES_MAX: u64 = 1 << 20;
/// The most columns.
const COLUMNS_COUNT_MAX: usize = 4096;
/// Of a longer table the rows are not counted.
const TABLE_BYTES_MAX: u64 = 64 << 20;
/// How much is read at once.
const BLOCK_BYTES: u64 = 1 << 20;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What it is called; the second of one name ends with ` (2)`.
    pub name: String,
    /// What its cells come to, in order; `None` where that identifies nothing: all are equal, or some are not there.
    pub digest: Option<[u8; 32]>,
}

/// Columns and rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// How many records follow the first one; `None` in a longer file than is read.
    pub rows: Option<u64>,
}

/// Reads a table.
pub(super) fn read<S: Source>(source: &mut S) -> Result<Table, Failure<S::Error>> {
    let end = source.bytes();
    let is_counted = end <= TABLE_BYTES_MAX;
    let mut records = Records::default();
    let mut from = 0;
    while from < end && (is_counted || records.columns.is_none()) {
        let to = end.min(from + BLOCK_BYTES);
        let block = source.read(from..to).map_err(Failure::Source)?;
        for byte in block {
            records.take(byte)?;
        }
        from = to;
    }
    Ok(records.table(is_counted)?)
}

/// Where a reader stands in a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// At its beginning.
    #[default]
    Begin,
    /// In one without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote: the end of the cell, or the first of two.
    Quote,
}

/// What is known of a column so far.
struct Cells {
    name: String,
    all: blake3::Hasher,
    cell: blake3::Hasher,
    first: Option<blake3::Hash>,
    is_constant: bool,
}

/// A table that is read byte by byte.
#[derive(Default)]
struct Records {
    names: Vec<u8>,
    is_quoted: bool,
    columns: Option<Vec<Cells>>,
    separator: u8,
    state: State,
    /// The cell of the record that is read.
    at: usize,
    /// Whether the record has a byte yet.
    is_begun: bool,
    rows: u64,
    is_ragged: bool,
}

impl Records {
    fn take(&mut self, byte: u8) -> Result<(), HeaderError> {
        if self.columns.is_some() {
            self.cell_byte(byte);
            return Ok(());
        }
        self.is_quoted ^= byte == b'"';
        if byte == b'\n' && !self.is_quoted {
            return self.begin();
        }
        self.names.push(byte);
        match self.names.len() as u64 {
            bytes if bytes > NAMES_BYTES_MAX => Err(HeaderError::TooLong { bytes, limit: NAMES_BYTES_MAX }),
            _ => Ok(()),
        }
    }

    /// The first record is whole: its separator is the one that stands most often outside of quotes.
    fn begin(&mut self) -> Result<(), HeaderError> {
        let text =
            std::str::from_utf8(&self.names).map_err(|_| HeaderError::Shape("it is not UTF-8".to_owned()))?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches('\r');
        let count = |separator: u8| {
            let mut is_quoted = false;
            let outside = |byte: &u8| {
                is_quoted ^= *byte == b'"';
                !is_quoted && *byte == separator
            };
            text.bytes().filter(outside).count()
        };
        self.separator =
            [b';', b'\t', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',');
        if count(self.separator) >= COLUMNS_COUNT_MAX {
            return Err(HeaderError::Count("columns"));
        }
        let mut columns: Vec<Cells> = Vec::new();
        let mut seen = std::collections::BTreeMap::new();
        for name in split(text, char::from(self.separator)) {
            if name.len() > NAME_BYTES_MAX {
                return Err(HeaderError::Count("bytes in a name"));
            }
            let nth = seen.entry(name.clone()).and_modify(|nth| *nth += 1).or_insert(1);
            columns.push(Cells::new(if *nth == 1 { name } else { format!("{name} ({nth})") }));
        }
        self.columns = Some(columns);
        Ok(())
    }

    fn cell_byte(&mut self, byte: u8) {
        match (self.state, byte) {
            (State::Quoted, b'"') => self.state = State::Quote,
            (State::Quoted, _) => self.hash(byte),
            (State::Quote, b'"') => {
                self.state = State::Quoted;
                self.hash(byte);
            }
            (State::Begin, b'"') => {
                self.is_begun = true;
                self.state = State::Quoted;
            }
            (_, b'\n') => self.end_record(),
            (_, byte) if byte == self.separator => {
                self.is_begun = true;
                self.end_cell();
            }
            // Lines may end with both; a carriage return inside a plain cell is not told from that.
            (_, b'\r') => {}
            _ => {
                self.is_begun = true;
                self.state = State::Plain;
                self.hash(byte);
            }
        }
    }

    fn hash(&mut self, byte: u8) {
        if let Some(column) = self.columns.as_mut().and_then(|columns| columns.get_mut(self.at)) {
            column.cell.update(&[byte]);
        }
    }

    fn end_cell(&mut self) {
        if let Some(column) = self.columns.as_mut().and_then(|columns| columns.get_mut(self.at)) {
            column.end();
        }
        self.at += 1;
        self.state = State::Begin;
    }

    /// An empty line is no record, as everybody reads it.
    fn end_record(&mut self) {
        if self.is_begun {
            self.end_cell();
            self.is_ragged |= self.columns.as_ref().is_some_and(|columns| columns.len() != self.at);
            self.rows += 1;
        }
        (self.at, self.is_begun, self.state) = (0, false, State::Begin);
    }

    fn table(mut self, is_counted: bool) -> Result<Table, HeaderError> {
        match self.columns {
            None => self.begin()?,
            Some(_) => self.end_record(),
        }
        let is_sure = is_counted && !self.is_ragged;
        let columns = self.columns.unwrap_or_default().into_iter();
        let columns = columns.map(|cells| {
            let digest = (is_sure && !cells.is_constant).then(|| cells.all.finalize().into());
            Column { name: cells.name, digest }
        });
        Ok(Table { columns: columns.collect(), rows: is_counted.then_some(self.rows) })
    }
}

impl Cells {
    fn new(name: String) -> Self {
        let (all, cell) = (blake3::Hasher::new(), blake3::Hasher::new());
        Self { name, all, cell, first: None, is_constant: true }
    }

    fn end(&mut self) {
        let cell = self.cell.finalize();
        self.cell.reset();
        self.is_constant &= *self.first.get_or_insert(cell) == cell;
        self.all.update(cell.as_bytes());
    }
}

/// The cells of a record.
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut cells, mut cell, mut state) = (Vec::new(), String::new(), State::Begin);
    for char in text.chars() {
        match (state, char) {
            (State::Quoted, '"') => state = State::Quote,
            (State::Quoted, _) => cell.push(char),
            (State::Quote, '"') => {
                state = State::Quoted;
                cell.push(char);
            }
            (State::Begin, '"') => state = State::Quoted,
            (_, char) if char == separator => {
                cells.push(std::mem::take(&mut cell));
                state = State::Begin;
            }
            _ => {
                state = State::Plain;
                cell.push(char);
            }
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::super::{Form, Header, of_bytes};
    use super::*;

    fn of(text: &str) -> Result<Table, HeaderError> {
        match of_bytes(Form::Csv, text.as_bytes())? {
            Header::Table(table) => Ok(table),
            Header::Arrays(_) => panic!(),
        }
    }

    fn names(text: &str) -> Vec<String> {
        of(text).unwrap().columns.into_iter().map(|column| column.name).collect()
    }

    #[test]
    fn columns_and_rows_are_read_over_quotes_and_line_ends() {
        assert_eq!(names("\u{feff}id,\"a, b\",\"say \"\"x\"\"\"\r\n"), ["id", "a, b", "say \"x\""]);
        assert_eq!(names("a;b;c,d\n"), ["a", "b", "c,d"]);
        assert_eq!(names("a\tb"), ["a", "b"]);
        assert_eq!(names("a,a,a\n"), ["a", "a (2)", "a (3)"]);
        let rows = |text: &str| of(text).unwrap().rows;
        assert_eq!(rows("a,b\n1,2\r\n\n\"3\n4\",\"\"\"\"\n5,6"), Some(3));
        assert_eq!((rows("a"), rows("a\n"), rows("a\n1")), (Some(0), Some(0), Some(1)));
        assert_eq!(rows("a\n\"\"\n"), Some(1), "an empty cell in quotes is a record");
    }

    #[test]
    fn what_a_column_holds_tells_it_but_where_that_says_nothing() {
        let digests =
            |text: &str| -> Vec<_> { of(text).unwrap().columns.iter().map(|column| column.digest).collect() };
        let table = digests("x,y,z\n1,2,0\n3,\"4\",0\n");
        assert_eq!(table, digests("a;b;c\r\n1;2;0\r\n\"3\";4;0"));
        assert!(table[0].is_some() && table[0] != table[1] && table[2].is_none(), "all equal tells nothing");
        assert_eq!(digests("x,y\n1,2\n3\n"), [None; 2], "a record of another length");
        assert_ne!(digests("x\n12\n3\n"), digests("x\n1\n23\n"));
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        assert_eq!(of(&",".repeat(COLUMNS_COUNT_MAX)), Err(HeaderError::Count("columns")));
        assert!(matches!(of(&"x".repeat(2 << 20)), Err(HeaderError::TooLong { .. })));
        assert!(matches!(of(&format!("\"{}", "\n".repeat(2 << 20))), Err(HeaderError::TooLong { .. })));
        assert!(matches!(of_bytes(Form::Csv, b"\xff\xfe\n"), Err(HeaderError::Shape(_))));
        assert_eq!(of(&"x".repeat(5000)), Err(HeaderError::Count("bytes in a name")));
    }
}
