//! What a record says, and how it is read from bytes that anybody may have written.

use std::collections::BTreeMap;
use std::fmt;

use cairn_crdt::id::{ArtifactId, ContentHash};
use cairn_crdt::path::RepoPath;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::Number;
use super::environment::Environment;

/// The form of records that this version writes.
pub const RECORD_LEVEL: u32 = 1;
/// The most bytes of a record.
pub const RECORD_BYTES_MAX: usize = 4 << 20;
/// How deep a record may nest.
const DEPTH_MAX: usize = 32;
/// The most inputs, and the most outputs.
pub const ITEMS_MAX: usize = 10_000;
/// The most parameters, and the most metrics.
pub const KEYS_MAX: usize = 1_000;
/// The most bytes of a parameter's or a metric's name.
pub const KEY_BYTES_MAX: usize = 200;
/// The most characters of a run's name.
pub const NAME_CHARS_MAX: usize = 200;
/// The most words of a command.
pub const WORDS_MAX: usize = 10_000;
/// Up to here a float holds every whole number, and no other one is rounded to it.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;
/// Digits of a run's name.
pub const ID_DIGITS: usize = 16;

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// More bytes than a record may have.
    #[error("it is longer than {RECORD_BYTES_MAX} bytes")]
    TooLong,
    /// It nests deeper than records do.
    #[error("it nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// Another document than a record.
    #[error("it is no record: {0}")]
    Shape(String),
    /// A later form.
    #[error("its form is {0}, this version reads {RECORD_LEVEL}")]
    Level(u32),
    /// More of something than allowed.
    #[error("it has more {0} than allowed")]
    Count(&'static str),
    /// A part that is not as it must be.
    #[error("{part} is not well formed: {found:?}")]
    Part {
        /// Which part.
        part: &'static str,
        /// What stands there.
        found: String,
    },
    /// Its name is not the hash of its bytes.
    #[error("its bytes make the name {0}")]
    Name(RunId),
}

/// The name of a run: the first digits of the hash of its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// The name of a record with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digits = hash(bytes);
        digits.truncate(ID_DIGITS);
        Self(digits)
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == ID_DIGITS && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The BLAKE3 hash of bytes, as digits.
pub fn hash(bytes: &[u8]) -> String {
    ContentHash::of(bytes).to_string()
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// Yes or no.
    Flag(bool),
    /// A number that JSON can write; a whole one is written without a dot.
    #[serde(serialize_with = "whole")]
    Number(f64),
    /// Anything else.
    Text(String),
}

fn whole<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        true => serializer.serialize_i64(*number as i64),
        false => serializer.serialize_f64(*number),
    }
}

impl Scalar {
    /// The value that a word is: `true`, `false`, a number, or else a text.
    pub fn parse(word: &str) -> Self {
        match word {
            "true" => Self::Flag(true),
            "false" => Self::Flag(false),
            _ => match word.parse::<f64>() {
                // A whole number that a float cannot hold stays as it is written: seeds must not be rounded.
                Ok(number) if number.abs() > WHOLE_MAX && !word.contains(['.', 'e', 'E']) => {
                    Self::Text(word.to_owned())
                }
                Ok(number) if number.is_finite() => Self::Number(number),
                _ => Self::Text(word.to_owned()),
            },
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{}", Number(*number)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The state of the code that was run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The branch that the worktree followed.
    pub branch: String,
    /// The version, as hashes.
    pub frontier: Vec<String>,
    /// Whether that version is a local waypoint, which nobody else can have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// The root of what it shows.
    pub root: String,
}

/// A file that went in or came out.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// The artifact that keeps its bytes; without one they are part of the code, or only their hash is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// How many bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of all its bytes.
    pub content: String,
    /// Whether a pattern named it; others were found to have changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declared: bool,
    /// Where it lies in the worktree.
    pub path: String,
}

/// A file beside the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// How many bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of its bytes.
    pub content: String,
    /// How many bytes the program wrote that are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How a command ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Whether somebody asked for the end: ctrl-C, or a signal that was passed on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

impl Exit {
    /// `done`, `failed`, `killed` or `interrupted`.
    pub fn word(&self) -> &'static str {
        match self {
            Self { interrupted: true, .. } => "interrupted",
            Self { signal: Some(_), .. } => "killed",
            Self { code: Some(0), .. } => "done",
            _ => "failed",
        }
    }

    /// The exit code as a shell tells it.
    pub fn shell_code(&self) -> i32 {
        self.code.or(self.signal.map(|signal| signal.saturating_add(128))).unwrap_or(1)
    }
}

/// What was declared, so that it can be declared again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Patterns of inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// The file that the program writes metrics to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// Patterns of outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The code.
    pub code: Code,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The processor time of the program and what it started, in milliseconds.
    pub cpu_ms: u64,
    /// The folder in the worktree in which it ran; empty for the worktree itself.
    pub cwd: String,
    /// What was declared.
    pub declared: Declared,
    /// Where it ran.
    pub environment: Environment,
    /// How it ended.
    pub exit: Exit,
    /// What it read, as far as that was declared.
    pub inputs: Vec<Item>,
    /// The form of the record.
    pub level: u32,
    /// What it printed, in `<id>.log`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Beside>,
    /// The last value of each metric.
    pub metrics: BTreeMap<String, Number>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What whoever reads this should know: a pattern that named nothing, values that were cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What it wrote.
    pub outputs: Vec<Item>,
    /// The parameters.
    pub params: BTreeMap<String, Scalar>,
    /// The values of metrics over steps, in `<id>.series.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Beside>,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub wall_ms: u64,
    /// What a later form adds.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

impl Record {
    /// The record's bytes: keys in order, one a line.
    pub fn bytes(&self) -> Result<Vec<u8>, RecordError> {
        let shape = |error: serde_json::Error| RecordError::Shape(error.to_string());
        let mut text = String::new();
        write_value(&serde_json::to_value(self).map_err(shape)?, 0, &mut text);
        text.push('\n');
        let bytes = text.into_bytes();
        // What nobody could read is not written either.
        Self::read(&bytes)?;
        Ok(bytes)
    }

    /// Reads a record that is stored under a name.
    pub fn named(id: &RunId, bytes: &[u8]) -> Result<Self, RecordError> {
        let found = RunId::of(bytes);
        match found == *id {
            true => Self::read(bytes),
            false => Err(RecordError::Name(found)),
        }
    }

    /// Reads a record from bytes that anybody may have written.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        if depth(bytes) > DEPTH_MAX {
            return Err(RecordError::TooDeep);
        }
        let shape = |error: serde_json::Error| RecordError::Shape(error.to_string());
        let value: Value = serde_json::from_slice(bytes).map_err(shape)?;
        let level = value.get("level").and_then(Value::as_u64);
        let level = level.ok_or_else(|| RecordError::Shape("it has no level".to_owned()))?;
        if level != u64::from(RECORD_LEVEL) {
            return Err(RecordError::Level(u32::try_from(level).unwrap_or(u32::MAX)));
        }
        let record: Self = serde_json::from_value(value).map_err(shape)?;
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), RecordError> {
        let counts = [
            ("inputs", self.inputs.len(), ITEMS_MAX),
            ("outputs", self.outputs.len(), ITEMS_MAX),
            ("parameters", self.params.len(), KEYS_MAX),
            ("metrics", self.metrics.len(), KEYS_MAX),
            ("words in its command", self.command.len(), WORDS_MAX),
        ];
        if let Some((what, ..)) = counts.iter().find(|(_, count, most)| count > most) {
            return Err(RecordError::Count(what));
        }
        if self.command.is_empty() {
            return Err(RecordError::Count("nothing to run"));
        }
        let keys = self.params.keys().chain(self.metrics.keys());
        keys.map(|key| check_key(key)).collect::<Result<Vec<_>, _>>()?;
        if !self.cwd.is_empty() {
            check_path("the folder", &self.cwd)?;
        }
        if let Some(metrics) = &self.declared.metrics {
            check_path("the metrics file", metrics)?;
        }
        if let Some(name) = self.name.as_ref().filter(|name| name.chars().count() > NAME_CHARS_MAX) {
            return Err(bad("the run's name", name));
        }
        for item in self.inputs.iter().chain(&self.outputs) {
            check_path("a path", &item.path)?;
            ContentHash::from_hex(&item.content).ok_or_else(|| bad("a hash", &item.content))?;
            let artifact = item.artifact.as_deref();
            artifact
                .map_or(Some(()), |id| ArtifactId::from_hex(id).map(drop))
                .ok_or_else(|| bad("an artifact", artifact.unwrap_or_default()))?;
        }
        Ok(())
    }
}

/// Whether a word may name a parameter or a metric.
pub fn check_key(key: &str) -> Result<(), RecordError> {
    let plain = |char: char| char.is_alphanumeric() || "_-./@:".contains(char);
    match !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.chars().all(plain) {
        true => Ok(()),
        false => Err(bad("a name", key)),
    }
}

fn check_path(part: &'static str, path: &str) -> Result<(), RecordError> {
    RepoPath::new(path.as_bytes()).map(drop).map_err(|_| bad(part, path))
}

fn bad(part: &'static str, found: &str) -> RecordError {
    RecordError::Part { part, found: found.chars().take(80).collect() }
}

/// How deep the brackets of a JSON text nest.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Writes a value with its keys in order, one a line.
fn write_value(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            let lines = sorted.into_iter().map(|(key, value)| (Some(key.as_str()), value));
            write_lines(('{', '}'), lines, indent, out);
        }
        Value::Array(values) if !values.is_empty() => {
            write_lines(('[', ']'), values.iter().map(|value| (None, value)), indent, out);
        }
        plain => *out += &plain.to_string(),
    }
}

fn write_lines<'a>(
    brackets: (char, char),
    lines: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    indent: usize,
    out: &mut String,
) {
    out.push(brackets.0);
    let mut separator = "\n";
    for (key, value) in lines {
        *out += separator;
        *out += &" ".repeat(indent + 2);
        if let Some(key) = key {
            *out += &Value::from(key).to_string();
            *out += ": ";
        }
        write_value(value, indent + 2, out);
        separator = ",\n";
    }
    out.push('\n');
    *out += &" ".repeat(indent);
    out.push(brackets.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn record() -> Record {
        Record {
            level: RECORD_LEVEL,
            command: vec!["sh".into(), "train.sh".into()],
            params: [("lr".to_owned(), Scalar::Number(0.1)), ("opt".to_owned(), Scalar::Text("adam".into()))]
                .into(),
            metrics: [("acc".to_owned(), Number(0.93)), ("loss".to_owned(), Number(f64::NAN))].into(),
            outputs: vec![Item { content: "0".repeat(64), path: "out/model.bin".into(), ..Item::default() }],
            ..Record::default()
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record();
        let bytes = record.bytes().unwrap();
        assert_eq!(Record::named(&RunId::of(&bytes), &bytes).unwrap(), record);
        assert_eq!(record.bytes().unwrap(), bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.starts_with("{\n  \"code\": {\n    \"branch\": \"\",\n") && text.ends_with("}\n"),
            "{text}"
        );
    }

    #[test]
    fn what_a_later_version_adds_is_kept() {
        let mut value = serde_json::to_value(record()).unwrap();
        value["later"] = serde_json::json!({ "a": [1, 2] });
        let read = Record::read(value.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap()["later"], value["later"]);
        value["level"] = 2.into();
        assert_eq!(Record::read(value.to_string().as_bytes()), Err(RecordError::Level(2)));
    }

    #[test]
    fn hostile_records_are_refused_by_name() {
        let change = |change: &dyn Fn(&mut Value)| {
            let mut value = serde_json::to_value(record()).unwrap();
            change(&mut value);
            Record::read(value.to_string().as_bytes())
        };
        assert!(change(&|_| ()).is_ok());
        for path in ["../x", "/etc/passwd", ".cairn/link.json", "a//b", ""] {
            let part = change(&|value| value["outputs"][0]["path"] = path.into());
            assert!(matches!(part, Err(RecordError::Part { part: "a path", .. })), "{path}: {part:?}");
        }
        assert!(change(&|value| value["outputs"][0]["bytes"] = (-1).into()).is_err());
        assert!(change(&|value| value["wall_ms"] = 1e300.into()).is_err());
        assert!(change(&|value| value["cwd"] = "../..".into()).is_err());
        assert!(change(&|value| value["declared"]["metrics"] = "../m.json".into()).is_err());
        assert!(change(&|value| value["name"] = "x".repeat(NAME_CHARS_MAX + 1).into()).is_err());
        let odd = change(&|value| value["exit"]["signal"] = i32::MAX.into()).unwrap();
        assert_eq!(odd.exit.shell_code(), i32::MAX);
        assert!(change(&|value| value["command"] = Value::Array(vec![])).is_err());
        assert!(change(&|value| value["params"]["a b"] = 1.into()).is_err());
        let many = vec![serde_json::to_value(&record().outputs[0]).unwrap(); ITEMS_MAX + 1];
        assert_eq!(change(&|value| value["inputs"] = many.clone().into()), Err(RecordError::Count("inputs")));
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert_eq!(Record::read(&deep), Err(RecordError::TooDeep));
        assert_eq!(Record::read(&vec![b' '; RECORD_BYTES_MAX + 1]), Err(RecordError::TooLong));
        for bad in ["", "null", "[]", "{", "{\"level\":\"1\"}", "\u{feff}{}"] {
            assert!(matches!(Record::read(bad.as_bytes()), Err(RecordError::Shape(_))), "{bad}");
        }
        let bytes = record().bytes().unwrap();
        let id = RunId::parse("0123456789abcdef").unwrap();
        assert_eq!(Record::named(&id, &bytes), Err(RecordError::Name(RunId::of(&bytes))));
    }

    #[test]
    fn fuzz_no_bytes_make_a_record_panic() {
        let good = record().bytes().unwrap();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..3_000 {
            let mut bytes = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] = (state >> 20) as u8;
            }
            let _ = Record::read(&bytes);
        }
    }

    #[test]
    fn words_have_the_type_they_look_like() {
        assert_eq!(Scalar::parse("1e-3"), Scalar::Number(0.001));
        assert_eq!(Scalar::parse("true"), Scalar::Flag(true));
        assert_eq!(Scalar::parse("nan"), Scalar::Text("nan".into()));
        let seeds = [Scalar::parse("7"), Scalar::parse("-0.5"), Scalar::parse("1e300")];
        let text = serde_json::to_string(&seeds).unwrap();
        assert_eq!(text, "[7,-0.5,1e+300]");
        assert_eq!(serde_json::from_str::<Vec<Scalar>>(&text).unwrap(), seeds);
        assert_eq!(Scalar::parse("9007199254740993"), Scalar::Text("9007199254740993".into()));
        assert_eq!(Scalar::parse("adam"), Scalar::Text("adam".into()));
    }
}
