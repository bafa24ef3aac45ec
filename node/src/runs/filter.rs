//! Which runs are meant: `metrics.acc > 0.9 and params.lr < 1e-3`.
//!
//! ```text
//! or         = and { "or" and }
//! and        = not { "and" not }
//! not        = "not" not | "(" or ")" | comparison
//! comparison = value [ ( "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" ) value ]
//! value      = number | 'text' | "text" | true | false | column
//! ```
//!
//! A value alone is a question with the answer yes or no. `~` asks whether a text holds another. What a row does not have compares as
//! no, whatever it is compared with; values of two types cannot be compared, and the error names the column.

use super::Number;
use super::book::Run;
use super::record::Scalar;
use crate::uri::when;

/// The most bytes of an expression.
const BYTES_MAX: usize = 4_096;
/// How deep brackets and `not` may nest.
const DEPTH_MAX: usize = 64;
/// The columns of a run.
pub const RUN_COLUMNS: [&str; 13] = [
    "branch",
    "command",
    "cpu_seconds",
    "exit",
    "local",
    "metrics.NAME",
    "name",
    "params.NAME",
    "run",
    "seconds",
    "started",
    "state",
    "tag.NAME",
];

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// More than allowed.
    #[error("the expression is longer than {BYTES_MAX} bytes or nests deeper than {DEPTH_MAX} levels")]
    TooLong,
    /// It is no expression.
    #[error("expected {expected} at column {at} of the expression, found {found}")]
    Syntax {
        /// What could have stood there.
        expected: &'static str,
        /// Where, from 1.
        at: usize,
        /// What stands there.
        found: String,
    },
    /// There is no such column.
    #[error("there is no column {name}; there are {}", columns.join(", "))]
    Column {
        /// The name.
        name: String,
        /// Those that there are.
        columns: &'static [&'static str],
    },
    /// Two values that cannot be compared.
    #[error(
        "{left} is {left_type}, and cannot be compared by {operator} with {right}, which is {right_type}"
    )]
    Types {
        /// The value on the left, as it was written.
        left: String,
        /// Its type.
        left_type: &'static str,
        /// The comparison.
        operator: &'static str,
        /// The value on the right, as it was written.
        right: String,
        /// Its type.
        right_type: &'static str,
    },
    /// A value that answers no question.
    #[error("{0} is {1}, and not yes or no: compare it with something")]
    NoFlag(String, &'static str),
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

impl Cell {
    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Flag(_) => "yes or no",
        }
    }
}

/// What has columns.
pub trait Columns {
    /// The value of a column; `None` where this row has none.
    ///
    /// # Errors
    /// Where there is no such column.
    fn cell(&self, column: &str) -> Result<Option<Cell>, FilterError>;
}

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Is(Value),
    Compare(Value, Operator, Value),
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Cell(Cell),
    Column(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessEqual,
    More,
    MoreEqual,
    Holds,
}

impl Operator {
    const ALL: [(&'static str, Self); 8] = [
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("<=", Self::LessEqual),
        (">=", Self::MoreEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::More),
        ("~", Self::Holds),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, operator)| *operator == self).map_or("", |(word, _)| word)
    }
}

/// A question that is asked of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Expr);

impl Filter {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > BYTES_MAX {
            return Err(FilterError::TooLong);
        }
        let mut parser = Parser { text, at: 0, depth: 0 };
        let expr = parser.or()?;
        match parser.rest().is_empty() {
            true => Ok(Self(expr)),
            false => Err(parser.unexpected("and, or, or the end")),
        }
    }

    /// Whether a row is meant.
    pub fn passes(&self, row: &impl Columns) -> Result<bool, FilterError> {
        ask(&self.0, row)
    }
}

/// Every part is asked, so that a column that is not there is told whatever stands beside it.
fn ask(expr: &Expr, row: &impl Columns) -> Result<bool, FilterError> {
    let all = |parts: &[Expr]| parts.iter().map(|part| ask(part, row)).collect::<Result<Vec<_>, _>>();
    match expr {
        Expr::Or(parts) => Ok(all(parts)?.into_iter().any(|yes| yes)),
        Expr::And(parts) => Ok(all(parts)?.into_iter().all(|yes| yes)),
        Expr::Not(part) => ask(part, row).map(|yes| !yes),
        Expr::Is(value) => match cell(value, row)? {
            None => Ok(false),
            Some(Cell::Flag(flag)) => Ok(flag),
            Some(other) => Err(FilterError::NoFlag(written(value), other.kind())),
        },
        Expr::Compare(left, operator, right) => match (cell(left, row)?, cell(right, row)?) {
            (Some(one), Some(other)) => compare(&one, *operator, &other).ok_or_else(|| FilterError::Types {
                left: written(left),
                left_type: one.kind(),
                operator: operator.word(),
                right: written(right),
                right_type: other.kind(),
            }),
            _ => Ok(false),
        },
    }
}

fn cell(value: &Value, row: &impl Columns) -> Result<Option<Cell>, FilterError> {
    match value {
        Value::Cell(cell) => Ok(Some(cell.clone())),
        Value::Column(name) => row.cell(name),
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Column(name) => name.clone(),
        Value::Cell(Cell::Number(number)) => Number(*number).to_string(),
        Value::Cell(Cell::Text(text)) => format!("{text:?}"),
        Value::Cell(Cell::Flag(flag)) => flag.to_string(),
    }
}

/// The answer; `None` where the types do not fit.
fn compare(one: &Cell, operator: Operator, other: &Cell) -> Option<bool> {
    let order = match (one, other) {
        (Cell::Number(one), Cell::Number(other)) => one.partial_cmp(other),
        (Cell::Text(one), Cell::Text(other)) if operator == Operator::Holds => {
            return Some(one.contains(other));
        }
        (Cell::Text(one), Cell::Text(other)) => Some(one.cmp(other)),
        (Cell::Flag(one), Cell::Flag(other)) => Some(one.cmp(other)),
        _ => return None,
    };
    // What is not a number is neither less nor more than anything.
    Some(match operator {
        Operator::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
        Operator::Unequal => order.is_none_or(std::cmp::Ordering::is_ne),
        Operator::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Operator::LessEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Operator::More => order.is_some_and(std::cmp::Ordering::is_gt),
        Operator::MoreEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        Operator::Holds => return None,
    })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn unexpected(&mut self, expected: &'static str) -> FilterError {
        let found = match self.rest().split_whitespace().next() {
            Some(word) => format!("{:?}", word.chars().take(40).collect::<String>()),
            None => "the end".to_owned(),
        };
        let at = self.text.get(..self.at).unwrap_or_default().chars().count() + 1;
        FilterError::Syntax { expected, at, found }
    }

    /// Takes a word that stands alone.
    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest().strip_prefix(word);
        let alone = rest.filter(|rest| !rest.starts_with(is_name));
        self.at += if alone.is_some() { word.len() } else { 0 };
        alone.is_some()
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is_there = self.rest().starts_with(sign);
        self.at += if is_there { sign.len() } else { 0 };
        is_there
    }

    fn or(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.and()?];
        while self.word("or") {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.not()?];
        while self.word("and") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(FilterError::TooLong);
        }
        let expr = if self.word("not") {
            Expr::Not(Box::new(self.not()?))
        } else if self.sign("(") {
            let expr = self.or()?;
            if !self.sign(")") {
                return Err(self.unexpected("a closing bracket"));
            }
            expr
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, FilterError> {
        let left = self.value()?;
        for (sign, operator) in Operator::ALL {
            if self.sign(sign) {
                return Ok(Expr::Compare(left, operator, self.value()?));
            }
        }
        Ok(Expr::Is(left))
    }

    fn value(&mut self) -> Result<Value, FilterError> {
        let rest = self.rest();
        if let Some(quote) = rest.chars().next().filter(|char| matches!(char, '\'' | '"')) {
            let text = rest.get(1..).and_then(|rest| rest.split_once(quote));
            let Some((text, _)) = text else { return Err(self.unexpected("a text that ends")) };
            self.at += text.len() + 2;
            return Ok(Value::Cell(Cell::Text(text.to_owned())));
        }
        let word: &str = rest.split(|char| !is_name(char) && char != '+').next().unwrap_or_default();
        let is_number = word.starts_with(|char: char| char.is_ascii_digit() || "+-.".contains(char));
        let value = match word {
            "" | "and" | "or" | "not" => return Err(self.unexpected("a value")),
            "true" | "false" => Value::Cell(Cell::Flag(word == "true")),
            _ if is_number => match word.parse() {
                Ok(number) => Value::Cell(Cell::Number(number)),
                Err(_) => return Err(self.unexpected("a number")),
            },
            _ => Value::Column(word.to_owned()),
        };
        self.at += word.len();
        Ok(value)
    }
}

fn one_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

/// What names of columns are made of.
fn is_name(char: char) -> bool {
    char.is_alphanumeric() || "_-./@:".contains(char)
}

impl Columns for Run {
    fn cell(&self, column: &str) -> Result<Option<Cell>, FilterError> {
        let Run { id, record, local, tags } = self;
        if let Some(name) = column.strip_prefix("metrics.") {
            return Ok(record.metrics.get(name).map(|number| Cell::Number(number.0)));
        }
        if let Some(name) = column.strip_prefix("params.") {
            return Ok(record.params.get(name).map(|value| match value {
                Scalar::Flag(flag) => Cell::Flag(*flag),
                Scalar::Number(number) => Cell::Number(*number),
                Scalar::Text(text) => Cell::Text(text.clone()),
            }));
        }
        if let Some(name) = column.strip_prefix("tag.") {
            return Ok(Some(Cell::Flag(tags.iter().any(|tag| tag == name))));
        }
        Ok(Some(match column {
            "branch" => Cell::Text(record.code.branch.clone()),
            "command" => Cell::Text(record.command.join(" ")),
            "cpu_seconds" => Cell::Number(record.cpu_ms as f64 / 1000.0),
            "exit" => Cell::Number(f64::from(record.exit.shell_code())),
            "local" => Cell::Flag(*local),
            "name" => return Ok(record.name.clone().map(Cell::Text)),
            "run" => Cell::Text(id.to_string()),
            "seconds" => Cell::Number(record.wall_ms as f64 / 1000.0),
            "started" => Cell::Text(when::spell(record.started_ms)),
            "state" => Cell::Text(record.exit.word().to_owned()),
            _ => return Err(FilterError::Column { name: column.to_owned(), columns: &RUN_COLUMNS }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::record::{RECORD_LEVEL, Record, RunId};

    fn run() -> Run {
        let record = Record {
            level: RECORD_LEVEL,
            name: Some("first try".into()),
            params: [
                ("lr".into(), Scalar::Number(1e-4)),
                ("opt".into(), Scalar::Text("adam".into())),
                ("big".into(), Scalar::Flag(true)),
            ]
            .into(),
            metrics: [("acc".into(), Number(0.93)), ("val/loss".into(), Number(f64::NAN))].into(),
            ..Record::default()
        };
        Run { id: RunId::of(b"x"), record, local: false, tags: vec!["good".into()] }
    }

    fn asks(text: &str) -> Result<bool, FilterError> {
        Filter::parse(text)?.passes(&run())
    }

    #[test]
    fn questions_are_answered() {
        for yes in [
            "metrics.acc > 0.9 and params.lr < 1e-3",
            "not metrics.acc<=0.9",
            "(metrics.acc < 0.5 or params.opt = 'adam') and params.big",
            "name ~ \"try\" and state != 'done'",
            "tag.good and not tag.bad",
            "metrics.val/loss != 1 or false",
            "not (metrics.absent > 0) and not params.absent = 'x'",
            "1e-3 > params.lr",
            "params.lr > -1 and params.lr < +1",
        ] {
            assert_eq!(asks(yes), Ok(true), "{yes}");
        }
        for no in ["metrics.val/loss > 0", "metrics.val/loss <= 0", "metrics.absent = 1", "false or local"] {
            assert_eq!(asks(no), Ok(false), "{no}");
        }
    }

    #[test]
    fn errors_name_the_column_and_the_place() {
        let told = |text: &str| asks(text).unwrap_err().to_string();
        assert!(told("acc > 1").starts_with("there is no column acc; there are branch, "));
        // It is told although the other side decides.
        assert!(told("true or acc").contains("no column acc"));
        assert_eq!(
            told("params.opt > 1"),
            "params.opt is a text, and cannot be compared by > with 1, which is a number"
        );
        assert_eq!(told("params.lr"), "params.lr is a number, and not yes or no: compare it with something");
        assert_eq!(told("metrics.acc >"), "expected a value at column 14 of the expression, found the end");
        assert_eq!(told("(local"), "expected a closing bracket at column 7 of the expression, found the end");
        assert_eq!(
            told("local local"),
            "expected and, or, or the end at column 7 of the expression, found \"local\""
        );
        assert!(told("params.lr > 1x").contains("expected a number at column 13"));
        assert!(told("name = 'x").contains("a text that ends"));
    }

    #[test]
    fn fuzz_no_text_makes_the_parser_panic() {
        assert_eq!(asks(&"(".repeat(4_000)), Err(FilterError::TooLong));
        assert_eq!(asks(&"not ".repeat(1_000)), Err(FilterError::TooLong));
        assert_eq!(asks(&" ".repeat(BYTES_MAX + 1)), Err(FilterError::TooLong));
        let parts = ["metrics.acc", ">", "'", "\"", "(", ")", "and", "not", "é", " ", "1e", "=", "~", "-"];
        let mut state = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..state % 9 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text += parts[(state >> 33) as usize % parts.len()];
            }
            state = state.wrapping_add(0x9e37_79b9);
            let _ = asks(&text);
        }
    }
}
